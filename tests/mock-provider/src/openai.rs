//! OpenAI chat completions: credentials, errors, requests read and answers written.

mod check;
mod completions;
mod write;

use std::borrow::Cow;

use hyper::HeaderMap;
use serde_json::{Value, json};

use crate::answer::{Ask, ToolChoice, count_words};

pub(crate) use check::check_chat;
pub(crate) use completions::{check_completion, read_completion, stream_completion, write_completion};
pub(crate) use write::{Head, error_event, write_stream, write_whole};

/// The key presented as `authorization: Bearer` or, as with Azure, as `api-key`.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    let bearer = || headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim);
    let azure = || headers.get("api-key")?.to_str().ok();
    bearer().or_else(azure).filter(|key| !key.is_empty())
}

/// An error body as OpenAI writes it.
pub(crate) fn error_body(status: u16, message: &str) -> Vec<u8> {
    let (kind, code) = match status {
        401 => ("invalid_request_error", json!("invalid_api_key")),
        403 => ("invalid_request_error", json!("unsupported_country_region_territory")),
        404 => ("invalid_request_error", json!("model_not_found")),
        429 => ("requests", json!("rate_limit_exceeded")),
        400..=499 => ("invalid_request_error", Value::Null),
        _ => ("server_error", Value::Null),
    };
    let error = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    error.to_string().into_bytes()
}

/// Reads what a request asks for; [`check_chat`] has accepted it.
pub(crate) fn read(body: &Value) -> Ask<'_> {
    let messages = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let message_tokens: u64 = messages.iter().map(|message| 3 + count_words(&message_text(message))).sum();
    let tools: Vec<_> = body
        .get("tools")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|tool| {
            let function = tool.get("function")?;
            Some((function.get("name")?.as_str()?, function.get("parameters").unwrap_or(&Value::Null)))
        })
        .collect();
    let tool_choice = match body.get("tool_choice") {
        Some(Value::String(choice)) if choice == "none" => ToolChoice::Never,
        Some(Value::String(choice)) if choice == "required" => ToolChoice::Required,
        Some(Value::Object(choice)) => match choice.get("function").and_then(|function| function.get("name"))
        {
            Some(name) => ToolChoice::Named(name.as_str().unwrap_or_default().to_owned()),
            None => ToolChoice::Auto,
        },
        _ => ToolChoice::Auto,
    };
    let format = body.get("response_format");
    let json_schema = match format.and_then(|format| format.get("type")).and_then(Value::as_str) {
        Some("json_object") => Some(&Value::Null),
        Some("json_schema") => format.and_then(|format| format.pointer("/json_schema/schema")),
        _ => None,
    };
    let limit = body.get("max_completion_tokens").filter(|limit| !limit.is_null());
    Ask {
        dialect: "openai",
        model: body.get("model").and_then(Value::as_str).unwrap_or_default(),
        last_user_text: messages
            .last()
            .filter(|message| message.get("role").and_then(Value::as_str) == Some("user"))
            .map(message_text),
        prompt_tokens: message_tokens + 10 * tools.len() as u64,
        tools,
        tool_choice,
        max_tokens: limit.or_else(|| body.get("max_tokens")).and_then(Value::as_u64),
        json_schema: json_schema.map(Cow::Borrowed),
    }
}

/// Whether a stream shall end with a usage chunk.
pub(crate) fn wants_usage(body: &Value) -> bool {
    body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true))
}

fn message_text(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<_> =
                parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
            texts.join(" ")
        }
        _ => String::new(),
    }
}
