//! What an answer says of itself: its usage, and its text for when it says none.

use crate::usage::{GeminiUsage, Usage, WireUsage};
use crate::{Dialect, sse};
use serde::Deserialize;
use std::borrow::Cow;

/// Text kept for a count of our own. A longer answer is counted by the share that was kept.
const KEPT_TEXT: usize = 1 << 20;

/// Reads an answer in the client's dialect, event by event or as one body.
#[derive(Debug)]
pub struct Reader {
    dialect: Dialect,
    wire: WireUsage,
    usage_seen: bool,
    final_usage_seen: bool,
    complete: bool,
    /// What the client can see of the output.
    pub output: Text,
    /// What the model thought.
    pub reasoning: Text,
}

/// Text that passed, kept up to a bound.
#[derive(Debug, Default)]
pub struct Text {
    kept: String,
    bytes: u64,
}

impl Text {
    fn push(&mut self, text: &str) {
        self.bytes += text.len() as u64;
        if self.kept.len() + text.len() <= KEPT_TEXT {
            self.kept.push_str(text);
        }
    }

    /// The text as far as it was kept.
    pub fn kept(&self) -> &str {
        &self.kept
    }

    /// How many bytes passed in all.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What one event is to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The extra chunk that `include_usage` asks for: no choices, only usage.
    UsageOnly,
    /// Anything else.
    Other,
}

impl Reader {
    /// A reader of an answer in this dialect.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            wire: WireUsage::default(),
            usage_seen: false,
            final_usage_seen: false,
            complete: false,
            output: Text::default(),
            reasoning: Text::default(),
        }
    }

    /// The usage as far as the provider told it.
    pub fn usage(&self) -> Option<Usage> {
        self.usage_seen.then(|| match self.dialect {
            Dialect::Anthropic => self.wire.anthropic(),
            Dialect::OpenAi | Dialect::Gemini => self.wire.openai(),
        })
    }

    /// Whether that usage is the provider's last word, not a first figure at the start of a stream.
    pub fn usage_is_final(&self) -> bool {
        self.final_usage_seen
    }

    /// Whether the answer was seen to its end.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The service tier, if the provider names one other than the standard one.
    pub fn tier(&self) -> Option<&str> {
        self.wire.service_tier.as_deref().filter(|tier| !matches!(*tier, "default" | "standard" | "auto"))
    }

    /// Takes one raw server-sent event.
    pub fn event(&mut self, raw: &[u8]) -> EventKind {
        let event = sse::parse(raw);
        let data: &[u8] = &event.data;
        match self.dialect {
            Dialect::Anthropic => self.anthropic_event(data),
            Dialect::OpenAi | Dialect::Gemini => self.openai_event(data),
        }
    }

    /// Takes a whole JSON body. One that cannot be read leaves everything as it was.
    pub fn body(&mut self, body: &[u8]) {
        self.complete = true;
        match self.dialect {
            Dialect::Anthropic => {
                if let Ok(message) = serde_json::from_slice::<AnthropicMessage<'_>>(body) {
                    self.anthropic_message(message);
                    self.final_usage_seen = self.usage_seen;
                }
            }
            Dialect::OpenAi | Dialect::Gemini => {
                if let Ok(chunk) = serde_json::from_slice::<OpenAiChunk<'_>>(body) {
                    self.openai_chunk(chunk);
                }
            }
        }
    }

    fn openai_event(&mut self, data: &[u8]) -> EventKind {
        if data == b"[DONE]" {
            self.complete = true;
            return EventKind::Other;
        }
        let Ok(chunk) = serde_json::from_slice::<OpenAiChunk<'_>>(data) else { return EventKind::Other };
        // The Responses API names its events and ends with one of these, without [DONE].
        self.complete |= matches!(chunk.kind.as_deref(), Some("response.completed" | "response.incomplete"));
        let usage_only = chunk.usage.is_some() && chunk.choices.as_ref().is_some_and(Vec::is_empty);
        self.openai_chunk(chunk);
        if usage_only { EventKind::UsageOnly } else { EventKind::Other }
    }

    fn openai_chunk(&mut self, chunk: OpenAiChunk<'_>) {
        for choice in chunk.choices.into_iter().flatten() {
            for delta in [choice.delta, choice.message].into_iter().flatten() {
                for text in [delta.content, delta.refusal].into_iter().flatten() {
                    self.output.push(&text.0);
                }
                for text in [delta.reasoning_content, delta.reasoning].into_iter().flatten() {
                    self.reasoning.push(&text.0);
                }
                for function in delta.tool_calls.into_iter().flatten().filter_map(|call| call.function) {
                    for text in [function.name, function.arguments].into_iter().flatten() {
                        self.output.push(&text.0);
                    }
                }
            }
        }
        let nested = chunk.response.unwrap_or_default();
        let gemini = chunk.usage_metadata.map(GeminiUsage::wire);
        for usage in [chunk.usage, nested.usage, gemini].into_iter().flatten() {
            self.wire.update(usage);
            self.usage_seen = true;
            self.final_usage_seen = true;
        }
        if let Some(tier) = chunk.service_tier.or(nested.service_tier) {
            self.wire.service_tier = Some(tier);
        }
    }

    fn anthropic_event(&mut self, data: &[u8]) -> EventKind {
        let Ok(event) = serde_json::from_slice::<AnthropicEvent<'_>>(data) else { return EventKind::Other };
        match event.kind.as_ref() {
            "message_start" => {
                if let Some(message) = event.message {
                    self.anthropic_message(message);
                }
            }
            "content_block_start" => {
                if let Some(block) = event.content_block {
                    self.anthropic_block(block);
                }
            }
            "content_block_delta" => {
                if let Some(block) = event.delta {
                    self.anthropic_block(block);
                }
            }
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.wire.update(usage);
                    self.usage_seen = true;
                    self.final_usage_seen = true;
                }
            }
            "message_stop" => self.complete = true,
            _ => {}
        }
        EventKind::Other
    }

    fn anthropic_message(&mut self, message: AnthropicMessage<'_>) {
        if let Some(usage) = message.usage {
            self.wire.update(usage);
            self.usage_seen = true;
        }
        for block in message.content.into_iter().flatten() {
            self.anthropic_block(block);
        }
    }

    fn anthropic_block(&mut self, block: AnthropicBlock<'_>) {
        for text in [block.text, block.partial_json, block.name].into_iter().flatten() {
            self.output.push(&text.0);
        }
        if let Some(input) = block.input.filter(|input| input.get() != "{}") {
            self.output.push(input.get());
        }
        if let Some(text) = block.thinking {
            self.reasoning.push(&text.0);
        }
    }
}

/// A string that borrows where it can, also inside an `Option`.
#[derive(Deserialize)]
struct Str<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct OpenAiChunk<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Option<Vec<OpenAiChoice<'a>>>,
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    service_tier: Option<String>,
    #[serde(default)]
    response: Option<ResponsesApi>,
    #[serde(default, rename = "usageMetadata")]
    usage_metadata: Option<GeminiUsage>,
}

#[derive(Default, Deserialize)]
struct ResponsesApi {
    #[serde(default)]
    usage: Option<WireUsage>,
    #[serde(default)]
    service_tier: Option<String>,
}

#[derive(Deserialize)]
struct OpenAiChoice<'a> {
    #[serde(borrow, default)]
    delta: Option<OpenAiDelta<'a>>,
    #[serde(borrow, default)]
    message: Option<OpenAiDelta<'a>>,
}

#[derive(Deserialize)]
struct OpenAiDelta<'a> {
    #[serde(borrow, default)]
    content: Option<Str<'a>>,
    #[serde(borrow, default)]
    refusal: Option<Str<'a>>,
    #[serde(borrow, default)]
    reasoning_content: Option<Str<'a>>,
    #[serde(borrow, default)]
    reasoning: Option<Str<'a>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<OpenAiToolCall<'a>>>,
}

#[derive(Deserialize)]
struct OpenAiToolCall<'a> {
    #[serde(borrow, default)]
    function: Option<OpenAiFunction<'a>>,
}

#[derive(Deserialize)]
struct OpenAiFunction<'a> {
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    arguments: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct AnthropicEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Option<AnthropicMessage<'a>>,
    #[serde(borrow, default)]
    content_block: Option<AnthropicBlock<'a>>,
    #[serde(borrow, default)]
    delta: Option<AnthropicBlock<'a>>,
    #[serde(default)]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct AnthropicMessage<'a> {
    #[serde(borrow, default)]
    content: Option<Vec<AnthropicBlock<'a>>>,
    #[serde(default)]
    usage: Option<WireUsage>,
}

#[derive(Deserialize)]
struct AnthropicBlock<'a> {
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    partial_json: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    input: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow, default)]
    thinking: Option<Str<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openai_stream_tells_usage_in_a_chunk_of_its_own() {
        let mut reader = Reader::new(Dialect::OpenAi);
        let text = br#"data: {"choices":[{"index":0,"delta":{"content":"Hel\u0041"}}],"usage":null}"#;
        assert_eq!(reader.event(&[text, &b"\n\n"[..]].concat()), EventKind::Other);
        assert_eq!(reader.usage(), None);
        let usage = br#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
        assert_eq!(reader.event(&[usage, &b"\n\n"[..]].concat()), EventKind::UsageOnly);
        assert!(!reader.is_complete());
        reader.event(b"data: [DONE]\n\n");
        assert!(reader.is_complete());
        assert_eq!(reader.usage(), Some(Usage { input: 3, output: 2, ..Usage::default() }));
        assert_eq!(reader.output.kept(), "HelA");
    }

    #[test]
    fn usage_beside_the_last_choice_is_not_an_extra_chunk() {
        let mut reader = Reader::new(Dialect::OpenAi);
        let event = b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3}}\n\n";
        assert_eq!(reader.event(event), EventKind::Other);
        assert_eq!(reader.usage().unwrap().input, 3);
    }

    #[test]
    fn an_anthropic_stream_completes_its_usage_at_the_end() {
        let mut reader = Reader::new(Dialect::Anthropic);
        reader.event(b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n");
        reader.event(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n");
        assert!(!reader.usage_is_final());
        assert_eq!(reader.usage().unwrap().input, 9);
        reader.event(b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":12}}\n\n");
        reader.event(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        assert_eq!(reader.usage(), Some(Usage { input: 9, output: 12, ..Usage::default() }));
        assert!(reader.is_complete() && reader.usage_is_final());
        assert_eq!(reader.output.kept(), "Hi");
    }

    #[test]
    fn plain_bodies_of_both_dialects() {
        let mut reader = Reader::new(Dialect::OpenAi);
        reader.body(br#"{"choices":[{"message":{"content":"x","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}],
            "usage":{"prompt_tokens":1,"completion_tokens":2},"service_tier":"flex"}"#);
        assert_eq!(reader.usage(), Some(Usage { input: 1, output: 2, ..Usage::default() }));
        assert_eq!(reader.tier(), Some("flex"));
        assert_eq!(reader.output.kept(), "xf{}");
        let mut reader = Reader::new(Dialect::Anthropic);
        reader.body(br#"{"type":"message","content":[{"type":"text","text":"x"},{"type":"tool_use","name":"f","input":{"a":1}}],
            "usage":{"input_tokens":1,"output_tokens":2,"service_tier":"standard"}}"#);
        assert!(reader.usage_is_final());
        assert_eq!(reader.tier(), None);
        assert_eq!(reader.output.kept(), "xf{\"a\":1}");
    }
}
