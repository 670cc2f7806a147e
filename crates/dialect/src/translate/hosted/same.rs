//! Answers for clients of Anthropic's own dialect: nothing is translated but the framing.

use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::translate::bedrock::Said;
use crate::translate::neutral::Event;
use crate::translate::relay::{Framing, collect, cut};
use crate::translate::{Error, failure, failure_event};
use serde::Deserialize;
use std::borrow::Cow;

/// Copies an answer: a plain one when it is whole, and each event of a stream, whatever it came in, as a server-sent one.
#[derive(Debug)]
pub(in crate::translate) struct Same {
    shape: Shape,
    progress: Progress,
}

#[derive(Debug)]
enum Shape {
    Whole { body: Vec<u8>, limit: usize },
    Stream(Framing),
}

/// How far an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    UnderWay,
    Complete,
    Failed,
}

/// As much of an event as tells what it is.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

impl Same {
    /// For a plain answer, or a stream's events, of at most `limit` bytes.
    pub(in crate::translate) fn new(is_stream: bool, limit: usize) -> Self {
        let shape = match is_stream {
            true => Shape::Stream(Framing::Unknown { limit }),
            false => Shape::Whole { body: Vec::new(), limit },
        };
        Self { shape, progress: Progress::UnderWay }
    }

    pub(in crate::translate) fn is_complete(&self) -> bool {
        self.progress == Progress::Complete
    }

    pub(in crate::translate) fn content_type(&self) -> &'static str {
        match self.shape {
            Shape::Whole { .. } => "application/json",
            Shape::Stream(_) => "text/event-stream",
        }
    }

    pub(in crate::translate) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let Self { shape, progress } = self;
        match shape {
            Shape::Whole { body, limit } => collect(body, chunk, *limit),
            Shape::Stream(framing) => framing.push(chunk, false, &mut |said| progress.take(said, out)),
        }
    }

    pub(in crate::translate) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Self { shape, progress } = self;
        match shape {
            Shape::Whole { body, .. } => {
                let body = std::mem::take(body);
                let _: Kind<'_> = serde_json::from_slice(&body)
                    .map_err(|error| Error::invalid_answer(error.to_string()))?;
                *out = body;
                *progress = Progress::Complete;
            }
            Shape::Stream(framing) => {
                framing.finish(&mut |said| progress.take(said, out));
                if *progress == Progress::UnderWay {
                    *progress = Progress::Failed;
                    out.extend_from_slice(&failure_event(Dialect::Anthropic, &cut()));
                }
            }
        }
        Ok(())
    }
}

impl Progress {
    /// Hands an event on, unless the answer is at its end.
    fn take(&mut self, said: Said<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        if *self != Self::UnderWay {
            return Ok(());
        }
        match said {
            Said::Chunk(data) => {
                let event: Kind<'_> = serde_json::from_slice(&data)
                    .map_err(|error| Error::invalid_answer(format!("an event of the stream: {error}")))?;
                match event.kind.as_ref() {
                    "message_stop" => *self = Self::Complete,
                    "error" => *self = Self::Failed,
                    _ => {}
                }
                // A line end in the name would begin another event.
                if !event.kind.contains(['\n', '\r']) {
                    out.extend_from_slice(format!("event: {}\n", event.kind).as_bytes());
                }
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(&data);
                out.extend_from_slice(b"\n\n");
            }
            Said::Failure(event) => {
                *self = Self::Failed;
                let (status, text) = match &event {
                    Event::Failed { status, text: Some(text), .. } => (*status, text.decode().into_owned()),
                    _ => (failure::FAILED, String::new()),
                };
                let message = failure::message(status, text);
                let error = ClientError::new(ErrorKind::from_status(status), "provider_error", message);
                out.extend_from_slice(&failure_event(Dialect::Anthropic, &error));
            }
            Said::Event { .. } | Said::Nothing => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::Dialect::{Anthropic, Invoke, RawPredict};
    use crate::event_stream;
    use crate::translate::{Answer, AnswerOptions, Error};
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    fn wrapped(events: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for event in events {
            let chunk = format!(r#"{{"bytes":"{}"}}"#, BASE64_STANDARD.encode(event));
            event_stream::write_event(&mut out, "chunk", chunk.as_bytes()).unwrap();
        }
        out
    }

    fn answer(is_event_stream: bool, status: u16) -> Answer {
        let options = AnswerOptions {
            status,
            is_event_stream,
            include_usage: true,
            created: 0,
            model: String::new(),
            id: String::new(),
            served: String::new(),
            limit: 1 << 16,
        };
        Answer::new(Anthropic, Invoke, options).unwrap()
    }

    fn run(chunks: &[&[u8]]) -> (String, Option<Error>, bool) {
        let mut answer = answer(true, 200);
        let mut out = Vec::new();
        let mut fault = None;
        for chunk in chunks {
            match answer.push(chunk) {
                Ok(bytes) => out.extend(bytes),
                Err(error) => fault = Some(error),
            }
        }
        match answer.finish() {
            Ok(bytes) => out.extend(bytes),
            Err(error) => fault = Some(error),
        }
        (String::from_utf8(out).unwrap(), fault, answer.is_complete())
    }

    #[test]
    fn each_message_is_an_event_again() {
        let raw =
            wrapped(&[r#"{"type":"message_start","message":{}}"#, "{\"type\":\"message_stop\",\n\"x\":1}"]);
        let expected = concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\", \"x\":1}\n\n",
        );
        assert_eq!(run(&[&raw]), (expected.to_owned(), None, true));
        // As Vertex AI gives them.
        assert_eq!(run(&[expected.as_bytes()]), (expected.to_owned(), None, true));
        let without_its_last_line_end = expected.trim_end().as_bytes();
        assert_eq!(run(&[without_its_last_line_end]), (expected.to_owned(), None, true));
    }

    #[test]
    fn failures_are_told_in_the_clients_words() {
        let mut raw = wrapped(&["{\"type\":\"ping\"}"]);
        event_stream::write_exception(&mut raw, "throttlingException", br#"{"message":"slow down"}"#)
            .unwrap();
        raw.extend(wrapped(&["{\"type\":\"late\"}"]));
        let (out, fault, complete) = run(&[&raw]);
        assert!(
            out.contains("event: error") && out.contains("rate_limit_error") && out.contains("slow down"),
            "{out}"
        );
        assert!(!out.contains("late") && fault.is_none() && !complete);
    }

    #[test]
    fn a_stream_that_was_cut_ends_in_an_error() {
        let raw = wrapped(&["{\"type\":\"ping\"}"]);
        for more in [b"".as_slice(), b"\0\0"] {
            let (out, fault, complete) = run(&[&raw, more]);
            assert!(out.starts_with("event: ping") && out.contains("ended in its middle"), "{out}");
            assert!(fault.is_none() && !complete);
        }
    }

    #[test]
    fn what_is_no_event_is_a_fault_behind_what_was_good() {
        let raw = wrapped(&["{\"type\":\"ping\"}"]);
        let mut broken = [raw.clone(), raw].concat();
        *broken.last_mut().unwrap() ^= 1;
        for bytes in [broken, wrapped(&["{\"type\":\"ping\"}", "[]"])] {
            let (out, fault, complete) = run(&[&bytes]);
            assert!(out.starts_with("event: ping") && fault.is_some() && !complete, "{out}");
        }
    }

    #[test]
    fn a_plain_answer_passes_as_it_is_and_an_error_becomes_anthropics() {
        let body = br#"{ "type":"message","new":1.50 }"#;
        let mut plain = answer(false, 200);
        assert!(plain.push(body).unwrap().is_empty());
        assert!(plain.finish().unwrap() == body && plain.is_complete());
        let mut page = answer(false, 200);
        page.push(b"<html>").unwrap();
        assert!(page.finish().is_err() && !page.is_complete());
        let mut failed = answer(false, 400);
        assert!(failed.push(br#"{"message":"no such model"}"#).unwrap().is_empty());
        let out = String::from_utf8(failed.finish().unwrap()).unwrap();
        assert!(out.contains("invalid_request_error") && out.contains("no such model"), "{out}");
        assert!(crate::translate::is_supported(Anthropic, RawPredict));
    }
}
