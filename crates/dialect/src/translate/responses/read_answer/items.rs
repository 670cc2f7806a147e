//! The items of an answer, and what of them the client has been given.

use super::text;
use crate::translate::Error;
use crate::translate::neutral::{Event, Sink, Text};
use crate::translate::raw::{self, Object};
use crate::translate::responses::signature;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Items of one stream that are kept track of.
const MOST_ITEMS: usize = 1024;

/// Parts of one item that are kept track of.
const MOST_PARTS: usize = 1024;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Text,
    Refusal,
    /// A summary of what was thought.
    Summary,
    /// What was thought itself, as open models show it.
    Thought,
}

impl Kind {
    /// The kind of text that an event of this name tells, and whether it is a piece rather than the whole.
    pub(super) fn of(event: &str) -> Option<(Self, bool)> {
        Some(match event {
            "response.output_text.delta" => (Self::Text, true),
            "response.output_text.done" => (Self::Text, false),
            "response.refusal.delta" => (Self::Refusal, true),
            "response.refusal.done" => (Self::Refusal, false),
            "response.reasoning_summary_text.delta" => (Self::Summary, true),
            "response.reasoning_summary_text.done" => (Self::Summary, false),
            "response.reasoning_text.delta" => (Self::Thought, true),
            "response.reasoning_text.done" => (Self::Thought, false),
            _ => return None,
        })
    }

    fn is_thinking(self) -> bool {
        matches!(self, Self::Summary | Self::Thought)
    }
}

/// Where a text stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) item: u64,
    pub(super) part: u64,
    pub(super) kind: Kind,
}

/// The items that have begun, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Items {
    items: BTreeMap<u64, Item>,
    /// The items that are at their end, by the hashes of their ids.
    done: HashSet<u64>,
    calls: u32,
}

#[derive(Debug, Default)]
struct Item {
    /// Parts of which the client has the text.
    told: HashSet<(Kind, u64)>,
    /// What is shown of the thinking: the summary or the whole.
    thinking: Option<Kind>,
    has_citations: bool,
    has_logprobs: bool,
    call: Option<Call>,
    is_done: bool,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    number: u32,
    has_arguments: bool,
}

impl Items {
    pub(super) fn any_call(&self) -> bool {
        self.calls > 0
    }

    /// # Errors
    /// There are more items than can be kept track of.
    pub(super) fn room(&self, item: u64) -> Result<(), Error> {
        if self.items.len() < MOST_ITEMS || self.items.contains_key(&item) {
            return Ok(());
        }
        Err(Error::invalid_answer("it has more items than can be kept track of"))
    }

    /// # Errors
    /// There are more parts in the item than can be kept track of.
    pub(super) fn room_for_part(&self, spot: Spot) -> Result<(), Error> {
        let told = self.items.get(&spot.item).map(|item| &item.told);
        if told.is_none_or(|told| told.len() < MOST_PARTS || told.contains(&(spot.kind, spot.part))) {
            return Ok(());
        }
        Err(Error::invalid_answer("an item has more parts than can be kept track of"))
    }

    /// An item begins.
    pub(super) fn added(&mut self, number: u64, mut fields: Object<'_>, to: &mut Sink<'_>) {
        if text(fields.get("id")).is_some_and(|id| self.done.contains(&hash(&id))) {
            return;
        }
        // Some servers give all the same number.
        if self.items.get(&number).is_some_and(|item| item.is_done) {
            self.items.remove(&number);
        }
        let item = self.items.entry(number).or_default();
        if fields.get("type").is_some_and(|kind| kind.get() == "\"function_call\"") {
            item.begin_call(&mut fields, &mut self.calls, to);
        }
    }

    /// A piece of a text, or the whole of it.
    pub(super) fn text(&mut self, spot: Spot, said: Text<'_>, is_delta: bool, to: &mut Sink<'_>) {
        let item = self.items.entry(spot.item).or_default();
        if is_delta || !item.is_done {
            item.text(spot, said, is_delta, to);
        }
    }

    pub(super) fn citation(&mut self, number: u64, annotation: &RawValue, to: &mut Sink<'_>) {
        self.items.entry(number).or_default().has_citations = true;
        cite(annotation, to);
    }

    pub(super) fn logprobs(&mut self, number: u64, list: &RawValue, is_delta: bool, to: &mut Sink<'_>) {
        if let Some(item) = self.items.get_mut(&number).filter(|item| is_delta || !item.has_logprobs) {
            item.has_logprobs |= tell_logprobs(list, to);
        }
    }

    pub(super) fn arguments(&mut self, number: u64, json: Text<'_>, is_delta: bool, to: &mut Sink<'_>) {
        let call = self.items.get_mut(&number).and_then(|item| item.call.as_mut());
        let Some(call) = call.filter(|call| is_delta || !call.has_arguments) else { return };
        call.has_arguments = true;
        to(Event::Arguments { choice: 0, call: call.number, json });
    }

    /// An item is at its end, and is told as a whole.
    pub(super) fn done(&mut self, number: u64, mut fields: Object<'_>, to: &mut Sink<'_>) {
        if let Some(id) = text(fields.get("id")) {
            // The same item twice says nothing new. A different one of the same number does.
            if !self.done.insert(hash(&id)) {
                return;
            }
            if self.items.get(&number).is_some_and(|item| item.is_done) {
                self.items.remove(&number);
            }
        }
        let item = self.items.entry(number).or_default();
        if std::mem::replace(&mut item.is_done, true) {
            return;
        }
        item.finish(&mut fields, &mut self.calls, to);
        // Nobody asks any more.
        item.told = HashSet::new();
    }

    /// The answer is at its end, and is told as a whole.
    pub(super) fn finish(&mut self, output: Vec<&RawValue>, to: &mut Sink<'_>) {
        for (number, item) in (0..).zip(output) {
            if let Some(fields) = Object::open(item) {
                self.done(number, fields, to);
            }
        }
        for item in self.items.values_mut() {
            item.need_arguments(to);
        }
    }
}

impl Item {
    fn text(&mut self, spot: Spot, said: Text<'_>, is_delta: bool, to: &mut Sink<'_>) {
        let Spot { part, kind, .. } = spot;
        if kind.is_thinking() && *self.thinking.get_or_insert(kind) != kind {
            return;
        }
        let has_parts = !self.told.is_empty();
        let is_new = self.told.insert((kind, part));
        if !is_new && !is_delta {
            return;
        }
        let choice = 0;
        if kind.is_thinking() && is_new && has_parts {
            to(Event::Thinking { choice, text: "\n\n".into() });
        }
        to(match kind {
            Kind::Text => Event::Text { choice, text: said },
            Kind::Refusal => Event::Refusal { choice, text: said },
            Kind::Summary | Kind::Thought => Event::Thinking { choice, text: said },
        });
    }

    fn finish(&mut self, fields: &mut Object<'_>, calls: &mut u32, to: &mut Sink<'_>) {
        match fields.take("type").and_then(raw::string).as_deref() {
            Some("message") => {
                for (number, part) in (0..).zip(list(fields, "content")) {
                    self.finish_part(number, part, to);
                }
            }
            Some("reasoning") => {
                for (name, kind) in [("summary", Kind::Summary), ("content", Kind::Thought)] {
                    for (part, value) in (0..).zip(list(fields, name)) {
                        let said = Object::open(value).and_then(|mut part| text(part.take("text")));
                        if let Some(said) = said {
                            self.text(Spot { item: 0, part, kind }, said, false, to);
                        }
                    }
                }
                let encrypted = text(fields.take("encrypted_content"));
                if let (Some(id), Some(encrypted)) = (text(fields.take("id")), encrypted) {
                    to(Event::Signature { choice: 0, signature: signature::mark(&id, &encrypted) });
                }
            }
            Some("function_call") => {
                self.begin_call(fields, calls, to);
                self.need_arguments(to);
            }
            // Tools that the provider runs have no place in other dialects: the text that they lead to has.
            _ => {}
        }
    }

    fn finish_part(&mut self, number: u64, part: &RawValue, to: &mut Sink<'_>) {
        let mut part = Object::open(part).unwrap_or_default();
        let spot = |kind| Spot { item: 0, part: number, kind };
        match part.take("type").and_then(raw::string).as_deref() {
            Some("output_text") => {
                if let Some(said) = text(part.take("text")) {
                    self.text(spot(Kind::Text), said, false, to);
                }
                if !self.has_citations {
                    list(&mut part, "annotations").into_iter().for_each(|annotation| cite(annotation, to));
                }
                if let Some(list) = part.take("logprobs").filter(|_| !self.has_logprobs) {
                    tell_logprobs(list, to);
                }
            }
            Some("refusal") => {
                if let Some(said) = text(part.take("refusal")) {
                    self.text(spot(Kind::Refusal), said, false, to);
                }
            }
            _ => {}
        }
    }

    /// Begins a call, and gives its arguments if they are there already.
    fn begin_call(&mut self, fields: &mut Object<'_>, calls: &mut u32, to: &mut Sink<'_>) {
        let call = match self.call {
            Some(call) => call,
            None => {
                let Some(name) = text(fields.take("name")) else { return };
                let id = text(fields.take("call_id")).or_else(|| text(fields.take("id")));
                let call = Call { number: *calls, has_arguments: false };
                *calls = calls.saturating_add(1);
                let id = id.unwrap_or_else(|| format!("call_{}", call.number).into());
                to(Event::Call { choice: 0, call: call.number, id, name });
                call
            }
        };
        let json = text(fields.take("arguments")).filter(|_| !call.has_arguments);
        self.call = Some(Call { has_arguments: call.has_arguments || json.is_some(), ..call });
        if let Some(json) = json {
            to(Event::Arguments { choice: 0, call: call.number, json });
        }
    }

    /// Gives arguments to a call that has none: clients parse them, and nothing is no JSON.
    fn need_arguments(&mut self, to: &mut Sink<'_>) {
        if let Some(call) = self.call.as_mut().filter(|call| !call.has_arguments) {
            call.has_arguments = true;
            to(Event::Arguments { choice: 0, call: call.number, json: "{}".into() });
        }
    }
}

fn list<'a>(fields: &mut Object<'a>, name: &str) -> Vec<&'a RawValue> {
    fields.take(name).and_then(raw::array).unwrap_or_default()
}

/// Tells where a text comes from, in the form of OpenAI's chat, which gathers the fields of a page in one.
fn cite(annotation: &RawValue, to: &mut Sink<'_>) {
    let Some(mut fields) = Object::open(annotation) else { return };
    let is_page = fields.take("type").is_some_and(|kind| kind.get() == "\"url_citation\"");
    if !is_page {
        return to(Event::Citation { choice: 0, citation: annotation });
    }
    let mut page = Vec::new();
    fields.write_rest(&mut page);
    let page = String::from_utf8_lossy(page.strip_prefix(b",").unwrap_or_default());
    let json = format!(r#"{{"type":"url_citation","url_citation":{{{page}}}}}"#);
    if let Ok(citation) = RawValue::from_string(json) {
        to(Event::Citation { choice: 0, citation: &citation });
    }
}

/// Tells how likely tokens are, in the form of OpenAI's chat. False: there are none.
fn tell_logprobs(list: &RawValue, to: &mut Sink<'_>) -> bool {
    if raw::array(list).is_none_or(|list| list.is_empty()) {
        return false;
    }
    let json = format!(r#"{{"content":{},"refusal":null}}"#, list.get());
    if let Ok(logprobs) = RawValue::from_string(json) {
        to(Event::Logprobs { choice: 0, logprobs: &logprobs });
    }
    true
}

fn hash(id: &Text<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.decode().hash(&mut hasher);
    hasher.finish()
}
