//! The answer as an event stream.
//!
//! This runs for every token. A delta's text is copied in its JSON form, never decoded; all that a chunk
//! has besides is rendered once, when the message starts.

use super::finish_reason;
use super::response::{write_error, write_head};
use super::usage::Usage;
use crate::sse::{self, Framer};
use crate::translate::raw::{self, Object};
use crate::translate::{AnswerOptions, Error, Kind};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Blocks that may be open at once. The provider has one open at a time.
const MOST_OPEN_BLOCKS: usize = 64;

/// Translates events as they come.
#[derive(Debug)]
pub(in crate::translate) struct Stream {
    framer: Framer,
    writer: Writer,
}

impl Stream {
    pub(in crate::translate) fn new(options: &AnswerOptions) -> Self {
        let mut writer = Writer {
            options: options.clone(),
            head: Vec::new(),
            usage: Usage::default(),
            open: Vec::new(),
            tool_calls: 0,
            thinking_blocks: 0,
            citations: 0,
            end: None,
        };
        writer.render_head(None, None);
        Self { framer: Framer::new(options.limit), writer }
    }

    /// Whether the provider said that the message is at its end.
    pub(in crate::translate) fn is_complete(&self) -> bool {
        self.writer.end == Some(End::Complete)
    }

    pub(in crate::translate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut result = Ok(());
        let writer = &mut self.writer;
        let framed = self.framer.push(chunk, |raw| {
            if result.is_ok() {
                result = writer.event(sse::parse(raw).data, out);
            }
        });
        result?;
        framed.map_err(|sse::TooLong| Kind::AnswerTooLong.into())
    }

    /// Reads a last event whose blank line is missing. If it was cut within it is no JSON, and is left out.
    pub(in crate::translate) fn finish(&mut self, out: &mut Vec<u8>) {
        let rest = self.framer.finish();
        let _ = self.writer.event(sse::parse(&rest).data, out);
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Error,
}

#[derive(Debug)]
struct Writer {
    options: AnswerOptions,
    /// What each chunk begins with.
    head: Vec<u8>,
    usage: Usage,
    open: Vec<OpenBlock>,
    tool_calls: usize,
    thinking_blocks: usize,
    citations: usize,
    end: Option<End>,
}

#[derive(Debug)]
struct OpenBlock {
    index: u64,
    kind: BlockKind,
}

#[derive(Clone, Copy, Debug)]
enum BlockKind {
    ToolUse {
        call: usize,
        has_arguments: bool,
    },
    Thinking {
        block: usize,
    },
    /// Text, which needs no bookkeeping, and blocks of server tools, which have no place in a chat completion.
    Other,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    partial_json: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    signature: Option<&'a RawValue>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_sequence: Option<&'a RawValue>,
}

/// A string that is not empty, in its JSON form.
fn text(value: Option<&RawValue>) -> Option<&RawValue> {
    value.filter(|value| raw::is_string(value) && value.get() != "\"\"")
}

impl Writer {
    /// Translates the data of one event. Nothing is written unless it can be read whole.
    fn event(&mut self, mut data: Cow<'_, [u8]>, out: &mut Vec<u8>) -> Result<(), Error> {
        if data.is_empty() || self.end.is_some() {
            return Ok(());
        }
        if let Cow::Owned(lines) = &mut data {
            // JSON over several lines: parts of it are copied to where a line end would end the event. None is
            // within a string, so that a space says the same.
            lines.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
        }
        let Ok(event) = serde_json::from_slice::<Event<'_>>(&data) else {
            return Err(Error::invalid_answer("an event is not what the API defines"));
        };
        match event.kind.as_ref() {
            "content_block_delta" => {
                if let Some(delta) = &event.delta {
                    self.block_delta(event.index, delta, out);
                }
            }
            "message_start" => self.message_start(event.message, out),
            "content_block_start" => self.block_start(event.index, event.content_block, out),
            "content_block_stop" => self.block_stop(event.index, out),
            "message_delta" => {
                if let Some(usage) = event.usage {
                    self.usage.update(usage);
                }
                if let Some(delta) = &event.delta {
                    self.message_delta(delta, out);
                }
            }
            "message_stop" => self.message_stop(out),
            "error" => {
                self.end = Some(End::Error);
                out.extend_from_slice(b"data: ");
                let fields = serde_json::from_slice(&data).unwrap_or_default();
                write_error(out, 500, fields);
                out.extend_from_slice(b"\n\n");
            }
            // `ping`, and what the API may add.
            _ => {}
        }
        Ok(())
    }

    fn render_head(&mut self, id: Option<&RawValue>, model: Option<&RawValue>) {
        self.head.clear();
        self.head.extend_from_slice(b"data: {");
        write_head(&mut self.head, id, model, "chat.completion.chunk", &self.options);
        if let Some(tier) = self.usage.service_tier() {
            self.head.push(b',');
            raw::write_field(&mut self.head, "service_tier", tier);
        }
    }

    /// Writes a chunk around a delta, given as the inside of a JSON object.
    fn chunk(&self, out: &mut Vec<u8>, write_delta: impl FnOnce(&mut Vec<u8>)) {
        self.begin_choice(out);
        write_delta(out);
        out.extend_from_slice(br#"},"logprobs":null,"finish_reason":null}]"#);
        self.end_chunk(out);
    }

    fn begin_choice(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#","choices":[{"index":0,"delta":{"#);
    }

    fn end_chunk(&self, out: &mut Vec<u8>) {
        if self.options.include_usage {
            out.extend_from_slice(br#","usage":null"#);
        }
        out.extend_from_slice(b"}\n\n");
    }

    fn message_start(&mut self, message: Option<&RawValue>, out: &mut Vec<u8>) {
        let mut message = message.and_then(Object::open).unwrap_or_default();
        if let Some(usage) = message.take("usage") {
            self.usage.update(usage);
        }
        self.render_head(text(message.take("id")), text(message.take("model")));
        self.chunk(out, |out| out.extend_from_slice(br#""role":"assistant","content":"","refusal":null"#));
    }

    fn block_start(&mut self, index: u64, block: Option<&RawValue>, out: &mut Vec<u8>) {
        let mut block = block.and_then(Object::open).unwrap_or_default();
        let kind = match block.take("type").and_then(raw::string).as_deref() {
            Some("text") => {
                if let Some(start) = text(block.take("text")) {
                    self.content(start, out);
                }
                BlockKind::Other
            }
            Some("tool_use") => self.tool_use(block, out),
            Some("thinking") => {
                let number = self.thinking_blocks;
                self.thinking_blocks += 1;
                self.chunk(out, |out| {
                    let start = text(block.take("thinking"));
                    if let Some(start) = start {
                        out.extend_from_slice(br#""reasoning_content":"#);
                        raw::write_raw(out, start);
                        out.push(b',');
                    }
                    write_thinking_block(out, number);
                    out.extend_from_slice(br#","type":"thinking","thinking":"#);
                    out.extend_from_slice(start.map_or("\"\"", RawValue::get).as_bytes());
                    if let Some(signature) = text(block.take("signature")) {
                        out.extend_from_slice(br#","signature":"#);
                        raw::write_raw(out, signature);
                    }
                    out.extend_from_slice(b"}]");
                });
                BlockKind::Thinking { block: number }
            }
            Some("redacted_thinking") => {
                let number = self.thinking_blocks;
                self.thinking_blocks += 1;
                block.remove(&["index"]);
                self.chunk(out, |out| {
                    write_thinking_block(out, number);
                    out.extend_from_slice(br#","type":"redacted_thinking""#);
                    block.write_rest(out);
                    out.extend_from_slice(b"}]");
                });
                BlockKind::Other
            }
            _ => BlockKind::Other,
        };
        self.open.retain(|open| open.index != index);
        if self.open.len() < MOST_OPEN_BLOCKS && !matches!(kind, BlockKind::Other) {
            self.open.push(OpenBlock { index, kind });
        }
    }

    fn tool_use(&mut self, mut block: Object<'_>, out: &mut Vec<u8>) -> BlockKind {
        let call = self.tool_calls;
        self.tool_calls += 1;
        // The input follows in deltas; a provider that sends none has it here.
        let input =
            block.take("input").filter(|input| Object::open(input).is_some_and(|input| !input.is_empty()));
        self.chunk(out, |out| {
            out.extend_from_slice(format!(r#""tool_calls":[{{"index":{call},"id":"#).as_bytes());
            out.extend_from_slice(text(block.take("id")).map_or("\"\"", RawValue::get).as_bytes());
            out.extend_from_slice(br#","type":"function","function":{"name":"#);
            out.extend_from_slice(text(block.take("name")).map_or("\"\"", RawValue::get).as_bytes());
            out.extend_from_slice(br#","arguments":"#);
            raw::write_string(out, input.map_or("", RawValue::get));
            out.extend_from_slice(b"}}]");
        });
        BlockKind::ToolUse { call, has_arguments: input.is_some() }
    }

    fn block_delta(&mut self, index: u64, delta: &Delta<'_>, out: &mut Vec<u8>) {
        match delta.kind.as_ref() {
            "text_delta" => {
                if let Some(more) = text(delta.text) {
                    self.content(more, out);
                }
            }
            "input_json_delta" => {
                let Some(more) = text(delta.partial_json) else { return };
                let open = self.open.iter_mut().find(|open| open.index == index);
                if let Some(BlockKind::ToolUse { call, has_arguments }) = open.map(|open| &mut open.kind) {
                    *has_arguments = true;
                    let call = *call;
                    self.arguments(call, more.get(), out);
                }
            }
            "thinking_delta" => {
                let Some(more) = text(delta.thinking) else { return };
                let block = self.thinking_block(index);
                self.chunk(out, |out| {
                    out.extend_from_slice(br#""reasoning_content":"#);
                    raw::write_raw(out, more);
                    if let Some(block) = block {
                        out.push(b',');
                        write_thinking_block(out, block);
                        out.extend_from_slice(br#","thinking":"#);
                        raw::write_raw(out, more);
                        out.extend_from_slice(b"}]");
                    }
                });
            }
            "signature_delta" => {
                let Some(signature) = text(delta.signature) else { return };
                let Some(block) = self.thinking_block(index) else { return };
                self.chunk(out, |out| {
                    write_thinking_block(out, block);
                    out.extend_from_slice(br#","signature":"#);
                    raw::write_raw(out, signature);
                    out.extend_from_slice(b"}]");
                });
            }
            "citations_delta" => {
                let Some(mut citation) = delta.citation.and_then(Object::open) else { return };
                citation.take("index");
                let number = self.citations;
                self.citations += 1;
                self.chunk(out, |out| {
                    out.extend_from_slice(format!(r#""citations":[{{"index":{number}"#).as_bytes());
                    citation.write_rest(out);
                    out.extend_from_slice(b"}]");
                });
            }
            _ => {}
        }
    }

    fn content(&self, more: &RawValue, out: &mut Vec<u8>) {
        self.chunk(out, |out| {
            out.extend_from_slice(br#""content":"#);
            raw::write_raw(out, more);
        });
    }

    /// Writes a piece of a call's arguments, given in its JSON form.
    fn arguments(&self, call: usize, more: &str, out: &mut Vec<u8>) {
        self.chunk(out, |out| {
            let start = format!(r#""tool_calls":[{{"index":{call},"function":{{"arguments":"#);
            out.extend_from_slice(start.as_bytes());
            out.extend_from_slice(more.as_bytes());
            out.extend_from_slice(b"}}]");
        });
    }

    fn thinking_block(&self, index: u64) -> Option<usize> {
        self.open.iter().find_map(|open| match open.kind {
            BlockKind::Thinking { block } if open.index == index => Some(block),
            _ => None,
        })
    }

    fn block_stop(&mut self, index: u64, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().position(|open| open.index == index) else { return };
        if let BlockKind::ToolUse { call, has_arguments: false } = self.open.swap_remove(at).kind {
            // Clients parse the arguments, and nothing is no JSON.
            self.arguments(call, "\"{}\"", out);
        }
    }

    fn message_delta(&mut self, delta: &Delta<'_>, out: &mut Vec<u8>) {
        let Some(stop_reason) = delta.stop_reason.and_then(raw::string) else { return };
        self.begin_choice(out);
        out.extend_from_slice(br#"},"logprobs":null,"#);
        raw::write_field(out, "finish_reason", finish_reason(&stop_reason));
        if let Some(stop_sequence) = delta.stop_sequence {
            out.extend_from_slice(br#","stop_sequence":"#);
            out.extend_from_slice(stop_sequence.get().as_bytes());
        }
        out.extend_from_slice(b"}]");
        self.end_chunk(out);
    }

    fn message_stop(&mut self, out: &mut Vec<u8>) {
        self.end = Some(End::Complete);
        if self.options.include_usage && !self.usage.is_empty() {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(br#","choices":[],"usage":"#);
            out.extend_from_slice(self.usage.to_chat().to_string().as_bytes());
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

/// Begins a delta of one thinking block. Clients that gather deltas by `index` get the whole block, to be sent
/// back with the next request.
fn write_thinking_block(out: &mut Vec<u8>, block: usize) {
    out.extend_from_slice(format!(r#""thinking_blocks":[{{"index":{block}"#).as_bytes());
}
