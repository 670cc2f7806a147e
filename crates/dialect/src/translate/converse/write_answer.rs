//! An answer for a client.
//!
//! A stream has one message in Amazon's framing for each event. Blocks of text and thinking begin with their first piece; only calls
//! have an event of their own for it.

mod whole;

#[cfg(test)]
mod tests;

use super::citation;
use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::event_stream;
use crate::translate::balance::{Balance, input};
use crate::translate::neutral::{Event, Stop, Text, WriteAnswer};
use crate::translate::raw::{self, Object};
use crate::translate::{AnswerOptions, bedrock, failure};
use crate::usage::Usage;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use whole::Whole;

/// What writes the form that the client has asked for.
pub(in crate::translate) fn writer(options: &AnswerOptions) -> Box<dyn WriteAnswer> {
    if options.is_stream() { Box::new(Stream::default()) } else { Box::new(Whole::default()) }
}

/// Writes an event stream.
#[derive(Debug, Default)]
struct Stream {
    /// The number of the next block.
    next: usize,
    /// The block of text or thinking that is open.
    open: Option<Open>,
    /// Calls whose blocks are open, by their number.
    calls: BTreeMap<u32, OpenCall>,
    any_call: bool,
    usage: Usage,
    tier: Option<&'static str>,
    stop: Option<Stop>,
    ended: bool,
}

#[derive(Clone, Copy, Debug)]
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
    /// The number of the open block of a kind, which is begun if need be.
    fn block(&mut self, kind: Kind, out: &mut Vec<u8>) -> usize {
        if let Some(open) = self.open.filter(|open| open.kind == kind) {
            return open.block;
        }
        self.close(out);
        let block = self.begin();
        self.open = Some(Open { kind, block });
        block
    }

    fn begin(&mut self) -> usize {
        let block = self.next;
        self.next += 1;
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

    /// A piece of text or thinking, around which its kind puts more.
    fn piece(&mut self, kind: Kind, text: &Text<'_>, (before, behind): (&str, &str), out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let block = self.block(kind, out);
        delta(out, block, |out| {
            out.extend_from_slice(before.as_bytes());
            text.write(out);
            out.extend_from_slice(behind.as_bytes());
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        self.close(out);
        for call in std::mem::take(&mut self.calls).into_values() {
            stop_block(out, call.block);
        }
        let reason = stop_reason(self.stop.unwrap_or(Stop::End), self.any_call);
        event(out, "messageStop", |out| raw::write_field(out, "stopReason", reason));
        event(out, "metadata", |out| write_metadata(out, &self.usage, self.tier));
    }
}

impl WriteAnswer for Stream {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { .. } => {
                self::event(out, "messageStart", |out| raw::write_field(out, "role", "assistant"));
            }
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                self.piece(Kind::Text, &text, (r#""text":"#, ""), out);
            }
            Event::Thinking { choice: 0, text } => {
                self.piece(Kind::Thinking, &text, (r#""reasoningContent":{"text":"#, "}"), out);
            }
            Event::Signature { choice: 0, signature } => {
                self.piece(Kind::Thinking, &signature, (r#""reasoningContent":{"signature":"#, "}"), out);
                // What is thought after it needs another.
                self.close(out);
            }
            Event::SealedThinking { choice: 0, data } if is_base64(&data) => {
                self.close(out);
                let around = (r#""reasoningContent":{"redactedContent":"#, "}");
                self.piece(Kind::Thinking, &data, around, out);
                self.close(out);
            }
            Event::Call { choice: 0, call, id, name } => {
                self.close(out);
                self.any_call = true;
                let block = self.begin();
                self::event(out, "contentBlockStart", |out| {
                    out.extend_from_slice(
                        format!(r#""contentBlockIndex":{block},"start":{{"toolUse":{{"#).as_bytes(),
                    );
                    write_call(out, &id, &name);
                    out.extend_from_slice(b"}}");
                });
                self.calls.insert(call, OpenCall { block, json: Balance::default() });
            }
            Event::Arguments { choice: 0, call, json } => {
                let Some(call) = self.calls.get_mut(&call).filter(|_| !json.is_empty()) else { return };
                call.json.add(&json.decode());
                delta(out, call.block, |out| {
                    out.extend_from_slice(br#""toolUse":{"input":"#);
                    json.write(out);
                    out.push(b'}');
                });
            }
            Event::Citation { choice: 0, citation } => {
                let mut page = Vec::new();
                if citation::write(&mut page, citation) {
                    let block = self.block(Kind::Text, out);
                    delta(out, block, |out| {
                        out.extend_from_slice(br#""citation":"#);
                        out.append(&mut page);
                    });
                }
            }
            Event::Stop { choice: 0, stop, sequence: _ } => self.stop = Some(stop),
            Event::Usage(used) => self.usage = used.tokens,
            Event::Tier(tier) => self.tier = own_tier(&tier),
            Event::Failed { status, error, text, rest: _ } => {
                self.ended = true;
                let error = client_error(status, error, text);
                bedrock::write_exception(out, failure::status(status), &error.message);
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
            | Event::Logprobs { .. } => {}
        }
    }
}

/// Writes an event, given the inside of its JSON.
fn event(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    let mut json = b"{".to_vec();
    write(&mut json);
    json.push(b'}');
    // It fails only for events of gigabytes.
    let _ = event_stream::write_event(out, name, &json);
}

fn delta(out: &mut Vec<u8>, block: usize, write: impl FnOnce(&mut Vec<u8>)) {
    event(out, "contentBlockDelta", |out| {
        out.extend_from_slice(format!(r#""contentBlockIndex":{block},"delta":{{"#).as_bytes());
        write(out);
        out.push(b'}');
    });
}

fn stop_block(out: &mut Vec<u8>, block: usize) {
    event(out, "contentBlockStop", |out| {
        out.extend_from_slice(format!(r#""contentBlockIndex":{block}"#).as_bytes());
    });
}

/// Whether the SDKs can decode it: they give bytes to their users, and break off where there are none.
fn is_base64(data: &Text<'_>) -> bool {
    BASE64_STANDARD.decode(data.decode().as_bytes()).is_ok()
}

fn write_call(out: &mut Vec<u8>, id: &Text<'_>, name: &Text<'_>) {
    out.extend_from_slice(br#""toolUseId":"#);
    id.write(out);
    out.extend_from_slice(br#","name":"#);
    name.write(out);
}

fn stop_reason(stop: Stop, any_call: bool) -> &'static str {
    match stop {
        // Some servers say so of answers that call tools.
        Stop::End if any_call => "tool_use",
        Stop::End | Stop::Paused => "end_turn",
        Stop::Sequence => "stop_sequence",
        Stop::Length => "max_tokens",
        Stop::Calls => "tool_use",
        Stop::Refused => "content_filtered",
    }
}

/// The tiers that Bedrock knows.
fn own_tier(tier: &Text<'_>) -> Option<&'static str> {
    match tier.decode().as_ref() {
        "default" | "standard" => Some("default"),
        "priority" => Some("priority"),
        "flex" => Some("flex"),
        _ => None,
    }
}

/// Writes what follows the message. How long it took is not known here, and the SDKs want a number.
fn write_metadata(out: &mut Vec<u8>, usage: &Usage, tier: Option<&str>) {
    let input = usage.input.saturating_add(usage.audio_input).saturating_add(usage.image_input);
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    let (read, output) = (usage.cache_read, usage.total_output());
    let total = usage.total_input().saturating_add(output);
    let counters = format!(
        r#""usage":{{"inputTokens":{input},"outputTokens":{output},"totalTokens":{total},"cacheReadInputTokens":{read},"cacheWriteInputTokens":{written}"#
    );
    out.extend_from_slice(counters.as_bytes());
    // What is kept for an hour costs more.
    if usage.cache_write_1h > 0 {
        out.extend_from_slice(br#","cacheDetails":"#);
        let kept = [("5m", usage.cache_write), ("1h", usage.cache_write_1h)];
        let kept: Vec<_> = kept.into_iter().filter(|(_, tokens)| *tokens > 0).collect();
        raw::write_list(out, &kept, |out, (ttl, tokens)| {
            out.extend_from_slice(format!(r#"{{"ttl":"{ttl}","inputTokens":{tokens}}}"#).as_bytes());
        });
    }
    out.extend_from_slice(br#"},"metrics":{"latencyMs":0}"#);
    if let Some(tier) = tier {
        out.extend_from_slice(format!(r#","serviceTier":{{"type":"{tier}"}}"#).as_bytes());
    }
}

/// What the provider says of its failure, in the envelope of this API.
fn client_error(status: u16, mut error: Object<'_>, text: Option<Text<'_>>) -> ClientError {
    let message = error.take("message").and_then(raw::string).map(std::borrow::Cow::into_owned);
    let message = message.or_else(|| text.map(|text| text.decode().into_owned()));
    let message = failure::message(status, message.unwrap_or_default());
    ClientError::new(ErrorKind::from_status(status), "provider_error", message)
}
