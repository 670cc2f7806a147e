//! Responses, whole and as the events of a stream repeat them.

use serde_json::{Map, Value, json};

use super::{ENCRYPTED, WANTS_ENCRYPTED, given, model, reasons};
use crate::answer::{Answer, ToolCall, thoughts};
use crate::body::Plan;

/// What every part of an answer repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) id: u64,
    pub(crate) created: u64,
    pub(crate) request: &'a Value,
}

/// Settings that a response tells, with what holds if the request does not say.
fn settings() -> Value {
    json!({
        "background": false,
        "instructions": null,
        "max_output_tokens": null,
        "max_tool_calls": null,
        "metadata": {},
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "prompt_cache_key": null,
        "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null,
        "store": true,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": 1.0,
        "truncation": "disabled",
        "user": null,
    })
}

impl Head<'_> {
    /// Whether what was reasoned comes along, for the next request to bring it back.
    fn wants_encrypted(self) -> bool {
        let include = given(self.request, "include").and_then(Value::as_array);
        include.is_some_and(|include| include.iter().any(|name| name == WANTS_ENCRYPTED))
    }

    /// Whether what was reasoned is summed up.
    pub(super) fn wants_summary(self) -> bool {
        self.request.pointer("/reasoning/summary").is_some_and(Value::is_string)
    }

    /// Whether there is an item for what was reasoned.
    pub(super) fn shows_reasoning(self, answer: &Answer) -> bool {
        answer.usage.reasoning > 0 || reasons(model(self.request))
    }

    /// The item for what was reasoned.
    pub(super) fn reasoning_item(self, summary: &str) -> Value {
        let summary =
            if summary.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": summary}]) };
        let mut item = json!({"id": format!("rs_mock_{}", self.id), "type": "reasoning", "summary": summary});
        if let Value::Object(fields) = &mut item
            && self.wants_encrypted()
        {
            fields.insert("encrypted_content".to_owned(), json!(ENCRYPTED));
        }
        item
    }

    pub(super) fn message_id(self) -> String {
        format!("msg_mock_{}", self.id)
    }

    pub(super) fn message_item(self, content: Vec<Value>, status: &str) -> Value {
        json!({
            "id": self.message_id(),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        })
    }

    pub(super) fn call_item_id(self, index: usize) -> String {
        format!("fc_mock_{}_{index}", self.id)
    }

    pub(super) fn call_item(self, call: &ToolCall, index: usize, arguments: &str, status: &str) -> Value {
        json!({
            "id": self.call_item_id(index),
            "type": "function_call",
            "status": status,
            "call_id": format!("call_mock_{}_{index}", self.id),
            "name": call.name,
            "arguments": arguments,
        })
    }

    /// The response, with this output and in this state.
    pub(super) fn response(self, output: Vec<Value>, status: &str) -> Value {
        let mut response = json!({
            "id": format!("resp_mock_{}", self.id),
            "object": "response",
            "created_at": self.created,
            "status": status,
            "error": null,
            "incomplete_details": null,
            "model": model(self.request),
            "output": output,
            "service_tier": "default",
            "usage": null,
        });
        if let (Value::Object(fields), Value::Object(settings)) = (&mut response, settings()) {
            for (name, value) in settings {
                let value = given(self.request, &name).cloned().unwrap_or(value);
                fields.insert(name, value);
            }
        }
        response
    }

    /// The response at its end.
    pub(super) fn finished(self, answer: &Answer, output: Vec<Value>) -> Value {
        let mut response = self.response(output, status(answer));
        if let Value::Object(fields) = &mut response {
            if let Some(reason) = incomplete(answer) {
                fields.insert("incomplete_details".to_owned(), json!({"reason": reason}));
            }
            if answer.show_usage {
                fields.insert("usage".to_owned(), usage_json(answer));
            } else {
                fields.remove("usage");
            }
        }
        response
    }
}

/// Why an answer is not at its natural end.
fn incomplete(answer: &Answer) -> Option<&str> {
    match answer.finish.0.as_str() {
        "stop" | "tool_calls" => None,
        "length" => Some("max_output_tokens"),
        other => Some(other),
    }
}

pub(super) fn status(answer: &Answer) -> &'static str {
    if incomplete(answer).is_some() { "incomplete" } else { "completed" }
}

fn usage_json(answer: &Answer) -> Value {
    let usage = answer.usage;
    json!({
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.output,
    })
}

pub(super) fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// The summary of what was reasoned, if it is told.
pub(super) fn summary(answer: &Answer, head: Head<'_>) -> String {
    if head.wants_summary() { thoughts(answer.usage.reasoning) } else { String::new() }
}

/// The answer as one JSON object.
pub(crate) fn write_whole(answer: &Answer, head: Head<'_>) -> Plan {
    let mut output = Vec::new();
    if head.shows_reasoning(answer) {
        output.push(head.reasoning_item(&summary(answer, head)));
    }
    if !answer.text.is_empty() {
        output.push(head.message_item(vec![text_part(&answer.text)], status(answer)));
    }
    output.extend(
        answer
            .tools
            .iter()
            .enumerate()
            .map(|(index, call)| head.call_item(call, index, &call.arguments, "completed")),
    );
    let mut response = head.finished(answer, output);
    if let Value::Object(fields) = &mut response {
        let fields: &mut Map<String, Value> = fields;
        fields.insert("completed_at".to_owned(), json!(head.created));
    }
    Plan::whole(response.to_string().into_bytes(), answer.usage.output)
}
