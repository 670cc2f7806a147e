//! The functions that the model may call, and which it is to choose.

use crate::translate::Error;
use crate::translate::Remarks;
use crate::translate::fields::Fields;
use crate::translate::neutral::{Choice, NO_PARAMETERS, Text, Tool};
use crate::translate::raw::{self, Object, write_list};
use serde_json::value::RawValue;

#[derive(Debug)]
struct Function<'a> {
    name: Text<'a>,
    description: Option<Text<'a>>,
    schema: Option<&'a RawValue>,
    strict: bool,
    rest: Object<'a>,
}

impl Function<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"function","name":"#);
        self.name.write(out);
        if let Some(description) = &self.description {
            out.extend_from_slice(br#","description":"#);
            description.write(out);
        }
        out.extend_from_slice(br#","parameters":"#);
        out.extend_from_slice(self.schema.map_or(NO_PARAMETERS, RawValue::get).as_bytes());
        out.extend_from_slice(format!(r#","strict":{}"#, self.strict).as_bytes());
        self.rest.write_rest(out);
        out.push(b'}');
    }
}

/// Writes the tools, and what may only come along with them.
pub(super) fn write(
    tools: Vec<Tool<'_>>,
    choice: Option<Choice<'_>>,
    parallel_calls: Option<bool>,
    body: &mut Fields,
    remarks: &mut Remarks,
) -> Result<(), Error> {
    let mut functions = Vec::with_capacity(tools.len());
    for (number, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function { name, description, schema, strict, cache, mut rest } => {
                if cache.is_some() {
                    remarks.cache_mark(|| format!("tools[{number}].cache_control"));
                }
                rest.remove(&["type", "name", "description", "parameters", "strict"]);
                // What says nothing is strict here and nowhere else, and not every schema can be.
                let strict = strict.unwrap_or(false);
                functions.push(Function { name, description, schema, strict, rest });
            }
            Tool::Hosted { kind, .. } => {
                let reason = format!("{kind} is run by the provider of another API");
                remarks.report.unsupported(format!("tools[{number}]"), &reason)?;
            }
        }
    }
    if functions.is_empty() {
        let is_forced =
            matches!(choice, Some(Choice::Any | Choice::Tool(_) | Choice::Of { required: true, .. }));
        if is_forced {
            return Err(Error::invalid("tool_choice", "there is no tool to choose"));
        }
        return Ok(());
    }
    body.begin("tools");
    write_list(&mut body.out, &functions, |out, function| function.write(out));
    if let Some(choice) = choice {
        body.begin("tool_choice");
        write_choice(&choice, &mut body.out);
    }
    if let Some(parallel) = parallel_calls {
        body.json("parallel_tool_calls", if parallel { "true" } else { "false" });
    }
    Ok(())
}

fn write_choice(choice: &Choice<'_>, out: &mut Vec<u8>) {
    let write_name = |out: &mut Vec<u8>, name: &Text<'_>| {
        out.extend_from_slice(br#"{"type":"function","name":"#);
        name.write(out);
        out.push(b'}');
    };
    match choice {
        Choice::Auto => out.extend_from_slice(br#""auto""#),
        Choice::None => out.extend_from_slice(br#""none""#),
        Choice::Any => out.extend_from_slice(br#""required""#),
        Choice::Tool(name) => write_name(out, name),
        Choice::Of { names, required } => {
            let mode = if *required { "required" } else { "auto" };
            out.extend_from_slice(br#"{"type":"allowed_tools","#);
            raw::write_field(out, "mode", mode);
            out.extend_from_slice(br#","tools":"#);
            write_list(out, names, write_name);
            out.push(b'}');
        }
    }
}
