use crate::Dialect::{Anthropic, Converse, OpenAi};
use crate::translate::{self, Kind, Options, Unsupported};
use serde_json::{Value, json};

const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

fn options(model: &str) -> Options<'_> {
    Options {
        model,
        unsupported: Unsupported::Drop,
        default_max_tokens: 4096,
        output_cap: None,
        older_cap_field: false,
        betas: "",
        stream: false,
    }
}

fn run(from: crate::Dialect, fields: Value, model: &str) -> (Value, Vec<String>) {
    let mut body = json!({"messages": [{"role": "user", "content": "q"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let request = translate::request(from, Converse, body.to_string().as_bytes(), &options(model)).unwrap();
    (serde_json::from_slice(&request.body).unwrap(), request.dropped)
}

fn chat(fields: Value, model: &str) -> (Value, Vec<String>) {
    run(OpenAi, fields, model)
}

fn refused(fields: Value) -> String {
    let mut body = json!({"messages": [{"role": "user", "content": "q"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let options = Options { unsupported: Unsupported::Reject, ..options(CLAUDE) };
    let error = translate::request(OpenAi, Converse, body.to_string().as_bytes(), &options).unwrap_err();
    match error.kind() {
        Kind::Unsupported { path, .. } => path.clone(),
        other => format!("{other:?}"),
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_model_and_the_stream_stand_in_the_path() {
    let (body, dropped) = chat(json!({"model": "m", "stream": true}), CLAUDE);
    assert_eq!(body, json!({"messages": [{"role": "user", "content": [{"text": "q"}]}]}));
    assert_eq!(dropped, NOTHING);
}

#[test]
fn settings_have_their_places() {
    let (body, dropped) = chat(
        json!({
            "max_tokens": 9, "temperature": 0.50, "top_p": 0.9, "stop": ["END"], "service_tier": "priority",
            "metadata": {"team": "red", "odd": "a{b"}, "user": "u",
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "description": "d", "schema": {"type": "object"}}},
            "top_k": 3, "a_field_of_next_year": 1, "guardrailConfig": {"guardrailIdentifier": "g"},
            "inferenceConfig": {"temperature": 1, "newer": 2}, "additionalModelRequestFields": {"b": 2},
        }),
        "meta.llama3",
    );
    assert_eq!(
        body,
        json!({
            "messages": [{"role": "user", "content": [{"text": "q"}]}],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"], "newer": 2},
            "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                "schema": "{\"type\":\"object\"}", "name": "s", "description": "d",
            }}}},
            "requestMetadata": {"team": "red"},
            "serviceTier": {"type": "priority"},
            "guardrailConfig": {"guardrailIdentifier": "g"},
            "additionalModelRequestFields": {"top_k": 3, "a_field_of_next_year": 1, "b": 2},
        })
    );
    assert_eq!(dropped, ["user", "metadata.odd", "inferenceConfig.temperature"]);
}

#[test]
fn each_family_has_its_own_words() {
    for (model, field) in [
        ("amazon.nova-pro-v1:0", json!({"inferenceConfig": {"topK": 3}})),
        ("cohere.command-r-v1:0", json!({"k": 3})),
        (CLAUDE, json!({"top_k": 3})),
    ] {
        let (body, _) = run(Anthropic, json!({"model": "m", "max_tokens": 9, "top_k": 3}), model);
        assert_eq!(body["additionalModelRequestFields"], field, "{model}");
    }
    for (model, effort, fields) in [
        (CLAUDE, "high", json!({"thinking": {"type": "enabled", "budget_tokens": 3276}})),
        (
            "anthropic.claude-opus-4-7",
            "low",
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ),
        (
            "us.amazon.nova-2-lite-v1:0",
            "max",
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        ),
        ("us.amazon.nova-2-lite-v1:0", "none", json!({"reasoningConfig": {"type": "disabled"}})),
        ("openai.gpt-oss-120b-1:0", "minimal", json!({"reasoning_effort": "low"})),
    ] {
        let (body, dropped) = chat(json!({"reasoning_effort": effort}), model);
        assert_eq!((&body["additionalModelRequestFields"], dropped.len()), (&fields, 0), "{model}");
    }
    let (body, _) = chat(json!({"reasoning_effort": "high"}), CLAUDE);
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 4096}));
    let (body, _) = chat(json!({"reasoning_effort": "high", "max_tokens": 9}), "us.amazon.nova-2-lite-v1:0");
    assert_eq!(body["additionalModelRequestFields"]["reasoningConfig"]["maxReasoningEffort"], "medium");
    for (model, fields) in [
        ("meta.llama3", json!({"reasoning_effort": "high"})),
        (CLAUDE, json!({"reasoning_effort": "high", "temperature": 0})),
        (CLAUDE, json!({"reasoning_effort": "high", "max_tokens": 100})),
    ] {
        let (body, dropped) = chat(fields, model);
        assert_eq!(
            (body.get("additionalModelRequestFields"), dropped),
            (None, vec!["reasoning_effort".to_owned()])
        );
    }
    let own = json!({"reasoning_effort": "high", "thinking": {"type": "disabled"}});
    assert_eq!(
        chat(own, CLAUDE).0["additionalModelRequestFields"],
        json!({"thinking": {"type": "disabled"}})
    );
}

#[test]
fn roles_take_turns_and_the_system_stands_apart() {
    let (body, dropped) = chat(
        json!({"messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "a"}, {"role": "user", "name": "ann", "content": "b"},
            {"role": "developer", "content": "in verse"},
            {"role": "assistant", "content": " "}, {"role": "assistant", "content": "c  \n"},
        ]}),
        CLAUDE,
    );
    assert_eq!(
        body,
        json!({
            "messages": [
                {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
                {"role": "assistant", "content": [{"text": "c"}]},
            ],
            "system": [{"text": "be brief"}, {"text": "in verse"}],
        })
    );
    assert_eq!(dropped, ["messages[2].name"]);
    let (body, _) = chat(json!({"messages": [{"role": "system", "content": "s"}]}), CLAUDE);
    assert_eq!(body, json!({"messages": [{"role": "user", "content": [{"text": "s"}]}]}));
    let (body, _) =
        chat(json!({"system": [{"text": "own"}], "messages": [{"role": "user", "content": "q"}]}), CLAUDE);
    assert_eq!(body["system"], json!([{"text": "own"}]));
}

#[test]
fn files_become_blocks() {
    let document = |name: &str, source: Value| json!({"type": "document", "title": name, "source": source});
    let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "AA=="});
    let (body, dropped) = run(
        Anthropic,
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpg", "data": "AA=="}},
            {"type": "image", "source": {"type": "url", "url": "s3://b/a.PNG"}},
            document("a.pdf", pdf.clone()), document("a.pdf", pdf),
            document("n", json!({"type": "text", "media_type": "text/plain", "data": "gr\u{fc}\u{df}"})),
            document("s", json!({"type": "url", "url": "s3://b/c.docx"})),
            {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "AA=="}},
        ]}]}),
        CLAUDE,
    );
    let bytes = json!({"bytes": "AA=="});
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            // A document has to come with a text.
            {"text": "document"},
            {"image": {"format": "jpeg", "source": bytes}},
            {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a.PNG"}}}},
            {"document": {"format": "pdf", "source": bytes, "name": "a pdf"}},
            {"document": {"format": "pdf", "source": bytes, "name": "a pdf (2)"}},
            {"document": {"format": "txt", "source": {"bytes": "Z3LDvMOf"}, "name": "n"}},
            {"document": {"format": "docx", "source": {"s3Location": {"uri": "s3://b/c.docx"}}, "name": "s"}},
        ])
    );
    assert_eq!(dropped, ["messages[0].content[6]", "messages[0].content[7]"]);
}

#[test]
fn calls_results_and_thinking_keep_together() {
    let (body, _) = run(
        Anthropic,
        json!({"model": "m", "max_tokens": 9,
            "tools": [{"name": "f", "input_schema": {"properties": {}}, "strict": true, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "thinking", "thinking": "other", "signature": "gemini:0:x"},
                    {"type": "redacted_thinking", "data": "AA=="},
                    {"type": "tool_use", "id": "a b", "name": "f", "input": {"x": 1.50}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "a b", "is_error": true, "content": [
                        {"type": "text", "text": "no", "cache_control": {"type": "ephemeral"}},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                    ]},
                ]},
        ]}),
        CLAUDE,
    );
    assert_eq!(
        body,
        json!({
            "messages": [
                {"role": "user", "content": [{"text": "q"}]},
                {"role": "assistant", "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                    {"reasoningContent": {"redactedContent": "AA=="}},
                    {"toolUse": {"toolUseId": "a_b", "name": "f", "input": {"x": 1.5}}},
                ]},
                {"role": "user", "content": [
                    {"toolResult": {"toolUseId": "a_b", "content": [
                        {"text": "no"}, {"image": {"format": "png", "source": {"bytes": "AA=="}}},
                    ], "status": "error"}},
                    {"cachePoint": {"type": "default"}},
                ]},
            ],
            "toolConfig": {"tools": [
                {"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}, "strict": true}},
                {"cachePoint": {"type": "default", "ttl": "1h"}},
            ]},
            "inferenceConfig": {"maxTokens": 9},
        })
    );
}

#[test]
fn cache_marks_go_only_to_models_that_take_them() {
    let marked = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}]});
    let (body, dropped) = run(Anthropic, marked.clone(), "meta.llama3");
    assert_eq!(body["messages"][0]["content"], json!([{"text": "a"}]));
    assert_eq!(dropped, ["messages[0].content[0].cache_control"]);
    let (body, _) = run(Anthropic, marked, "amazon.nova-pro-v1:0");
    assert_eq!(body["messages"][0]["content"], json!([{"text": "a"}, {"cachePoint": {"type": "default"}}]));
}

#[test]
fn choices_among_tools() {
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    for (choice, expected) in [
        (json!("auto"), json!({"auto": {}})),
        (json!("required"), json!({"any": {}})),
        (json!({"type": "function", "function": {"name": "f"}}), json!({"tool": {"name": "f"}})),
    ] {
        let (body, _) = chat(json!({"tools": tools, "tool_choice": choice}), CLAUDE);
        assert_eq!(body["toolConfig"]["toolChoice"], expected);
    }
    let (body, dropped) = chat(json!({"tools": tools, "tool_choice": "none"}), CLAUDE);
    assert_eq!((body.get("toolConfig"), dropped.len()), (None, 0));
    // The provider refuses calls where no tools are.
    let call = json!({"id": "c", "type": "function", "function": {"name": "g", "arguments": "{}"}});
    let history = json!([
        {"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ]);
    let (body, _) = chat(json!({"messages": history}), CLAUDE);
    let spec =
        json!({"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}});
    assert_eq!(body["toolConfig"], json!({"tools": [spec]}));
    assert_eq!(refused(json!({"messages": history, "tools": tools, "tool_choice": "none"})), "tool_choice");
    assert!(refused(json!({"tool_choice": "required"})).starts_with("Invalid"));
}

#[test]
fn what_cannot_be_carried_is_named() {
    for (fields, path) in [
        (json!({"n": 2}), "n"),
        (json!({"seed": 1}), "seed"),
        (json!({"temperature": 1.5}), "temperature"),
        (json!({"response_format": {"type": "json_object"}}), "response_format.type"),
        (json!({"stop": [" "]}), "stop"),
        (json!({"tools": [{"type": "custom", "custom": {"name": "f"}}]}), "tools[0]"),
        (
            json!({"messages": [{"role": "system", "content": [{"type": "text", "text": "a"}]}, {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}]}),
            "messages[1].content[0].image_url.url",
        ),
    ] {
        assert_eq!(refused(fields.clone()), path, "{fields}");
    }
    let (body, _) = chat(json!({"temperature": 1.5, "stop": [" ", "x"]}), CLAUDE);
    assert_eq!(body["inferenceConfig"], json!({"temperature": 1, "stopSequences": ["x"]}));
}

#[test]
fn one_call_at_a_time_is_a_wish() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let (_, dropped) = chat(json!({"tools": tools, "parallel_tool_calls": false}), CLAUDE);
    assert_eq!(dropped, ["parallel_tool_calls"]);
}
