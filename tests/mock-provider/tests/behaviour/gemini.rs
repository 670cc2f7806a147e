//! Gemini's generateContent, whole and streamed, and the counting of its tokens.

use serde_json::{Value, json};

use crate::client::{gemini, gemini_request, send, start};

const WHOLE: &str = "gemini-2.5-flash:generateContent";
const STREAM: &str = "gemini-2.5-flash:streamGenerateContent?alt=sse";
const SIGNED: &str = "gemini-3-pro-preview:generateContent";

fn weather_tool() -> Value {
    json!([{"functionDeclarations": [{"name": "get_weather", "parameters": {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING"}, "unit": {"type": "STRING", "enum": ["celsius", "kelvin"]}},
        "required": ["city"],
    }}]}])
}

fn user(text: &str) -> Value {
    json!({"role": "user", "parts": [{"text": text}]})
}

fn calls(names: &[&str]) -> Value {
    let parts: Vec<_> =
        names.iter().map(|name| json!({"functionCall": {"name": name, "args": {}}})).collect();
    json!({"role": "model", "parts": parts})
}

fn results(names: &[&str]) -> Value {
    let part = |name: &&str| json!({"functionResponse": {"name": name, "response": {"result": "sunny"}}});
    json!({"role": "user", "parts": names.iter().map(part).collect::<Vec<_>>()})
}

fn parts(chunk: &Value) -> &Vec<Value> {
    chunk["candidates"][0]["content"]["parts"].as_array().unwrap()
}

#[tokio::test]
async fn a_whole_answer_says_who_answered() {
    let server = start().await;
    let answer = gemini(&server, WHOLE, "cached=2; reasoning=5", &gemini_request(json!({}))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json; charset=UTF-8");
    let body = answer.json();
    let text = "Hello from the mock gemini model gemini-2.5-flash: you said 4 words.";
    let thought = json!({"text": "think think think think think", "thought": true});
    let content = json!({"parts": [thought, {"text": text}], "role": "model"});
    assert_eq!(body["candidates"], json!([{"content": content, "finishReason": "STOP", "index": 0}]));
    let usage = json!({
        "promptTokenCount": 7,
        "candidatesTokenCount": 11,
        "totalTokenCount": 23,
        "cachedContentTokenCount": 2,
        "thoughtsTokenCount": 5,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 2}],
    });
    assert_eq!(body["usageMetadata"], usage);
    assert_eq!(body["modelVersion"], "gemini-2.5-flash");
    assert_eq!(body["responseId"], "mock-1");
}

#[tokio::test]
async fn a_stream_has_the_same_text_as_a_whole_answer() {
    let server = start().await;
    let whole = gemini(&server, WHOLE, "", &gemini_request(json!({}))).await.json();
    let answer = gemini(&server, STREAM, "", &gemini_request(json!({}))).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert!(answer.text.ends_with("}\r\n\r\n") && !answer.text.contains("[DONE]"));
    let data = answer.data();
    let text: String = data.iter().flat_map(parts).filter_map(|part| part["text"].as_str()).collect();
    assert_eq!(text, parts(&whole)[0]["text"].as_str().unwrap());
    let (last, others) = data.split_last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"], whole["usageMetadata"]);
    assert!(others.iter().all(|chunk| chunk["candidates"][0].get("finishReason").is_none()));
    for (number, chunk) in (1..).zip(others) {
        assert_eq!(chunk["usageMetadata"]["candidatesTokenCount"], number);
        assert_eq!(chunk["usageMetadata"]["totalTokenCount"], 7 + number);
        assert_eq!(
            (&chunk["modelVersion"], &chunk["responseId"]),
            (&last["modelVersion"], &last["responseId"])
        );
    }
}

#[tokio::test]
async fn a_stream_not_asked_for_as_events_is_an_array() {
    let server = start().await;
    let target = "gemini-2.5-flash:streamGenerateContent";
    let answer = gemini(&server, target, "tokens=2", &gemini_request(json!({}))).await;
    assert_eq!(answer.headers["content-type"], "application/json; charset=UTF-8");
    assert_eq!(answer.json().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn thoughts_and_calls_are_parts_of_their_own() {
    let server = start().await;
    let wishes = r#"reasoning=2; text=let me see; tool=a:{"x":1}; tool=b:{}"#;
    let data = gemini(&server, STREAM, wishes, &gemini_request(json!({}))).await.data();
    let streamed: Vec<_> = data.iter().flat_map(parts).cloned().collect();
    let a = json!({"functionCall": {"name": "a", "args": {"x": 1}}});
    let b = json!({"functionCall": {"name": "b", "args": {}}});
    let expected = [
        json!({"text": "think", "thought": true}),
        json!({"text": " think", "thought": true}),
        json!({"text": "let"}),
        json!({"text": " me"}),
        json!({"text": " see"}),
        a.clone(),
        b.clone(),
        json!({"text": ""}),
    ];
    assert_eq!(streamed, expected);
    let last = data.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"]["thoughtsTokenCount"], 2);
    assert_eq!(last["usageMetadata"]["candidatesTokenCount"], 3 + (1 + 2) + (1 + 1));
    let whole = gemini(&server, WHOLE, wishes, &gemini_request(json!({}))).await.json();
    let thought = json!({"text": "think think", "thought": true});
    assert_eq!(parts(&whole), &[thought, json!({"text": "let me see"}), a, b]);
}

#[tokio::test]
async fn gemini_3_signs_the_first_of_its_calls_or_its_last_text() {
    let server = start().await;
    let signature = |part: &Value| part.get("thoughtSignature").is_some();
    let whole = gemini(&server, SIGNED, "text=hm; tool=a; tool=b", &gemini_request(json!({}))).await.json();
    assert_eq!(parts(&whole).iter().map(signature).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(parts(&whole)[2]["functionCall"]["id"], "call_mock_1_1");
    let target = "gemini-3-pro-preview:streamGenerateContent?alt=sse";
    let data = gemini(&server, target, "tokens=2", &gemini_request(json!({}))).await.data();
    let signed: Vec<_> = data.iter().flat_map(parts).map(signature).collect();
    assert_eq!(signed, [false, false, true]);
}

#[tokio::test]
async fn the_weather_is_asked_of_the_first_tool() {
    let server = start().await;
    let asked = |extra: Value| {
        let mut request = json!({"tools": weather_tool(), "contents": [user("Weather in Rome?")]});
        request["toolConfig"] = extra;
        gemini_request(request)
    };
    let body = gemini(&server, WHOLE, "", &asked(Value::Null)).await.json();
    let call = json!({"functionCall": {"name": "get_weather", "args": {"city": "Paris", "unit": "celsius"}}});
    assert_eq!(parts(&body), &[call]);
    let never = json!({"functionCallingConfig": {"mode": "NONE"}});
    assert!(parts(&gemini(&server, WHOLE, "", &asked(never)).await.json())[0].get("text").is_some());
    let always = json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}});
    let request = gemini_request(json!({"tools": weather_tool(), "toolConfig": always}));
    assert!(parts(&gemini(&server, WHOLE, "", &request).await.json())[0].get("functionCall").is_some());
}

#[tokio::test]
async fn calls_and_their_results_are_accepted() {
    let server = start().await;
    let contents =
        json!([user("Weather?"), calls(&["f", "g"]), results(&["g", "f"]), calls(&["f"]), results(&["f"])]);
    let request =
        gemini_request(json!({"contents": contents, "systemInstruction": {"parts": [{"text": "be kind"}]}}));
    let body = gemini(&server, WHOLE, "", &request).await.json();
    assert!(parts(&body)[0]["text"].as_str().unwrap().ends_with("you said 0 words."), "{body}");
    // 2 + 1 words of instruction and question, a word a result, 3 tokens a content.
    assert_eq!(body["usageMetadata"]["promptTokenCount"], 3 * 6 + 2 + 1 + 3);
}

#[tokio::test]
async fn the_calls_of_the_current_turn_must_be_signed() {
    let server = start().await;
    let signed = |signature: &str| {
        let mut content = calls(&["f", "g"]);
        content["parts"][0]["thoughtSignature"] = json!(signature);
        content
    };
    let ask = |call: Value, then: &[Value]| {
        let mut contents = vec![user("go"), call, results(&["f", "g"])];
        contents.extend_from_slice(then);
        gemini_request(json!({"contents": contents}))
    };
    let unsigned = ask(calls(&["f", "g"]), &[]);
    let answer = gemini(&server, SIGNED, "", &unsigned).await;
    assert_eq!(answer.status, 400);
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Function call is missing a thought_signature"), "{message}");
    assert_eq!(gemini(&server, WHOLE, "", &unsigned).await.status, 200);
    for signature in ["bW9jaw==", "skip_thought_signature_validator"] {
        assert_eq!(gemini(&server, SIGNED, "", &ask(signed(signature), &[])).await.status, 200);
    }
    assert_eq!(gemini(&server, SIGNED, "", &ask(signed("no base64!"), &[])).await.status, 400);
    let earlier_turn = ask(calls(&["f", "g"]), &[user("thanks")]);
    assert_eq!(gemini(&server, SIGNED, "", &earlier_turn).await.status, 200);
}

#[tokio::test]
async fn max_output_tokens_end_the_answer() {
    let server = start().await;
    let limit = |most: u64| gemini_request(json!({"generationConfig": {"maxOutputTokens": most}}));
    let body = gemini(&server, WHOLE, "tokens=50", &limit(10)).await.json();
    assert_eq!(body["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(body["usageMetadata"]["candidatesTokenCount"], 10);
    let silent = gemini(&server, WHOLE, "reasoning=50; finish=length", &limit(5)).await.json();
    assert_eq!(silent["usageMetadata"]["thoughtsTokenCount"], 5);
    assert!(silent["usageMetadata"].get("candidatesTokenCount").is_none());
}

#[tokio::test]
async fn an_answer_without_a_word_has_no_parts_and_no_usage_if_so_wished() {
    let server = start().await;
    let body = gemini(&server, WHOLE, "tokens=0; no-usage", &gemini_request(json!({}))).await.json();
    assert_eq!(body["candidates"][0]["content"], json!({"role": "model"}));
    assert!(body.get("usageMetadata").is_none());
    let data = gemini(&server, STREAM, "no-usage", &gemini_request(json!({}))).await.data();
    assert!(data.iter().all(|chunk| chunk.get("usageMetadata").is_none()));
}

#[tokio::test]
async fn a_json_format_is_obeyed() {
    let server = start().await;
    for name in ["responseSchema", "responseJsonSchema"] {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let config = json!({"responseMimeType": "application/json", name: schema});
        let body =
            gemini(&server, WHOLE, "", &gemini_request(json!({"generationConfig": config}))).await.json();
        assert_eq!(parts(&body)[0]["text"], r#"{"city":"Paris"}"#);
    }
}

#[tokio::test]
async fn steering_makes_errors_in_geminis_envelope() {
    let server = start().await;
    let words = [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ];
    for (status, word) in words {
        let answer = gemini(&server, STREAM, &format!("status={status}"), &gemini_request(json!({}))).await;
        assert_eq!(answer.status, status);
        let error = &answer.json()["error"];
        assert_eq!((&error["code"], &error["status"]), (&json!(status), &json!(word)));
    }
    let broken = gemini(&server, STREAM, "tokens=9; cut-after=3", &gemini_request(json!({}))).await;
    assert!(broken.broken);
    assert_eq!(broken.data().len(), 3);
    let failed = gemini(&server, STREAM, "tokens=9; error-after=3", &gemini_request(json!({}))).await;
    let (_, error) = failed.text.rsplit_once("\r\n\r\n").unwrap();
    assert_eq!(serde_json::from_str::<Value>(error).unwrap()["error"]["status"], "UNAVAILABLE");
}

#[tokio::test]
async fn an_answer_is_booked_under_its_model() {
    let server = start().await;
    gemini(&server, STREAM, "tokens=20; reasoning=4; cached=3", &gemini_request(json!({}))).await;
    gemini(&server, WHOLE, "tokens=30", &gemini_request(json!({}))).await;
    server.ledger().wait_for(2).await;
    let entries = server.ledger().entries(2);
    assert!(entries.iter().all(|entry| entry.dialect == "gemini" && entry.model == "gemini-2.5-flash"));
    assert_eq!(entries.iter().map(|entry| entry.stream).collect::<Vec<_>>(), [true, false]);
    assert_eq!(entries.iter().map(|entry| entry.output_tokens).collect::<Vec<_>>(), [24, 30]);
    assert_eq!((entries[0].input_tokens, entries[0].cached_tokens), (7, 3));
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let server = start().await;
    let config = |config: Value| json!({"generationConfig": config});
    let content = |part: Value| json!({"contents": [{"role": "user", "parts": [part]}]});
    let function = |function: Value| json!({"tools": [{"functionDeclarations": [function]}]});
    let parameters = |schema: Value| function(json!({"name": "f", "parameters": schema}));
    let mode = |mode: Value| json!({"tools": weather_tool(), "toolConfig": {"functionCallingConfig": mode}});
    let answer = json!({"name": "f", "response": {}});
    let bad = [
        json!({"contents": []}),
        json!({"contents": null}),
        json!({"contents": "hi"}),
        json!({"messages": []}),
        json!({"system_prompt": "be kind"}),
        json!({"systemInstruction": "be kind"}),
        json!({"systemInstruction": {"parts": []}}),
        json!({"contents": [{"role": "assistant", "parts": [{"text": "hi"}]}]}),
        json!({"contents": [{"role": "system", "parts": [{"text": "hi"}]}]}),
        json!({"contents": [{"role": "user", "parts": []}]}),
        json!({"contents": [{"role": "user", "content": "hi"}]}),
        content(json!({})),
        content(json!({"thought": true})),
        content(json!({"text": 1})),
        content(json!({"type": "text", "text": "hi"})),
        content(json!({"text": "hi", "inlineData": {"mimeType": "image/png", "data": "AAAA"}})),
        content(json!({"inlineData": {"mimeType": "image/png", "data": "data:image/png;base64,AAAA"}})),
        content(json!({"inlineData": {"data": "AAAA"}})),
        content(json!({"fileData": {"mimeType": "image/png"}})),
        content(json!({"functionResponse": answer})),
        content(json!({"functionCall": {"name": "f"}})),
        json!({"contents": [calls(&["f"]), results(&["f"])]}),
        json!({"contents": [user("hi"), calls(&["f"])]}),
        json!({"contents": [user("hi"), calls(&["f"]), user("well?")]}),
        json!({"contents": [user("hi"), calls(&["f"]), results(&["g"])]}),
        json!({"contents": [user("hi"), calls(&["f", "g"]), results(&["f"]), results(&["g"])]}),
        json!({"contents": [user("hi"), calls(&["f"]), results(&["f", "f"])]}),
        json!({"contents": [user("hi"), results(&["f"])]}),
        json!({"contents": [user("hi"), {"role": "model", "parts": [{"functionCall": {"name": "f", "args": "{}"}}]},
            results(&["f"])]}),
        json!({"contents": [user("hi"), calls(&["f"]), {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": "sunny"}}]}]}),
        config(json!({"max_tokens": 5})),
        config(json!({"temperature": 2.5})),
        config(json!({"temperature": "1"})),
        config(json!({"topP": 1.5})),
        config(json!({"maxOutputTokens": 0})),
        config(json!({"maxOutputTokens": "many"})),
        config(json!({"candidateCount": 9})),
        config(json!({"seed": 3_000_000_000_u64})),
        config(json!({"stopSequences": ["a", "b", "c", "d", "e", "f"]})),
        config(json!({"stopSequences": "a"})),
        config(json!({"logprobs": 3})),
        config(json!({"responseMimeType": "text/html"})),
        config(json!({"responseSchema": {"type": "OBJECT"}})),
        config(json!({"responseMimeType": "application/json", "responseSchema": {"$defs": {}}})),
        config(json!({"thinkingConfig": {"thinkingLevel": "LOW"}})),
        config(json!({"thinkingConfig": {"thinkingBudget": 50_000}})),
        config(json!({"thinkingConfig": {"effort": "low"}})),
        json!({"generationConfig": {"responseMimeType": "application/json"}, "tools": weather_tool()}),
        json!({"tools": [{"type": "function", "function": {"name": "f"}}]}),
        json!({"tools": [{"functionDeclarations": [{"name": "f"}, {"name": "f"}]}]}),
        function(json!({"name": "has space"})),
        function(json!({"name": "f", "input_schema": {}})),
        function(json!({"name": "f", "parameters": {"type": "object"}, "parametersJsonSchema": {}})),
        parameters(json!({"type": "object", "additionalProperties": false})),
        parameters(json!({"type": ["object", "null"]})),
        parameters(json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/x"}}})),
        parameters(json!({"type": "object", "properties": {"x": {"type": "array"}}})),
        parameters(json!({"type": "object", "properties": {"x": {"type": "integer", "enum": [1]}}})),
        parameters(json!({"type": "object", "properties": {}, "required": ["x"]})),
        parameters(json!({"type": "string"})),
        mode(json!({"mode": "any"})),
        mode(json!({"mode": "AUTO", "allowedFunctionNames": ["get_weather"]})),
        mode(json!({"mode": "ANY", "allowedFunctionNames": ["other"]})),
        json!({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
        json!({"tool_choice": "auto"}),
        json!({"safetySettings": [{"kind": "x"}]}),
    ];
    for extra in bad {
        let answer = gemini(&server, WHOLE, "", &gemini_request(extra.clone())).await;
        assert_eq!(answer.status, 400, "{extra}");
        assert_eq!(answer.json()["error"]["status"], "INVALID_ARGUMENT", "{extra}");
    }
    let pro = config(json!({"thinkingConfig": {"thinkingBudget": 0}}));
    assert_eq!(gemini(&server, "gemini-2.5-pro:generateContent", "", &gemini_request(pro)).await.status, 400);
}

#[tokio::test]
async fn faults_are_named_as_google_names_them() {
    let server = start().await;
    let cases = [
        (json!({"x": 1}), "Invalid JSON payload received. Unknown name \"x\": Cannot find field."),
        (
            json!({"generationConfig": {"x": 1}}),
            "Invalid JSON payload received. Unknown name \"x\" at 'generation_config': Cannot find field.",
        ),
        (json!({"contents": []}), "* GenerateContentRequest.contents: contents is not specified\n"),
        (
            json!({"contents": [{"parts": [{}]}]}),
            "* GenerateContentRequest.contents[0].parts[0].data: required oneof field 'data' must have one \
             initialized field\n",
        ),
        (
            json!({"tools": [{"functionDeclarations": [{"name": "f", "parameters": {
                "type": "object", "properties": {"a": {"type": "string", "const": "b"}}}}]}]}),
            "Invalid JSON payload received. Unknown name \"const\" at \
             'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.",
        ),
    ];
    for (extra, message) in cases {
        let answer = gemini(&server, WHOLE, "", &gemini_request(extra)).await;
        let error = json!({"code": 400, "message": message, "status": "INVALID_ARGUMENT"});
        assert_eq!(answer.json(), json!({"error": error}));
    }
}

#[tokio::test]
async fn good_requests_are_accepted() {
    let server = start().await;
    let schema = json!({"type": "object", "additionalProperties": false, "properties": {"x": {"type": ["string", "null"]}}});
    let good = [
        json!({"contents": [{"parts": [{"text": "hi"}]}], "model": "models/x", "tools": null}),
        json!({"contents": [{"role": "user", "parts": [
            {"text": "look"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
            {"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}}]}]}),
        json!({"contents": [user("hi"), {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "ho"}]},
            user("so?")]}),
        json!({"generationConfig": {"temperature": 2, "topP": 1.0, "topK": 40, "maxOutputTokens": 1, "seed": -1,
            "candidateCount": 1, "stopSequences": ["a"], "thinkingConfig": {"includeThoughts": true, "thinkingBudget": -1}}}),
        json!({"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": schema}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED"}}}),
        json!({"tools": [{"googleSearch": {}}],
            "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]}),
    ];
    for extra in good {
        let answer = gemini(&server, WHOLE, "", &gemini_request(extra.clone())).await;
        assert_eq!(answer.status, 200, "{extra}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_key_is_required() {
    let server = start().await;
    let body = gemini_request(json!({})).to_string();
    let path = format!("/v1beta/models/{WHOLE}");
    let answer = send(&server, "POST", &path, &[("authorization", "Bearer k")], &body).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["error"]["status"], "PERMISSION_DENIED");
}

#[tokio::test]
async fn tokens_are_counted_without_generating() {
    let server = start().await;
    let target = "gemini-2.5-flash:countTokens";
    let plain = gemini(&server, target, "", &gemini_request(json!({}))).await;
    assert_eq!(plain.json(), json!({"totalTokens": 7}));
    let mut request = gemini_request(json!({"systemInstruction": {"parts": [{"text": "be kind"}]}}));
    assert_eq!(gemini(&server, target, "", &request).await.status, 400);
    let without_model = json!({"generateContentRequest": request});
    assert_eq!(gemini(&server, target, "", &without_model).await.status, 400);
    request["model"] = json!("models/gemini-2.5-flash");
    let full = gemini(&server, target, "", &json!({"generateContentRequest": request})).await;
    assert_eq!(full.json(), json!({"totalTokens": 12}));
}

#[tokio::test]
async fn models_are_listed_for_the_key_of_a_gemini_client() {
    let server = start().await;
    let list = send(&server, "GET", "/v1beta/models", &[("x-goog-api-key", "k")], "").await.json();
    assert_eq!(list["models"][0]["name"], "models/gemini-3-pro-preview");
}
