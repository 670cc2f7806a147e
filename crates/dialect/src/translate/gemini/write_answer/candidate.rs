//! One of the answers that are given at once.

use super::finish_reason;
use crate::translate::balance::{Balance, input};
use crate::translate::neutral::{Stop, Text};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// What a candidate says, and of it what the client has not been told.
#[derive(Debug, Default)]
pub(super) struct Candidate {
    parts: Vec<Piece>,
    /// Calls whose arguments are not whole yet, in their order. They go to the client as one part each.
    calls: Vec<Call>,
    /// Likelihoods, each as the inside of a list.
    chosen: Vec<u8>,
    likeliest: Vec<u8>,
    /// Pages that it rests on, as the inside of a list.
    pages: Vec<u8>,
    stop: Option<Stop>,
}

/// A part. Texts are the insides of JSON strings.
#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    Thought {
        text: Vec<u8>,
        signature: String,
    },
    /// One that is whole, as JSON.
    Done(Vec<u8>),
}

#[derive(Debug)]
struct Call {
    number: u32,
    id: String,
    name: String,
    json: String,
    balance: Balance,
}

impl Candidate {
    pub(super) fn text(&mut self, more: &Text<'_>) {
        if more.is_empty() {
            return;
        }
        self.close();
        if !matches!(self.parts.last(), Some(Piece::Text(_))) {
            self.parts.push(Piece::Text(Vec::new()));
        }
        if let Some(Piece::Text(text)) = self.parts.last_mut() {
            more.write_inside(text);
        }
    }

    pub(super) fn thought(&mut self, more: &Text<'_>) {
        if more.is_empty() {
            return;
        }
        // What is thought after a signature needs another.
        if !matches!(self.parts.last(), Some(Piece::Thought { signature, .. }) if signature.is_empty()) {
            self.begin_thought();
        }
        if let Some(Piece::Thought { text, .. }) = self.parts.last_mut() {
            more.write_inside(text);
        }
    }

    pub(super) fn begin_thought(&mut self) {
        self.close();
        self.parts.push(Piece::Thought { text: Vec::new(), signature: String::new() });
    }

    /// Signs what was thought. Of a stream the text has gone to the client already, and the signature stands in a part of its own.
    pub(super) fn sign(&mut self, more: &str) {
        if !matches!(self.parts.last(), Some(Piece::Thought { .. })) {
            self.begin_thought();
        }
        if let Some(Piece::Thought { signature, .. }) = self.parts.last_mut() {
            signature.push_str(more);
        }
    }

    pub(super) fn call(&mut self, number: u32, id: &Text<'_>, name: &Text<'_>) {
        self.close_whole();
        let (id, name) = (id.decode().into_owned(), name.decode().into_owned());
        self.calls.push(Call { number, id, name, json: String::new(), balance: Balance::default() });
    }

    pub(super) fn arguments(&mut self, number: u32, json: &str) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.number == number) {
            call.balance.add(json);
            call.json.push_str(json);
        }
        self.close_whole();
    }

    /// Makes parts of the first calls, as far as their arguments are whole.
    fn close_whole(&mut self) {
        let whole = self.calls.iter().take_while(|call| call.balance.is_whole()).count();
        for call in self.calls.drain(..whole) {
            self.parts.push(Piece::Done(call.part()));
        }
    }

    /// Makes parts of all calls: nothing more is to come of them.
    pub(super) fn close(&mut self) {
        for call in self.calls.drain(..) {
            self.parts.push(Piece::Done(call.part()));
        }
    }

    pub(super) fn stop(&mut self, stop: Stop) {
        self.close();
        self.stop = Some(stop);
    }

    /// A page of OpenAI's form or of Anthropic's. Others name no page.
    pub(super) fn cite(&mut self, citation: &RawValue) {
        let mut fields = Object::open(citation).unwrap_or_default();
        let mut page = fields.take("url_citation").and_then(Object::open).unwrap_or(fields);
        let Some(url) = page.take("url").and_then(Text::read) else { return };
        separate(&mut self.pages);
        self.pages.extend_from_slice(br#"{"web":{"uri":"#);
        url.write(&mut self.pages);
        if let Some(title) = page.take("title").and_then(Text::read) {
            self.pages.extend_from_slice(br#","title":"#);
            title.write(&mut self.pages);
        }
        self.pages.extend_from_slice(b"}}");
    }

    /// Adds likelihoods of OpenAI's form.
    pub(super) fn logprobs(&mut self, logprobs: &RawValue) {
        let tokens =
            Object::open(logprobs).and_then(|mut fields| fields.take("content")).and_then(raw::array);
        for mut token in tokens.unwrap_or_default().into_iter().filter_map(Object::open) {
            let likeliest = token.take("top_logprobs").and_then(raw::array).unwrap_or_default();
            separate(&mut self.chosen);
            write_token(token, &mut self.chosen);
            separate(&mut self.likeliest);
            self.likeliest.extend_from_slice(br#"{"candidates":"#);
            let likeliest: Vec<_> = likeliest.into_iter().filter_map(Object::open).collect();
            self.likeliest.push(b'[');
            for (number, token) in likeliest.into_iter().enumerate() {
                if number > 0 {
                    self.likeliest.push(b',');
                }
                write_token(token, &mut self.likeliest);
            }
            self.likeliest.extend_from_slice(b"]}");
        }
    }

    /// Whether there is something that the client of a stream has not been told.
    pub(super) fn has_news(&self) -> bool {
        !self.parts.is_empty() || !self.chosen.is_empty()
    }

    /// Writes what has not been told yet, and at the `end` why it ends and what it rests on.
    pub(super) fn write(&mut self, choice: u32, end: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"content":{"parts":["#);
        // Google's SDK forgets a turn in which a content has no part.
        if self.parts.is_empty() {
            out.extend_from_slice(br#"{"text":""}"#);
        }
        for (number, part) in self.parts.drain(..).enumerate() {
            if number > 0 {
                out.push(b',');
            }
            part.write(out);
        }
        out.extend_from_slice(br#"],"role":"model"}"#);
        if end {
            out.extend_from_slice(br#","finishReason":"#);
            raw::write_string(out, finish_reason(self.stop.unwrap_or(Stop::End)));
        }
        out.extend_from_slice(format!(r#","index":{choice}"#).as_bytes());
        if !self.chosen.is_empty() {
            out.extend_from_slice(br#","logprobsResult":{"chosenCandidates":["#);
            out.append(&mut self.chosen);
            out.extend_from_slice(br#"],"topCandidates":["#);
            out.append(&mut self.likeliest);
            out.extend_from_slice(b"]}");
        }
        if end && !self.pages.is_empty() {
            out.extend_from_slice(br#","groundingMetadata":{"groundingChunks":["#);
            out.append(&mut self.pages);
            out.extend_from_slice(b"]}");
        }
        out.push(b'}');
    }
}

impl Piece {
    fn write(&self, out: &mut Vec<u8>) {
        let text = match self {
            Self::Done(part) => return out.extend_from_slice(part),
            Self::Text(text) | Self::Thought { text, .. } => text,
        };
        out.extend_from_slice(br#"{"text":""#);
        out.extend_from_slice(text);
        out.push(b'"');
        if let Self::Thought { signature, .. } = self {
            out.extend_from_slice(br#","thought":true"#);
            if !signature.is_empty() {
                out.push(b',');
                raw::write_field(out, "thoughtSignature", signature);
            }
        }
        out.push(b'}');
    }
}

impl Call {
    fn part(self) -> Vec<u8> {
        let mut part = br#"{"functionCall":{"#.to_vec();
        if !self.id.is_empty() {
            raw::write_field(&mut part, "id", &self.id);
            part.push(b',');
        }
        raw::write_field(&mut part, "name", &self.name);
        part.extend_from_slice(br#","args":"#);
        part.extend_from_slice(input(&self.json).as_bytes());
        part.extend_from_slice(b"}}");
        part
    }
}

fn separate(list: &mut Vec<u8>) {
    if !list.is_empty() {
        list.push(b',');
    }
}

fn write_token(mut token: Object<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"token":"#);
    token.take("token").and_then(Text::read).unwrap_or_else(|| "".into()).write(out);
    out.extend_from_slice(br#","logProbability":"#);
    out.extend_from_slice(token.take("logprob").map_or("0", RawValue::get).as_bytes());
    out.push(b'}');
}
