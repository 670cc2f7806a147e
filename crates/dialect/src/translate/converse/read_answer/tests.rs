use super::*;
use proptest::prelude::*;

/// What comes of the events of a stream, one a line.
fn stream(events: &[(&str, &str)]) -> Result<String, Error> {
    let mut reader = Reader::default();
    let mut said = String::new();
    for (name, data) in events {
        reader.named_event(name, data.as_bytes(), &mut |event| said += &format!("{event:?}\n"))?;
    }
    Ok(said)
}

fn whole(body: &str, status: u16) -> Result<String, Error> {
    let mut said = String::new();
    Reader::default().whole(body.as_bytes(), status, &mut |event| said += &format!("{event:?}\n"))?;
    Ok(said)
}

fn has(said: &str, parts: &[&str]) {
    let mut rest = said;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part} in {rest} of {said}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn a_stream_is_read_piece_by_piece() {
    let said = stream(&[
        ("messageStart", r#"{"role":"assistant","p":"abc"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"s"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"AA=="}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"Gr\u00fc"}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"citation":{"title":"T","location":{"web":{"url":"https://a"}}}}}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":3,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"{\"a\":"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"toolUse":{"input":"1}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":3}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"t2","name":"g"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":4}"#),
        ("ofNextYear", "no JSON"),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
        ("metadata", r#"{"usage":{"inputTokens":9,"outputTokens":4,"totalTokens":13,"cacheReadInputTokens":2,"cacheWriteInputTokens":5,"cacheDetails":[{"ttl":"1h","inputTokens":3}]},"metrics":{"latencyMs":1},"serviceTier":{"type":"flex"}}"#),
    ])
    .unwrap();
    has(
        &said,
        &[
            "Start {",
            "Thinking { choice: 0, text: Json(RawValue(\"hm\"))",
            "Signature { choice: 0, signature: Json(RawValue(\"s\"))",
            "SealedThinking {",
            r#"text: Json(RawValue("Gr\u00fc"))"#,
            "url_citation",
            "call: 0, id: Json(RawValue(\"t1\")), name: Json(RawValue(\"f\"))",
            "Arguments { choice: 0, call: 0",
            "Arguments { choice: 0, call: 0",
            "call: 1, id: Json(RawValue(\"t2\"))",
            "Arguments { choice: 0, call: 1, json: Plain(\"{}\")",
            "Stop { choice: 0, stop: Calls",
            "Tier(",
            "input: 9, cache_read: 2, cache_write: 2, cache_write_1h: 3, output: 4",
            "counts_cache_writes: true",
            "End",
        ],
    );
}

#[test]
fn calls_that_amazon_answers_itself_are_left_out() {
    let said = stream(&[
        ("contentBlockStart", r#"{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"nova_grounding","type":"server_tool_use"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":1,"start":{"toolResult":{"toolUseId":"t"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolResult":[{"text":"x"}]}}"#),
    ])
    .unwrap();
    assert!(!said.contains("Call") && !said.contains("Arguments"), "{said}");
}

#[test]
fn a_plain_answer_says_the_same() {
    let said = whole(
        r#"{"output":{"message":{"role":"assistant","content":[
            {"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},
            {"reasoningContent":{"redactedContent":"AA=="}},
            {"text":"hi"},
            {"citationsContent":{"content":[{"text":"cited"}],"citations":[{"location":{"web":{"url":"https://a"}}},{"location":{"documentChar":{}}}]}},
            {"toolUse":{"toolUseId":"t","name":"f","input":{"a":1.50}}},
            {"toolUse":{"toolUseId":"t","name":"f","input":{},"type":"server_tool_use"}},
            {"ofNextYear":{}}
        ]}},"stopReason":"stop_sequence","usage":{"inputTokens":1,"outputTokens":2},"metrics":{"latencyMs":7},
        "additionalModelResponseFields":{"stop_sequence":"END"},"serviceTier":{"type":"default"}}"#,
        200,
    )
    .unwrap();
    has(
        &said,
        &[
            "Start {",
            "latencyMs",
            "Tier(",
            "Thinking {",
            "Signature {",
            "SealedThinking {",
            "hi",
            "cited",
            "url_citation",
            "documentChar",
            "Call {",
            "{\\\"a\\\":1.50}",
            "input: 1",
            "stop: Sequence, sequence: Some(",
            "END",
            "End",
        ],
    );
    assert_eq!(said.matches("Call {").count(), 1);
}

#[test]
fn reasons_to_stop() {
    for (reason, expected) in [
        ("end_turn", "End"),
        ("tool_use", "Calls"),
        ("max_tokens", "Length"),
        ("model_context_window_exceeded", "Length"),
        ("stop_sequence", "Sequence"),
        ("guardrail_intervened", "Refused"),
        ("content_filtered", "Refused"),
        ("malformed_tool_use", "End"),
        ("of_next_year", "End"),
    ] {
        assert_eq!(format!("{:?}", stop(reason)), expected, "{reason}");
    }
}

#[test]
fn errors_and_faults() {
    let said = whole(r#"{"message":"slow down"}"#, 429).unwrap();
    has(&said, &["Failed { status: 429", "slow down", "End"]);
    for body in [
        "",
        "[]",
        "{}",
        r#"{"output":{}}"#,
        r#"{"output":{"message":{"content":[{"toolUse":{"name":"f"}}]}}}"#,
        r#"{"output":{"message":{"content":[1]}}}"#,
    ] {
        assert!(whole(body, 200).is_err(), "{body}");
    }
    for data in
        ["", "[]", "{", r#"{"delta":[]}"#, r#"{"contentBlockIndex":-1,"delta":{"toolUse":{"input":"x"}}}"#]
    {
        assert!(stream(&[("contentBlockDelta", data)]).is_err(), "{data}");
    }
    assert!(Reader::default().event(b"{}", &mut |_| ()).is_err());
}

proptest! {
    #[test]
    fn bytes_of_any_kind_give_pieces_or_an_error(data in prop::collection::vec(any::<u8>(), 0..100)) {
        for name in ["contentBlockDelta", "contentBlockStart", "contentBlockStop", "messageStop", "metadata"] {
            let _ = Reader::default().named_event(name, &data, &mut |_| ());
        }
        let _ = Reader::default().whole(&data, 200, &mut |_| ());
    }
}
