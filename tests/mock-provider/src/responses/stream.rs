//! The events of a streamed response.

use serde_json::{Value, json};

use super::write::{Head, status, summary, text_part};
use crate::answer::{Answer, ToolCall, pieces, thought_pieces};
use crate::body::Plan;

/// Fills deltas up, so that their lengths do not tell what they say.
const OBFUSCATION: &str = "kDq7wTz0aLx9Bv";

/// The answer as server-sent events.
pub(crate) fn write_stream(answer: &Answer, head: Head<'_>) -> Plan {
    let mut events = Events { plan: Plan::default(), head, count: 0, output: Vec::new() };
    for kind in ["response.created", "response.in_progress"] {
        let response = head.response(Vec::new(), "in_progress");
        events.put(kind, json!({"response": response}), 0);
    }
    if head.shows_reasoning(answer) {
        events.reasoning(answer);
    }
    if !answer.text.is_empty() {
        events.message(answer);
    }
    for (index, call) in answer.tools.iter().enumerate() {
        events.call(call, index);
    }
    let output = std::mem::take(&mut events.output);
    let kind = format!("response.{}", status(answer));
    events.put(&kind, json!({"response": head.finished(answer, output)}), 0);
    events.plan
}

struct Events<'a> {
    plan: Plan,
    head: Head<'a>,
    /// Events so far.
    count: usize,
    /// Items that have ended.
    output: Vec<Value>,
}

impl Events<'_> {
    /// Writes an event; `data` lacks its type and its number.
    fn put(&mut self, kind: &str, mut data: Value, tokens: u64) {
        if let Value::Object(fields) = &mut data {
            fields.insert("type".to_owned(), json!(kind));
            fields.insert("sequence_number".to_owned(), json!(self.count));
        }
        for part in ["event: ", kind, "\ndata: ", &data.to_string(), "\n\n"] {
            self.plan.bytes.extend_from_slice(part.as_bytes());
        }
        self.plan.end_event(tokens);
        self.count += 1;
    }

    fn open(&mut self, item: &Value, tokens: u64) {
        let data = json!({"output_index": self.output.len(), "item": item});
        self.put("response.output_item.added", data, tokens);
    }

    fn close(&mut self, item: Value, tokens: u64) {
        let data = json!({"output_index": self.output.len(), "item": item});
        self.put("response.output_item.done", data, tokens);
        self.output.push(item);
    }

    /// An event within an item.
    fn within(&mut self, kind: &str, item: &Value, more: Value, tokens: u64) {
        let mut data = more;
        if let Value::Object(fields) = &mut data {
            fields.insert("item_id".to_owned(), item.get("id").cloned().unwrap_or_default());
            fields.insert("output_index".to_owned(), json!(self.output.len()));
            if fields.contains_key("delta") {
                fields.insert("obfuscation".to_owned(), json!(OBFUSCATION));
            }
        }
        self.put(kind, data, tokens);
    }

    fn reasoning(&mut self, answer: &Answer) {
        let head = self.head;
        let whole = head.reasoning_item(&summary(answer, head));
        let item = head.reasoning_item("");
        self.open(&item, 0);
        let mut untold = answer.usage.reasoning;
        if head.wants_summary() && untold > 0 {
            let part =
                |text: &str| json!({"summary_index": 0, "part": {"type": "summary_text", "text": text}});
            self.within("response.reasoning_summary_part.added", &item, part(""), 0);
            for thought in thought_pieces(untold) {
                let delta = json!({"summary_index": 0, "delta": thought});
                self.within("response.reasoning_summary_text.delta", &item, delta, 1);
            }
            untold = 0;
            let text = summary(answer, head);
            self.within(
                "response.reasoning_summary_text.done",
                &item,
                json!({"summary_index": 0, "text": text}),
                0,
            );
            self.within("response.reasoning_summary_part.done", &item, part(&text), 0);
        }
        self.close(whole, untold);
    }

    fn message(&mut self, answer: &Answer) {
        let item = self.head.message_item(Vec::new(), "in_progress");
        self.open(&item, 0);
        let part = |text: &str| json!({"content_index": 0, "part": text_part(text)});
        self.within("response.content_part.added", &item, part(""), 0);
        for piece in pieces(&answer.text) {
            let delta = json!({"content_index": 0, "delta": piece, "logprobs": []});
            self.within("response.output_text.delta", &item, delta, 1);
        }
        let done = json!({"content_index": 0, "text": answer.text, "logprobs": []});
        self.within("response.output_text.done", &item, done, 0);
        self.within("response.content_part.done", &item, part(&answer.text), 0);
        self.close(self.head.message_item(vec![text_part(&answer.text)], status(answer)), 0);
    }

    fn call(&mut self, call: &ToolCall, index: usize) {
        let item = self.head.call_item(call, index, "", "in_progress");
        self.open(&item, 1);
        for piece in call.pieces() {
            self.within("response.function_call_arguments.delta", &item, json!({"delta": piece}), 1);
        }
        let done = json!({"arguments": call.arguments, "name": call.name});
        self.within("response.function_call_arguments.done", &item, done, 0);
        self.close(self.head.call_item(call, index, &call.arguments, "completed"), 0);
    }
}
