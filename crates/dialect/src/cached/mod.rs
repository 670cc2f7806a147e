//! What a cache of answers has to know of requests and answers.
//!
//! * [`fingerprint`] says when two requests ask for the same.
//! * [`Assembler`] puts the events of a stream together to the plain answer that they are parts of.
//! * [`refresh`] makes a kept answer a fresh one, and [`events`] a stream of it where one is asked for.
//! * [`is_whole`] says whether an answer may be kept at all, and [`text`] what it says.
//!
//! A kept answer is always the plain one, so requests for either form share it.

mod anthropic;
mod converse;
mod fingerprint;
mod gemini;
mod openai;
mod responses;

pub use fingerprint::{Fingerprint, fingerprint};

use crate::{Dialect, sse};
use serde_json::{Map, Value};

/// The fields of a JSON object.
type Object = Map<String, Value>;

/// Puts a stream together.
#[derive(Debug)]
pub struct Assembler {
    state: State,
    /// Something came that nobody here can put in its place.
    lost: bool,
}

#[derive(Debug)]
enum State {
    OpenAi(openai::Assembler),
    Anthropic(anthropic::Assembler),
    Responses(responses::Assembler),
    Gemini(gemini::Assembler),
    Converse(converse::Assembler),
}

impl Assembler {
    /// For a stream in this dialect.
    pub fn new(dialect: Dialect) -> Self {
        let state = match dialect {
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
                State::Anthropic(anthropic::Assembler::default())
            }
            Dialect::Responses => State::Responses(responses::Assembler::default()),
            Dialect::Gemini => State::Gemini(gemini::Assembler::default()),
            Dialect::Converse => State::Converse(converse::Assembler::default()),
            Dialect::OpenAi | Dialect::Cohere => State::OpenAi(openai::Assembler::default()),
        };
        Self { state, lost: false }
    }

    /// Takes one raw event: a server-sent one, or a message in Amazon's framing.
    pub fn event(&mut self, raw: &[u8]) {
        if let State::Converse(state) = &mut self.state {
            self.lost = self.lost || state.event(raw).is_none();
            return;
        }
        let event = sse::parse(raw);
        if event.data.is_empty() || self.lost {
            return;
        }
        let taken = match &mut self.state {
            State::OpenAi(state) => state.event(&event.data),
            State::Anthropic(state) => state.event(&event.data),
            State::Responses(state) => state.event(&event.data),
            State::Gemini(state) => state.event(&event.data),
            State::Converse(_) => None,
        };
        self.lost = taken.is_none();
    }

    /// The plain answer; `None` if the stream did not come to its end, or held what a plain answer has no place for.
    pub fn finish(self) -> Option<Value> {
        match self.state {
            _ if self.lost => None,
            State::OpenAi(state) => state.finish(),
            State::Anthropic(state) => state.finish(),
            State::Responses(state) => state.finish(),
            State::Gemini(state) => state.finish(),
            State::Converse(state) => state.finish(),
        }
    }
}

/// Whether a plain answer is whole: the model ended it by itself, and nothing was cut off or filtered out.
pub fn is_whole(dialect: Dialect, answer: &Value) -> bool {
    match dialect {
        Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => anthropic::is_whole(answer),
        Dialect::Responses => responses::is_whole(answer),
        Dialect::Gemini => gemini::is_whole(answer),
        Dialect::Converse => converse::is_whole(answer),
        Dialect::OpenAi | Dialect::Cohere => openai::is_whole(answer),
    }
}

/// The text of a plain answer; `None` if it says something else too, such as a call of a tool, or nothing.
pub fn text(dialect: Dialect, answer: &Value) -> Option<String> {
    match dialect {
        Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
            let parts = answer.get("content")?.as_array()?.iter();
            let texts = parts.map(|part| part.get("text").and_then(Value::as_str));
            texts.collect::<Option<String>>().filter(|text| !text.is_empty())
        }
        Dialect::Responses => responses::text(answer),
        Dialect::Gemini => gemini::text(answer),
        Dialect::Converse => converse::text(answer),
        Dialect::OpenAi | Dialect::Cohere => {
            let [choice] = answer.get("choices")?.as_array()?.as_slice() else { return None };
            let message = choice.get("message")?;
            let calls = ["tool_calls", "function_call", "audio"];
            let says_more =
                calls.iter().any(|field| message.get(field).is_some_and(|value| !value.is_null()));
            let text = message.get("content")?.as_str().filter(|text| !text.is_empty() && !says_more)?;
            Some(text.to_owned())
        }
    }
}

/// Makes a kept answer one of now. `id`: letters and digits that no other answer has; `now`: seconds since 1970.
pub fn refresh(dialect: Dialect, answer: &mut Value, id: &str, now: u64) {
    let Value::Object(answer) = answer else { return };
    match dialect {
        Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
            answer.insert("id".to_owned(), format!("msg_{id}").into());
        }
        Dialect::Responses => responses::refresh(answer, id, now),
        Dialect::Gemini => drop(answer.insert("responseId".to_owned(), id.into())),
        // It has nothing that is of one answer only.
        Dialect::Converse => {}
        Dialect::OpenAi | Dialect::Cohere => {
            answer.insert("id".to_owned(), format!("chatcmpl-{id}").into());
            answer.insert("created".to_owned(), now.into());
        }
    }
}

/// The events of the stream that a plain answer is the whole of, each ready to be sent. `piece`: the most bytes of text in one.
pub fn events(dialect: Dialect, answer: &Value, piece: usize) -> Vec<Vec<u8>> {
    let texts = match dialect {
        Dialect::Converse => return converse::events(answer, piece),
        Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => anthropic::events(answer, piece),
        Dialect::Responses => responses::events(answer, piece),
        Dialect::Gemini => gemini::events(answer, piece),
        Dialect::OpenAi | Dialect::Cohere => openai::events(answer, piece),
    };
    texts.into_iter().map(String::into_bytes).collect()
}

/// Parts of a text with at most so many bytes each, and at least a character.
fn pieces(text: &str, piece: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?.len_utf8();
        let (part, after) = rest.split_at_checked(rest.floor_char_boundary(piece).max(first))?;
        rest = after;
        Some(part)
    })
}

fn event(name: Option<&str>, data: &Value) -> String {
    match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// Adds to a text field, which may not be there yet.
fn append(object: &mut Object, field: &str, more: &str) {
    match object.get_mut(field) {
        Some(Value::String(text)) => text.push_str(more),
        _ => drop(object.insert(field.to_owned(), more.into())),
    }
}

#[cfg(test)]
mod tests;
