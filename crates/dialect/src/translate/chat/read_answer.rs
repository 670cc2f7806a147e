//! The answer of the provider.
//!
//! A chunk of a stream has the form of an answer with pieces in it, so that both are read alike. This runs
//! for every token: a piece is passed on in its JSON form, never decoded.

mod calls;

#[cfg(test)]
mod tests;

use crate::translate::neutral::{Event, ReadAnswer, Sink, Stop, Text};
use crate::translate::raw::{self, Object};
use crate::translate::{Error, failure};
use crate::usage::WireUsage;
use calls::{Calls, ToolCall};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Choices that are kept track of: as many as the API can be asked for.
const MOST_CHOICES: usize = 128;

/// Reads an answer or a stream of one.
#[derive(Debug, Default)]
pub(in crate::translate) struct Reader {
    is_started: bool,
    has_tier: bool,
    usage: WireUsage,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    calls: Calls,
    is_stopped: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    delta: Option<Message<'a>>,
    /// What plain answers have in its place, and streams of servers that send all at once.
    #[serde(borrow)]
    message: Option<Message<'a>>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    /// DeepSeek's name, and the one that most servers took over.
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    /// The name at OpenRouter and in newer versions of vLLM.
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    function_call: Option<calls::Function<'a>>,
}

/// A text that is not empty.
fn text(value: Option<&RawValue>) -> Option<Text<'_>> {
    value.and_then(Text::read).filter(|text| !text.is_empty())
}

impl ReadAnswer for Reader {
    fn success(&mut self, body: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        let mut events = Vec::new();
        self.read(body, true, &mut events)?;
        events.into_iter().for_each(to);
        Ok(())
    }

    fn event(&mut self, data: &[u8], to: &mut Sink<'_>) -> Result<(), Error> {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            to(Event::End);
            return Ok(());
        }
        let Ok(data) = str::from_utf8(data) else {
            return Err(Error::invalid_answer("an event is not UTF-8"));
        };
        // What is read before a fault is found in the same event must not go to the client.
        let mut events = Vec::new();
        self.read(data, false, &mut events)?;
        events.into_iter().for_each(to);
        Ok(())
    }
}

fn open(json: &str) -> Result<Chunk<'_>, Error> {
    let json = json.trim_ascii();
    // An array would be taken for the fields in their order.
    if !json.starts_with('{') {
        return Err(Error::invalid_answer("a JSON object is expected"));
    }
    serde_json::from_str(json).map_err(|_| Error::invalid_answer("it is not what the API defines"))
}

impl Reader {
    fn read<'a>(&mut self, json: &'a str, is_whole: bool, events: &mut Vec<Event<'a>>) -> Result<(), Error> {
        let chunk = open(json)?;
        if let Some(failure) = read_failure(json, &chunk) {
            events.push(failure);
            return Ok(());
        }
        if is_whole && chunk.choices.is_none() {
            return Err(Error::invalid_answer("choices are expected"));
        }
        let Chunk { id, model, choices, usage, service_tier, .. } = chunk;
        let (id, choices) = (text(id), choices.unwrap_or_default());
        // Azure begins with a chunk of what it found in the prompt, which does not name the answer.
        let says_something = is_whole || id.is_some() || usage.is_some() || !choices.is_empty();
        if says_something && !std::mem::replace(&mut self.is_started, true) {
            events.push(Event::Start { id, model: text(model), rest: Object::default() });
        }
        for (place, choice) in choices.into_iter().enumerate() {
            self.choice(place, choice, is_whole, events)?;
        }
        if let Some(usage) = usage.and_then(|usage| serde_json::from_str(usage.get()).ok()) {
            self.usage.update(usage);
            events.push(Event::Usage(self.usage.openai().into()));
        }
        if let Some(tier) = text(service_tier).filter(|_| !self.has_tier) {
            self.has_tier = true;
            events.push(Event::Tier(tier));
        }
        Ok(())
    }

    fn choice<'a>(
        &mut self,
        place: usize,
        choice: Choice<'a>,
        is_whole: bool,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Error> {
        let Choice { index, delta, message, logprobs, finish_reason } = choice;
        let index = index.unwrap_or(place);
        if index >= MOST_CHOICES {
            return Err(Error::invalid_answer("it has more choices than can be asked for"));
        }
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, ChoiceState::default);
        }
        let (Some(state), Ok(choice)) = (self.choices.get_mut(index), u32::try_from(index)) else {
            return Ok(());
        };
        if state.is_stopped {
            return Ok(());
        }
        match delta.or(message) {
            Some(message) => message.read(choice, &mut state.calls, is_whole, events)?,
            None if is_whole => return Err(Error::invalid_answer("a choice lacks its message")),
            None => {}
        }
        if let Some(logprobs) = logprobs {
            events.push(Event::Logprobs { choice, logprobs });
        }
        let reason = text(finish_reason);
        if reason.is_some() || is_whole {
            state.is_stopped = true;
            let stop = match reason.as_ref().map(Text::decode).as_deref() {
                // The name at Mistral.
                Some("length" | "model_length") => Stop::Length,
                Some("tool_calls" | "function_call") => Stop::Calls,
                Some("content_filter") => Stop::Refused,
                // So the API has it where the client named the function to be called.
                _ if state.calls.any() => Stop::Calls,
                _ => Stop::End,
            };
            events.push(Event::Stop { choice, stop, sequence: None });
        }
        Ok(())
    }
}

impl<'a> Message<'a> {
    fn read(
        self,
        choice: u32,
        calls: &mut Calls,
        is_whole: bool,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Error> {
        if let Some(text) = text(self.reasoning_content).or_else(|| text(self.reasoning)) {
            events.push(Event::Thinking { choice, text });
        }
        match self.content {
            Some(content) if raw::is_string(content) => {
                events.extend(text(Some(content)).map(|text| Event::Text { choice, text }));
            }
            Some(content) => {
                for part in raw::array(content).unwrap_or_default() {
                    read_part(part, choice, events);
                }
            }
            None => {}
        }
        if let Some(text) = text(self.refusal) {
            events.push(Event::Refusal { choice, text });
        }
        let annotations = self.annotations.and_then(raw::array).unwrap_or_default();
        events.extend(annotations.into_iter().map(|citation| Event::Citation { choice, citation }));
        // Servers that know the older form too say the same in both.
        let older = || self.function_call.map(ToolCall::only).into_iter().collect();
        for call in self.tool_calls.filter(|calls| !calls.is_empty()).unwrap_or_else(older) {
            calls.read(call, choice, is_whole, events)?;
        }
        Ok(())
    }
}

/// Reads a part of a content that is a list. Mistral's models think in parts of their own.
fn read_part<'a>(part: &'a RawValue, choice: u32, events: &mut Vec<Event<'a>>) {
    let Some(mut part) = Object::open(part) else { return };
    match part.take("type").and_then(raw::string).as_deref() {
        Some("text") => {
            events.extend(text(part.take("text")).map(|text| Event::Text { choice, text }));
        }
        Some("refusal") => {
            events.extend(text(part.take("refusal")).map(|text| Event::Refusal { choice, text }));
        }
        Some("thinking") => {
            let thoughts = part.take("thinking").and_then(raw::array).unwrap_or_default();
            let texts = thoughts.into_iter().filter_map(|part| text(Object::open(part)?.take("text")));
            events.extend(texts.map(|text| Event::Thinking { choice, text }));
        }
        _ => {}
    }
}

/// What a chunk or an answer says of a failure, if it does.
fn read_failure<'a>(json: &'a str, chunk: &Chunk<'a>) -> Option<Event<'a>> {
    if let Some(error) = chunk.error {
        return match Object::open(error) {
            Some(error) => Some(failure::of(None, error)),
            None => text(Some(error)).map(|text| failure::with_text(failure::FAILED, text)),
        };
    }
    // So older versions of vLLM have it.
    let is_error = chunk.object.is_some_and(|object| object.get() == "\"error\"");
    is_error.then(|| failure::of(None, serde_json::from_str(json).unwrap_or_default()))
}
