//! Pictures, sound, moderation, files and batches, as OpenAI answers them: small, and with the usage that the real ones tell.

use serde_json::{Value, json};

use crate::answer::count_words;

/// Tokens of the picture that is always painted.
const PICTURE_TOKENS: u64 = 272;
/// The sound that is always spoken: the start of an MP3 file.
pub(crate) const SPEECH: &[u8] = b"ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x64";

/// A picture, with the tokens of the prompt.
pub(crate) fn picture(body: &Value, created: u64) -> (Value, u64) {
    let tokens = body.get("prompt").and_then(Value::as_str).map_or(0, count_words);
    let answer = json!({
        "created": created,
        "data": [{"b64_json": "iVBORw0KGgo="}],
        "usage": {
            "input_tokens": tokens,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": tokens},
            "output_tokens": PICTURE_TOKENS,
            "total_tokens": tokens + PICTURE_TOKENS,
        },
    });
    (answer, tokens)
}

/// What was said in a sound that came as a form. `None`: it is no form with a file and a model.
pub(crate) fn transcription(content_type: &str, body: &[u8]) -> Option<Value> {
    let has = |name: &str| {
        let field = format!("name=\"{name}\"");
        body.windows(field.len()).any(|window| window == field.as_bytes())
    };
    (content_type.starts_with("multipart/form-data") && has("file") && has("model")).then(|| {
        json!({
            "text": "water over stone",
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                "output_tokens": 3,
                "total_tokens": 17,
            },
        })
    })
}

/// A verdict on a text, which nothing is wrong with.
pub(crate) fn moderation(body: &Value, id: u64) -> Value {
    json!({
        "id": format!("modr-mock-{id}"),
        "model": body.get("model").and_then(Value::as_str).unwrap_or("omni-moderation-latest"),
        "results": [{"flagged": false, "categories": {}, "category_scores": {}, "category_applied_input_types": {}}],
    })
}

/// A file that was sent.
pub(crate) fn file(size: usize, created: u64, id: u64) -> Value {
    json!({
        "id": format!("file-mock-{id}"),
        "object": "file",
        "bytes": size,
        "created_at": created,
        "filename": "input.jsonl",
        "purpose": "batch",
        "status": "processed",
    })
}

/// A batch that has begun.
pub(crate) fn batch(body: &Value, created: u64, id: u64) -> Value {
    json!({
        "id": format!("batch_mock_{id}"),
        "object": "batch",
        "endpoint": body.get("endpoint"),
        "input_file_id": body.get("input_file_id"),
        "completion_window": "24h",
        "created_at": created,
        "status": "validating",
    })
}
