//! What clients of OpenAI's chat completions can ask for.

use super::{Client, Feature, PNG, says};
use serde_json::{Value, json};
use weirgate_dialect::Dialect;

pub(super) fn client() -> Client {
    Client {
        dialect: Dialect::OpenAi,
        title: "From OpenAI's chat completions",
        plain: json!({"model": "m", "messages": [{"role": "user", "content": "a"}]}),
        features: features(),
    }
}

fn features() -> Vec<Feature> {
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}});
    let tools = |more: Value| {
        let mut fields = json!({"tools": [tool]});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fields
    };
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let image = |url: &str| says(json!([{"type": "image_url", "image_url": {"url": url}}]));
    let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}});
    let turns = |middle: Value| json!({"messages": [{"role": "user", "content": "a"}, middle, {"role": "user", "content": "b"}]});
    vec![
        (
            "`messages` of `system` and `developer`",
            turns(json!({"role": "developer", "content": "be brief"})),
        ),
        ("`messages[].name`", json!({"messages": [{"role": "user", "name": "ann", "content": "a"}]})),
        ("`image_url`, an https URL", image("https://example.com/a.png")),
        ("`image_url`, a data URL", image(&format!("data:image/png;base64,{PNG}"))),
        (
            "`image_url.detail`",
            says(
                json!([{"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PNG}"), "detail": "low"}}]),
            ),
        ),
        (
            "`input_audio`",
            says(json!([{"type": "input_audio", "input_audio": {"format": "wav", "data": "AA=="}}])),
        ),
        (
            "`file`, a PDF",
            says(
                json!([{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}}]),
            ),
        ),
        ("`file`, kept at OpenAI", says(json!([{"type": "file", "file": {"file_id": "file-1"}}]))),
        ("`tools`", tools(json!({}))),
        (
            "`tools[].function.strict`",
            json!({"tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object"}}}]}),
        ),
        ("`tools` of type `custom`", json!({"tools": [{"type": "custom", "custom": {"name": "f"}}]})),
        ("`tool_choice: none`", tools(json!({"tool_choice": "none"}))),
        ("`tool_choice: required`", tools(json!({"tool_choice": "required"}))),
        (
            "`tool_choice`, a function",
            tools(json!({"tool_choice": {"type": "function", "function": {"name": "f"}}})),
        ),
        (
            "`tool_choice: allowed_tools`",
            tools(
                json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}}}),
            ),
        ),
        ("`parallel_tool_calls: false`", tools(json!({"parallel_tool_calls": false}))),
        (
            "calls and results in `messages`",
            json!({"tools": [tool], "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "x"}]}),
        ),
        (
            "`reasoning_content` of an assistant",
            turns(json!({"role": "assistant", "content": "x", "reasoning_content": "hm"})),
        ),
        (
            "`thinking_blocks` of an assistant",
            turns(
                json!({"role": "assistant", "content": "x", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]}),
            ),
        ),
        ("`refusal` of an assistant", turns(json!({"role": "assistant", "refusal": "no"}))),
        (
            "`cache_control` on a part",
            says(json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}])),
        ),
        ("`max_completion_tokens`, `max_tokens`", json!({"max_completion_tokens": 9})),
        ("`temperature` to 1", json!({"temperature": 0.5})),
        ("`temperature` over 1", json!({"temperature": 1.5})),
        ("`top_p`", json!({"top_p": 0.5})),
        ("`stop`", json!({"stop": ["END"]})),
        ("`seed`", json!({"seed": 1})),
        ("`n`", json!({"n": 2})),
        ("`presence_penalty`", json!({"presence_penalty": 0.5})),
        ("`frequency_penalty`", json!({"frequency_penalty": 0.5})),
        ("`logit_bias`", json!({"logit_bias": {"1": 1}})),
        ("`logprobs`", json!({"logprobs": true})),
        ("`response_format: json_object`", json!({"response_format": {"type": "json_object"}})),
        ("`response_format: json_schema`", json!({"response_format": schema})),
        ("`reasoning_effort`", json!({"reasoning_effort": "low"})),
        ("`verbosity`", json!({"verbosity": "low"})),
        ("`prediction`", json!({"prediction": {"type": "content", "content": "x"}})),
        ("`modalities` with sound", json!({"modalities": ["text", "audio"]})),
        ("`web_search_options`", json!({"web_search_options": {}})),
        ("`service_tier`", json!({"service_tier": "priority"})),
        ("`user`, `safety_identifier`", json!({"user": "u"})),
        ("`metadata`", json!({"metadata": {"team": "red"}})),
        ("`store`", json!({"store": true})),
        ("`prompt_cache_key`", json!({"prompt_cache_key": "k"})),
        ("`stream`", json!({"stream": true})),
        ("a field that OpenAI's API does not define", json!({"a_field_of_next_year": 1})),
    ]
}
