//! The answer of the provider.
//!
//! This runs for every token: a piece is passed on in its JSON form, never decoded, and of an event only what its kind needs is
//! looked into.

mod usage;

#[cfg(test)]
mod tests;

use crate::translate::Error;
use crate::translate::failure::{self, FAILED};
use crate::translate::neutral::{Event, ReadAnswer, Sink, Stop, Text};
use crate::translate::raw::{self, Object};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use usage::Counters;

/// Calls whose arguments may come at once. The provider writes one after another.
const MOST_OPEN_CALLS: usize = 64;

/// Reads an answer or a stream of one.
#[derive(Debug, Default)]
pub(in crate::translate) struct Reader {
    is_started: bool,
    has_tier: bool,
    /// Its end was told.
    is_told: bool,
    counters: Counters,
    /// Calls so far.
    calls: u32,
    open: Vec<OpenCall>,
}

/// A call whose block is open.
#[derive(Debug)]
struct OpenCall {
    block: u64,
    call: u32,
    has_arguments: bool,
}

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
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

impl ReadAnswer for Reader {
    fn success(&mut self, body: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        self.message(body, to)
    }

    fn event(&mut self, data: &[u8], to: &mut Sink<'_>) -> Result<(), Error> {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        let event: StreamEvent<'_> = open(data)?;
        match event.kind.as_ref() {
            "content_block_delta" => self.block_delta(&event, to)?,
            "message_start" => self.message_start(event.message, to),
            "content_block_start" => self.block_start(&event, to)?,
            "content_block_stop" => self.block_stop(number(event.index)?, to),
            "message_delta" => self.message_delta(&event, to)?,
            // Without its delta, which tells why it ended and what it used, it was cut.
            "message_stop" if self.is_told => {
                to(Event::End);
            }
            "error" => {
                to(failed(serde_json::from_slice(data).unwrap_or_default()));
            }
            // `ping`, and what the API may add.
            _ => {}
        }
        Ok(())
    }

    fn always_ends(&self) -> bool {
        true
    }
}

/// Opens an event or a part of one. An array would be taken for the fields in their order.
fn open<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Error> {
    let value = json.starts_with(b"{").then(|| serde_json::from_slice(json).ok());
    value.flatten().ok_or_else(|| Error::invalid_answer("an event is not what the API defines"))
}

/// The number of a block. The first one's may miss.
fn number(index: Option<&RawValue>) -> Result<u64, Error> {
    let number = index.map_or(Ok(0), |index| index.get().parse());
    number.map_err(|_| Error::invalid_answer("an event is not what the API defines"))
}

/// A text that says something.
fn text(value: Option<&RawValue>) -> Option<Text<'_>> {
    Text::read(value?).filter(|text| !text.is_empty())
}

/// A failure that comes with a good status. Its type stands for one that HTTP has.
fn failed(mut fields: Object<'_>) -> Event<'_> {
    fields.take("type");
    let Some(error) = fields.take("error").and_then(Object::open) else {
        let message = text(fields.take("message")).unwrap_or_else(|| failure::shown("", FAILED));
        return failure::beside(failure::with_text(FAILED, message), fields);
    };
    let status = match error.get("type").and_then(raw::string).as_deref() {
        Some("invalid_request_error") => 400,
        Some("authentication_error") => 401,
        Some("permission_error") => 403,
        Some("not_found_error") => 404,
        Some("request_too_large") => 413,
        Some("rate_limit_error") => 429,
        Some("timeout_error") => 504,
        Some("overloaded_error") => 529,
        _ => FAILED,
    };
    failure::beside(failure::of(Some(status), error), fields)
}

fn stop(reason: &str) -> Stop {
    match reason {
        "stop_sequence" => Stop::Sequence,
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "tool_use" => Stop::Calls,
        "refusal" => Stop::Refused,
        "pause_turn" => Stop::Paused,
        // `end_turn`. Reasons that are not known yet end the answer all the same.
        _ => Stop::End,
    }
}

/// A block of a plain answer. Those of tools that the provider runs have no place in other dialects: the text that they led to
/// has.
fn read_block<'a>(value: &'a RawValue, calls: &mut u32, events: &mut Vec<Event<'a>>) -> Option<()> {
    let choice = 0;
    let mut block = Object::open(value)?;
    match block.take("type").and_then(raw::string)?.as_ref() {
        "text" => {
            events.push(Event::Text { choice, text: Text::read(block.take("text")?)? });
            let citations = block.take("citations").and_then(raw::array).unwrap_or_default();
            events.extend(citations.into_iter().map(|citation| Event::Citation { choice, citation }));
        }
        "thinking" => {
            events.push(Event::Thinking { choice, text: Text::read(block.take("thinking")?)? });
            let signature = text(block.take("signature"));
            events.extend(signature.map(|signature| Event::Signature { choice, signature }));
        }
        "redacted_thinking" => {
            events.push(Event::SealedThinking { choice, data: Text::read(block.take("data")?)? });
        }
        "tool_use" => {
            let (id, name) = (Text::read(block.take("id")?)?, Text::read(block.take("name")?)?);
            let call = *calls;
            *calls += 1;
            let json = block.take("input").map_or("{}", RawValue::get).into();
            events.extend([Event::Call { choice, call, id, name }, Event::Arguments { choice, call, json }]);
        }
        _ => {}
    }
    Some(())
}

impl Reader {
    /// Reads a plain answer. All faults are found before anything goes to the sink.
    fn message(&mut self, json: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        let Ok(mut fields) = serde_json::from_str::<Object<'_>>(json) else {
            return Err(Error::invalid_answer("a JSON object is expected"));
        };
        if fields.get("type").is_some_and(|kind| kind.get() == "\"error\"") {
            to(failed(fields));
            return Ok(());
        }
        let Some(blocks) = fields.take("content").and_then(raw::array) else {
            return Err(Error::invalid_answer("content blocks are expected"));
        };
        let mut events = Vec::with_capacity(blocks.len());
        for block in blocks {
            read_block(block, &mut self.calls, &mut events)
                .ok_or_else(|| Error::invalid_answer("a content block lacks what its type demands"))?;
        }
        self.counters.update(fields.take("usage"));
        let (reason, sequence) = (fields.take("stop_reason"), text(fields.take("stop_sequence")));
        let (id, model) = (text(fields.take("id")), text(fields.take("model")));
        fields.remove(&["type", "role"]);
        to(Event::Start { id, model, rest: fields });
        self.tier(to);
        events.into_iter().for_each(&mut *to);
        self.used(to);
        let stop = stop(&reason.and_then(raw::string).unwrap_or_default());
        to(Event::Stop { choice: 0, stop, sequence });
        Ok(())
    }

    fn tier(&mut self, to: &mut Sink<'_>) {
        if let Some(tier) = self.counters.tier().filter(|_| !self.has_tier) {
            self.has_tier = true;
            to(Event::Tier(tier));
        }
    }

    fn used(&self, to: &mut Sink<'_>) {
        if let Some(used) = self.counters.used() {
            to(Event::Usage(used));
        }
    }

    fn message_start(&mut self, message: Option<&RawValue>, to: &mut Sink<'_>) {
        let mut message = message.and_then(Object::open).unwrap_or_default();
        self.counters.begin(message.take("usage"));
        if !std::mem::replace(&mut self.is_started, true) {
            let (id, model) = (text(message.take("id")), text(message.take("model")));
            to(Event::Start { id, model, rest: Object::default() });
        }
        self.tier(to);
        self.used(to);
        to(Event::Text { choice: 0, text: "".into() });
    }

    fn block_start(&mut self, event: &StreamEvent<'_>, to: &mut Sink<'_>) -> Result<(), Error> {
        let choice = 0;
        let mut block = event.content_block.and_then(Object::open).unwrap_or_default();
        let number = number(event.index)?;
        self.open.retain(|open| open.block != number);
        match block.take("type").and_then(raw::string).as_deref() {
            Some("text") => {
                if let Some(text) = text(block.take("text")) {
                    to(Event::Text { choice, text });
                }
            }
            Some("tool_use") => self.call(number, block, to),
            Some("thinking") => {
                to(Event::Thinking { choice, text: text(block.take("thinking")).unwrap_or("".into()) });
                if let Some(signature) = text(block.take("signature")) {
                    to(Event::Signature { choice, signature });
                }
            }
            Some("redacted_thinking") => {
                if let Some(data) = text(block.take("data")) {
                    to(Event::SealedThinking { choice, data });
                }
            }
            // Those of tools that the provider runs have no place in other dialects: the text that they lead to has.
            _ => {}
        }
        Ok(())
    }

    fn call(&mut self, block: u64, mut fields: Object<'_>, to: &mut Sink<'_>) {
        let (choice, call) = (0, self.calls);
        self.calls = call.saturating_add(1);
        let mut take = |name: &str| text(fields.take(name)).unwrap_or("".into());
        let (id, name) = (take("id"), take("name"));
        to(Event::Call { choice, call, id, name });
        // The input follows in deltas; a provider that sends none has it here.
        let input =
            fields.take("input").filter(|input| Object::open(input).is_some_and(|input| !input.is_empty()));
        if let Some(input) = input {
            to(Event::Arguments { choice, call, json: input.get().into() });
        }
        if self.open.len() < MOST_OPEN_CALLS {
            self.open.push(OpenCall { block, call, has_arguments: input.is_some() });
        }
    }

    fn block_stop(&mut self, block: u64, to: &mut Sink<'_>) {
        let Some(at) = self.open.iter().position(|open| open.block == block) else { return };
        if let OpenCall { call, has_arguments: false, .. } = self.open.swap_remove(at) {
            // Clients parse the arguments, and nothing is no JSON.
            to(Event::Arguments { choice: 0, call, json: "{}".into() });
        }
    }

    fn block_delta(&mut self, event: &StreamEvent<'_>, to: &mut Sink<'_>) -> Result<(), Error> {
        let choice = 0;
        let Some(delta) = event.delta else { return Ok(()) };
        let delta: Delta<'_> = open(delta.get().as_bytes())?;
        let piece = match delta.kind.as_ref() {
            "text_delta" => text(delta.text).map(|text| Event::Text { choice, text }),
            "input_json_delta" => {
                let block = number(event.index)?;
                let call = self.open.iter_mut().find(|open| open.block == block);
                call.zip(text(delta.partial_json)).map(|(open, json)| {
                    open.has_arguments = true;
                    Event::Arguments { choice, call: open.call, json }
                })
            }
            "thinking_delta" => text(delta.thinking).map(|text| Event::Thinking { choice, text }),
            "signature_delta" => {
                text(delta.signature).map(|signature| Event::Signature { choice, signature })
            }
            "citations_delta" => delta
                .citation
                .filter(|citation| citation.get().starts_with('{'))
                .map(|citation| Event::Citation { choice, citation }),
            _ => None,
        };
        if let Some(piece) = piece {
            to(piece);
        }
        Ok(())
    }

    fn message_delta(&mut self, event: &StreamEvent<'_>, to: &mut Sink<'_>) -> Result<(), Error> {
        self.is_told = true;
        let delta = event.delta.map(|delta| open::<Delta<'_>>(delta.get().as_bytes())).transpose()?;
        self.counters.update(event.usage);
        if event.usage.is_some() {
            self.used(to);
        }
        let Some(delta) = delta else { return Ok(()) };
        if let Some(reason) = delta.stop_reason.and_then(raw::string) {
            to(Event::Stop { choice: 0, stop: stop(&reason), sequence: text(delta.stop_sequence) });
        }
        Ok(())
    }
}
