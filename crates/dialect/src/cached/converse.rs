//! Amazon's Converse: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>.
//!
//! The events of its streams are messages in Amazon's framing, so they are bytes rather than text.

use super::{Object, append, pieces};
use crate::event_stream;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most blocks that are put together.
const BLOCKS: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Assembler {
    blocks: BTreeMap<u64, Block>,
    /// What stands beside the message.
    answer: Object,
    done: bool,
}

#[derive(Debug, Default)]
struct Block {
    fields: Object,
    /// The input of a tool, which comes as parts of JSON text.
    input: String,
}

impl Assembler {
    /// Takes one whole message of the stream. `None`: there is no place for something in it.
    pub(super) fn event(&mut self, raw: &[u8]) -> Option<()> {
        let message = event_stream::parse(raw).ok()?;
        let Ok(Value::Object(mut event)) = serde_json::from_slice(message.payload) else { return None };
        match message.text(":event-type")? {
            "messageStart" => {}
            "contentBlockStart" => {
                let Some(Value::Object(start)) = event.remove("start") else { return None };
                let block = self.block(&event)?;
                let has_call = start.get("toolUse").is_some_and(Value::is_object);
                block.fields = start;
                has_call.then_some(())?;
            }
            "contentBlockDelta" => {
                let Some(Value::Object(delta)) = event.remove("delta") else { return None };
                self.block(&event)?.delta(delta)?;
            }
            "contentBlockStop" => self.block(&event)?.stop()?,
            "messageStop" => {
                for name in ["stopReason", "additionalModelResponseFields"] {
                    self.answer.extend(event.remove_entry(name));
                }
            }
            "metadata" => {
                event.remove("p");
                self.answer.extend(event);
                self.done = true;
            }
            _ => return None,
        }
        Some(())
    }

    /// The block of an event. Those of text begin with their first piece.
    fn block(&mut self, event: &Object) -> Option<&mut Block> {
        let index = event.get("contentBlockIndex").map_or(Some(0), Value::as_u64)?;
        if self.blocks.len() >= BLOCKS && !self.blocks.contains_key(&index) {
            return None;
        }
        Some(self.blocks.entry(index).or_default())
    }

    pub(super) fn finish(mut self) -> Option<Value> {
        if !self.done {
            return None;
        }
        let blocks = self.blocks.into_values().map(|block| Value::Object(block.fields));
        let blocks: Vec<Value> = blocks.filter(|block| block != &json!({})).collect();
        let message = json!({"message": {"role": "assistant", "content": blocks}});
        self.answer.insert("output".to_owned(), message);
        Some(Value::Object(self.answer))
    }
}

impl Block {
    fn delta(&mut self, mut delta: Object) -> Option<()> {
        if let Some(text) = delta.remove("text") {
            append(&mut self.fields, "text", text.as_str()?);
        } else if let Some(call) = delta.remove("toolUse") {
            self.input.push_str(call.get("input")?.as_str()?);
        } else if let Some(Value::Object(thought)) = delta.remove("reasoningContent") {
            let content =
                self.fields.entry("reasoningContent").or_insert_with(|| json!({})).as_object_mut()?;
            if let Some(data) = thought.get("redactedContent") {
                append(content, "redactedContent", data.as_str()?);
            }
            for field in ["text", "signature"] {
                if let Some(more) = thought.get(field) {
                    let text = content.entry("reasoningText").or_insert_with(|| json!({"text": ""}));
                    append(text.as_object_mut()?, field, more.as_str()?);
                }
            }
        } else {
            // Citations and pictures, which a plain answer has otherwise.
            return None;
        }
        Some(())
    }

    fn stop(&mut self) -> Option<()> {
        if let Some(Value::Object(call)) = self.fields.get_mut("toolUse") {
            let json = if self.input.is_empty() { "{}" } else { self.input.as_str() };
            call.insert("input".to_owned(), serde_json::from_str(json).ok()?);
            self.input.clear();
        }
        Some(())
    }
}

pub(super) fn is_whole(answer: &Value) -> bool {
    let reason = answer.get("stopReason").and_then(Value::as_str);
    blocks(answer).is_some() && matches!(reason, Some("end_turn" | "stop_sequence" | "tool_use"))
}

pub(super) fn text(answer: &Value) -> Option<String> {
    let texts = blocks(answer)?.iter().map(|block| block.get("text").and_then(Value::as_str));
    texts.collect::<Option<String>>().filter(|text| !text.is_empty())
}

fn blocks(answer: &Value) -> Option<&Vec<Value>> {
    answer.get("output")?.get("message")?.get("content")?.as_array()
}

/// The messages of the stream that a plain answer is the whole of.
pub(super) fn events(answer: &Value, piece: usize) -> Vec<Vec<u8>> {
    let mut events = vec![event("messageStart", &json!({"role": "assistant"}))];
    for (index, block) in blocks(answer).into_iter().flatten().enumerate() {
        let (start, deltas) = parts(block, piece);
        if let Some(start) = start {
            let start = json!({"contentBlockIndex": index, "start": start});
            events.push(event("contentBlockStart", &start));
        }
        for delta in deltas {
            events.push(event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta})));
        }
        events.push(event("contentBlockStop", &json!({"contentBlockIndex": index})));
    }
    let fields = |names: &[&str]| -> Object {
        let fields = names.iter().filter_map(|name| Some(((*name).to_owned(), answer.get(*name)?.clone())));
        fields.collect()
    };
    let stop = fields(&["stopReason", "additionalModelResponseFields"]);
    events.push(event("messageStop", &Value::Object(stop)));
    let metadata = fields(&["usage", "metrics", "trace", "performanceConfig", "serviceTier"]);
    events.push(event("metadata", &Value::Object(metadata)));
    events
}

/// What a block begins with, if it has an event for that, and what is added to it.
fn parts(block: &Value, piece: usize) -> (Option<Value>, Vec<Value>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    if let Some(text) = text(block.get("text")) {
        return (None, pieces(&text, piece).map(|part| json!({"text": part})).collect());
    }
    if let Some(Value::Object(call)) = block.get("toolUse") {
        let mut start = call.clone();
        let input = start.remove("input").unwrap_or_else(|| json!({}));
        return (Some(json!({"toolUse": start})), vec![json!({"toolUse": {"input": input.to_string()}})]);
    }
    let mut deltas = Vec::new();
    if let Some(content) = block.get("reasoningContent") {
        let mut add = |field: &str, part: &str| deltas.push(json!({"reasoningContent": {field: part}}));
        let thought = content.get("reasoningText");
        if let Some(text) = text(thought.and_then(|thought| thought.get("text"))) {
            pieces(&text, piece).for_each(|part| add("text", part));
        }
        if let Some(signature) = text(thought.and_then(|thought| thought.get("signature"))) {
            add("signature", &signature);
        }
        if let Some(data) = text(content.get("redactedContent")) {
            add("redactedContent", &data);
        }
    }
    let cited = block.get("citationsContent");
    let list = |field: &str| cited.and_then(|cited| cited.get(field)?.as_array()).into_iter().flatten();
    deltas.extend(list("content").filter_map(|part| Some(json!({"text": part.get("text")?}))));
    deltas.extend(list("citations").map(|citation| json!({"citation": citation})));
    (None, deltas)
}

fn event(name: &str, payload: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    // It fails only for messages of gigabytes.
    let _ = event_stream::write_event(&mut out, name, payload.to_string().as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;
    use crate::answer::Reader;

    fn answer() -> Value {
        json!({
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hmm", "signature": "s"}}},
                {"reasoningContent": {"redactedContent": "AA=="}},
                {"text": "Gr\u{fc}\u{df}e"},
                {"toolUse": {"toolUseId": "t", "name": "f", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "u", "name": "g", "input": {}}},
            ]}},
            "stopReason": "tool_use",
            "usage": {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13},
            "metrics": {"latencyMs": 7},
        })
    }

    #[test]
    fn a_stream_of_an_answer_is_put_together_to_it_again() {
        for piece in [1, 3, 1000] {
            let mut assembler = super::super::Assembler::new(Dialect::Converse);
            let mut reader = Reader::new(Dialect::Converse);
            for event in super::super::events(Dialect::Converse, &answer(), piece) {
                assembler.event(&event);
                reader.event(&event);
            }
            assert!(reader.is_complete() && !reader.has_unread_parts());
            assert_eq!(reader.usage().unwrap().output, 4);
            assert_eq!(assembler.finish().unwrap(), answer());
        }
    }

    #[test]
    fn whole_answers_and_their_texts_are_known() {
        assert!(is_whole(&answer()));
        assert_eq!(text(&answer()), None);
        let mut cut = answer();
        cut["stopReason"] = json!("max_tokens");
        assert!(!is_whole(&cut));
        cut["output"]["message"]["content"] = json!([{"text": "a"}, {"text": "b"}]);
        assert_eq!(text(&cut).as_deref(), Some("ab"));
        assert!(!is_whole(&json!({"stopReason": "end_turn"})));
    }

    #[test]
    fn what_is_cut_or_unknown_is_not_kept() {
        let events = events(&answer(), 10);
        let finish = |events: &[Vec<u8>]| {
            let mut assembler = super::super::Assembler::new(Dialect::Converse);
            events.iter().for_each(|event| assembler.event(event));
            assembler.finish()
        };
        assert!(finish(&events).is_some());
        assert!(finish(&events[..events.len() - 1]).is_none());
        let citation =
            event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"citation": {}}}));
        assert!(finish(&[vec![citation], events.clone()].concat()).is_none());
        let mut exception = Vec::new();
        event_stream::write_exception(&mut exception, "throttlingException", b"{}").unwrap();
        assert!(finish(&[events, vec![exception]].concat()).is_none());
    }
}
