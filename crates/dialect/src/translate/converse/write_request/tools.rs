//! `toolConfig`: tools, and how the model may choose among them.

use super::super::family::Family;
use super::blocks;
use crate::translate::fields::Fields;
use crate::translate::neutral::{Choice, NO_PARAMETERS, Text, Tool};
use crate::translate::raw::{self, Object};
use crate::translate::{Error, Remarks};
use serde_json::value::RawValue;

/// What an entry of the list can be.
const KINDS: [&str; 3] = ["toolSpec", "systemTool", "cachePoint"];

/// Whether the model must call a tool.
pub(super) fn is_forced(choice: Option<&Choice<'_>>) -> bool {
    matches!(choice, Some(Choice::Any | Choice::Tool(_) | Choice::Of { required: true, .. }))
}

/// Writes the tools. `called`: those that the conversation has calls of, which the provider refuses where no tools are.
pub(super) fn write(
    tools: Vec<Tool<'_>>,
    choice: Option<Choice<'_>>,
    parallel_calls: Option<bool>,
    called: &[Text<'_>],
    family: Family,
    remarks: &mut Remarks,
    body: &mut Fields,
) -> Result<(), Error> {
    let mut list = Vec::with_capacity(tools.len());
    for (number, tool) in tools.into_iter().enumerate() {
        write_tool(number, tool, family, remarks, &mut list)?;
    }
    if list.is_empty() {
        if is_forced(choice.as_ref()) {
            return Err(Error::invalid("tool_choice", "there is no tool to choose"));
        }
        list.extend(called.iter().map(|name| spec(name, None, None, None, Object::default())));
    } else if matches!(choice, Some(Choice::None)) {
        if called.is_empty() {
            // A model that knows of no tools calls none.
            return Ok(());
        }
        remarks.report.unsupported("tool_choice", "it cannot be kept from calling tools")?;
    }
    if list.is_empty() {
        return Ok(());
    }
    // It cannot be kept from calling several tools at once; frameworks that ask for one call take the first.
    if parallel_calls == Some(false) {
        remarks.report.left_out("parallel_tool_calls");
    }
    let choice = match choice {
        Some(Choice::Of { names, required: true }) if names.len() == 1 => {
            names.into_iter().next().map(Choice::Tool)
        }
        Some(Choice::Of { .. }) => {
            remarks.report.unsupported("tool_choice.allowed_tools", "one function or all can be chosen")?;
            None
        }
        choice => choice,
    };
    body.begin("toolConfig");
    body.out.extend_from_slice(br#"{"tools":"#);
    raw::write_list(&mut body.out, &list, |out, tool| out.extend_from_slice(tool));
    match choice {
        Some(Choice::Any) => body.out.extend_from_slice(br#","toolChoice":{"any":{}}"#),
        Some(Choice::Auto) => body.out.extend_from_slice(br#","toolChoice":{"auto":{}}"#),
        Some(Choice::Tool(name)) => {
            body.out.extend_from_slice(br#","toolChoice":{"tool":{"name":"#);
            name.write(&mut body.out);
            body.out.extend_from_slice(b"}}");
        }
        None | Some(Choice::None | Choice::Of { .. }) => {}
    }
    body.out.push(b'}');
    Ok(())
}

fn write_tool(
    number: usize,
    tool: Tool<'_>,
    family: Family,
    remarks: &mut Remarks,
    list: &mut Vec<Vec<u8>>,
) -> Result<(), Error> {
    match tool {
        Tool::Function { name, description, schema, strict, cache, rest } => {
            list.push(spec(&name, description.as_ref(), schema, strict, rest));
            match cache {
                Some(mark) if family.takes_cache_marks() => list.push(blocks::cache_point(mark)),
                Some(_) => remarks.cache_mark(|| format!("tools[{number}].cache_control")),
                None => {}
            }
            Ok(())
        }
        Tool::Hosted { kind, value } => {
            let fields = Object::open(value).unwrap_or_default();
            if KINDS.iter().any(|name| fields.get(name).is_some()) {
                list.push(value.get().as_bytes().to_vec());
                return Ok(());
            }
            let reason = format!("{kind} is run by the provider of another API");
            remarks.report.unsupported(format!("tools[{number}]"), &reason)
        }
    }
}

fn spec(
    name: &Text<'_>,
    description: Option<&Text<'_>>,
    schema: Option<&RawValue>,
    strict: Option<bool>,
    mut rest: Object<'_>,
) -> Vec<u8> {
    let mut out = br#"{"toolSpec":{"name":"#.to_vec();
    name.write(&mut out);
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        out.extend_from_slice(br#","description":"#);
        description.write(&mut out);
    }
    out.extend_from_slice(br#","inputSchema":{"json":"#);
    write_schema(&mut out, schema);
    out.push(b'}');
    if strict == Some(true) {
        out.extend_from_slice(br#","strict":true"#);
    }
    rest.remove(&["name", "description", "inputSchema", "strict"]);
    rest.write_rest(&mut out);
    out.extend_from_slice(b"}}");
    out
}

/// The schema must say that it is an object's, which OpenAI does not demand.
fn write_schema(out: &mut Vec<u8>, schema: Option<&RawValue>) {
    let fields = schema.and_then(Object::open).unwrap_or_default();
    match schema {
        Some(schema) if fields.get("type").is_some() => raw::write_raw(out, schema),
        _ if fields.is_empty() => out.extend_from_slice(NO_PARAMETERS.as_bytes()),
        _ => {
            let mut fields = fields;
            fields.remove(&["type"]);
            out.extend_from_slice(br#"{"type":"object""#);
            fields.write_rest(out);
            out.push(b'}');
        }
    }
}
