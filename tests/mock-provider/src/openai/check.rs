//! The checks that OpenAI makes of a chat completion request.

use serde_json::Value;

/// Fields of other dialects, which a translation may have left behind.
const FOREIGN: [&str; 8] = [
    "system",
    "stop_sequences",
    "top_k",
    "thinking",
    "anthropic_version",
    "contents",
    "systemInstruction",
    "generationConfig",
];

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

const PARTS: [&str; 5] = ["text", "image_url", "input_audio", "file", "refusal"];

/// The first fault that OpenAI would name, if there is one.
pub(crate) fn check_chat(body: &Value) -> Result<(), String> {
    let fields = body.as_object().ok_or("We could not parse the JSON body of your request.")?;
    if !fields.get("model").is_some_and(Value::is_string) {
        return Err("you must provide a model parameter".to_owned());
    }
    if let Some(foreign) = FOREIGN.iter().find(|name| fields.contains_key(**name)) {
        return Err(format!("Unrecognized request argument supplied: {foreign}"));
    }
    let messages = match fields.get("messages") {
        None => return Err("Missing required parameter: 'messages'.".to_owned()),
        Some(messages) => messages.as_array().ok_or("Invalid type for 'messages': expected an array.")?,
    };
    if messages.is_empty() {
        return Err("Invalid 'messages': empty array. Expected an array with minimum length 1.".to_owned());
    }
    check_messages(messages)?;
    check_tools(body)?;
    let streams = fields.get("stream") == Some(&Value::Bool(true));
    if !streams && fields.get("stream_options").is_some_and(|options| !options.is_null()) {
        return Err("The 'stream_options' parameter is only allowed when 'stream' is enabled.".to_owned());
    }
    if fields.get("temperature").and_then(Value::as_f64).is_some_and(|value| !(0.0..=2.0).contains(&value)) {
        return Err("Invalid 'temperature': expected a value between 0 and 2.".to_owned());
    }
    Ok(())
}

fn check_messages(messages: &[Value]) -> Result<(), String> {
    // Calls of the last assistant message that no tool message answered yet.
    let mut unanswered: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !ROLES.contains(&role) {
            return Err(format!(
                "Invalid value: '{role}'. Supported values are: {ROLES:?}. messages[{index}].role"
            ));
        }
        if role == "tool" {
            let id = message.get("tool_call_id").and_then(Value::as_str);
            let id =
                id.ok_or_else(|| format!("Missing required parameter: 'messages[{index}].tool_call_id'."))?;
            let place = unanswered.iter().position(|call| *call == id).ok_or(
                "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.",
            )?;
            unanswered.remove(place);
        } else if !unanswered.is_empty() {
            return Err(unanswered_error(&unanswered));
        }
        check_content(message, role, index)?;
        for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let place = format!("messages[{index}].tool_calls");
            let id = call.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
            unanswered.push(id.ok_or_else(|| format!("Missing required parameter: '{place}[].id'."))?);
            if call.get("type").and_then(Value::as_str) != Some("function") {
                return Err(format!("Missing required parameter: '{place}[].type'."));
            }
            if !call.pointer("/function/name").is_some_and(Value::is_string) {
                return Err(format!("Missing required parameter: '{place}[].function.name'."));
            }
            if !call.pointer("/function/arguments").is_some_and(Value::is_string) {
                return Err(format!("Invalid type for '{place}[].function.arguments': expected a string."));
            }
        }
    }
    if unanswered.is_empty() { Ok(()) } else { Err(unanswered_error(&unanswered)) }
}

fn unanswered_error(calls: &[&str]) -> String {
    format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
         'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        calls.join(", ")
    )
}

fn check_content(message: &Value, role: &str, index: usize) -> Result<(), String> {
    match message.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => {
            for part in parts {
                let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
                if !PARTS.contains(&kind) {
                    return Err(format!("Invalid value: '{kind}'. messages[{index}].content[].type"));
                }
                let field = kind;
                if part.get(field).is_none_or(Value::is_null) {
                    return Err(format!(
                        "Missing required parameter: 'messages[{index}].content[].{field}'."
                    ));
                }
                if kind == "image_url" && !part.pointer("/image_url/url").is_some_and(Value::is_string) {
                    return Err(format!(
                        "Invalid type for 'messages[{index}].content[].image_url': expected an object."
                    ));
                }
            }
            Ok(())
        }
        // Only an assistant that called tools may stay silent.
        None | Some(Value::Null) if role == "assistant" => {
            let calls = message.get("tool_calls").and_then(Value::as_array);
            let silent = calls.is_none_or(Vec::is_empty) && message.get("refusal").is_none();
            if silent && message.get("function_call").is_none() {
                return Err(format!(
                    "Invalid value for 'content': expected a string, got null. messages[{index}]"
                ));
            }
            Ok(())
        }
        _ => Err(format!(
            "Invalid value for 'content': expected a string, got null. messages[{index}].content"
        )),
    }
}

fn check_tools(body: &Value) -> Result<(), String> {
    let Some(tools) = body.get("tools").filter(|tools| !tools.is_null()) else {
        return match body.get("tool_choice") {
            Some(Value::Object(_)) => {
                Err("'tool_choice' is only allowed when 'tools' are specified.".to_owned())
            }
            _ => Ok(()),
        };
    };
    let tools = tools.as_array().filter(|tools| !tools.is_empty());
    for (index, tool) in tools.ok_or("Invalid 'tools': empty array.")?.iter().enumerate() {
        if tool.get("type").and_then(Value::as_str) != Some("function") {
            return Err(format!("Missing required parameter: 'tools[{index}].type'."));
        }
        let name = tool.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
            return Err(format!("Invalid 'tools[{index}].function.name': '{name}'."));
        }
        if tool.pointer("/function/parameters").is_some_and(|schema| !schema.is_object()) {
            return Err(format!(
                "Invalid type for 'tools[{index}].function.parameters': expected an object."
            ));
        }
    }
    match body.get("tool_choice") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(choice)) if ["none", "auto", "required"].contains(&choice.as_str()) => Ok(()),
        Some(Value::Object(choice)) if choice.get("type").is_some_and(|kind| kind == "function") => Ok(()),
        Some(other) => Err(format!("Invalid value for 'tool_choice': {other}.")),
    }
}
