use super::*;
use crate::sse;
use crate::translate::neutral::Used;
use crate::usage::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

fn options(is_event_stream: bool) -> AnswerOptions {
    AnswerOptions {
        status: 200,
        is_event_stream,
        include_usage: true,
        created: 1_760_000_000,
        model: String::new(),
        id: String::new(),
        served: String::new(),
        limit: 1 << 20,
    }
}

fn write(is_event_stream: bool, events: impl FnOnce(&mut dyn FnMut(Event<'_>))) -> Vec<u8> {
    let mut writer = writer(&options(is_event_stream));
    let mut out = Vec::new();
    events(&mut |event| writer.event(event, &mut out));
    out
}

fn whole(events: impl FnOnce(&mut dyn FnMut(Event<'_>))) -> Value {
    serde_json::from_slice(&write(false, events)).unwrap()
}

/// The events of a stream, whose names and numbers are as they should be.
fn stream(events: impl FnOnce(&mut dyn FnMut(Event<'_>))) -> Vec<Value> {
    let out = String::from_utf8(write(true, events)).unwrap();
    let events = out.split_inclusive("\n\n").enumerate().map(|(number, event)| {
        let data: Value = serde_json::from_slice(&sse::parse(event.as_bytes()).data).unwrap();
        assert!(event.starts_with(&format!("event: {}\n", data["type"].as_str().unwrap())), "{event}");
        assert_eq!(data["sequence_number"], json!(number), "{event}");
        data
    });
    events.collect()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn start(to: &mut dyn FnMut(Event<'_>)) {
    to(Event::Start { id: Some("msg_01".into()), model: Some("m".into()), rest: Object::default() });
}

fn everything(to: &mut dyn FnMut(Event<'_>)) {
    let choice = 0;
    start(to);
    to(Event::Thinking { choice, text: "h".into() });
    to(Event::Thinking { choice, text: "m".into() });
    to(Event::Signature { choice, signature: "Eq\"".into() });
    to(Event::SealedThinking { choice, data: "Dd".into() });
    to(Event::Text { choice, text: "".into() });
    to(Event::Text { choice, text: "Hel".into() });
    to(Event::Logprobs {
        choice,
        logprobs: &raw(
            r#"{"content":[{"token":"Hel","logprob":-1,"bytes":[],"top_logprobs":[]}],"refusal":null}"#,
        ),
    });
    to(Event::Text { choice, text: "lo".into() });
    to(Event::Citation {
        choice,
        citation: &raw(r#"{"type":"url_citation","url_citation":{"url":"https://a","title":"A"}}"#),
    });
    to(Event::Refusal { choice, text: "no".into() });
    to(Event::Call { choice, call: 0, id: "c1".into(), name: "f".into() });
    to(Event::Arguments { choice, call: 0, json: "{\"a\"".into() });
    to(Event::Call { choice, call: 1, id: "c2".into(), name: "g".into() });
    to(Event::Arguments { choice, call: 0, json: ":1}".into() });
    let tokens = Usage { input: 9, cache_read: 2, output: 3, reasoning: 1, ..Usage::default() };
    to(Event::Usage(Used::from(tokens)));
    to(Event::Tier("standard".into()));
    to(Event::Stop { choice, stop: Stop::Calls, sequence: None });
    to(Event::End);
}

#[test]
fn a_plain_answer_has_all_its_items() {
    let answer = whole(everything);
    assert_eq!(
        answer["output"],
        json!([
            {"id": "rs_msg_01_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "signature:Eq\""},
            {"id": "rs_msg_01_1", "type": "reasoning", "summary": [], "encrypted_content": "sealed:Dd"},
            {"id": "msg_msg_01_2", "type": "message", "status": "completed", "role": "assistant", "content": [
                {"type": "output_text", "text": "Hello", "logprobs": [{"token": "Hel", "logprob": -1, "bytes": [], "top_logprobs": []}],
                    "annotations": [{"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 0}]},
                {"type": "refusal", "refusal": "no"},
            ]},
            {"id": "fc_msg_01_3", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
            {"id": "fc_msg_01_4", "type": "function_call", "status": "completed", "call_id": "c2", "name": "g", "arguments": "{}"},
        ])
    );
    assert_eq!(
        answer["usage"],
        json!({"input_tokens": 11, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
            "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 15})
    );
    for (name, value) in [
        ("id", json!("msg_01")),
        ("object", json!("response")),
        ("created_at", json!(1_760_000_000)),
        ("status", json!("completed")),
        ("model", json!("m")),
        ("error", json!(null)),
        ("incomplete_details", json!(null)),
        ("service_tier", json!("default")),
        ("tools", json!([])),
    ] {
        assert_eq!(answer[name], value, "{name}");
    }
}

#[test]
fn a_stream_ends_with_the_plain_answer() {
    let events = stream(everything);
    let names: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.output_item.done",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.annotation.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.content_part.added",
            "response.refusal.delta",
            "response.refusal.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let whole = whole(everything);
    assert_eq!(events.last().unwrap()["response"], whole);
    let done: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "response.output_item.done").collect();
    for event in done {
        let number = usize::try_from(event["output_index"].as_u64().unwrap()).unwrap();
        assert_eq!(event["item"], whole["output"][number]);
    }
    assert_eq!(events[0]["response"]["usage"], json!(null));
    let annotation = &events[16];
    assert_eq!(
        (&annotation["annotation"]["url"], &annotation["annotation_index"]),
        (&json!("https://a"), &json!(0))
    );
    assert_eq!(events[14]["logprobs"][0]["token"], "Hel");
}

#[test]
fn an_answer_that_was_cut_says_why() {
    for (stop, reason) in [(Stop::Length, "max_output_tokens"), (Stop::Refused, "content_filter")] {
        let cut = |to: &mut dyn FnMut(Event<'_>)| {
            start(to);
            to(Event::Text { choice: 0, text: "Hel".into() });
            to(Event::Stop { choice: 0, stop, sequence: None });
            to(Event::End);
        };
        let answer = whole(cut);
        assert_eq!(
            (&answer["status"], &answer["incomplete_details"]["reason"]),
            (&json!("incomplete"), &json!(reason))
        );
        assert_eq!(answer["output"][0]["status"], "incomplete");
        assert_eq!(stream(cut).last().unwrap()["type"], "response.incomplete");
    }
}

#[test]
fn a_failure_is_told_in_both_forms() {
    let fail = |to: &mut dyn FnMut(Event<'_>)| {
        start(to);
        to(Event::Text { choice: 0, text: "Hel".into() });
        let error = raw(r#"{"type":"overloaded_error","code":"busy","message":"too busy"}"#);
        let error = Object::open(&error).unwrap();
        to(Event::Failed { status: 529, error, text: None, rest: Object::default() });
        to(Event::End);
    };
    let events = stream(fail);
    let [.., error, failed] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (&error["type"], &error["code"], &error["message"]),
        (&json!("error"), &json!("busy"), &json!("too busy"))
    );
    assert_eq!(
        (&failed["type"], &failed["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    assert_eq!(failed["response"]["error"], json!({"code": "server_error", "message": "too busy"}));
    let answer = whole(|to| {
        to(Event::Failed {
            status: 429,
            error: Object::default(),
            text: Some("slow".into()),
            rest: Object::default(),
        });
        to(Event::End);
    });
    assert_eq!(
        (&answer["error"]["message"], &answer["error"]["type"]),
        (&json!("slow"), &json!("rate_limit_error"))
    );
}

#[test]
fn a_long_id_is_not_repeated() {
    let answer = whole(|to| {
        to(Event::Start { id: Some("a b".repeat(100).into()), model: None, rest: Object::default() });
        to(Event::Text { choice: 0, text: "x".into() });
        to(Event::End);
    });
    assert_eq!(answer["id"].as_str().unwrap().len(), 300);
    assert!(answer["output"][0]["id"].as_str().unwrap().len() < 30);
}

#[test]
fn fields_that_only_the_provider_has_are_kept_in_a_plain_answer() {
    let rest = raw(r#"{"output":1,"context":{"a":1}}"#);
    let answer = whole(|to| {
        to(Event::Start { id: None, model: None, rest: Object::open(&rest).unwrap() });
        to(Event::End);
    });
    assert_eq!((&answer["context"], &answer["output"]), (&json!({"a": 1}), &json!([])));
}

/// What a model may say next, in any order.
#[derive(Clone, Debug)]
enum Next {
    Text(String),
    Refusal(String),
    Thinking(String),
    Signature(String),
    Sealed(String),
    Call(u32),
    Arguments(u32, String),
    Citation,
    Logprobs,
}

fn next() -> impl Strategy<Value = Next> {
    prop_oneof![
        4 => "\\PC{0,4}".prop_map(Next::Text),
        1 => "\\PC{0,4}".prop_map(Next::Refusal),
        2 => "\\PC{0,4}".prop_map(Next::Thinking),
        1 => "\\PC{1,4}".prop_map(Next::Signature),
        1 => "\\PC{1,4}".prop_map(Next::Sealed),
        2 => (0..4u32).prop_map(Next::Call),
        3 => (0..4u32, "[{}\"a:1\\\\]{0,4}").prop_map(|(call, json)| Next::Arguments(call, json)),
        1 => Just(Next::Citation),
        1 => Just(Next::Logprobs),
    ]
}

fn tell(all: &[Next], to: &mut dyn FnMut(Event<'_>)) {
    let choice = 0;
    start(to);
    for next in all {
        match next {
            Next::Text(text) => to(Event::Text { choice, text: text.as_str().into() }),
            Next::Refusal(text) => to(Event::Refusal { choice, text: text.as_str().into() }),
            Next::Thinking(text) => to(Event::Thinking { choice, text: text.as_str().into() }),
            Next::Signature(text) => to(Event::Signature { choice, signature: text.as_str().into() }),
            Next::Sealed(text) => to(Event::SealedThinking { choice, data: text.as_str().into() }),
            Next::Call(call) => to(Event::Call { choice, call: *call, id: "c".into(), name: "f".into() }),
            Next::Arguments(call, json) => {
                to(Event::Arguments { choice, call: *call, json: json.as_str().into() });
            }
            Next::Citation => to(Event::Citation { choice, citation: &raw(r#"{"type":"page","url":"u"}"#) }),
            Next::Logprobs => {
                to(Event::Logprobs { choice, logprobs: &raw(r#"{"content":[{"token":"a"}]}"#) })
            }
        }
    }
    to(Event::Stop { choice, stop: Stop::End, sequence: None });
    to(Event::End);
}

proptest! {
    /// Whatever a model says, a stream ends with the plain answer, and its pieces are what its items hold.
    #[test]
    fn a_stream_and_a_plain_answer_say_the_same(all in prop::collection::vec(next(), 0..20)) {
        let whole = whole(|to| tell(&all, to));
        let events = stream(|to| tell(&all, to));
        prop_assert_eq!(&events.last().unwrap()["response"], &whole);
        let items = whole["output"].as_array().unwrap();
        let mut done = vec![0; items.len()];
        let mut texts = vec![String::new(); items.len()];
        let mut open = vec![false; items.len()];
        for event in &events {
            let Some(number) = event["output_index"].as_u64().map(|number| usize::try_from(number).unwrap()) else { continue };
            match event["type"].as_str().unwrap() {
                "response.output_item.added" => open[number] = true,
                "response.output_item.done" => {
                    done[number] += 1;
                    open[number] = false;
                    prop_assert_eq!(&event["item"], &items[number]);
                }
                _ => {
                    prop_assert!(open[number]);
                    prop_assert_eq!(&event["item_id"], &items[number]["id"]);
                    texts[number].push_str(event["delta"].as_str().unwrap_or_default());
                }
            }
        }
        prop_assert!(done.iter().all(|times| *times == 1));
        for (item, text) in items.iter().zip(texts) {
            let parts = ["summary", "content"].iter().filter_map(|list| item[list].as_array()).flatten();
            let held: String = parts
                .flat_map(|part| [part["text"].as_str(), part["refusal"].as_str()])
                .chain([item["arguments"].as_str()])
                .flatten()
                .collect();
            prop_assert_eq!(held, text);
        }
    }
}
