//! Tools, and how the model may choose among them.

use crate::translate::neutral::{Choice, NO_PARAMETERS, Text, Tool};
use crate::translate::raw::{self, Object};
use crate::translate::{Error, Report};
use serde_json::value::RawValue;

/// Writes the tools as the inside of a JSON array.
pub(super) fn write(tools: Vec<Tool<'_>>, report: &mut Report) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for (number, tool) in tools.into_iter().enumerate() {
        let is_custom = matches!(&tool, Tool::Hosted { value, .. }
            if Object::open(value).is_some_and(|tool| tool.get("custom").is_some()));
        if is_custom {
            report.unsupported(format!("tools[{number}].custom"), "only function tools are")?;
            continue;
        }
        if !out.is_empty() {
            out.push(b',');
        }
        write_tool(&mut out, tool);
    }
    Ok(out)
}

fn write_tool(out: &mut Vec<u8>, tool: Tool<'_>) {
    let (name, description, schema, strict, cache, mut rest) = match tool {
        // One of this provider's own, such as its web search: OpenAI's API has none of the kind.
        Tool::Hosted { kind: _, value } => return raw::write_raw(out, value),
        Tool::Function { name, description, schema, strict, cache, rest } => {
            (name, description, schema, strict, cache, rest)
        }
    };
    out.extend_from_slice(br#"{"name":"#);
    name.write(out);
    if let Some(description) = description {
        out.extend_from_slice(br#","description":"#);
        description.write(out);
    }
    out.extend_from_slice(br#","input_schema":"#);
    write_schema(out, schema);
    if strict == Some(true) {
        out.extend_from_slice(br#","strict":true"#);
    }
    rest.remove(&["name", "description", "input_schema", "strict"]);
    super::write_cache(out, cache, &mut rest);
    rest.write_rest(out);
    out.push(b'}');
}

/// The schema must say that it is an object's, which OpenAI does not demand.
fn write_schema(out: &mut Vec<u8>, schema: Option<&RawValue>) {
    let fields = schema.and_then(Object::open).unwrap_or_default();
    match schema {
        Some(schema) if fields.get("type").is_some() => raw::write_raw(out, schema),
        _ if fields.is_empty() => out.extend_from_slice(NO_PARAMETERS.as_bytes()),
        _ => {
            out.extend_from_slice(br#"{"type":"object""#);
            fields.write_rest(out);
            out.push(b'}');
        }
    }
}

/// The choice as the provider's API knows it.
pub(super) fn choice<'a>(
    choice: Option<Choice<'a>>,
    report: &mut Report,
) -> Result<Option<Choice<'a>>, Error> {
    match choice {
        Some(Choice::Of { .. }) => {
            report.unsupported("tool_choice.allowed_tools", "one function or all can be chosen")?;
            Ok(None)
        }
        choice => Ok(choice),
    }
}

/// Whether the model must call a tool.
pub(super) fn is_forced(choice: Option<&Choice<'_>>) -> bool {
    matches!(choice, Some(Choice::Any | Choice::Tool(_)))
}

/// Writes the choice, if there is something to say.
pub(super) fn write_choice(out: &mut Vec<u8>, choice: Option<&Choice<'_>>, one_at_a_time: bool) {
    let name: Option<&Text<'_>> = match choice {
        Some(Choice::Tool(name)) => Some(name),
        _ => None,
    };
    let kind = match choice {
        None if !one_at_a_time => return,
        None | Some(Choice::Auto | Choice::Of { .. }) => "auto",
        Some(Choice::None) => "none",
        Some(Choice::Any) => "any",
        Some(Choice::Tool(_)) => "tool",
    };
    out.extend_from_slice(br#","tool_choice":{"#);
    raw::write_field(out, "type", kind);
    if let Some(name) = name {
        out.extend_from_slice(br#","name":"#);
        name.write(out);
    }
    if one_at_a_time && kind != "none" {
        out.extend_from_slice(br#","disable_parallel_tool_use":true"#);
    }
    out.push(b'}');
}
