//! Tools, and how the model may choose among them.

use crate::translate::Error;
use crate::translate::neutral::{Choice, Request, Setting, Text, Tool, Want};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads the list of tools.
pub(super) fn read(tools: &RawValue) -> Result<Vec<Tool<'_>>, Error> {
    let Some(list) = raw::array(tools) else { return Err(Error::invalid("tools", "an array is expected")) };
    list.into_iter().enumerate().map(|(number, tool)| read_tool(number, tool)).collect()
}

fn read_tool(number: usize, value: &RawValue) -> Result<Tool<'_>, Error> {
    let path = |field: &str| format!("tools[{number}]{field}");
    let Some(mut tool) = Object::open(value) else {
        return Err(Error::invalid(path(""), "an object is expected"));
    };
    let Some(function) = tool.take("function") else {
        let kind = tool.take("type").and_then(raw::string).unwrap_or(Cow::Borrowed("tool"));
        return Ok(Tool::Hosted { kind, value });
    };
    tool.take("type");
    let cache = tool.take("cache_control");
    let mut function = Object::open(function).unwrap_or_default();
    let Some(name) = function.take("name").and_then(Text::read) else {
        return Err(Error::invalid(path(".function.name"), "a string is expected"));
    };
    let description = function.take("description").and_then(Text::read);
    let schema = function.take("parameters");
    if schema.is_some_and(|schema| !schema.get().starts_with('{')) {
        return Err(Error::invalid(path(".function.parameters"), "an object is expected"));
    }
    let strict = function.take("strict").map(|strict| strict.get() == "true");
    let mut rest = function.into_fields();
    rest.append(&mut tool.into_fields());
    Ok(Tool::Function { name, description, schema, strict, cache, rest: Object::from_fields(rest) })
}

/// Reads a choice, or Anthropic's form of one. One that no other API has becomes a setting.
pub(super) fn read_choice<'a>(
    value: &'a RawValue,
    request: &mut Request<'a>,
) -> Result<Option<Choice<'a>>, Error> {
    if let Some(word) = raw::string(value) {
        return match word.as_ref() {
            "none" => Ok(Some(Choice::None)),
            "auto" => Ok(Some(Choice::Auto)),
            "required" => Ok(Some(Choice::Any)),
            _ => Err(Error::invalid("tool_choice", "one of none, auto and required is expected")),
        };
    }
    let mut object = Object::open(value).unwrap_or_default();
    let kind = object.take("type").and_then(raw::string);
    if object.take("disable_parallel_tool_use").is_some_and(|value| value.get() == "true") {
        request.parallel_calls = Some(false);
    }
    let named = |name: Option<&'a RawValue>, path: &str| {
        let name = name.and_then(Text::read);
        name.map(Choice::Tool).ok_or_else(|| Error::invalid(path, "a string is expected"))
    };
    match kind.as_deref() {
        Some("auto") => Ok(Some(Choice::Auto)),
        Some("none") => Ok(Some(Choice::None)),
        Some("any") => Ok(Some(Choice::Any)),
        Some("tool") => named(object.take("name"), "tool_choice.name").map(Some),
        Some("function") => {
            let mut function = object.take("function").and_then(Object::open).unwrap_or_default();
            named(function.take("name"), "tool_choice.function.name").map(Some)
        }
        Some("allowed_tools") => {
            let mut allowed = object.take("allowed_tools").and_then(Object::open).unwrap_or_default();
            let required = allowed.take("mode").is_some_and(|mode| mode.get() == "\"required\"");
            let tools = allowed.take("tools").and_then(raw::array).unwrap_or_default();
            let name = |tool| {
                let mut tool = Object::open(tool)?;
                let mut function = tool.take("function").and_then(Object::open)?;
                Text::read(function.take("name")?)
            };
            let names: Option<Vec<_>> = tools.into_iter().map(name).collect();
            let missing =
                || Error::unsupported("tool_choice.allowed_tools.tools", "functions can be chosen from");
            Ok(Some(Choice::Of { names: names.ok_or_else(missing)?, required }))
        }
        Some("custom") => {
            let want = Want::Own { what: "one function or all can be chosen" };
            request.settings.push(Setting { path: "tool_choice.custom", want });
            Ok(None)
        }
        _ => Err(Error::invalid("tool_choice", "a string or an object with a type is expected")),
    }
}
