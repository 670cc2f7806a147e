//! Amazon Bedrock's Converse: credentials, errors, requests read and answers written.
//!
//! Reference: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

mod auth;
mod blocks;
mod check;
mod frame;
mod tools;
mod write;

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::answer::{Ask, ToolChoice, count_words};
use crate::steering::percent_decode;

pub(crate) use auth::{key, signed_headers, unauthorized};
pub(crate) use check::check_converse;
pub(crate) use frame::event;
pub(crate) use write::{error_event, write_stream, write_whole};

/// The model as the path has it, and the method, as in `/model/MODEL/converse`.
pub(crate) fn target(path: &str) -> Option<(&str, &str)> {
    let (model, method) = path.rsplit_once("/model/")?.1.split_once('/')?;
    (!model.is_empty()).then_some((model, method))
}

/// The name of the model that the path holds.
pub(crate) fn model(path: &str) -> Option<String> {
    target(path).map(|(model, _)| percent_decode(model))
}

/// The name of an error, as the header has it: with the namespace that SDKs cut off.
pub(crate) fn error_kind(status: u16) -> &'static str {
    match status {
        401 => "UnrecognizedClientException:http://internal.amazon.com/coral/com.amazon.coral.service/",
        403 => "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        404 => "ResourceNotFoundException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        408 => "ModelTimeoutException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        424 => "ModelErrorException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        429 => "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        503 => "ServiceUnavailableException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        400..=499 => "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        _ => "InternalServerException:http://internal.amazon.com/coral/com.amazon.bedrock/",
    }
}

/// An error body as Bedrock writes it; what error it is stands in a header.
pub(crate) fn error_body(message: &str) -> Vec<u8> {
    json!({"message": message}).to_string().into_bytes()
}

/// Reads what a request asks for; [`check_converse`] has accepted it.
pub(crate) fn read<'a>(body: &'a Value, model: &'a str) -> Ask<'a> {
    let messages = list(body, "messages");
    let system = list(body, "system");
    let system_tokens = if system.is_empty() { 0 } else { 3 + count_words(&text_of(system)) };
    let message_tokens: u64 =
        messages.iter().map(|message| 3 + count_words(&text_of(content(message)))).sum();
    let tools: Vec<_> = body
        .pointer("/toolConfig/tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|tool| {
            let spec = tool.get("toolSpec")?;
            Some((spec.get("name")?.as_str()?, spec.pointer("/inputSchema/json")?))
        })
        .collect();
    let choice = body.pointer("/toolConfig/toolChoice");
    let tool_choice = match choice.and_then(|choice| choice.pointer("/tool/name")).and_then(Value::as_str) {
        Some(name) => ToolChoice::Named(name.to_owned()),
        None if choice.is_some_and(|choice| choice.get("any").is_some()) => ToolChoice::Required,
        None => ToolChoice::Auto,
    };
    // The schema is a text that holds JSON.
    let schema = body.pointer("/outputConfig/textFormat/structure/jsonSchema/schema").and_then(Value::as_str);
    Ask {
        dialect: "converse",
        model,
        last_user_text: messages.last().and_then(own_words),
        prompt_tokens: system_tokens + message_tokens + 10 * tools.len() as u64,
        tools,
        tool_choice,
        max_tokens: body.pointer("/inferenceConfig/maxTokens").and_then(Value::as_u64),
        json_schema: schema.and_then(|schema| serde_json::from_str(schema).ok()).map(Cow::Owned),
    }
}

/// The text of a user's message, unless it brings tool results.
fn own_words(message: &Value) -> Option<String> {
    let brings_results = content(message).iter().any(|block| block.get("toolResult").is_some());
    let is_user = message.get("role").is_some_and(|role| role == "user");
    (is_user && !brings_results).then(|| text_of(content(message)))
}

/// All text in a content, tool results included.
fn text_of(blocks: &[Value]) -> String {
    let texts: Vec<_> = blocks
        .iter()
        .filter_map(|block| match block.get("text").and_then(Value::as_str) {
            Some(text) => Some(text.to_owned()),
            None => match block.get("json") {
                Some(json) => Some(json.to_string()),
                None => block.get("toolResult").map(|result| text_of(content(result))),
            },
        })
        .collect();
    texts.join(" ")
}

fn content(value: &Value) -> &[Value] {
    list(value, "content")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

// The words of the checks that all parts of a request need.

/// `value` as an object that has no other fields than `names`.
fn known<'a>(value: &'a Value, place: &str, names: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let fields = value.as_object().ok_or_else(|| format!("Expected an object at {place}."))?;
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("The field {name} at {place} is not defined. Remove it and try again.")),
        None => Ok(fields),
    }
}

/// The only field of a union, with its name.
fn only<'a>(value: &'a Value, place: &str, names: &[&str]) -> Result<(&'a str, &'a Value), String> {
    let fields = known(value, place, names)?;
    let mut fields = fields.iter();
    match (fields.next(), fields.next()) {
        (Some((name, value)), None) => Ok((name, value)),
        _ => Err(format!("Exactly one of the fields {names:?} has to be set at {place}.")),
    }
}

/// The items of a list, which may be missing.
fn items<'a>(value: &'a Value, name: &str, place: &str) -> Result<&'a [Value], String> {
    match value.get(name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("Expected a list at {place}.{name}.")),
    }
}

fn required_text<'a>(value: &'a Value, name: &str, place: &str) -> Result<&'a str, String> {
    let text = value.get(name).ok_or_else(|| {
        format!("Value at '{place}.{name}' failed to satisfy constraint: Member must not be null")
    })?;
    text.as_str().ok_or_else(|| format!("Expected a string at {place}.{name}."))
}

fn one_of(value: &Value, name: &str, place: &str, values: &[&str]) -> Result<(), String> {
    let text = required_text(value, name, place)?;
    if values.contains(&text) {
        return Ok(());
    }
    Err(format!(
        "Value '{text}' at '{place}.{name}' failed to satisfy constraint: Member must satisfy enum value set: {values:?}"
    ))
}

/// A name or an id of limited length and letters.
fn check_name(text: &str, place: &str, more: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    if (1..=64).contains(&text.len()) && text.chars().all(good) {
        return Ok(());
    }
    Err(format!(
        "Value '{text}' at '{place}' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9{more}]+"
    ))
}
