//! Tools, and how the model may choose among them.

use crate::translate::fields::Fields;
use crate::translate::neutral::{Choice, NO_PARAMETERS, Text, Tool};
use crate::translate::raw::{self, Object};
use crate::translate::{Error, Remarks};
use serde_json::value::RawValue;

struct Function<'a> {
    name: Text<'a>,
    description: Option<Text<'a>>,
    schema: Option<&'a RawValue>,
    is_strict: bool,
    rest: Object<'a>,
}

impl Function<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"function","function":{"name":"#);
        self.name.write(out);
        if let Some(description) = &self.description {
            out.extend_from_slice(br#","description":"#);
            description.write(out);
        }
        out.extend_from_slice(br#","parameters":"#);
        out.extend_from_slice(self.schema.map_or(NO_PARAMETERS, RawValue::get).as_bytes());
        self.rest.write_rest(out);
        out.extend_from_slice(b"}}");
    }
}

/// Writes the tools, and tells whether there are any.
pub(super) fn write(
    tools: Vec<Tool<'_>>,
    choice: Option<Choice<'_>>,
    parallel_calls: Option<bool>,
    remarks: &mut Remarks,
    body: &mut Fields,
) -> Result<bool, Error> {
    let mut functions = Vec::with_capacity(tools.len());
    for (number, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { name, description, schema, strict, cache, mut rest } => {
                if cache.is_some() {
                    remarks.cache_mark(|| format!("tools[{number}].cache_control"));
                }
                rest.remove(&["name", "description", "parameters"]);
                functions.push(Function { name, description, schema, is_strict: strict == Some(true), rest });
            }
            Tool::Hosted { kind, value: _ } => {
                let reason = format!("{kind} is run by the provider of another API");
                remarks.report.unsupported(format!("tools[{number}]"), &reason)?;
            }
        }
    }
    // One tool cannot be chosen, but given alone.
    let (names, required) = match &choice {
        Some(Choice::Tool(name)) => (Some(std::slice::from_ref(name)), true),
        Some(Choice::Of { names, required }) => (Some(names.as_slice()), *required),
        choice => (None, matches!(choice, Some(Choice::Any))),
    };
    if let Some(names) = names {
        functions.retain(|function| names.contains(&function.name));
    }
    if functions.is_empty() {
        if required {
            return Err(Error::invalid("tool_choice", "there is no tool to choose"));
        }
        return Ok(false);
    }
    // It cannot be kept from calling several tools at once; frameworks that ask for one call take the first.
    if parallel_calls == Some(false) {
        remarks.report.left_out("parallel_tool_calls");
    }
    body.begin("tools");
    raw::write_list(&mut body.out, &functions, |out, function| function.write(out));
    // It holds for all tools or for none.
    if functions.iter().all(|function| function.is_strict) {
        body.json("strict_tools", "true");
    } else if functions.iter().any(|function| function.is_strict) {
        remarks.report.left_out("tools.strict");
    }
    match choice {
        _ if required => body.json("tool_choice", "\"REQUIRED\""),
        Some(Choice::None) => body.json("tool_choice", "\"NONE\""),
        _ => true,
    };
    Ok(true)
}
