//! An answer for a client.
//!
//! The end of a stream tells the whole answer again, so what is said is kept while it is passed on. A plain answer is the end of a
//! stream of which nothing was passed on before.

mod citation;
mod emit;
mod envelope;
mod items;

#[cfg(test)]
mod tests;

use crate::translate::neutral::{Event, Stop, Text, WriteAnswer};
use crate::translate::raw::{self, Object};
use crate::translate::responses::signature;
use crate::translate::{AnswerOptions, failure, openai};
use emit::{At, Emit};
use envelope::{Head, Status};
use items::{Item, Kind, Part, Said};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What writes the form that the client has asked for.
pub(in crate::translate) fn writer(options: &AnswerOptions) -> Box<dyn WriteAnswer> {
    Box::new(Writer {
        head: Head::new(options),
        emit: Emit::new(options.is_stream()),
        items: Vec::new(),
        open: None,
        calls: BTreeMap::new(),
        is_started: false,
        kept: 0,
        stop: None,
        is_over: false,
    })
}

/// Writes an answer.
#[derive(Debug)]
struct Writer {
    head: Head,
    emit: Emit,
    items: Vec<Item>,
    /// The message or the thinking that is being written.
    open: Option<usize>,
    /// Calls that may get more arguments, by their numbers in the choice.
    calls: BTreeMap<u32, usize>,
    is_started: bool,
    /// See [`WriteAnswer::kept`].
    kept: usize,
    stop: Option<Stop>,
    is_over: bool,
}

impl Writer {
    fn start(&mut self, out: &mut Vec<u8>) {
        self.is_started = true;
        for name in ["response.created", "response.in_progress"] {
            self.response(name, Status::InProgress, out);
        }
    }

    /// Tells the answer as it stands.
    fn response(&mut self, name: &str, status: Status, out: &mut Vec<u8>) {
        let Self { head, items, emit, .. } = self;
        emit.event(name, out, |out| {
            out.extend_from_slice(br#","response":"#);
            head.write(&status, items, out);
        });
    }

    /// Begins an item, behind those that it follows.
    fn begin(&mut self, kind: Kind, out: &mut Vec<u8>) -> usize {
        self.close(out);
        let number = self.items.len();
        let item = Item::new(kind, self.head.stem(), number);
        self.emit.item("response.output_item.added", number, &item, out);
        self.items.push(item);
        number
    }

    /// Closes what the next item follows: text and thinking, and calls whose arguments are whole. A provider may go on with those of
    /// others after it has begun another call.
    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(open) = self.open.take() {
            self.finish(open, true, out);
        }
        let items = &self.items;
        let is_whole = |number: &usize| items.get(*number).is_some_and(Item::is_whole_call);
        let whole: Vec<(u32, usize)> =
            self.calls.iter().filter(|(_, number)| is_whole(number)).map(|(call, at)| (*call, *at)).collect();
        for (call, number) in whole {
            self.calls.remove(&call);
            self.finish(number, true, out);
        }
    }

    /// Ends an item. `is_whole`: nothing was cut off.
    fn finish(&mut self, number: usize, is_whole: bool, out: &mut Vec<u8>) {
        let Self { items, emit, .. } = self;
        let Some(item) = items.get_mut(number) else { return };
        item.status = Some(if is_whole { "completed" } else { "incomplete" });
        match &mut item.kind {
            Kind::Message(parts) => {
                if let Some(part) = parts.last() {
                    emit.part_done(At::part(&item.id, number, parts.len() - 1), part, out);
                }
            }
            Kind::Reasoning { text, .. } => {
                if !text.is_empty() {
                    emit.summary_done(At::summary(&item.id, number), text, out);
                }
            }
            Kind::Call { json, .. } => {
                let at = At::item(&item.id, number);
                // Clients parse the arguments, and nothing is no JSON.
                if json.is_empty() && is_whole {
                    json.extend_from_slice(b"{}");
                    emit.text("response.function_call_arguments.delta", at, "delta", b"{}", out);
                }
                emit.text("response.function_call_arguments.done", at, "arguments", json, out);
            }
        }
        emit.item("response.output_item.done", number, item, out);
    }

    /// The message that is open, which is begun if need be.
    fn message(&mut self, out: &mut Vec<u8>) -> usize {
        let is_message =
            |open: &usize| self.items.get(*open).is_some_and(|item| matches!(item.kind, Kind::Message(_)));
        match self.open.filter(is_message) {
            Some(open) => open,
            None => {
                let number = self.begin(Kind::Message(Vec::new()), out);
                self.open = Some(number);
                number
            }
        }
    }

    /// Does something with the part of the open message that holds such texts, which is begun if need be.
    fn part(
        &mut self,
        said: Said,
        out: &mut Vec<u8>,
        act: impl FnOnce(&mut Emit, At<'_>, &mut Part, &mut Vec<u8>),
    ) {
        let number = self.message(out);
        let Self { items, emit, .. } = self;
        let Some(Item { id, kind: Kind::Message(parts), .. }) = items.get_mut(number) else { return };
        if parts.last().is_none_or(|part| part.said != said) {
            if let Some(part) = parts.last() {
                emit.part_done(At::part(id, number, parts.len() - 1), part, out);
            }
            let part = Part::new(said);
            emit.part("response.content_part.added", At::part(id, number, parts.len()), &part, out);
            parts.push(part);
        }
        let at = At::part(id, number, parts.len().saturating_sub(1));
        if let Some(part) = parts.last_mut() {
            act(emit, at, part, out);
        }
    }

    fn say(&mut self, said: Said, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.part(said, out, |emit, at, part, out| {
            let start = part.text.len();
            text.write_inside(&mut part.text);
            let more = part.text.get(start..).unwrap_or_default();
            match said {
                Said::Text => emit.output_text(at, more, "", out),
                Said::Refusal => emit.text("response.refusal.delta", at, "delta", more, out),
            }
        });
    }

    /// The thinking that is open, which is begun if need be.
    fn thinking(&mut self, out: &mut Vec<u8>) -> usize {
        let is_open = |open: &usize| {
            self.items.get(*open).is_some_and(|item| matches!(item.kind, Kind::Reasoning { .. }))
        };
        match self.open.filter(is_open) {
            Some(open) => open,
            None => {
                let number = self.begin(Kind::Reasoning { text: Vec::new(), encrypted: Vec::new() }, out);
                self.open = Some(number);
                number
            }
        }
    }

    fn think(&mut self, more: &Text<'_>, out: &mut Vec<u8>) {
        if more.is_empty() {
            return;
        }
        let number = self.thinking(out);
        let Self { items, emit, .. } = self;
        let Some(Item { id, kind: Kind::Reasoning { text, .. }, .. }) = items.get_mut(number) else { return };
        let at = At::summary(id, number);
        if text.is_empty() {
            emit.summary_part("response.reasoning_summary_part.added", at, b"", out);
        }
        let start = text.len();
        more.write_inside(text);
        let more = text.get(start..).unwrap_or_default();
        emit.text("response.reasoning_summary_text.delta", at, "delta", more, out);
    }

    /// Signs the thinking that is open. What is thought after it needs another signature.
    fn sign(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let number = self.thinking(out);
        if let Some(Item { kind: Kind::Reasoning { encrypted, .. }, .. }) = self.items.get_mut(number) {
            write(encrypted);
        }
        self.close(out);
    }

    fn call(&mut self, call: u32, id: &Text<'_>, name: &Text<'_>, out: &mut Vec<u8>) {
        if let Some(same) = self.calls.remove(&call) {
            self.finish(same, true, out);
        }
        let number = self.begin(Kind::call(id, name), out);
        self.calls.insert(call, number);
    }

    fn arguments(&mut self, call: u32, more: &Text<'_>, out: &mut Vec<u8>) {
        let Self { items, emit, calls, .. } = self;
        let Some(number) = calls.get(&call).copied().filter(|_| !more.is_empty()) else { return };
        let Some(Item { id, kind: Kind::Call { json, balance, .. }, .. }) = items.get_mut(number) else {
            return;
        };
        balance.add(&more.decode());
        let start = json.len();
        more.write_inside(json);
        let more = json.get(start..).unwrap_or_default();
        emit.text("response.function_call_arguments.delta", At::item(id, number), "delta", more, out);
    }

    fn cite(&mut self, citation: &RawValue, out: &mut Vec<u8>) {
        self.part(Said::Text, out, |emit, at, part, out| {
            let start = part.cite(citation);
            let number = part.citations - 1;
            emit.at("response.output_text.annotation.added", at, out, |out| {
                out.extend_from_slice(format!(r#","annotation_index":{number},"annotation":"#).as_bytes());
                out.extend_from_slice(part.annotations.get(start..).unwrap_or_default());
            });
        });
    }

    /// Tells how likely tokens are, whose text has gone before.
    fn logprobs(&mut self, logprobs: &RawValue, out: &mut Vec<u8>) {
        let list = Object::open(logprobs).and_then(|mut fields| fields.take("content"));
        let inside = list.and_then(|list| list.get().strip_prefix('[')?.strip_suffix(']')).map(str::trim);
        let Some(inside) = inside.filter(|inside| !inside.is_empty()) else { return };
        self.part(Said::Text, out, |emit, at, part, out| {
            emit.output_text(at, b"", inside, out);
            if !part.logprobs.is_empty() {
                part.logprobs.push(',');
            }
            part.logprobs.push_str(inside);
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let reason = match self.stop {
            Some(Stop::Length) => Some("max_output_tokens"),
            Some(Stop::Refused) => Some("content_filter"),
            _ => None,
        };
        let open = self.open.take().into_iter();
        let open: Vec<usize> = open.chain(std::mem::take(&mut self.calls).into_values()).collect();
        for number in open {
            self.finish(number, reason.is_none(), out);
        }
        let (name, status) = match reason {
            Some(reason) => ("response.incomplete", Status::Incomplete { reason }),
            None => ("response.completed", Status::Completed),
        };
        if self.emit.is_on() {
            self.response(name, status, out);
        } else {
            self.head.write(&status, &self.items, out);
        }
    }

    fn fail(
        &mut self,
        status: u16,
        error: Object<'_>,
        text: Option<Text<'_>>,
        rest: Object<'_>,
        out: &mut Vec<u8>,
    ) {
        if !self.emit.is_on() {
            return openai::write_failure(out, status, error, text, rest);
        }
        let own = error.get("message").and_then(Text::read).or(text);
        let own = own.map(|text| text.decode().trim().to_owned()).unwrap_or_default();
        let message = failure::message(status, own);
        self.emit.event("error", out, |out| {
            for name in ["code", "param"] {
                let word = error.get(name).filter(|word| raw::is_string(word));
                out.extend_from_slice(
                    format!(r#","{name}":{}"#, word.map_or("null", RawValue::get)).as_bytes(),
                );
            }
            out.push(b',');
            raw::write_field(out, "message", &message);
        });
        // The failure ends the answer, where one has begun.
        if self.is_started {
            self.response("response.failed", Status::Failed { status, message }, out);
        }
    }
}

impl WriteAnswer for Writer {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        self.kept += match &event {
            Event::Text { text, .. } | Event::Refusal { text, .. } | Event::Thinking { text, .. } => {
                text.len()
            }
            Event::Signature { signature: text, .. }
            | Event::SealedThinking { data: text, .. }
            | Event::Arguments { json: text, .. } => text.len(),
            Event::Citation { citation: value, .. } | Event::Logprobs { logprobs: value, .. } => {
                value.get().len()
            }
            _ => 0,
        };
        match event {
            Event::Start { id, model, rest } => {
                self.head.start(id.as_ref(), model.as_ref(), rest);
                self.start(out);
            }
            Event::Text { choice: 0, text } => self.say(Said::Text, &text, out),
            Event::Refusal { choice: 0, text } => self.say(Said::Refusal, &text, out),
            Event::Thinking { choice: 0, text } => self.think(&text, out),
            Event::Signature { choice: 0, signature } => {
                self.sign(out, |out| signature::write_signature(&signature, out));
            }
            Event::SealedThinking { choice: 0, data } => {
                self.close(out);
                self.sign(out, |out| signature::write_sealed(&data, out));
            }
            Event::Call { choice: 0, call, id, name } => self.call(call, &id, &name, out),
            Event::Arguments { choice: 0, call, json } => self.arguments(call, &json, out),
            Event::Citation { choice: 0, citation } => self.cite(citation, out),
            Event::Logprobs { choice: 0, logprobs } => self.logprobs(logprobs, out),
            Event::Stop { choice: 0, stop, sequence: _ } => self.stop = Some(stop),
            Event::Usage(used) => self.head.usage(used),
            Event::Tier(tier) => self.head.tier(&tier),
            Event::Failed { status, error, text, rest } => {
                self.is_over = true;
                self.fail(failure::status(status), error, text, rest, out);
            }
            Event::End => {
                self.is_over = true;
                if self.is_started {
                    self.end(out);
                }
            }
            // There is one choice here.
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thinking { .. }
            | Event::Signature { .. }
            | Event::SealedThinking { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Citation { .. }
            | Event::Logprobs { .. }
            | Event::Stop { .. } => {}
        }
    }

    fn kept(&self) -> usize {
        self.kept
    }
}
