//! The answer of the provider.
//!
//! An answer names neither itself nor its model. A stream is whole with its `metadata`, which tells the usage behind the stop.
//! This runs for every token: a piece is passed on in its JSON form, never decoded.

mod usage;

#[cfg(test)]
mod tests;

use super::citation;
use crate::translate::Error;
use crate::translate::neutral::{Event, ReadAnswer, Sink, Stop, Text, Used};
use crate::translate::raw::{self, Object};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Calls whose arguments may come at once. The provider writes one after another.
const MOST_OPEN_CALLS: usize = 64;

/// Reads an answer or a stream of one.
#[derive(Debug, Default)]
pub(in crate::translate) struct Reader {
    is_started: bool,
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
#[serde(rename_all = "camelCase")]
struct StreamEvent<'a> {
    #[serde(borrow)]
    content_block_index: Option<&'a RawValue>,
    #[serde(borrow)]
    start: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    additional_model_response_fields: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delta<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    citation: Option<&'a RawValue>,
}

impl ReadAnswer for Reader {
    fn success(&mut self, body: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        self.message(body, to)
    }

    fn event(&mut self, _data: &[u8], _to: &mut Sink<'_>) -> Result<(), Error> {
        // Text where Amazon's framing is expected is refused before it comes here, and a chunk is of another call.
        Err(unexpected())
    }

    fn named_event(&mut self, name: &str, data: &[u8], to: &mut Sink<'_>) -> Result<(), Error> {
        match name {
            "contentBlockDelta" => self.block_delta(&open(data)?, to),
            "messageStart" => {
                self.start(to);
                Ok(())
            }
            "contentBlockStart" => self.block_start(&open(data)?, to),
            "contentBlockStop" => {
                let event: StreamEvent<'_> = open(data)?;
                self.block_stop(number(event.content_block_index)?, to);
                Ok(())
            }
            "messageStop" => {
                let event: StreamEvent<'_> = open(data)?;
                self.start(to);
                let stop = stop(&event.stop_reason.and_then(raw::string).unwrap_or_default());
                let sequence = sequence(event.additional_model_response_fields);
                to(Event::Stop { choice: 0, stop, sequence });
                Ok(())
            }
            "metadata" => {
                let event: StreamEvent<'_> = open(data)?;
                self.start(to);
                tell_tier(event.service_tier, to);
                tell_usage(event.usage, to);
                to(Event::End);
                Ok(())
            }
            // What the API may add.
            _ => Ok(()),
        }
    }

    fn is_binary(&self) -> bool {
        true
    }
}

fn unexpected() -> Error {
    Error::invalid_answer("an event is not what the API defines")
}

/// Opens an event or a part of one. An array would be taken for the fields in their order.
fn open<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Error> {
    let json = json.trim_ascii();
    let value = json.starts_with(b"{").then(|| serde_json::from_slice(json).ok());
    value.flatten().ok_or_else(unexpected)
}

/// The number of a block.
fn number(index: Option<&RawValue>) -> Result<u64, Error> {
    index.map_or(Ok(0), |index| index.get().parse()).map_err(|_| unexpected())
}

/// A text that says something.
fn text(value: Option<&RawValue>) -> Option<Text<'_>> {
    Text::read(value?).filter(|text| !text.is_empty())
}

fn stop(reason: &str) -> Stop {
    match reason {
        "stop_sequence" => Stop::Sequence,
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "tool_use" => Stop::Calls,
        "guardrail_intervened" | "content_filtered" => Stop::Refused,
        // `end_turn`. Reasons that are not known yet end the answer all the same, and so do faults of the model's
        // (`malformed_model_output`, `malformed_tool_use`), which other dialects have no words for.
        _ => Stop::End,
    }
}

/// Which stop sequence came up, where the client has asked for it.
fn sequence(fields: Option<&RawValue>) -> Option<Text<'_>> {
    text(fields.and_then(Object::open)?.take("stop_sequence"))
}

fn tell_tier(tier: Option<&RawValue>, to: &mut Sink<'_>) {
    if let Some(tier) = text(tier.and_then(Object::open).and_then(|mut tier| tier.take("type"))) {
        to(Event::Tier(tier));
    }
}

fn tell_usage(usage: Option<&RawValue>, to: &mut Sink<'_>) {
    let Some(usage) = usage else { return };
    let kept = usage::cache_creation(usage);
    if let Some(used) = usage::read(usage) {
        to(Event::Usage(Used { cache_creation: kept.as_deref(), ..used }));
    }
}

fn tell_citation(citation: &RawValue, to: &mut Sink<'_>) {
    match citation::read(citation) {
        Some(page) => to(Event::Citation { choice: 0, citation: &page }),
        None if citation.get().starts_with('{') => to(Event::Citation { choice: 0, citation }),
        None => {}
    }
}

/// What a block of a plain answer says. Those of tools that Amazon runs have no place in other dialects: the text that they led to has.
enum Said<'a> {
    Text(Text<'a>),
    Cited(Vec<Text<'a>>, Vec<&'a RawValue>),
    Thought(Text<'a>, Option<Text<'a>>),
    Sealed(Text<'a>),
    Call { id: Text<'a>, name: Text<'a>, input: &'a str },
    Nothing,
}

fn read_block(value: &RawValue) -> Option<Said<'_>> {
    let mut block = Object::open(value)?;
    if let Some(text) = block.take("text") {
        return Some(Said::Text(Text::read(text)?));
    }
    if let Some(value) = block.take("toolUse") {
        let mut call = Object::open(value)?;
        if call.take("type").is_some() {
            return Some(Said::Nothing);
        }
        let (id, name) = (Text::read(call.take("toolUseId")?)?, Text::read(call.take("name")?)?);
        return Some(Said::Call { id, name, input: call.take("input").map_or("{}", RawValue::get) });
    }
    if let Some(value) = block.take("reasoningContent") {
        let mut content = Object::open(value)?;
        return Some(match content.take("reasoningText") {
            Some(thought) => {
                let mut thought = Object::open(thought)?;
                Said::Thought(Text::read(thought.take("text")?)?, text(thought.take("signature")))
            }
            None => Said::Sealed(Text::read(content.take("redactedContent")?)?),
        });
    }
    if let Some(value) = block.take("citationsContent") {
        let mut content = Object::open(value)?;
        let texts = content.take("content").and_then(raw::array).unwrap_or_default();
        let texts = texts.into_iter().filter_map(|block| text(Object::open(block)?.take("text")));
        let texts = texts.collect();
        return Some(Said::Cited(texts, content.take("citations").and_then(raw::array).unwrap_or_default()));
    }
    Some(Said::Nothing)
}

impl Reader {
    /// Reads a plain answer. All faults are found before anything goes to the sink.
    fn message(&mut self, json: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        let Ok(mut fields) = serde_json::from_str::<Object<'_>>(json) else {
            return Err(Error::invalid_answer("a JSON object is expected"));
        };
        let message =
            fields.take("output").and_then(Object::open).and_then(|mut output| output.take("message"));
        let content = message.and_then(Object::open).and_then(|mut message| message.take("content"));
        let Some(blocks) = content.and_then(raw::array) else {
            return Err(Error::invalid_answer("a message of content blocks is expected"));
        };
        let blocks: Option<Vec<Said<'_>>> = blocks.into_iter().map(read_block).collect();
        let faulty = || Error::invalid_answer("a content block lacks what its kind demands");
        let blocks = blocks.ok_or_else(faulty)?;
        let (reason, used) = (fields.take("stopReason"), fields.take("usage"));
        let tier = fields.take("serviceTier");
        let sequence = sequence(fields.get("additionalModelResponseFields"));
        self.is_started = true;
        to(Event::Start { id: None, model: None, rest: fields });
        tell_tier(tier, to);
        for block in blocks {
            self.block(block, to);
        }
        tell_usage(used, to);
        let stop = stop(&reason.and_then(raw::string).unwrap_or_default());
        to(Event::Stop { choice: 0, stop, sequence });
        Ok(())
    }

    fn block(&mut self, block: Said<'_>, to: &mut Sink<'_>) {
        let choice = 0;
        match block {
            Said::Text(text) => to(Event::Text { choice, text }),
            Said::Cited(texts, citations) => {
                texts.into_iter().for_each(|text| to(Event::Text { choice, text }));
                citations.into_iter().for_each(|citation| tell_citation(citation, to));
            }
            Said::Thought(text, signature) => {
                to(Event::Thinking { choice, text });
                if let Some(signature) = signature {
                    to(Event::Signature { choice, signature });
                }
            }
            Said::Sealed(data) => to(Event::SealedThinking { choice, data }),
            Said::Call { id, name, input } => {
                let call = self.calls;
                self.calls = call.saturating_add(1);
                to(Event::Call { choice, call, id, name });
                to(Event::Arguments { choice, call, json: input.into() });
            }
            Said::Nothing => {}
        }
    }

    fn start(&mut self, to: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.is_started, true) {
            to(Event::Start { id: None, model: None, rest: Object::default() });
            to(Event::Text { choice: 0, text: "".into() });
        }
    }

    fn block_start(&mut self, event: &StreamEvent<'_>, to: &mut Sink<'_>) -> Result<(), Error> {
        let block = number(event.content_block_index)?;
        self.start(to);
        self.open.retain(|open| open.block != block);
        let mut start = event.start.and_then(Object::open).unwrap_or_default();
        let Some(mut fields) = start.take("toolUse").and_then(Object::open) else { return Ok(()) };
        // Calls of tools that Amazon runs have no place in other dialects.
        if fields.take("type").is_some() {
            return Ok(());
        }
        let (choice, call) = (0, self.calls);
        self.calls = call.saturating_add(1);
        let mut take = |name: &str| text(fields.take(name)).unwrap_or("".into());
        let (id, name) = (take("toolUseId"), take("name"));
        to(Event::Call { choice, call, id, name });
        if self.open.len() < MOST_OPEN_CALLS {
            self.open.push(OpenCall { block, call, has_arguments: false });
        }
        Ok(())
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
        self.start(to);
        if let Some(text) = text(delta.text) {
            to(Event::Text { choice, text });
        }
        if let Some(json) =
            delta.tool_use.and_then(Object::open).and_then(|mut call| text(call.take("input")))
        {
            let block = number(event.content_block_index)?;
            if let Some(open) = self.open.iter_mut().find(|open| open.block == block) {
                open.has_arguments = true;
                to(Event::Arguments { choice, call: open.call, json });
            }
        }
        let mut thought = delta.reasoning_content.and_then(Object::open).unwrap_or_default();
        if let Some(text) = text(thought.take("text")) {
            to(Event::Thinking { choice, text });
        }
        if let Some(signature) = text(thought.take("signature")) {
            to(Event::Signature { choice, signature });
        }
        if let Some(data) = text(thought.take("redactedContent")) {
            to(Event::SealedThinking { choice, data });
        }
        if let Some(citation) = delta.citation {
            tell_citation(citation, to);
        }
        Ok(())
    }
}
