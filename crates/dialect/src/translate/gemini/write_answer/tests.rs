use super::*;
use serde_json::{Value, json};

fn write(is_event_stream: bool, events: Vec<Event<'_>>) -> Vec<Value> {
    let options = AnswerOptions {
        status: 200,
        is_event_stream,
        include_usage: true,
        created: 0,
        model: String::new(),
        id: String::new(),
        served: String::new(),
        limit: 1 << 20,
    };
    let mut writer = writer(&options);
    let mut out = Vec::new();
    events.into_iter().for_each(|event| writer.event(event, &mut out));
    let text = String::from_utf8(out).unwrap();
    if !is_event_stream {
        return vec![serde_json::from_str(&text).unwrap()];
    }
    let events = text.split_terminator("\n\n");
    events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

fn answer<'a>() -> Vec<Event<'a>> {
    let usage = Usage { input: 3, cache_read: 2, output: 4, reasoning: 1, ..Usage::default() };
    vec![
        Event::Start { id: Some("id".into()), model: Some("m".into()), rest: Object::default() },
        Event::Text { choice: 0, text: "".into() },
        Event::Thinking { choice: 0, text: "h".into() },
        Event::Thinking { choice: 0, text: "m".into() },
        Event::Signature { choice: 0, signature: "sig".into() },
        Event::Text { choice: 0, text: "He\"".into() },
        Event::Text { choice: 0, text: "y".into() },
        Event::Call { choice: 0, call: 0, id: "c0".into(), name: "f".into() },
        Event::Arguments { choice: 0, call: 0, json: "{\"a\"".into() },
        Event::Arguments { choice: 0, call: 0, json: ":1}".into() },
        Event::Call { choice: 0, call: 1, id: "c1".into(), name: "g".into() },
        Event::Stop { choice: 0, stop: Stop::Calls, sequence: None },
        Event::Usage(usage.into()),
        Event::End,
    ]
}

#[test]
fn a_plain_answer() {
    let [answer] = write(false, answer()).try_into().unwrap();
    assert_eq!(
        answer,
        json!({
            "candidates": [{
                "content": {"parts": [
                    {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
                    {"text": "He\"y"},
                    {"functionCall": {"id": "c0", "name": "f", "args": {"a": 1}}},
                    {"functionCall": {"id": "c1", "name": "g", "args": {}}},
                ], "role": "model"},
                "finishReason": "STOP",
                "index": 0,
            }],
            "usageMetadata": {
                "promptTokenCount": 5, "candidatesTokenCount": 4, "thoughtsTokenCount": 1, "cachedContentTokenCount": 2,
                "totalTokenCount": 10,
            },
            "modelVersion": "m",
            "responseId": "id",
        })
    );
}

#[test]
fn a_stream_says_the_same_piece_by_piece() {
    let events = write(true, answer());
    let parts = |event: &Value| event["candidates"][0]["content"]["parts"].clone();
    let said: Vec<Value> = events.iter().flat_map(|event| parts(event).as_array().unwrap().clone()).collect();
    assert_eq!(
        said,
        [
            json!({"text": "h", "thought": true}),
            json!({"text": "m", "thought": true}),
            json!({"text": "", "thought": true, "thoughtSignature": "c2ln"}),
            json!({"text": "He\""}),
            json!({"text": "y"}),
            json!({"functionCall": {"id": "c0", "name": "f", "args": {"a": 1}}}),
            json!({"functionCall": {"id": "c1", "name": "g", "args": {}}}),
            // Google's SDK forgets a turn in which a content has no part.
            json!({"text": ""}),
        ]
    );
    let (last, before) = events.split_last().unwrap();
    assert!(before.iter().all(|event| event.get("usageMetadata").is_none() && event["responseId"] == "id"));
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"]["totalTokenCount"], 10);
}

#[test]
fn candidates_likelihoods_and_pages() {
    let raw = |value: Value| serde_json::value::to_raw_value(&value).unwrap();
    let logprobs = raw(
        json!({"content": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1}]}]}),
    );
    let page =
        raw(json!({"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}));
    let events = || {
        vec![
            Event::Start { id: None, model: None, rest: Object::default() },
            Event::Text { choice: 1, text: "b".into() },
            Event::Text { choice: 0, text: "a".into() },
            Event::Logprobs { choice: 0, logprobs: &logprobs },
            Event::Citation { choice: 0, citation: &page },
            Event::Stop { choice: 0, stop: Stop::Length, sequence: None },
            Event::Stop { choice: 1, stop: Stop::Refused, sequence: None },
            Event::End,
        ]
    };
    let [answer] = write(false, events()).try_into().unwrap();
    let candidates = answer["candidates"].as_array().unwrap();
    assert_eq!(
        candidates[0]["logprobsResult"],
        json!({
            "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
            "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1}]}],
        })
    );
    assert_eq!(candidates[0]["groundingMetadata"]["groundingChunks"][0]["web"]["uri"], "https://a.example");
    assert_eq!(
        (&candidates[0]["finishReason"], &candidates[1]["finishReason"]),
        (&json!("MAX_TOKENS"), &json!("SAFETY"))
    );
    let stream = write(true, events());
    assert!(
        stream
            .iter()
            .any(|event| event["candidates"][0]["logprobsResult"]["chosenCandidates"][0]["token"] == "a")
    );
    assert_eq!(stream.last().unwrap()["candidates"].as_array().unwrap().len(), 2);
}

#[test]
fn a_failure_has_googles_envelope() {
    let fail = || {
        vec![
            Event::Failed {
                status: 429,
                error: Object::default(),
                text: Some("slow down".into()),
                rest: Object::default(),
            },
            Event::End,
        ]
    };
    for stream in [false, true] {
        let [answer] = write(stream, fail()).try_into().unwrap();
        assert_eq!(
            answer["error"],
            json!({"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"})
        );
    }
}
