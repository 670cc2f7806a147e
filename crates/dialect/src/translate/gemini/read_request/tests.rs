use crate::Dialect;
use crate::translate::{self, Error, Options, Unsupported};
use serde_json::{Value, json};

fn options() -> Options<'static> {
    Options {
        model: "m",
        unsupported: Unsupported::Reject,
        default_max_tokens: 9,
        output_cap: None,
        older_cap_field: false,
        betas: "",
        stream: false,
    }
}

/// What a provider of a dialect gets, and what was left out.
fn to(dialect: Dialect, body: &Value) -> Result<(Value, Vec<String>), Error> {
    let model = if dialect == Dialect::Anthropic { "claude-sonnet-4-5" } else { "m" };
    let options = Options { model, ..options() };
    let request = translate::request(Dialect::Gemini, dialect, body.to_string().as_bytes(), &options)?;
    Ok((serde_json::from_slice(&request.body).unwrap(), request.dropped))
}

fn chat(body: Value) -> Value {
    let (body, dropped) = to(Dialect::OpenAi, &body).unwrap();
    assert!(dropped.is_empty(), "{dropped:?}");
    body
}

fn asking(fields: Value) -> Value {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "q"}]}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[test]
fn a_conversation_with_instructions() {
    let body = chat(json!({
        "systemInstruction": {"parts": [{"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "b"}]},
            {"parts": [{"text": "c"}, {"inline_data": {"mime_type": "image/PNG", "data": "-_A="}}]},
        ],
    }));
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "be brief"}));
    assert_eq!(body["messages"][1], json!({"role": "user", "content": "a"}));
    assert_eq!(body["messages"][2], json!({"role": "assistant", "content": "b"}));
    assert_eq!(body["messages"][3]["content"][1]["image_url"]["url"], "data:image/png;base64,+/A=");
}

#[test]
fn the_path_says_the_model_and_whether_to_stream() {
    let body = asking(json!({"model": "models/other"})).to_string();
    let options = Options { stream: true, ..options() };
    let request = translate::request(Dialect::Gemini, Dialect::OpenAi, body.as_bytes(), &options).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["model"], &body["stream"], request.stream), (&json!("m"), &json!(true), true));
}

#[test]
fn calls_without_ids_meet_their_results_by_name_and_order() {
    let call = |city: &str| json!({"functionCall": {"name": "weather", "args": {"city": city}}});
    let result = |text: &str| json!({"functionResponse": {"name": "weather", "response": {"result": text}}});
    let body = chat(asking(json!({
        "tools": [{"functionDeclarations": [{"name": "weather"}]}],
        "contents": [
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [call("Oslo"), call("Rome")]},
            {"role": "user", "parts": [result("cold"), result("warm")]},
        ],
    })));
    let calls = body["messages"][1]["tool_calls"].as_array().unwrap();
    let ids: Vec<&Value> = calls.iter().map(|call| &call["id"]).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(calls[0]["function"]["arguments"], r#"{"city":"Oslo"}"#);
    assert_eq!(
        (&body["messages"][2]["tool_call_id"], &body["messages"][2]["content"]),
        (ids[0], &json!("cold"))
    );
    assert_eq!(
        (&body["messages"][3]["tool_call_id"], &body["messages"][3]["content"]),
        (ids[1], &json!("warm"))
    );
}

#[test]
fn a_result_that_is_an_object_is_its_json() {
    let body = asking(json!({"contents": [
        {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "f"}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "c1", "name": "f", "response": {"a": 1, "b": [2]}}},
        ]},
    ], "tools": [{"function_declarations": [{"name": "f"}]}]}));
    assert_eq!(chat(body)["messages"][1]["content"], r#"{"a":1,"b":[2]}"#);
}

#[test]
fn schemas_in_googles_words_become_those_of_json() {
    let schema = json!({"type": "OBJECT", "propertyOrdering": ["n"], "required": ["n"], "properties": {
        "n": {"type": "INTEGER", "nullable": true, "format": "int32"},
        "kind": {"type": "STRING", "format": "enum", "enum": ["A"]},
        "list": {"type": "ARRAY", "items": {"type": "NUMBER"}, "maxItems": "3"},
    }});
    let plain = json!({"type": "object", "required": ["n"], "properties": {
        "n": {"type": ["integer", "null"], "format": "int32"},
        "kind": {"type": "string", "enum": ["A"]},
        "list": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
    }});
    let body = chat(asking(json!({
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": schema}]}],
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": schema},
    })));
    assert_eq!(body["tools"][0]["function"]["parameters"], plain);
    assert_eq!(body["response_format"]["json_schema"]["schema"], plain);
}

#[test]
fn settings_are_taken_under_either_name() {
    for config in ["generationConfig", "generation_config"] {
        let body = chat(asking(json!({config: {
            "max_output_tokens": 7, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"], "seed": 3,
            "candidateCount": 2, "presencePenalty": 0.1, "frequency_penalty": 0, "responseLogprobs": true, "logprobs": 2,
        }})));
        let expected = json!({"temperature": 0.5, "top_p": 0.9, "seed": 3, "n": 2, "presence_penalty": 0.1, "logprobs": true, "top_logprobs": 2});
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&body[name], value, "{name}");
        }
        assert_eq!((&body["max_completion_tokens"], &body["stop"]), (&json!(7), &json!(["END"])));
        assert_eq!(body.get("frequency_penalty"), None);
    }
}

#[test]
fn which_functions_may_be_called() {
    let tools = json!([{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]);
    let choice = |config: Value| {
        chat(asking(json!({"tools": tools, "toolConfig": {"functionCallingConfig": config}})))["tool_choice"]
            .clone()
    };
    assert_eq!(choice(json!({"mode": "AUTO"})), "auto");
    assert_eq!(choice(json!({"mode": "NONE"})), "none");
    assert_eq!(choice(json!({"mode": "ANY"})), "required");
    let one = choice(json!({"mode": "ANY", "allowedFunctionNames": ["g"]}));
    assert_eq!(one, json!({"type": "function", "function": {"name": "g"}}));
    assert_eq!(choice(json!({"mode": "ANY", "allowed_function_names": ["f", "g"]}))["type"], "allowed_tools");
}

#[test]
fn thinking_is_more_or_less() {
    let thinking = |config: Value| {
        to(
            Dialect::Anthropic,
            &asking(json!({"generationConfig": {"maxOutputTokens": 4096, "thinkingConfig": config}})),
        )
        .unwrap()
        .0
    };
    assert_eq!(thinking(json!({"thinkingBudget": 2048}))["thinking"]["budget_tokens"], 2048);
    let effort = chat(asking(json!({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}})));
    assert_eq!(effort["reasoning_effort"], "low");
}

#[test]
fn thoughts_that_came_piece_by_piece_go_back_whole_with_their_signature() {
    use base64::Engine as _;
    let signature = base64::engine::general_purpose::STANDARD.encode("EqQBsig");
    let sealed = base64::engine::general_purpose::STANDARD.encode("sealed:xyz");
    let thought = |text: &str| json!({"role": "model", "parts": [{"text": text, "thought": true}]});
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "q"}]},
        thought("let me "), thought("see"),
        {"role": "model", "parts": [{"text": "", "thought": true, "thoughtSignature": signature}]},
        {"role": "model", "parts": [{"text": "", "thought": true, "thoughtSignature": sealed}, {"text": "a"}]},
        {"role": "user", "parts": [{"text": "more"}]},
    ], "generationConfig": {"maxOutputTokens": 4096, "thinkingConfig": {"thinkingBudget": 1024}}});
    let (body, _) = to(Dialect::Anthropic, &body).unwrap();
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "let me see", "signature": "EqQBsig"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "text", "text": "a"},
        ])
    );
}

#[test]
fn what_no_other_api_has_is_refused_with_its_path() {
    let refused = |fields: Value| {
        let error = to(Dialect::OpenAi, &asking(fields)).unwrap_err();
        assert!(matches!(error.kind(), translate::Kind::Unsupported { .. }), "{error:?}");
        error.path().unwrap().to_owned()
    };
    assert_eq!(refused(json!({"cachedContent": "cachedContents/1"})), "cachedContent");
    assert_eq!(refused(json!({"tools": [{"googleSearch": {}}]})), "tools");
    assert_eq!(refused(json!({"generationConfig": {"speechConfig": {}}})), "generationConfig.speechConfig");
    let video = json!({"contents": [{"parts": [{"inlineData": {"mimeType": "video/mp4", "data": "AA=="}}]}]});
    assert_eq!(refused(video), "contents[0].parts[0]");
    let strict = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_LOW_AND_ABOVE"}]);
    assert_eq!(refused(json!({"safetySettings": strict})), "safetySettings");
    let open = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]);
    assert_eq!(to(Dialect::OpenAi, &asking(json!({"safetySettings": open}))).unwrap().1, ["safetySettings"]);
}

#[test]
fn what_the_api_does_not_define_is_invalid() {
    let invalid = |body: Value| {
        let error = to(Dialect::OpenAi, &body).unwrap_err();
        assert!(matches!(error.kind(), translate::Kind::Invalid { .. }), "{error:?}");
        error.path().unwrap().to_owned()
    };
    assert_eq!(invalid(json!({})), "contents");
    assert_eq!(invalid(json!({"contents": [5]})), "contents[0]");
    assert_eq!(invalid(json!({"contents": [{"role": "x", "parts": []}]})), "contents[0].role");
    assert_eq!(
        invalid(json!({"contents": [{"parts": [{"functionCall": {}}]}]})),
        "contents[0].parts[0].functionCall.name"
    );
    assert_eq!(
        invalid(asking(json!({"generationConfig": {"temperature": "hot"}}))),
        "generationConfig.temperature"
    );
}
