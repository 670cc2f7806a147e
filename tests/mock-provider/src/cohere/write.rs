//! Chat answers, whole and streamed.

use serde_json::{Value, json};

use super::thinks;
use crate::answer::{Answer, Finish, pieces, thought_pieces, thoughts};
use crate::body::Plan;

fn finish_reason(finish: &Finish) -> &str {
    match finish.0.as_str() {
        "stop" => "COMPLETE",
        "length" => "MAX_TOKENS",
        "tool_calls" => "TOOL_CALL",
        "content_filter" => "ERROR_TOXIC",
        other => other,
    }
}

fn usage_json(answer: &Answer) -> Value {
    let usage = answer.usage;
    // What is billed leaves out what Cohere itself puts around the prompt.
    json!({
        "billed_units": {"input_tokens": usage.prompt.saturating_sub(2), "output_tokens": usage.output},
        "tokens": {"input_tokens": usage.prompt, "output_tokens": usage.output},
        "cached_tokens": usage.cached,
    })
}

fn id_text(id: u64) -> String {
    format!("mock-{id}")
}

fn call_id(call: &str, id: u64, index: usize) -> String {
    format!("{call}_mock_{id}_{index}")
}

/// Whether what was reasoned is told as the plan for calls: models that do not think only plan.
fn plans(answer: &Answer, model: &str) -> bool {
    !answer.tools.is_empty() && !thinks(model)
}

/// The answer as one JSON object.
pub(crate) fn write_whole(answer: &Answer, id: u64, model: &str) -> Plan {
    let mut message = json!({"role": "assistant"});
    if let Value::Object(fields) = &mut message {
        let mut content = Vec::new();
        if answer.usage.reasoning > 0 && plans(answer, model) {
            fields.insert("tool_plan".to_owned(), json!(thoughts(answer.usage.reasoning)));
        } else if answer.usage.reasoning > 0 {
            content.push(json!({"type": "thinking", "thinking": thoughts(answer.usage.reasoning)}));
        }
        if !answer.text.is_empty() {
            content.push(json!({"type": "text", "text": answer.text}));
        }
        if !content.is_empty() {
            fields.insert("content".to_owned(), json!(content));
        }
        let calls = answer.tools.iter().enumerate().map(|(index, call)| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": call_id(&call.name, id, index), "type": "function", "function": function})
        });
        if !answer.tools.is_empty() {
            fields.insert("tool_calls".to_owned(), calls.collect());
        }
    }
    let mut body = json!({
        "id": id_text(id),
        "message": message,
        "finish_reason": finish_reason(&answer.finish),
    });
    if let Value::Object(fields) = &mut body
        && answer.show_usage
    {
        fields.insert("usage".to_owned(), usage_json(answer));
    }
    Plan::whole(body.to_string().into_bytes(), answer.usage.output)
}

/// The answer as server-sent events.
pub(crate) fn write_stream(answer: &Answer, id: u64, model: &str) -> Plan {
    let mut events = Events::default();
    let opening =
        json!({"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []});
    let start = json!({"id": id_text(id), "type": "message-start", "delta": {"message": opening}});
    events.write("message-start", &start, 0);
    if answer.usage.reasoning > 0 && plans(answer, model) {
        for thought in thought_pieces(answer.usage.reasoning) {
            let delta = json!({"message": {"tool_plan": thought}});
            events.write("tool-plan-delta", &json!({"type": "tool-plan-delta", "delta": delta}), 1);
        }
    } else if answer.usage.reasoning > 0 {
        events.content("thinking", thought_pieces(answer.usage.reasoning));
    }
    if !answer.text.is_empty() {
        events.content("text", pieces(&answer.text));
    }
    for (index, call) in answer.tools.iter().enumerate() {
        let function = json!({"name": call.name, "arguments": ""});
        let opening = json!({"id": call_id(&call.name, id, index), "type": "function", "function": function});
        events.put("tool-call-start", index, &json!({"tool_calls": opening}), 1);
        for piece in call.pieces() {
            events.put(
                "tool-call-delta",
                index,
                &json!({"tool_calls": {"function": {"arguments": piece}}}),
                1,
            );
        }
        events.write("tool-call-end", &json!({"type": "tool-call-end", "index": index}), 0);
    }
    let mut delta = json!({"finish_reason": finish_reason(&answer.finish)});
    if let Value::Object(fields) = &mut delta
        && answer.show_usage
    {
        fields.insert("usage".to_owned(), usage_json(answer));
    }
    events.write("message-end", &json!({"type": "message-end", "delta": delta}), 0);
    events.plan.bytes.extend_from_slice(b"data: [DONE]\n\n");
    events.plan.end_event(0);
    events.plan
}

/// A failure in the middle of a stream.
pub(crate) fn error_event() -> &'static str {
    "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"error\":\"the model is overloaded, please try again later\",\
     \"finish_reason\":\"ERROR\"}}\n\n"
}

#[derive(Default)]
struct Events {
    plan: Plan,
    /// Parts of the content that have ended.
    parts: usize,
}

impl Events {
    fn write(&mut self, name: &str, data: &Value, tokens: u64) {
        for part in ["event: ", name, "\ndata: ", &data.to_string(), "\n\n"] {
            self.plan.bytes.extend_from_slice(part.as_bytes());
        }
        self.plan.end_event(tokens);
    }

    fn put(&mut self, name: &str, index: usize, message: &Value, tokens: u64) {
        self.write(name, &json!({"type": name, "index": index, "delta": {"message": message}}), tokens);
    }

    fn content<'a>(&mut self, kind: &str, pieces: impl Iterator<Item = &'a str>) {
        let index = self.parts;
        self.put("content-start", index, &json!({"content": {"type": kind, kind: ""}}), 0);
        for piece in pieces {
            self.put("content-delta", index, &json!({"content": {kind: piece}}), 1);
        }
        self.write("content-end", &json!({"type": "content-end", "index": index}), 0);
        self.parts += 1;
    }
}
