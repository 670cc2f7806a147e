//! `toolConfig`: tools, and the choice among them.

use super::blocks;
use crate::translate::Error;
use crate::translate::neutral::{Choice, Request, Setting, Text, Tool, Want};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

pub(super) fn read<'a>(mut config: Object<'a>, request: &mut Request<'a>) -> Result<(), Error> {
    let tools = match config.take("tools") {
        Some(tools) => {
            raw::array(tools).ok_or_else(|| Error::invalid("toolConfig.tools", "an array is expected"))?
        }
        None => Vec::new(),
    };
    for (number, value) in tools.into_iter().enumerate() {
        let path = |field: &str| format!("toolConfig.tools[{number}]{field}");
        let Some(mut tool) = Object::open(value) else {
            return Err(Error::invalid(path(""), "an object is expected"));
        };
        if let Some(spec) = tool.take("toolSpec").and_then(Object::open) {
            request.tools.push(function(spec, path)?);
        } else if let Some(point) = tool.take("cachePoint") {
            if let Some(Tool::Function { cache, .. }) = request.tools.last_mut() {
                *cache = blocks::cache_mark(point);
            }
        } else if tool.take("systemTool").is_some() {
            let want = Want::Own { what: "a system tool is run by Amazon" };
            request.settings.push(Setting { path: "toolConfig.tools.systemTool", want });
        } else if let Some(kind) = tool.get("type").and_then(raw::string) {
            request.tools.push(Tool::Hosted { kind, value });
        } else {
            return Err(Error::invalid(path(".toolSpec"), "an object is expected"));
        }
    }
    request.choice = config.take("toolChoice").map(choice).transpose()?;
    Ok(())
}

fn function<'a>(mut spec: Object<'a>, path: impl Fn(&str) -> String) -> Result<Tool<'a>, Error> {
    let Some(name) = spec.take("name").and_then(Text::read) else {
        return Err(Error::invalid(path(".toolSpec.name"), "a string is expected"));
    };
    let schema = spec.take("inputSchema").and_then(Object::open).and_then(|mut schema| schema.take("json"));
    let strict = spec.take("strict").map(|strict: &RawValue| strict.get() == "true");
    let description = spec.take("description").and_then(Text::read);
    Ok(Tool::Function { name, description, schema, strict, cache: None, rest: spec })
}

fn choice(value: &RawValue) -> Result<Choice<'_>, Error> {
    let mut choice = Object::open(value).unwrap_or_default();
    if choice.take("auto").is_some() {
        Ok(Choice::Auto)
    } else if choice.take("any").is_some() {
        Ok(Choice::Any)
    } else if let Some(tool) = choice.take("tool") {
        let name = Object::open(tool).and_then(|mut tool| tool.take("name")).and_then(Text::read);
        let expected = || Error::invalid("toolConfig.toolChoice.tool.name", "a string is expected");
        name.map(Choice::Tool).ok_or_else(expected)
    } else {
        Err(Error::invalid("toolConfig.toolChoice", "one of auto, any and tool is expected"))
    }
}
