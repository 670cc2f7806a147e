//! Cohere's chat, whole and streamed.

use serde_json::{Value, json};

use crate::client::{cohere, cohere_request, send, start};

fn weather_tool() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    }}}])
}

fn call(id: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}})
}

fn result(id: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": "sunny"})
}

#[tokio::test]
async fn a_whole_answer_says_who_answered() {
    let server = start().await;
    let body = cohere(&server, "cached=2", &cohere_request(json!({}))).await.json();
    let text = "Hello from the mock cohere model command-a: you said 4 words.";
    let usage = json!({
        "billed_units": {"input_tokens": 5, "output_tokens": 11},
        "tokens": {"input_tokens": 7, "output_tokens": 11},
        "cached_tokens": 2,
    });
    let message = json!({"role": "assistant", "content": [{"type": "text", "text": text}]});
    assert_eq!(
        body,
        json!({"id": "mock-1", "finish_reason": "COMPLETE", "message": message, "usage": usage})
    );
    let silent = cohere(&server, "no-usage", &cohere_request(json!({}))).await.json();
    assert!(silent.get("usage").is_none());
}

#[tokio::test]
async fn a_stream_has_the_official_sequence_of_events() {
    let server = start().await;
    let wishes = r#"text=let me; tool=a:{"x":1}; tool=b:{}; reasoning=2"#;
    let answer = cohere(&server, wishes, &cohere_request(json!({"stream": true}))).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert!(answer.text.ends_with("data: [DONE]\n\n"));
    let expected = [
        "message-start",
        "tool-plan-delta",
        "tool-plan-delta",
        "content-start",
        "content-delta",
        "content-delta",
        "content-end",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-delta",
        "tool-call-end",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "message-end",
    ];
    let events = answer.events();
    let names: Vec<_> =
        events.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()).collect();
    assert_eq!(names, expected);
    let data = answer.data();
    assert!(data.iter().zip(names).all(|(data, name)| data["type"] == name));
    assert_eq!(data[2]["delta"]["message"]["tool_plan"], " think");
    assert_eq!(data[5]["delta"]["message"]["content"], json!({"text": " me"}));
    assert_eq!((&data[7]["index"], &data[11]["index"]), (&json!(0), &json!(1)));
    assert_eq!(data[7]["delta"]["message"]["tool_calls"]["function"], json!({"name": "a", "arguments": ""}));
    let arguments: String = data[8..10]
        .iter()
        .filter_map(|event| event.pointer("/delta/message/tool_calls/function/arguments")?.as_str())
        .collect();
    assert_eq!(arguments, r#"{"x":1}"#);
    let end = &data[14]["delta"];
    assert_eq!(
        (&end["finish_reason"], &end["usage"]["tokens"]["output_tokens"]),
        (&json!("TOOL_CALL"), &json!(9))
    );
}

#[tokio::test]
async fn what_was_thought_is_a_part_or_a_plan() {
    let server = start().await;
    let thinking = cohere_request(
        json!({"model": "command-a-reasoning", "thinking": {"type": "enabled", "token_budget": 9}}),
    );
    let body = cohere(&server, "reasoning=2; text=hi", &thinking).await.json();
    let parts = json!([{"type": "thinking", "thinking": "think think"}, {"type": "text", "text": "hi"}]);
    assert_eq!(body["message"]["content"], parts);
    let body = cohere(&server, "reasoning=2; tool=f", &cohere_request(json!({}))).await.json();
    assert_eq!(body["message"]["tool_plan"], "think think");
    assert_eq!(body["message"]["tool_calls"][0]["function"], json!({"name": "f", "arguments": "{}"}));
}

#[tokio::test]
async fn tools_are_called_and_their_results_taken() {
    let server = start().await;
    let question = json!([{"role": "user", "content": "Weather in Rome?"}]);
    let asked = cohere_request(json!({"tools": weather_tool(), "messages": question}));
    let body = cohere(&server, "", &asked).await.json();
    assert_eq!(body["finish_reason"], "TOOL_CALL");
    assert_eq!(body["message"]["tool_calls"][0]["function"]["arguments"], r#"{"city":"Paris"}"#);
    let forced = cohere_request(json!({"tools": weather_tool(), "tool_choice": "REQUIRED"}));
    assert_eq!(cohere(&server, "", &forced).await.json()["finish_reason"], "TOOL_CALL");
    let messages = json!([
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": [{"type": "text", "text": "Weather in Rome?"}]},
        {"role": "assistant", "tool_plan": "I will look", "tool_calls": [call("a"), call("b")]},
        result("b"),
        {"role": "tool", "tool_call_id": "a", "content": [{"type": "document", "document": {"data": "sunny"}}]},
    ]);
    let answered = cohere_request(json!({"tools": weather_tool(), "messages": messages}));
    assert_eq!(cohere(&server, "", &answered).await.json()["finish_reason"], "COMPLETE");
}

#[tokio::test]
async fn settings_are_obeyed() {
    let server = start().await;
    let body = cohere(&server, "tokens=50", &cohere_request(json!({"max_tokens": 10}))).await.json();
    assert_eq!(
        (&body["finish_reason"], &body["usage"]["tokens"]["output_tokens"]),
        (&json!("MAX_TOKENS"), &json!(10))
    );
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let format = json!({"type": "json_object", "json_schema": schema});
    let body = cohere(&server, "", &cohere_request(json!({"response_format": format}))).await.json();
    assert_eq!(body["message"]["content"][0]["text"], r#"{"city":"Paris"}"#);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let server = start().await;
    let user = json!({"role": "user", "content": "hi"});
    let calls = json!({"role": "assistant", "tool_calls": [call("a")]});
    let object = json!({"type": "json_object", "json_schema": {"type": "object", "required": ["a"]}});
    let bad = [
        json!({"model": null}),
        json!({"messages": []}),
        json!({"messages": "hi"}),
        json!({"messages": [{"role": "developer", "content": "hi"}]}),
        json!({"messages": [{"role": "user", "content": ""}]}),
        json!({"messages": [{"role": "user", "content": []}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "aGk="}}]}]}),
        json!({"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "https://a"}}]}]}),
        json!({"messages": [user, {"role": "assistant"}]}),
        json!({"messages": [user, {"role": "assistant", "content": "hi", "tool_plan": "x"}]}),
        json!({"messages": [user, calls]}),
        json!({"messages": [user, calls, user]}),
        json!({"messages": [user, calls, result("b")]}),
        json!({"messages": [user, result("a")]}),
        json!({"messages": [user, {"role": "assistant", "tool_calls": [{"id": "a", "type": "function",
            "function": {"name": "f", "arguments": {}}}]}, result("a")]}),
        json!({"temperature": -0.5}),
        json!({"p": 1.0}),
        json!({"k": 501}),
        json!({"frequency_penalty": -1}),
        json!({"max_tokens": 1.5}),
        json!({"stop_sequences": ["1", "2", "3", "4", "5", "6"]}),
        json!({"thinking": {"type": "enabled"}}),
        json!({"tool_choice": "REQUIRED"}),
        json!({"tools": weather_tool(), "tool_choice": "auto"}),
        json!({"tools": weather_tool(), "tool_choice": {"type": "function", "function": {"name": "get_weather"}}}),
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
        json!({"tools": weather_tool(), "response_format": object}),
        json!({"response_format": {"type": "json_schema", "json_schema": {}}}),
        json!({"response_format": {"type": "json_object", "json_schema": {"type": "object"}}}),
        json!({"response_format": {"type": "json_object", "json_schema": {"type": "object", "required": ["a"],
            "properties": {"a": {"type": "array", "items": {"type": "object"}}}}}}),
        json!({"safety_mode": "NONE"}),
    ];
    for extra in bad {
        let answer = cohere(&server, "", &cohere_request(extra.clone())).await;
        assert_eq!(answer.status, 400, "{extra}");
        assert!(answer.json()["message"].as_str().unwrap().starts_with("invalid request: "), "{extra}");
    }
    let unknown = [
        json!({"stop": ["x"]}),
        json!({"top_p": 0.5}),
        json!({"stream_options": {"include_usage": true}}),
        json!({"messages": [{"role": "user", "content": "hi", "name": "me"}]}),
        json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": true}}]}),
        json!({"response_format": {"type": "json_object", "json_schema": {"type": "object"}, "strict": true}}),
    ];
    for extra in unknown {
        let answer = cohere(&server, "", &cohere_request(extra.clone())).await;
        assert_eq!(answer.status, 422, "{extra}");
        assert!(answer.json()["message"].as_str().unwrap().starts_with("unknown field: "), "{extra}");
    }
}

#[tokio::test]
async fn a_key_is_required_and_errors_are_coheres() {
    let server = start().await;
    let body = cohere_request(json!({})).to_string();
    let answer = send(&server, "POST", "/v2/chat", &[("x-api-key", "k")], &body).await;
    assert_eq!(
        (answer.status, answer.json()),
        (401, json!({"id": "mock-1", "message": "no api key supplied"}))
    );
    let limited = cohere(&server, "status=429", &cohere_request(json!({}))).await;
    assert_eq!((limited.status, &limited.json()["message"]), (429, &json!("mock: Too Many Requests")));
    let failed = cohere(&server, "error-after=3", &cohere_request(json!({"stream": true}))).await;
    assert_eq!(failed.data().pop().unwrap()["delta"]["finish_reason"], "ERROR");
}

#[tokio::test]
async fn every_token_is_booked() {
    let server = start().await;
    cohere(&server, "tokens=20; reasoning=4", &cohere_request(json!({"stream": true}))).await;
    cohere(&server, "tokens=20; cut-after=5", &cohere_request(json!({"stream": true}))).await;
    server.ledger().wait_for(2).await;
    let entries = server.ledger().entries(2);
    let booked: Vec<_> =
        entries.iter().map(|entry| (entry.dialect, entry.output_tokens, entry.completed)).collect();
    assert_eq!(booked, [("cohere", 24, true), ("cohere", 3, false)]);
}
