//! Messages and the counting of their tokens.

use serde_json::{Value, json};

use crate::client::{messages, messages_request, send, start};

fn weather_tool() -> Value {
    json!([{"name": "get_weather", "input_schema": {
        "type": "object", "properties": {"city": {"type": "string"}}}}])
}

#[tokio::test]
async fn a_whole_answer_says_who_answered() {
    let server = start().await;
    let answer = messages(&server, "cached=2; cache-write=3", &messages_request(json!({}))).await;
    let body = answer.json();
    let text = "Hello from the mock anthropic model claude-sonnet-4-6: you said 4 words.";
    assert_eq!(body["content"], json!([{"type": "text", "text": text}]));
    assert_eq!(body["stop_reason"], "end_turn");
    assert_eq!(body["usage"]["input_tokens"], 2);
    assert_eq!(body["usage"]["cache_read_input_tokens"], 2);
    assert_eq!(body["usage"]["cache_creation_input_tokens"], 3);
    assert_eq!(body["usage"]["output_tokens"], 11);
}

#[tokio::test]
async fn a_stream_has_the_events_in_order() {
    let server = start().await;
    let answer = messages(&server, "tokens=2", &messages_request(json!({"stream": true}))).await;
    let events = answer.events();
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let data = answer.data();
    assert!(data.iter().zip(&names).all(|(data, name)| data["type"] == *name));
    assert_eq!(data[0]["message"]["usage"]["input_tokens"], 7);
    assert_eq!(data[0]["message"]["usage"]["output_tokens"], 1);
    assert_eq!(data[6]["delta"]["stop_reason"], "end_turn");
    assert_eq!(data[6]["usage"]["output_tokens"], 2);
}

#[tokio::test]
async fn reasoning_text_and_calls_are_blocks_of_their_own() {
    let server = start().await;
    let wishes = r#"reasoning=2; text=let me see; tool=a:{"x":1}; tool=b:{}"#;
    let data = messages(&server, wishes, &messages_request(json!({"stream": true}))).await.data();
    let blocks: Vec<_> = data
        .iter()
        .filter(|event| event["type"] == "content_block_start")
        .map(|event| (event["index"].as_u64().unwrap(), event["content_block"]["type"].as_str().unwrap()))
        .collect();
    assert_eq!(blocks, [(0, "thinking"), (1, "text"), (2, "tool_use"), (3, "tool_use")]);
    let arguments: String = data
        .iter()
        .filter(|event| event["index"] == 2)
        .filter_map(|event| event.pointer("/delta/partial_json")?.as_str())
        .collect();
    assert_eq!(arguments, r#"{"x":1}"#);
    let ending = &data[data.len() - 2];
    assert_eq!(ending["delta"]["stop_reason"], "tool_use");
    assert_eq!(ending["usage"]["output_tokens"], 2 + 3 + (1 + 2) + (1 + 1));
}

#[tokio::test]
async fn the_weather_is_asked_of_the_first_tool() {
    let server = start().await;
    let request = messages_request(json!({
        "tools": weather_tool(), "messages": [{"role": "user", "content": "Weather in Rome?"}]}));
    let body = messages(&server, "", &request).await.json();
    assert_eq!(body["content"][0]["name"], "get_weather");
    assert_eq!(body["content"][0]["input"], json!({"city": "Paris"}));
}

#[tokio::test]
async fn a_call_and_its_result_are_accepted() {
    let server = start().await;
    let request = messages_request(json!({"tools": weather_tool(), "messages": [
        {"role": "user", "content": "Weather in Rome?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "get_weather", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "sunny"},
            {"type": "text", "text": "So, the weather?"}]},
    ]}));
    let answer = messages(&server, "", &request).await;
    assert_eq!(answer.json()["stop_reason"], "end_turn");
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let server = start().await;
    let user = json!({"role": "user", "content": "hi"});
    let call = json!({"role": "assistant", "content": [
        {"type": "tool_use", "id": "a", "name": "f", "input": {}}]});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "b"}]});
    let text_input = json!({"role": "assistant", "content": [
        {"type": "tool_use", "id": "a", "name": "f", "input": "{}"}]});
    let bad = [
        json!({"max_tokens": null}),
        json!({"max_tokens": 0}),
        json!({"messages": []}),
        json!({"messages": [{"role": "system", "content": "be kind"}, user]}),
        json!({"messages": [{"role": "assistant", "content": "hi"}]}),
        json!({"messages": [{"role": "user", "content": ""}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        json!({"messages": [{"role": "user", "content": "hi", "name": "me"}]}),
        json!({"messages": [user, call, result]}),
        json!({"messages": [user, call, user]}),
        json!({"messages": [user, call]}),
        json!({"messages": [user, result]}),
        json!({"messages": [user, text_input, result]}),
        json!({"stop": ["x"]}),
        json!({"stream_options": {"include_usage": true}}),
        json!({"temperature": 1.5}),
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
        json!({"tools": weather_tool(), "tool_choice": "auto"}),
        json!({"tool_choice": {"type": "auto"}}),
        json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}),
    ];
    for extra in bad {
        let answer = messages(&server, "", &messages_request(extra.clone())).await;
        assert_eq!(answer.status, 400, "{extra}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{extra}");
    }
    let without_limit = json!({"model": "claude", "messages": [user]});
    assert_eq!(messages(&server, "", &without_limit).await.status, 400);
}

#[tokio::test]
async fn a_key_and_a_version_are_required() {
    let server = start().await;
    let body = messages_request(json!({})).to_string();
    let no_key = send(&server, "POST", "/v1/messages", &[("anthropic-version", "1")], &body).await;
    assert_eq!(no_key.status, 401);
    assert_eq!(no_key.json()["error"]["type"], "authentication_error");
    let no_version = send(&server, "POST", "/v1/messages", &[("x-api-key", "k")], &body).await;
    assert_eq!(no_version.status, 400);
}

#[tokio::test]
async fn tokens_are_counted_without_generating() {
    let server = start().await;
    let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
    let body = json!({"model": "claude", "messages": [{"role": "user", "content": "one two"}]}).to_string();
    let answer = send(&server, "POST", "/v1/messages/count_tokens", &headers, &body).await;
    assert_eq!(answer.json(), json!({"input_tokens": 5}));
}
