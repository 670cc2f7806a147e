//! Chat completions, embeddings and models.

use serde_json::{Value, json};

use crate::client::{chat, chat_request, send, start};

fn weather_tool() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "kelvin"]}},
    }}}])
}

fn text_of(data: &[Value]) -> String {
    data.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/content")?.as_str()).collect()
}

#[tokio::test]
async fn a_whole_answer_says_who_answered() {
    let server = start().await;
    let answer = chat(&server, "cached=2; reasoning=5", &chat_request(json!({}))).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let text = "Hello from the mock openai model gpt-4o: you said 4 words.";
    assert_eq!(body["choices"][0]["message"]["content"], text);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["prompt_tokens"], 7);
    assert_eq!(body["usage"]["completion_tokens"], 16);
    assert_eq!(body["usage"]["total_tokens"], 23);
    assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 2);
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 5);
}

#[tokio::test]
async fn a_stream_has_the_same_text_as_a_whole_answer() {
    let server = start().await;
    let whole = chat(&server, "", &chat_request(json!({}))).await.json();
    let answer = chat(&server, "", &chat_request(json!({"stream": true}))).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream; charset=utf-8");
    let data = answer.data();
    assert_eq!(text_of(&data), whole["choices"][0]["message"]["content"].as_str().unwrap());
    assert_eq!(data[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(data.last().unwrap()["choices"][0]["finish_reason"], "stop");
    assert!(data.iter().all(|chunk| chunk.get("usage").is_none()));
    assert!(answer.text.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_stream_reports_usage_only_if_asked() {
    let server = start().await;
    let request = chat_request(json!({"stream": true, "stream_options": {"include_usage": true}}));
    let data = chat(&server, "tokens=20", &request).await.data();
    let (last, others) = data.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 20);
    assert!(others.iter().all(|chunk| chunk["usage"] == Value::Null && chunk.get("usage").is_some()));
    let silent = chat(&server, "no-usage", &request).await;
    assert!(silent.data().iter().all(|chunk| chunk.get("usage").is_none()));
}

#[tokio::test]
async fn the_weather_is_asked_of_the_first_tool() {
    let server = start().await;
    let asked =
        json!({"tools": weather_tool(), "messages": [{"role": "user", "content": "Weather in Rome?"}]});
    let body = chat(&server, "", &chat_request(asked.clone())).await.json();
    let call = &body["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(body["choices"][0]["message"]["content"], Value::Null);
    assert_eq!(call["function"]["name"], "get_weather");
    assert_eq!(call["function"]["arguments"], r#"{"city":"Paris","unit":"celsius"}"#);

    let mut streamed = chat_request(asked);
    streamed["stream"] = json!(true);
    let data = chat(&server, "", &streamed).await.data();
    let arguments: String = data
        .iter()
        .filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0/function/arguments")?.as_str())
        .collect();
    assert_eq!(arguments, r#"{"city":"Paris","unit":"celsius"}"#);
}

#[tokio::test]
async fn a_tool_result_is_answered_with_text() {
    let server = start().await;
    let request = chat_request(json!({"tools": weather_tool(), "messages": [
        {"role": "user", "content": "Weather in Rome?"},
        {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
    ]}));
    let body = chat(&server, "", &request).await.json();
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn parallel_calls_are_streamed_by_index() {
    let server = start().await;
    let request = chat_request(json!({"stream": true}));
    let data = chat(&server, r#"tool=a:{"x":1}; tool=b:{"y":"long enough"}"#, &request).await.data();
    let mut arguments = [String::new(), String::new()];
    for call in data.iter().filter_map(|chunk| chunk.pointer("/choices/0/delta/tool_calls/0")) {
        let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
        arguments[index].push_str(call["function"]["arguments"].as_str().unwrap());
    }
    assert_eq!(arguments, [r#"{"x":1}"#, r#"{"y":"long enough"}"#]);
}

#[tokio::test]
async fn max_tokens_ends_the_answer() {
    let server = start().await;
    let body = chat(&server, "tokens=50", &chat_request(json!({"max_completion_tokens": 10}))).await.json();
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    assert_eq!(body["usage"]["completion_tokens"], 10);
}

#[tokio::test]
async fn a_json_format_is_obeyed() {
    let server = start().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let body = chat(&server, "", &chat_request(json!({"response_format": format}))).await.json();
    assert_eq!(body["choices"][0]["message"]["content"], r#"{"city":"Paris"}"#);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let server = start().await;
    let user = json!({"role": "user", "content": "hi"});
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let object_arguments = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": {}}});
    let bad = [
        json!({"messages": []}),
        json!({"messages": null}),
        json!({"system": "be kind"}),
        json!({"stop_sequences": ["x"]}),
        json!({"stream_options": {"include_usage": true}}),
        json!({"messages": [{"role": "robot", "content": "hi"}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}),
        json!({"messages": [{"role": "tool", "tool_call_id": "a", "content": "x"}]}),
        json!({"messages": [user, {"role": "assistant", "tool_calls": [call]}, user]}),
        json!({"messages": [user, {"role": "assistant", "tool_calls": [object_arguments]},
            {"role": "tool", "tool_call_id": "a", "content": "x"}]}),
        json!({"tools": [{"name": "f", "input_schema": {}}]}),
        json!({"tools": weather_tool(), "tool_choice": {"type": "tool", "name": "f"}}),
    ];
    for extra in bad {
        let answer = chat(&server, "", &chat_request(extra.clone())).await;
        assert_eq!(answer.status, 400, "{extra}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{extra}");
    }
}

#[tokio::test]
async fn a_key_is_required() {
    let server = start().await;
    let body = chat_request(json!({})).to_string();
    let answer = send(&server, "POST", "/v1/chat/completions", &[("x-api-key", "k")], &body).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["error"]["code"], "invalid_api_key");
}

#[tokio::test]
async fn embeddings_are_given_as_numbers_and_in_base64() {
    let server = start().await;
    let key = [("authorization", "Bearer k")];
    let body = json!({"model": "e", "input": ["one two", "three"], "dimensions": 8}).to_string();
    let plain = send(&server, "POST", "/v1/embeddings", &key, &body).await.json();
    assert_eq!(plain["data"].as_array().unwrap().len(), 2);
    assert_eq!(plain["data"][1]["embedding"].as_array().unwrap().len(), 8);
    assert_eq!(plain["usage"]["total_tokens"], 3);
    let body =
        json!({"model": "e", "input": "one", "dimensions": 8, "encoding_format": "base64"}).to_string();
    let encoded = send(&server, "POST", "/v1/embeddings", &key, &body).await.json();
    assert_eq!(encoded["data"][0]["embedding"].as_str().unwrap().len(), 44);
}

#[tokio::test]
async fn models_are_listed_in_the_dialect_of_the_client() {
    let server = start().await;
    let openai = send(&server, "GET", "/v1/models", &[("authorization", "Bearer k")], "").await.json();
    assert_eq!(openai["object"], "list");
    let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
    let anthropic = send(&server, "GET", "/v1/models", &headers, "").await.json();
    assert_eq!(anthropic["has_more"], false);
}
