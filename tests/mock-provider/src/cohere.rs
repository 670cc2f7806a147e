//! The second version of Cohere's chat: credentials, errors, requests read and answers written.
//!
//! Reference: <https://docs.cohere.com/reference/chat>.

mod check;
mod messages;
mod write;

use std::borrow::Cow;

use hyper::HeaderMap;
use serde_json::{Value, json};

use crate::answer::{Ask, ToolChoice, count_words};

pub(crate) use check::check_chat;
pub(crate) use write::{error_event, write_stream, write_whole};

/// What is wrong with a request.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) message: String,
}

/// A request that breaks a rule.
fn invalid(rule: impl std::fmt::Display) -> Fault {
    Fault { status: 400, message: format!("invalid request: {rule}") }
}

/// A field that is not one of `names`.
fn known(value: &Value, names: &[&str]) -> Result<(), Fault> {
    let fields = value.as_object().ok_or_else(|| invalid("an object is expected"))?;
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let see = "For proper usage, please refer to https://docs.cohere.com/reference/chat";
            let message = format!("unknown field: parameter '{name}' is not a valid field. {see}");
            Err(Fault { status: 422, message })
        }
    }
}

/// Whether a model thinks before it answers.
fn thinks(model: &str) -> bool {
    model.contains("reasoning")
}

/// The key presented as a bearer token.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    let key = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim);
    key.filter(|key| !key.is_empty())
}

/// An error body as Cohere writes it.
pub(crate) fn error_body(message: &str, id: u64) -> Vec<u8> {
    json!({"id": format!("mock-{id}"), "message": message}).to_string().into_bytes()
}

/// Reads what a request asks for; [`check_chat`] has accepted it.
pub(crate) fn read(body: &Value) -> Ask<'_> {
    let messages = body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let message_tokens: u64 = messages.iter().map(|message| 3 + count_words(&text_of(message))).sum();
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
    let tool_choice = match body.get("tool_choice").and_then(Value::as_str) {
        Some("NONE") => ToolChoice::Never,
        Some("REQUIRED") => ToolChoice::Required,
        _ => ToolChoice::Auto,
    };
    let format = body
        .get("response_format")
        .filter(|format| format.get("type").is_some_and(|kind| kind == "json_object"));
    let json_schema = format.map(|format| {
        let schema = format.get("json_schema").or_else(|| format.get("schema"));
        Cow::Borrowed(schema.unwrap_or(&Value::Null))
    });
    Ask {
        dialect: "cohere",
        model: body.get("model").and_then(Value::as_str).unwrap_or_default(),
        last_user_text: messages
            .last()
            .filter(|message| message.get("role").is_some_and(|role| role == "user"))
            .map(text_of),
        prompt_tokens: message_tokens + 10 * tools.len() as u64,
        tools,
        tool_choice,
        max_tokens: body.get("max_tokens").and_then(Value::as_u64),
        json_schema,
    }
}

/// All text of a message.
fn text_of(message: &Value) -> String {
    match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<_> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            texts.join(" ")
        }
        _ => String::new(),
    }
}
