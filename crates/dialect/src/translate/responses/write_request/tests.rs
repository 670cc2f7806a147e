use super::*;
use crate::translate::{Kind, Unsupported, chat, messages};
use proptest::prelude::*;
use serde_json::{Value, json};

const REJECT: Options<'static> = Options {
    model: "gpt-5.1",
    unsupported: Unsupported::Reject,
    default_max_tokens: 9,
    output_cap: None,
    older_cap_field: false,
    betas: "",
    stream: false,
};
const DROP: Options<'static> = Options { unsupported: Unsupported::Drop, ..REJECT };

fn given(request: Result<translate::Request, Error>) -> (Value, Vec<String>) {
    let request = request.unwrap();
    (serde_json::from_slice(&request.body).unwrap(), request.dropped)
}

fn of_chat(fields: Value, options: &Options<'_>) -> Result<translate::Request, Error> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let body = body.to_string();
    write(chat::read_request::read(body.as_bytes())?, options)
}

fn of_messages(fields: Value, options: &Options<'_>) -> Result<translate::Request, Error> {
    let mut body = json!({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "q"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let body = body.to_string();
    write(messages::read_request::read(body.as_bytes())?, options)
}

fn input(messages: Value) -> Value {
    given(of_messages(json!({"messages": messages}), &REJECT)).0["input"].clone()
}

#[test]
fn a_plain_request_keeps_nothing_and_asks_for_what_the_next_one_needs() {
    let (body, dropped) = given(of_chat(json!({}), &REJECT));
    let expected = json!({
        "model": "gpt-5.1", "store": false, "include": ["reasoning.encrypted_content"],
        "input": [{"type": "message", "role": "user", "content": "q"}],
    });
    assert_eq!((body, dropped.len()), (expected, 0));
}

#[test]
fn a_conversation_becomes_items() {
    let signed = |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
    let items = input(json!([
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [
            signed("openai:rs_1:gA"), {"type": "text", "text": "x"},
            {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}, {"type": "text", "text": "y"},
        ]},
        {"role": "user", "content": [
            {"type": "text", "text": "more"},
            {"type": "tool_result", "tool_use_id": "c1", "content": [
                {"type": "text", "text": "r"}, {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}]},
        ]},
    ]));
    assert_eq!(
        items,
        json!([
            {"type": "message", "role": "user", "content": "q"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gA"},
            {"type": "message", "role": "assistant", "content": "x"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
            {"type": "message", "role": "assistant", "content": "y"},
            {"type": "function_call_output", "call_id": "c1", "output": [
                {"type": "input_text", "text": "r"}, {"type": "input_image", "image_url": "https://a/b.png"}]},
            {"type": "message", "role": "user", "content": "more"},
        ])
    );
}

#[test]
fn thinking_that_others_have_signed_is_left_out_and_named() {
    for block in [
        json!({"type": "thinking", "thinking": "hm", "signature": "EqQB"}),
        json!({"type": "thinking", "thinking": "hm", "signature": "gemini:0:x"}),
        json!({"type": "redacted_thinking", "data": "d"}),
    ] {
        let turns = json!([{"role": "user", "content": "q"}, {"role": "assistant", "content": [block, {"type": "text", "text": "x"}]}]);
        let (body, dropped) = given(of_messages(json!({"messages": turns}), &REJECT));
        assert_eq!(dropped, ["messages[1].content[0]"]);
        assert_eq!(body["input"][1], json!({"type": "message", "role": "assistant", "content": "x"}));
    }
}

#[test]
fn parts_become_those_of_this_api() {
    let (body, dropped) = given(of_chat(
        json!({"messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "a", "mark": 1},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "input_audio", "input_audio": {"format": "wav", "data": "AA=="}},
                {"type": "of_next_year", "x": 1},
            ]},
            {"role": "assistant", "content": "x", "refusal": "no"},
        ]}),
        &REJECT,
    ));
    assert_eq!(dropped, [""; 0]);
    assert_eq!(
        body["input"],
        json!([
            {"type": "message", "role": "system", "content": "be brief"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "a", "mark": 1},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
                {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,AA=="},
                {"type": "input_file", "file_id": "file-1"},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "of_next_year", "x": 1},
            ]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}, {"type": "refusal", "refusal": "no"}]},
        ])
    );
    let documents = input(json!([{"role": "user", "content": [
        {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
    ]}]));
    assert_eq!(
        documents[0]["content"],
        json!([{"type": "input_file", "file_url": "https://a/b.pdf"}, {"type": "input_text", "text": "words"}])
    );
}

#[test]
fn settings_have_their_places() {
    let (body, dropped) = given(of_chat(
        json!({
            "stream": true, "max_completion_tokens": 100, "temperature": 0.50, "top_p": 0.9, "logprobs": true, "top_logprobs": 2,
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "strict": true, "schema": {"type": "object"}}},
            "verbosity": "low", "reasoning_effort": "low", "user": "u", "metadata": {"team": "red"}, "service_tier": "flex", "store": true,
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}},
            "parallel_tool_calls": false, "include": ["file_search_call.results"], "a_field_of_next_year": 1.50,
        }),
        &REJECT,
    ));
    assert_eq!(dropped, [""; 0]);
    let mut expected = json!({
        "model": "gpt-5.1", "stream": true, "max_output_tokens": 100, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 2,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"],
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": true}},
        "reasoning": {"effort": "low"}, "user": "u", "metadata": {"team": "red"}, "service_tier": "flex", "store": true,
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": false}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        "parallel_tool_calls": false, "a_field_of_next_year": 1.5,
    });
    expected["input"] = body["input"].clone();
    assert_eq!(body, expected);
}

#[test]
fn choices_have_their_forms() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    for (choice, expected) in [
        (json!("auto"), json!("auto")),
        (json!("none"), json!("none")),
        (json!("required"), json!("required")),
        (json!({"type": "function", "function": {"name": "f"}}), json!({"type": "function", "name": "f"})),
    ] {
        let (body, _) = given(of_chat(json!({"tools": tools, "tool_choice": choice}), &REJECT));
        assert_eq!(body["tool_choice"], expected);
    }
    assert!(of_chat(json!({"tool_choice": "required"}), &REJECT).is_err());
}

#[test]
fn what_was_thought_is_shown_to_those_who_want_to_see_it() {
    let thinking = |thinking: Value, model: &str| {
        let (body, dropped) = given(of_messages(json!({"thinking": thinking}), &Options { model, ..REJECT }));
        (body.get("reasoning").cloned(), dropped)
    };
    let budget = json!({"type": "enabled", "budget_tokens": 2000});
    assert_eq!(
        thinking(budget.clone(), "gpt-5.1"),
        (Some(json!({"effort": "medium", "summary": "auto"})), vec![])
    );
    assert_eq!(thinking(json!({"type": "adaptive"}), "gpt-5.1"), (Some(json!({"summary": "auto"})), vec![]));
    assert_eq!(thinking(json!({"type": "disabled"}), "gpt-5.1"), (Some(json!({"effort": "none"})), vec![]));
    assert_eq!(thinking(budget, "gpt-4.1"), (None, vec!["thinking".to_owned()]));
}

#[test]
fn what_has_no_place_meets_the_policy() {
    for (fields, path) in [
        (json!({"stop": ["a"]}), "stop"),
        (json!({"n": 2}), "n"),
        (json!({"seed": 1}), "seed"),
        (json!({"presence_penalty": 1}), "presence_penalty"),
        (json!({"frequency_penalty": 1}), "frequency_penalty"),
        (json!({"logit_bias": {"1": 1}}), "logit_bias"),
        (json!({"prediction": {"type": "content", "content": "x"}}), "prediction"),
        (json!({"modalities": ["text", "audio"]}), "modalities"),
        (json!({"web_search_options": {}}), "web_search_options"),
        (json!({"tools": [{"type": "custom", "custom": {"name": "f"}}]}), "tools[0]"),
    ] {
        let error = of_chat(fields.clone(), &REJECT).unwrap_err();
        assert!(matches!(error.kind(), Kind::Unsupported { path: at, .. } if at == path), "{error}");
        assert_eq!(given(of_chat(fields, &DROP)).1, [path]);
    }
    let (body, dropped) = given(of_chat(json!({"prompt_cache_key": "k", "max_tokens": 1}), &REJECT));
    assert_eq!((&body["max_output_tokens"], dropped), (&json!(16), vec!["prompt_cache_key".to_owned()]));
    assert!(of_messages(json!({"top_k": 1}), &REJECT).is_err());
}

#[test]
fn a_field_that_is_written_is_not_written_twice() {
    let (body, dropped) =
        given(of_messages(json!({"max_output_tokens": 7, "input": "x", "store": true}), &REJECT));
    assert_eq!((&body["max_output_tokens"], &body["store"]), (&json!(100), &json!(true)));
    assert_eq!(dropped, ["max_output_tokens", "input"]);
}

proptest! {
    #[test]
    fn every_text_of_a_conversation_arrives(texts in prop::collection::vec("\\PC{1,8}", 1..6)) {
        let turns: Vec<Value> = texts.iter().enumerate().map(|(number, text)| {
            let role = if number % 2 == 0 { "user" } else { "assistant" };
            json!({"role": role, "content": text})
        }).collect();
        let (body, _) = given(of_chat(json!({"messages": turns}), &REJECT));
        let back: Vec<&str> =
            body["input"].as_array().unwrap().iter().map(|item| item["content"].as_str().unwrap()).collect();
        prop_assert_eq!(back, texts);
    }
}
