//! An answer for a client.

mod whole;

use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::translate::balance::{Balance, input};
use crate::translate::neutral::{Event, Stop, Text, WriteAnswer};
use crate::translate::raw::{self, Object};
use crate::translate::{AnswerOptions, failure};
use crate::usage::Usage;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use whole::Whole;

/// What writes the form that the client has asked for.
pub(in crate::translate) fn writer(options: &AnswerOptions) -> Box<dyn WriteAnswer> {
    if options.is_stream() {
        Box::new(Stream::new(options.clone()))
    } else {
        Box::new(Whole::new(options.clone()))
    }
}

/// Writes an event stream.
#[derive(Debug)]
pub(in crate::translate) struct Stream {
    options: AnswerOptions,
    /// The number of the next block.
    next: usize,
    /// The block of text or thinking that is open.
    open: Option<Open>,
    /// Calls whose blocks are open, by their number.
    calls: BTreeMap<u32, OpenCall>,
    any_call: bool,
    usage: Usage,
    stop: Option<(Stop, Option<String>)>,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    kind: Kind,
    block: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

#[derive(Debug)]
struct OpenCall {
    block: usize,
    json: Balance,
}

impl Stream {
    pub(in crate::translate) fn new(options: AnswerOptions) -> Self {
        Self {
            options,
            next: 0,
            open: None,
            calls: BTreeMap::new(),
            any_call: false,
            usage: Usage::default(),
            stop: None,
            ended: false,
        }
    }

    fn start(&self, id: Option<&Text<'_>>, model: Option<&Text<'_>>, out: &mut Vec<u8>) {
        event(out, "message_start", |out| {
            out.extend_from_slice(br#","message":{"#);
            write_head(out, id, model, &self.options);
            out.extend_from_slice(br#","content":[],"stop_reason":null,"stop_sequence":null,"usage":"#);
            write_usage(out, &self.usage);
            out.push(b'}');
        });
    }

    /// The number of the open block of a kind, which is begun if need be.
    fn block(&mut self, kind: Kind, out: &mut Vec<u8>) -> usize {
        if let Some(open) = self.open.filter(|open| open.kind == kind) {
            return open.block;
        }
        self.close(out);
        let block = self.begin(out, |out| {
            out.extend_from_slice(match kind {
                Kind::Text => br#"{"type":"text","text":""}"#.as_slice(),
                Kind::Thinking => br#"{"type":"thinking","thinking":"","signature":""}"#,
            });
        });
        self.open = Some(Open { kind, block });
        block
    }

    fn begin(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let block = self.next;
        self.next += 1;
        event(out, "content_block_start", |out| {
            out.extend_from_slice(format!(r#","index":{block},"content_block":"#).as_bytes());
            write(out);
        });
        block
    }

    /// Closes what the next block follows: text and thinking, and calls whose arguments are whole. A provider may go on with
    /// those of others after it has begun another call.
    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(open) = self.open.take() {
            stop_block(out, open.block);
        }
        self.calls.retain(|_, call| {
            let whole = call.json.is_whole();
            if whole {
                stop_block(out, call.block);
            }
            !whole
        });
    }

    fn delta(&mut self, kind: Kind, name: &str, field: &str, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let block = self.block(kind, out);
        delta(out, block, name, |out| {
            out.push(b',');
            raw::write_string(out, field);
            out.push(b':');
            text.write(out);
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        self.close(out);
        for call in std::mem::take(&mut self.calls).into_values() {
            stop_block(out, call.block);
        }
        let (stop, sequence) = self.stop.take().unwrap_or((Stop::End, None));
        event(out, "message_delta", |out| {
            out.extend_from_slice(br#","delta":{"#);
            write_stop(out, stop, sequence.as_deref(), self.any_call);
            out.extend_from_slice(br#"},"usage":"#);
            write_usage(out, &self.usage);
        });
        event(out, "message_stop", |_| {});
    }
}

impl WriteAnswer for Stream {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, model, rest: _ } => self.start(id.as_ref(), model.as_ref(), out),
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                self.delta(Kind::Text, "text_delta", "text", &text, out);
            }
            Event::Thinking { choice: 0, text } => {
                self.delta(Kind::Thinking, "thinking_delta", "thinking", &text, out);
            }
            Event::Signature { choice: 0, signature } => {
                self.delta(Kind::Thinking, "signature_delta", "signature", &signature, out);
                // What is thought after it needs another.
                self.close(out);
            }
            Event::SealedThinking { choice: 0, data } => {
                self.close(out);
                let block = self.begin(out, |out| write_sealed(out, &data));
                stop_block(out, block);
            }
            Event::Call { choice: 0, call, id, name } => {
                self.close(out);
                self.any_call = true;
                let block = self.begin(out, |out| write_call(out, &id, &name, "{}"));
                self.calls.insert(call, OpenCall { block, json: Balance::default() });
            }
            Event::Arguments { choice: 0, call, json } => {
                let Some(call) = self.calls.get_mut(&call).filter(|_| !json.is_empty()) else { return };
                call.json.add(&json.decode());
                delta(out, call.block, "input_json_delta", |out| {
                    out.extend_from_slice(br#","partial_json":"#);
                    json.write(out);
                });
            }
            Event::Citation { choice: 0, citation } => {
                let block = self.block(Kind::Text, out);
                delta(out, block, "citations_delta", |out| {
                    out.extend_from_slice(br#","citation":"#);
                    write_citation(out, citation);
                });
            }
            Event::Stop { choice: 0, stop, sequence } => {
                self.stop = Some((stop, sequence.map(|text| text.decode().into_owned())));
            }
            Event::Usage(used) => self.usage = used.tokens,
            Event::Failed { status, error, text, rest: _ } => {
                self.ended = true;
                out.extend_from_slice(
                    client_error(failure::status(status), error, text).event(Dialect::Anthropic).as_bytes(),
                );
            }
            Event::End => self.end(out),
            // There is one choice here, and no place for the rest.
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thinking { .. }
            | Event::Signature { .. }
            | Event::SealedThinking { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Citation { .. }
            | Event::Stop { .. }
            | Event::Logprobs { .. }
            | Event::Tier(_) => {}
        }
    }
}

fn event(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(format!("event: {name}\ndata: {{\"type\":\"{name}\"").as_bytes());
    write(out);
    out.extend_from_slice(b"}\n\n");
}

fn delta(out: &mut Vec<u8>, block: usize, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    event(out, "content_block_delta", |out| {
        out.extend_from_slice(format!(r#","index":{block},"delta":{{"type":"{name}""#).as_bytes());
        write(out);
        out.push(b'}');
    });
}

fn stop_block(out: &mut Vec<u8>, block: usize) {
    event(out, "content_block_stop", |out| out.extend_from_slice(format!(r#","index":{block}"#).as_bytes()));
}

/// The fields that a message begins with, without its opening brace.
fn write_head(out: &mut Vec<u8>, id: Option<&Text<'_>>, model: Option<&Text<'_>>, options: &AnswerOptions) {
    out.extend_from_slice(br#""id":"#);
    id.unwrap_or(&"".into()).write(out);
    out.extend_from_slice(br#","type":"message","role":"assistant","model":"#);
    match model {
        Some(model) if options.model.is_empty() => model.write(out),
        _ => raw::write_string(out, &options.model),
    }
}

fn write_call(out: &mut Vec<u8>, id: &Text<'_>, name: &Text<'_>, input: &str) {
    out.extend_from_slice(br#"{"type":"tool_use","id":"#);
    id.write(out);
    out.extend_from_slice(br#","name":"#);
    name.write(out);
    out.extend_from_slice(br#","input":"#);
    out.extend_from_slice(input.as_bytes());
    out.push(b'}');
}

fn write_sealed(out: &mut Vec<u8>, data: &Text<'_>) {
    out.extend_from_slice(br#"{"type":"redacted_thinking","data":"#);
    data.write(out);
    out.push(b'}');
}

/// OpenAI's citations of web pages become those of Anthropic's web search; others go as they came.
fn write_citation(out: &mut Vec<u8>, citation: &RawValue) {
    let mut fields = Object::open(citation).unwrap_or_default();
    let kind = fields.take("type").and_then(raw::string);
    let mut page = fields.take("url_citation").and_then(Object::open).unwrap_or_default();
    let (Some("url_citation"), Some(url)) = (kind.as_deref(), page.take("url")) else {
        return raw::write_raw(out, citation);
    };
    out.extend_from_slice(br#"{"type":"web_search_result_location","url":"#);
    raw::write_raw(out, url);
    out.extend_from_slice(br#","title":"#);
    out.extend_from_slice(page.take("title").map_or("null", RawValue::get).as_bytes());
    out.extend_from_slice(br#","cited_text":"","encrypted_index":""}"#);
}

fn write_stop(out: &mut Vec<u8>, stop: Stop, sequence: Option<&str>, any_call: bool) {
    let reason = match stop {
        // Some servers say so of answers that call tools.
        Stop::End if any_call => "tool_use",
        Stop::End => "end_turn",
        Stop::Sequence => "stop_sequence",
        Stop::Length => "max_tokens",
        Stop::Calls => "tool_use",
        Stop::Refused => "refusal",
        Stop::Paused => "pause_turn",
    };
    raw::write_field(out, "stop_reason", reason);
    out.extend_from_slice(br#","stop_sequence":"#);
    match sequence {
        Some(sequence) => raw::write_string(out, sequence),
        None => out.extend_from_slice(b"null"),
    }
}

/// Anthropic's counters of input are disjoint, and its output holds what was thought.
fn write_usage(out: &mut Vec<u8>, usage: &Usage) {
    let input = usage.input.saturating_add(usage.audio_input).saturating_add(usage.image_input);
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    let counters = format!(
        r#"{{"input_tokens":{input},"cache_creation_input_tokens":{written},"cache_read_input_tokens":{},"output_tokens":{}"#,
        usage.cache_read,
        usage.total_output(),
    );
    out.extend_from_slice(counters.as_bytes());
    // What is kept for an hour costs more.
    if usage.cache_write_1h > 0 {
        let kept = format!(
            r#","cache_creation":{{"ephemeral_5m_input_tokens":{},"ephemeral_1h_input_tokens":{}}}"#,
            usage.cache_write, usage.cache_write_1h,
        );
        out.extend_from_slice(kept.as_bytes());
    }
    out.push(b'}');
}

/// What the provider says of its failure, in the envelope of this API.
fn client_error(status: u16, mut error: Object<'_>, text: Option<Text<'_>>) -> ClientError {
    let message = error.take("message").and_then(raw::string).map(std::borrow::Cow::into_owned);
    let message = message.or_else(|| text.map(|text| text.decode().into_owned()));
    let message = failure::message(status, message.unwrap_or_default());
    ClientError::new(ErrorKind::from_status(status), "provider_error", message)
}

#[cfg(test)]
mod tests;
