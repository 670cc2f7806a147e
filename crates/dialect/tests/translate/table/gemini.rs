//! What clients of Gemini's API can ask for.

use super::{Client, Feature, PNG};
use serde_json::{Value, json};
use weirgate_dialect::Dialect;

pub(super) fn client() -> Client {
    Client {
        dialect: Dialect::Gemini,
        title: "From Gemini's generateContent",
        plain: json!({"contents": [{"role": "user", "parts": [{"text": "a"}]}]}),
        features: features(),
    }
}

fn part(part: Value) -> Value {
    json!({"contents": [{"role": "user", "parts": [part]}]})
}

fn inline(media_type: &str) -> Value {
    part(json!({"inlineData": {"mimeType": media_type, "data": PNG}}))
}

fn config(fields: Value) -> Value {
    json!({ "generationConfig": fields })
}

fn features() -> Vec<Feature> {
    let tools = json!([{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]);
    let calling = |calling: Value| json!({"tools": tools, "toolConfig": {"functionCallingConfig": calling}});
    let model = |part: Value| {
        json!({"contents": [
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [part, {"text": "x"}]},
            {"role": "user", "parts": [{"text": "b"}]},
        ]})
    };
    let schema = json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a"]});
    let safety = |threshold: &str| json!({"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": threshold}]});
    vec![
        ("`systemInstruction`", json!({"systemInstruction": {"parts": [{"text": "be brief"}]}})),
        ("`inlineData`, a picture", inline("image/png")),
        ("`inlineData`, a PDF", inline("application/pdf")),
        ("`inlineData`, sound", inline("audio/wav")),
        ("`inlineData`, a video", inline("video/mp4")),
        (
            "`fileData`, a picture by its https URL",
            part(json!({"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a.png"}})),
        ),
        (
            "`fileData`, kept at Google",
            part(
                json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}}),
            ),
        ),
        ("`tools[].functionDeclarations`", json!({ "tools": tools })),
        (
            "`parametersJsonSchema`",
            json!({"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}]}),
        ),
        ("`tools[].googleSearch`", json!({"tools": [{"googleSearch": {}}]})),
        ("`tools[].codeExecution`", json!({"tools": [{"codeExecution": {}}]})),
        ("`functionCallingConfig: NONE`", calling(json!({"mode": "NONE"}))),
        ("`functionCallingConfig: ANY`", calling(json!({"mode": "ANY"}))),
        ("`allowedFunctionNames`", calling(json!({"mode": "ANY", "allowedFunctionNames": ["f"]}))),
        (
            "`functionCall` and `functionResponse`",
            json!({"tools": tools, "contents": [
                {"role": "user", "parts": [{"text": "a"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "x"}}}]},
            ]}),
        ),
        ("a thought of the model", model(json!({"text": "hm", "thought": true}))),
        (
            "`executableCode` of the model",
            model(json!({"executableCode": {"language": "PYTHON", "code": "1"}})),
        ),
        ("`maxOutputTokens`", config(json!({"maxOutputTokens": 9}))),
        ("`temperature` to 1", config(json!({"temperature": 0.5}))),
        ("`temperature` over 1", config(json!({"temperature": 1.5}))),
        ("`topP`", config(json!({"topP": 0.5}))),
        ("`topK`", config(json!({"topK": 5}))),
        ("`stopSequences`", config(json!({"stopSequences": ["END"]}))),
        ("`seed`", config(json!({"seed": 1}))),
        ("`candidateCount`", config(json!({"candidateCount": 2}))),
        ("`presencePenalty`", config(json!({"presencePenalty": 0.5}))),
        ("`frequencyPenalty`", config(json!({"frequencyPenalty": 0.5}))),
        ("`responseLogprobs`", config(json!({"responseLogprobs": true}))),
        ("`responseMimeType: application/json`", config(json!({"responseMimeType": "application/json"}))),
        (
            "`responseSchema`",
            config(json!({"responseMimeType": "application/json", "responseSchema": schema})),
        ),
        (
            "`responseMimeType: text/x.enum`",
            config(
                json!({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["A"]}}),
            ),
        ),
        (
            "`thinkingConfig.thinkingBudget`",
            config(json!({"maxOutputTokens": 4096, "thinkingConfig": {"thinkingBudget": 1024}})),
        ),
        ("`thinkingConfig.thinkingLevel`", config(json!({"thinkingConfig": {"thinkingLevel": "LOW"}}))),
        ("`responseModalities` with sound or pictures", config(json!({"responseModalities": ["IMAGE"]}))),
        ("`speechConfig`", config(json!({"speechConfig": {}}))),
        ("`mediaResolution`", config(json!({"mediaResolution": "MEDIA_RESOLUTION_LOW"}))),
        ("`safetySettings` that filter less", safety("BLOCK_NONE")),
        ("`safetySettings` that filter more", safety("BLOCK_LOW_AND_ABOVE")),
        ("`cachedContent`", json!({"cachedContent": "cachedContents/1"})),
        ("`labels`", json!({"labels": {"team": "red"}})),
        ("a field that Gemini's API does not define", json!({"a_field_of_next_year": 1})),
    ]
}
