//! What clients of Anthropic's messages can ask for.

use super::{Client, Feature, PNG, says};
use serde_json::{Value, json};
use weirgate_dialect::Dialect;

pub(super) fn client() -> Client {
    Client {
        dialect: Dialect::Anthropic,
        title: "From Anthropic's messages",
        plain: json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}),
        features: features(),
    }
}

fn features() -> Vec<Feature> {
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
