//! The answer of the provider.
//!
//! A stream tells each text three or four times: piece by piece, whole when its part is done, again with its item, and again with the
//! whole answer. Some servers leave one or another out. What has come by pieces is remembered ([`Items`]), and of the rest what has not.

mod failed;
mod items;

#[cfg(test)]
mod tests;

use crate::translate::Error;
use crate::translate::neutral::{Event, ReadAnswer, Sink, Stop, Text};
use crate::translate::raw::{self, Object};
use crate::usage::WireUsage;
use items::{Items, Kind, Spot};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads an answer or a stream of one.
#[derive(Debug, Default)]
pub(in crate::translate) struct Reader {
    is_started: bool,
    items: Items,
}

#[derive(Deserialize)]
struct StreamEvent<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    output_index: Option<&'a RawValue>,
    #[serde(borrow)]
    content_index: Option<&'a RawValue>,
    #[serde(borrow)]
    summary_index: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// A text that says something.
fn text(value: Option<&RawValue>) -> Option<Text<'_>> {
    value.and_then(Text::read).filter(|text| !text.is_empty())
}

/// The number of an item or a part. The first one's may miss.
fn number(index: Option<&RawValue>) -> Result<u64, Error> {
    let number = index.map_or(Ok(0), |index| index.get().parse());
    number.map_err(|_| Error::invalid_answer("an event is not what the API defines"))
}

impl ReadAnswer for Reader {
    fn success(&mut self, body: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        self.response(body, to)
    }

    fn event(&mut self, data: &[u8], to: &mut Sink<'_>) -> Result<(), Error> {
        let data = data.trim_ascii();
        // Some servers end as those of the older API do.
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let event = data.starts_with(b"{").then(|| serde_json::from_slice(data).ok()).flatten();
        let event: StreamEvent<'_> =
            event.ok_or_else(|| Error::invalid_answer("an event is not what the API defines"))?;
        self.read(&event, data, to)
    }

    fn always_ends(&self) -> bool {
        true
    }
}

fn fail(data: &[u8], to: &mut Sink<'_>) {
    to(failed::read(serde_json::from_slice(data).unwrap_or_default()));
}

impl Reader {
    fn read(&mut self, event: &StreamEvent<'_>, data: &[u8], to: &mut Sink<'_>) -> Result<(), Error> {
        let item = number(event.output_index)?;
        let part = || number(event.content_index.or(event.summary_index));
        let kind = event.kind.as_ref();
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => {
                self.start(event.response.and_then(Object::open).as_mut(), to);
            }
            "response.output_item.added" => {
                let item_fields = event.item.and_then(Object::open).unwrap_or_default();
                self.items.room(item)?;
                self.start(None, to);
                self.items.added(item, item_fields, to);
            }
            "response.output_item.done" => {
                let item_fields = event.item.and_then(Object::open).unwrap_or_default();
                self.items.room(item)?;
                self.start(None, to);
                self.items.done(item, item_fields, to);
            }
            "response.function_call_arguments.delta" | "response.function_call_arguments.done" => {
                let is_delta = kind.ends_with(".delta");
                let json = if is_delta { event.delta } else { event.arguments };
                if let Some(json) = text(json) {
                    self.items.arguments(item, json, is_delta, to);
                }
            }
            "response.output_text.annotation.added" => {
                if let Some(annotation) = event.annotation {
                    self.items.room(item)?;
                    self.start(None, to);
                    self.items.citation(item, annotation, to);
                }
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let response = event.response.and_then(Object::open);
                let mut response = response.ok_or_else(|| Error::invalid_answer("the answer is missing"))?;
                let is_failed = kind == "response.failed";
                self.start(Some(&mut response), to);
                self.end(response, is_failed, to);
                to(Event::End);
            }
            "error" => fail(data, to),
            // As servers tell it that know the older API best.
            "" if event.error.is_some() => fail(data, to),
            "" => return Err(Error::invalid_answer("an event lacks its type")),
            kind => {
                let Some((kind, is_delta)) = Kind::of(kind) else { return Ok(()) };
                let said = if is_delta { event.delta } else { event.text.or(event.refusal) };
                let spot = Spot { item, part: part()?, kind };
                if let Some(said) = text(said) {
                    self.items.room(item)?;
                    self.items.room_for_part(spot)?;
                    self.start(None, to);
                    self.items.text(spot, said, is_delta, to);
                }
                if let Some(logprobs) = event.logprobs.filter(|_| kind == Kind::Text) {
                    self.items.logprobs(item, logprobs, is_delta, to);
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, response: Option<&mut Object<'_>>, to: &mut Sink<'_>) {
        if std::mem::replace(&mut self.is_started, true) {
            return;
        }
        let mut of = Object::default();
        let response = response.unwrap_or(&mut of);
        let (id, model) = (text(response.get("id")), text(response.get("model")));
        // What else a whole answer has is what was asked for.
        to(Event::Start { id, model, rest: Object::default() });
        to(Event::Text { choice: 0, text: "".into() });
    }

    /// Reads a plain answer. All faults are found before anything goes to the sink.
    fn response(&mut self, json: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        let Ok(mut response) = serde_json::from_str::<Object<'_>>(json) else {
            return Err(Error::invalid_answer("a JSON object is expected"));
        };
        let status = response.get("status").and_then(raw::string);
        let is_failed = status.as_deref() == Some("failed") || response.get("error").is_some();
        if matches!(status.as_deref(), Some("in_progress" | "queued" | "cancelled")) {
            return Err(Error::invalid_answer("the answer is not at its end"));
        }
        if !is_failed && response.get("output").and_then(raw::array).is_none() {
            return Err(Error::invalid_answer("a list of output is expected"));
        }
        if is_failed {
            to(failed::read(response));
            return Ok(());
        }
        self.start(Some(&mut response), to);
        self.end(response, false, to);
        Ok(())
    }

    /// Reads what the end of an answer tells: all of it.
    fn end(&mut self, mut response: Object<'_>, is_failed: bool, to: &mut Sink<'_>) {
        let output = response.take("output").and_then(raw::array).unwrap_or_default();
        self.items.finish(output, to);
        let usage =
            response.take("usage").and_then(|usage| serde_json::from_str::<WireUsage>(usage.get()).ok());
        if let Some(usage) = usage {
            to(Event::Usage(usage.openai().into()));
        }
        if let Some(tier) = text(response.take("service_tier")) {
            to(Event::Tier(tier));
        }
        if is_failed {
            return to(failed::read(response));
        }
        let is_incomplete = response.take("status").is_some_and(|status| status.get() == "\"incomplete\"");
        let details = response.take("incomplete_details").and_then(Object::open);
        let reason = details.and_then(|mut details| details.take("reason")).and_then(raw::string);
        let stop = match reason.as_deref() {
            Some("content_filter") => Stop::Refused,
            Some(_) => Stop::Length,
            None if is_incomplete => Stop::Length,
            None if self.items.any_call() => Stop::Calls,
            None => Stop::End,
        };
        to(Event::Stop { choice: 0, stop, sequence: None });
    }
}
