//! The functions that the model may call, and which it is to choose.

use super::take;
use crate::translate::Error;
use crate::translate::gemini::snake_case;
use crate::translate::neutral::{Choice, Setting, Text, Tool, Want};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Tools that Google runs.
const HOSTED: [&str; 9] = [
    "googleSearch",
    "googleSearchRetrieval",
    "codeExecution",
    "urlContext",
    "googleMaps",
    "computerUse",
    "fileSearch",
    "enterpriseWebSearch",
    "retrieval",
];

/// Reads the list of tools, each of which holds functions, or names something that Google runs.
pub(super) fn read<'a>(tools: &'a RawValue, settings: &mut Vec<Setting<'a>>) -> Result<Vec<Tool<'a>>, Error> {
    let Some(list) = raw::array(tools) else { return Err(Error::invalid("tools", "an array is expected")) };
    let mut found = Vec::new();
    for (number, value) in list.into_iter().enumerate() {
        let Some(mut tool) = Object::open(value) else {
            return Err(Error::invalid(format!("tools[{number}]"), "an object is expected"));
        };
        let functions = take(&mut tool, "functionDeclarations").and_then(raw::array).unwrap_or_default();
        for (function, declaration) in functions.into_iter().enumerate() {
            let path = || format!("tools[{number}].functionDeclarations[{function}].name");
            found.push(declared(declaration).ok_or_else(|| Error::invalid(path(), "a string is expected"))?);
        }
        for (kind, options) in tool.into_fields() {
            if HOSTED.iter().any(|known| *known == kind || snake_case(known) == kind) {
                settings
                    .push(Setting { path: "tools", want: Want::Own { what: "Google runs the tool itself" } });
            } else if options.get() != "null" {
                found.push(Tool::Hosted { kind, value });
            }
        }
    }
    Ok(found)
}

fn declared(declaration: &RawValue) -> Option<Tool<'_>> {
    let mut function = Object::open(declaration)?;
    let name = function.take("name").and_then(Text::read)?;
    let description = function.take("description").and_then(Text::read);
    let plain = take(&mut function, "parametersJsonSchema");
    let schema = function.take("parameters").or(plain);
    // What it gives back, and whether it may be called without waiting: no other API is told.
    for name in ["response", "responseJsonSchema", "behavior"] {
        take(&mut function, name);
    }
    Some(Tool::Function { name, description, schema, strict: None, cache: None, rest: function })
}

/// Reads which functions may be called. What of it no other API has becomes a setting.
pub(super) fn read_choice<'a>(
    config: &'a RawValue,
    settings: &mut Vec<Setting<'a>>,
) -> Result<Option<Choice<'a>>, Error> {
    let mut config = Object::open(config).unwrap_or_default();
    let calling = take(&mut config, "functionCallingConfig").and_then(Object::open);
    if !config.is_empty() {
        settings.push(Setting { path: "toolConfig", want: Want::Own { what: "its API has no such field" } });
    }
    let Some(mut calling) = calling else { return Ok(None) };
    let names = take(&mut calling, "allowedFunctionNames").and_then(raw::array).unwrap_or_default();
    let mut names: Vec<Text<'a>> = names.into_iter().filter_map(Text::read).collect();
    let mode =
        calling.take("mode").and_then(raw::string).unwrap_or(Cow::Borrowed("AUTO")).to_ascii_uppercase();
    let required = match mode.as_str() {
        "AUTO" | "MODE_UNSPECIFIED" | "VALIDATED" => false,
        "ANY" => true,
        "NONE" => return Ok(Some(Choice::None)),
        _ => {
            let path = "toolConfig.functionCallingConfig.mode";
            return Err(Error::invalid(path, "one of AUTO, ANY, NONE and VALIDATED is expected"));
        }
    };
    Ok(Some(match (required, names.len()) {
        (false, 0) => Choice::Auto,
        (true, 0) => Choice::Any,
        (true, 1) => names.pop().map_or(Choice::Any, Choice::Tool),
        (required, _) => Choice::Of { names, required },
    }))
}
