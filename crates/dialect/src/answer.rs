//! What an answer says of itself: its usage, and its text for when it says none.

mod converse;
mod gemini;
mod responses;

use crate::usage::{GeminiUsage, Usage, WireUsage};
use crate::{Dialect, sse};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Text kept for a count of our own. A longer answer is counted by the share that was kept.
const KEPT_TEXT: usize = 1 << 20;

/// Reads an answer in the client's dialect, event by event or as one body.
#[derive(Debug)]
pub struct Reader {
    dialect: Dialect,
    wire: WireUsage,
    searches: u64,
    usage_seen: bool,
    final_usage_seen: bool,
    complete: bool,
    finished: bool,
    /// A choice other than the first was begun.
    many_choices: bool,
    unread: bool,
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

    /// Adds a JSON string's text, or the JSON itself where it is no string, which counts rather too much than too little.
    fn push_json(&mut self, raw: &RawValue) {
        match raw.get() {
            "null" => {}
            json => match serde_json::from_str::<JsonString<'_>>(json) {
                Ok(JsonString(text)) => self.push(&text),
                Err(_) => self.push(json),
            },
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

#[derive(Deserialize)]
struct JsonString<'a>(#[serde(borrow)] Cow<'a, str>);

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
            searches: 0,
            usage_seen: false,
            final_usage_seen: false,
            complete: false,
            finished: false,
            many_choices: false,
            unread: false,
            output: Text::default(),
            reasoning: Text::default(),
        }
    }

    /// The usage as far as the provider told it, in figures that can be.
    pub fn usage(&self) -> Option<Usage> {
        let is_told = self.searches > 0 || self.wire.is_told();
        (self.usage_seen && is_told && !self.wire.is_odd()).then(|| match self.dialect {
            // Bedrock's counters are disjoint too.
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict | Dialect::Converse => {
                self.wire.anthropic()
            }
            Dialect::OpenAi | Dialect::Responses | Dialect::Gemini | Dialect::Cohere => self.wire.openai(),
        })
    }

    /// As how many searches the provider bills the call, where that is what it bills; else 0.
    pub fn searches(&self) -> u64 {
        self.searches
    }

    /// Whether that usage is the provider's last word, not a first figure at the start of a stream.
    pub fn usage_is_final(&self) -> bool {
        self.final_usage_seen
    }

    /// Whether the answer was seen to its end.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the model has ended what it generates, as far as the answer tells: of an answer with several choices only its
    /// end does.
    pub fn is_finished(&self) -> bool {
        self.complete || self.finished && !self.many_choices
    }

    /// Whether a part of the answer could not be read, so that a count of what was read is too low.
    pub fn has_unread_parts(&self) -> bool {
        self.unread
    }

    /// The service tier, if the provider names one other than the standard one.
    pub fn tier(&self) -> Option<&str> {
        self.wire.service_tier.as_deref().filter(|tier| !matches!(*tier, "default" | "standard" | "auto"))
    }

    /// Takes one raw event: a server-sent one, or a message in Amazon's framing.
    pub fn event(&mut self, raw: &[u8]) -> EventKind {
        if self.dialect == Dialect::Converse {
            return self.converse_event(raw);
        }
        let event = sse::parse(raw);
        let data: &[u8] = &event.data;
        match self.dialect {
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => self.anthropic_event(data),
            Dialect::Responses => {
                self.responses_event(data);
                EventKind::Other
            }
            Dialect::Gemini => self.gemini_event(data),
            Dialect::OpenAi | Dialect::Converse | Dialect::Cohere => self.openai_event(data),
        }
    }

    /// Takes a whole JSON body.
    pub fn body(&mut self, body: &[u8]) {
        let read = match self.dialect {
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
                serde_json::from_slice::<AnthropicMessage<'_>>(body).map(|message| {
                    self.anthropic_message(message);
                    self.final_usage_seen = self.usage_seen;
                })
            }
            Dialect::Responses => self.responses_body(body),
            Dialect::Gemini => self.gemini_body(body),
            Dialect::Converse => self.converse_body(body),
            Dialect::OpenAi | Dialect::Cohere => {
                serde_json::from_slice::<OpenAiChunk<'_>>(body).map(|chunk| self.openai_chunk(chunk))
            }
        };
        self.complete = read.is_ok();
        self.unread |= read.is_err();
    }

    fn usage_block(&mut self, raw: &RawValue) {
        match serde_json::from_str::<Option<WireUsage>>(raw.get()) {
            Ok(Some(usage)) => {
                self.wire.update(usage);
                self.usage_seen = true;
            }
            Ok(None) => {}
            // What was told before it is not the last word.
            Err(_) => (self.usage_seen, self.unread) = (false, true),
        }
    }

    fn openai_event(&mut self, data: &[u8]) -> EventKind {
        if data == b"[DONE]" {
            self.complete = true;
            return EventKind::Other;
        }
        let Ok(chunk) = serde_json::from_slice::<OpenAiChunk<'_>>(data) else {
            self.unread |= !data.is_empty();
            return EventKind::Other;
        };
        // The Responses API names its events and ends with one of these, without [DONE].
        self.complete |= matches!(chunk.kind.as_deref(), Some("response.completed" | "response.incomplete"));
        let has_usage = chunk.usage.is_some_and(|usage| usage.get() != "null");
        let no_choices = chunk
            .choices
            .is_some_and(|choices| choices.get().bytes().all(|byte| b"[] \t\r\n".contains(&byte)));
        self.openai_chunk(chunk);
        if has_usage && no_choices { EventKind::UsageOnly } else { EventKind::Other }
    }

    fn openai_chunk(&mut self, chunk: OpenAiChunk<'_>) {
        if let Some(raw) = chunk.choices {
            match serde_json::from_str::<Option<Vec<OpenAiChoice<'_>>>>(raw.get()) {
                Ok(choices) => choices.into_iter().flatten().for_each(|choice| self.openai_choice(choice)),
                Err(_) => self.unread = true,
            }
        }
        let nested = chunk.response.unwrap_or_default();
        for usage in [chunk.usage, nested.usage].into_iter().flatten() {
            self.usage_block(usage);
        }
        if let Some(usage) = chunk.usage_metadata {
            self.wire.update(usage.wire());
            self.usage_seen = true;
        }
        if let Some(searches) = chunk.meta.and_then(searches) {
            (self.searches, self.usage_seen) = (searches, true);
        }
        self.final_usage_seen = self.usage_seen;
        if let Some(tier) = chunk.service_tier.or(nested.service_tier) {
            self.wire.service_tier = Some(tier);
        }
    }

    fn openai_choice(&mut self, choice: OpenAiChoice<'_>) {
        self.many_choices |= choice.index.is_some_and(|index| index != 0);
        self.finished |= is_some(choice.finish_reason);
        let legacy = OpenAiDelta { content: choice.text, ..OpenAiDelta::default() };
        for delta in [choice.delta, choice.message, Some(legacy)].into_iter().flatten() {
            for raw in [delta.content, delta.refusal, delta.function_call].into_iter().flatten() {
                self.output.push_json(raw);
            }
            for raw in
                [delta.reasoning_content, delta.reasoning, delta.reasoning_details].into_iter().flatten()
            {
                self.reasoning.push_json(raw);
            }
            // How many tokens a sound has cannot be seen.
            self.unread |= delta.audio.is_some_and(|audio| audio.get() != "null");
            let Some(raw) = delta.tool_calls else { continue };
            match serde_json::from_str::<Option<Vec<OpenAiToolCall<'_>>>>(raw.get()) {
                Ok(calls) => {
                    for call in calls.into_iter().flatten() {
                        let function = call.function.unwrap_or_default();
                        for raw in [function.name, function.arguments, call.custom].into_iter().flatten() {
                            self.output.push_json(raw);
                        }
                    }
                }
                Err(_) => self.output.push_json(raw),
            }
        }
    }

    fn anthropic_event(&mut self, data: &[u8]) -> EventKind {
        let Ok(event) = serde_json::from_slice::<AnthropicEvent<'_>>(data) else {
            self.unread |= !data.is_empty();
            return EventKind::Other;
        };
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
                self.finished |= event.delta.is_some_and(|delta| is_some(delta.stop_reason));
                if let Some(usage) = event.usage {
                    self.usage_block(usage);
                    // What the message begins with is a place holder.
                    self.final_usage_seen = self.usage_seen && tells_output(usage);
                }
            }
            "message_stop" => self.complete = true,
            _ => {}
        }
        EventKind::Other
    }

    fn anthropic_message(&mut self, message: AnthropicMessage<'_>) {
        if let Some(usage) = message.usage {
            self.usage_block(usage);
        }
        for block in message.content.into_iter().flatten() {
            self.anthropic_block(block);
        }
    }

    fn anthropic_block(&mut self, block: AnthropicBlock<'_>) {
        for raw in [block.text, block.partial_json, block.name].into_iter().flatten() {
            self.output.push_json(raw);
        }
        if let Some(input) = block.input.filter(|input| input.get() != "{}") {
            self.output.push_json(input);
        }
        if let Some(raw) = block.thinking {
            self.reasoning.push_json(raw);
        }
    }
}

fn tells_output(usage: &RawValue) -> bool {
    serde_json::from_str::<WireUsage>(usage.get()).is_ok_and(|usage| usage.tells_output())
}

fn is_some(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| raw.get() != "null")
}

// Fields are kept as raw JSON and read one by one, so that one that is not as it should be does not hide the others.

#[derive(Deserialize)]
struct OpenAiChunk<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    service_tier: Option<String>,
    #[serde(borrow, default)]
    response: Option<ResponsesApi<'a>>,
    #[serde(default, rename = "usageMetadata")]
    usage_metadata: Option<GeminiUsage>,
    /// Cohere's account of a call that is not a chat.
    #[serde(borrow, default)]
    meta: Option<&'a RawValue>,
}

/// What Cohere bills a ranking as. (<https://docs.cohere.com/reference/rerank>)
fn searches(meta: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Meta {
        billed_units: BilledUnits,
    }
    #[derive(Deserialize)]
    struct BilledUnits {
        search_units: f64,
    }
    let units = serde_json::from_str::<Meta>(meta.get()).ok()?.billed_units.search_units;
    // It is written as 1 and as 1.0.
    (0.0..1e6).contains(&units).then_some(units.ceil() as u64)
}

#[derive(Default, Deserialize)]
struct ResponsesApi<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(default)]
    service_tier: Option<String>,
}

#[derive(Deserialize)]
struct OpenAiChoice<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<OpenAiDelta<'a>>,
    #[serde(borrow, default)]
    message: Option<OpenAiDelta<'a>>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct OpenAiDelta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct OpenAiToolCall<'a> {
    #[serde(borrow, default)]
    function: Option<OpenAiFunction<'a>>,
    /// Its text counts as it is written, which is rather too much.
    #[serde(borrow, default)]
    custom: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct OpenAiFunction<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
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
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnthropicMessage<'a> {
    #[serde(borrow, default)]
    content: Option<Vec<AnthropicBlock<'a>>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnthropicBlock<'a> {
    #[serde(borrow, default)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
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
    fn a_stream_is_finished_by_the_reason_of_its_only_choice() {
        let mut reader = Reader::new(Dialect::OpenAi);
        reader.event(
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n",
        );
        assert!(!reader.is_finished());
        reader.event(b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
        assert!(reader.is_finished() && !reader.is_complete());
        // The other choice may go on.
        reader.event(b"data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}}]}\n\n");
        assert!(!reader.is_finished());
        let mut reader = Reader::new(Dialect::Anthropic);
        reader.event(b"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n");
        assert!(reader.is_finished() && !reader.is_complete());
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
    fn one_odd_field_does_not_hide_the_usage() {
        for body in [
            r#"{"choices":[{"message":{"content":[{"type":"text","text":"x"}]}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
            r#"{"choices":"odd","usage":{"prompt_tokens":1,"completion_tokens":2.0,"prompt_tokens_details":null,"input_tokens_details":null}}"#,
            r#"{"choices":[{"message":{"tool_calls":{}}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"input_tokens":-1}}"#,
        ] {
            let mut reader = Reader::new(Dialect::OpenAi);
            reader.body(body.as_bytes());
            assert_eq!(reader.usage(), Some(Usage { input: 1, output: 2, ..Usage::default() }), "{body}");
            assert!(reader.is_complete());
        }
        let mut reader = Reader::new(Dialect::OpenAi);
        reader.body(b"not json");
        assert!(reader.has_unread_parts() && !reader.is_complete());
    }

    #[test]
    fn figures_that_cannot_be_were_read_as_0() {
        const ODD: [&str; 6] = ["-1", "12.5", "1e30", "9007199254740993", "\"12\"", "{}"];
        let bodies = [
            (Dialect::OpenAi, r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":ODD}}"#),
            (Dialect::OpenAi, r#"{"choices":[],"usage":{"prompt_tokens":ODD,"completion_tokens":9}}"#),
            (Dialect::OpenAi, r#"{"data":[],"usage":{"total_tokens":ODD}}"#),
            (Dialect::OpenAi, r#"{"usageMetadata":{"promptTokenCount":ODD}}"#),
            (Dialect::Responses, r#"{"output":[],"usage":{"input_tokens":9,"output_tokens":ODD}}"#),
            (Dialect::Anthropic, r#"{"content":[],"usage":{"input_tokens":ODD,"output_tokens":9}}"#),
            (
                Dialect::Anthropic,
                r#"{"usage":{"input_tokens":9,"output_tokens":9,"cache_read_input_tokens":ODD}}"#,
            ),
            (
                Dialect::Gemini,
                r#"{"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":9,"thoughtsTokenCount":ODD}}"#,
            ),
            (Dialect::Converse, r#"{"output":{},"usage":{"inputTokens":9,"outputTokens":ODD}}"#),
        ];
        for (dialect, body) in bodies {
            for odd in ODD {
                let body = body.replace("ODD", odd);
                let mut reader = Reader::new(dialect);
                reader.body(body.as_bytes());
                assert_eq!(reader.usage(), None, "{body}");
            }
            let mut reader = Reader::new(dialect);
            reader.body(body.replace("ODD", "12").as_bytes());
            assert!(reader.usage().is_some_and(|usage| usage.total_input() + usage.total_output() >= 12));
        }
    }

    #[test]
    fn the_last_figure_of_a_stream_counts_if_it_can_be_read_or_not() {
        let stream = |last: &str| {
            let mut reader = Reader::new(Dialect::Anthropic);
            for data in
                [r#"{"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}"#, last]
            {
                reader.event(format!("data: {data}\n\n").as_bytes());
            }
            reader.usage()
        };
        assert_eq!(stream(r#"{"type":"message_delta","usage":{"output_tokens":-5}}"#), None);
        assert_eq!(stream(r#"{"type":"message_delta","usage":{"output_tokens":1e999}}"#), None);
        let usage = stream(r#"{"type":"message_delta","usage":{"output_tokens":5.0}}"#).unwrap();
        assert_eq!((usage.input, usage.output), (9, 5));
        let mut reader = Reader::new(Dialect::OpenAi);
        for tokens in ["-1", "3"] {
            let chunk = format!(
                "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{tokens},\"completion_tokens\":{tokens}}}}}\n\n"
            );
            reader.event(chunk.as_bytes());
        }
        assert_eq!(reader.usage(), Some(Usage { input: 3, output: 3, ..Usage::default() }));
    }

    #[test]
    fn custom_tools_and_details_of_reasoning_are_text_and_sounds_are_not_read() {
        let mut reader = Reader::new(Dialect::OpenAi);
        reader.event(
            br#"data: {"choices":[{"delta":{"tool_calls":[{"custom":{"name":"f","input":"some text"}}]}}]}"#,
        );
        reader.event(br#"data: {"choices":[{"delta":{"reasoning_details":[{"text":"a thought"}]}}]}"#);
        assert!(reader.output.kept().contains("some text") && reader.reasoning.kept().contains("a thought"));
        assert!(!reader.has_unread_parts());
        reader.event(br#"data: {"choices":[{"delta":{"audio":{"data":"UklGRg=="}}}]}"#);
        assert!(reader.has_unread_parts());
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
