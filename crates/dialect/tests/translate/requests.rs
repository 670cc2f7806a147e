//! Requests.

use crate::support::{answer_options, expect_json, options, read, request, with};
use serde_json::json;
use weirgate_dialect::Dialect::{Anthropic, Cohere, OpenAi};
use weirgate_dialect::error::ClientError;
use weirgate_dialect::translate::{self, Answer, Kind, Options, Unsupported};

#[test]
fn requests() {
    for (name, dropped, stream) in [
        ("tools", vec!["messages[1].content[2].image_url.detail"], true),
        ("structured", vec!["metadata.team", "prompt_cache_key"], false),
        ("reasoning", vec![], false),
    ] {
        let body = read(&format!("{name}.request.chat.json"));
        let request = translate::request(OpenAi, Anthropic, &body, &options()).unwrap();
        expect_json(
            &format!("{name}.request.messages.json"),
            &serde_json::from_slice(&request.body).unwrap(),
        );
        assert_eq!(request.dropped, dropped, "{name}");
        assert_eq!((request.stream, request.include_usage), (stream, stream), "{name}");
    }
}

#[test]
fn unsupported_fields_meet_the_policy() {
    for (fields, path) in [
        (json!({"n": 2}), "n"),
        (json!({"logit_bias": {"50256": -100}}), "logit_bias"),
        (json!({"seed": 0}), "seed"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"presence_penalty": 0.1}), "presence_penalty"),
        (json!({"frequency_penalty": -1}), "frequency_penalty"),
        (json!({"audio": {"voice": "alloy", "format": "mp3"}}), "audio"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"prediction": {"type": "content", "content": "x"}}), "prediction"),
        (json!({"web_search_options": {}}), "web_search_options"),
        (json!({"verbosity": "low"}), "verbosity"),
        (json!({"functions": [{"name": "f"}]}), "functions"),
        (json!({"service_tier": "flex"}), "service_tier"),
        (json!({"response_format": {"type": "json_object"}}), "response_format.type"),
        (json!({"stop": ["a", "\n"]}), "stop"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"tools": [{"type": "custom", "custom": {"name": "f"}}]}), "tools[0].custom"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}),
            "messages[0].content[0].file.file_id",
        ),
        (
            json!({"messages": [{"role": "user", "content": [
                {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "gs://a/b.png"}},
            ]}]}),
            "messages[0].content[1].image_url.url",
        ),
    ] {
        let error = request(&with(fields.clone()), Unsupported::Reject).unwrap_err();
        assert!(matches!(error.kind(), Kind::Unsupported { .. }), "{fields}");
        let error = ClientError::from(error);
        assert_eq!((error.status(), error.param.as_deref()), (422, Some(path)));
        let (_, dropped) = request(&with(fields), Unsupported::Drop).unwrap();
        assert_eq!(dropped, [path]);
    }
    let (body, _) = request(&with(json!({"temperature": 1.5})), Unsupported::Drop).unwrap();
    assert_eq!(body["temperature"], json!(1));
}

#[test]
fn what_asks_for_nothing_goes_without_a_word() {
    let (body, dropped) = request(
        &with(json!({
            "n": 1, "logit_bias": {}, "seed": null, "logprobs": false, "top_logprobs": 0, "presence_penalty": 0,
            "frequency_penalty": 0.0, "audio": null, "modalities": ["text"], "verbosity": "medium", "functions": [],
            "store": false, "metadata": {}, "stream": false, "stream_options": null, "stop": null, "tools": [],
            "tool_choice": "none", "parallel_tool_calls": true, "response_format": {"type": "text"},
            "reasoning_effort": "none", "user": null, "top_p": null, "service_tier": null,
        })),
        Unsupported::Reject,
    )
    .unwrap();
    assert_eq!(dropped, [""; 0]);
    assert_eq!(
        body,
        json!({
            "model": "claude-sonnet-4-6", "max_tokens": 4096,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}],
        })
    );
}

#[test]
fn the_providers_own_fields_join_those_they_equal() {
    let fields = json!({
        "stop": "a", "stop_sequences": ["b"], "system": "own",
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
    });
    let (body, _) = request(&with(fields), Unsupported::Reject).unwrap();
    assert_eq!(body["stop_sequences"], json!(["a", "b"]));
    assert_eq!(body["system"], json!([{"type": "text", "text": "own"}, {"type": "text", "text": "s"}]));
}

#[test]
fn tool_choices() {
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}]);
    for (choice, expected) in [
        (json!("none"), json!({"type": "none"})),
        (json!("auto"), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (json!(null), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (json!("required"), json!({"type": "any", "disable_parallel_tool_use": true})),
        (
            json!({"type": "function", "function": {"name": "f"}}),
            json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true}),
        ),
        (json!({"type": "any"}), json!({"type": "any", "disable_parallel_tool_use": true})),
    ] {
        let fields = json!({"tools": tools, "tool_choice": choice, "parallel_tool_calls": false});
        let (body, _) = request(&with(fields), Unsupported::Reject).unwrap();
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(
            body["tools"],
            json!([{"name": "f", "input_schema": {"type": "object", "properties": {}}}])
        );
    }
}

#[test]
fn effort_is_a_wish_that_is_left_out_where_thinking_cannot_be() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let call = json!({"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    for fields in [
        json!({"tools": tools, "tool_choice": "required"}),
        json!({"temperature": 0}),
        json!({"top_k": 3}),
        json!({"messages": [
            {"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "a", "content": "r"},
        ]}),
        json!({"model": "claude-sonnet-4-5", "max_tokens": 100}),
        json!({"reasoning_effort": "enormous"}),
    ] {
        let mut body = with(json!({"reasoning_effort": "high"}));
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (body, dropped) = request(&body, Unsupported::Reject).unwrap();
        assert_eq!((body.get("thinking"), body.get("output_config")), (None, None), "{fields}");
        assert_eq!(dropped, ["reasoning_effort"], "{fields}");
    }
    let own =
        json!({"reasoning_effort": "high", "thinking": {"type": "disabled"}, "output_config": {"new": 1}});
    let (body, dropped) = request(&with(own), Unsupported::Reject).unwrap();
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    assert_eq!((&body["output_config"], dropped.len()), (&json!({"new": 1}), 0));
}

#[test]
fn the_provider_gets_its_own_name_of_the_model() {
    let options = Options { model: "claude-x", ..options() };
    let body =
        translate::request(OpenAi, Anthropic, br#"{"model":"chat","messages":[]}"#, &options).unwrap().body;
    assert_eq!(body, br#"{"model":"claude-x","max_tokens":4096,"messages":[]}"#);
}

#[test]
fn invalid_requests_say_where() {
    let fault = |body: &[u8]| translate::request(OpenAi, Anthropic, body, &options()).unwrap_err();
    assert_eq!(
        fault(b"{\n  \"a\": x}").to_string(),
        "the body is not valid JSON at line 2, column 8: expected value"
    );
    assert!(matches!(fault(b"{\"a\":\"\n\xFF\"}").kind(), Kind::InvalidJson { line: 2, column: 1, .. }));
    assert_eq!(ClientError::from(fault(b"")).status(), 400);
    assert_eq!(fault(b"[]").to_string(), "the body is invalid: an object is expected");
    for (body, path) in [
        (json!({"messages": []}), "model"),
        (json!({"model": "m"}), "messages"),
        (with(json!({"messages": {}})), "messages"),
        (with(json!({"stream": 1})), "stream"),
        (with(json!({"max_tokens": "5"})), "max_tokens"),
        (with(json!({"max_completion_tokens": -5})), "max_completion_tokens"),
        (with(json!({"temperature": "hot"})), "temperature"),
        (with(json!({"stop": [1]})), "stop"),
        (with(json!({"tools": {}})), "tools"),
        (with(json!({"tools": [{"type": "function", "function": {}}]})), "tools[0].function.name"),
        (with(json!({"tool_choice": "f"})), "tool_choice"),
        (with(json!({"tool_choice": "required"})), "tool_choice"),
        (with(json!({"response_format": {"type": "json_schema"}})), "response_format.json_schema.schema"),
    ] {
        let error = ClientError::from(request(&body, Unsupported::Drop).unwrap_err());
        assert_eq!((error.status(), error.param.as_deref()), (400, Some(path)));
    }
}

#[test]
fn other_pairs_are_refused() {
    for (from, to) in [(OpenAi, OpenAi), (Cohere, OpenAi), (Cohere, Anthropic)] {
        let error = translate::request(from, to, b"{}", &options()).unwrap_err();
        assert_eq!(error.kind(), &Kind::NoPair { from, to });
        assert!(Answer::new(from, to, answer_options(true)).is_err());
        assert!(!translate::is_supported(from, to));
    }
}
