//! The answer of the provider.
//!
//! Each event of a stream is a whole `GenerateContentResponse` with the pieces that are new, so that both are read alike. There
//! is no last event: the answer is whole when its choices have stopped. This runs for every few tokens: a text is passed on in
//! its JSON form, never decoded.

mod logprobs;

#[cfg(test)]
mod tests;

use super::signature::{self, Signed};
use crate::translate::Error;
use crate::translate::failure::{self, FAILED};
use crate::translate::neutral::{Event, ReadAnswer, Sink, Stop, Text};
use crate::translate::raw::{self, Object};
use crate::usage::GeminiUsage;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Choices that are kept track of. The API gives eight at most.
const MOST_CHOICES: usize = 128;

/// Citations of a choice that are kept track of.
const MOST_CITATIONS: usize = 1000;

/// Reads an answer or a stream of one.
#[derive(Debug, Default)]
pub(in crate::translate) struct Reader {
    is_started: bool,
    /// The provider's id of the answer, for the ids of calls that have none.
    id: Option<String>,
    calls: usize,
    choices: Vec<ChoiceState>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    calls: u32,
    is_stopped: bool,
    /// The pages that were cited, as hashes: an event of a stream may have those of the one before again.
    citations: HashSet<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    prompt_feedback: Option<&'a RawValue>,
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    model_version: Option<&'a RawValue>,
    #[serde(borrow)]
    response_id: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    index: Option<usize>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    grounding_metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs_result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

/// A part of what is said. Pictures, code and what it gave have no place in other dialects, and are left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    thought: Option<&'a RawValue>,
    #[serde(borrow)]
    thought_signature: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
}

impl ReadAnswer for Reader {
    fn success(&mut self, body: &str, to: &mut Sink<'_>) -> Result<(), Error> {
        self.read(body, true, to)
    }

    fn event(&mut self, data: &[u8], to: &mut Sink<'_>) -> Result<(), Error> {
        let data = data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        let Ok(data) = str::from_utf8(data) else {
            return Err(Error::invalid_answer("an event is not UTF-8"));
        };
        self.read(data, false, to)
    }
}

impl Reader {
    /// Reads an answer or an event. All faults are found before anything goes to the sink.
    fn read(&mut self, json: &str, is_whole: bool, to: &mut Sink<'_>) -> Result<(), Error> {
        let json = json.trim_ascii();
        // An array would be taken for the fields in their order. It is how the servers write errors where no event fits.
        if !json.starts_with('{') {
            let failure =
                first_of(json).and_then(|value| Object::open(value)?.take("error")).and_then(Object::open);
            let failure = failure.ok_or_else(|| Error::invalid_answer("a JSON object is expected"))?;
            to(failure::of(None, failure));
            return Ok(());
        }
        let response: Response<'_> = serde_json::from_str(json)
            .map_err(|_| Error::invalid_answer("it is not what the API defines"))?;
        if let Some(error) = response.error {
            let failure = match Object::open(error) {
                Some(fields) => failure::of(None, fields),
                None => {
                    let text = text(Some(error)).unwrap_or_else(|| failure::shown(json, FAILED));
                    failure::with_text(FAILED, text)
                }
            };
            to(failure);
            return Ok(());
        }
        let says_something = response.candidates.is_some()
            || response.prompt_feedback.is_some()
            || response.usage_metadata.is_some()
            || response.response_id.is_some();
        if is_whole && !says_something {
            return Err(Error::invalid_answer("candidates are expected"));
        }
        let candidates = response.candidates.as_deref().unwrap_or_default();
        let is_within = |(place, candidate): (usize, &Candidate<'_>)| candidate.number(place) < MOST_CHOICES;
        if !candidates.iter().enumerate().all(is_within) {
            return Err(Error::invalid_answer("it has more choices than can be asked for"));
        }
        if says_something {
            self.pieces(response, is_whole, to);
        }
        Ok(())
    }

    fn pieces(&mut self, response: Response<'_>, is_whole: bool, to: &mut Sink<'_>) {
        let Response { candidates, prompt_feedback, usage_metadata, model_version, response_id, error: _ } =
            response;
        if !std::mem::replace(&mut self.is_started, true) {
            let id = text(response_id);
            self.id = id.as_ref().map(|id| id.decode().into_owned());
            to(Event::Start { id, model: text(model_version), rest: Object::default() });
        }
        let mut stops = Vec::new();
        for (place, candidate) in candidates.unwrap_or_default().into_iter().enumerate() {
            let number = candidate.number(place);
            if self.choices.len() <= number {
                self.choices.resize_with(number + 1, ChoiceState::default);
            }
            let reason = text(candidate.finish_reason);
            self.candidate(number, candidate, to);
            if reason.is_some() || is_whole {
                stops.push((number, reason.map(|reason| reason.decode().into_owned())));
            }
        }
        // Nobody reads what comes after the last stop, so the usage goes first.
        let usage = usage_metadata.and_then(|usage| serde_json::from_str::<GeminiUsage>(usage.get()).ok());
        if let Some(usage) = usage {
            to(Event::Usage(usage.wire().openai().into()));
        }
        for (number, reason) in stops {
            self.stop(number, reason.as_deref(), to);
        }
        if self.choices.is_empty() {
            let blocked =
                prompt_feedback.and_then(Object::open).and_then(|mut feedback| feedback.take("blockReason"));
            if blocked.is_some() || is_whole {
                self.choices.push(ChoiceState::default());
                self.stop(0, blocked.map(|_| "SAFETY"), to);
            }
        }
    }

    fn candidate(&mut self, number: usize, candidate: Candidate<'_>, to: &mut Sink<'_>) {
        let Candidate { content, grounding_metadata, logprobs_result, .. } = candidate;
        let Ok(choice) = u32::try_from(number) else { return };
        for part in content.and_then(|content| content.parts).unwrap_or_default() {
            self.part(number, choice, part, to);
        }
        if let Some(logprobs) = logprobs_result.and_then(logprobs::read) {
            to(Event::Logprobs { choice, logprobs: &logprobs });
        }
        let Some(state) = self.choices.get_mut(number) else { return };
        for citation in grounding_metadata.map(citations).unwrap_or_default() {
            if state.citations.len() < MOST_CITATIONS && state.citations.insert(hash(&[citation.get()])) {
                to(Event::Citation { choice, citation: &citation });
            }
        }
    }

    fn part(&mut self, number: usize, choice: u32, part: Part<'_>, to: &mut Sink<'_>) {
        let Some(state) = self.choices.get_mut(number) else { return };
        let is_thought = part.thought.is_some_and(|thought| thought.get() == "true");
        let signature = text(part.thought_signature);
        let mut fields = part.function_call.and_then(Object::open);
        let name = fields.as_mut().and_then(|fields| text(fields.take("name")));
        let (Some(mut fields), Some(name)) = (fields, name) else {
            match text(part.text) {
                Some(text) if is_thought => to(Event::Thinking { choice, text }),
                Some(text) => to(Event::Text { choice, text }),
                None => {}
            }
            if let Some(signature) = signature {
                sign(choice, if is_thought { Signed::Thought } else { Signed::Text }, &signature, to);
            }
            return;
        };
        let call = state.calls;
        state.calls = call.saturating_add(1);
        if let Some(signature) = signature {
            sign(choice, Signed::Call(call), &signature, to);
        }
        let arguments = fields.take("args").map_or("{}", RawValue::get);
        let id = text(fields.take("id")).unwrap_or_else(|| self.made_id(&name, arguments).into());
        self.calls += 1;
        to(Event::Call { choice, call, id, name });
        to(Event::Arguments { choice, call, json: arguments.into() });
    }

    /// An id for a call that has none. A conversation may hold many answers, so the id of the answer is a part of it.
    fn made_id(&self, name: &Text<'_>, arguments: &str) -> String {
        let number = self.calls;
        match &self.id {
            Some(id) => format!("call_{id}_{number}"),
            None => format!("call_{:016x}_{number}", hash(&[&name.decode(), arguments])),
        }
    }

    fn stop(&mut self, number: usize, reason: Option<&str>, to: &mut Sink<'_>) {
        let (Some(state), Ok(choice)) = (self.choices.get_mut(number), u32::try_from(number)) else { return };
        // Older models give a reason with every event.
        if std::mem::replace(&mut state.is_stopped, true) {
            return;
        }
        let stop = match reason {
            Some("MAX_TOKENS") => Stop::Length,
            Some(
                "SAFETY"
                | "RECITATION"
                | "LANGUAGE"
                | "BLOCKLIST"
                | "PROHIBITED_CONTENT"
                | "SPII"
                | "IMAGE_SAFETY"
                | "IMAGE_PROHIBITED_CONTENT"
                | "IMAGE_RECITATION"
                | "MODEL_ARMOR",
            ) => Stop::Refused,
            // `STOP` does not tell calls apart. The other reasons are faults of the model's (`MALFORMED_FUNCTION_CALL`,
            // `UNEXPECTED_TOOL_CALL`), which other dialects have no words for.
            _ if state.calls > 0 => Stop::Calls,
            _ => Stop::End,
        };
        to(Event::Stop { choice, stop, sequence: None });
    }
}

impl Candidate<'_> {
    /// Its number. The first one's is left out.
    fn number(&self, place: usize) -> usize {
        self.index.unwrap_or(place)
    }
}

/// Gives a signature to the client, as that of thinking. Where nothing was thought the thinking is empty.
fn sign(choice: u32, signed: Signed, signature: &Text<'_>, to: &mut Sink<'_>) {
    to(Event::Thinking { choice, text: "".into() });
    to(Event::Signature { choice, signature: signature::mark(signed, signature) });
}

/// The pages that an answer rests on, in OpenAI's form.
fn citations(grounding: &RawValue) -> Vec<Box<RawValue>> {
    let mut grounding = Object::open(grounding).unwrap_or_default();
    let chunks = grounding.take("groundingChunks").and_then(raw::array).unwrap_or_default();
    let pages =
        chunks.into_iter().filter_map(|chunk| Object::open(chunk)?.take("web").and_then(Object::open));
    pages.filter_map(citation).collect()
}

fn citation(mut page: Object<'_>) -> Option<Box<RawValue>> {
    let mut json = br#"{"type":"url_citation","url_citation":{"url":"#.to_vec();
    text(page.take("uri"))?.write(&mut json);
    if let Some(title) = text(page.take("title")) {
        json.extend_from_slice(br#","title":"#);
        title.write(&mut json);
    }
    json.extend_from_slice(b"}}");
    owned(json)
}

/// JSON that was put together here.
fn owned(json: Vec<u8>) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

/// A text that says something.
fn text(value: Option<&RawValue>) -> Option<Text<'_>> {
    Text::read(value?).filter(|text| !text.is_empty())
}

/// The first value of a list.
fn first_of(json: &str) -> Option<&RawValue> {
    serde_json::from_str(json).ok().and_then(raw::array)?.first().copied()
}

fn hash(texts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    texts.hash(&mut hasher);
    hasher.finish()
}
