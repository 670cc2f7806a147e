//! The checks that Anthropic makes of a messages request.

use serde_json::Value;

/// Fields of other dialects, which a translation may have left behind.
const FOREIGN: [&str; 22] = [
    "max_completion_tokens",
    "n",
    "stop",
    "seed",
    "user",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "stream_options",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "reasoning_effort",
    "modalities",
    "store",
    "prediction",
    "contents",
    "systemInstruction",
    "generationConfig",
];

/// Content blocks of other dialects; Anthropic has more kinds of its own than are worth listing.
const FOREIGN_BLOCKS: [&str; 5] = ["image_url", "input_audio", "file", "input_text", "refusal"];

/// The first fault that Anthropic would name, if there is one; `counting` leaves out what only
/// generation needs.
pub(crate) fn check_messages(body: &Value, counting: bool) -> Result<(), String> {
    let fields = body.as_object().ok_or("The request body is not valid JSON")?;
    if !fields.get("model").is_some_and(Value::is_string) {
        return Err("model: Field required".to_owned());
    }
    let max_tokens = match fields.get("max_tokens") {
        None if counting => 0,
        None => return Err("max_tokens: Field required".to_owned()),
        Some(limit) => limit.as_u64().ok_or("max_tokens: Input should be a valid integer")?,
    };
    if max_tokens == 0 && !counting {
        return Err("max_tokens: Input should be greater than or equal to 1".to_owned());
    }
    if let Some(foreign) = FOREIGN.iter().find(|name| fields.contains_key(**name)) {
        return Err(format!("{foreign}: Extra inputs are not permitted"));
    }
    check_parameters(body, max_tokens)?;
    check_tools(body)?;
    let messages = fields.get("messages").ok_or("messages: Field required")?;
    let messages = messages.as_array().ok_or("messages: Input should be a valid list")?;
    check_turns(messages)
}

fn check_parameters(body: &Value, max_tokens: u64) -> Result<(), String> {
    if body.get("temperature").and_then(Value::as_f64).is_some_and(|value| !(0.0..=1.0).contains(&value)) {
        return Err("temperature: Input should be less than or equal to 1".to_owned());
    }
    match body.get("system") {
        None | Some(Value::String(_)) => {}
        Some(Value::Array(blocks)) => {
            for (index, block) in blocks.iter().enumerate() {
                check_text(block, &format!("system.{index}"))?;
            }
        }
        Some(_) => return Err("system: Input should be a valid string or list".to_owned()),
    }
    let stops = body.get("stop_sequences");
    if stops.is_some_and(|stops| stops.as_array().is_none_or(|list| !list.iter().all(Value::is_string))) {
        return Err("stop_sequences: Input should be a valid list".to_owned());
    }
    if body.pointer("/thinking/type").is_some_and(|kind| kind == "enabled") {
        let budget = body.pointer("/thinking/budget_tokens").and_then(Value::as_u64);
        let budget = budget.ok_or("thinking.enabled.budget_tokens: Field required")?;
        if budget < 1024 {
            return Err(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024".to_owned()
            );
        }
        if max_tokens != 0 && budget >= max_tokens {
            return Err("`max_tokens` must be greater than `thinking.budget_tokens`".to_owned());
        }
    }
    Ok(())
}

fn check_tools(body: &Value) -> Result<(), String> {
    let tools = match body.get("tools") {
        None => &[],
        Some(tools) => tools.as_array().ok_or("tools: Input should be a valid list")?.as_slice(),
    };
    for (index, tool) in tools.iter().enumerate() {
        // A tool with a type of its own is one of Anthropic's and has no schema.
        if tool.get("type").and_then(Value::as_str).is_some_and(|kind| kind != "custom" && kind != "function")
        {
            continue;
        }
        let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 128 || !name.chars().all(good) {
            return Err(format!(
                "tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            ));
        }
        if tool.pointer("/input_schema/type").is_none_or(|kind| kind != "object") {
            return Err(format!("tools.{index}.custom.input_schema.type: Field required"));
        }
    }
    let Some(choice) = body.get("tool_choice") else { return Ok(()) };
    let kind = choice
        .get("type")
        .and_then(Value::as_str)
        .ok_or("tool_choice: Input should be a valid dictionary")?;
    match kind {
        "none" => Ok(()),
        "auto" | "any" | "tool" if tools.is_empty() => {
            Err("tool_choice may only be specified while providing tools".to_owned())
        }
        "auto" | "any" => Ok(()),
        "tool" => {
            let name = choice.get("name").ok_or("tool_choice.tool.name: Field required")?;
            if tools.iter().any(|tool| tool.get("name") == Some(name)) {
                Ok(())
            } else {
                Err(format!("Tool {name} not found in provided tools"))
            }
        }
        other => Err(format!("tool_choice: Input tag '{other}' does not match any of the expected tags")),
    }
}

fn check_turns(messages: &[Value]) -> Result<(), String> {
    if messages.is_empty() {
        return Err("messages: at least one message is required".to_owned());
    }
    // Calls of the message before, all of which this one must answer.
    let mut called: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages.{index}");
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        match role {
            "user" => {}
            "assistant" if index > 0 => {}
            "assistant" => return Err("messages: first message must use the \"user\" role".to_owned()),
            other => {
                return Err(format!(
                    "messages: Unexpected role \"{other}\". Allowed roles are \"user\" or \"assistant\""
                ));
            }
        }
        let extra = message.as_object().and_then(|fields| {
            fields.keys().find(|name| !["role", "content", "id", "type"].contains(&name.as_str()))
        });
        if let Some(extra) = extra {
            return Err(format!("{place}.{extra}: Extra inputs are not permitted"));
        }
        let last = index + 1 == messages.len();
        let blocks = match message.get("content") {
            None => return Err(format!("{place}.content: Field required")),
            Some(Value::String(text)) => {
                if text.is_empty() && !(last && role == "assistant") {
                    return Err(format!("{place}: all messages must have non-empty content"));
                }
                if last && role == "assistant" && text.ends_with(char::is_whitespace) {
                    return Err(
                        "messages: final assistant content cannot end with trailing whitespace".to_owned()
                    );
                }
                &[]
            }
            Some(Value::Array(blocks)) => blocks.as_slice(),
            Some(_) => return Err(format!("{place}.content: Input should be a valid string or list")),
        };
        let mut calls = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            let place = format!("{place}.content.{number}");
            match block.get("type").and_then(Value::as_str) {
                None => return Err(format!("{place}.type: Field required")),
                Some("text") => check_text(block, &place)?,
                Some("tool_use") => calls.push(check_tool_use(block, &place, role)?),
                Some("tool_result") => {
                    let id = block.get("tool_use_id").and_then(Value::as_str);
                    let id = id.ok_or_else(|| format!("{place}.tool_result.tool_use_id: Field required"))?;
                    let answered = called.iter().position(|call| *call == id).filter(|_| role == "user");
                    called.remove(answered.ok_or_else(|| {
                        format!(
                            "{place}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` \
                             block must have a corresponding `tool_use` block in the previous message."
                        )
                    })?);
                }
                Some(foreign) if FOREIGN_BLOCKS.contains(&foreign) => {
                    return Err(format!(
                        "{place}: Input tag '{foreign}' found using 'type' does not match any of the expected tags"
                    ));
                }
                Some(_) => {}
            }
        }
        if !called.is_empty() {
            return Err(unanswered(index - 1, &called));
        }
        called = calls;
    }
    if called.is_empty() { Ok(()) } else { Err(unanswered(messages.len() - 1, &called)) }
}

fn check_text(block: &Value, place: &str) -> Result<(), String> {
    match block.get("text").and_then(Value::as_str) {
        None => Err(format!("{place}.text.text: Field required")),
        Some("") => Err("messages: text content blocks must be non-empty".to_owned()),
        Some(_) => Ok(()),
    }
}

fn check_tool_use<'a>(block: &'a Value, place: &str, role: &str) -> Result<&'a str, String> {
    if role != "assistant" {
        return Err(format!("{place}: `tool_use` blocks can only be in `assistant` messages"));
    }
    if !block.get("name").is_some_and(Value::is_string) {
        return Err(format!("{place}.tool_use.name: Field required"));
    }
    if !block.get("input").is_some_and(Value::is_object) {
        return Err(format!("{place}.tool_use.input: Input should be a valid dictionary"));
    }
    let id = block.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    id.ok_or_else(|| format!("{place}.tool_use.id: Field required"))
}

fn unanswered(index: usize, calls: &[&str]) -> String {
    format!(
        "messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message.",
        calls.join(", ")
    )
}
