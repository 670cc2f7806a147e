//! An answer for a client.

mod candidate;

#[cfg(test)]
mod tests;

use super::signature::{self, Returned};
use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::translate::neutral::{Event, Stop, Text, Used, WriteAnswer};
use crate::translate::raw::{self, Object};
use crate::translate::{AnswerOptions, failure};
use crate::usage::Usage;
use candidate::Candidate;
use std::collections::BTreeMap;

/// What writes the form that the client has asked for.
pub(in crate::translate) fn writer(options: &AnswerOptions) -> Box<dyn WriteAnswer> {
    Box::new(Writer { stream: options.is_stream(), model: options.model.clone(), ..Writer::default() })
}

/// Writes an answer. Each event of a stream is an answer of its own, with what is new; the last one says why the candidates ended and
/// what was used, as Google's servers have it.
#[derive(Debug, Default)]
struct Writer {
    stream: bool,
    /// The name of the model for the client to read. Empty: the provider's.
    model: String,
    /// The fields that are in every event, from a comma on.
    tail: Vec<u8>,
    candidates: BTreeMap<u32, Candidate>,
    usage: Usage,
    begun: bool,
    ended: bool,
}

impl Writer {
    fn start(&mut self, id: Option<Text<'_>>, model: Option<Text<'_>>) {
        self.begun = true;
        self.tail.clear();
        self.tail.extend_from_slice(br#","modelVersion":"#);
        match model {
            Some(model) if self.model.is_empty() => model.write(&mut self.tail),
            _ => raw::write_string(&mut self.tail, &self.model),
        }
        if let Some(id) = id {
            self.tail.extend_from_slice(br#","responseId":"#);
            id.write(&mut self.tail);
        }
    }

    /// Adds to a candidate, and tells a client that reads a stream what is new.
    fn add(&mut self, choice: u32, out: &mut Vec<u8>, add: impl FnOnce(&mut Candidate)) {
        let candidate = self.candidates.entry(choice).or_default();
        add(candidate);
        if self.stream && candidate.has_news() {
            out.extend_from_slice(br#"data: {"candidates":["#);
            candidate.write(choice, false, out);
            out.push(b']');
            out.extend_from_slice(&self.tail);
            out.extend_from_slice(b"}\n\n");
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        if !self.begun {
            return;
        }
        if self.stream {
            out.extend_from_slice(b"data: ");
        }
        out.extend_from_slice(br#"{"candidates":["#);
        for (number, (choice, candidate)) in self.candidates.iter_mut().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            candidate.close();
            candidate.write(*choice, true, out);
        }
        out.extend_from_slice(br#"],"usageMetadata":"#);
        write_usage(&self.usage, out);
        out.extend_from_slice(&self.tail);
        out.push(b'}');
        if self.stream {
            out.extend_from_slice(b"\n\n");
        }
    }
}

impl WriteAnswer for Writer {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, model, rest: _ } => self.start(id, model),
            Event::Text { choice, text } | Event::Refusal { choice, text } => {
                self.add(choice, out, |candidate| candidate.text(&text));
            }
            Event::Thinking { choice, text } => self.add(choice, out, |candidate| candidate.thought(&text)),
            Event::Signature { choice, signature } => {
                let signature = signature::given(&Returned::Signature(signature.decode().into_owned()));
                self.add(choice, out, |candidate| candidate.sign(&signature));
            }
            Event::SealedThinking { choice, data } => {
                let signature = signature::given(&Returned::Sealed(data.decode().into_owned()));
                self.add(choice, out, |candidate| {
                    candidate.begin_thought();
                    candidate.sign(&signature);
                });
            }
            Event::Call { choice, call, id, name } => {
                self.add(choice, out, |candidate| candidate.call(call, &id, &name));
            }
            Event::Arguments { choice, call, json } => {
                self.add(choice, out, |candidate| candidate.arguments(call, &json.decode()));
            }
            Event::Citation { choice, citation } => self.candidates.entry(choice).or_default().cite(citation),
            Event::Logprobs { choice, logprobs } => {
                self.add(choice, out, |candidate| candidate.logprobs(logprobs))
            }
            Event::Stop { choice, stop, sequence: _ } => {
                self.add(choice, out, |candidate| candidate.stop(stop));
            }
            Event::Usage(Used { tokens, .. }) => self.usage = tokens,
            Event::Failed { status, error, text, rest: _ } => {
                self.ended = true;
                let error = client_error(failure::status(status), error, text);
                let said =
                    if self.stream { error.event(Dialect::Gemini) } else { error.body(Dialect::Gemini) };
                out.extend_from_slice(said.as_bytes());
            }
            Event::End => self.end(out),
            Event::Tier(_) => {}
        }
    }
}

/// Gemini's counters: what was cached is a part of the prompt's, what was thought stands beside the candidates'.
/// Source: <https://ai.google.dev/api/generate-content#UsageMetadata>.
fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    let (input, output) = (usage.total_input(), usage.total_output());
    let said = output.saturating_sub(usage.reasoning);
    let total = input.saturating_add(output);
    out.extend_from_slice(
        format!(r#"{{"promptTokenCount":{input},"candidatesTokenCount":{said}"#).as_bytes(),
    );
    for (name, tokens) in
        [("thoughtsTokenCount", usage.reasoning), ("cachedContentTokenCount", usage.cache_read)]
    {
        if tokens > 0 {
            out.extend_from_slice(format!(r#","{name}":{tokens}"#).as_bytes());
        }
    }
    out.extend_from_slice(format!(r#","totalTokenCount":{total}}}"#).as_bytes());
}

/// What the provider says of its failure, in the envelope of this API.
fn client_error(status: u16, mut error: Object<'_>, text: Option<Text<'_>>) -> ClientError {
    let message = error.take("message").and_then(raw::string).map(std::borrow::Cow::into_owned);
    let message = message.or_else(|| text.map(|text| text.decode().into_owned()));
    let message = failure::message(status, message.unwrap_or_default());
    ClientError::new(ErrorKind::from_status(status), "provider_error", message)
}

/// Google's word for why an answer ends. One with calls of functions just stops.
fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence | Stop::Calls => "STOP",
        Stop::Length => "MAX_TOKENS",
        Stop::Refused => "SAFETY",
        Stop::Paused => "OTHER",
    }
}
