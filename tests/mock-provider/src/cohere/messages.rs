//! The checks of the conversation.

use serde_json::Value;

use super::{Fault, invalid, known};

pub(super) fn check_messages(messages: &[Value]) -> Result<(), Fault> {
    // Calls of the last assistant message that no tool message answered yet.
    let mut unanswered: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages[{index}]");
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if role != "tool" && !unanswered.is_empty() {
            return Err(unanswered_error(&unanswered));
        }
        match role {
            "system" => {
                known(message, &["role", "content"])?;
                check_content(message, &place, &["text"])?;
            }
            "user" => {
                known(message, &["role", "content"])?;
                check_content(message, &place, &["text", "image_url"])?;
            }
            "tool" => {
                known(message, &["role", "content", "tool_call_id"])?;
                let id = message.get("tool_call_id").and_then(Value::as_str);
                let id = id.ok_or_else(|| invalid(format!("{place}.tool_call_id is required.")))?;
                let call = unanswered.iter().position(|call| *call == id);
                unanswered.remove(call.ok_or_else(|| {
                    invalid(format!("tool call id '{id}' at {place} was not found in previous tool calls."))
                })?);
                check_content(message, &place, &["text", "document"])?;
            }
            "assistant" => {
                known(message, &["role", "content", "tool_calls", "tool_plan", "citations"])?;
                unanswered = check_assistant(message, &place)?;
            }
            other => {
                return Err(invalid(format!(
                    "{place}.role: '{other}' is none of user, assistant, system, tool."
                )));
            }
        }
    }
    if unanswered.is_empty() { Ok(()) } else { Err(unanswered_error(&unanswered)) }
}

fn unanswered_error(calls: &[&str]) -> Fault {
    let calls = calls.join(", ");
    invalid(format!(
        "an assistant message with tool_calls must be followed by tool messages for each of them: {calls}"
    ))
}

/// Checks what a model said, and tells the ids of its calls.
fn check_assistant<'a>(message: &'a Value, place: &str) -> Result<Vec<&'a str>, Fault> {
    let calls = match message.get("tool_calls") {
        None => &[],
        Some(Value::Array(calls)) => calls.as_slice(),
        Some(_) => return Err(invalid(format!("{place}.tool_calls must be a list."))),
    };
    if message.get("tool_plan").is_some_and(|plan| !plan.is_string() || calls.is_empty()) {
        return Err(invalid(format!("{place}.tool_plan must be a string beside tool_calls.")));
    }
    if message.get("content").is_some() {
        check_content(message, place, &["text", "thinking"])?;
    } else if calls.is_empty() {
        return Err(invalid(format!("{place} must have content or tool_calls.")));
    }
    let mut ids = Vec::with_capacity(calls.len());
    for (number, call) in calls.iter().enumerate() {
        let place = format!("{place}.tool_calls[{number}]");
        known(call, &["id", "type", "function"])?;
        if call.get("type").is_none_or(|kind| kind != "function") {
            return Err(invalid(format!("{place}.type must be function.")));
        }
        let function =
            call.get("function").ok_or_else(|| invalid(format!("{place}.function is required.")))?;
        known(function, &["name", "arguments"])?;
        for name in ["name", "arguments"] {
            if !function.get(name).is_some_and(Value::is_string) {
                return Err(invalid(format!("{place}.function.{name} must be a string.")));
            }
        }
        let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        ids.push(id.ok_or_else(|| invalid(format!("{place}.id is required.")))?);
    }
    Ok(ids)
}

/// Checks a content of parts of these kinds; `tool` results may be empty.
fn check_content(message: &Value, place: &str, kinds: &[&str]) -> Result<(), Fault> {
    let is_result = kinds.contains(&"document");
    match message.get("content") {
        Some(Value::String(text)) if !text.is_empty() || is_result => Ok(()),
        Some(Value::Array(parts)) if !parts.is_empty() => {
            parts.iter().try_for_each(|part| check_part(part, place, kinds))
        }
        _ => Err(invalid(format!("{place}.content must be a text or a list of parts that is not empty."))),
    }
}

fn check_part(part: &Value, place: &str, kinds: &[&str]) -> Result<(), Fault> {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
    if !kinds.contains(&kind) {
        return Err(invalid(format!("{place}.content: the type '{kind}' is none of {kinds:?}.")));
    }
    known(part, &["type", kind])?;
    let value = part.get(kind).ok_or_else(|| invalid(format!("{place}.content: {kind} is required.")))?;
    match kind {
        "image_url" => {
            known(value, &["url", "detail"])?;
            let url = value.get("url").and_then(Value::as_str).unwrap_or_default();
            let is_url = ["https://", "http://", "data:image/"].iter().any(|start| url.starts_with(start));
            if is_url { Ok(()) } else { Err(invalid(format!("{place}.content: image_url.url is no image."))) }
        }
        "document" => known(value, &["data", "id"]),
        "text" if value.is_string() && kinds.contains(&"document") => Ok(()),
        _ if value.as_str().is_none_or(str::is_empty) => {
            Err(invalid(format!("{place}.content: {kind} must be a string that is not empty.")))
        }
        _ => Ok(()),
    }
}
