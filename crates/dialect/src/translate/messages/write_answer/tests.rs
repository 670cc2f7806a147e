use super::*;
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

fn write(stream: bool, events: Vec<Event<'_>>) -> String {
    let mut writer = writer(&options(stream));
    let mut out = Vec::new();
    events.into_iter().for_each(|event| writer.event(event, &mut out));
    String::from_utf8(out).unwrap()
}

fn start<'a>() -> Event<'a> {
    Event::Start { id: Some("id".into()), model: Some("m".into()), rest: Object::default() }
}

fn text(text: &str) -> Event<'_> {
    Event::Text { choice: 0, text: text.into() }
}

fn call<'a>(call: u32, name: &'a str) -> Event<'a> {
    Event::Call { choice: 0, call, id: format!("c{call}").into(), name: name.into() }
}

fn arguments(call: u32, json: &str) -> Event<'_> {
    Event::Arguments { choice: 0, call, json: json.into() }
}

fn stop<'a>(stop: Stop) -> Event<'a> {
    Event::Stop { choice: 0, stop, sequence: None }
}

/// The names of a stream's events, with the numbers of their blocks.
fn names(stream: &str) -> Vec<String> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| {
        let event: Value = serde_json::from_str(data).unwrap();
        let name = event["type"].as_str().unwrap().trim_start_matches("content_block_").to_owned();
        match event.get("index") {
            Some(index) => format!("{name} {index}"),
            None => name,
        }
    })
    .collect()
}

#[test]
fn a_stream_has_a_block_for_each_kind() {
    let usage = Usage { input: 3, cache_read: 2, output: 4, reasoning: 1, ..Usage::default() };
    let events = || {
        vec![
            start(),
            Event::Thinking { choice: 0, text: "hm".into() },
            Event::Signature { choice: 0, signature: "s".into() },
            text("a"),
            text("\u{fc}\n"),
            call(0, "f"),
            arguments(0, "{\"x\""),
            arguments(0, ":1}"),
            stop(Stop::Calls),
            Event::Usage(usage.into()),
            Event::End,
        ]
    };
    let stream = write(true, events());
    assert_eq!(
        names(&stream),
        [
            "message_start",
            "start 0",
            "delta 0",
            "delta 0",
            "stop 0",
            "start 1",
            "delta 1",
            "delta 1",
            "stop 1",
            "start 2",
            "delta 2",
            "delta 2",
            "stop 2",
            "message_delta",
            "message_stop"
        ]
    );
    let whole: Value = serde_json::from_str(&write(false, events())).unwrap();
    assert_eq!(
        whole,
        json!({
            "id": "id", "type": "message", "role": "assistant", "model": "m",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "a\u{fc}\n"},
                {"type": "tool_use", "id": "c0", "name": "f", "input": {"x": 1}},
            ],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 5},
        })
    );
}

#[test]
fn calls_that_take_turns_keep_their_arguments_apart() {
    let events = || {
        vec![
            start(),
            call(0, "f"),
            arguments(0, "{\"a\":"),
            call(1, "g"),
            arguments(1, "{}"),
            arguments(0, "1}"),
            Event::End,
        ]
    };
    let stream = write(true, events());
    assert_eq!(
        names(&stream),
        [
            "message_start",
            "start 0",
            "delta 0",
            "start 1",
            "delta 1",
            "delta 0",
            "stop 0",
            "stop 1",
            "message_delta",
            "message_stop"
        ]
    );
    let whole: Value = serde_json::from_str(&write(false, events())).unwrap();
    assert_eq!(whole["content"][0]["input"], json!({"a": 1}));
    assert_eq!(whole["stop_reason"], "tool_use");
}

#[test]
fn braces_in_texts_of_arguments_are_no_braces() {
    for (pieces, whole) in [
        (&["{\"a\":\"}\"", "}"][..], true),
        (&["{\"a\":\"}\""], false),
        (&["{\"a\":\"\\", "\"}\"}"], true),
        (&[""], false),
    ] {
        let mut balance = Balance::default();
        pieces.iter().for_each(|piece| balance.add(piece));
        assert_eq!(balance.is_whole(), whole, "{pieces:?}");
    }
}

#[test]
fn arguments_that_are_no_object_are_kept() {
    let whole = |json: &str| -> Value {
        let events = vec![start(), call(0, "f"), arguments(0, json), Event::End];
        serde_json::from_str(&write(false, events)).unwrap()
    };
    assert_eq!(whole("")["content"][0]["input"], json!({}));
    assert_eq!(whole("oh {")["content"][0]["input"], json!({"arguments": "oh {"}));
}

#[test]
fn a_failure_is_told_in_this_apis_envelope() {
    let failed = |status| {
        let error: &RawValue = serde_json::from_str(r#"{"message":"slow down","code":"x"}"#).unwrap();
        failure::of(Some(status), Object::open(error).unwrap())
    };
    let body: Value = serde_json::from_str(&write(false, vec![failed(429)])).unwrap();
    assert_eq!(body, json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}));
    let stream = write(true, vec![start(), text("a"), failed(200), text("b")]);
    assert!(stream.contains("event: error\ndata: {\"type\":\"error\""), "{stream}");
    assert!(!stream.contains("\"b\""), "{stream}");
}
