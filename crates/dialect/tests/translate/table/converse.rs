//! What clients of Amazon's Converse can ask for.

use super::{Client, Feature, PNG};
use serde_json::{Value, json};
use weirgate_dialect::Dialect;

pub(super) fn client() -> Client {
    Client {
        dialect: Dialect::Converse,
        title: "From Amazon's Converse",
        plain: json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]}),
        features: features(),
    }
}

fn features() -> Vec<Feature> {
    let spec = json!({"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}});
    let tools = |more: Value| {
        let mut config = json!({"tools": [spec]});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"toolConfig": config})
    };
    let says = |block: Value| json!({"messages": [{"role": "user", "content": [{"text": "a"}, block]}]});
    let answered = |block: Value| {
        let user = |text: &str| json!({"role": "user", "content": [{"text": text}]});
        json!({"messages": [user("a"), {"role": "assistant", "content": [block, {"text": "x"}]}, user("b")]})
    };
    let result = |content: Value, status: &str| {
        json!({"toolConfig": {"tools": [spec]}, "messages": [
            {"role": "user", "content": [{"text": "a"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [content], "status": status}}]},
        ]})
    };
    let inference = |fields: Value| json!({"inferenceConfig": fields});
    let of_model = |fields: Value| json!({"additionalModelRequestFields": fields});
    let file = |kind: &str, format: &str, source: Value| {
        says(json!({kind: {"format": format, "name": "a", "source": source}}))
    };
    let schema = json!({"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "s", "schema": "{\"type\":\"object\"}"}}}});
    let bytes = json!({"bytes": "AA=="});
    let place = json!({"s3Location": {"uri": "s3://b/a"}});
    vec![
        ("`system`", json!({"system": [{"text": "be brief"}]})),
        ("`image`", says(json!({"image": {"format": "png", "source": {"bytes": PNG}}}))),
        ("`image` in S3", file("image", "png", place.clone())),
        ("`document`, a PDF", file("document", "pdf", bytes.clone())),
        ("`document`, a text", file("document", "txt", json!({"bytes": "YQ=="}))),
        ("`document` of Word", file("document", "docx", bytes.clone())),
        ("`document` in S3", file("document", "pdf", place)),
        ("`audio`", says(json!({"audio": {"format": "wav", "source": bytes}}))),
        ("`video`", file("video", "mp4", bytes)),
        (
            "`searchResult`",
            says(json!({"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}})),
        ),
        ("`guardContent`", says(json!({"guardContent": {"text": {"text": "x"}}}))),
        ("`cachePoint`", says(json!({"cachePoint": {"type": "default"}}))),
        ("`toolConfig.tools`", tools(json!({}))),
        (
            "`toolSpec.strict`",
            json!({"toolConfig": {"tools": [{"toolSpec": {"name": "f", "strict": true, "inputSchema": {"json": {"type": "object"}}}}]}}),
        ),
        (
            "`systemTool`",
            json!({"toolConfig": {"tools": [spec, {"systemTool": {"name": "nova_grounding"}}]}}),
        ),
        ("`toolChoice: any`", tools(json!({"toolChoice": {"any": {}}}))),
        ("`toolChoice: tool`", tools(json!({"toolChoice": {"tool": {"name": "f"}}}))),
        ("`toolUse` and `toolResult`", result(json!({"text": "x"}), "success")),
        ("`toolResult`, JSON", result(json!({"json": {"a": 1}}), "success")),
        (
            "`toolResult` with a picture",
            result(json!({"image": {"format": "png", "source": {"bytes": PNG}}}), "success"),
        ),
        ("`toolResult.status: error`", result(json!({"text": "x"}), "error")),
        (
            "`reasoningText`",
            answered(json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}})),
        ),
        ("`redactedContent`", answered(json!({"reasoningContent": {"redactedContent": "AA=="}}))),
        (
            "`citationsContent`",
            answered(json!({"citationsContent": {"content": [{"text": "x"}], "citations": []}})),
        ),
        ("`maxTokens`", inference(json!({"maxTokens": 9}))),
        ("`temperature`", inference(json!({"temperature": 0.5}))),
        ("`topP`", inference(json!({"topP": 0.5}))),
        ("`stopSequences`", inference(json!({"stopSequences": ["END"]}))),
        ("`top_k` of the model", of_model(json!({"top_k": 3}))),
        (
            "`thinking` of the model",
            json!({"inferenceConfig": {"maxTokens": 9000}, "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}}}),
        ),
        ("`anthropic_beta` of the model", of_model(json!({"anthropic_beta": ["x"]}))),
        ("another field of the model", of_model(json!({"a_field_of_next_year": 1}))),
        (
            "`additionalModelResponseFieldPaths`",
            json!({"additionalModelResponseFieldPaths": ["/stop_sequence"]}),
        ),
        ("`outputConfig.textFormat`", json!({"outputConfig": schema})),
        (
            "`guardrailConfig`",
            json!({"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}}),
        ),
        ("`promptVariables`", json!({"promptVariables": {"a": {"text": "x"}}})),
        ("`requestMetadata`", json!({"requestMetadata": {"team": "red"}})),
        ("`performanceConfig`", json!({"performanceConfig": {"latency": "optimized"}})),
        ("`serviceTier: priority`", json!({"serviceTier": {"type": "priority"}})),
        ("`serviceTier: flex`", json!({"serviceTier": {"type": "flex"}})),
    ]
}
