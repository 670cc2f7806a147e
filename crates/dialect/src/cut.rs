//! Ending a stream before the model does, so that the client sees an answer that came to its cap.
//!
//! OpenAI: <https://platform.openai.com/docs/api-reference/chat-streaming> (`finish_reason: length`). Anthropic:
//! <https://docs.claude.com/en/docs/build-with-claude/streaming> (`stop_reason: max_tokens`). Gemini:
//! <https://ai.google.dev/api/generate-content#FinishReason> (`MAX_TOKENS`).

mod converse;
mod responses;

use crate::{Dialect, sse};
use converse::Converse;
use responses::{Responses, Said};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most choices of one answer that are ended one by one.
const CHOICES: usize = 128;

/// Follows a stream and can end it after any of its events.
#[derive(Debug)]
pub struct Cut {
    dialect: Dialect,
    /// OpenAI: what every chunk repeats, such as the id.
    envelope: serde_json::Map<String, Value>,
    /// OpenAI: choices that have begun and not ended. Anthropic: the block that is open.
    open: BTreeSet<u64>,
    responses: Responses,
    converse: Converse,
    begun: bool,
    ended: bool,
}

impl Cut {
    /// For a stream in the dialect of the client.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            envelope: serde_json::Map::new(),
            open: BTreeSet::new(),
            responses: Responses::default(),
            converse: Converse::default(),
            begun: false,
            ended: false,
        }
    }

    /// Takes one raw event.
    pub fn event(&mut self, raw: &[u8]) {
        if self.dialect == Dialect::Converse {
            return self.converse.event(raw);
        }
        let event = sse::parse(raw);
        let data: &[u8] = &event.data;
        match self.dialect {
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => self.anthropic(data),
            Dialect::Responses => match self.responses.event(data) {
                Said::Begins => self.begun = true,
                Said::Ends => self.ended = true,
                Said::More => {}
            },
            Dialect::Gemini => self.gemini(data),
            Dialect::OpenAi | Dialect::Converse | Dialect::Cohere => self.openai(data),
        }
    }

    fn openai(&mut self, data: &[u8]) {
        if data == b"[DONE]" {
            self.ended = true;
            return;
        }
        let Ok(chunk) = serde_json::from_slice::<Chunk<'_>>(data) else { return };
        if !self.begun {
            self.begun = true;
            for (name, value) in [
                ("id", chunk.id),
                ("object", chunk.object),
                ("created", chunk.created),
                ("model", chunk.model),
                ("system_fingerprint", chunk.system_fingerprint),
            ] {
                if let Some(value) = value.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
                    self.envelope.insert(name.to_owned(), value);
                }
            }
        }
        for choice in chunk.choices.into_iter().flatten() {
            let finished = choice.finish_reason.is_some_and(|reason| reason.get() != "null");
            if finished {
                self.open.remove(&choice.index);
            } else if self.open.len() < CHOICES {
                self.open.insert(choice.index);
            }
        }
    }

    fn gemini(&mut self, data: &[u8]) {
        let Ok(chunk) = serde_json::from_slice::<GeminiChunk<'_>>(data) else { return };
        if !self.begun {
            self.begun = true;
            for (name, value) in [("modelVersion", chunk.model_version), ("responseId", chunk.response_id)] {
                if let Some(value) = value.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
                    self.envelope.insert(name.to_owned(), value);
                }
            }
        }
        for candidate in chunk.candidates.into_iter().flatten() {
            if candidate.finish_reason.is_some_and(|reason| reason.get() != "null") {
                self.open.remove(&candidate.index);
                self.ended = self.open.is_empty();
            } else if self.open.len() < CHOICES {
                self.open.insert(candidate.index);
            }
        }
    }

    fn anthropic(&mut self, data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else { return };
        match event.kind.as_ref() {
            "message_start" => self.begun = true,
            "content_block_start" => drop(self.open.insert(event.index)),
            "content_block_stop" => drop(self.open.remove(&event.index)),
            "message_stop" => self.ended = true,
            _ => {}
        }
    }

    /// Whether the stream has come to its own end.
    pub fn has_ended(&self) -> bool {
        self.ended || self.converse.has_ended()
    }

    /// The events that end the stream here, with the usage so far, in tokens; `None` if it has ended or has not begun.
    pub fn end(&self, input: u64, output: u64) -> Option<Vec<u8>> {
        if self.dialect == Dialect::Converse {
            return self.converse.end(input, output);
        }
        if self.ended || !self.begun {
            return None;
        }
        let mut out = String::new();
        match self.dialect {
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
                for index in &self.open {
                    push(
                        &mut out,
                        Some("content_block_stop"),
                        &json!({"type": "content_block_stop", "index": index}),
                    );
                }
                let delta = json!({"stop_reason": "max_tokens", "stop_sequence": null});
                let usage = json!({"output_tokens": output});
                push(
                    &mut out,
                    Some("message_delta"),
                    &json!({"type": "message_delta", "delta": delta, "usage": usage}),
                );
                push(&mut out, Some("message_stop"), &json!({"type": "message_stop"}));
            }
            Dialect::Responses => out = self.responses.end(input, output),
            Dialect::Gemini => {
                let candidate = |index| json!({"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": index});
                let candidates: Vec<Value> = self.open.iter().map(candidate).collect();
                let usage = json!({
                    "promptTokenCount": input,
                    "candidatesTokenCount": output,
                    "totalTokenCount": input.saturating_add(output),
                });
                let mut chunk = serde_json::Map::new();
                chunk.insert("candidates".to_owned(), candidates.into());
                chunk.insert("usageMetadata".to_owned(), usage);
                chunk.extend(self.envelope.clone());
                push(&mut out, None, &Value::Object(chunk));
            }
            Dialect::OpenAi | Dialect::Converse | Dialect::Cohere => {
                let choice =
                    |index| json!({"index": index, "delta": {}, "logprobs": null, "finish_reason": "length"});
                let choices: Vec<Value> = self.open.iter().map(choice).collect();
                let usage = json!({
                    "prompt_tokens": input,
                    "completion_tokens": output,
                    "total_tokens": input.saturating_add(output),
                });
                let finish = (!choices.is_empty()).then_some((choices, Value::Null));
                for (choices, usage) in finish.into_iter().chain([(Vec::new(), usage)]) {
                    let mut chunk = self.envelope.clone();
                    chunk.insert("choices".to_owned(), choices.into());
                    chunk.insert("usage".to_owned(), usage);
                    push(&mut out, None, &Value::Object(chunk));
                }
                out.push_str("data: [DONE]\n\n");
            }
        }
        Some(out.into_bytes())
    }
}

fn push(out: &mut String, name: Option<&str>, data: &Value) {
    if let Some(name) = name {
        out.push_str("event: ");
        out.push_str(name);
        out.push('\n');
    }
    out.push_str("data: ");
    out.push_str(&data.to_string());
    out.push_str("\n\n");
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created: Option<&'a RawValue>,
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    system_fingerprint: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeminiChunk<'a> {
    #[serde(borrow, default)]
    model_version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    candidates: Option<Vec<Candidate<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    #[serde(default)]
    index: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(cut: &Cut) -> String {
        String::from_utf8(cut.end(9, 4).unwrap()).unwrap()
    }

    #[test]
    fn an_openai_stream_ends_as_at_its_cap() {
        let mut cut = Cut::new(Dialect::OpenAi);
        assert_eq!(cut.end(9, 4), None);
        for data in [
            r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#,
            r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":1,"delta":{"content":"b"}}]}"#,
            r#"{"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        ] {
            cut.event(format!("data: {data}\n\n").as_bytes());
        }
        assert_eq!(
            text(&cut),
            concat!(
                r#"data: {"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":1,"delta":{},"logprobs":null,"finish_reason":"length"}],"usage":null}"#,
                "\n\n",
                r#"data: {"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#,
                "\n\ndata: [DONE]\n\n"
            )
        );
        cut.event(b"data: [DONE]\n\n");
        assert_eq!(cut.end(9, 4), None);
    }

    #[test]
    fn an_anthropic_stream_ends_as_at_its_cap() {
        let mut cut = Cut::new(Dialect::Anthropic);
        for data in [
            r#"{"type":"message_start","message":{"id":"m"}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        ] {
            cut.event(format!("event: x\ndata: {data}\n\n").as_bytes());
        }
        assert_eq!(
            text(&cut),
            concat!(
                "event: content_block_stop\n",
                "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
                "event: message_delta\n",
                "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":4}}\n\n",
                "event: message_stop\n",
                "data: {\"type\":\"message_stop\"}\n\n"
            )
        );
    }

    #[test]
    fn what_is_no_stream_of_the_dialect_is_not_ended() {
        let mut cut = Cut::new(Dialect::Anthropic);
        for data in ["{\"error\":1}", "not json", ""] {
            cut.event(format!("data: {data}\n\n").as_bytes());
        }
        assert_eq!(cut.end(9, 4), None);
    }
}
