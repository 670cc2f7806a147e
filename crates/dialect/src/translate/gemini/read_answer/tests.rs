use super::*;
use crate::translate::neutral::WriteAnswer;
use crate::translate::{AnswerOptions, Options, Unsupported, chat, gemini, messages};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What an event says, in a form to compare.
fn show(event: Event<'_>) -> Value {
    let json = |text: &Text<'_>| {
        assert!(matches!(text, Text::Json(_)) || text.is_empty(), "decoded: {text:?}");
        json!(text.decode())
    };
    let name = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.decode().into_owned());
    let value = |value: &RawValue| serde_json::from_str::<Value>(value.get()).unwrap();
    match event {
        Event::Start { id, model, rest: _ } => json!(["start", name(&id), name(&model)]),
        Event::Text { choice, text } => json!(["text", choice, json(&text)]),
        Event::Thinking { choice, text } => json!(["thinking", choice, json(&text)]),
        Event::Signature { choice, signature } => json!(["signature", choice, signature.decode()]),
        Event::Call { choice, call, id, name } => json!(["call", choice, call, id.decode(), name.decode()]),
        Event::Arguments { choice, call, json } => json!(["arguments", choice, call, json.decode()]),
        Event::Citation { choice, citation } => json!(["citation", choice, value(citation)]),
        Event::Logprobs { choice, logprobs } => json!(["logprobs", choice, value(logprobs)]),
        Event::Stop { choice, stop, sequence } => {
            assert!(sequence.is_none());
            json!(["stop", choice, format!("{stop:?}")])
        }
        Event::Usage(used) => json!(["usage", used.tokens.total_input(), used.tokens.total_output()]),
        Event::Failed { status, error, text, rest: _ } => {
            let mut out = Vec::new();
            error.write_rest(&mut out);
            json!(["failed", status, String::from_utf8(out).unwrap(), name(&text)])
        }
        Event::End => json!(["end"]),
        Event::Refusal { .. } | Event::SealedThinking { .. } | Event::Tier(_) => panic!("there are none"),
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

fn says(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}], "responseId": "R", "modelVersion": "M"})
}

fn stops(reason: &str, parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts}, "finishReason": reason}], "responseId": "R"})
}

fn last_stop(reason: &str, parts: Value) -> Value {
    let events = whole(stops(reason, parts));
    let events = events.as_array().unwrap();
    events[events.len() - 2][2].clone()
}

#[test]
fn a_plain_answer() {
    let events = whole(json!({
        "candidates": [{
            "content": {"role": "model", "parts": [
                {"text": "hm", "thought": true},
                {"text": "a\n"},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                {"executableCode": {"code": "1"}},
                {"text": "b"},
            ]},
            "finishReason": "STOP", "index": 0, "safetyRatings": [],
        }],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 10},
        "modelVersion": "gemini-2.5-flash", "responseId": "R",
    }));
    assert_eq!(
        events,
        json!([
            ["start", "R", "gemini-2.5-flash"],
            ["thinking", 0, "hm"],
            ["text", 0, "a\n"],
            ["text", 0, "b"],
            ["usage", 5, 5],
            ["stop", 0, "End"],
            ["end"],
        ])
    );
}

#[test]
fn a_stream_has_no_last_event() {
    let usage = json!({"promptTokenCount": 5, "candidatesTokenCount": 1});
    let mut first = says(json!([{"text": "a"}]));
    first["usageMetadata"] = usage.clone();
    let mut last = stops("MAX_TOKENS", json!([{"text": ""}]));
    last["usageMetadata"] = json!({"promptTokenCount": 5, "candidatesTokenCount": 2});
    assert_eq!(
        stream(&[
            first,
            json!(" "),
            says(json!([{"text": "b", "thought": false}])),
            last,
            json!({"usageMetadata": usage})
        ])
        .unwrap(),
        json!([
            ["start", "R", "M"],
            ["text", 0, "a"],
            ["usage", 5, 1],
            ["text", 0, "b"],
            ["usage", 5, 2],
            ["stop", 0, "Length"],
            ["usage", 5, 1],
        ])
    );
}

#[test]
fn several_choices_and_a_reason_with_every_event() {
    let chunk = |texts: [&str; 2]| {
        let candidate =
            |index: usize| json!({"content": {"parts": [{"text": texts[index]}]}, "finishReason": "STOP"});
        let mut second = candidate(1);
        second["index"] = json!(1);
        json!({"candidates": [candidate(0), second]})
    };
    assert_eq!(
        stream(&[chunk(["a", "b"]), chunk(["c", "d"])]).unwrap(),
        json!([
            ["start", null, null],
            ["text", 0, "a"],
            ["text", 1, "b"],
            ["stop", 0, "End"],
            ["stop", 1, "End"],
            ["text", 0, "c"],
            ["text", 1, "d"],
        ])
    );
}

#[test]
fn calls_in_parallel_over_several_events() {
    let events = stream(&[
        says(json!([
            {"text": "so", "thought": true},
            {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}, "thoughtSignature": "S+/="},
            {"functionCall": {"name": "g"}},
        ])),
        stops("STOP", json!([{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {}}])),
    ])
    .unwrap();
    assert_eq!(
        events,
        json!([
            ["start", "R", "M"],
            ["thinking", 0, "so"],
            ["thinking", 0, ""],
            ["signature", 0, "gemini:0:S+/="],
            ["call", 0, 0, "c1", "f"],
            ["arguments", 0, 0, "{\"a\":1}"],
            ["call", 0, 1, "call_R_1", "g"],
            ["arguments", 0, 1, "{}"],
            ["call", 0, 2, "call_R_2", "f"],
            ["arguments", 0, 2, "{}"],
            ["stop", 0, "Calls"],
        ])
    );
}

#[test]
fn calls_without_any_id_still_differ() {
    let id = |args: Value| {
        let call = json!({"functionCall": {"name": "f", "args": args}});
        let events =
            whole(json!({"candidates": [{"content": {"parts": [call, call]}, "finishReason": "STOP"}]}));
        (events[1][3].as_str().unwrap().to_owned(), events[3][3].as_str().unwrap().to_owned())
    };
    let (first, second) = id(json!({"a": 1}));
    assert!(first.starts_with("call_") && first != second);
    assert_ne!(first, id(json!({"a": 2})).0);
}

#[test]
fn signatures_of_texts_and_thoughts() {
    let events = whole(stops(
        "STOP",
        json!([
            {"text": "t", "thought": true, "thoughtSignature": "A"},
            {"text": "a"},
            {"text": "", "thoughtSignature": "B"},
        ]),
    ));
    assert_eq!(
        events,
        json!([
            ["start", "R", null],
            ["thinking", 0, "t"],
            ["thinking", 0, ""],
            ["signature", 0, "gemini:thought:A"],
            ["text", 0, "a"],
            ["thinking", 0, ""],
            ["signature", 0, "gemini:text:B"],
            ["stop", 0, "End"],
            ["end"],
        ])
    );
}

#[test]
fn reasons_to_stop() {
    for reason in [
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
    ] {
        assert_eq!(last_stop(reason, json!([])), "Refused", "{reason}");
    }
    assert_eq!(last_stop("MAX_TOKENS", json!([{"functionCall": {"name": "f"}}])), "Length");
    for reason in ["STOP", "FINISH_REASON_UNSPECIFIED", "OTHER", "MALFORMED_FUNCTION_CALL", "OF_NEXT_YEAR"] {
        assert_eq!(last_stop(reason, json!([])), "End", "{reason}");
        assert_eq!(last_stop(reason, json!([{"functionCall": {"name": "f"}}])), "Calls", "{reason}");
    }
}

#[test]
fn a_prompt_that_is_blocked() {
    let blocked = json!({
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 4}, "modelVersion": "M",
    });
    let events = json!([["start", null, "M"], ["usage", 4, 0], ["stop", 0, "Refused"]]);
    assert_eq!(stream(std::slice::from_ref(&blocked)).unwrap(), events);
    assert_eq!(stream(&[blocked.clone(), json!({"usageMetadata": "odd"}), blocked]).unwrap()[4], Value::Null);
    let whole = whole(json!({"promptFeedback": {"blockReason": "OTHER"}}));
    assert_eq!(whole, json!([["start", null, null], ["stop", 0, "Refused"], ["end"]]));
}

#[test]
fn an_answer_that_says_nothing_is_one() {
    let events = whole(json!({"usageMetadata": {"promptTokenCount": 4}, "responseId": "R"}));
    assert_eq!(events, json!([["start", "R", null], ["usage", 4, 0], ["stop", 0, "End"], ["end"]]));
    let events = whole(json!({"candidates": [{"finishReason": "STOP", "content": {}}]}));
    assert_eq!(events, json!([["start", null, null], ["stop", 0, "End"], ["end"]]));
    assert_eq!(stream(&[json!({})]).unwrap(), json!([]));
}

#[test]
fn pages_are_cited_once() {
    let grounded = |pages: Value| {
        let mut answer = stops("STOP", json!([{"text": "a"}]));
        answer["candidates"][0]["groundingMetadata"] =
            json!({"groundingChunks": pages, "webSearchQueries": ["q"]});
        answer
    };
    let first = json!({"web": {"uri": "https://a", "title": "A"}});
    let pages = json!([first, {"web": {"uri": "https://b"}}, {"maps": {}}, {"web": {"title": "x"}}, 7]);
    let events = stream(&[grounded(json!([first])), grounded(pages)]).unwrap();
    let citations: Vec<&Value> = events
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event[0] == "citation")
        .map(|event| &event[2])
        .collect();
    assert_eq!(
        citations,
        [
            &json!({"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}),
            &json!({"type": "url_citation", "url_citation": {"url": "https://b"}}),
        ]
    );
}

#[test]
fn logprobs_are_in_openais_form() {
    let mut answer = stops("STOP", json!([{"text": "aé"}]));
    answer["candidates"][0]["logprobsResult"] = json!({
        "chosenCandidates": [{"token": "a", "tokenId": 1, "logProbability": -0.5}, {"token": "é"}],
        "topCandidates": [{"candidates": [{"token": "a", "logProbability": -0.5}, {"token": "b", "logProbability": -1.5}]}],
    });
    assert_eq!(
        whole(answer)[2],
        json!(["logprobs", 0, {"refusal": null, "content": [
            {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [
                {"token": "a", "logprob": -0.5, "bytes": [97]},
                {"token": "b", "logprob": -1.5, "bytes": [98]},
            ]},
            {"token": "é", "logprob": 0.0, "bytes": [195, 169], "top_logprobs": []},
        ]}])
    );
    for odd in [
        json!(7),
        json!({"chosenCandidates": [7]}),
        json!({"chosenCandidates": [{"logProbability": {"a": 1}}]}),
    ] {
        let mut answer = stops("STOP", json!([]));
        answer["candidates"][0]["logprobsResult"] = odd;
        whole(answer);
    }
}

#[test]
fn errors() {
    let error = json!({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}});
    let fields = r#","code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED""#;
    let failed = json!([["failed", 429, fields, null], ["end"]]);
    for body in [error.clone(), json!([error])] {
        assert_eq!(whole_with(429, body.to_string().as_bytes()).unwrap(), failed);
        assert_eq!(whole(body.clone()), failed);
        // In the middle of a stream.
        let events = stream(&[says(json!([{"text": "a"}])), body]).unwrap();
        assert_eq!(events, json!([["start", "R", "M"], ["text", 0, "a"], ["failed", 429, fields, null]]));
    }
    for (body, text) in [
        ("<html>", "<html>"),
        ("", "the provider answered with status 502"),
        (r#"{"error":"no"}"#, "no"),
        (r#"{"message":"no"}"#, "no"),
        ("[]", "[]"),
        ("\u{ff}", "\u{ff}"),
    ] {
        let events = whole_with(502, body.as_bytes()).unwrap();
        assert_eq!(events, json!([["failed", 502, "", text], ["end"]]), "{body}");
    }
    assert_eq!(whole(json!({"error": "no"}))[0], json!(["failed", 500, "", "no"]));
    assert_eq!(whole(json!({"error": {"message": "m"}}))[0][1], 500);
}

#[test]
fn what_the_api_does_not_define_is_a_fault() {
    for body in ["", "{", "[]", "[7]", "7", "{}", r#"{"candidates":7}"#, r#"{"candidates":[{"index":-1}]}"#] {
        whole_with(200, body.as_bytes()).unwrap_err();
    }
    let far = json!({"candidates": [{"index": 0, "content": {"parts": [{"text": "a"}]}}, {"index": 128}]});
    assert!(stream(&[far]).unwrap_err().to_string().contains("more choices"));
    assert!(Reader::default().event(b"\xff", &mut |_| {}).is_err());
}

/// An answer that goes to a client and comes back with the next request, by either dialect and in either form.
#[test]
fn what_is_signed_comes_back_signed() {
    let said = json!([
        {"text": "so", "thought": true},
        {"text": "I'll look."},
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "c1"}, "thoughtSignature": "S0=="},
        {"functionCall": {"name": "g", "args": {}, "id": "c2"}},
        {"functionCall": {"name": "h", "args": {}, "id": "c3"}, "thoughtSignature": "S2"},
    ]);
    let expected: Vec<Value> = said.as_array().unwrap()[1..].to_vec();
    let answer = |mut writer: Box<dyn WriteAnswer>| -> Value {
        let mut out = Vec::new();
        let body = stops("STOP", said.clone()).to_string();
        Reader::default().whole(body.as_bytes(), 200, &mut |event| writer.event(event, &mut out)).unwrap();
        serde_json::from_slice(&out).unwrap()
    };
    let options = AnswerOptions {
        status: 200,
        is_event_stream: false,
        include_usage: false,
        created: 0,
        model: "m".to_owned(),
        id: String::new(),
        served: String::new(),
        limit: 1000,
    };
    let request = Options {
        model: "gemini-3-flash-preview",
        unsupported: Unsupported::Reject,
        default_max_tokens: 1,
        output_cap: None,
        older_cap_field: false,
        betas: "",
        stream: false,
    };
    let back = |request: Result<crate::translate::Request, Error>| -> Value {
        let body: Value = serde_json::from_slice(&request.unwrap().body).unwrap();
        body["contents"][0]["parts"].clone()
    };

    let message = answer(chat::write_answer::writer(&options))["choices"][0]["message"].take();
    let body = json!({"model": "m", "messages": [message]}).to_string();
    let parts =
        back(gemini::write_request::write(chat::read_request::read(body.as_bytes()).unwrap(), &request));
    assert_eq!(parts, json!(expected));

    let content = answer(messages::write_answer::writer(&options))["content"].take();
    let body =
        json!({"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": content}]})
            .to_string();
    let parts =
        back(gemini::write_request::write(messages::read_request::read(body.as_bytes()).unwrap(), &request));
    assert_eq!(parts, json!(expected));
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), status in 100u16..600) {
        let _ = whole_with(status, &bytes);
        let _ = Reader::default().event(&bytes, &mut |_| {});
    }

    #[test]
    fn answers_with_anything_in_them(text in ".{0,20}", number in any::<i64>(), depth in 0usize..6) {
        let odd = [json!(text), json!(number), json!([text]), json!({&text: number}), Value::Null, json!(true)];
        let odd = &odd[depth];
        for body in [
            json!({"candidates": odd, "usageMetadata": odd}),
            json!({"candidates": [{"content": odd, "finishReason": odd, "groundingMetadata": odd}], "responseId": odd}),
            json!({"candidates": [{"content": {"parts": odd}, "logprobsResult": odd}], "promptFeedback": odd}),
            json!({"candidates": [{"content": {"parts": [{"text": odd, "thought": odd, "thoughtSignature": odd}]}}]}),
            json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": odd, "args": odd, "id": odd}}]}}]}),
            json!({"error": odd}),
        ] {
            let _ = whole_with(200, body.to_string().as_bytes());
            let _ = stream(&[body.clone(), body]);
        }
    }
}
