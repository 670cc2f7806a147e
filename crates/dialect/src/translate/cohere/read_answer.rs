//! The answer of the provider.
//!
//! The plan that a model writes before it calls tools is what it thinks. This runs for every token: a text is passed on in its JSON
//! form, never decoded.

mod details;

#[cfg(test)]
mod tests;

use crate::translate::Error;
use crate::translate::failure::{self, FAILED};
use crate::translate::neutral::{Event, ReadAnswer, Sink, Stop, Text};
use crate::translate::raw::{self, Object};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

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

/// A call whose end has not come.
#[derive(Debug)]
struct OpenCall {
    index: Option<u64>,
    call: u32,
    has_arguments: bool,
}

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    index: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
}

impl<'a> StreamEvent<'a> {
    fn delta(&self) -> Object<'a> {
        self.delta.and_then(Object::open).unwrap_or_default()
    }

    /// The field of the message in the delta.
    fn field(&self, name: &str) -> Option<&'a RawValue> {
        self.delta().take("message").and_then(Object::open)?.take(name)
    }

    fn index(&self) -> Option<u64> {
        self.index.and_then(|index| index.get().parse().ok())
    }
}

impl ReadAnswer for Reader {
    fn success(&mut self, body: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        self.answer(body, to)
    }

    fn event(&mut self, data: &[u8], to: &mut Sink<'_>) -> Result<(), Error> {
        let data = data.trim_ascii();
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        // An array would be taken for the fields in their order.
        let event = data.starts_with(b"{").then(|| serde_json::from_slice::<StreamEvent<'_>>(data).ok());
        let expected = || Error::invalid_answer("an event is not what the API defines");
        let event = event.flatten().ok_or_else(expected)?;
        match event.kind.as_ref() {
            "content-delta" | "content-start" => self.content(&event, to),
            "message-start" => self.start(text(event.id), to),
            "tool-plan-delta" => {
                self.start(None, to);
                if let Some(text) = text(event.field("tool_plan")) {
                    to(Event::Thinking { choice: 0, text });
                }
            }
            "tool-call-start" => self.call_start(&event, to),
            "tool-call-delta" => self.call_delta(&event, to),
            "tool-call-end" => self.call_end(event.index(), to),
            "citation-start" => {
                self.start(None, to);
                if let Some(citations) = event.field("citations") {
                    details::tell_citations(citations, to);
                }
            }
            "message-end" => self.end(event.delta(), to),
            // `content-end`, `citation-end`, `debug`, and what the API may add.
            _ => {}
        }
        Ok(())
    }

    fn always_ends(&self) -> bool {
        true
    }
}

/// A text that says something.
fn text(value: Option<&RawValue>) -> Option<Text<'_>> {
    Text::read(value?).filter(|text| !text.is_empty())
}

fn stop(reason: &str, any_call: bool) -> Stop {
    match reason {
        "STOP_SEQUENCE" => Stop::Sequence,
        "MAX_TOKENS" => Stop::Length,
        "TOOL_CALL" => Stop::Calls,
        _ if any_call => Stop::Calls,
        // `COMPLETE`. Reasons that are not known yet end the answer all the same.
        _ => Stop::End,
    }
}

/// A failure that comes with a good status.
fn failed(reason: &str, error: Option<&RawValue>) -> Option<Event<'static>> {
    let status = match reason {
        "ERROR" | "ERROR_TOXIC" => FAILED,
        "TIMEOUT" => 504,
        _ => return None,
    };
    let said = error.and_then(raw::string).unwrap_or_default();
    let said = if said.is_empty() { format!("the provider broke off: {reason}") } else { said.into_owned() };
    Some(failure::with_text(status, said.into()))
}

/// A call: its id, its name and its arguments, which are a text that holds JSON.
type Call<'a> = (Text<'a>, Text<'a>, Option<Text<'a>>);

fn read_call(value: &RawValue) -> Option<Call<'_>> {
    let mut call = Object::open(value)?;
    let id = text(call.take("id")).unwrap_or("".into());
    let mut function = call.take("function").and_then(Object::open)?;
    Some((id, text(function.take("name"))?, text(function.take("arguments"))))
}

impl Reader {
    /// Reads a plain answer. All faults are found before anything goes to the sink.
    fn answer(&mut self, json: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        let Ok(mut fields) = serde_json::from_str::<Object<'_>>(json) else {
            return Err(Error::invalid_answer("a JSON object is expected"));
        };
        let reason = fields.take("finish_reason").and_then(raw::string).unwrap_or_default();
        if let Some(failure) = failed(&reason, fields.get("error").or(fields.get("message"))) {
            to(failure);
            return Ok(());
        }
        let Some(mut message) = fields.take("message").and_then(Object::open) else {
            return Err(Error::invalid_answer("a message is expected"));
        };
        let calls = message.take("tool_calls").and_then(raw::array).unwrap_or_default();
        let calls: Option<Vec<Call<'_>>> = calls.into_iter().map(read_call).collect();
        let calls = calls.ok_or_else(|| Error::invalid_answer("a tool call lacks its name"))?;
        let (used, logprobs) = (fields.take("usage"), fields.take("logprobs"));
        let id = text(fields.take("id"));
        to(Event::Start { id, model: None, rest: fields });
        if let Some(text) = text(message.take("tool_plan")) {
            to(Event::Thinking { choice: 0, text });
        }
        let content = message.take("content");
        for part in content.and_then(raw::array).unwrap_or_default() {
            tell_part(part, to);
        }
        if let Some(text) = text(content) {
            to(Event::Text { choice: 0, text });
        }
        if let Some(citations) = message.take("citations") {
            details::tell_citations(citations, to);
        }
        for (id, name, arguments) in calls {
            let (choice, call) = (0, self.calls);
            self.calls = call.saturating_add(1);
            to(Event::Call { choice, call, id, name });
            to(Event::Arguments { choice, call, json: arguments.unwrap_or("{}".into()) });
        }
        if let Some(logprobs) = logprobs {
            details::tell_logprobs(logprobs, to);
        }
        if let Some(used) = used.and_then(details::usage) {
            to(Event::Usage(used));
        }
        to(Event::Stop { choice: 0, stop: stop(&reason, self.calls > 0), sequence: None });
        Ok(())
    }

    fn start(&mut self, id: Option<Text<'_>>, to: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.is_started, true) {
            to(Event::Start { id, model: None, rest: Object::default() });
            to(Event::Text { choice: 0, text: "".into() });
        }
    }

    fn content(&mut self, event: &StreamEvent<'_>, to: &mut Sink<'_>) {
        self.start(None, to);
        if let Some(part) = event.field("content") {
            tell_part(part, to);
        }
        if let Some(logprobs) = event.logprobs {
            details::tell_logprobs(logprobs, to);
        }
    }

    fn call_start(&mut self, event: &StreamEvent<'_>, to: &mut Sink<'_>) {
        self.start(None, to);
        let Some((id, name, arguments)) = event.field("tool_calls").and_then(read_call) else { return };
        let (choice, call) = (0, self.calls);
        self.calls = call.saturating_add(1);
        to(Event::Call { choice, call, id, name });
        let has_arguments = arguments.is_some();
        if let Some(json) = arguments {
            to(Event::Arguments { choice, call, json });
        }
        if self.open.len() < MOST_OPEN_CALLS {
            self.open.push(OpenCall { index: event.index(), call, has_arguments });
        }
    }

    fn call_delta(&mut self, event: &StreamEvent<'_>, to: &mut Sink<'_>) {
        let function = event.field("tool_calls").and_then(Object::open);
        let function = function.and_then(|mut call| call.take("function")).and_then(Object::open);
        let Some(json) = function.and_then(|mut function| text(function.take("arguments"))) else { return };
        let index = event.index();
        if let Some(open) = self.open.iter_mut().rev().find(|open| open.index == index) {
            open.has_arguments = true;
            to(Event::Arguments { choice: 0, call: open.call, json });
        }
    }

    fn call_end(&mut self, index: Option<u64>, to: &mut Sink<'_>) {
        let Some(at) = self.open.iter().rposition(|open| open.index == index) else { return };
        if let OpenCall { call, has_arguments: false, .. } = self.open.swap_remove(at) {
            // Clients parse the arguments, and nothing is no JSON.
            to(Event::Arguments { choice: 0, call, json: "{}".into() });
        }
    }

    fn end(&mut self, mut delta: Object<'_>, to: &mut Sink<'_>) {
        self.start(None, to);
        let reason = delta.take("finish_reason").and_then(raw::string).unwrap_or_default();
        if let Some(failure) = failed(&reason, delta.take("error")) {
            return to(failure);
        }
        if let Some(used) = delta.take("usage").and_then(details::usage) {
            to(Event::Usage(used));
        }
        to(Event::Stop { choice: 0, stop: stop(&reason, self.calls > 0), sequence: None });
        to(Event::End);
    }
}

/// A part of what is said, or a piece of one.
fn tell_part(part: &RawValue, to: &mut Sink<'_>) {
    let mut part = Object::open(part).unwrap_or_default();
    if let Some(text) = text(part.take("thinking")) {
        to(Event::Thinking { choice: 0, text });
    }
    if let Some(text) = text(part.take("text")) {
        to(Event::Text { choice: 0, text });
    }
}
