use super::*;
use proptest::prelude::*;

/// What comes of the events of a stream, one a line.
fn stream(events: &[&str]) -> Result<String, Error> {
    let mut reader = Reader::default();
    let mut said = String::new();
    for data in events {
        reader.event(data.as_bytes(), &mut |event| said += &format!("{event:?}\n"))?;
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
        r#"{"id":"r1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#,
        r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will"}}}"#,
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"t1","type":"function","function":{"name":"f","arguments":""}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":1}"}}}}}"#,
        r#"{"type":"tool-call-end","index":0}"#,
        r#"{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"t2","type":"function","function":{"name":"g","arguments":""}}}}}"#,
        r#"{"type":"tool-call-end","index":1}"#,
        r#"{"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}"#,
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"hm"}}}}"#,
        r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"Gr\u00fc"}}},"logprobs":{"text":"Gr","token_ids":[1],"logprobs":[-0.5]}}"#,
        r#"{"type":"content-end","index":1}"#,
        r#"{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":2,"text":"Gr","sources":[{"type":"document","id":"d","document":{"url":"https://a","title":"T"}}]}}}}"#,
        r#"{"type":"citation-end","index":0}"#,
        r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"billed_units":{"input_tokens":3,"output_tokens":4},"tokens":{"input_tokens":9.0,"output_tokens":4},"cached_tokens":2}}}"#,
        "[DONE]",
    ])
    .unwrap();
    has(
        &said,
        &[
            "Start { id: Some(Json(RawValue(\"r1\")))",
            "Thinking { choice: 0, text: Json(RawValue(\"I will\"))",
            "call: 0, id: Json(RawValue(\"t1\")), name: Json(RawValue(\"f\"))",
            "Arguments { choice: 0, call: 0",
            "call: 1, id: Json(RawValue(\"t2\"))",
            "Arguments { choice: 0, call: 1, json: Plain(\"{}\")",
            "Thinking { choice: 0, text: Json(RawValue(\"hm\"))",
            r#"text: Json(RawValue("Gr\u00fc"))"#,
            r#""token":"Gr","logprob":-0.5"#,
            "url_citation",
            "input: 7, cache_read: 2",
            "output: 4",
            "billed_units",
            "Stop { choice: 0, stop: Calls",
            "End",
        ],
    );
}

#[test]
fn a_plain_answer_says_the_same() {
    let said = whole(
        r#"{"id":"r1","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"hi"}],
            "citations":[{"start":0,"end":1,"text":"h","sources":[{"type":"tool","id":"t"}]}]},
            "logprobs":[{"text":"hi","token_ids":[1,2],"logprobs":[-0.5,-0.25]}],
            "usage":{"billed_units":{"input_tokens":3,"output_tokens":4}}}"#,
        200,
    )
    .unwrap();
    has(
        &said,
        &[
            "Start {",
            "hm",
            "hi",
            "\"start\":0",
            "\"logprob\":-0.75",
            "input: 3",
            "output: 4",
            "stop: End",
            "End",
        ],
    );
    let said = whole(
        r#"{"id":"r1","finish_reason":"TOOL_CALL","message":{"role":"assistant","tool_plan":"I will","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]}}"#,
        200,
    )
    .unwrap();
    has(&said, &["I will", "Call {", "Arguments {", "stop: Calls", "End"]);
}

#[test]
fn failures_have_a_status_and_a_message() {
    has(
        &whole(r#"{"id":"r","message":"invalid api token"}"#, 401).unwrap(),
        &["Failed { status: 401", "invalid api token"],
    );
    let end = |delta: &str| stream(&[&format!(r#"{{"type":"message-end","delta":{delta}}}"#)]).unwrap();
    has(&end(r#"{"finish_reason":"ERROR","error":"it broke"}"#), &["Failed { status: 500", "it broke"]);
    has(&end(r#"{"finish_reason":"TIMEOUT"}"#), &["Failed { status: 504", "TIMEOUT"]);
    has(
        &whole(r#"{"finish_reason":"ERROR","message":{"content":[]}}"#, 200).unwrap(),
        &["Failed { status: 500", "ERROR"],
    );
    assert!(!end(r#"{"finish_reason":"ERROR"}"#).contains("End"));
}

#[test]
fn reasons_to_stop() {
    for (reason, any_call, expected) in [
        ("COMPLETE", false, Stop::End),
        ("COMPLETE", true, Stop::Calls),
        ("STOP_SEQUENCE", true, Stop::Sequence),
        ("MAX_TOKENS", true, Stop::Length),
        ("TOOL_CALL", false, Stop::Calls),
        ("OF_NEXT_YEAR", false, Stop::End),
    ] {
        assert_eq!(stop(reason, any_call), expected, "{reason}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    for body in ["", "[]", "{}", r#"{"message":"x"}"#, r#"{"message":{"tool_calls":[{"id":"t"}]}}"#] {
        assert!(whole(body, 200).is_err(), "{body}");
    }
    for data in ["{", "[]", "1", "{}"] {
        assert!(stream(&[data]).is_err(), "{data}");
    }
}

proptest! {
    #[test]
    fn bytes_of_any_kind_give_pieces_or_an_error(data in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Reader::default().event(&data, &mut |_| ());
        let _ = Reader::default().whole(&data, 200, &mut |_| ());
    }
}
