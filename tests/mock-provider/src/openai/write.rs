//! Chat completion answers, whole and streamed.

use serde_json::{Value, json};

use crate::answer::{Answer, Usage, pieces};
use crate::body::Plan;

/// What every part of an answer repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) id: u64,
    pub(crate) model: &'a str,
    pub(crate) created: u64,
}

pub(super) fn usage_json(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn call_id(id: u64, index: usize) -> String {
    format!("call_mock_{id}_{index}")
}

/// The answer as one JSON object.
pub(crate) fn write_whole(answer: &Answer, head: Head<'_>) -> Plan {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null});
    if let Value::Object(fields) = &mut message {
        if !answer.text.is_empty() || answer.tools.is_empty() {
            fields.insert("content".to_owned(), json!(answer.text));
        }
        if !answer.tools.is_empty() {
            let calls = answer.tools.iter().enumerate().map(|(index, call)| {
                json!({
                    "id": call_id(head.id, index),
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                })
            });
            fields.insert("tool_calls".to_owned(), calls.collect());
        }
    }
    let mut body = json!({
        "id": format!("chatcmpl-mock-{}", head.id),
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": answer.finish.0}],
        "service_tier": "default",
        "system_fingerprint": "fp_mock",
    });
    if let Value::Object(fields) = &mut body
        && answer.show_usage
    {
        fields.insert("usage".to_owned(), usage_json(answer.usage));
    }
    Plan::whole(body.to_string().into_bytes(), answer.usage.output)
}

/// The answer as server-sent chunks.
pub(crate) fn write_stream(answer: &Answer, head: Head<'_>, include_usage: bool) -> Plan {
    let include_usage = include_usage && answer.show_usage;
    let start = format!(
        r#"data: {{"id":"chatcmpl-mock-{}","object":"chat.completion.chunk","created":{},"model":{},"service_tier":"default","system_fingerprint":"fp_mock","choices":["#,
        head.id,
        head.created,
        Value::from(head.model),
    );
    let mut chunks = Chunks { plan: Plan::default(), start, include_usage };
    // Reasoning is done before anything is said.
    chunks.delta(r#"{"role":"assistant","content":"","refusal":null}"#, answer.usage.reasoning);
    for piece in pieces(&answer.text) {
        chunks.delta(&format!(r#"{{"content":{}}}"#, Value::from(piece)), 1);
    }
    for (index, call) in answer.tools.iter().enumerate() {
        let opening = json!({"tool_calls": [{
            "index": index,
            "id": call_id(head.id, index),
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }]});
        chunks.delta(&opening.to_string(), 1);
        for piece in call.pieces() {
            let arguments = Value::from(piece);
            chunks.delta(
                &format!(r#"{{"tool_calls":[{{"index":{index},"function":{{"arguments":{arguments}}}}}]}}"#),
                1,
            );
        }
    }
    chunks.choice("{}", &json!(answer.finish.0), 0);
    if include_usage {
        chunks.put(&["],\"usage\":", &usage_json(answer.usage).to_string(), "}\n\n"]);
    }
    chunks.plan.bytes.extend_from_slice(b"data: [DONE]\n\n");
    chunks.plan.end_event(0);
    chunks.plan
}

/// An error in the middle of a stream.
pub(crate) fn error_event() -> &'static str {
    "data: {\"error\":{\"message\":\"The server had an error while processing your request.\",\
     \"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n"
}

struct Chunks {
    plan: Plan,
    start: String,
    include_usage: bool,
}

impl Chunks {
    fn delta(&mut self, delta: &str, tokens: u64) {
        self.choice(delta, &Value::Null, tokens);
    }

    fn choice(&mut self, delta: &str, finish: &Value, tokens: u64) {
        // With usage asked for, every chunk but the last has a null in its place.
        let end = if self.include_usage { "}],\"usage\":null}\n\n" } else { "}]}\n\n" };
        let choice = [
            "{\"index\":0,\"delta\":",
            delta,
            ",\"logprobs\":null,\"finish_reason\":",
            &finish.to_string(),
            end,
        ];
        self.write(&choice, tokens);
    }

    fn put(&mut self, parts: &[&str]) {
        self.write(parts, 0);
    }

    fn write(&mut self, parts: &[&str], tokens: u64) {
        self.plan.bytes.extend_from_slice(self.start.as_bytes());
        for part in parts {
            self.plan.bytes.extend_from_slice(part.as_bytes());
        }
        self.plan.end_event(tokens);
    }
}
