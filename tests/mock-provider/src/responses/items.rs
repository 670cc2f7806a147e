//! The checks of the items of a conversation.

use serde_json::Value;

use super::{ENCRYPTED, given, known, missing, required_text, wrong_type, wrong_value};

/// Items of tools that OpenAI runs itself, which nothing here looks into.
const HOSTED: [&str; 16] = [
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "web_search_call",
    "image_generation_call",
    "code_interpreter_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_call",
    "custom_tool_call",
    "custom_tool_call_output",
];

const KINDS: [&str; 4] = ["message", "function_call", "function_call_output", "reasoning"];

const INPUT_PARTS: [&str; 4] = ["input_text", "input_image", "input_file", "input_audio"];
const OUTPUT_PARTS: [&str; 2] = ["output_text", "refusal"];

/// `is_stored`: items of earlier responses could be known by their ids, if this were OpenAI.
pub(super) fn check_items(items: &[Value], is_stored: bool) -> Result<(), String> {
    // Calls whose results have not come yet.
    let mut unanswered: Vec<&str> = Vec::new();
    let mut reasoning = None;
    for (index, item) in items.iter().enumerate() {
        let place = format!("input[{index}]");
        let kind = match item.get("type") {
            // A message need not say that it is one.
            None if item.get("role").is_some() => "message",
            None => return Err(missing(&format!("{place}.type"))),
            Some(_) => required_text(item, "type", &place)?,
        };
        let is_said = kind == "function_call" || item.get("role").is_some_and(|role| role == "assistant");
        if let Some(id) = reasoning.take().filter(|_| !is_said && kind != "reasoning") {
            return Err(lonely(id));
        }
        match kind {
            "message" => check_message(item, &place)?,
            "function_call" => unanswered.push(check_call(item, &place)?),
            "function_call_output" => {
                let id = check_output(item, &place)?;
                let call = unanswered.iter().position(|call| *call == id);
                unanswered.remove(call.ok_or_else(|| {
                    format!("No tool call found for function call output with call_id {id}.")
                })?);
            }
            "reasoning" => reasoning = Some(check_reasoning(item, &place, is_stored)?),
            "item_reference" => {
                return Err(format!("Item with id {} not found.", item.get("id").unwrap_or(&Value::Null)));
            }
            kind if HOSTED.contains(&kind) => {}
            kind => return Err(wrong_value(&format!("{place}.type"), &Value::from(kind), &KINDS)),
        }
    }
    match (reasoning, unanswered.first()) {
        (Some(id), _) => Err(lonely(id)),
        (_, Some(call)) => Err(format!("No tool output found for function call {call}.")),
        _ => Ok(()),
    }
}

fn lonely(id: &str) -> String {
    format!("Item '{id}' of type 'reasoning' was provided without its required following item.")
}

/// Ids tell by their beginning what they are of.
fn check_id(item: &Value, start: &str, place: &str) -> Result<(), String> {
    match given(item, "id") {
        None => Ok(()),
        Some(Value::String(id)) if id.starts_with(start) => Ok(()),
        Some(id) => Err(format!("Invalid '{place}.id': {id}. Expected an ID that begins with '{start}'.")),
    }
}

fn check_message(item: &Value, place: &str) -> Result<(), String> {
    known(item, place, &["type", "role", "content", "id", "status", "phase"])?;
    let role = required_text(item, "role", place)?;
    if !["user", "assistant", "system", "developer"].contains(&role) {
        let roles = ["assistant", "system", "developer", "user"];
        return Err(wrong_value(&format!("{place}.role"), &Value::from(role), &roles));
    }
    check_id(item, "msg", place)?;
    let parts: &[&str] = if role == "assistant" { &OUTPUT_PARTS } else { &INPUT_PARTS };
    let content = item.get("content").ok_or_else(|| missing(&format!("{place}.content")))?;
    check_content(content, &format!("{place}.content"), parts)
}

fn check_content(content: &Value, place: &str, kinds: &[&str]) -> Result<(), String> {
    match content {
        Value::String(_) => Ok(()),
        Value::Array(parts) => parts
            .iter()
            .enumerate()
            .try_for_each(|(number, part)| check_part(part, &format!("{place}[{number}]"), kinds)),
        _ => Err(wrong_type(place, "a string or an array")),
    }
}

fn check_part(part: &Value, place: &str, kinds: &[&str]) -> Result<(), String> {
    let kind = required_text(part, "type", place)?;
    if !kinds.contains(&kind) {
        return Err(wrong_value(place, &Value::from(kind), kinds));
    }
    match kind {
        "input_text" => {
            known(part, place, &["type", "text"])?;
            required_text(part, "text", place).map(|_| ())
        }
        "output_text" => {
            known(part, place, &["type", "text", "annotations", "logprobs"])?;
            required_text(part, "text", place).map(|_| ())
        }
        "refusal" => {
            known(part, place, &["type", "refusal"])?;
            required_text(part, "refusal", place).map(|_| ())
        }
        "input_image" => {
            known(part, place, &["type", "image_url", "file_id", "detail"])?;
            match given(part, "image_url") {
                None if given(part, "file_id").is_some() => Ok(()),
                None => Err(missing(&format!("{place}.image_url"))),
                Some(url) => check_url(url, &format!("{place}.image_url")),
            }
        }
        "input_file" => {
            known(part, place, &["type", "file_id", "file_data", "file_url", "filename", "detail"])?;
            let is_given =
                ["file_id", "file_data", "file_url"].iter().any(|name| given(part, name).is_some());
            if !is_given {
                return Err(missing(&format!("{place}.file_id")));
            }
            if given(part, "file_data").is_some() && given(part, "filename").is_none() {
                return Err(missing(&format!("{place}.filename")));
            }
            Ok(())
        }
        _ => {
            known(part, place, &["type", "input_audio"])?;
            let audio = part.get("input_audio").ok_or_else(|| missing(&format!("{place}.input_audio")))?;
            known(audio, &format!("{place}.input_audio"), &["data", "format"]).map(|_| ())
        }
    }
}

fn check_url(url: &Value, place: &str) -> Result<(), String> {
    let text = url.as_str().ok_or_else(|| wrong_type(place, "an image URL"))?;
    let is_url = ["https://", "http://", "data:image/"].iter().any(|start| text.starts_with(start));
    if is_url {
        Ok(())
    } else {
        Err(format!("Invalid '{place}'. Expected a valid URL, but got a value with an invalid format."))
    }
}

fn call_id<'a>(item: &'a Value, place: &str) -> Result<&'a str, String> {
    let id = required_text(item, "call_id", place)?;
    if (1..=64).contains(&id.len()) {
        return Ok(id);
    }
    Err(format!("Invalid '{place}.call_id': expected a string with 1 to 64 letters."))
}

fn check_call<'a>(item: &'a Value, place: &str) -> Result<&'a str, String> {
    known(item, place, &["type", "id", "call_id", "name", "arguments", "status", "namespace", "caller"])?;
    check_id(item, "fc", place)?;
    for name in ["name", "arguments"] {
        required_text(item, name, place)?;
    }
    call_id(item, place)
}

fn check_output<'a>(item: &'a Value, place: &str) -> Result<&'a str, String> {
    known(item, place, &["type", "id", "call_id", "output", "status", "name", "namespace", "caller"])?;
    let output = item.get("output").ok_or_else(|| missing(&format!("{place}.output")))?;
    check_content(output, &format!("{place}.output"), &["input_text", "input_image", "input_file"])?;
    call_id(item, place)
}

fn check_reasoning<'a>(item: &'a Value, place: &str, is_stored: bool) -> Result<&'a str, String> {
    known(item, place, &["type", "id", "summary", "content", "encrypted_content", "status"])?;
    check_id(item, "rs", place)?;
    let id = required_text(item, "id", place)?;
    let summary = item.get("summary").ok_or_else(|| missing(&format!("{place}.summary")))?;
    for (number, part) in summary.as_array().ok_or_else(|| wrong_type(place, "an array"))?.iter().enumerate()
    {
        let place = format!("{place}.summary[{number}]");
        known(part, &place, &["type", "text"])?;
        required_text(part, "text", &place)?;
        if required_text(part, "type", &place)? != "summary_text" {
            return Err(wrong_value(&place, part, &["summary_text"]));
        }
    }
    match given(item, "encrypted_content") {
        None if is_stored => Ok(id),
        None => Err(format!(
            "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` set \
             to true, or remove this item from your input."
        )),
        Some(encrypted) if encrypted == ENCRYPTED => Ok(id),
        Some(_) => Err(format!("The encrypted content for item {id} could not be verified.")),
    }
}
