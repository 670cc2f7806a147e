use super::*;
use crate::Operation;
use crate::answer::Reader;
use proptest::prelude::*;
use serde_json::json;

fn print(body: &Value) -> Fingerprint {
    fingerprint(Operation::ChatCompletions, body.to_string().as_bytes(), &[]).unwrap()
}

fn chat() -> Value {
    json!({"model": "gpt-4o", "temperature": 0, "max_tokens": 50, "seed": 1, "stop": ["x"],
        "response_format": {"type": "json_object"},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}, "b": {}}}}}],
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]})
}

#[test]
fn what_shapes_the_answer_makes_another_fingerprint() {
    let same = print(&chat());
    for (pointer, value) in [
        ("/model", json!("other")),
        ("/temperature", json!(0.5)),
        ("/max_tokens", json!(51)),
        ("/seed", json!(2)),
        ("/stop/0", json!("y")),
        ("/response_format/type", json!("text")),
        ("/tools/0/function/name", json!("g")),
        ("/messages/0/content", json!("be long")),
        ("/messages/0/role", json!("developer")),
        ("/messages/1/content", json!("hello ")),
        ("/messages/1/content", json!(["hello"])),
    ] {
        let mut other = chat();
        *other.pointer_mut(pointer).unwrap() = value;
        assert_ne!(print(&other).digest, same.digest, "{pointer}");
    }
    let mut unknown = chat();
    unknown["some_new_field"] = json!(1);
    assert_ne!(print(&unknown).digest, same.digest);
    let body = chat().to_string();
    let beta = fingerprint(Operation::ChatCompletions, body.as_bytes(), &[("anthropic-beta", "x")]).unwrap();
    assert_ne!(beta.digest, same.digest);
}

#[test]
fn whole_numbers_that_are_too_large_to_be_told_apart_give_no_fingerprint() {
    let of = |seed: &str| {
        let body = format!(r#"{{"messages":[],"seed":{seed}}}"#);
        fingerprint(Operation::ChatCompletions, body.as_bytes(), &[])
    };
    assert_eq!(of("18446744073709551616"), None);
    assert_ne!(of("9007199254740993").unwrap().digest, of("9007199254740992").unwrap().digest);
    assert_eq!(of("1.0").unwrap().digest, of("1e0").unwrap().digest);
}

#[test]
fn how_it_is_asked_for_makes_no_other_fingerprint() {
    let same = print(&chat());
    for (field, value) in [
        ("stream", json!(true)),
        ("stream_options", json!({"include_usage": true})),
        ("user", json!("u-1")),
        ("metadata", json!({"a": "b"})),
    ] {
        let mut other = chat();
        other[field] = value;
        assert_eq!(print(&other), same, "{field}");
    }
    // The order of fields and white space mean nothing, but for schemas, which a model reads as they stand.
    let reordered = r#"{ "model":"gpt-4o", "messages":[{"content":"be brief","role":"system"},{"content":"hello","role":"user"}],"stop":["x"],
        "seed":1,"max_tokens":50,"temperature":0,"response_format":{"type":"json_object"},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}, "b": {}}}}}]}"#;
    let reordered = fingerprint(Operation::ChatCompletions, reordered.as_bytes(), &[]).unwrap();
    assert_eq!(reordered, same);
    let schema = chat().to_string().replace(r#"{"a":{},"b":{}}"#, r#"{"b":{},"a":{}}"#);
    assert_ne!(fingerprint(Operation::ChatCompletions, schema.as_bytes(), &[]).unwrap().digest, same.digest);
}

#[test]
fn the_context_is_all_but_the_question() {
    let one = print(&chat());
    assert_eq!(one.question.as_deref(), Some("hello"));
    let mut other = chat();
    other["messages"][1]["content"] = json!("good bye");
    assert_eq!(print(&other).context, one.context);
    assert_ne!(print(&other).digest, one.digest);
    other["messages"][1]["content"] = json!([{"type": "text", "text": "good bye"}]);
    assert_eq!(print(&other).question.as_deref(), Some("good bye"));
    for last in [
        json!({"role": "assistant", "content": "hello"}),
        json!({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "x"}}]}),
        json!({"role": "tool", "tool_call_id": "1", "content": "hello"}),
    ] {
        other["messages"][1] = last;
        assert_eq!(print(&other).question, None);
    }
}

#[test]
fn a_text_cannot_pass_for_structure() {
    // What was the question of the one is the context of the other.
    let mut one = chat();
    one["messages"] = json!([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]);
    let mut other = chat();
    other["messages"] = json!([{"role": "user", "content": "ab"}, {"role": "user", "content": ""}]);
    assert_ne!(print(&one).digest, print(&other).digest);
    assert_ne!(print(&one).context, print(&other).context);
}

#[test]
fn a_field_that_stands_twice_has_no_fingerprint() {
    let body = br#"{"messages":[{"role":"user","content":"a","content":"b"}]}"#;
    assert!(fingerprint(Operation::ChatCompletions, body, &[]).is_none());
    let body = br#"{"messages":[],"tools":[{"x":1,"x":2}]}"#;
    assert!(fingerprint(Operation::ChatCompletions, body, &[]).is_none());
    for body in [&b"[]"[..], b"", b"{", b"{\"a\":1} x"] {
        assert!(fingerprint(Operation::ChatCompletions, body, &[]).is_none());
    }
}

#[test]
fn determinism_is_a_temperature_of_0_and_one_answer() {
    let with = |temperature: Value, n: Value| {
        let mut body = chat();
        body["temperature"] = temperature;
        body["n"] = n;
        print(&body).deterministic
    };
    assert!(with(json!(0), json!(1)) && with(json!(0.0), json!(1)));
    assert!(!with(json!(0.1), json!(1)) && !with(json!(0), json!(2)) && !with(Value::Null, json!(1)));
    assert!(print(&chat()).deterministic && print(&chat()).tools);
    assert!(!print(&json!({"messages": []})).deterministic);
}

const OPENAI: &str = concat!(
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüß \"},\"logprobs\":{\"content\":[{\"token\":\"a\"}]},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Gott\"},\"logprobs\":{\"content\":[{\"token\":\"b\"}]},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\n",
    "data: [DONE]\n\n",
);

const GEMINI: &str = concat!(
    r#"data: {"candidates":[{"content":{"parts":[{"text":"Grüß "}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"r","usageMetadata":{"promptTokenCount":5}}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"parts":[{"text":"Gott"},{"functionCall":{"name":"f","args":{"a":1}}}],"role":"model"},"index":0}],"modelVersion":"m","responseId":"r"}"#,
    "\n\n",
    r#"data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"m","responseId":"r","usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":3}}"#,
    "\n\n",
);

const ANTHROPIC: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"sig\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Grüß Gott\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\":1}\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":12}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn assemble(dialect: Dialect, stream: &str) -> Option<Value> {
    let mut assembler = Assembler::new(dialect);
    for event in stream.split_inclusive("\n\n") {
        assembler.event(event.as_bytes());
    }
    assembler.finish()
}

#[test]
fn a_stream_becomes_the_answer_that_it_is_the_parts_of() {
    assert_eq!(
        assemble(Dialect::OpenAi, OPENAI).unwrap(),
        json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "finish_reason": "tool_calls",
                "logprobs": {"content": [{"token": "a"}, {"token": "b"}]},
                "message": {"role": "assistant", "content": "Grüß Gott", "refusal": null,
                    "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]}}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4}})
    );
    assert_eq!(
        assemble(Dialect::Anthropic, ANTHROPIC).unwrap(),
        json!({"id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "tool_use",
            "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 12},
            "content": [{"type": "thinking", "thinking": "hm", "signature": "sig"}, {"type": "text", "text": "Grüß Gott"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]})
    );
}

#[test]
fn an_answer_that_is_streamed_again_is_the_same_answer() {
    for (dialect, stream) in
        [(Dialect::OpenAi, OPENAI), (Dialect::Anthropic, ANTHROPIC), (Dialect::Gemini, GEMINI)]
    {
        let answer = assemble(dialect, stream).unwrap();
        for piece in [1, 3, 1_000] {
            let events = events(dialect, &answer, piece);
            let stream = String::from_utf8(events.concat()).unwrap();
            assert_eq!(assemble(dialect, &stream).unwrap(), answer, "{piece}");
            let mut reader = Reader::new(dialect);
            for event in &events {
                reader.event(event);
            }
            let mut plain = Reader::new(dialect);
            plain.body(answer.to_string().as_bytes());
            assert_eq!(reader.usage(), plain.usage());
            assert!(reader.is_complete() && reader.usage_is_final());
        }
    }
}

#[test]
fn what_has_no_place_in_a_plain_answer_is_not_kept() {
    let error = "data: {\"error\":{\"message\":\"overloaded\"}}\n\ndata: [DONE]\n\n";
    assert!(assemble(Dialect::OpenAi, error).is_none());
    let audio = OPENAI.replace("\"content\":\"Gott\"", "\"audio\":{\"id\":\"x\"}");
    assert!(assemble(Dialect::OpenAi, &audio).is_none());
    for (dialect, stream) in
        [(Dialect::OpenAi, OPENAI), (Dialect::Anthropic, ANTHROPIC), (Dialect::Gemini, GEMINI)]
    {
        let events: Vec<&str> = stream.split_inclusive("\n\n").collect();
        for count in 0..events.len() {
            assert!(assemble(dialect, &events[..count].concat()).is_none(), "{count} events");
        }
    }
}

#[test]
fn a_question_is_told_apart_in_every_dialect() {
    let print = |operation, body: Value| {
        fingerprint(operation, body.to_string().as_bytes(), &[("model", "m")]).unwrap()
    };
    let asked = |operation, body: fn(&str) -> Value| {
        let (one, other) = (print(operation, body("a")), print(operation, body("b")));
        assert_eq!(
            (one.question.as_deref(), other.question.as_deref()),
            (Some("a"), Some("b")),
            "{operation}"
        );
        assert_eq!((one.context == other.context, one.digest == other.digest), (true, false), "{operation}");
        assert!(one.deterministic && one.tools, "{operation}");
    };
    asked(
        Operation::Responses,
        |text| json!({"input": text, "store": false, "temperature": 0, "tools": [{"type": "function"}]}),
    );
    asked(Operation::Responses, |text| {
        json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}], "store": false, "temperature": 0,
            "tools": [{"type": "function"}]})
    });
    asked(Operation::GenerateContent, |text| {
        json!({"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": {"temperature": 0.0, "candidateCount": 1},
            "tools": [{"functionDeclarations": []}]})
    });
    asked(Operation::Converse, |text| {
        json!({"messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"temperature": 0},
            "toolConfig": {"tools": []}})
    });
    let two = json!({"contents": [{"role": "user", "parts": [{"text": "a"}]}], "generationConfig": {"temperature": 0, "candidateCount": 2}});
    assert!(!print(Operation::GenerateContent, two).deterministic);
    let signed = json!({"contents": [{"role": "user", "parts": [{"text": "a", "thoughtSignature": "x"}]}]});
    assert_eq!(print(Operation::GenerateContent, signed).question, None);
}

#[test]
fn answers_that_the_provider_keeps_do_not_come_from_the_cache() {
    let print = |body: Value| fingerprint(Operation::Responses, body.to_string().as_bytes(), &[]);
    assert!(print(json!({"input": "a", "store": false})).is_some());
    for kept in [
        json!({"input": "a"}),
        json!({"input": "a", "store": true}),
        json!({"input": "a", "store": false, "previous_response_id": "resp_1"}),
        json!({"input": "a", "store": false, "conversation": "conv_1"}),
    ] {
        assert!(print(kept.clone()).is_none(), "{kept}");
    }
}

#[test]
fn only_an_answer_that_the_model_ended_is_whole() {
    let openai = |reason: &str| json!({"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": reason}]});
    assert!(is_whole(Dialect::OpenAi, &openai("stop")) && is_whole(Dialect::OpenAi, &openai("tool_calls")));
    assert!(
        !is_whole(Dialect::OpenAi, &openai("length"))
            && !is_whole(Dialect::OpenAi, &openai("content_filter"))
    );
    assert!(!is_whole(Dialect::OpenAi, &json!({"choices": []})));
    assert!(!is_whole(Dialect::OpenAi, &json!({"error": {}})));
    let refused = json!({"choices": [{"message": {"refusal": "no"}, "finish_reason": "stop"}]});
    assert!(!is_whole(Dialect::OpenAi, &refused));
    let anthropic = |reason: &str| json!({"type": "message", "content": [], "stop_reason": reason});
    assert!(is_whole(Dialect::Anthropic, &anthropic("end_turn")));
    for reason in ["max_tokens", "refusal", "pause_turn", "model_context_window_exceeded"] {
        assert!(!is_whole(Dialect::Anthropic, &anthropic(reason)), "{reason}");
    }
}

#[test]
fn a_replayed_answer_has_an_id_of_its_own() {
    let mut answer = assemble(Dialect::OpenAi, OPENAI).unwrap();
    refresh(Dialect::OpenAi, &mut answer, "new", 7);
    assert_eq!((&answer["id"], &answer["created"]), (&json!("chatcmpl-new"), &json!(7)));
    let mut answer = assemble(Dialect::Anthropic, ANTHROPIC).unwrap();
    refresh(Dialect::Anthropic, &mut answer, "new", 7);
    assert_eq!(answer["id"], "msg_new");
}

/// A value with fields of random names, some of which mean something.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        "[ab\"]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name =
            prop_oneof![Just("messages"), Just("content"), Just("role"), Just("tools"), Just("a"), Just("b")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn requests_have_one_fingerprint_if_and_only_if_they_are_equal(one in values(), other in values()) {
        let body = |value: &Value| json!({"messages": [{"role": "user", "content": value}], "x": value});
        prop_assert_eq!(print(&body(&one)).digest == print(&body(&other)).digest, one == other);
        // And where only the context differs, or only the question.
        let apart = |system: &Value, user: &Value| {
            print(&json!({"messages": [{"role": "system", "content": system}, {"role": "user", "content": user}]}))
        };
        prop_assert_eq!(apart(&one, &one).digest == apart(&other, &one).digest, one == other);
        prop_assert_eq!(apart(&one, &one).digest == apart(&one, &other).digest, one == other);
    }

    #[test]
    fn bytes_of_any_kind_give_a_fingerprint_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = fingerprint(Operation::Messages, &bytes, &[]);
        for dialect in Dialect::ALL {
            let mut assembler = Assembler::new(dialect);
            assembler.event(&bytes);
            let _ = assembler.finish();
        }
    }
}
