//! OpenAI's chat completions: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use super::{Object, append, event, pieces};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most choices and calls of tools that are put together.
const PARTS: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Assembler {
    answer: Object,
    choices: BTreeMap<u64, Choice>,
    done: bool,
}

#[derive(Debug, Default)]
struct Choice {
    fields: Object,
    message: Object,
    calls: BTreeMap<u64, Object>,
    logprobs: Object,
}

impl Assembler {
    /// Takes an event's data. `None`: there is no place for something in it.
    pub(super) fn event(&mut self, data: &[u8]) -> Option<()> {
        if data == b"[DONE]" {
            self.done = true;
            return Some(());
        }
        let Ok(Value::Object(chunk)) = serde_json::from_slice(data) else { return None };
        for (name, value) in chunk {
            match (name.as_str(), value) {
                ("error", _) => return None,
                ("choices", Value::Array(choices)) => {
                    for choice in choices {
                        self.choice(choice)?;
                    }
                }
                // What every chunk repeats, and what the last one says of all.
                (_, Value::Null) if self.answer.contains_key(&name) => {}
                (_, value) => drop(self.answer.insert(name, value)),
            }
        }
        Some(())
    }

    fn choice(&mut self, choice: Value) -> Option<()> {
        let Value::Object(mut fields) = choice else { return None };
        let index = fields.remove("index")?.as_u64()?;
        if self.choices.len() >= PARTS {
            return None;
        }
        let choice = self.choices.entry(index).or_default();
        match fields.remove("delta") {
            Some(Value::Object(delta)) => choice.delta(delta)?,
            None | Some(Value::Null) => {}
            Some(_) => return None,
        }
        match fields.remove("logprobs") {
            Some(Value::Object(lists)) => {
                for (name, list) in lists {
                    extend(&mut choice.logprobs, name, list)?;
                }
            }
            None | Some(Value::Null) => {}
            Some(_) => return None,
        }
        for (name, value) in fields {
            if !value.is_null() || !choice.fields.contains_key(&name) {
                choice.fields.insert(name, value);
            }
        }
        Some(())
    }

    pub(super) fn finish(mut self) -> Option<Value> {
        if !self.done || self.choices.is_empty() {
            return None;
        }
        let choices: Vec<Value> =
            self.choices.into_iter().map(|(index, choice)| choice.finish(index)).collect();
        self.answer.insert("object".to_owned(), "chat.completion".into());
        self.answer.insert("choices".to_owned(), choices.into());
        Some(Value::Object(self.answer))
    }
}

impl Choice {
    fn delta(&mut self, delta: Object) -> Option<()> {
        for (name, value) in delta {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("role", value) => drop(self.message.insert(name, value)),
                ("content" | "refusal" | "reasoning_content" | "reasoning", Value::String(more)) => {
                    append(&mut self.message, &name, &more);
                }
                ("tool_calls", Value::Array(calls)) => {
                    for call in calls {
                        self.call(call)?;
                    }
                }
                ("function_call", Value::Object(part)) => {
                    let call = self.message.entry(name).or_insert_with(|| json!({}));
                    function(call.as_object_mut()?, part)?;
                }
                ("annotations", list) => extend(&mut self.message, name, list)?,
                _ => return None,
            }
        }
        Some(())
    }

    fn call(&mut self, call: Value) -> Option<()> {
        let Value::Object(mut fields) = call else { return None };
        let index = fields.remove("index")?.as_u64()?;
        if self.calls.len() >= PARTS {
            return None;
        }
        let call = self.calls.entry(index).or_default();
        for (name, value) in fields {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("function", Value::Object(part)) => {
                    let known = call.entry(name).or_insert_with(|| json!({}));
                    function(known.as_object_mut()?, part)?;
                }
                ("id" | "type", value) => drop(call.insert(name, value)),
                _ => return None,
            }
        }
        Some(())
    }

    fn finish(mut self, index: u64) -> Value {
        for field in ["content", "refusal"] {
            self.message.entry(field).or_insert(Value::Null);
        }
        if !self.calls.is_empty() {
            let calls: Vec<Value> = self.calls.into_values().map(Value::Object).collect();
            self.message.insert("tool_calls".to_owned(), calls.into());
        }
        let logprobs = if self.logprobs.is_empty() { Value::Null } else { Value::Object(self.logprobs) };
        self.fields.insert("index".to_owned(), index.into());
        self.fields.insert("message".to_owned(), Value::Object(self.message));
        self.fields.insert("logprobs".to_owned(), logprobs);
        Value::Object(self.fields)
    }
}

/// Adds a part of a function's call: its name comes whole, its arguments in parts.
fn function(call: &mut Object, part: Object) -> Option<()> {
    for (name, value) in part {
        match (name.as_str(), value) {
            (_, Value::Null) => {}
            ("arguments", Value::String(more)) => append(call, &name, &more),
            ("name", Value::String(given)) if given.is_empty() => {}
            ("name", value @ Value::String(_)) => drop(call.insert(name, value)),
            _ => return None,
        }
    }
    Some(())
}

/// Adds to a list that may not be there yet.
fn extend(object: &mut Object, name: String, list: Value) -> Option<()> {
    match (object.get_mut(&name), list) {
        (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
        (Some(Value::Array(_)), Value::Null) => {}
        (None | Some(Value::Null), list @ (Value::Array(_) | Value::Null)) => drop(object.insert(name, list)),
        _ => return None,
    }
    Some(())
}

pub(super) fn is_whole(answer: &Value) -> bool {
    let Some(choices) = answer.get("choices").and_then(Value::as_array) else { return false };
    let ended = |choice: &Value| {
        let reason = choice.get("finish_reason").and_then(Value::as_str);
        let refused = choice.pointer("/message/refusal").is_some_and(|refusal| !refusal.is_null());
        matches!(reason, Some("stop" | "tool_calls" | "function_call")) && !refused
    };
    answer.get("error").is_none() && !choices.is_empty() && choices.iter().all(ended)
}

pub(super) fn events(answer: &Value, piece: usize) -> Vec<String> {
    let Value::Object(fields) = answer else { return Vec::new() };
    let mut envelope = fields.clone();
    let choices = envelope.remove("choices");
    let usage = envelope.remove("usage").unwrap_or(Value::Null);
    envelope.insert("object".to_owned(), "chat.completion.chunk".into());
    let mut events = Vec::new();
    let mut chunk = |choices: Value, usage: &Value| {
        let mut chunk = envelope.clone();
        chunk.insert("choices".to_owned(), choices);
        chunk.insert("usage".to_owned(), usage.clone());
        events.push(event(None, &Value::Object(chunk)));
    };
    for choice in choices.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let Value::Object(choice) = choice else { continue };
        let mut rest = choice.clone();
        let index = rest.remove("index").unwrap_or(0.into());
        let message = rest.remove("message");
        let logprobs = rest.remove("logprobs").unwrap_or(Value::Null);
        let reason = rest.remove("finish_reason").unwrap_or(Value::Null);
        let mut first = true;
        for delta in deltas(message, piece) {
            // Which token a logarithm belongs to is told by the list itself, so it may stand in one chunk.
            let logprobs = if std::mem::take(&mut first) { logprobs.clone() } else { Value::Null };
            let part = json!({"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": null});
            chunk(json!([part]), &Value::Null);
        }
        rest.insert("index".to_owned(), index);
        rest.insert("delta".to_owned(), json!({}));
        rest.insert("logprobs".to_owned(), Value::Null);
        rest.insert("finish_reason".to_owned(), reason);
        chunk(json!([rest]), &Value::Null);
    }
    if !usage.is_null() {
        chunk(json!([]), &usage);
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// The parts of a message in the order in which models generate them.
fn deltas(message: Option<Value>, piece: usize) -> Vec<Value> {
    let Some(Value::Object(mut message)) = message else { return Vec::new() };
    let role = message.remove("role").unwrap_or_else(|| "assistant".into());
    let mut deltas = vec![json!({"role": role})];
    for field in ["reasoning_content", "reasoning", "content", "refusal"] {
        if let Some(Value::String(text)) = message.remove(field) {
            deltas.extend(pieces(&text, piece).map(|part| json!({field: part})));
        }
    }
    if let Some(Value::Array(calls)) = message.remove("tool_calls") {
        let numbered = calls.into_iter().enumerate().map(|(number, mut call)| {
            if let Value::Object(call) = &mut call {
                call.insert("index".to_owned(), number.into());
            }
            json!({"tool_calls": [call]})
        });
        deltas.extend(numbered);
    }
    let others = message.into_iter().filter(|(_, value)| !value.is_null());
    deltas.extend(others.map(|(name, value)| json!({name: value})));
    deltas
}
