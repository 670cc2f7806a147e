//! Answers of Amazon's Converse: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>.
//!
//! The events of its streams are messages in Amazon's framing ([`event_stream`]). At the same host a model can be called in its own
//! form (`/invoke`), of which only what it used is read.

use super::{EventKind, Reader};
use crate::event_stream;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;

impl Reader {
    /// Takes one whole message of a stream.
    pub(super) fn converse_event(&mut self, raw: &[u8]) -> EventKind {
        let Ok(message) = event_stream::parse(raw) else {
            self.unread = true;
            return EventKind::Other;
        };
        // An exception has another header, and says nothing of what was used.
        let Some(name) = message.text(":event-type") else { return EventKind::Other };
        let Ok(event) = serde_json::from_slice::<StreamEvent<'_>>(message.payload) else {
            self.unread = true;
            return EventKind::Other;
        };
        let StreamEvent { start, delta, usage, service_tier, bytes } = event;
        start.into_iter().chain(delta).for_each(|block| self.converse_block(block));
        match name {
            "messageStop" => self.finished = true,
            "metadata" => {
                usage.into_iter().for_each(|usage| self.converse_usage(usage));
                self.converse_tier(service_tier);
                self.final_usage_seen = self.usage_seen;
                self.complete = true;
            }
            "chunk" => self.invoke_chunk(bytes.as_deref().unwrap_or_default()),
            _ => {}
        }
        EventKind::Other
    }

    /// Takes what a model called in its own form says. Its last piece tells what it has used, whatever the model.
    fn invoke_chunk(&mut self, bytes: &str) {
        let Some(chunk) = BASE64_STANDARD.decode(bytes).ok() else {
            self.unread = true;
            return;
        };
        let metrics = serde_json::from_slice::<InvokeChunk>(&chunk).ok().and_then(|chunk| chunk.metrics);
        if let Some(metrics) = metrics {
            self.bedrock_usage(metrics.into());
            (self.final_usage_seen, self.complete) = (true, true);
        }
    }

    /// Takes what the head of an answer says that a model called in its own form has used, in tokens of input and output.
    pub fn invoke_head(&mut self, input: u64, output: u64) {
        self.bedrock_usage(Usage {
            input_tokens: Some(input),
            output_tokens: Some(output),
            ..Usage::default()
        });
        self.final_usage_seen = true;
    }

    pub(super) fn converse_body(&mut self, body: &[u8]) -> serde_json::Result<()> {
        let answer: Answer<'_> = serde_json::from_slice(body)?;
        let message = answer.output.and_then(|output| output.message);
        for block in message.and_then(|message| message.content).into_iter().flatten() {
            self.converse_block(block);
        }
        answer.usage.into_iter().for_each(|usage| self.converse_usage(usage));
        self.converse_tier(answer.service_tier);
        self.final_usage_seen = self.usage_seen;
        Ok(())
    }

    fn converse_block(&mut self, block: Block<'_>) {
        block.text.into_iter().for_each(|raw| self.output.push_json(raw));
        if let Some(call) = block.tool_use {
            for raw in [call.name, call.input].into_iter().flatten().filter(|raw| raw.get() != "{}") {
                self.output.push_json(raw);
            }
        }
        for content in block.citations_content.and_then(|cited| cited.content).into_iter().flatten() {
            content.text.into_iter().for_each(|raw| self.output.push_json(raw));
        }
        if let Some(thought) = block.reasoning_content {
            let whole = thought.reasoning_text.and_then(|thought| thought.text);
            for raw in [thought.text, whole].into_iter().flatten() {
                self.reasoning.push_json(raw);
            }
        }
        // How many tokens a picture has cannot be seen.
        self.unread |= block.image.is_some();
    }

    /// Bedrock's counters are Anthropic's under other names.
    fn converse_usage(&mut self, usage: &RawValue) {
        match serde_json::from_str::<Usage>(usage.get()) {
            // Claude's own form, which `/invoke` answers in.
            Ok(Usage { input_tokens: None, output_tokens: None, .. }) => self.usage_block(usage),
            Ok(usage) => self.bedrock_usage(usage),
            Err(_) => self.unread = true,
        }
    }

    fn bedrock_usage(&mut self, usage: Usage) {
        let hours = usage.cache_details.iter().flatten().filter(|detail| detail.ttl == "1h");
        let hour = hours.fold(0, |sum: u64, detail| sum.saturating_add(detail.input_tokens));
        let written = usage.cache_write_input_tokens;
        let wire = json!({
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cache_read_input_tokens": usage.cache_read_input_tokens,
            "cache_creation_input_tokens": written,
            "cache_creation": {
                "ephemeral_1h_input_tokens": hour.min(written),
                "ephemeral_5m_input_tokens": written.saturating_sub(hour),
            },
        });
        if let Ok(wire) = serde_json::from_value(wire) {
            self.wire.update(wire);
            self.usage_seen = true;
        }
    }

    fn converse_tier(&mut self, tier: Option<Tier<'_>>) {
        if let Some(kind) = tier.and_then(|tier| tier.kind) {
            self.wire.service_tier = Some(kind.into_owned());
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamEvent<'a> {
    #[serde(borrow, default)]
    bytes: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    start: Option<Block<'a>>,
    #[serde(borrow, default)]
    delta: Option<Block<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<Tier<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    output: Option<Output<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<Tier<'a>>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<Vec<Block<'a>>>,
}

#[derive(Deserialize)]
struct Tier<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use: Option<Call<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Thought<'a>>,
    #[serde(borrow, default)]
    citations_content: Option<Cited<'a>>,
    #[serde(borrow, default)]
    image: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thought<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_text: Option<Words<'a>>,
}

#[derive(Deserialize)]
struct Words<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Cited<'a> {
    #[serde(borrow, default)]
    content: Option<Vec<Words<'a>>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: u64,
    cache_write_input_tokens: u64,
    cache_details: Option<Vec<Detail>>,
}

#[derive(Deserialize)]
struct InvokeChunk {
    #[serde(default, rename = "amazon-bedrock-invocationMetrics")]
    metrics: Option<Metrics>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics {
    input_token_count: u64,
    output_token_count: u64,
    #[serde(default)]
    cache_read_input_token_count: u64,
    #[serde(default)]
    cache_write_input_token_count: u64,
}

impl From<Metrics> for Usage {
    fn from(metrics: Metrics) -> Self {
        Self {
            input_tokens: Some(metrics.input_token_count),
            output_tokens: Some(metrics.output_token_count),
            cache_read_input_tokens: metrics.cache_read_input_token_count,
            cache_write_input_tokens: metrics.cache_write_input_token_count,
            cache_details: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(default)]
    ttl: String,
    #[serde(default)]
    input_tokens: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    const USAGE: &str = r#"{"inputTokens":9,"outputTokens":4,"totalTokens":20,"cacheReadInputTokens":2,"cacheWriteInputTokens":5,"cacheDetails":[{"ttl":"1h","inputTokens":3}]}"#;

    fn stream(events: &[(&str, &str)]) -> Reader {
        let mut reader = Reader::new(Dialect::Converse);
        for (name, payload) in events {
            let mut raw = Vec::new();
            event_stream::write_event(&mut raw, name, payload.as_bytes()).unwrap();
            reader.event(&raw);
        }
        reader
    }

    fn check(reader: &Reader) {
        let usage = reader.usage().unwrap();
        assert_eq!((usage.input, usage.output, usage.cache_read), (9, 4, 2));
        assert_eq!((usage.cache_write, usage.cache_write_1h), (2, 3));
        assert!(reader.usage_is_final() && reader.is_complete() && !reader.has_unread_parts());
        assert_eq!((reader.output.kept(), reader.reasoning.kept()), ("hif{\"a\":1}", "hm"));
        assert_eq!(reader.tier(), Some("flex"));
    }

    #[test]
    fn a_stream_is_whole_with_its_metadata() {
        let metadata =
            format!(r#"{{"usage":{USAGE},"metrics":{{"latencyMs":1}},"serviceTier":{{"type":"flex"}}}}"#);
        let events = [
            ("messageStart", r#"{"role":"assistant"}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"hi"}}"#),
            (
                "contentBlockStart",
                r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#,
            ),
            ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\":1}"}}}"#),
            ("messageStop", r#"{"stopReason":"tool_use"}"#),
            ("metadata", metadata.as_str()),
        ];
        check(&stream(&events));
        let cut = stream(&events[..6]);
        assert!(cut.is_finished() && !cut.is_complete() && cut.usage().is_none());
    }

    #[test]
    fn a_plain_answer_says_the_same() {
        let body = format!(
            r#"{{"output":{{"message":{{"role":"assistant","content":[{{"reasoningContent":{{"reasoningText":{{"text":"hm","signature":"s"}}}}}},
            {{"citationsContent":{{"content":[{{"text":"hi"}}]}}}},{{"toolUse":{{"toolUseId":"t","name":"f","input":{{"a":1}}}}}}]}}}},
            "stopReason":"tool_use","usage":{USAGE},"serviceTier":{{"type":"flex"}}}}"#
        );
        let mut reader = Reader::new(Dialect::Converse);
        reader.body(body.as_bytes());
        check(&reader);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let mut reader = Reader::new(Dialect::Converse);
        reader.event(b"data: {}\n\n");
        assert!(reader.has_unread_parts() && !reader.is_complete());
        let mut raw = Vec::new();
        event_stream::write_exception(&mut raw, "throttlingException", b"{}").unwrap();
        let mut reader = Reader::new(Dialect::Converse);
        reader.event(&raw);
        assert!(!reader.has_unread_parts() && !reader.is_complete());
    }

    #[test]
    fn what_a_model_used_that_is_called_in_its_own_form_was_charged_as_0() {
        let mut reader = Reader::new(Dialect::Converse);
        reader.body(
            br#"{"type":"message","usage":{"input_tokens":9,"output_tokens":4,"cache_read_input_tokens":2}}"#,
        );
        let usage = reader.usage().unwrap();
        assert_eq!((usage.input, usage.output, usage.cache_read), (9, 4, 2));
        for body in [r#"{"usage":{}}"#, r#"{"usage":{"other":1}}"#, r#"{"usage":null}"#] {
            let mut reader = Reader::new(Dialect::Converse);
            reader.body(body.as_bytes());
            assert_eq!(reader.usage(), None, "{body}");
        }
        let mut reader = Reader::new(Dialect::Converse);
        reader.body(br#"{"results":[]}"#);
        reader.invoke_head(7, 3);
        let usage = reader.usage().unwrap();
        assert_eq!((usage.input, usage.output, reader.usage_is_final()), (7, 3, true));
    }

    #[test]
    fn a_stream_of_a_model_called_in_its_own_form_tells_its_usage_at_its_end() {
        let mut reader = Reader::new(Dialect::Converse);
        for event in [
            r#"{"type":"message_start"}"#,
            r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":4,"invocationLatency":5,"cacheReadInputTokenCount":2}}"#,
        ] {
            let mut raw = Vec::new();
            let chunk = json!({"bytes": BASE64_STANDARD.encode(event), "p": "abc"});
            event_stream::write_event(&mut raw, "chunk", chunk.to_string().as_bytes()).unwrap();
            assert_eq!(reader.usage(), None);
            reader.event(&raw);
        }
        let usage = reader.usage().unwrap();
        assert_eq!((usage.input, usage.output, usage.cache_read), (9, 4, 2));
        assert!(reader.is_complete() && reader.usage_is_final());
    }
}
