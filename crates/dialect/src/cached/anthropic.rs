//! Anthropic's messages: <https://docs.claude.com/en/docs/build-with-claude/streaming>.

use super::{Object, append, event, pieces};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most blocks that are put together.
const BLOCKS: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Assembler {
    message: Object,
    blocks: BTreeMap<u64, Block>,
    done: bool,
}

#[derive(Debug, Default)]
struct Block {
    fields: Object,
    /// The input of a tool, which comes as parts of JSON text.
    input: String,
}

impl Assembler {
    /// Takes an event's data. `None`: there is no place for something in it.
    pub(super) fn event(&mut self, data: &[u8]) -> Option<()> {
        let Ok(Value::Object(mut event)) = serde_json::from_slice(data) else { return None };
        let kind = event.remove("type")?;
        match kind.as_str()? {
            "message_start" => {
                let Some(Value::Object(message)) = event.remove("message") else { return None };
                self.message = message;
            }
            "content_block_start" => {
                let Some(Value::Object(fields)) = event.remove("content_block") else { return None };
                if self.blocks.len() >= BLOCKS {
                    return None;
                }
                let index = event.remove("index")?.as_u64()?;
                self.blocks.insert(index, Block { fields, input: String::new() });
            }
            "content_block_delta" => {
                let Some(Value::Object(delta)) = event.remove("delta") else { return None };
                self.blocks.get_mut(&event.remove("index")?.as_u64()?)?.delta(delta)?;
            }
            "content_block_stop" => self.blocks.get_mut(&event.remove("index")?.as_u64()?)?.stop()?,
            "message_delta" => {
                if let Some(Value::Object(delta)) = event.remove("delta") {
                    self.message.extend(delta);
                }
                if let Some(Value::Object(more)) = event.remove("usage") {
                    let usage = self.message.entry("usage").or_insert_with(|| json!({}));
                    usage.as_object_mut()?.extend(more);
                }
            }
            "message_stop" => self.done = true,
            "ping" => {}
            _ => return None,
        }
        Some(())
    }

    pub(super) fn finish(mut self) -> Option<Value> {
        if !self.done {
            return None;
        }
        let blocks: Vec<Value> = self.blocks.into_values().map(|block| Value::Object(block.fields)).collect();
        self.message.insert("content".to_owned(), blocks.into());
        Some(Value::Object(self.message))
    }
}

impl Block {
    fn delta(&mut self, mut delta: Object) -> Option<()> {
        let kind = delta.remove("type")?;
        match kind.as_str()? {
            "text_delta" => append(&mut self.fields, "text", delta.remove("text")?.as_str()?),
            "thinking_delta" => append(&mut self.fields, "thinking", delta.remove("thinking")?.as_str()?),
            "signature_delta" => append(&mut self.fields, "signature", delta.remove("signature")?.as_str()?),
            "input_json_delta" => self.input.push_str(delta.remove("partial_json")?.as_str()?),
            "citations_delta" => {
                let citation = delta.remove("citation")?;
                match self.fields.get_mut("citations") {
                    Some(Value::Array(known)) => known.push(citation),
                    _ => drop(self.fields.insert("citations".to_owned(), json!([citation]))),
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn stop(&mut self) -> Option<()> {
        if !self.input.is_empty() {
            let input = serde_json::from_str(&self.input).ok()?;
            self.fields.insert("input".to_owned(), input);
            self.input.clear();
        }
        Some(())
    }
}

pub(super) fn is_whole(answer: &Value) -> bool {
    let reason = answer.get("stop_reason").and_then(Value::as_str);
    let message = answer.get("type").and_then(Value::as_str) == Some("message");
    message && matches!(reason, Some("end_turn" | "stop_sequence" | "tool_use"))
}

pub(super) fn events(answer: &Value, piece: usize) -> Vec<String> {
    let Value::Object(fields) = answer else { return Vec::new() };
    let mut message = fields.clone();
    let blocks = message.insert("content".to_owned(), json!([]));
    let usage = message.get("usage").cloned().unwrap_or_else(|| json!({}));
    let mut delta = Object::new();
    for name in ["stop_reason", "stop_sequence"] {
        delta.insert(name.to_owned(), message.insert(name.to_owned(), Value::Null).unwrap_or(Value::Null));
    }
    if let Some(Value::Object(usage)) = message.get_mut("usage") {
        usage.insert("output_tokens".to_owned(), 0.into());
    }
    let mut events =
        vec![event(Some("message_start"), &json!({"type": "message_start", "message": message}))];
    for (index, block) in blocks.as_ref().and_then(Value::as_array).into_iter().flatten().enumerate() {
        let (start, deltas) = parts(block, piece);
        let start = json!({"type": "content_block_start", "index": index, "content_block": start});
        events.push(event(Some("content_block_start"), &start));
        events.extend(deltas.into_iter().map(|delta| {
            let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
            event(Some("content_block_delta"), &delta)
        }));
        let stop = json!({"type": "content_block_stop", "index": index});
        events.push(event(Some("content_block_stop"), &stop));
    }
    let delta = json!({"type": "message_delta", "delta": delta, "usage": usage});
    events.push(event(Some("message_delta"), &delta));
    events.push(event(Some("message_stop"), &json!({"type": "message_stop"})));
    events
}

/// A block as it begins, and what is added to it.
fn parts(block: &Value, piece: usize) -> (Value, Vec<Value>) {
    let mut deltas = Vec::new();
    let Value::Object(fields) = block else { return (block.clone(), deltas) };
    let mut start = fields.clone();
    for (field, kind) in
        [("thinking", "thinking_delta"), ("text", "text_delta"), ("signature", "signature_delta")]
    {
        if let Some(Value::String(text)) = start.get_mut(field) {
            let size = if field == "signature" { usize::MAX } else { piece };
            deltas.extend(pieces(text, size).map(|part| json!({"type": kind, field: part})));
            text.clear();
        }
    }
    if let Some(Value::Array(citations)) = start.get_mut("citations") {
        let added =
            citations.drain(..).map(|citation| json!({"type": "citations_delta", "citation": citation}));
        deltas.extend(added);
    }
    if let Some(input) = start.get_mut("input") {
        deltas.push(json!({"type": "input_json_delta", "partial_json": input.to_string()}));
        *input = json!({});
    }
    (Value::Object(start), deltas)
}
