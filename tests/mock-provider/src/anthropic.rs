//! Anthropic messages: credentials, errors, requests read and answers written.

mod check;
mod write;

use std::borrow::Cow;

use hyper::HeaderMap;
use serde_json::{Value, json};

use crate::answer::{Ask, ToolChoice, count_words};

pub(crate) use check::check_messages;
pub(crate) use write::{error_event, write_stream, write_whole};

/// The key presented as `x-api-key`, or as a bearer token as subscriptions do.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    let own = || headers.get("x-api-key")?.to_str().ok();
    let bearer = || headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim);
    own().or_else(bearer).filter(|key| !key.is_empty())
}

/// Whether the request says which version of the API it means.
pub(crate) fn has_version(headers: &HeaderMap) -> bool {
    headers.contains_key("anthropic-version")
}

/// An error body as Anthropic writes it.
pub(crate) fn error_body(status: u16, message: &str, id: u64) -> Vec<u8> {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    let error = json!({
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": format!("req_mock_{id}"),
    });
    error.to_string().into_bytes()
}

/// Reads what a request asks for; [`check_messages`] has accepted it.
pub(crate) fn read(body: &Value) -> Ask<'_> {
    let messages = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let system_tokens = body.get("system").map_or(0, |system| 3 + count_words(&text_of(system)));
    let message_tokens: u64 = messages
        .iter()
        .map(|message| 3 + message.get("content").map_or(0, |content| count_words(&text_of(content))))
        .sum();
    let tools: Vec<_> = body
        .get("tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|tool| Some((tool.get("name")?.as_str()?, tool.get("input_schema")?)))
        .collect();
    let choice = body.get("tool_choice");
    let tool_choice = match choice.and_then(|choice| choice.get("type")).and_then(Value::as_str) {
        Some("none") => ToolChoice::Never,
        Some("any") => ToolChoice::Required,
        Some("tool") => {
            let name = choice.and_then(|choice| choice.get("name")).and_then(Value::as_str);
            ToolChoice::Named(name.unwrap_or_default().to_owned())
        }
        _ => ToolChoice::Auto,
    };
    let json_schema = body
        .pointer("/output_config/format/schema")
        .or_else(|| body.pointer("/output_format/schema"))
        .filter(|schema| schema.is_object());
    Ask {
        dialect: "anthropic",
        model: body.get("model").and_then(Value::as_str).unwrap_or_default(),
        last_user_text: messages.last().and_then(own_words),
        prompt_tokens: system_tokens + message_tokens + 10 * tools.len() as u64,
        tools,
        tool_choice,
        max_tokens: body.get("max_tokens").and_then(Value::as_u64),
        json_schema: json_schema.map(Cow::Borrowed),
    }
}

/// The text of a user's message, unless it brings tool results.
fn own_words(message: &Value) -> Option<String> {
    if message.get("role").and_then(Value::as_str) != Some("user") {
        return None;
    }
    let content = message.get("content")?;
    let mut blocks = content.as_array().into_iter().flatten();
    let brings_results = blocks.any(|block| block.get("type").is_some_and(|kind| kind == "tool_result"));
    (!brings_results).then(|| text_of(content))
}

/// All text in a content, tool results included.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts: Vec<_> = blocks
                .iter()
                .filter_map(|block| match block.get("text").and_then(Value::as_str) {
                    Some(text) => Some(text.to_owned()),
                    None => block.get("content").map(text_of),
                })
                .collect();
            texts.join(" ")
        }
        _ => String::new(),
    }
}
