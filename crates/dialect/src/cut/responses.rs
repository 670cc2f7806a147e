//! Ending a stream of OpenAI's responses (`response.incomplete`): <https://platform.openai.com/docs/api-reference/responses-streaming>.
//!
//! The last event tells the whole answer, so what was said is kept.

use super::push;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The most items that are ended one by one.
const ITEMS: usize = 1_024;

/// What has come of an answer.
#[derive(Debug, Default)]
pub(super) struct Responses {
    response: Map<String, Value>,
    items: BTreeMap<u64, Item>,
    /// The number of the next event.
    sequence: u64,
}

#[derive(Debug)]
struct Item {
    fields: Value,
    is_done: bool,
    /// The field whose last part, or whose text, goes on.
    open: Option<&'static str>,
}

/// What an event says of the whole stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Begins,
    Ends,
    More,
}

impl Responses {
    pub(super) fn event(&mut self, data: &[u8]) -> Said {
        let Ok(Value::Object(mut event)) = serde_json::from_slice(data) else { return Said::More };
        if let Some(number) = event.get("sequence_number").and_then(Value::as_u64) {
            self.sequence = self.sequence.max(number.saturating_add(1));
        }
        let kind = event.remove("type");
        match kind.as_ref().and_then(Value::as_str).unwrap_or_default() {
            "response.created" | "response.in_progress" => {
                if let Some(Value::Object(response)) = event.remove("response") {
                    self.response = response;
                }
                Said::Begins
            }
            "response.completed" | "response.incomplete" | "response.failed" | "error" => Said::Ends,
            kind => {
                self.item(kind, event);
                Said::More
            }
        }
    }

    /// Takes an event about an item. `None`: it says nothing that the end repeats.
    fn item(&mut self, kind: &str, mut event: Map<String, Value>) -> Option<()> {
        let number = event.get("output_index")?.as_u64()?;
        if let "response.output_item.added" | "response.output_item.done" = kind {
            let fields = event.remove("item")?;
            let open = fields.get("arguments").map(|_| "arguments");
            let item = Item { fields, is_done: kind.ends_with(".done"), open };
            if self.items.len() < ITEMS || self.items.contains_key(&number) {
                self.items.insert(number, item);
            }
            return Some(());
        }
        let Item { fields, open, .. } = self.items.get_mut(&number)?;
        let (list, index, field) = match kind {
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                let list = if kind.contains("summary") { "summary" } else { "content" };
                fields.get_mut(list)?.as_array_mut()?.push(event.remove("part")?);
                *open = Some(list);
                return Some(());
            }
            "response.content_part.done"
            | "response.reasoning_summary_part.done"
            | "response.function_call_arguments.done" => {
                *open = None;
                return Some(());
            }
            "response.function_call_arguments.delta" => {
                add(fields.get_mut("arguments")?, event.get("delta")?);
                return Some(());
            }
            "response.output_text.delta" | "response.reasoning_text.delta" => {
                ("content", "content_index", "text")
            }
            "response.refusal.delta" => ("content", "content_index", "refusal"),
            "response.reasoning_summary_text.delta" => ("summary", "summary_index", "text"),
            _ => return None,
        };
        let index = usize::try_from(event.get(index)?.as_u64()?).ok()?;
        add(fields.get_mut(list)?.get_mut(index)?.get_mut(field)?, event.get("delta")?);
        Some(())
    }

    /// The events that end the stream here.
    pub(super) fn end(&self, input: u64, output: u64) -> String {
        let mut out = String::new();
        let mut sequence = self.sequence;
        let mut tell = |name: &str, fields: Value| {
            let mut event = json!({"type": name, "sequence_number": sequence});
            if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
                event.extend(fields);
            }
            sequence += 1;
            push(&mut out, Some(name), &event);
        };
        let mut items = Vec::with_capacity(self.items.len());
        for (number, Item { fields, is_done, open }) in &self.items {
            let mut fields = fields.clone();
            if !is_done {
                close(*number, &fields, *open, &mut tell);
                if let Value::Object(fields) = &mut fields {
                    fields.insert("status".to_owned(), "incomplete".into());
                }
                tell("response.output_item.done", json!({"output_index": number, "item": fields}));
            }
            items.push(fields);
        }
        let mut response = self.response.clone();
        response.insert("status".to_owned(), "incomplete".into());
        response.insert("incomplete_details".to_owned(), json!({"reason": "max_output_tokens"}));
        response.insert("output".to_owned(), items.into());
        let usage = json!({
            "input_tokens": input,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input.saturating_add(output),
        });
        response.insert("usage".to_owned(), usage);
        tell("response.incomplete", json!({"response": response}));
        out
    }
}

/// Ends what is open in an item: its last part, or its arguments.
fn close(number: u64, item: &Value, open: Option<&str>, tell: &mut impl FnMut(&str, Value)) {
    let Some((open, inside)) = open.and_then(|open| Some((open, item.get(open)?))) else { return };
    let place = json!({"item_id": item.get("id"), "output_index": number});
    let Some(parts) = inside.as_array() else {
        return tell("response.function_call_arguments.done", with(&place, "arguments", Some(inside)));
    };
    let (Some(at), Some(part)) = (parts.len().checked_sub(1), parts.last()) else { return };
    let text = part.get("text");
    if open == "summary" {
        let place = with(&place, "summary_index", Some(&at.into()));
        tell("response.reasoning_summary_text.done", with(&place, "text", text));
        return tell("response.reasoning_summary_part.done", with(&place, "part", Some(part)));
    }
    let place = with(&place, "content_index", Some(&at.into()));
    match part.get("type").and_then(Value::as_str) {
        Some("refusal") => tell("response.refusal.done", with(&place, "refusal", part.get("refusal"))),
        Some("reasoning_text") => tell("response.reasoning_text.done", with(&place, "text", text)),
        _ => {
            let event = with(&place, "text", text);
            tell("response.output_text.done", with(&event, "logprobs", Some(&json!([]))));
        }
    }
    tell("response.content_part.done", with(&place, "part", Some(part)));
}

/// The same object with one more field.
fn with(object: &Value, name: &str, value: Option<&Value>) -> Value {
    let mut object = object.clone();
    if let (Value::Object(fields), Some(value)) = (&mut object, value) {
        fields.insert(name.to_owned(), value.clone());
    }
    object
}

/// Adds to a text.
fn add(text: &mut Value, more: &Value) {
    if let (Value::String(text), Value::String(more)) = (text, more) {
        text.push_str(more);
    }
}

#[cfg(test)]
mod tests {
    use crate::cut::Cut;
    use crate::{Dialect, sse};
    use serde_json::{Value, json};

    fn events(stream: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(stream).unwrap();
        let data = text.split_inclusive("\n\n").map(|event| sse::parse(event.as_bytes()).data.into_owned());
        data.map(|data| serde_json::from_slice(&data).unwrap()).collect()
    }

    #[test]
    fn a_stream_ends_as_at_its_cap() {
        let mut cut = Cut::new(Dialect::Responses);
        assert_eq!(cut.end(9, 4), None);
        for (number, data) in [
            json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "status": "in_progress", "output": []}}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "rs_1", "type": "reasoning", "summary": []}}),
            json!({"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
            json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "hm"}),
            json!({"type": "response.output_item.done", "output_index": 0, "item": {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}}),
            json!({"type": "response.output_item.added", "output_index": 1, "item": {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}}),
            json!({"type": "response.content_part.added", "output_index": 1, "content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}),
            json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Hel"}),
            json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "lo"}),
        ]
        .into_iter()
        .enumerate()
        {
            let mut data = data;
            data["sequence_number"] = json!(number);
            cut.event(format!("event: x\ndata: {data}\n\n").as_bytes());
        }
        let events = events(&cut.end(9, 4).unwrap());
        let names: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
        assert_eq!(
            names,
            [
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.incomplete"
            ]
        );
        let numbers: Vec<u64> = events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
        assert_eq!(numbers, [9, 10, 11, 12]);
        let end = &events[3]["response"];
        assert_eq!(
            (&end["status"], &end["incomplete_details"]["reason"]),
            (&json!("incomplete"), &json!("max_output_tokens"))
        );
        assert_eq!((&end["id"], &end["usage"]["total_tokens"]), (&json!("resp_1"), &json!(13)));
        assert_eq!(end["output"][0]["summary"][0]["text"], "hm");
        assert_eq!(end["output"][1]["content"][0]["text"], "Hello");
        assert_eq!(end["output"][1]["status"], "incomplete");
    }

    #[test]
    fn a_call_that_was_cut_is_ended() {
        let mut cut = Cut::new(Dialect::Responses);
        for data in [
            json!({"type": "response.created", "response": {"id": "resp_1"}}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": {"id": "fc_1", "type": "function_call", "arguments": ""}}),
            json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{\"a\":"}),
        ] {
            cut.event(format!("data: {data}\n\n").as_bytes());
        }
        let events = events(&cut.end(9, 4).unwrap());
        assert_eq!(
            (&events[0]["type"], &events[0]["arguments"]),
            (&json!("response.function_call_arguments.done"), &json!("{\"a\":"))
        );
        cut.event(b"data: {\"type\":\"response.completed\",\"response\":{}}\n\n");
        assert!(cut.has_ended() && cut.end(9, 4).is_none());
    }

    #[test]
    fn a_stream_may_end_behind_any_of_its_events() {
        let part = |kind: &str, text: &str| json!({"type": kind, "text": text});
        let answer = json!({"id": "resp_1", "status": "completed", "output": [
            {"id": "rs_1", "type": "reasoning", "summary": [part("summary_text", "hm")], "content": [part("reasoning_text", "so")]},
            {"id": "msg_1", "type": "message", "content": [part("output_text", "a"), {"type": "refusal", "refusal": "no"}]},
            {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        ], "usage": {"input_tokens": 3, "output_tokens": 2}});
        let told = crate::cached::events(Dialect::Responses, &answer, 1);
        for length in 1..told.len() {
            let mut cut = Cut::new(Dialect::Responses);
            told[..length].iter().for_each(|event| cut.event(event));
            let mut reader = crate::answer::Reader::new(Dialect::Responses);
            let end = cut.end(9, 4).unwrap();
            let events = events(&end);
            for (number, event) in events.iter().enumerate() {
                assert_eq!(event["sequence_number"], json!(length + number));
                reader.event(format!("data: {event}\n\n").as_bytes());
            }
            assert!(reader.is_complete() && !reader.has_unread_parts());
            let count = |end: &str| {
                let of_end = events.iter().filter(|event| event["type"] == end).count();
                told[..length]
                    .iter()
                    .filter(|event| event.starts_with(format!("event: {end}\n").as_bytes()))
                    .count()
                    + of_end
            };
            for what in ["output_item", "content_part", "reasoning_summary_part"] {
                let (begun, done) = (format!("response.{what}.added"), format!("response.{what}.done"));
                assert_eq!(count(&begun), count(&done), "{what} behind {length}");
            }
        }
        let mut cut = Cut::new(Dialect::Responses);
        told.iter().for_each(|event| cut.event(event));
        assert!(cut.has_ended());
    }
}
