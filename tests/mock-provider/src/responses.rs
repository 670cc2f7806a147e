//! OpenAI's Responses API: requests read and answers written. Keys and errors are those of chat completions.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/responses>.

mod check;
mod items;
mod stream;
mod tools;
mod write;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::answer::{Ask, ToolChoice, count_words};

pub(crate) use check::check_create;
pub(crate) use stream::write_stream;
pub(crate) use write::{Head, write_whole};

/// Stands for the encrypted state of the reasoning; nothing else is taken back.
const ENCRYPTED: &str = "gAAAAABmb2NrIGVuY3J5cHRlZCByZWFzb25pbmc=";

/// What `include` has to name for the encrypted state.
const WANTS_ENCRYPTED: &str = "reasoning.encrypted_content";

/// Whether a model reasons before it answers.
fn reasons(model: &str) -> bool {
    let is_o = |name: &str| name.starts_with(|c: char| c.is_ascii_digit());
    model.starts_with("gpt-5") && !model.contains("chat") || model.strip_prefix('o').is_some_and(is_o)
}

/// An error in the middle of a stream, after `count` events.
pub(crate) fn error_event(count: usize) -> String {
    let error = json!({
        "type": "error",
        "sequence_number": count,
        "code": "server_error",
        "message": "The server had an error while processing your request.",
        "param": null,
    });
    format!("event: error\ndata: {error}\n\n")
}

/// Reads what a request asks for; [`check_create`] has accepted it.
pub(crate) fn read(body: &Value) -> Ask<'_> {
    let instructions = given(body, "instructions").and_then(Value::as_str);
    let instruction_tokens = instructions.map_or(0, |text| 3 + count_words(text));
    let (item_tokens, last_user_text) = match body.get("input") {
        Some(Value::String(text)) => (3 + count_words(text), Some(text.clone())),
        Some(Value::Array(items)) => (
            items.iter().map(|item| 3 + count_words(&text_of(item))).sum(),
            items.last().filter(|item| item.get("role").is_some_and(|role| role == "user")).map(text_of),
        ),
        _ => (0, None),
    };
    let tools: Vec<_> = given(body, "tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|tool| tool.get("type").is_some_and(|kind| kind == "function"))
        .filter_map(|tool| {
            Some((tool.get("name")?.as_str()?, tool.get("parameters").unwrap_or(&Value::Null)))
        })
        .collect();
    let tool_choice = match body.get("tool_choice") {
        Some(Value::String(choice)) if choice == "none" => ToolChoice::Never,
        Some(Value::String(choice)) if choice == "required" => ToolChoice::Required,
        Some(Value::Object(choice)) => chosen(choice),
        _ => ToolChoice::Auto,
    };
    let format = body.pointer("/text/format");
    let json_schema = match format.and_then(|format| format.get("type")).and_then(Value::as_str) {
        Some("json_object") => Some(&Value::Null),
        Some("json_schema") => format.and_then(|format| format.get("schema")),
        _ => None,
    };
    Ask {
        dialect: "responses",
        model: model(body),
        last_user_text,
        prompt_tokens: instruction_tokens + item_tokens + 10 * tools.len() as u64,
        tools,
        tool_choice,
        max_tokens: given(body, "max_output_tokens").and_then(Value::as_u64),
        json_schema: json_schema.map(Cow::Borrowed),
    }
}

/// A choice that names functions; of several the first is taken.
fn chosen(choice: &Map<String, Value>) -> ToolChoice {
    let is_of_several = choice.get("type").is_some_and(|kind| kind == "allowed_tools");
    if is_of_several && choice.get("mode").is_some_and(|mode| mode != "required") {
        return ToolChoice::Auto;
    }
    let first = choice.get("tools").and_then(|tools| tools.get(0));
    match choice.get("name").or_else(|| first?.get("name")).and_then(Value::as_str) {
        Some(name) => ToolChoice::Named(name.to_owned()),
        None => ToolChoice::Auto,
    }
}

fn model(body: &Value) -> &str {
    body.get("model").and_then(Value::as_str).unwrap_or_default()
}

/// A field's value; `null` says the same as nothing.
fn given<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

/// All text of an item: what is said, or the result of a call.
fn text_of(item: &Value) -> String {
    match item.get("content").or_else(|| item.get("output")) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<_> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            texts.join(" ")
        }
        _ => String::new(),
    }
}

// The words of the checks that all parts of a request need.

/// `value` as an object that has no other fields than `names`.
fn known<'a>(value: &'a Value, place: &str, names: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let fields = value.as_object().ok_or_else(|| wrong_type(place, "an object"))?;
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) if place.is_empty() => Err(format!("Unknown parameter: '{name}'.")),
        Some(name) => Err(format!("Unknown parameter: '{place}.{name}'.")),
        None => Ok(fields),
    }
}

fn missing(place: &str) -> String {
    format!("Missing required parameter: '{place}'.")
}

fn wrong_type(place: &str, expected: &str) -> String {
    format!("Invalid type for '{place}': expected {expected}.")
}

fn wrong_value(place: &str, value: &Value, expected: &[&str]) -> String {
    format!("Invalid value: {value}. Supported values are: {expected:?}. {place}")
}

fn required_text<'a>(value: &'a Value, name: &str, place: &str) -> Result<&'a str, String> {
    let place = if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match value.get(name) {
        None => Err(missing(&place)),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong_type(&place, "a string")),
    }
}

/// A name that OpenAI takes for functions and schemas.
fn check_name(name: &str, place: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=64).contains(&name.len()) && name.chars().all(good) {
        return Ok(());
    }
    Err(format!(
        "Invalid '{place}': '{name}'. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    ))
}

/// What OpenAI demands of a schema that is to be kept strictly, at its top.
fn check_strict(schema: &Value, name: &str) -> Result<(), String> {
    let fault = |fault: &str| Err(format!("Invalid schema for '{name}': In context=(), {fault}"));
    if schema.get("type").is_none_or(|kind| kind != "object") {
        return fault("schema must have a 'type' of 'object'.");
    }
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return fault("'additionalProperties' is required to be supplied and to be false.");
    }
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut properties = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    match properties.find(|property| !required.iter().any(|name| name == property.as_str())) {
        Some(property) => fault(&format!(
            "'required' is required to include every key in properties. Missing '{property}'."
        )),
        None => Ok(()),
    }
}
