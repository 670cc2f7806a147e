//! Answers of Converse, whole and streamed.

use serde_json::{Map, Value, json};

use super::frame;
use crate::answer::{Answer, Finish, ToolCall, pieces, thought_pieces, thoughts};
use crate::body::Plan;

/// Stands for the proof that reasoning is the model's own.
const SIGNATURE: &str = "bW9jayBzaWduYXR1cmU=";

/// Bedrock fills events up, so that their lengths do not tell what they say.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

fn stop_reason(finish: &Finish) -> &str {
    match finish.0.as_str() {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        "content_filter" => "content_filtered",
        other => other,
    }
}

/// The usage. The counters of input exclude each other.
fn usage_json(answer: &Answer) -> Value {
    let usage = answer.usage;
    json!({
        "inputTokens": usage.prompt - usage.cached - usage.cache_write,
        "outputTokens": usage.output,
        "totalTokens": usage.prompt + usage.output,
        "cacheReadInputTokens": usage.cached,
        "cacheWriteInputTokens": usage.cache_write,
    })
}

fn call_id(id: u64, index: usize) -> String {
    format!("tooluse_mock_{id}_{index}")
}

fn insert_usage(to: &mut Value, answer: &Answer) {
    if let Value::Object(fields) = to
        && answer.show_usage
    {
        fields.insert("usage".to_owned(), usage_json(answer));
    }
}

/// The answer as one JSON object.
pub(crate) fn write_whole(answer: &Answer, id: u64) -> Plan {
    let mut content = Vec::new();
    if answer.usage.reasoning > 0 {
        let text = json!({"text": thoughts(answer.usage.reasoning), "signature": SIGNATURE});
        content.push(json!({"reasoningContent": {"reasoningText": text}}));
    }
    if !answer.text.is_empty() {
        content.push(json!({"text": answer.text}));
    }
    content.extend(answer.tools.iter().enumerate().map(|(index, call)| {
        json!({"toolUse": {"toolUseId": call_id(id, index), "name": call.name, "input": input(call)}})
    }));
    let mut body = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(&answer.finish),
        "metrics": {"latencyMs": 5},
    });
    insert_usage(&mut body, answer);
    Plan::whole(body.to_string().into_bytes(), answer.usage.output)
}

/// Arguments that are no object can only be shown in a stream.
fn input(call: &ToolCall) -> Map<String, Value> {
    serde_json::from_str(&call.arguments).unwrap_or_default()
}

/// The answer as messages of an event stream.
pub(crate) fn write_stream(answer: &Answer, id: u64) -> Plan {
    let mut events = Events::default();
    events.put("messageStart", json!({"role": "assistant"}), 0);
    if answer.usage.reasoning > 0 {
        for thought in thought_pieces(answer.usage.reasoning) {
            events.delta(json!({"reasoningContent": {"text": thought}}), 1);
        }
        events.delta(json!({"reasoningContent": {"signature": SIGNATURE}}), 0);
        events.stop();
    }
    if !answer.text.is_empty() {
        for piece in pieces(&answer.text) {
            events.delta(json!({"text": piece}), 1);
        }
        events.stop();
    }
    for (index, call) in answer.tools.iter().enumerate() {
        let start = json!({"toolUse": {"toolUseId": call_id(id, index), "name": call.name}});
        events.put("contentBlockStart", json!({"contentBlockIndex": events.blocks, "start": start}), 1);
        for piece in call.pieces() {
            events.delta(json!({"toolUse": {"input": piece}}), 1);
        }
        events.stop();
    }
    events.put("messageStop", json!({"stopReason": stop_reason(&answer.finish)}), 0);
    let mut metadata = json!({"metrics": {"latencyMs": 5}});
    insert_usage(&mut metadata, answer);
    events.put("metadata", metadata, 0);
    events.plan
}

/// A failure in the middle of a stream.
pub(crate) fn error_event() -> Vec<u8> {
    let payload = json!({"message": "The model is overloaded. Please try again later."});
    frame::exception("serviceUnavailableException", &payload.to_string())
}

#[derive(Default)]
struct Events {
    plan: Plan,
    count: usize,
    /// Content blocks that have ended.
    blocks: usize,
}

impl Events {
    fn put(&mut self, kind: &str, mut payload: Value, tokens: u64) {
        self.count += 1;
        if let Value::Object(fields) = &mut payload {
            let length = 4 + self.count * 7 % (PADDING.len() - 4);
            fields.insert("p".to_owned(), json!(PADDING.get(..length)));
        }
        self.plan.bytes.extend_from_slice(&frame::event(kind, &payload.to_string()));
        self.plan.end_event(tokens);
    }

    fn delta(&mut self, delta: Value, tokens: u64) {
        self.put("contentBlockDelta", json!({"contentBlockIndex": self.blocks, "delta": delta}), tokens);
    }

    fn stop(&mut self) {
        self.put("contentBlockStop", json!({"contentBlockIndex": self.blocks}), 0);
        self.blocks += 1;
    }
}
