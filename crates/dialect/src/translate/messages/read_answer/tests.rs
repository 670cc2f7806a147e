//! Answers of Anthropic's, as OpenAI's clients read them, and the pieces that they are read to.

use crate::Dialect::{Anthropic, OpenAi};
use crate::translate::{Answer, AnswerOptions};
use serde_json::{Value, json};

fn options(is_event_stream: bool) -> AnswerOptions {
    AnswerOptions {
        status: 200,
        is_event_stream,
        include_usage: true,
        created: 0,
        model: String::new(),
        id: String::new(),
        served: String::new(),
        limit: 1 << 20,
    }
}

fn answer(options: AnswerOptions, body: &str) -> String {
    let mut answer = Answer::new(OpenAi, Anthropic, options).unwrap();
    let mut out = answer.push(body.as_bytes()).unwrap();
    out.extend(answer.finish().unwrap());
    String::from_utf8(out).unwrap()
}

fn stream(events: &[Value]) -> String {
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    answer(options(true), &events)
}

/// The usage that the client reads.
fn usage(blocks: &[Value]) -> Value {
    let mut events: Vec<_> =
        blocks.iter().map(|usage| json!({"type": "message_delta", "usage": usage})).collect();
    events.push(json!({"type": "message_stop"}));
    let out = stream(&events);
    let last = out.split("\n\n").find_map(|event| event.strip_prefix("data: ")).unwrap();
    serde_json::from_str::<Value>(last).unwrap()["usage"].take()
}

#[test]
fn the_prompt_is_all_of_the_input() {
    let usage = usage(&[json!({
        "input_tokens": 10, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 5, "service_tier": "standard", "server_tool_use": {"web_search_requests": 1},
    })]);
    assert_eq!(
        usage,
        json!({
            "prompt_tokens": 240, "completion_tokens": 5, "total_tokens": 245,
            "prompt_tokens_details": {
                "cached_tokens": 200, "cache_creation_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
            },
            "service_tier": "standard", "server_tool_use": {"web_search_requests": 1},
        })
    );
}

#[test]
fn later_blocks_override_earlier_ones() {
    let usage = usage(&[
        json!({"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}),
        json!({"input_tokens": 12, "cache_read_input_tokens": null, "output_tokens": 7}),
    ]);
    assert_eq!(
        usage,
        json!({
            "prompt_tokens": 16, "completion_tokens": 7, "total_tokens": 23,
            "prompt_tokens_details": {"cached_tokens": 4},
        })
    );
}

#[test]
fn odd_counters_do_no_harm() {
    let usage = usage(&[
        json!([1]),
        json!({"input_tokens": u64::MAX, "output_tokens": u64::MAX, "prompt_tokens": 3, "cache_creation": 1}),
    ]);
    assert_eq!(usage["total_tokens"], json!(u64::MAX));
    assert_eq!(usage["prompt_tokens"], json!(u64::MAX));
}

#[test]
fn thinking_is_a_part_of_the_output() {
    let usage = usage(&[json!({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}})]);
    assert_eq!(
        (&usage["completion_tokens"], &usage["completion_tokens_details"]),
        (&json!(9), &json!({"reasoning_tokens": 4}))
    );
}

#[test]
fn what_the_api_may_add_does_no_harm() {
    let plain = [
        json!({"type": "message_start", "message": {"id": "a", "model": "m"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        json!({"type": "message_stop"}),
    ];
    let new = [
        json!({"type": "message_start", "message": {"id": "a", "model": "m", "new": {"x": [1]}}, "new": 1}),
        json!({"type": "news", "delta": [1], "index": "x", "usage": 1}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "news", "text": "y"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "news_delta", "text": "y"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x", "new": 1}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "of_next_year"}}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(stream(&new), stream(&plain));
}

#[test]
fn an_error_with_a_good_status_is_one() {
    let out = answer(
        options(false),
        r#"{"type":"error","error":{"type":"api_error","message":"m"},"request_id":"r"}"#,
    );
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap(),
        json!({"error": {"message": "m", "type": "api_error", "param": null, "code": "provider_error"}, "request_id": "r"})
    );
}

#[test]
fn the_input_of_a_call_may_come_at_once() {
    let out = stream(&[
        json!({"type": "content_block_start", "index": 0,
            "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}}),
        json!({"type": "message_stop"}),
    ]);
    assert!(out.contains(r#""arguments":"{\"x\":1}""#), "{out}");
}
