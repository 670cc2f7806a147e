//! Tools, and how the model may choose among them.

use crate::translate::raw::{self, Object};
use crate::translate::{Error, Report};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The schema of a tool that takes nothing.
const NO_PARAMETERS: &[u8] = br#"{"type":"object","properties":{}}"#;

/// Translates `tools` to the inside of a JSON array.
pub(super) fn tools(tools: &RawValue, report: &mut Report) -> Result<Vec<u8>, Error> {
    let Some(list) = raw::array(tools) else {
        return Err(Error::invalid("tools", "an array is expected"));
    };
    let mut out = Vec::with_capacity(tools.get().len());
    for (index, tool) in list.into_iter().enumerate() {
        let length = out.len();
        if length > 0 {
            out.push(b',');
        }
        if !write_tool(&mut out, index, tool, report)? {
            out.truncate(length);
        }
    }
    Ok(out)
}

fn write_tool(out: &mut Vec<u8>, index: usize, value: &RawValue, report: &mut Report) -> Result<bool, Error> {
    let Some(mut tool) = Object::open(value) else {
        return Err(Error::invalid(format!("tools[{index}]"), "an object is expected"));
    };
    if tool.get("custom").is_some() {
        report.unsupported(format!("tools[{index}].custom"), "only function tools are")?;
        return Ok(false);
    }
    let Some(function) = tool.take("function") else {
        // One of the provider's own, such as its web search.
        raw::write_raw(out, value);
        return Ok(true);
    };
    tool.take("type");
    let mut function = Object::open(function).unwrap_or_default();
    let Some(name) = function.take("name").filter(|name| raw::is_string(name)) else {
        return Err(Error::invalid(format!("tools[{index}].function.name"), "a string is expected"));
    };
    out.extend_from_slice(br#"{"name":"#);
    raw::write_raw(out, name);
    if let Some(description) = function.take("description") {
        out.extend_from_slice(br#","description":"#);
        raw::write_raw(out, description);
    }
    out.extend_from_slice(br#","input_schema":"#);
    if !write_schema(out, function.take("parameters")) {
        return Err(Error::invalid(format!("tools[{index}].function.parameters"), "an object is expected"));
    }
    if function.take("strict").is_some_and(|strict| strict.get() == "true") {
        out.extend_from_slice(br#","strict":true"#);
    }
    let mut rest = function.into_fields();
    rest.append(&mut tool.into_fields());
    let mut rest = Object::from_fields(rest);
    rest.remove(&["name", "description", "input_schema", "strict"]);
    rest.write_rest(out);
    out.push(b'}');
    Ok(true)
}

/// The schema must say that it is an object's, which OpenAI does not demand. False: it is no schema.
fn write_schema(out: &mut Vec<u8>, parameters: Option<&RawValue>) -> bool {
    let Some(parameters) = parameters else {
        out.extend_from_slice(NO_PARAMETERS);
        return true;
    };
    let Some(schema) = Object::open(parameters) else { return false };
    if schema.is_empty() {
        out.extend_from_slice(NO_PARAMETERS);
    } else if schema.get("type").is_some() {
        raw::write_raw(out, parameters);
    } else {
        out.extend_from_slice(br#"{"type":"object""#);
        schema.write_rest(out);
        out.push(b'}');
    }
    true
}

/// A `tool_choice` in Anthropic's terms.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    kind: Cow<'a, str>,
    rest: Object<'a>,
}

impl<'a> Choice<'a> {
    /// Reads OpenAI's `tool_choice`, or one that is Anthropic's already.
    pub(super) fn read(value: &'a RawValue, report: &mut Report) -> Result<Option<Self>, Error> {
        let of = |kind| Some(Self { kind: Cow::Borrowed(kind), rest: Object::default() });
        if let Some(word) = raw::string(value) {
            return match word.as_ref() {
                "none" | "auto" => Ok(Some(Self { kind: word, rest: Object::default() })),
                "required" => Ok(of("any")),
                _ => Err(Error::invalid("tool_choice", "one of none, auto and required is expected")),
            };
        }
        let mut object = Object::open(value).unwrap_or_default();
        let Some(kind) = object.take("type").and_then(raw::string) else {
            return Err(Error::invalid("tool_choice", "a string or an object with a type is expected"));
        };
        match kind.as_ref() {
            "function" => {
                let mut function = object.take("function").and_then(Object::open).unwrap_or_default();
                let Some(name) = function.take("name").filter(|name| raw::is_string(name)) else {
                    return Err(Error::invalid("tool_choice.function.name", "a string is expected"));
                };
                let rest = Object::from_fields(vec![(Cow::Borrowed("name"), name)]);
                Ok(Some(Self { kind: Cow::Borrowed("tool"), rest }))
            }
            "allowed_tools" | "custom" => {
                report.unsupported(format!("tool_choice.{kind}"), "one function or all can be chosen")?;
                Ok(None)
            }
            _ => Ok(Some(Self { kind, rest: object })),
        }
    }

    pub(super) fn auto() -> Self {
        Self { kind: Cow::Borrowed("auto"), rest: Object::default() }
    }

    /// Whether the model must call a tool.
    pub(super) fn is_forced(&self) -> bool {
        matches!(self.kind.as_ref(), "any" | "tool")
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, one_at_a_time: bool) {
        out.push(b'{');
        raw::write_field(out, "type", &self.kind);
        self.rest.write_rest(out);
        if one_at_a_time && self.kind != "none" && self.rest.get("disable_parallel_tool_use").is_none() {
            out.extend_from_slice(br#","disable_parallel_tool_use":true"#);
        }
        out.push(b'}');
    }
}
