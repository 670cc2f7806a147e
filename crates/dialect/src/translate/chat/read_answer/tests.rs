use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What an event says, in a form to compare.
fn show(event: Event<'_>) -> Value {
    let json = |text: &Text<'_>| {
        assert!(matches!(text, Text::Json(_)), "decoded: {text:?}");
        json!(text.decode())
    };
    let name = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.decode().into_owned());
    let value = |value: &RawValue| serde_json::from_str::<Value>(value.get()).unwrap();
    match event {
        Event::Start { id, model, rest: _ } => json!(["start", name(&id), name(&model)]),
        Event::Text { choice, text } => json!(["text", choice, json(&text)]),
        Event::Refusal { choice, text } => json!(["refusal", choice, json(&text)]),
        Event::Thinking { choice, text } => json!(["thinking", choice, json(&text)]),
        Event::Call { choice, call, id, name } => json!(["call", choice, call, id.decode(), name.decode()]),
        Event::Arguments { choice, call, json } => json!(["arguments", choice, call, json.decode()]),
        Event::Citation { choice, citation } => json!(["citation", choice, value(citation)]),
        Event::Logprobs { choice, logprobs } => json!(["logprobs", choice, value(logprobs)]),
        Event::Stop { choice, stop, sequence } => {
            assert!(sequence.is_none());
            json!(["stop", choice, format!("{stop:?}")])
        }
        Event::Usage(used) => json!(["usage", used.tokens.total_input(), used.tokens.total_output()]),
        Event::Tier(tier) => json!(["tier", tier.decode()]),
        Event::Failed { status, error, text, rest: _ } => {
            let message = error.get("message").map(value);
            json!(["failed", status, message, name(&text)])
        }
        Event::End => json!(["end"]),
        Event::Signature { .. } | Event::SealedThinking { .. } => panic!("there are none"),
    }
}

fn whole_with(status: u16, body: &[u8]) -> Result<Value, Error> {
    let mut events = Vec::new();
    let result = Reader::default().whole(body, status, &mut |event| events.push(show(event)));
    assert!(result.is_ok() || events.is_empty());
    result.map(|()| events.into())
}

fn whole(body: Value) -> Value {
    whole_with(200, body.to_string().as_bytes()).unwrap()
}

fn stream(events: &[Value]) -> Result<Value, Error> {
    let mut reader = Reader::default();
    let mut shown = Vec::new();
    for event in events {
        let data = event.as_str().map_or_else(|| event.to_string(), str::to_owned);
        let before = shown.len();
        let result = reader.event(data.as_bytes(), &mut |event| shown.push(show(event)));
        assert!(result.is_ok() || shown.len() == before);
        result?;
    }
    Ok(shown.into())
}

/// A stream of one choice, by its deltas, without its start.
fn deltas(deltas: &[Value]) -> Result<Vec<Value>, Error> {
    let chunks: Vec<_> =
        deltas.iter().map(|delta| json!({"choices": [{"index": 0, "delta": delta}]})).collect();
    let shown = stream(&chunks)?;
    Ok(shown.as_array().unwrap().iter().skip(1).cloned().collect())
}

fn call(fields: Value) -> Value {
    json!({"tool_calls": [fields]})
}

#[test]
fn a_plain_answer() {
    let shown = whole(json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-5", "system_fingerprint": "f",
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant", "content": "a\n\u{e9}", "refusal": null, "reasoning_content": "t",
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
            },
            "logprobs": {"content": []}, "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, "service_tier": "default",
    }));
    assert_eq!(
        shown,
        json!([
            ["start", "chatcmpl-1", "gpt-5"],
            ["thinking", 0, "t"],
            ["text", 0, "a\n\u{e9}"],
            ["citation", 0, {"type": "url_citation", "url_citation": {"url": "u"}}],
            ["logprobs", 0, {"content": []}],
            ["stop", 0, "End"],
            ["usage", 7, 3],
            ["tier", "default"],
            ["end"],
        ])
    );
}

#[test]
fn a_plain_answer_of_several_choices_calls_and_refuses() {
    let function = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    let shown = whole(json!({"choices": [
        {"index": 1, "finish_reason": "tool_calls", "message": {"content": null, "tool_calls": [
            {"id": "a", "type": "function", "function": function("f", json!("{\"x\":1}"))},
            {"id": "a", "type": "function", "function": function("f", json!({"y": 2}))},
            {"type": "function", "function": function("g", json!(""))},
        ]}},
        {"index": 0, "finish_reason": "content_filter", "message": {"content": "", "refusal": "no"}},
        {"finish_reason": "function_call", "message": {"function_call": function("h", json!("{}"))}},
        {"finish_reason": null, "message": {"reasoning": "t", "content": [
            {"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}, {"type": "new"}, 1,
            {"type": "thinking", "thinking": [{"type": "text", "text": "c"}]},
        ]}},
    ]}));
    assert_eq!(
        shown,
        json!([
            ["start", null, null],
            ["call", 1, 0, "a", "f"],
            ["arguments", 1, 0, "{\"x\":1}"],
            ["call", 1, 1, "a", "f"],
            ["arguments", 1, 1, "{\"y\":2}"],
            ["call", 1, 2, "call_2", "g"],
            ["stop", 1, "Calls"],
            ["refusal", 0, "no"],
            ["stop", 0, "Refused"],
            ["call", 2, 0, "call_0", "h"],
            ["arguments", 2, 0, "{}"],
            ["stop", 2, "Calls"],
            ["thinking", 3, "t"],
            ["text", 3, "a"],
            ["refusal", 3, "b"],
            ["thinking", 3, "c"],
            ["stop", 3, "End"],
            ["end"],
        ])
    );
}

#[test]
fn why_a_choice_ends() {
    let of = |reason: &str, message: Value| {
        let shown = whole(json!({"choices": [{"message": message, "finish_reason": reason}]}));
        let stop = shown.as_array().unwrap().iter().find(|event| event[0] == "stop").unwrap();
        stop[2].as_str().unwrap().to_owned()
    };
    let text = || json!({"content": "a"});
    let calls = || json!({"tool_calls": [{"id": "a", "function": {"name": "f"}}]});
    assert_eq!(of("stop", text()), "End");
    assert_eq!(of("length", text()), "Length");
    assert_eq!(of("length", calls()), "Length");
    assert_eq!(of("content_filter", text()), "Refused");
    assert_eq!(of("something_new", text()), "End");
    // So the API has it where the client named the function.
    assert_eq!(of("stop", calls()), "Calls");
}

#[test]
fn what_is_no_answer_is_a_fault() {
    for body in [
        "",
        "<html>",
        "[]",
        "1",
        r#"{"choices":[{}]"#,
        r#"{}"#,
        r#"{"choices":null}"#,
        r#"{"choices":[{"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"index":128,"message":{}}]}"#,
        r#"{"choices":[{"message":{"content":"a"}},{"message":{"tool_calls":[{"id":"a"}]}}]}"#,
    ] {
        let error = whole_with(200, body.as_bytes()).unwrap_err();
        assert!(matches!(error.kind(), crate::translate::Kind::InvalidAnswer { .. }), "{body}");
    }
}

#[test]
fn an_error_says_why_in_the_form_that_its_server_has() {
    let long = "é".repeat(2000);
    let cut = &long[..2000];
    for (body, message, text) in [
        (r#"{"error":{"message":"m","type":"t","param":null,"code":"c"}}"#, json!("m"), json!(null)),
        (r#"[{"error":{"message":"m","code":400}}]"#, json!("m"), json!(null)),
        (r#"{"object":"error","message":"m","type":"t","code":400}"#, json!("m"), json!(null)),
        (r#"{"error":"m"}"#, json!(null), json!("m")),
        (r#"{"detail":"m"}"#, json!(null), json!("m")),
        (r#"{"Message":"m"}"#, json!(null), json!("m")),
        (r#"{"x":1}"#, json!(null), json!(r#"{"x":1}"#)),
        (" <html> ", json!(null), json!("<html>")),
        ("", json!(null), json!("the provider answered with status 429")),
        (&long, json!(null), json!(cut)),
    ] {
        let shown = whole_with(429, body.as_bytes()).unwrap();
        assert_eq!(shown, json!([["failed", 429, message, text], ["end"]]), "{body}");
    }
    let shown = whole_with(502, b"\xff").unwrap();
    assert_eq!(shown, json!([["failed", 502, null, "\u{fffd}"], ["end"]]));
}

#[test]
fn an_error_may_come_with_a_good_status() {
    let shown = whole(json!({"error": {"message": "m", "code": 429}}));
    assert_eq!(shown, json!([["failed", 429, "m", null], ["end"]]));
    let shown = whole(json!({"error": "m"}));
    assert_eq!(shown, json!([["failed", 500, null, "m"], ["end"]]));
    let shown = whole(json!({"error": null, "choices": []}));
    assert_eq!(shown, json!([["start", null, null], ["end"]]));
}

#[test]
fn a_stream() {
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}],
            "service_tier": "default", "usage": null,
        })
    };
    let shown = stream(&[
        json!({"choices": [], "id": "", "model": "", "prompt_filter_results": []}),
        chunk(json!({"role": "assistant", "content": "", "refusal": null}), json!(null)),
        chunk(json!({"reasoning_content": "t"}), json!("")),
        chunk(json!({"content": "a \"b\""}), json!(null)),
        json!({"choices": [{"index": 0, "delta": {"content": "c"}, "logprobs": {"content": [1]}}]}),
        chunk(json!({"refusal": "no"}), json!(null)),
        chunk(json!({"content": "d"}), json!("length")),
        chunk(json!({"content": "too late"}), json!("stop")),
        json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}),
        json!({"choices": [], "usage": {"completion_tokens": 4}}),
        json!(" [DONE] "),
    ]);
    assert_eq!(
        shown.unwrap(),
        json!([
            ["start", "chatcmpl-1", "gpt-5"],
            ["tier", "default"],
            ["thinking", 0, "t"],
            ["text", 0, "a \"b\""],
            ["text", 0, "c"],
            ["logprobs", 0, {"content": [1]}],
            ["refusal", 0, "no"],
            ["text", 0, "d"],
            ["stop", 0, "Length"],
            ["usage", 7, 3],
            ["usage", 7, 4],
            ["end"],
        ])
    );
}

#[test]
fn pieces_keep_their_json_form() {
    let mut texts = Vec::new();
    let data = br#"{"choices":[{"delta":{"content":"\u00e9\/\ud800"}}]}"#;
    Reader::default()
        .event(data, &mut |event| {
            if let Event::Text { text, .. } = event {
                let mut out = Vec::new();
                text.write(&mut out);
                texts.push(String::from_utf8(out).unwrap());
            }
        })
        .unwrap();
    assert_eq!(texts, [r#""\u00e9\/\ud800""#]);
}

#[test]
fn choices_of_a_stream_take_turns() {
    let shown = stream(&[
        json!({"choices": [
            {"index": 1, "delta": {"content": "a"}}, {"index": 0, "delta": {"content": "b"}},
        ]}),
        json!({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "c"}}]}),
    ]);
    assert_eq!(
        shown.unwrap(),
        json!([
            ["start", null, null],
            ["text", 1, "a"],
            ["text", 0, "b"],
            ["stop", 1, "End"],
            ["text", 0, "c"],
        ])
    );
}

#[test]
fn a_whole_answer_may_come_as_one_event() {
    let shown =
        stream(&[json!({"id": "a", "choices": [{"message": {"content": "b"}, "finish_reason": "stop"}]})]);
    assert_eq!(shown.unwrap(), json!([["start", "a", null], ["text", 0, "b"], ["stop", 0, "End"]]));
}

#[test]
fn parallel_calls_are_told_apart_by_their_numbers() {
    let shown = deltas(&[
        call(json!({"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}})),
        call(json!({"index": 0, "function": {"arguments": "{\"x\""}})),
        call(json!({"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}})),
        json!({"tool_calls": [
            {"index": 1, "function": {"arguments": "{}"}}, {"index": 0, "function": {"arguments": ":1}"}},
        ]}),
    ]);
    assert_eq!(
        shown.unwrap(),
        [
            json!(["call", 0, 0, "a", "f"]),
            json!(["arguments", 0, 0, "{\"x\""]),
            json!(["call", 0, 1, "b", "g"]),
            json!(["arguments", 0, 1, "{}"]),
            json!(["arguments", 0, 0, ":1}"]),
        ]
    );
}

#[test]
fn calls_without_numbers_are_told_apart_by_their_ids() {
    let shown = deltas(&[
        call(json!({"id": "a", "function": {"name": "f", "arguments": "{"}})),
        call(json!({"function": {"arguments": "}"}})),
        call(json!({"id": "b", "function": {"name": "f", "arguments": "{"}})),
        call(json!({"id": "b", "function": {"name": "f", "arguments": "}"}})),
        call(json!({"id": "a", "function": {"arguments": " "}})),
        call(json!({"extra_content": {"google": {}}})),
    ]);
    assert_eq!(
        shown.unwrap(),
        [
            json!(["call", 0, 0, "a", "f"]),
            json!(["arguments", 0, 0, "{"]),
            json!(["arguments", 0, 0, "}"]),
            json!(["call", 0, 1, "b", "f"]),
            json!(["arguments", 0, 1, "{"]),
            json!(["arguments", 0, 1, "}"]),
            json!(["arguments", 0, 0, " "]),
        ]
    );
}

#[test]
fn calls_that_all_have_the_same_number_are_told_apart_by_their_ids() {
    let shown = deltas(&[
        json!({"tool_calls": [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
            {"index": 0, "id": "b", "function": {"name": "f", "arguments": "{"}},
        ]}),
        call(json!({"index": 0, "function": {"arguments": "}"}})),
    ]);
    assert_eq!(
        shown.unwrap(),
        [
            json!(["call", 0, 0, "a", "f"]),
            json!(["arguments", 0, 0, "{}"]),
            json!(["call", 0, 1, "b", "f"]),
            json!(["arguments", 0, 1, "{"]),
            json!(["arguments", 0, 1, "}"]),
        ]
    );
}

#[test]
fn a_piece_with_a_new_id_and_no_name_belongs_to_the_call_of_its_number() {
    let shown = deltas(&[
        call(json!({"index": 0, "id": "a", "function": {"name": "f"}})),
        call(json!({"index": 0, "id": "b", "function": {"arguments": "{}"}})),
    ]);
    assert_eq!(shown.unwrap(), [json!(["call", 0, 0, "a", "f"]), json!(["arguments", 0, 0, "{}"])]);
}

#[test]
fn a_repeated_name_begins_no_other_call() {
    let shown = deltas(&[
        call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}})),
        call(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}})),
        call(json!({"index": 0, "function": {"name": "f", "arguments": " "}})),
    ]);
    assert_eq!(
        shown.unwrap(),
        [
            json!(["call", 0, 0, "a", "f"]),
            json!(["arguments", 0, 0, "{"]),
            json!(["arguments", 0, 0, "}"]),
            json!(["arguments", 0, 0, " "]),
        ]
    );
}

#[test]
fn calls_without_ids_get_some() {
    let shown = deltas(&[
        json!({"tool_calls": [
            {"function": {"name": "f", "arguments": {"x": 1}}},
            {"function": {"name": "f", "arguments": "{}"}},
        ]}),
        json!({"function_call": {"name": "", "arguments": ""}}),
    ]);
    assert_eq!(
        shown.unwrap(),
        [
            json!(["call", 0, 0, "call_0", "f"]),
            json!(["arguments", 0, 0, "{\"x\":1}"]),
            json!(["call", 0, 1, "call_1", "f"]),
            json!(["arguments", 0, 1, "{}"]),
        ]
    );
}

#[test]
fn a_call_waits_for_its_name() {
    let shown = deltas(&[
        call(json!({"index": 0, "id": "a", "function": {"name": "", "arguments": ""}})),
        call(json!({"index": 0, "function": {"name": "f"}})),
        call(json!({"id": "b"})),
        call(json!({"function": {"name": "g"}})),
        call(json!({"index": 5, "id": "c".repeat(1000)})),
        call(json!({"index": 5, "function": {"name": "h"}})),
    ]);
    assert_eq!(
        shown.unwrap(),
        [
            json!(["call", 0, 0, "a", "f"]),
            json!(["call", 0, 1, "b", "g"]),
            json!(["call", 0, 2, "call_2", "h"]),
        ]
    );
    assert!(deltas(&[call(json!({"index": 0, "id": "a", "function": {"arguments": "{"}}))]).is_err());
}

#[test]
fn the_older_form_of_a_call_is_read_too() {
    let shown = deltas(&[
        json!({"function_call": {"name": "f", "arguments": ""}}),
        json!({"function_call": {"arguments": "{}"}}),
    ]);
    assert_eq!(shown.unwrap(), [json!(["call", 0, 0, "call_0", "f"]), json!(["arguments", 0, 0, "{}"])]);
}

#[test]
fn what_is_kept_track_of_has_an_end() {
    let many = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| call(json!({"index": n, "id": n.to_string(), "function": {"name": "f"}})))
            .collect()
    };
    assert!(deltas(&many(128)).is_ok());
    assert!(deltas(&many(129)).is_err());
    let chunk = |index: usize| json!({"choices": [{"index": index, "delta": {"content": "a"}}]});
    assert!(stream(&[chunk(127)]).is_ok());
    assert!(stream(&[chunk(128)]).is_err());
    assert!(stream(&[json!({"choices": [{"index": u64::MAX, "delta": {}}]})]).is_err());
}

#[test]
fn a_stream_may_fail_in_its_middle() {
    let text = || json!({"choices": [{"delta": {"content": "a"}}]});
    for (event, status, message, words) in [
        (json!({"error": {"message": "m", "code": 429}, "choices": []}), 429, json!("m"), json!(null)),
        (json!({"error": {"message": "m", "code": "c"}}), 500, json!("m"), json!(null)),
        (json!({"object": "error", "message": "m", "code": 400}), 400, json!("m"), json!(null)),
        (json!({"error": "m"}), 500, json!(null), json!("m")),
    ] {
        let shown = stream(&[text(), event]).unwrap();
        let expected = json!([["start", null, null], ["text", 0, "a"], ["failed", status, message, words]]);
        assert_eq!(shown, expected);
    }
}

#[test]
fn an_event_that_is_no_chunk_is_a_fault() {
    for data in ["{", "[1]", "x", r#"{"choices":[{"delta":1}]}"#, r#"{"choices":{}}"#] {
        assert!(stream(&[json!(data)]).is_err(), "{data}");
    }
    assert!(Reader::default().event(b"{\"id\":\"\xff\"}", &mut |_| {}).is_err());
    assert_eq!(stream(&[json!(" "), json!({"type": "ping"})]).unwrap(), json!([]));
}

/// Pieces of answers, so that random ones get somewhere.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "1e9",
        "\"",
        "\\",
        "\"choices\":[{",
        "\"index\":",
        "\"delta\":{",
        "\"message\":{",
        "\"content\":",
        "\"tool_calls\":[{",
        "\"id\":",
        "\"function\":{",
        "\"name\":",
        "\"arguments\":",
        "\"a\"",
        "\"finish_reason\":",
        "\"usage\":{",
        "\"error\":",
    ];
    let word = prop::sample::select(WORDS.as_slice()).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 0..8);
    prop::collection::vec(prop_oneof![8 => word, 1 => bytes], 0..40).prop_map(|parts| parts.concat())
}

/// Valid JSON with the fields of a chunk at random places.
fn document() -> impl Strategy<Value = Value> {
    const NAMES: [&str; 20] = [
        "id",
        "model",
        "object",
        "choices",
        "index",
        "delta",
        "message",
        "content",
        "refusal",
        "reasoning",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "function_call",
        "annotations",
        "finish_reason",
        "usage",
        "error",
        "prompt_tokens",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        (0..3).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(["", "a", "b", "stop", "error"].as_slice()).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(NAMES.as_slice()), inner), 0..8).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

/// A chunk whose calls are put together at random.
fn chunk_of_calls() -> impl Strategy<Value = Value> {
    let word = prop::option::of(prop::sample::select(["", "a", "b"].as_slice()));
    let call = (prop::option::of(0u32..3), word.clone(), word.clone(), word);
    prop::collection::vec(call, 0..4).prop_map(|calls| {
        let calls: Vec<_> = calls
            .into_iter()
            .map(|(index, id, name, arguments)| {
                json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}})
            })
            .collect();
        json!({"choices": [{"delta": {"tool_calls": calls}}]})
    })
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer_or_a_fault(
        body in prop_oneof![fragments(), prop::collection::vec(any::<u8>(), 0..64)],
        status in prop::sample::select(vec![200u16, 429]),
    ) {
        let _ = whole_with(status, &body);
        let mut reader = Reader::default();
        let _ = reader.event(&body, &mut |event| { show(event); });
        let _ = reader.event(&body, &mut |event| { show(event); });
    }

    #[test]
    fn any_document_is_an_answer_or_a_fault(
        body in document(),
        status in prop::sample::select(vec![200u16, 429]),
    ) {
        let _ = whole_with(status, body.to_string().as_bytes());
        let _ = stream(&[body.clone(), body]);
    }

    #[test]
    fn each_call_begins_once_and_before_its_arguments(
        chunks in prop::collection::vec(chunk_of_calls(), 0..6),
    ) {
        let mut reader = Reader::default();
        let mut begun = std::collections::HashSet::new();
        let mut in_order = true;
        for chunk in chunks {
            let result = reader.event(chunk.to_string().as_bytes(), &mut |event| match event {
                Event::Call { call, .. } => in_order &= begun.insert(call),
                Event::Arguments { call, .. } => in_order &= begun.contains(&call),
                _ => {}
            });
            if result.is_err() {
                break;
            }
        }
        prop_assert!(in_order);
    }
}
