//! Tools, and how the model may choose among them.

use crate::translate::Error;
use crate::translate::neutral::{Choice, Setting, Text, Tool, Want};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// Tools that OpenAI runs, or that its models know without a schema. Another provider has none of that name, or means another thing.
const OWN: [&str; 18] = [
    "custom",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "file_search",
    "code_interpreter",
    "image_generation",
    "computer",
    "computer_use_preview",
    "computer-preview",
    "local_shell",
    "shell",
    "apply_patch",
    "mcp",
    "namespace",
    "tool_search",
    "programmatic_tool_calling",
];

/// Reads the list of tools. One that no other API has becomes a setting.
pub(super) fn read<'a>(tools: &'a RawValue, settings: &mut Vec<Setting<'a>>) -> Result<Vec<Tool<'a>>, Error> {
    let Some(list) = raw::array(tools) else { return Err(Error::invalid("tools", "an array is expected")) };
    let mut tools = Vec::with_capacity(list.len());
    for (number, tool) in list.into_iter().enumerate() {
        match read_tool(number, tool)? {
            Tool::Hosted { kind, .. } if OWN.contains(&kind.as_ref()) => {
                let what =
                    if kind == "custom" { "only function tools are" } else { "OpenAI runs the tool itself" };
                settings.push(Setting { path: "tools", want: Want::Own { what } });
            }
            tool => tools.push(tool),
        }
    }
    Ok(tools)
}

fn read_tool(number: usize, value: &RawValue) -> Result<Tool<'_>, Error> {
    let path = |field: &str| format!("tools[{number}]{field}");
    let Some(mut tool) = Object::open(value) else {
        return Err(Error::invalid(path(""), "an object is expected"));
    };
    let Some(kind) = tool.take("type").and_then(raw::string) else {
        return Err(Error::invalid(path(".type"), "a string is expected"));
    };
    if kind != "function" {
        return Ok(Tool::Hosted { kind, value });
    }
    let Some(name) = tool.take("name").and_then(Text::read) else {
        return Err(Error::invalid(path(".name"), "a string is expected"));
    };
    let description = tool.take("description").and_then(Text::read);
    let schema = tool.take("parameters");
    if schema.is_some_and(|schema| !schema.get().starts_with('{')) {
        return Err(Error::invalid(path(".parameters"), "an object is expected"));
    }
    let strict = tool.take("strict").map(|strict| strict.get() == "true");
    let cache = tool.take("cache_control");
    // How OpenAI finds a tool and lets programs call it, which changes nothing in what it is.
    tool.remove(&["defer_loading", "allowed_callers", "output_schema"]);
    Ok(Tool::Function { name, description, schema, strict, cache, rest: tool })
}

/// Reads a choice. One that no other API has becomes a setting.
pub(super) fn read_choice<'a>(
    value: &'a RawValue,
    settings: &mut Vec<Setting<'a>>,
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
    match object.take("type").and_then(raw::string).as_deref() {
        Some("function") => {
            let name = object.take("name").and_then(Text::read);
            let missing = || Error::invalid("tool_choice.name", "a string is expected");
            Ok(Some(Choice::Tool(name.ok_or_else(missing)?)))
        }
        Some("allowed_tools") => {
            let required = object.take("mode").is_some_and(|mode| mode.get() == "\"required\"");
            let tools = object.take("tools").and_then(raw::array).unwrap_or_default();
            let name = |tool| {
                let mut tool = Object::open(tool)?;
                let is_function = tool.take("type").is_some_and(|kind| kind.get() == "\"function\"");
                Text::read(tool.take("name").filter(|_| is_function)?)
            };
            let names: Option<Vec<_>> = tools.into_iter().map(name).collect();
            let missing = || Error::unsupported("tool_choice.tools", "functions can be chosen from");
            Ok(Some(Choice::Of { names: names.ok_or_else(missing)?, required }))
        }
        // Tools that OpenAI runs, and custom ones.
        Some(_) => {
            let want = Want::Own { what: "one function or all can be chosen" };
            settings.push(Setting { path: "tool_choice.type", want });
            Ok(None)
        }
        None => Err(Error::invalid("tool_choice", "a string or an object with a type is expected")),
    }
}
