//! Messages answers, whole and streamed.

use serde_json::{Map, Value, json};

use crate::answer::{Answer, Finish, pieces};
use crate::body::Plan;

/// Stands for the reasoning; a word a token.
const THOUGHT: &str = "think";

fn stop_reason(finish: &Finish) -> &str {
    match finish.0.as_str() {
        "stop" => "end_turn",
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        "content_filter" => "refusal",
        other => other,
    }
}

fn call_id(id: u64, index: usize) -> String {
    format!("toolu_mock_{id}_{index}")
}

/// A usage block that reports `output` tokens. Anthropic's input tokens are those that no cache touched.
fn usage_json(answer: &Answer, output: u64) -> Value {
    let usage = answer.usage;
    json!({
        "input_tokens": usage.prompt - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": output,
    })
}

fn message_json(
    answer: &Answer,
    id: u64,
    model: &str,
    content: Vec<Value>,
    end: Value,
    output: u64,
) -> Value {
    let mut message = json!({
        "id": format!("msg_mock_{id}"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": end,
        "stop_sequence": null,
    });
    if let Value::Object(fields) = &mut message
        && answer.show_usage
    {
        let mut usage = usage_json(answer, output);
        if let Value::Object(details) = &mut usage {
            details.insert("service_tier".to_owned(), json!("standard"));
        }
        fields.insert("usage".to_owned(), usage);
    }
    message
}

/// The answer as one JSON object.
pub(crate) fn write_whole(answer: &Answer, id: u64, model: &str) -> Plan {
    let mut content = Vec::new();
    if answer.usage.reasoning > 0 {
        let thoughts = vec![THOUGHT; usize::try_from(answer.usage.reasoning).unwrap_or(usize::MAX)];
        content.push(json!({"type": "thinking", "thinking": thoughts.join(" "), "signature": "bW9jaw=="}));
    }
    if !answer.text.is_empty() {
        content.push(json!({"type": "text", "text": answer.text}));
    }
    for (index, call) in answer.tools.iter().enumerate() {
        // Arguments that are no JSON can only be shown in a stream.
        let input: Value =
            serde_json::from_str(&call.arguments).unwrap_or_else(|_| Value::Object(Map::new()));
        content
            .push(json!({"type": "tool_use", "id": call_id(id, index), "name": call.name, "input": input}));
    }
    let end = json!(stop_reason(&answer.finish));
    let message = message_json(answer, id, model, content, end, answer.usage.output);
    Plan::whole(message.to_string().into_bytes(), answer.usage.output)
}

/// The answer as server-sent events.
pub(crate) fn write_stream(answer: &Answer, id: u64, model: &str) -> Plan {
    let mut events = Events::default();
    let opening = message_json(answer, id, model, Vec::new(), Value::Null, 1);
    events.put("message_start", &json!({"type": "message_start", "message": opening}).to_string(), 0);
    if answer.usage.reasoning > 0 {
        events.block(&json!({"type": "thinking", "thinking": "", "signature": ""}), 0, |block| {
            for number in 0..answer.usage.reasoning {
                let blank = if number == 0 { "" } else { " " };
                block.delta(&format!(r#"{{"type":"thinking_delta","thinking":"{blank}{THOUGHT}"}}"#), 1);
            }
            block.delta(r#"{"type":"signature_delta","signature":"bW9jaw=="}"#, 0);
        });
    }
    if !answer.text.is_empty() {
        events.block(&json!({"type": "text", "text": ""}), 0, |block| {
            for piece in pieces(&answer.text) {
                block.delta(&format!(r#"{{"type":"text_delta","text":{}}}"#, Value::from(piece)), 1);
            }
        });
    }
    for (index, call) in answer.tools.iter().enumerate() {
        let start = json!({"type": "tool_use", "id": call_id(id, index), "name": call.name, "input": {}});
        events.block(&start, 1, |block| {
            block.delta(r#"{"type":"input_json_delta","partial_json":""}"#, 0);
            for piece in call.pieces() {
                let json = Value::from(piece);
                block.delta(&format!(r#"{{"type":"input_json_delta","partial_json":{json}}}"#), 1);
            }
        });
    }
    let mut ending = json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(&answer.finish), "stop_sequence": null},
    });
    if let Value::Object(fields) = &mut ending
        && answer.show_usage
    {
        fields.insert("usage".to_owned(), usage_json(answer, answer.usage.output));
    }
    events.put("message_delta", &ending.to_string(), 0);
    events.put("message_stop", r#"{"type":"message_stop"}"#, 0);
    events.plan
}

/// An error in the middle of a stream.
pub(crate) fn error_event() -> &'static str {
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
}

#[derive(Default)]
struct Events {
    plan: Plan,
    /// Content blocks so far.
    blocks: usize,
}

impl Events {
    fn put(&mut self, name: &str, data: &str, tokens: u64) {
        for part in ["event: ", name, "\ndata: ", data, "\n\n"] {
            self.plan.bytes.extend_from_slice(part.as_bytes());
        }
        self.plan.end_event(tokens);
    }

    fn block(&mut self, start: &Value, tokens: u64, fill: impl FnOnce(&mut Self)) {
        let index = self.blocks;
        let data = format!(r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}"#);
        self.put("content_block_start", &data, tokens);
        if index == 0 {
            self.put("ping", r#"{"type": "ping"}"#, 0);
        }
        fill(self);
        self.put("content_block_stop", &format!(r#"{{"type":"content_block_stop","index":{index}}}"#), 0);
        self.blocks += 1;
    }

    fn delta(&mut self, delta: &str, tokens: u64) {
        let data = format!(r#"{{"type":"content_block_delta","index":{},"delta":{delta}}}"#, self.blocks);
        self.put("content_block_delta", &data, tokens);
    }
}
