//! The older completions: a text in, its continuation out.
//!
//! Reference: <https://platform.openai.com/docs/api-reference/completions>.

use serde_json::{Value, json};

use super::write::{Head, usage_json};
use crate::answer::{Answer, Ask, ToolChoice, count_words, pieces};
use crate::body::Plan;

/// Names what is wrong with a request.
pub(crate) fn check_completion(body: &Value) -> Result<(), String> {
    let fields = body.as_object().ok_or("We could not parse the JSON body of your request.")?;
    if !fields.get("model").is_some_and(Value::is_string) {
        return Err("you must provide a model parameter".to_owned());
    }
    match fields.get("prompt") {
        None | Some(Value::String(_) | Value::Array(_)) => {}
        Some(_) => return Err("'$.prompt' is invalid.".to_owned()),
    }
    match fields.get("messages") {
        None => Ok(()),
        Some(_) => Err("Unrecognized request argument supplied: messages".to_owned()),
    }
}

/// Reads what a request asks for; [`check_completion`] has accepted it.
pub(crate) fn read_completion(body: &Value) -> Ask<'_> {
    let prompt = body.get("prompt").and_then(Value::as_str).unwrap_or_default();
    Ask {
        dialect: "openai",
        model: body.get("model").and_then(Value::as_str).unwrap_or_default(),
        last_user_text: Some(prompt.to_owned()),
        prompt_tokens: count_words(prompt),
        tools: Vec::new(),
        tool_choice: ToolChoice::Never,
        max_tokens: Some(body.get("max_tokens").and_then(Value::as_u64).unwrap_or(16)),
        json_schema: None,
    }
}

/// The answer as one JSON object.
pub(crate) fn write_completion(answer: &Answer, head: Head<'_>) -> Plan {
    let mut body = chunk(head, &json!([choice(&answer.text, json!(answer.finish.0))]));
    if let Value::Object(fields) = &mut body
        && answer.show_usage
    {
        fields.insert("usage".to_owned(), usage_json(answer.usage));
    }
    Plan::whole(body.to_string().into_bytes(), answer.usage.output)
}

/// The answer as server-sent chunks.
pub(crate) fn stream_completion(answer: &Answer, head: Head<'_>, include_usage: bool) -> Plan {
    let mut plan = Plan::default();
    let mut put = |value: &Value, tokens| {
        plan.bytes.extend_from_slice(format!("data: {value}\n\n").as_bytes());
        plan.end_event(tokens);
    };
    for piece in pieces(&answer.text) {
        put(&chunk(head, &json!([choice(piece, Value::Null)])), 1);
    }
    put(&chunk(head, &json!([choice("", json!(answer.finish.0))])), 0);
    if include_usage && answer.show_usage {
        let mut last = chunk(head, &json!([]));
        if let Value::Object(fields) = &mut last {
            fields.insert("usage".to_owned(), usage_json(answer.usage));
        }
        put(&last, 0);
    }
    plan.bytes.extend_from_slice(b"data: [DONE]\n\n");
    plan.end_event(0);
    plan
}

fn chunk(head: Head<'_>, choices: &Value) -> Value {
    json!({
        "id": format!("cmpl-mock-{}", head.id),
        "object": "text_completion",
        "created": head.created,
        "model": head.model,
        "choices": choices,
    })
}

fn choice(text: &str, finish: Value) -> Value {
    json!({"text": text, "index": 0, "logprobs": null, "finish_reason": finish})
}
