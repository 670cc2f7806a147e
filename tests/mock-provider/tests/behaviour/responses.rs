//! OpenAI's responses, whole and streamed.

use serde_json::{Value, json};

use crate::client::{responses, responses_request, send, start};

fn weather_tool() -> Value {
    json!([{"type": "function", "name": "get_weather", "strict": true, "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": false,
    }}])
}

fn call(id: &str) -> Value {
    json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"})
}

fn result(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": "sunny"})
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn kinds(data: &[Value]) -> Vec<&str> {
    data.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_whole_answer_says_who_answered() {
    let server = start().await;
    let request = responses_request(json!({"instructions": "be kind", "temperature": 0.5}));
    let answer = responses(&server, "cached=2; cache-write=1", &request).await;
    assert_eq!(
        (answer.status, &answer.headers["content-type"].to_str().unwrap()),
        (200, &"application/json")
    );
    let body = answer.json();
    let text = "Hello from the mock responses model gpt-4o: you said 4 words.";
    assert_eq!((&body["object"], &body["status"]), (&json!("response"), &json!("completed")));
    assert_eq!((&body["instructions"], &body["temperature"]), (&json!("be kind"), &json!(0.5)));
    let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
    let message = json!({"id": "msg_mock_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]});
    assert_eq!(body["output"], json!([message]));
    let usage = json!({
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "output_tokens": 11,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 23,
    });
    assert_eq!(body["usage"], usage);
}

#[tokio::test]
async fn a_stream_has_the_official_sequence_of_events() {
    let server = start().await;
    let answer = responses(&server, "tokens=2", &responses_request(json!({"stream": true}))).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream; charset=utf-8");
    let data = answer.data();
    let expected = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ];
    assert_eq!(kinds(&data), expected);
    for (number, (name, data)) in answer.events().iter().enumerate() {
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(number)));
    }
    assert_eq!(
        (&data[4]["delta"], &data[5]["delta"], &data[6]["text"]),
        (&json!("the"), &json!(" water"), &json!("the water"))
    );
    let last = &data[9]["response"];
    assert_eq!(last["output"], json!([data[8]["item"]]));
    assert_eq!((&last["status"], &last["usage"]["output_tokens"]), (&json!("completed"), &json!(2)));
    let silent = responses(&server, "no-usage", &responses_request(json!({"stream": true}))).await.data();
    assert!(silent.last().unwrap()["response"].get("usage").is_none());
}

#[tokio::test]
async fn calls_are_items_of_their_own() {
    let server = start().await;
    let wishes = r#"text=let me see; tool=a:{"x":1}; tool=b:{}"#;
    let whole = responses(&server, wishes, &responses_request(json!({}))).await.json();
    let output = whole["output"].as_array().unwrap();
    let names: Vec<_> = output.iter().map(|item| (&item["type"], &item["name"])).collect();
    let called = json!("function_call");
    assert_eq!(names, [(&json!("message"), &Value::Null), (&called, &json!("a")), (&called, &json!("b"))]);
    assert_eq!(
        (&output[1]["arguments"], &output[1]["call_id"]),
        (&json!(r#"{"x":1}"#), &json!("call_mock_1_0"))
    );
    assert_eq!(whole["status"], "completed");

    let data = responses(&server, wishes, &responses_request(json!({"stream": true}))).await.data();
    let arguments: String = data
        .iter()
        .filter(|event| {
            event["type"] == "response.function_call_arguments.delta" && event["output_index"] == 1
        })
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(arguments, r#"{"x":1}"#);
    let usage = &data.last().unwrap()["response"]["usage"];
    assert_eq!(usage["output_tokens"], 3 + (1 + 2) + (1 + 1));
}

#[tokio::test]
async fn the_weather_is_asked_of_the_first_tool() {
    let server = start().await;
    let asked = responses_request(json!({"tools": weather_tool(), "input": [user("Weather in Rome?")]}));
    let body = responses(&server, "", &asked).await.json();
    assert_eq!(body["output"][0]["arguments"], r#"{"city":"Paris"}"#);
    for choice in [
        json!("required"),
        json!({"type": "function", "name": "get_weather"}),
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_weather"}]}),
    ] {
        let forced = responses_request(json!({"tools": weather_tool(), "tool_choice": choice}));
        assert_eq!(
            responses(&server, "", &forced).await.json()["output"][0]["type"],
            "function_call",
            "{choice}"
        );
    }
    let answered = json!([user("Weather in Rome?"), call("a"), call("b"), result("b"), result("a")]);
    let answered = responses_request(json!({"tools": weather_tool(), "input": answered}));
    assert_eq!(responses(&server, "", &answered).await.json()["output"][0]["type"], "message");
}

#[tokio::test]
async fn a_model_that_reasons_gives_an_item_that_comes_back() {
    let server = start().await;
    let settings = json!({"model": "gpt-5-pro", "store": false, "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"}});
    let request = responses_request(settings.clone());
    let body = responses(&server, "reasoning=2", &request).await.json();
    let item = body["output"][0].clone();
    assert_eq!((&item["type"], &item["summary"][0]["text"]), (&json!("reasoning"), &json!("think think")));
    assert!(item["encrypted_content"].is_string());
    assert_eq!(body["usage"]["output_tokens_details"]["reasoning_tokens"], 2);

    let mut streamed = request.clone();
    streamed["stream"] = json!(true);
    let data = responses(&server, "reasoning=2", &streamed).await.data();
    let summed: Vec<_> = kinds(&data).into_iter().filter(|kind| kind.contains("reasoning")).collect();
    let expected = [
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
    ];
    assert_eq!(summed, expected);
    assert_eq!(data.last().unwrap()["response"]["usage"]["output_tokens"], body["usage"]["output_tokens"]);

    let again = |items: Value| {
        let mut request = responses_request(settings.clone());
        request["input"] = items;
        request
    };
    let said = body["output"][1].clone();
    let good = again(json!([user("hi"), item, said, user("and?")]));
    assert_eq!(responses(&server, "", &good).await.status, 200);
    let mut forged = item.clone();
    forged["encrypted_content"] = json!("gAAAAother");
    let mut forgotten = item.clone();
    forgotten.as_object_mut().unwrap().remove("encrypted_content");
    for items in [
        json!([user("hi"), item, user("and?")]),
        json!([user("hi"), item]),
        json!([user("hi"), forged, said]),
        json!([user("hi"), forgotten, said]),
    ] {
        assert_eq!(responses(&server, "", &again(items.clone())).await.status, 400, "{items}");
    }
    let plain = responses(&server, "", &responses_request(json!({"model": "o3"}))).await.json();
    assert_eq!(plain["output"][0], json!({"id": "rs_mock_8", "type": "reasoning", "summary": []}));
}

#[tokio::test]
async fn max_output_tokens_leave_an_answer_incomplete() {
    let server = start().await;
    let request = responses_request(json!({"max_output_tokens": 16}));
    let body = responses(&server, "tokens=50", &request).await.json();
    assert_eq!(
        (&body["status"], &body["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    assert_eq!(body["usage"]["output_tokens"], 16);
    let mut streamed = request.clone();
    streamed["stream"] = json!(true);
    let data = responses(&server, "tokens=50", &streamed).await.data();
    assert_eq!(data.last().unwrap()["type"], "response.incomplete");
}

#[tokio::test]
async fn a_json_format_is_obeyed() {
    let server = start().await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let format = json!({"type": "json_schema", "name": "x", "schema": schema});
    let body = responses(&server, "", &responses_request(json!({"text": {"format": format}}))).await.json();
    assert_eq!(body["output"][0]["content"][0]["text"], r#"{"city":"Paris"}"#);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let server = start().await;
    let function = |more: Value| {
        let mut tools = weather_tool();
        for (name, value) in more.as_object().unwrap() {
            tools[0][name] = value.clone();
        }
        json!({"tools": tools})
    };
    let part = |role: &str, part: Value| json!({"input": [{"role": role, "content": [part]}]});
    let bad = [
        json!({"messages": [user("hi")]}),
        json!({"max_tokens": 100}),
        json!({"max_completion_tokens": 100}),
        json!({"stop": ["x"]}),
        json!({"response_format": {"type": "json_object"}}),
        json!({"model": null}),
        json!({"input": []}),
        json!({"input": ""}),
        json!({"input": 1}),
        json!({"max_output_tokens": 15}),
        json!({"temperature": 3}),
        json!({"model": "gpt-5-pro", "temperature": 0.5}),
        json!({"reasoning": {"effort": "high"}}),
        json!({"include": ["reasoning"]}),
        json!({"stream_options": {"include_obfuscation": false}}),
        json!({"previous_response_id": "resp_1"}),
        json!({"input": [{"role": "tool", "content": "hi"}]}),
        json!({"input": [{"role": "user"}]}),
        json!({"input": [{"role": "user", "content": "hi", "name": "me"}]}),
        json!({"input": [{"role": "user", "content": "hi", "id": "rs_1"}]}),
        json!({"input": [{"type": "reply", "content": "hi"}]}),
        part("user", json!({"type": "text", "text": "hi"})),
        part("user", json!({"type": "output_text", "text": "hi"})),
        part("assistant", json!({"type": "input_text", "text": "hi"})),
        part("user", json!({"type": "input_image", "image_url": {"url": "https://a"}})),
        part("user", json!({"type": "input_image", "image_url": "aGk="})),
        part("user", json!({"type": "input_file", "file_data": "data:x"})),
        json!({"input": [user("hi"), call("a")]}),
        json!({"input": [user("hi"), result("a")]}),
        json!({"input": [user("hi"), call("a"), result("b")]}),
        json!({"input": [user("hi"), call("a"), result("a"), result("a")]}),
        json!({"input": [user("hi"), {"type": "function_call", "call_id": "a", "name": "f", "arguments": {}}, result("a")]}),
        json!({"input": [user("hi"), {"type": "function_call", "id": "call_1", "call_id": "a", "name": "f", "arguments": ""},
            result("a")]}),
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
        json!({"tools": [{"name": "f", "input_schema": {}}]}),
        function(json!({"name": "a b"})),
        function(json!({"parameters": {"type": "object", "properties": {}}})),
        function(
            json!({"parameters": {"type": "object", "properties": {"a": {}}, "additionalProperties": false}}),
        ),
        function(json!({"input_schema": {}})),
        json!({"tool_choice": "required"}),
        json!({"tools": weather_tool(), "tool_choice": {"type": "function", "function": {"name": "get_weather"}}}),
        json!({"tools": weather_tool(), "tool_choice": {"type": "function", "name": "other"}}),
        json!({"text": {"format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}}),
        json!({"text": {"format": {"type": "json_schema", "name": "x", "strict": true, "schema": {"type": "object"}}}}),
    ];
    for extra in bad {
        let answer = responses(&server, "", &responses_request(extra.clone())).await;
        assert_eq!(answer.status, 400, "{extra}");
        assert_eq!(answer.json()["error"]["type"], "invalid_request_error", "{extra}");
    }
}

#[tokio::test]
async fn a_key_is_required_and_errors_are_openais() {
    let server = start().await;
    let body = responses_request(json!({})).to_string();
    let answer = send(&server, "POST", "/v1/responses", &[("x-api-key", "k")], &body).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("invalid_api_key")));
    let limited = responses(&server, "status=429", &responses_request(json!({}))).await;
    assert_eq!(limited.json()["error"]["code"], "rate_limit_exceeded");
    let failed = responses(&server, "error-after=3", &responses_request(json!({"stream": true}))).await;
    let last = failed.data().pop().unwrap();
    assert_eq!((&last["type"], &last["sequence_number"]), (&json!("error"), &json!(3)));
}

#[tokio::test]
async fn every_token_is_booked() {
    let server = start().await;
    let request = responses_request(json!({"model": "gpt-5-pro", "stream": true}));
    responses(&server, "tokens=20; reasoning=4", &request).await;
    responses(&server, "tokens=20; cut-after=6", &request).await;
    server.ledger().wait_for(2).await;
    let entries = server.ledger().entries(2);
    let booked: Vec<_> =
        entries.iter().map(|entry| (entry.dialect, entry.output_tokens, entry.completed)).collect();
    // Two events open the stream, two are of what was reasoned, two open the message.
    assert_eq!(booked, [("responses", 24, true), ("responses", 0, false)]);
}
