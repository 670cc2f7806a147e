use super::*;
use crate::event_stream::{Framer, parse};
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

fn pieces() -> Vec<Event<'static>> {
    let choice = 0;
    let page: &'static serde_json::value::RawValue =
        serde_json::from_str(r#"{"type":"url_citation","url_citation":{"url":"https://a","title":"T"}}"#)
            .unwrap();
    let call = |call, id: &'static str, name: &'static str| Event::Call {
        choice,
        call,
        id: id.into(),
        name: name.into(),
    };
    let arguments = |call, json: &'static str| Event::Arguments { choice, call, json: json.into() };
    vec![
        Event::Start { id: Some("m1".into()), model: Some("m".into()), rest: Object::default() },
        Event::Tier("priority".into()),
        Event::Text { choice, text: "".into() },
        Event::Thinking { choice, text: "hm".into() },
        Event::Signature { choice, signature: "s".into() },
        Event::SealedThinking { choice, data: "AA==".into() },
        Event::SealedThinking { choice, data: "no base64".into() },
        Event::Text { choice, text: "Gr\u{fc}".into() },
        Event::Text { choice, text: "\u{df}".into() },
        Event::Citation { choice, citation: page },
        call(0, "c1", "f"),
        arguments(0, "{\"a\":"),
        call(1, "c2", "g"),
        arguments(1, "{}"),
        arguments(0, "1}"),
        Event::Text { choice: 1, text: "another".into() },
        Event::Usage(
            Usage { input: 9, cache_read: 2, cache_write_1h: 1, output: 4, reasoning: 3, ..Usage::default() }
                .into(),
        ),
        Event::Stop { choice, stop: Stop::Calls, sequence: None },
        Event::End,
    ]
}

fn run(writer: &mut dyn WriteAnswer, events: Vec<Event<'_>>) -> Vec<u8> {
    let mut out = Vec::new();
    events.into_iter().for_each(|event| writer.event(event, &mut out));
    out
}

/// The names of the messages with their payloads.
fn messages(stream: &[u8]) -> Vec<(String, Value)> {
    let mut messages = Vec::new();
    let mut framer = Framer::new(1 << 20);
    framer
        .push(stream, |raw| {
            let message = parse(raw).unwrap();
            assert_eq!(message.text(":content-type"), Some("application/json"));
            let name = message.text(":event-type").or(message.text(":exception-type")).unwrap();
            messages.push((name.to_owned(), serde_json::from_slice(message.payload).unwrap()));
        })
        .unwrap();
    assert!(framer.pending().is_empty());
    messages
}

/// The counters of what was used, as clients read them.
fn used() -> Value {
    json!({
        "inputTokens": 9, "outputTokens": 7, "totalTokens": 19, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 1,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 1}],
    })
}

#[test]
fn a_stream_has_a_message_for_each_event() {
    let out = run(writer(&options(true)).as_mut(), pieces());
    let delta = |block: usize, delta: Value| {
        ("contentBlockDelta".to_owned(), json!({"contentBlockIndex": block, "delta": delta}))
    };
    let stop = |block: usize| ("contentBlockStop".to_owned(), json!({"contentBlockIndex": block}));
    let start = |block: usize, id: &str, name: &str| {
        let start = json!({"toolUse": {"toolUseId": id, "name": name}});
        ("contentBlockStart".to_owned(), json!({"contentBlockIndex": block, "start": start}))
    };
    assert_eq!(
        messages(&out),
        [
            ("messageStart".to_owned(), json!({"role": "assistant"})),
            delta(0, json!({"reasoningContent": {"text": "hm"}})),
            delta(0, json!({"reasoningContent": {"signature": "s"}})),
            stop(0),
            delta(1, json!({"reasoningContent": {"redactedContent": "AA=="}})),
            stop(1),
            delta(2, json!({"text": "Gr\u{fc}"})),
            delta(2, json!({"text": "\u{df}"})),
            delta(2, json!({"citation": {"title": "T", "location": {"web": {"url": "https://a"}}}})),
            stop(2),
            start(3, "c1", "f"),
            delta(3, json!({"toolUse": {"input": "{\"a\":"}})),
            start(4, "c2", "g"),
            delta(4, json!({"toolUse": {"input": "{}"}})),
            delta(3, json!({"toolUse": {"input": "1}"}})),
            stop(3),
            stop(4),
            ("messageStop".to_owned(), json!({"stopReason": "tool_use"})),
            (
                "metadata".to_owned(),
                json!({
                    "usage": used(),
                    "metrics": {"latencyMs": 0}, "serviceTier": {"type": "priority"},
                })
            ),
        ]
    );
}

#[test]
fn a_plain_answer_is_one_document() {
    let out = run(writer(&options(false)).as_mut(), pieces());
    assert_eq!(
        serde_json::from_slice::<Value>(&out).unwrap(),
        json!({
            "output": {"message": {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                {"reasoningContent": {"redactedContent": "AA=="}},
                {"text": "Gr\u{fc}\u{df}"},
                {"citationsContent": {"content": [], "citations": [{"title": "T", "location": {"web": {"url": "https://a"}}}]}},
                {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "c2", "name": "g", "input": {}}},
            ]}},
            "stopReason": "tool_use",
            "usage": used(),
            "metrics": {"latencyMs": 0},
            "serviceTier": {"type": "priority"},
        })
    );
}

#[test]
fn a_failure_is_an_exception_or_an_envelope() {
    let failed = || Event::Failed {
        status: 429,
        error: Object::default(),
        text: Some("slow down".into()),
        rest: Object::default(),
    };
    let out = run(
        writer(&options(true)).as_mut(),
        vec![failed(), Event::Text { choice: 0, text: "late".into() }, Event::End],
    );
    assert_eq!(messages(&out), [("throttlingException".to_owned(), json!({"message": "slow down"}))]);
    let out = run(writer(&options(false)).as_mut(), vec![failed(), Event::End]);
    assert_eq!(
        serde_json::from_slice::<Value>(&out).unwrap(),
        json!({"__type": "ThrottlingException", "message": "slow down"})
    );
}

#[test]
fn reasons_to_stop() {
    for (stop, any_call, reason) in [
        (Stop::End, false, "end_turn"),
        (Stop::End, true, "tool_use"),
        (Stop::Sequence, false, "stop_sequence"),
        (Stop::Length, true, "max_tokens"),
        (Stop::Calls, true, "tool_use"),
        (Stop::Refused, false, "content_filtered"),
        (Stop::Paused, false, "end_turn"),
    ] {
        assert_eq!(stop_reason(stop, any_call), reason);
    }
}
