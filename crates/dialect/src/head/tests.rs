use super::*;

fn edited(body: &str, edit: Edit) -> String {
    let mut bytes = body.as_bytes().to_vec();
    bytes.splice(edit.span, edit.text.into_bytes());
    String::from_utf8(bytes).unwrap()
}

#[test]
fn reads_what_routing_needs_and_nothing_else() {
    let body = br#"{"messages":[{"role":"user","content":"hi"}], "model" : "gpt-4o", "stream":true, "max_tokens":7,"n":2}"#;
    let head = read(Operation::ChatCompletions, body).unwrap();
    assert_eq!(head.model.as_deref(), Some("gpt-4o"));
    assert_eq!(&body[head.model_span.clone().unwrap()], b"\"gpt-4o\"");
    assert!(head.stream);
    assert_eq!((head.max_tokens, head.choices), (Some(7), 2));
    assert!(!head.include_usage);
}

#[test]
fn a_cap_takes_the_place_of_every_other() {
    let capped = |body: &str| {
        cap_output(Dialect::OpenAi, body.as_bytes(), Some("max_tokens"), 7)
            .map(|body| String::from_utf8(body).unwrap())
    };
    assert_eq!(
        capped(r#"{ "a" : [1, 2], "max_tokens":null,"b":1.50 }"#).unwrap(),
        r#"{"a":[1, 2],"b":1.50,"max_tokens":7}"#
    );
    assert_eq!(
        capped(r#"{"max_completion_tokens":null,"m\u0061x_tokens":null}"#).unwrap(),
        r#"{"max_tokens":7}"#
    );
    assert_eq!(capped("{}").unwrap(), r#"{"max_tokens":7}"#);
    assert_eq!(capped("[]"), None);
}

#[test]
fn the_end_user_is_named_by_either_api() {
    let named = |operation, body: &str| read(operation, body.as_bytes()).unwrap().end_user;
    assert_eq!(named(Operation::ChatCompletions, r#"{"user":"ann"}"#).as_deref(), Some("ann"));
    assert_eq!(named(Operation::Messages, r#"{"metadata":{"user_id":"ann"}}"#).as_deref(), Some("ann"));
    assert_eq!(named(Operation::ChatCompletions, r#"{"user":5,"metadata":{"user_id":"ann"}}"#), None);
    assert_eq!(named(Operation::Messages, r#"{"metadata":[]}"#), None);
}

#[test]
fn the_service_tier_is_a_text() {
    let tier = |body: &str| read(Operation::ChatCompletions, body.as_bytes()).map(|head| head.tier);
    assert_eq!(tier(r#"{"service_tier":"priority"}"#).unwrap().as_deref(), Some("priority"));
    assert_eq!(tier(r#"{"service_tier":"fl\u0065x"}"#).unwrap().as_deref(), Some("flex"));
    assert_eq!(tier(r#"{"service_tier":null}"#).unwrap(), None);
    assert_eq!(tier("{}").unwrap(), None);
    assert_eq!(tier(r#"{"service_tier":7}"#).unwrap_err().param.as_deref(), Some("service_tier"));
    assert!(tier(r#"{"Service_Tier":"flex"}"#).unwrap_err().message.contains("did you mean"));
}

#[test]
fn broken_json_says_where() {
    let error = read(Operation::ChatCompletions, b"{\"model\": \"x\",\n \"stream\": tru}").unwrap_err();
    assert_eq!(error.status(), 400);
    assert!(error.message.contains("line 2 column"), "{}", error.message);
    assert!(read(Operation::ChatCompletions, b"[]").is_err());
    assert!(read(Operation::ChatCompletions, b"").is_err());
    assert_eq!(
        read(Operation::ChatCompletions, br#"{"model": 5}"#).unwrap_err().param.as_deref(),
        Some("model")
    );
}

#[test]
fn a_cap_of_another_api_is_none() {
    let body = br#"{"model":"m","max_output_tokens":1,"max_completion_tokens":5}"#;
    assert_eq!(read(Operation::ChatCompletions, body).unwrap().max_tokens, Some(5));
    assert_eq!(read(Operation::Messages, body).unwrap().max_tokens, None);
    assert_eq!(read(Operation::Passthrough, body).unwrap().max_tokens, Some(5));
}

#[test]
fn a_field_in_other_letters_is_refused() {
    for body in [r#"{"model":"a","MODEL":"b"}"#, r#"{"messages":[],"Messages":[]}"#, r#"{"Max_Tokens":9}"#] {
        let error = read(Operation::ChatCompletions, body.as_bytes()).unwrap_err();
        assert!(error.message.contains("did you mean"), "{body}: {}", error.message);
    }
}

#[test]
fn a_model_given_twice_is_refused() {
    assert!(
        read(Operation::ChatCompletions, br#"{"model":"cheap","model":"dear"}"#)
            .unwrap_err()
            .message
            .contains("duplicate")
    );
}

#[test]
fn asking_for_usage_keeps_the_rest_of_the_body() {
    let body = r#"{"model":"a","stream":true}"#;
    let edit =
        read(Operation::ChatCompletions, body.as_bytes()).unwrap().ask_for_usage(body.as_bytes()).unwrap();
    assert_eq!(edited(body, edit), r#"{"stream_options":{"include_usage":true},"model":"a","stream":true}"#);
    let body = r#"{"stream_options": {"include_obfuscation":false}, "model":"a"}"#;
    let edit =
        read(Operation::ChatCompletions, body.as_bytes()).unwrap().ask_for_usage(body.as_bytes()).unwrap();
    assert_eq!(
        edited(body, edit),
        r#"{"stream_options": {"include_obfuscation":false,"include_usage":true}, "model":"a"}"#
    );
    let body = r#"{"stream_options":null,"model":"a"}"#;
    let edit =
        read(Operation::ChatCompletions, body.as_bytes()).unwrap().ask_for_usage(body.as_bytes()).unwrap();
    assert_eq!(edited(body, edit), r#"{"stream_options":{"include_usage":true},"model":"a"}"#);
    let body = br#"{"stream_options":{"include_usage":true}}"#;
    assert_eq!(read(Operation::ChatCompletions, body).unwrap().ask_for_usage(body), None);
}

#[test]
fn caps_stand_where_each_dialect_has_them() {
    let head = |operation, body: &str| {
        let head = read(operation, body.as_bytes()).unwrap();
        (head.max_tokens, head.choices)
    };
    assert_eq!(head(Operation::Responses, r#"{"max_output_tokens":5,"max_tokens":1}"#), (Some(5), 1));
    for name in ["generationConfig", "generation_config"] {
        let body = format!(r#"{{"{name}":{{"max_output_tokens":5,"candidateCount":3}},"max_tokens":1}}"#);
        assert_eq!(head(Operation::GenerateContent, &body), (Some(5), 3));
    }
    assert_eq!(
        head(Operation::Converse, r#"{"inferenceConfig":{"maxTokens":5},"max_tokens":1}"#),
        (Some(5), 1)
    );
    let twice = br#"{"generationConfig":{"maxOutputTokens":5,"max_output_tokens":9}}"#;
    assert_eq!(
        read(Operation::GenerateContent, twice).unwrap_err().param.as_deref(),
        Some("generationConfig")
    );
    assert!(read(Operation::GenerateContent, br#"{"generationConfig":{},"generation_config":{}}"#).is_err());
}

#[test]
fn a_cap_is_set_where_each_dialect_has_it() {
    let capped = |dialect, body: &str| {
        let body = cap_output(dialect, body.as_bytes(), Some("max_tokens"), 7).unwrap();
        String::from_utf8(body).unwrap()
    };
    assert_eq!(
        capped(Dialect::Responses, r#"{"input":"a","max_output_tokens":null}"#),
        r#"{"input":"a","max_output_tokens":7}"#
    );
    assert_eq!(
        capped(Dialect::Gemini, r#"{"contents":[]}"#),
        r#"{"contents":[],"generationConfig":{"maxOutputTokens":7}}"#
    );
    assert_eq!(
        capped(Dialect::Gemini, r#"{"generation_config":{"topK":1,"max_output_tokens":9}}"#),
        r#"{"generationConfig":{"topK":1,"maxOutputTokens":7}}"#
    );
    assert_eq!(
        capped(Dialect::Converse, r#"{"inferenceConfig":null}"#),
        r#"{"inferenceConfig":{"maxTokens":7}}"#
    );
}

#[test]
fn the_model_is_replaced_where_it_stands() {
    let body = r#"{"model":"a\"b","x":1}"#;
    let head = read(Operation::ChatCompletions, body.as_bytes()).unwrap();
    assert_eq!(head.model.as_deref(), Some("a\"b"));
    assert_eq!(edited(body, head.set_model("c\"d")), r#"{"model":"c\"d","x":1}"#);
    for (body, expected) in [(r#"{"x":1}"#, r#"{"model":"m","x":1}"#), ("{ }", r#"{"model":"m" }"#)] {
        let head = read(Operation::ChatCompletions, body.as_bytes()).unwrap();
        assert_eq!(edited(body, head.set_model("m")), expected);
    }
}

#[test]
fn a_completion_of_many_prompts_was_reserved_as_one() {
    let choices = |body: &str| read(Operation::Completions, body.as_bytes()).unwrap().choices;
    assert_eq!(choices(r#"{"prompt":"a"}"#), 1);
    assert_eq!(choices(r#"{"prompt":[1,2,3],"n":2}"#), 2);
    assert_eq!(choices(r#"{"prompt":["a","b","c"],"n":2}"#), 6);
    assert_eq!(choices(r#"{"prompt":[[1,2],[3]],"best_of":4}"#), 8);
    assert_eq!(choices(r#"{"prompt":[]}"#), 1);
    let chat = read(Operation::ChatCompletions, br#"{"prompt":["a","b"]}"#).unwrap();
    assert_eq!(chat.choices, 1);
}

#[test]
fn every_model_in_a_call_of_geminis_is_renamed() {
    let renamed = |body: &str| {
        let mut body = body.to_owned();
        for Edit { span, text } in rename_in_gemini(body.as_bytes(), "m").into_iter().rev() {
            body.replace_range(span, &text);
        }
        body
    };
    let body = r#"{"requests": [{"model": "models/a", "content": {"model": 1}}, {"content": {}}, {"model":"a"}], "model":"a"}"#;
    let expected = r#"{"requests": [{"model": "models/m", "content": {"model": 1}}, {"content": {}}, {"model":"models/m"}], "model":"models/m"}"#;
    assert_eq!(renamed(body), expected);
    for other in ["{}", "[]", "x", r#"{"requests":{}}"#] {
        assert_eq!(renamed(other), other);
    }
}
