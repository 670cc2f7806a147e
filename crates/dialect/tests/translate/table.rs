//! What each provider's API is given of what a client can ask for: a table in `docs/`, made of what the translations do.

use crate::support::options;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use weirgate_dialect::Dialect::{self, Anthropic, Gemini, OpenAi};
use weirgate_dialect::translate::{self, Kind, Options, Unsupported};

const PROVIDERS: [Dialect; 3] = [OpenAi, Anthropic, Gemini];
const PNG: &str = "iVBORw0KGgo=";

/// What a client can ask for: its name, and the fields that it adds to a plain request.
type Feature = (&'static str, Value);

fn says(parts: Value) -> Value {
    json!({"messages": [{"role": "user", "content": parts}]})
}

fn chat() -> Vec<Feature> {
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

fn messages() -> Vec<Feature> {
    let tool = json!({"name": "f", "input_schema": {"type": "object"}});
    let tools = |more: Value| {
        let mut fields = json!({"tools": [tool]});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fields
    };
    let source = |kind: &str, source: Value| says(json!([{"type": kind, "source": source}]));
    let base64 = |kind: &str| json!({"type": "base64", "media_type": kind, "data": PNG});
    let turns = |middle: Value| json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [middle, {"type": "text", "text": "x"}]}, {"role": "user", "content": "b"}]});
    let result = |more: Value| {
        let mut result = json!({"type": "tool_result", "tool_use_id": "c", "content": "x"});
        result.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"tools": [tool], "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
            {"role": "user", "content": [result]},
        ]})
    };
    vec![
        ("`system`", json!({"system": "be brief"})),
        ("`image`, base64", source("image", base64("image/png"))),
        ("`image`, a URL", source("image", json!({"type": "url", "url": "https://example.com/a.png"}))),
        ("`document`, a PDF in base64", source("document", base64("application/pdf"))),
        ("`document`, a URL", source("document", json!({"type": "url", "url": "https://example.com/a.pdf"}))),
        (
            "`document`, text",
            source("document", json!({"type": "text", "media_type": "text/plain", "data": "x"})),
        ),
        ("a file kept at Anthropic", source("document", json!({"type": "file", "file_id": "f"}))),
        (
            "`search_result`",
            says(json!([{"type": "search_result", "source": "s", "title": "t", "content": []}])),
        ),
        (
            "`cache_control`",
            says(json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}])),
        ),
        ("`tools`", tools(json!({}))),
        (
            "tools that Anthropic runs",
            json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
        ),
        ("`tool_choice: none`", tools(json!({"tool_choice": {"type": "none"}}))),
        ("`tool_choice: any`", tools(json!({"tool_choice": {"type": "any"}}))),
        ("`tool_choice: tool`", tools(json!({"tool_choice": {"type": "tool", "name": "f"}}))),
        (
            "`disable_parallel_tool_use`",
            tools(json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}})),
        ),
        ("`tool_use` and `tool_result`", result(json!({}))),
        (
            "`tool_result` with a picture",
            result(json!({"content": [{"type": "image", "source": base64("image/png")}]})),
        ),
        ("`tool_result.is_error`", result(json!({"is_error": true}))),
        (
            "`thinking` of an assistant",
            turns(json!({"type": "thinking", "thinking": "hm", "signature": "s"})),
        ),
        ("`redacted_thinking` of an assistant", turns(json!({"type": "redacted_thinking", "data": "d"}))),
        ("`max_tokens`", json!({})),
        ("`temperature`", json!({"temperature": 0.5})),
        ("`top_p`", json!({"top_p": 0.5})),
        ("`top_k`", json!({"top_k": 5})),
        ("`stop_sequences`", json!({"stop_sequences": ["END"]})),
        (
            "`thinking: enabled`",
            json!({"max_tokens": 4096, "thinking": {"type": "enabled", "budget_tokens": 2000}}),
        ),
        ("`thinking: adaptive`", json!({"thinking": {"type": "adaptive"}})),
        ("`output_config.effort`", json!({"output_config": {"effort": "low"}})),
        (
            "`output_config.format`",
            json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}),
        ),
        ("`service_tier`", json!({"service_tier": "standard_only"})),
        ("`metadata.user_id`", json!({"metadata": {"user_id": "u"}})),
        (
            "`mcp_servers`",
            json!({"mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}]}),
        ),
        ("`container`", json!({"container": "c"})),
        ("`context_management`", json!({"context_management": {"edits": []}})),
        ("`stream`", json!({"stream": true})),
        ("a field that Anthropic's API does not define", json!({"a_field_of_next_year": 1})),
    ]
}

/// What becomes of a feature on its way.
fn fate(from: Dialect, to: Dialect, fields: &Value) -> String {
    if from == to {
        return "as it is".to_owned();
    }
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]});
    if from == OpenAi {
        body.as_object_mut().unwrap().remove("max_tokens");
    }
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let model = match to {
        OpenAi => "gpt-5.1",
        Anthropic => "claude-sonnet-4-5",
        Gemini => "gemini-2.5-flash",
    };
    let options = Options { model, unsupported: Unsupported::Reject, ..options() };
    match translate::request(from, to, body.to_string().as_bytes(), &options) {
        Ok(request) if request.dropped.is_empty() => "carried".to_owned(),
        Ok(_) => "left out and named".to_owned(),
        Err(error) => match error.kind() {
            Kind::Unsupported { reason, .. } => format!("refused: {reason}"),
            Kind::NoPair { .. } => "no translation yet".to_owned(),
            other => panic!("{from} to {to}: {fields} is no valid request: {other:?}"),
        },
    }
}

fn table(from: Dialect, title: &str, features: &[Feature]) -> String {
    let mut text = format!(
        "## {title}\n\n| asked for | OpenAI chat | Anthropic | Gemini |\n| --- | --- | --- | --- |\n"
    );
    for (name, fields) in features {
        let cells = PROVIDERS.map(|to| fate(from, to, fields));
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{name} has an empty cell");
        writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    text + "\n"
}

#[test]
fn the_table_in_the_documents_says_what_translations_do() {
    let (chat, messages) = (chat(), messages());
    for features in [&chat, &messages] {
        let names: BTreeSet<_> = features.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), features.len());
    }
    let mut text = concat!(
        "# What is carried\n\n",
        "Made by `UPDATE_EXPECTED=1 cargo test -p weirgate-dialect --test translate table`, from what the translations do; a test holds it equal.\n\n",
        "*carried*: the provider gets it in its own words. *left out and named*: it changes nothing in the answer, and its path stands in the header\n",
        "`x-weirgate-dropped-fields`. *refused*: 422 with its path; with `unsupported_fields: drop` it is left out and named instead.\n",
        "[translation.md](translation.md) says how.\n\n",
    )
    .to_owned();
    text += &table(OpenAi, "From OpenAI's chat completions", &chat);
    text += &table(Anthropic, "From Anthropic's messages", &messages);
    let text = text.trim_end().to_owned() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/translation-table.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
}
