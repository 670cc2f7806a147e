use super::*;
use crate::translate::neutral::{Choice, PartKind, Source, Tool};
use proptest::prelude::*;
use serde_json::{Value, json};

fn with(fields: Value) -> Vec<u8> {
    let mut body = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body.to_string().into_bytes()
}

fn parts(content: Value) -> String {
    let body = with(json!({"messages": [{"role": "user", "content": content}]}));
    format!("{:?}", read(&body, false, &Kept::new()).unwrap().turns[0].parts)
}

fn fault(fields: Value) -> String {
    read(&with(fields), false, &Kept::new()).unwrap_err().to_string()
}

#[test]
fn every_field_is_read_or_kept() {
    let body = with(json!({
        "system": [{"text": "be brief"}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 3, "thinking": {"type": "enabled", "budget_tokens": 2000}, "a_field_of_the_model": 1},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{\"type\": \"object\"}", "name": "s"}}}},
        "requestMetadata": {"team": "red"}, "serviceTier": {"type": "priority"}, "performanceConfig": {"latency": "optimized"},
        "guardrailConfig": {"guardrailIdentifier": "g"}, "a_field_of_next_year": 12345678901234567890123u128 as f64,
    }));
    let kept = Kept::new();
    let request = read(&body, true, &kept).unwrap();
    assert!(request.stream && request.include_usage && request.model.is_none());
    assert_eq!(request.turns.iter().map(|turn| turn.role).collect::<Vec<_>>(), [Role::System, Role::User]);
    let mark = request.turns[0].parts[0].cache.unwrap().get();
    assert_eq!(mark, r#"{"type":"ephemeral","ttl":"1h"}"#);
    let paths: Vec<&str> = request.settings.iter().map(|setting| setting.path).collect();
    assert_eq!(
        paths,
        [
            "inferenceConfig.maxTokens",
            "inferenceConfig.temperature",
            "inferenceConfig.topP",
            "inferenceConfig.stopSequences",
            "additionalModelRequestFields.top_k",
            "outputConfig.textFormat",
            "additionalModelRequestFields",
            "requestMetadata",
            "serviceTier",
            "guardrailConfig",
            "performanceConfig",
        ]
    );
    let found = |is: &dyn Fn(&Want<'_>) -> bool| request.settings.iter().any(|setting| is(&setting.want));
    assert!(found(&|want| matches!(want, Want::Reasoning(reasoning) if reasoning.budget == Some(2000))));
    assert!(found(
        &|want| matches!(want, Want::Format(Format::Schema { schema, .. }) if schema.get() == r#"{"type": "object"}"#)
    ));
    let mut rest = Vec::new();
    request.rest.write_rest(&mut rest);
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.contains(r#""a_field_of_next_year""#) && rest.contains(r#""a_field_of_the_model":1"#),
        "{rest}"
    );
}

#[test]
fn blocks_are_told_apart() {
    let parts = parts(json!([
        {"text": "a"}, {"cachePoint": {"type": "default"}},
        {"image": {"format": "png", "source": {"bytes": "AA=="}}},
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/a.png"}}}},
        {"document": {"format": "pdf", "name": "d", "source": {"bytes": "AA=="}}},
        {"document": {"format": "md", "name": "d", "source": {"bytes": "d29yZHM="}}},
        {"document": {"name": "d", "source": {"content": [{"text": "one"}, {"text": "two"}]}}},
        {"audio": {"format": "wav", "source": {"bytes": "AQ=="}}},
        {"toolResult": {"toolUseId": "t", "status": "error", "content": [{"json": {"a": 1}}, {"text": "no"}]}},
        {"guardContent": {"text": {"text": "guarded", "qualifiers": ["query"]}}},
        {"citationsContent": {"content": [{"text": "ci"}, {"text": "ted"}], "citations": []}},
        {"video": {"format": "mp4", "source": {"bytes": "AA=="}}},
        {"toolAddition": {"tool": {}}},
        {"ofNextYear": {"x": 1}},
    ]));
    for part in [
        "cache: Some(RawValue({\"type\":\"ephemeral\"}))",
        "media_type: \"image/png\"",
        "source: Url(Json(RawValue(\"s3://b/a.png\")))",
        "media_type: \"application/pdf\"",
        "source: Text(Plain(\"words\"))",
        "source: Text(Plain(\"one\\ntwo\"))",
        "Audio { format: Plain(\"wav\")",
        "is_error: true",
        "Text(Plain(\"{\\\"a\\\":1}\"))",
        "Text(Json(RawValue(\"guarded\")))",
        "Text(Plain(\"cited\"))",
        "Own { what: \"video\" }",
        "Own { what: \"toolAddition\" }",
        "Unknown(RawValue({\"ofNextYear\":{\"x\":1}}))",
    ] {
        assert!(parts.contains(part), "{part} in {parts}");
    }
}

#[test]
fn calls_and_thinking_come_back_as_they_were_given() {
    let body = with(json!({"messages": [{"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "AA=="}},
        {"toolUse": {"toolUseId": "c", "name": "f", "input": {"a": 1.5}, "later": 1}},
        {"toolUse": {"toolUseId": "c", "name": "f", "input": {}, "type": "server_tool_use"}},
    ]}]}));
    let kept = Kept::new();
    let request = read(&body, false, &kept).unwrap();
    let parts = format!("{:?}", request.turns[0].parts);
    for part in [
        "signature: Some(",
        "SealedThinking(",
        "arguments: \"{\\\"a\\\":1.5}\"",
        "\"later\"",
        "server_tool_use",
    ] {
        assert!(parts.contains(part), "{part} in {parts}");
    }
    assert!(request.turns[0].parts[2].place.path() == "messages[0].content[2].toolUse");
}

#[test]
fn tools_and_choices_are_read() {
    let body = with(json!({"toolConfig": {
        "tools": [
            {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object"}}, "strict": true}},
            {"cachePoint": {"type": "default"}},
            {"type": "web_search_20250305", "name": "web_search"},
            {"systemTool": {"name": "nova_grounding"}},
        ],
        "toolChoice": {"tool": {"name": "f"}},
    }}));
    let kept = Kept::new();
    let request = read(&body, false, &kept).unwrap();
    assert!(matches!(
        &request.tools[0],
        Tool::Function { strict: Some(true), cache: Some(_), schema: Some(_), .. }
    ));
    assert!(matches!(&request.tools[1], Tool::Hosted { kind, .. } if kind == "web_search_20250305"));
    assert!(matches!(&request.choice, Some(Choice::Tool(name)) if name.decode() == "f"));
    assert_eq!(request.settings[0].path, "toolConfig.tools.systemTool");
    for (choice, expected) in [(json!({"auto": {}}), Choice::Auto), (json!({"any": {}}), Choice::Any)] {
        let body = with(json!({"toolConfig": {"tools": [], "toolChoice": choice}}));
        let kept = Kept::new();
        let choice = read(&body, false, &kept).unwrap().choice.unwrap();
        assert_eq!(std::mem::discriminant(&choice), std::mem::discriminant(&expected));
    }
}

#[test]
fn the_words_of_models_for_thinking_are_read() {
    for (fields, effort, budget, off) in [
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), None, Some(1024), false),
        (json!({"reasoning_config": {"type": "enabled", "budget_tokens": 9}}), None, Some(9), false),
        (
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
            Some(Effort::Low),
            None,
            false,
        ),
        (
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
            Some(Effort::Max),
            None,
            false,
        ),
        (json!({"reasoning_effort": "high"}), Some(Effort::High), None, false),
        (json!({"thinking": {"type": "disabled"}}), None, None, true),
    ] {
        let body = with(json!({"additionalModelRequestFields": fields}));
        let kept = Kept::new();
        let request = read(&body, false, &kept).unwrap();
        let Want::Reasoning(reasoning) = &request.settings[0].want else { panic!("{fields}") };
        assert_eq!((reasoning.effort, reasoning.budget, reasoning.off), (effort, budget, off), "{fields}");
        assert!(request.rest.is_empty(), "{fields}");
    }
}

#[test]
fn a_document_of_other_bytes_stays_one() {
    let body = with(json!({"messages": [{"role": "user", "content": [
        {"document": {"format": "txt", "name": "d", "source": {"bytes": "/w=="}}},
    ]}]}));
    let kept = Kept::new();
    let request = read(&body, false, &kept).unwrap();
    let PartKind::Document { source, .. } = &request.turns[0].parts[0].kind else { panic!() };
    assert!(matches!(source, Source::Base64 { media_type, .. } if media_type == "text/plain"));
}

#[test]
fn what_is_wrong_is_named() {
    let content = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    for (fields, text) in [
        (json!({"messages": {}}), "messages is invalid"),
        (json!({"messages": [1]}), "messages[0] is invalid"),
        (json!({"messages": [{"role": "tool", "content": []}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": "x"}]}), "messages[0].content"),
        (content(json!({"text": 1})), "messages[0].content[0].text"),
        (content(json!({"image": {"source": {"bytes": "AA"}}})), "messages[0].content[0].image.format"),
        (
            content(json!({"image": {"format": "png", "source": {}}})),
            "messages[0].content[0].image.source.bytes",
        ),
        (
            content(json!({"document": {"format": "exe", "name": "d", "source": {"bytes": "AA"}}})),
            "document.format",
        ),
        (content(json!({"toolUse": {"name": "f"}})), "messages[0].content[0].toolUse.toolUseId"),
        (content(json!({"toolUse": {"toolUseId": "t", "name": "f", "input": 1}})), "toolUse.input"),
        (json!({"system": "x"}), "system is invalid"),
        (json!({"inferenceConfig": []}), "inferenceConfig is invalid"),
        (json!({"inferenceConfig": {"maxTokens": "many"}}), "inferenceConfig.maxTokens"),
        (json!({"inferenceConfig": {"temperature": "hot"}}), "inferenceConfig.temperature"),
        (json!({"inferenceConfig": {"stopSequences": "END"}}), "inferenceConfig.stopSequences"),
        (
            json!({"additionalModelRequestFields": {"thinking": {"type": "enabled"}}}),
            "thinking.budget_tokens",
        ),
        (json!({"additionalModelRequestFields": {"top_k": "x"}}), "additionalModelRequestFields.top_k"),
        (
            json!({"outputConfig": {"textFormat": {"structure": {"jsonSchema": {"schema": "{"}}}}}),
            "jsonSchema.schema",
        ),
        (json!({"toolConfig": {"tools": {}}}), "toolConfig.tools"),
        (json!({"toolConfig": {"tools": [{"toolSpec": {}}]}}), "toolConfig.tools[0].toolSpec.name"),
        (json!({"toolConfig": {"tools": [{}]}}), "toolConfig.tools[0].toolSpec"),
        (json!({"toolConfig": {"tools": [], "toolChoice": {"tool": {}}}}), "toolConfig.toolChoice.tool.name"),
        (json!({"toolConfig": {"tools": [], "toolChoice": {"none": {}}}}), "toolConfig.toolChoice"),
    ] {
        let fault = fault(fields.clone());
        assert!(fault.contains(text), "{fields}: {fault}");
    }
}

proptest! {
    #[test]
    fn bytes_of_any_kind_give_a_request_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, false, &Kept::new());
    }
}
