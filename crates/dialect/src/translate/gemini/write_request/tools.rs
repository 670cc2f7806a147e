//! The functions that the model may call, and which it is to choose.

use super::write_texts;
use crate::translate::Error;
use crate::translate::Remarks;
use crate::translate::fields::Fields;
use crate::translate::neutral::{Choice, Text, Tool};
use crate::translate::raw::{self, Object, write_list};
use serde_json::value::RawValue;

#[derive(Debug)]
struct Function<'a> {
    name: Text<'a>,
    description: Option<Text<'a>>,
    schema: Option<&'a RawValue>,
    rest: Object<'a>,
}

impl Function<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"name":"#);
        self.name.write(out);
        if let Some(description) = &self.description {
            out.extend_from_slice(br#","description":"#);
            description.write(out);
        }
        if let Some(schema) = self.schema {
            out.extend_from_slice(br#","parametersJsonSchema":"#);
            raw::write_raw(out, schema);
        }
        self.rest.write_rest(out);
        out.push(b'}');
    }
}

/// Writes the tools, and what may only come along with them.
pub(super) fn write(
    tools: Vec<Tool<'_>>,
    choice: Option<Choice<'_>>,
    parallel_calls: Option<bool>,
    remarks: &mut Remarks,
    body: &mut Fields,
) -> Result<(), Error> {
    let mut functions = Vec::with_capacity(tools.len());
    for (number, tool) in tools.into_iter().enumerate() {
        match tool {
            // Calls are held to the schema as well as the model can, whether the client says `strict` or not.
            Tool::Function { name, description, schema, strict: _, cache, mut rest } => {
                if cache.is_some() {
                    remarks.cache_mark(|| format!("tools[{number}].cache_control"));
                }
                rest.remove(&[
                    "name",
                    "description",
                    "parameters",
                    "parametersJsonSchema",
                    "parameters_json_schema",
                ]);
                functions.push(Function { name, description, schema, rest });
            }
            Tool::Hosted { kind, value: _ } => {
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
    // It cannot be kept from calling several tools at once; frameworks that ask for one call take the first.
    if parallel_calls == Some(false) {
        remarks.report.left_out("parallel_tool_calls");
    }
    body.begin("tools");
    body.out.extend_from_slice(br#"[{"functionDeclarations":"#);
    write_list(&mut body.out, &functions, |out, function| function.write(out));
    body.out.extend_from_slice(b"}]");
    if let Some(choice) = choice {
        body.begin("toolConfig");
        write_choice(&choice, &mut body.out);
    }
    Ok(())
}

fn write_choice(choice: &Choice<'_>, out: &mut Vec<u8>) {
    let (mode, names) = match choice {
        Choice::Auto => ("AUTO", None),
        Choice::None => ("NONE", None),
        Choice::Any => ("ANY", None),
        Choice::Tool(name) => ("ANY", Some(std::slice::from_ref(name))),
        Choice::Of { names, required: true } => ("ANY", Some(names.as_slice())),
        // As `AUTO`, which takes no names; calls are held to the schemas besides.
        Choice::Of { names, required: false } => ("VALIDATED", Some(names.as_slice())),
    };
    out.extend_from_slice(br#"{"functionCallingConfig":{"#);
    raw::write_field(out, "mode", mode);
    if let Some(names) = names {
        out.extend_from_slice(br#","allowedFunctionNames":"#);
        write_texts(out, names);
    }
    out.extend_from_slice(b"}}");
}
