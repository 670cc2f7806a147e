//! Bedrock's Converse, whole and as an event stream.

use serde_json::{Value, json};

use crate::client::{Answer, converse, converse_request, send, start};

const PATH: &str = "/model/amazon.nova-lite-v1%3A0/converse";

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!([{"toolSpec": {"name": "get_weather", "inputSchema": {"json": schema}}}])
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": [{"text": text}]})
}

fn calls(ids: &[&str]) -> Value {
    let call = |id: &&str| json!({"toolUse": {"toolUseId": id, "name": "get_weather", "input": {}}});
    json!({"role": "assistant", "content": ids.iter().map(call).collect::<Vec<_>>()})
}

fn results(ids: &[&str]) -> Value {
    let result = |id: &&str| json!({"toolResult": {"toolUseId": id, "content": [{"text": "sunny"}]}});
    json!({"role": "user", "content": ids.iter().map(result).collect::<Vec<_>>()})
}

/// The messages of an event stream: kind, name and payload. Every checksum is compared.
pub(crate) fn frames(answer: &Answer) -> Vec<(String, String, Value)> {
    let bytes = answer.pieces.concat();
    let mut rest = bytes.as_slice();
    let mut frames = Vec::new();
    let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    while !rest.is_empty() {
        let length = number(rest, 0);
        let (frame, after) = rest.split_at(length);
        rest = after;
        assert_eq!(number(frame, 8), crc32fast::hash(&frame[..8]) as usize);
        assert_eq!(number(frame, length - 4), crc32fast::hash(&frame[..length - 4]) as usize);
        let (mut headers, payload) = frame[12..length - 4].split_at(number(frame, 4));
        let mut named = std::collections::BTreeMap::new();
        while let Some((&size, after)) = headers.split_first() {
            let (name, after) = after.split_at(usize::from(size));
            assert_eq!(after[0], 7);
            let size = usize::from(u16::from_be_bytes([after[1], after[2]]));
            let (value, after) = after[3..].split_at(size);
            named.insert(
                String::from_utf8_lossy(name).into_owned(),
                String::from_utf8_lossy(value).into_owned(),
            );
            headers = after;
        }
        assert_eq!(named[":content-type"], "application/json");
        let kind = named[":message-type"].clone();
        let mut payload: Value = serde_json::from_slice(payload).unwrap();
        payload.as_object_mut().unwrap().remove("p");
        frames.push((kind.clone(), named[&format!(":{kind}-type")].clone(), payload));
    }
    frames
}

fn error_kind(answer: &Answer) -> &str {
    answer.headers["x-amzn-errortype"].to_str().unwrap().split(':').next().unwrap()
}

#[tokio::test]
async fn a_whole_answer_says_who_answered() {
    let server = start().await;
    let request = converse_request(json!({"system": [{"text": "be kind"}]}));
    let answer = converse(&server, "converse", "cached=2; cache-write=1; reasoning=2", &request).await;
    assert_eq!(answer.headers["x-amzn-requestid"], "req_mock_1");
    let text = "Hello from the mock converse model amazon.nova-lite-v1:0: you said 4 words.";
    let reasoning = json!({"reasoningContent": {"reasoningText":
        {"text": "think think", "signature": "bW9jayBzaWduYXR1cmU="}}});
    let usage = json!({
        "inputTokens": 9,
        "outputTokens": 13,
        "totalTokens": 25,
        "cacheReadInputTokens": 2,
        "cacheWriteInputTokens": 1,
    });
    let expected = json!({
        "output": {"message": {"role": "assistant", "content": [reasoning, {"text": text}]}},
        "stopReason": "end_turn",
        "usage": usage,
        "metrics": {"latencyMs": 5},
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_stream_is_framed_as_amazon_frames_it() {
    let server = start().await;
    let wishes = r#"reasoning=1; text=let me; tool=a:{"x":1}; tool=b:{}"#;
    let answer = converse(&server, "converse-stream", wishes, &converse_request(json!({}))).await;
    assert_eq!(answer.headers["content-type"], "application/vnd.amazon.eventstream");
    let frames = frames(&answer);
    assert!(frames.iter().all(|(kind, _, _)| kind == "event"));
    let names: Vec<_> = frames.iter().map(|(_, name, _)| name.as_str()).collect();
    let expected = [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ];
    assert_eq!(names, expected);
    assert_eq!(frames[0].2, json!({"role": "assistant"}));
    assert_eq!(frames[5].2, json!({"contentBlockIndex": 1, "delta": {"text": " me"}}));
    let start = json!({"toolUse": {"toolUseId": "tooluse_mock_1_0", "name": "a"}});
    assert_eq!(frames[7].2, json!({"contentBlockIndex": 2, "start": start}));
    assert_eq!(frames[8].2["delta"], json!({"toolUse": {"input": "{\"x\""}}));
    assert_eq!(frames[14].2, json!({"stopReason": "tool_use"}));
    assert_eq!(frames[15].2["usage"]["outputTokens"], 1 + 2 + (1 + 2) + (1 + 1));
}

#[tokio::test]
async fn a_stream_ends_where_a_test_wants_it() {
    let server = start().await;
    let cut = converse(&server, "converse-stream", "cut-after=3", &converse_request(json!({}))).await;
    assert!(cut.broken);
    assert_eq!(frames(&cut).len(), 3);
    let failed = converse(&server, "converse-stream", "error-after=3", &converse_request(json!({}))).await;
    let (kind, name, payload) = frames(&failed).pop().unwrap();
    assert_eq!((kind.as_str(), name.as_str()), ("exception", "serviceUnavailableException"));
    assert!(payload["message"].is_string());
    let silent = converse(&server, "converse-stream", "no-usage", &converse_request(json!({}))).await;
    assert_eq!(frames(&silent).pop().unwrap().2, json!({"metrics": {"latencyMs": 5}}));
    server.ledger().wait_for(3).await;
    let entries = server.ledger().entries(3);
    let booked: Vec<_> =
        entries.iter().map(|entry| (entry.stream, entry.output_tokens, entry.completed)).collect();
    assert_eq!(booked, [(true, 2, false), (true, 2, true), (true, 11, true)]);
    assert_eq!((entries[0].dialect, entries[0].model.as_str()), ("converse", "amazon.nova-lite-v1:0"));
}

#[tokio::test]
async fn tools_are_called_and_their_results_taken() {
    let server = start().await;
    let asked =
        converse_request(json!({"toolConfig": {"tools": tools()}, "messages": [user("Weather in Rome?")]}));
    let body = converse(&server, "converse", "", &asked).await.json();
    assert_eq!(body["stopReason"], "tool_use");
    let content = &body["output"]["message"]["content"];
    let call = json!({"toolUseId": "tooluse_mock_1_0", "name": "get_weather", "input": {"city": "Paris"}});
    assert_eq!(*content, json!([{"toolUse": call}]));
    for choice in [json!({"any": {}}), json!({"tool": {"name": "get_weather"}})] {
        let forced = converse_request(json!({"toolConfig": {"tools": tools(), "toolChoice": choice}}));
        assert_eq!(converse(&server, "converse", "", &forced).await.json()["stopReason"], "tool_use");
    }
    let messages = json!([user("Weather?"), calls(&["a", "b"]), results(&["b", "a"])]);
    let answered = converse_request(json!({"toolConfig": {"tools": tools()}, "messages": messages}));
    assert_eq!(converse(&server, "converse", "", &answered).await.json()["stopReason"], "end_turn");
}

#[tokio::test]
async fn settings_are_obeyed() {
    let server = start().await;
    let settings =
        json!({"inferenceConfig": {"maxTokens": 10, "temperature": 0.5, "topP": 1, "stopSequences": ["x"]}});
    let body = converse(&server, "converse", "tokens=50", &converse_request(settings)).await.json();
    assert_eq!((&body["stopReason"], &body["usage"]["outputTokens"]), (&json!("max_tokens"), &json!(10)));
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}}).to_string();
    let format = json!({"type": "json_schema", "structure": {"jsonSchema": {"schema": schema, "name": "x"}}});
    let body =
        converse(&server, "converse", "", &converse_request(json!({"outputConfig": {"textFormat": format}})))
            .await;
    assert_eq!(body.json()["output"]["message"]["content"][0]["text"], r#"{"city":"Paris"}"#);
}

#[tokio::test]
async fn files_are_taken() {
    let server = start().await;
    let image = json!({"image": {"format": "png", "source": {"bytes": "aGk="}}});
    let document =
        json!({"document": {"format": "pdf", "name": "A report (2)", "source": {"bytes": "aGk="}}});
    let cache = json!({"cachePoint": {"type": "default"}});
    let content = json!([image, document, {"text": "what is this?"}, cache]);
    let request = converse_request(json!({"messages": [{"role": "user", "content": content}]}));
    assert_eq!(converse(&server, "converse", "", &request).await.status, 200);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let server = start().await;
    let block = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let assistant = |block: Value| json!({"messages": [user("hi"), {"role": "assistant", "content": [block]}, user("and?")]});
    let conversation = |messages: Value| json!({"toolConfig": {"tools": tools()}, "messages": messages});
    let spec = |more: Value| {
        let mut tools = tools();
        for (name, value) in more.as_object().unwrap() {
            tools[0]["toolSpec"][name] = value.clone();
        }
        json!({"toolConfig": {"tools": tools}})
    };
    let bad = [
        json!({"model": "m"}),
        json!({"stream": true}),
        json!({"max_tokens": 5}),
        json!({"inferenceConfig": {"max_tokens": 5}}),
        json!({"inferenceConfig": {"maxTokens": 0}}),
        json!({"inferenceConfig": {"temperature": 1.5}}),
        json!({"inferenceConfig": {"stopSequences": [""]}}),
        json!({"system": "be kind"}),
        json!({"system": [{"text": ""}]}),
        json!({"messages": []}),
        json!({"messages": [{"role": "assistant", "content": [{"text": "hi"}]}]}),
        json!({"messages": [user("hi"), user("hi")]}),
        json!({"messages": [{"role": "system", "content": [{"text": "hi"}]}, user("hi")]}),
        json!({"messages": [{"role": "user", "content": "hi"}]}),
        json!({"messages": [{"role": "user", "content": []}]}),
        json!({"messages": [{"role": "user", "content": [{"text": "hi"}], "name": "me"}]}),
        block(json!({"text": " "})),
        block(json!({"type": "text", "text": "hi"})),
        block(json!({"text": "hi", "cachePoint": {"type": "default"}})),
        block(json!({"cachePoint": {}})),
        block(json!({"image": {"format": "image/png", "source": {"bytes": "aGk="}}})),
        block(json!({"image": {"format": "png", "source": {"bytes": "aGk"}}})),
        block(json!({"image": {"format": "png", "source": {"url": "https://a"}}})),
        block(json!({"document": {"format": "pdf", "name": "a", "source": {"bytes": "aGk="}}})),
        block(json!({"reasoningContent": {"reasoningText": {"text": "hm"}}})),
        assistant(json!({"image": {"format": "png", "source": {"bytes": "aGk="}}})),
        assistant(json!({"reasoningContent": {"text": "hm"}})),
        json!({"messages": [user("hi"), calls(&["a"]), results(&["a"])]}),
        conversation(json!([user("hi"), calls(&["a"])])),
        conversation(json!([user("hi"), calls(&["a"]), user("and?")])),
        conversation(json!([user("hi"), calls(&["a"]), results(&["b"])])),
        conversation(json!([user("hi"), calls(&["a", "b"]), results(&["a"])])),
        conversation(json!([user("hi"), calls(&["a"]), results(&["a", "a"])])),
        conversation(json!([user("hi"), calls(&["a", "a"]), results(&["a", "a"])])),
        conversation(json!([user("hi"), calls(&["a b"]), results(&["a b"])])),
        conversation(json!([results(&["a"])])),
        json!({"toolConfig": {"tools": []}}),
        json!({"toolConfig": {"tools": tools(), "toolChoice": {"none": {}}}}),
        json!({"toolConfig": {"tools": tools(), "toolChoice": {"tool": {"name": "other"}}}}),
        json!({"toolConfig": {"toolChoice": {"any": {}}}}),
        spec(json!({"name": "a b"})),
        spec(json!({"description": ""})),
        spec(json!({"inputSchema": {"json": {"properties": {}}}})),
        spec(json!({"inputSchema": {"type": "object"}})),
        json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": {}}}}}}),
        json!({"requestMetadata": {"a": 1}}),
        json!({"serviceTier": "default"}),
    ];
    for extra in bad {
        let answer = converse(&server, "converse", "", &converse_request(extra.clone())).await;
        assert_eq!(answer.status, 400, "{extra}");
        assert_eq!(error_kind(&answer), "ValidationException", "{extra}");
        assert!(answer.json()["message"].is_string(), "{extra}");
    }
}

#[tokio::test]
async fn errors_have_their_names_in_a_header() {
    let server = start().await;
    for (status, kind) in [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ] {
        let answer =
            converse(&server, "converse-stream", &format!("status={status}"), &converse_request(json!({})))
                .await;
        assert_eq!((answer.status, error_kind(&answer)), (status, kind));
        assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["message"]);
    }
}

#[tokio::test]
async fn a_key_or_a_signature_is_required() {
    let server = start().await;
    let body = converse_request(json!({})).to_string();
    let none = send(&server, "POST", PATH, &[("x-api-key", "k")], &body).await;
    assert_eq!((none.status, error_kind(&none)), (403, "MissingAuthenticationTokenException"));
    let credential = "Credential=AKID/20260102/us-east-1/bedrock/aws4_request";
    let signature = format!("Signature={}", "0f".repeat(32));
    let signed = |credential: &str, names: &str, signature: &str| {
        format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, {signature}")
    };
    let ask = async |authorization: &str| {
        let headers = [("authorization", authorization), ("x-amz-date", "20260102T030405Z")];
        send(&server, "POST", PATH, &headers, &body).await
    };
    assert_eq!(ask(&signed(credential, "host;x-amz-date", &signature)).await.status, 200);
    server.ledger().wait_for(2).await;
    let entries = server.ledger().entries(2);
    assert_eq!(
        (entries[0].signed_headers.as_deref(), entries[1].signed_headers.as_deref()),
        (None, Some("host;x-amz-date"))
    );
    for (authorization, kind) in [
        ("Basic abc".to_owned(), "IncompleteSignatureException"),
        (format!("AWS4-HMAC-SHA256 {credential}, {signature}"), "IncompleteSignatureException"),
        (signed("Credential=AKID", "host;x-amz-date", &signature), "InvalidSignatureException"),
        (
            signed(&credential.replace("bedrock", "s3"), "host;x-amz-date", &signature),
            "InvalidSignatureException",
        ),
        (
            signed(&credential.replace("0102", "0103"), "host;x-amz-date", &signature),
            "InvalidSignatureException",
        ),
        (signed(credential, "host", &signature), "InvalidSignatureException"),
        (signed(credential, "host;x-amz-date;x-not-sent", &signature), "InvalidSignatureException"),
        (signed(credential, "host;x-amz-date", "Signature=short"), "InvalidSignatureException"),
        ("Bearer".to_owned(), "AccessDeniedException"),
    ] {
        let answer = ask(&authorization).await;
        assert_eq!((answer.status, error_kind(&answer)), (403, kind), "{authorization}");
    }
}
