//! The checks that OpenAI makes of a request for a response: the settings.

use serde_json::Value;

use super::items::check_items;
use super::tools::check_tools;
use super::{
    check_name, check_strict, given, known, missing, reasons, required_text, wrong_type, wrong_value,
};

const FIELDS: [&str; 30] = [
    "background",
    "context_management",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
];

const INCLUDES: [&str; 8] = [
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
];

const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
const SUMMARIES: [&str; 3] = ["auto", "concise", "detailed"];
const TIERS: [&str; 5] = ["auto", "default", "flex", "scale", "priority"];
const VERBOSITIES: [&str; 3] = ["low", "medium", "high"];

/// The least limit of tokens that the API takes.
const LEAST_TOKENS: u64 = 16;

/// The first fault that OpenAI would name, if there is one.
pub(crate) fn check_create(body: &Value) -> Result<(), String> {
    if !body.is_object() {
        return Err("We could not parse the JSON body of your request.".to_owned());
    }
    // The older name of two newer ones.
    let names: Vec<&str> = FIELDS.iter().copied().chain(["user"]).collect();
    known(body, "", &names)?;
    let model = required_text(body, "model", "")?;
    check_numbers(body, model)?;
    for (name, values) in [("service_tier", TIERS.as_slice()), ("truncation", &["auto", "disabled"])] {
        check_word(body, name, name, values)?;
    }
    for name in ["stream", "store", "parallel_tool_calls", "background"] {
        if given(body, name).is_some_and(|value| !value.is_boolean()) {
            return Err(wrong_type(name, "a boolean"));
        }
    }
    for name in ["instructions", "user", "safety_identifier", "prompt_cache_key"] {
        if given(body, name).is_some_and(|value| !value.is_string()) {
            return Err(wrong_type(name, "a string"));
        }
    }
    // Nothing is kept here.
    if let Some(id) = given(body, "previous_response_id") {
        return Err(format!("Previous response with id {id} not found."));
    }
    if given(body, "conversation").is_some() {
        return Err("Conversation not found.".to_owned());
    }
    if given(body, "stream_options").is_some() && body.get("stream") != Some(&Value::Bool(true)) {
        return Err("The 'stream_options' parameter is only allowed when 'stream' is enabled.".to_owned());
    }
    check_include(body)?;
    check_labels(body)?;
    if let Some(reasoning) = given(body, "reasoning") {
        check_reasoning(reasoning, model)?;
    }
    if let Some(text) = given(body, "text") {
        check_text(text)?;
    }
    check_tools(body)?;
    match body.get("input") {
        Some(Value::String(text)) if !text.is_empty() => Ok(()),
        Some(Value::Array(items)) if !items.is_empty() => check_items(items, is_stored(body)),
        None => Err(missing("input")),
        Some(Value::String(_) | Value::Array(_)) => Err("Invalid 'input': it must not be empty.".to_owned()),
        Some(_) => Err(wrong_type("input", "a string or an array")),
    }
}

/// Whether items can be named by their ids.
fn is_stored(body: &Value) -> bool {
    body.get("store") != Some(&Value::Bool(false))
}

fn check_word(value: &Value, name: &str, place: &str, words: &[&str]) -> Result<(), String> {
    match given(value, name) {
        Some(word) if !words.iter().any(|known| word == known) => Err(wrong_value(place, word, words)),
        _ => Ok(()),
    }
}

fn check_numbers(body: &Value, model: &str) -> Result<(), String> {
    for (name, most) in [("temperature", 2.0), ("top_p", 1.0), ("top_logprobs", 20.0)] {
        let Some(value) = given(body, name) else { continue };
        if value.as_f64().is_none_or(|value| !(0.0..=most).contains(&value)) {
            return Err(format!("Invalid '{name}': expected a value between 0 and {most}."));
        }
        // Those after GPT-5 sample as long as they do not reason.
        let is_newer = model.starts_with("gpt-5.");
        if reasons(model) && !is_newer {
            return Err(format!("Unsupported parameter: '{name}' is not supported with this model."));
        }
    }
    if let Some(limit) = given(body, "max_output_tokens") {
        let limit = limit.as_u64().ok_or_else(|| wrong_type("max_output_tokens", "an integer"))?;
        if limit < LEAST_TOKENS {
            return Err(format!(
                "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {LEAST_TOKENS}, but got {limit} \
                 instead."
            ));
        }
    }
    Ok(())
}

fn check_include(body: &Value) -> Result<(), String> {
    let Some(include) = given(body, "include") else { return Ok(()) };
    let include = include.as_array().ok_or_else(|| wrong_type("include", "an array"))?;
    match include.iter().find(|name| !INCLUDES.iter().any(|known| *name == known)) {
        Some(name) => Err(wrong_value("include", name, &INCLUDES)),
        None => Ok(()),
    }
}

fn check_labels(body: &Value) -> Result<(), String> {
    let Some(labels) = given(body, "metadata") else { return Ok(()) };
    let labels = labels.as_object().ok_or_else(|| wrong_type("metadata", "an object"))?;
    let is_good =
        labels.len() <= 16 && labels.iter().all(|(name, value)| name.len() <= 64 && value.is_string());
    if is_good { Ok(()) } else { Err("Invalid 'metadata': expected 16 strings at most.".to_owned()) }
}

fn check_reasoning(reasoning: &Value, model: &str) -> Result<(), String> {
    known(reasoning, "reasoning", &["effort", "summary", "generate_summary", "context"])?;
    check_word(reasoning, "effort", "reasoning.effort", &EFFORTS)?;
    check_word(reasoning, "summary", "reasoning.summary", &SUMMARIES)?;
    let given = ["effort", "summary"].into_iter().find(|name| given(reasoning, name).is_some());
    match given.filter(|_| !reasons(model)) {
        Some(name) => {
            Err(format!("Unsupported parameter: 'reasoning.{name}' is not supported with this model."))
        }
        None => Ok(()),
    }
}

fn check_text(text: &Value) -> Result<(), String> {
    known(text, "text", &["format", "verbosity"])?;
    check_word(text, "verbosity", "text.verbosity", &VERBOSITIES)?;
    let Some(format) = given(text, "format") else { return Ok(()) };
    let place = "text.format";
    match required_text(format, "type", place)? {
        "text" | "json_object" => known(format, place, &["type"]).map(|_| ()),
        "json_schema" => {
            known(format, place, &["type", "name", "schema", "description", "strict"])?;
            let name = required_text(format, "name", place)?;
            check_name(name, "text.format.name")?;
            let schema = format.get("schema").ok_or_else(|| missing("text.format.schema"))?;
            if !schema.is_object() {
                return Err(wrong_type("text.format.schema", "an object"));
            }
            if format.get("strict") == Some(&Value::Bool(true)) { check_strict(schema, name) } else { Ok(()) }
        }
        _ => Err(wrong_value(place, format, &["text", "json_object", "json_schema"])),
    }
}
