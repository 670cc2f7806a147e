//! The checks that Cohere makes of a request: all but the conversation itself.

use serde_json::Value;

use super::messages::check_messages;
use super::{Fault, invalid, known, thinks};

const FIELDS: [&str; 22] = [
    "stream",
    "model",
    "messages",
    "tools",
    "strict_tools",
    "documents",
    "citation_options",
    "response_format",
    "safety_mode",
    "max_tokens",
    "stop_sequences",
    "temperature",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "k",
    "p",
    "logprobs",
    "tool_choice",
    "thinking",
    "priority",
    "raw_prompting",
];

/// Numbers and their ranges.
const NUMBERS: [(&str, f64, f64); 5] = [
    ("temperature", 0.0, f64::MAX),
    ("frequency_penalty", 0.0, 1.0),
    ("presence_penalty", 0.0, 1.0),
    ("p", 0.01, 0.99),
    ("k", 0.0, 500.0),
];

/// The first fault that Cohere would name, if there is one.
pub(crate) fn check_chat(body: &Value) -> Result<(), Fault> {
    known(body, &FIELDS)?;
    let model = body.get("model").and_then(Value::as_str).filter(|model| !model.is_empty());
    let model = model.ok_or_else(|| invalid("model is required."))?;
    for (name, least, most) in NUMBERS {
        let is_good = |value: &Value| value.as_f64().is_some_and(|value| (least..=most).contains(&value));
        if body.get(name).is_some_and(|value| !is_good(value)) {
            return Err(invalid(format!("{name} must be between {least} and {most} inclusive.")));
        }
    }
    for name in ["max_tokens", "seed"] {
        if body.get(name).is_some_and(|value| value.as_u64().is_none()) {
            return Err(invalid(format!("{name} must be an integer of 0 at least.")));
        }
    }
    for name in ["stream", "strict_tools", "logprobs", "raw_prompting"] {
        if body.get(name).is_some_and(|value| !value.is_boolean()) {
            return Err(invalid(format!("{name} must be a boolean.")));
        }
    }
    if let Some(stops) = body.get("stop_sequences") {
        let stops = stops.as_array().filter(|stops| stops.iter().all(Value::is_string));
        if stops.is_none_or(|stops| stops.len() > 5) {
            return Err(invalid("stop_sequences must be 5 strings at most."));
        }
    }
    let safety = body
        .get("safety_mode")
        .filter(|mode| !["CONTEXTUAL", "STRICT", "OFF"].iter().any(|name| *mode == name));
    if safety.is_some() {
        return Err(invalid("safety_mode must be one of CONTEXTUAL, STRICT, OFF."));
    }
    if let Some(thinking) = body.get("thinking") {
        known(thinking, &["type", "token_budget"])?;
        if !thinks(model) {
            return Err(invalid(format!("thinking is not supported by the model {model}.")));
        }
        if thinking.get("type").is_none_or(|kind| kind != "enabled" && kind != "disabled") {
            return Err(invalid("thinking.type must be one of enabled, disabled."));
        }
        if thinking.get("token_budget").is_some_and(|budget| budget.as_u64().is_none_or(|budget| budget == 0))
        {
            return Err(invalid("thinking.token_budget must be an integer of 1 at least."));
        }
    }
    let has_tools = check_tools(body)?;
    if let Some(format) = body.get("response_format") {
        check_format(format, has_tools || body.get("documents").is_some())?;
    }
    let messages = body.get("messages").and_then(Value::as_array).filter(|messages| !messages.is_empty());
    check_messages(messages.ok_or_else(|| invalid("messages must be a list of one message at least."))?)
}

/// Checks the tools, and tells whether there are any.
fn check_tools(body: &Value) -> Result<bool, Fault> {
    let tools = match body.get("tools") {
        None => &[],
        Some(Value::Array(tools)) => tools.as_slice(),
        Some(_) => return Err(invalid("tools must be a list.")),
    };
    for (index, tool) in tools.iter().enumerate() {
        known(tool, &["type", "function"])?;
        if tool.get("type").is_none_or(|kind| kind != "function") {
            return Err(invalid(format!("tools[{index}].type must be function.")));
        }
        let function =
            tool.get("function").ok_or_else(|| invalid(format!("tools[{index}].function is required.")))?;
        known(function, &["name", "description", "parameters"])?;
        if function.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(invalid(format!("tools[{index}].function.name is required.")));
        }
        if function.get("description").is_some_and(|description| !description.is_string()) {
            return Err(invalid(format!("tools[{index}].function.description must be a string.")));
        }
        if !function.get("parameters").is_some_and(Value::is_object) {
            return Err(invalid(format!("tools[{index}].function.parameters must be an object.")));
        }
    }
    match body.get("tool_choice").map(Value::as_str) {
        None => Ok(!tools.is_empty()),
        Some(Some("REQUIRED" | "NONE")) if !tools.is_empty() => Ok(true),
        Some(Some("REQUIRED" | "NONE")) => Err(invalid("tool_choice requires tools to be specified.")),
        Some(_) => Err(invalid("tool_choice must be one of REQUIRED, NONE.")),
    }
}

fn check_format(format: &Value, has_tools: bool) -> Result<(), Fault> {
    known(format, &["type", "json_schema", "schema"])?;
    let schema = format.get("json_schema").or_else(|| format.get("schema"));
    match format.get("type").and_then(Value::as_str) {
        Some("text") if schema.is_none() => return Ok(()),
        Some("json_object") => {}
        _ => return Err(invalid("response_format.type must be one of text, json_object.")),
    }
    if has_tools {
        return Err(invalid(
            "response_format json_object is not supported with documents, tools or tool results.",
        ));
    }
    let Some(schema) = schema else { return Ok(()) };
    if schema.get("type").is_none_or(|kind| kind != "object") {
        return Err(invalid("response_format.json_schema must be of the type object at its top level."));
    }
    check_objects(schema)
}

/// Every object of a schema needs a required field.
fn check_objects(schema: &Value) -> Result<(), Fault> {
    let is_object = schema.get("type").is_some_and(|kind| kind == "object");
    let has_required =
        schema.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
    if is_object && !has_required {
        return Err(invalid("every object in response_format.json_schema must have a required field."));
    }
    let named = ["properties", "$defs"].into_iter().filter_map(|name| schema.get(name)?.as_object());
    named.flat_map(|fields| fields.values()).chain(schema.get("items")).try_for_each(check_objects)
}
