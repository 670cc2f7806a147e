//! The checks that Bedrock makes of a request: the settings, and the order of the conversation.

use serde_json::Value;

use super::blocks::{Block, check_block, check_cache_point};
use super::tools::check_tools;
use super::{content, items, known, one_of, only, required_text};

const FIELDS: [&str; 12] = [
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
    "outputConfig",
];

const GUARDRAIL: [&str; 4] = ["guardrailIdentifier", "guardrailVersion", "trace", "streamProcessingMode"];

/// The first fault that Bedrock would name, if there is one.
pub(crate) fn check_converse(body: &Value, model: &str) -> Result<(), String> {
    known(body, "the request", &FIELDS)?;
    if let Some(config) = body.get("inferenceConfig") {
        check_inference(config)?;
    }
    for (index, block) in items(body, "system", "the request")?.iter().enumerate() {
        let place = format!("system.{index}");
        match only(block, &place, &["text", "guardContent", "cachePoint"])? {
            ("text", text) if text.as_str().is_none_or(str::is_empty) => {
                return Err(format!("The text field in the SystemContentBlock object at {place} is empty."));
            }
            ("cachePoint", point) => check_cache_point(point, &place)?,
            _ => {}
        }
    }
    check_small(body)?;
    if let Some(format) = body.get("outputConfig") {
        check_output(format)?;
    }
    if let Some(tools) = body.get("toolConfig") {
        check_tools(tools)?;
    }
    let messages = items(body, "messages", "the request")?;
    check_conversation(messages, model)?;
    let uses_tools = |block: &Value| block.get("toolUse").is_some() || block.get("toolResult").is_some();
    if body.get("toolConfig").is_none() && messages.iter().flat_map(content).any(uses_tools) {
        return Err("The toolConfig field must be defined when using toolUse and toolResult content blocks."
            .to_owned());
    }
    Ok(())
}

fn check_inference(config: &Value) -> Result<(), String> {
    let place = "inferenceConfig";
    known(config, place, &["maxTokens", "temperature", "topP", "stopSequences"])?;
    if config.get("maxTokens").is_some_and(|limit| limit.as_u64().is_none_or(|limit| limit == 0)) {
        return Err(format!("The value at {place}.maxTokens must be an integer of 1 at least."));
    }
    for name in ["temperature", "topP"] {
        let is_good = |value: &Value| value.as_f64().is_some_and(|value| (0.0..=1.0).contains(&value));
        if config.get(name).is_some_and(|value| !is_good(value)) {
            return Err(format!("The value at {place}.{name} must be between 0 and 1."));
        }
    }
    for stop in items(config, "stopSequences", place)? {
        if stop.as_str().is_none_or(str::is_empty) {
            return Err(format!("The values at {place}.stopSequences must be strings that are not empty."));
        }
    }
    Ok(())
}

/// The fields that hold little.
fn check_small(body: &Value) -> Result<(), String> {
    for name in ["additionalModelRequestFields", "promptVariables"] {
        if body.get(name).is_some_and(|fields| !fields.is_object()) {
            return Err(format!("Expected an object at {name}."));
        }
    }
    if let Some(labels) = body.get("requestMetadata") {
        let labels = labels.as_object().ok_or("Expected an object at requestMetadata.")?;
        if labels.is_empty() || labels.len() > 16 || !labels.values().all(Value::is_string) {
            return Err("The requestMetadata must be 1 to 16 strings.".to_owned());
        }
    }
    if let Some(tier) = body.get("serviceTier") {
        known(tier, "serviceTier", &["type"])?;
        one_of(tier, "type", "serviceTier", &["priority", "default", "flex", "reserved"])?;
    }
    if let Some(performance) = body.get("performanceConfig") {
        known(performance, "performanceConfig", &["latency"])?;
        one_of(performance, "latency", "performanceConfig", &["standard", "optimized"])?;
    }
    if let Some(guardrail) = body.get("guardrailConfig") {
        known(guardrail, "guardrailConfig", &GUARDRAIL)?;
    }
    Ok(())
}

/// The form of the answer: a schema, which is a text that holds JSON.
fn check_output(output: &Value) -> Result<(), String> {
    known(output, "outputConfig", &["textFormat", "effort"])?;
    let Some(format) = output.get("textFormat") else { return Ok(()) };
    let place = "outputConfig.textFormat";
    known(format, place, &["type", "structure"])?;
    one_of(format, "type", place, &["json_schema"])?;
    let structure = format.get("structure").ok_or("The outputConfig.textFormat has no structure.")?;
    let (_, definition) = only(structure, &format!("{place}.structure"), &["jsonSchema"])?;
    let place = format!("{place}.structure.jsonSchema");
    known(definition, &place, &["schema", "name", "description"])?;
    let schema = required_text(definition, "schema", &place)?;
    match serde_json::from_str::<Value>(schema) {
        Ok(Value::Object(_)) => Ok(()),
        _ => Err(format!("The schema at {place} is no JSON object.")),
    }
}

fn check_conversation(messages: &[Value], model: &str) -> Result<(), String> {
    if messages.is_empty() {
        return Err("A conversation must start with a user message. Try again with a conversation that starts with a \
                    user message."
            .to_owned());
    }
    let mut called: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages.{index}");
        known(message, &place, &["role", "content"])?;
        one_of(message, "role", &place, &["user", "assistant"])?;
        let expected = if index % 2 == 0 { "user" } else { "assistant" };
        let role = required_text(message, "role", &place)?;
        if role != expected {
            return Err(if index == 0 {
                "A conversation must start with a user message. Try again with a conversation that starts with a user \
                 message."
            } else {
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates \
                 between user and assistant roles and try again."
            }
            .to_owned());
        }
        let blocks = items(message, "content", &place)?;
        if blocks.is_empty() {
            return Err(format!(
                "The content field in the Message object at {place} is empty. Add a ContentBlock object to the content \
                 field and try again."
            ));
        }
        called = check_message(blocks, role, &place, &called, model)?;
    }
    if called.is_empty() { Ok(()) } else { Err(unanswered(messages.len(), &called)) }
}

/// Checks what a message says, and tells the ids of its calls.
fn check_message<'a>(
    blocks: &'a [Value],
    role: &str,
    place: &str,
    called: &[&str],
    model: &str,
) -> Result<Vec<&'a str>, String> {
    let mut calls = Vec::new();
    let mut results = Vec::new();
    let (mut has_text, mut has_document, mut has_other) = (false, false, false);
    for (number, block) in blocks.iter().enumerate() {
        let place = format!("{place}.content.{number}");
        match check_block(block, &place, role)? {
            Block::Text => has_text = true,
            Block::Document => has_document = true,
            Block::ToolUse(id) => calls.push(id),
            Block::ToolResult(id) => results.push(id),
            Block::CachePoint => {}
            Block::Other => has_other = true,
        }
    }
    if has_document && !has_text {
        return Err(format!(
            "The document at {place} needs a text beside it. Add a text block and try again."
        ));
    }
    let talks = has_text || has_document || has_other;
    if talks && !results.is_empty() && model.contains("meta.llama") {
        return Err(format!(
            "{place}.content: Conversation blocks and tool result blocks cannot be provided in the same turn."
        ));
    }
    if results.len() > called.len() {
        return Err(format!(
            "The number of toolResult blocks at {place}.content exceeds the number of toolUse blocks of previous turn."
        ));
    }
    let missing: Vec<&str> = called.iter().copied().filter(|id| !results.contains(id)).collect();
    if !missing.is_empty() {
        return Err(format!(
            "Expected toolResult blocks at {place}.content for the following Ids: {}",
            missing.join(", ")
        ));
    }
    let mut ids = calls.clone();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != calls.len() {
        return Err(format!(
            "The toolUse blocks at {place}.content contain duplicate Ids: {}",
            calls.join(", ")
        ));
    }
    Ok(calls)
}

fn unanswered(index: usize, calls: &[&str]) -> String {
    format!(
        "Expected toolResult blocks at messages.{index}.content for the following Ids: {}",
        calls.join(", ")
    )
}
