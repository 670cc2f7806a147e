use crate::Dialect::{Anthropic, Cohere, OpenAi};
use crate::translate::{self, Kind, Options, Unsupported};
use serde_json::{Value, json};

const OPTIONS: Options<'static> = Options {
    model: "command-a-03-2025",
    unsupported: Unsupported::Drop,
    default_max_tokens: 4096,
    output_cap: None,
    older_cap_field: false,
    betas: "",
    stream: false,
};
const THINKS: Options<'static> = Options { model: "command-a-reasoning-08-2025", ..OPTIONS };
const REJECT: Options<'static> = Options { unsupported: Unsupported::Reject, ..OPTIONS };

fn run(
    from: crate::Dialect,
    fields: Value,
    options: &Options<'_>,
) -> Result<(Value, Vec<String>), translate::Error> {
    let mut body = json!({"messages": [{"role": "user", "content": "q"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let request = translate::request(from, Cohere, body.to_string().as_bytes(), options)?;
    Ok((serde_json::from_slice(&request.body).unwrap(), request.dropped))
}

fn chat(fields: Value) -> (Value, Vec<String>) {
    run(OpenAi, fields, &OPTIONS).unwrap()
}

#[test]
fn settings_have_their_names() {
    let (body, dropped) = chat(json!({
        "model": "m", "stream": true, "max_tokens": 9, "temperature": 0.50, "top_p": 1, "seed": 7, "stop": "END",
        "presence_penalty": 0.5, "frequency_penalty": 1.5, "logprobs": true, "user": "u",
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
        "k": 4, "safety_mode": "STRICT",
    }));
    assert_eq!(
        body,
        json!({
            "model": "command-a-03-2025", "stream": true,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}],
            "max_tokens": 9, "temperature": 0.5, "p": 0.99, "seed": 7, "stop_sequences": ["END"],
            "presence_penalty": 0.5, "frequency_penalty": 1, "logprobs": true,
            "response_format": {"type": "json_object", "json_schema": {"type": "object"}},
            "k": 4, "safety_mode": "STRICT",
        })
    );
    assert_eq!(dropped, ["frequency_penalty", "user"]);
    assert_eq!(
        chat(json!({"response_format": {"type": "json_object"}})).0["response_format"],
        json!({"type": "json_object"})
    );
}

#[test]
fn thinking_is_for_models_that_think() {
    for (effort, thinking) in
        [("none", json!({"type": "disabled"})), ("low", json!({"type": "enabled", "token_budget": 1024}))]
    {
        let (body, dropped) = run(OpenAi, json!({"reasoning_effort": effort}), &THINKS).unwrap();
        assert_eq!((&body["thinking"], dropped.len()), (&thinking, 0));
    }
    let (body, dropped) = chat(json!({"reasoning_effort": "low"}));
    assert_eq!((body.get("thinking"), dropped), (None, vec!["reasoning_effort".to_owned()]));
}

fn history() -> Value {
    json!({"model": "m", "max_tokens": 9, "system": "be brief",
    "tools": [{"name": "f", "input_schema": {"type": "object"}}, {"name": "g", "strict": true}],
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "q"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            {"type": "document", "title": "t", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "I will call f"},
            {"type": "thinking", "thinking": "signed", "signature": "s"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1.5}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c", "is_error": true, "content": "no"},
            {"type": "text", "text": "go on"},
        ]},
    ]})
}

#[test]
fn calls_and_results_are_messages() {
    let (body, dropped) = run(Anthropic, history(), &OPTIONS).unwrap();
    let mut messages = json!([
        {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
        {"role": "user", "content": [
            {"type": "text", "text": "q"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "text", "text": "words"},
        ]},
        {"role": "assistant", "tool_plan": "I will call f",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1.5}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "no"}]},
        {"role": "user", "content": [{"type": "text", "text": "go on"}]},
    ]);
    assert_eq!(body["messages"], messages);
    assert_eq!(
        dropped,
        [
            "messages[0].content[2].title",
            "messages[1].content[1]",
            "messages[2].content[0].is_error",
            "tools.strict"
        ]
    );
    let (body, _) = run(Anthropic, history(), &THINKS).unwrap();
    let assistant = messages[2].as_object_mut().unwrap();
    assistant.remove("tool_plan");
    assistant.insert("content".to_owned(), json!([{"type": "thinking", "thinking": "I will call f"}]));
    assert_eq!(body["messages"], messages);
}

#[test]
fn choices_among_tools() {
    let function = |name: &str| json!({"type": "function", "function": {"name": name, "strict": true, "parameters": {"type": "object"}}});
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {"type": "object"}}});
    let tools = json!([function("f"), function("g")]);
    let both = json!([tool("f"), tool("g")]);
    for (choice, expected, given) in [
        (json!("auto"), Value::Null, both.clone()),
        (json!("none"), json!("NONE"), both.clone()),
        (json!("required"), json!("REQUIRED"), both),
        (json!({"type": "function", "function": {"name": "g"}}), json!("REQUIRED"), json!([tool("g")])),
    ] {
        let (body, dropped) = chat(json!({"tools": tools, "tool_choice": choice}));
        assert_eq!((&body["tool_choice"], &body["tools"]), (&expected, &given), "{choice}");
        assert_eq!((&body["strict_tools"], dropped.len()), (&json!(true), 0));
    }
    let error = run(OpenAi, json!({"tool_choice": "required"}), &OPTIONS).unwrap_err();
    assert_eq!(error.path(), Some("tool_choice"));
}

#[test]
fn what_cannot_be_carried_is_named() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let says = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
    for (fields, path) in [
        (json!({"n": 2}), "n"),
        (json!({"presence_penalty": -1}), "presence_penalty"),
        (json!({"stop": ["a", "b", "c", "d", "e", "f"]}), "stop"),
        (json!({"logprobs": true, "top_logprobs": 2}), "top_logprobs"),
        (json!({"tools": tools, "response_format": {"type": "json_object"}}), "response_format"),
        (
            says(json!({"type": "input_audio", "input_audio": {"format": "wav", "data": "AA=="}})),
            "messages[0].content[0].input_audio",
        ),
        (
            says(json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}})),
            "messages[0].content[0].file.file_data",
        ),
        (
            says(json!({"type": "image_url", "image_url": {"url": "gs://a/b.png"}})),
            "messages[0].content[0].image_url.url",
        ),
    ] {
        let error = run(OpenAi, fields.clone(), &REJECT).unwrap_err();
        assert!(matches!(error.kind(), Kind::Unsupported { .. }), "{fields}: {error}");
        assert_eq!(error.path(), Some(path), "{fields}");
        assert!(run(OpenAi, fields, &OPTIONS).is_ok());
    }
}

#[test]
fn one_call_at_a_time_is_a_wish() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let (_, dropped) = chat(json!({"tools": tools, "parallel_tool_calls": false}));
    assert_eq!(dropped, ["parallel_tool_calls"]);
}
