//! What clients of OpenAI's responses can ask for.

use super::{Client, Feature, PNG};
use serde_json::{Value, json};
use weirgate_dialect::Dialect;

pub(super) fn client() -> Client {
    Client {
        dialect: Dialect::Responses,
        title: "From OpenAI's responses",
        plain: json!({"model": "m", "input": "a"}),
        features: features(),
    }
}

/// A message of the user's with these parts.
fn says(parts: Value) -> Value {
    json!({"input": [{"role": "user", "content": parts}]})
}

/// What the model said before, between two messages of the user's.
fn turns(middle: Value) -> Value {
    json!({"input": [{"role": "user", "content": "a"}, middle, {"role": "user", "content": "b"}]})
}

fn features() -> Vec<Feature> {
    let mut features = conversation();
    features.extend(tools());
    features.extend(settings());
    features
}

fn conversation() -> Vec<Feature> {
    let data = format!("data:image/png;base64,{PNG}");
    let image = |image: Value| says(json!([image]));
    let file = |file: Value| says(json!([file]));
    let thought = |encrypted: &str| {
        turns(
            json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": encrypted}),
        )
    };
    vec![
        ("`instructions`", json!({"instructions": "be brief"})),
        ("`input` of `system` and `developer`", turns(json!({"role": "developer", "content": "be brief"}))),
        (
            "`input_image`, an https URL",
            image(json!({"type": "input_image", "image_url": "https://example.com/a.png"})),
        ),
        ("`input_image`, a data URL", image(json!({"type": "input_image", "image_url": data}))),
        ("`input_image.detail`", image(json!({"type": "input_image", "image_url": data, "detail": "low"}))),
        ("`input_image`, kept at OpenAI", image(json!({"type": "input_image", "file_id": "file-1"}))),
        (
            "`input_file`, a PDF",
            file(
                json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}),
            ),
        ),
        ("`input_file`, a URL", file(json!({"type": "input_file", "file_url": "https://example.com/a.pdf"}))),
        ("`input_file`, kept at OpenAI", file(json!({"type": "input_file", "file_id": "file-1"}))),
        (
            "`input_audio`",
            says(json!([{"type": "input_audio", "input_audio": {"format": "wav", "data": "AA=="}}])),
        ),
        (
            "`refusal` of an assistant",
            turns(json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]})),
        ),
        ("`reasoning` of OpenAI's", thought("gAAAA")),
        ("`reasoning` of another provider's, signed", thought("signature:EqQB")),
        ("`item_reference`", turns(json!({"type": "item_reference", "id": "msg_1"}))),
        (
            "`prompt_cache_breakpoint`",
            says(
                json!([{"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}]),
            ),
        ),
    ]
}

fn tools() -> Vec<Feature> {
    let tool = json!({"type": "function", "name": "f", "parameters": {"type": "object"}});
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let output = |output: Value| {
        let result = json!({"type": "function_call_output", "call_id": "c", "output": output});
        json!({"tools": [tool], "input": [{"role": "user", "content": "a"}, call, result]})
    };
    let tools = |more: Value| {
        let mut fields = json!({"tools": [tool]});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fields
    };
    let allowed =
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]});
    vec![
        ("`function_call` and `function_call_output`", output(json!("x"))),
        (
            "`function_call_output` with a picture",
            output(json!([{"type": "input_image", "image_url": format!("data:image/png;base64,{PNG}")}])),
        ),
        ("`tools`", tools(json!({}))),
        (
            "`tools[].strict`",
            json!({"tools": [{"type": "function", "name": "f", "strict": true, "parameters": {"type": "object"}}]}),
        ),
        ("`tools` of type `custom`", json!({"tools": [{"type": "custom", "name": "f"}]})),
        ("tools that OpenAI runs", json!({"tools": [{"type": "web_search"}]})),
        ("`tool_choice: none`", tools(json!({"tool_choice": "none"}))),
        ("`tool_choice: required`", tools(json!({"tool_choice": "required"}))),
        ("`tool_choice`, a function", tools(json!({"tool_choice": {"type": "function", "name": "f"}}))),
        ("`tool_choice: allowed_tools`", tools(json!({"tool_choice": allowed}))),
        ("`parallel_tool_calls: false`", tools(json!({"parallel_tool_calls": false}))),
        ("`max_tool_calls`", tools(json!({"max_tool_calls": 3}))),
    ]
}

fn settings() -> Vec<Feature> {
    let schema = json!({"type": "json_schema", "name": "s", "schema": {"type": "object"}});
    vec![
        ("`max_output_tokens`", json!({"max_output_tokens": 4096})),
        ("`temperature` to 1", json!({"temperature": 0.5})),
        ("`temperature` over 1", json!({"temperature": 1.5})),
        ("`top_p`", json!({"top_p": 0.5})),
        ("`top_logprobs`", json!({"top_logprobs": 2, "include": ["message.output_text.logprobs"]})),
        ("`text.format: json_object`", json!({"text": {"format": {"type": "json_object"}}})),
        ("`text.format: json_schema`", json!({"text": {"format": schema}})),
        ("`text.verbosity`", json!({"text": {"verbosity": "low"}})),
        ("`reasoning.effort`", json!({"max_output_tokens": 4096, "reasoning": {"effort": "low"}})),
        (
            "`reasoning.summary`",
            json!({"max_output_tokens": 4096, "reasoning": {"effort": "low", "summary": "auto"}}),
        ),
        ("`include: reasoning.encrypted_content`", json!({"include": ["reasoning.encrypted_content"]})),
        ("`service_tier`", json!({"service_tier": "priority"})),
        ("`user`, `safety_identifier`", json!({"safety_identifier": "u"})),
        ("`metadata`", json!({"metadata": {"team": "red"}})),
        ("`store`", json!({"store": true})),
        ("`prompt_cache_key`", json!({"prompt_cache_key": "k"})),
        ("`truncation: auto`", json!({"truncation": "auto"})),
        ("`background`", json!({"background": true})),
        ("`previous_response_id`", json!({"previous_response_id": "resp_1"})),
        ("`conversation`", json!({"conversation": "conv_1"})),
        ("`prompt`", json!({"prompt": {"id": "pmpt_1"}})),
        ("`context_management`", json!({"context_management": [{"type": "compaction"}]})),
        ("`stream`", json!({"stream": true})),
        ("a field that OpenAI's API does not define", json!({"a_field_of_next_year": 1})),
    ]
}
