use super::*;
use crate::translate::neutral::WriteAnswer;
use crate::translate::{AnswerOptions, chat, messages};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What an event says, in a form to compare.
fn show(event: Event<'_>) -> Value {
    let value = |value: &RawValue| serde_json::from_str::<Value>(value.get()).unwrap();
    match event {
        Event::Start { id, model, rest: _ } => {
            json!([
                "start",
                id.map(|id| id.decode().into_owned()),
                model.map(|model| model.decode().into_owned())
            ])
        }
        Event::Text { text, .. } => json!(["text", text.decode()]),
        Event::Refusal { text, .. } => json!(["refusal", text.decode()]),
        Event::Thinking { text, .. } => json!(["thinking", text.decode()]),
        Event::Signature { signature, .. } => json!(["signature", signature.decode()]),
        Event::Call { call, id, name, .. } => json!(["call", call, id.decode(), name.decode()]),
        Event::Arguments { call, json, .. } => json!(["arguments", call, json.decode()]),
        Event::Citation { citation, .. } => json!(["citation", value(citation)]),
        Event::Logprobs { logprobs, .. } => json!(["logprobs", value(logprobs)]),
        Event::Stop { stop, .. } => json!(["stop", format!("{stop:?}")]),
        Event::Usage(used) => json!(["usage", used.tokens.total_input(), used.tokens.total_output()]),
        Event::Tier(tier) => json!(["tier", tier.decode()]),
        Event::Failed { status, error, text, .. } => {
            let message = error.get("message").and_then(raw::string).map(Cow::into_owned);
            json!(["failed", status, message.or(text.map(|text| text.decode().into_owned()))])
        }
        Event::End => json!(["end"]),
        Event::SealedThinking { .. } => panic!("there is none"),
    }
}

fn stream(events: &[Value]) -> Result<Vec<Value>, Error> {
    let mut reader = Reader::default();
    let mut shown = Vec::new();
    for event in events {
        let before = shown.len();
        let result = reader.event(event.to_string().as_bytes(), &mut |event| shown.push(show(event)));
        assert!(result.is_ok() || shown.len() == before);
        result?;
    }
    Ok(shown)
}

fn whole_with(status: u16, body: &Value) -> Result<Vec<Value>, Error> {
    let mut events = Vec::new();
    let result =
        Reader::default().whole(body.to_string().as_bytes(), status, &mut |event| events.push(show(event)));
    assert!(result.is_ok() || events.is_empty());
    result.map(|()| events)
}

/// All that is said, with neighbours of one kind put together.
fn said(events: &[Value]) -> Vec<Value> {
    let mut said: Vec<Value> = Vec::new();
    for event in events {
        let kind = event[0].as_str().unwrap();
        if matches!(kind, "text" | "thinking" | "refusal") {
            if event[1] == "" {
                continue;
            }
            if let Some(last) = said.last_mut().filter(|last| last[0] == event[0]) {
                last[1] = json!(format!("{}{}", last[1].as_str().unwrap(), event[1].as_str().unwrap()));
                continue;
            }
        }
        said.push(event.clone());
    }
    said
}

fn reasoning() -> Value {
    json!({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "so"}], "encrypted_content": "gA"})
}

fn message() -> Value {
    let page =
        json!({"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2});
    json!({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [
        {"type": "output_text", "text": "Hello", "annotations": [page], "logprobs": [{"token": "Hello", "logprob": -0.5}]}]})
}

fn call() -> Value {
    json!({"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"})
}

fn response() -> Value {
    json!({"id": "resp_1", "object": "response", "model": "m", "status": "completed", "error": null, "incomplete_details": null,
        "output": [reasoning(), message(), {"type": "web_search_call", "id": "ws_1"}, call()], "service_tier": "flex",
        "usage": {"input_tokens": 9, "output_tokens": 4}})
}

fn expected() -> Vec<Value> {
    vec![
        json!(["start", "resp_1", "m"]),
        json!(["thinking", "hm\n\nso"]),
        json!(["signature", "openai:rs_1:gA"]),
        json!(["text", "Hello"]),
        json!(["citation", {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 2}}]),
        json!(["logprobs", {"content": [{"token": "Hello", "logprob": -0.5}], "refusal": null}]),
        json!(["call", 0, "c1", "f"]),
        json!(["arguments", 0, "{\"a\":1}"]),
        json!(["usage", 9, 4]),
        json!(["tier", "flex"]),
        json!(["stop", "Calls"]),
        json!(["end"]),
    ]
}

/// The official stream of that answer. The number says what of it each text is told by.
fn events() -> Vec<Value> {
    let added = |number: u64, item: Value| json!({"type": "response.output_item.added", "output_index": number, "item": item});
    let done = |number: u64, item: Value| json!({"type": "response.output_item.done", "output_index": number, "item": item});
    let said = |kind: &str, number: u64, more: Value| {
        let mut event = json!({"type": kind, "output_index": number});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let page = message()["content"][0]["annotations"][0].clone();
    vec![
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "status": "in_progress", "usage": null}}),
        json!({"type": "response.in_progress", "response": {"id": "resp_1", "model": "m"}}),
        added(0, json!({"id": "rs_1", "type": "reasoning", "summary": []})),
        said(
            "response.reasoning_summary_part.added",
            0,
            json!({"summary_index": 0, "part": {"type": "summary_text", "text": ""}}),
        ),
        said("response.reasoning_summary_text.delta", 0, json!({"summary_index": 0, "delta": "h"})),
        said("response.reasoning_summary_text.delta", 0, json!({"summary_index": 0, "delta": "m"})),
        said("response.reasoning_summary_text.done", 0, json!({"summary_index": 0, "text": "hm"})),
        said("response.reasoning_summary_text.delta", 0, json!({"summary_index": 1, "delta": "so"})),
        said("response.reasoning_summary_text.done", 0, json!({"summary_index": 1, "text": "so"})),
        done(0, reasoning()),
        added(1, json!({"id": "msg_1", "type": "message", "content": []})),
        said(
            "response.content_part.added",
            1,
            json!({"content_index": 0, "part": {"type": "output_text", "text": ""}}),
        ),
        said("response.output_text.delta", 1, json!({"content_index": 0, "delta": "Hel", "logprobs": []})),
        said("response.output_text.delta", 1, json!({"content_index": 0, "delta": "lo", "logprobs": []})),
        said("response.output_text.annotation.added", 1, json!({"content_index": 0, "annotation": page})),
        said(
            "response.output_text.done",
            1,
            json!({"content_index": 0, "text": "Hello", "logprobs": [{"token": "Hello", "logprob": -0.5}]}),
        ),
        said("response.content_part.done", 1, json!({"content_index": 0, "part": message()["content"][0]})),
        done(1, message()),
        added(2, json!({"type": "web_search_call", "id": "ws_1"})),
        done(2, json!({"type": "web_search_call", "id": "ws_1"})),
        added(
            3,
            json!({"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "f", "arguments": ""}),
        ),
        said("response.function_call_arguments.delta", 3, json!({"delta": "{\"a\""})),
        said("response.function_call_arguments.delta", 3, json!({"delta": ":1}"})),
        said("response.function_call_arguments.done", 3, json!({"arguments": "{\"a\":1}"})),
        done(3, call()),
        json!({"type": "response.completed", "response": response()}),
    ]
}

/// The same with the arguments of a call in one piece.
fn joined(events: &[Value]) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for event in said(events) {
        let last = joined.last_mut().filter(|last| last[0] == "arguments" && event[0] == "arguments");
        match last {
            Some(last) => {
                last[2] = json!(format!("{}{}", last[2].as_str().unwrap(), event[2].as_str().unwrap()))
            }
            None => joined.push(event),
        }
    }
    joined
}

#[test]
fn a_plain_answer_is_read() {
    assert_eq!(said(&whole_with(200, &response()).unwrap()), expected());
}

#[test]
fn a_stream_says_what_the_plain_answer_says() {
    assert_eq!(joined(&stream(&events()).unwrap()), expected());
}

#[test]
fn a_text_is_told_once_however_the_server_tells_it() {
    let leave_out = |kinds: &[&str]| -> Vec<Value> {
        let is_told =
            |event: &Value| !kinds.iter().any(|kind| event["type"].as_str().unwrap().ends_with(kind));
        let told: Vec<Value> = events().into_iter().filter(is_told).collect();
        let mut told = joined(&stream(&told).unwrap());
        told.sort_by_key(ToString::to_string);
        told
    };
    let mut expected = expected();
    expected.sort_by_key(ToString::to_string);
    for kinds in [
        vec![],
        vec![".delta"],
        vec![".delta", "text.done", "arguments.done"],
        vec!["part.added", "part.done"],
        vec!["item.done"],
        vec!["text.done", "arguments.done", "part.done", "item.done"],
        vec![".delta", ".added", ".done"],
        vec![".delta", ".added", ".done", ".created", ".in_progress"],
    ] {
        assert_eq!(leave_out(&kinds), expected, "without {kinds:?}");
    }
}

#[test]
fn items_of_one_number_are_told_apart_by_their_ids() {
    let mut told = events();
    for event in &mut told {
        if event.get("output_index").is_some() {
            event["output_index"] = json!(0);
        }
    }
    assert_eq!(joined(&stream(&told).unwrap()), expected());
}

#[test]
fn the_thinking_of_open_models_is_thinking() {
    let item = json!({"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    let told = stream(&[
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "hm"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
    ]);
    assert_eq!(said(&told.unwrap()), [json!(["start", null, null]), json!(["thinking", "hm"])]);
}

#[test]
fn a_call_without_arguments_has_empty_ones() {
    let item = json!({"id": "fc_1", "type": "function_call", "call_id": "c", "name": "f", "arguments": ""});
    let told = stream(&[
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": {"output": []}}),
    ]);
    assert!(told.unwrap().contains(&json!(["arguments", 0, "{}"])));
}

#[test]
fn the_end_has_a_reason() {
    for (status, details, stop) in [
        ("completed", json!(null), "End"),
        ("incomplete", json!({"reason": "max_output_tokens"}), "Length"),
        ("incomplete", json!({"reason": "content_filter"}), "Refused"),
        ("incomplete", json!(null), "Length"),
    ] {
        let mut answer = response();
        answer["output"] = json!([message()]);
        answer["status"] = json!(status);
        answer["incomplete_details"] = details;
        let told = whole_with(200, &answer).unwrap();
        assert!(told.contains(&json!(["stop", stop])), "{told:?}");
        let told = stream(&[json!({"type": format!("response.{status}"), "response": answer})]).unwrap();
        assert!(told.contains(&json!(["stop", stop])), "{told:?}");
    }
    let refusal = json!({"type": "message", "content": [{"type": "refusal", "refusal": "no"}]});
    let told = whole_with(200, &json!({"output": [refusal]})).unwrap();
    assert!(told.contains(&json!(["refusal", "no"])), "{told:?}");
}

#[test]
fn failures_have_the_status_that_they_would_have_had() {
    let error = |code: &str| json!({"code": code, "message": "oh"});
    for (event, status) in [
        (
            json!({"type": "error", "code": "server_error", "message": "oh", "param": null, "sequence_number": 3}),
            500,
        ),
        (
            json!({"type": "error", "error": {"type": "invalid_request_error", "code": "x", "message": "oh"}}),
            400,
        ),
        (json!({"error": {"type": "rate_limit_error", "message": "oh"}}), 429),
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": error("rate_limit_exceeded")}}),
            429,
        ),
        (
            json!({"type": "response.failed", "response": {"status": "failed", "error": error("image_too_large")}}),
            400,
        ),
    ] {
        let told = stream(&[event]).unwrap();
        assert!(told.contains(&json!(["failed", status, "oh"])), "{told:?}");
    }
    let told =
        whole_with(200, &json!({"status": "failed", "error": error("server_error"), "output": []})).unwrap();
    assert_eq!(told, [json!(["failed", 500, "oh"]), json!(["end"])]);
    let told = whole_with(429, &json!({"error": {"message": "slow"}})).unwrap();
    assert_eq!(told, [json!(["failed", 429, "slow"]), json!(["end"])]);
}

#[test]
fn what_is_no_answer_is_an_error() {
    for body in [json!([]), json!({}), json!({"output": 1}), json!({"status": "queued", "output": []})] {
        assert!(whole_with(200, &body).is_err(), "{body}");
    }
    for event in [
        json!([1]),
        json!({}),
        json!({"type": "response.completed"}),
        json!({"type": "x", "output_index": -1}),
    ] {
        assert!(stream(std::slice::from_ref(&event)).is_err(), "{event}");
    }
    let many: Vec<Value> = (0..2000)
        .map(|number| json!({"type": "response.output_item.added", "output_index": number, "item": {"type": "message"}}))
        .collect();
    assert!(stream(&many).is_err());
}

/// What a client of another dialect sends back makes the item that it was.
#[test]
fn what_was_thought_comes_back_as_it_was() {
    let options = AnswerOptions {
        status: 200,
        is_event_stream: false,
        include_usage: true,
        created: 1,
        model: String::new(),
        id: String::new(),
        served: String::new(),
        limit: 1 << 20,
    };
    let answer = |mut writer: Box<dyn WriteAnswer>| -> Value {
        let mut out = Vec::new();
        let body = response().to_string();
        Reader::default().whole(body.as_bytes(), 200, &mut |event| writer.event(event, &mut out)).unwrap();
        serde_json::from_slice(&out).unwrap()
    };
    let request = |read: Result<crate::translate::neutral::Request<'_>, Error>| -> Value {
        let options = crate::translate::Options {
            model: "gpt-5.1",
            unsupported: crate::translate::Unsupported::Reject,
            default_max_tokens: 9,
            output_cap: None,
            older_cap_field: false,
            betas: "",
            stream: false,
        };
        let body = super::super::write_request::write(read.unwrap(), &options).unwrap().body;
        serde_json::from_slice::<Value>(&body).unwrap()["input"].clone()
    };
    let thought = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm\n\nso"}], "encrypted_content": "gA"});
    let chat = answer(chat::write_answer::writer(&options));
    let body =
        json!({"messages": [{"role": "user", "content": "q"}, chat["choices"][0]["message"]]}).to_string();
    assert_eq!(request(chat::read_request::read(body.as_bytes()))[1], thought);
    let anthropic = answer(messages::write_answer::writer(&options));
    let turn = json!({"role": "assistant", "content": anthropic["content"]});
    let body = json!({"max_tokens": 100, "messages": [{"role": "user", "content": "q"}, turn]}).to_string();
    assert_eq!(request(messages::read_request::read(body.as_bytes()))[1], thought);
}

proptest! {
    #[test]
    fn bytes_of_any_kind_give_pieces_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Reader::default().whole(&bytes, 200, &mut |_| {});
        let _ = Reader::default().event(&bytes, &mut |_| {});
    }

    #[test]
    fn events_in_any_order_tell_no_text_twice(order in Just(events()).prop_shuffle()) {
        let told = stream(&order).unwrap();
        let of = |kind: &str| -> usize { told.iter().filter(|event| event[0] == kind).count() };
        prop_assert!(of("end") == 1 && of("stop") == 1 && of("start") == 1 && of("call") <= 1);
    }
}
