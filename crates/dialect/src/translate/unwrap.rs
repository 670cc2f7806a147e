//! Streams of Bedrock's `InvokeModelWithResponseStream` for clients of the model's own API.
//!
//! Nothing is translated: each message holds an event of that API, which becomes a server-sent event again.

use super::bedrock::{self, Said};
use super::relay::{broken, one_line};
use super::{Error, failure, failure_event};
use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::event_stream::{self, Framer};
use serde::Deserialize;
use std::borrow::Cow;

/// Unwraps a stream whose client and provider speak the same dialect, but for the framing.
#[derive(Debug)]
pub struct Unwrap {
    client: Dialect,
    framer: Framer,
    /// The stream has failed, and the client knows.
    failed: bool,
    /// An error that waits until the output before it has been handed out.
    fault: Option<Error>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

impl Unwrap {
    /// For a client of this dialect. `limit`: bytes that one event may take.
    pub fn new(client: Dialect, limit: usize) -> Self {
        Self { client, framer: Framer::new(limit), failed: false, fault: None }
    }

    /// Takes the next bytes of the provider and gives the events for the client that they make.
    ///
    /// # Errors
    ///
    /// [`Error`] when the provider's bytes are not what its API defines. Output that precedes the fault is handed out first; then
    /// every call fails.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, Error> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let mut out = Vec::new();
        let mut result = Ok(());
        let Self { client, framer, failed, fault } = self;
        let framed = framer.push(chunk, |raw| {
            if result.is_ok() && !*failed {
                result = message(*client, raw, failed, &mut out);
            }
        });
        let Err(error) = result.and(framed.map_err(broken)) else { return Ok(out) };
        *fault = Some(error.clone());
        if out.is_empty() { Err(error) } else { Ok(out) }
    }

    /// Takes the end of the provider's bytes. A message that was cut gives an error that the client can read.
    pub fn finish(&mut self) -> Vec<u8> {
        if self.framer.finish().is_empty() || self.failed || self.fault.is_some() {
            return Vec::new();
        }
        failure_event(self.client, &super::relay::cut())
    }
}

fn message(client: Dialect, raw: &[u8], failed: &mut bool, out: &mut Vec<u8>) -> Result<(), Error> {
    match bedrock::open(event_stream::parse(raw).map_err(broken)?)? {
        Said::Chunk(data) => {
            let data = one_line(data);
            let kind = serde_json::from_slice::<Kind<'_>>(&data).ok().and_then(|event| event.kind);
            // Anthropic names its events. A name with a line end would be an event of its own.
            if let Some(kind) =
                kind.filter(|kind| client == Dialect::Anthropic && !kind.contains(['\n', '\r']))
            {
                out.extend_from_slice(format!("event: {kind}\n").as_bytes());
            }
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(&data);
            out.extend_from_slice(b"\n\n");
        }
        Said::Failure(event) => {
            *failed = true;
            let (status, text) = match &event {
                super::neutral::Event::Failed { status, text: Some(text), .. } => (*status, text.decode()),
                _ => (failure::FAILED, Cow::Borrowed("")),
            };
            let message = failure::message(status, text.into_owned());
            let error = ClientError::new(ErrorKind::from_status(status), "provider_error", message);
            out.extend_from_slice(&failure_event(client, &error));
        }
        Said::Event { .. } | Said::Nothing => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    fn wrapped(events: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for event in events {
            let chunk = format!(r#"{{"bytes":"{}"}}"#, BASE64_STANDARD.encode(event));
            event_stream::write_event(&mut out, "chunk", chunk.as_bytes()).unwrap();
        }
        out
    }

    fn run(client: Dialect, chunks: &[&[u8]]) -> Result<String, Error> {
        let mut unwrap = Unwrap::new(client, 1 << 16);
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend(unwrap.push(chunk)?);
        }
        out.extend(unwrap.finish());
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_message_is_an_event_again() {
        let raw =
            wrapped(&[r#"{"type":"message_start","message":{}}"#, "{\"type\":\"message_stop\",\n\"x\":1}"]);
        assert_eq!(
            run(Dialect::Anthropic, &[&raw]).unwrap(),
            concat!(
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n",
                "event: message_stop\ndata: {\"type\":\"message_stop\", \"x\":1}\n\n",
            )
        );
        assert_eq!(run(Dialect::OpenAi, &[&wrapped(&["{\"id\":1}"])]).unwrap(), "data: {\"id\":1}\n\n");
    }

    #[test]
    fn failures_are_told_in_the_clients_words() {
        let mut raw = wrapped(&["{\"type\":\"ping\"}"]);
        event_stream::write_exception(&mut raw, "throttlingException", br#"{"message":"slow down"}"#)
            .unwrap();
        raw.extend(wrapped(&["{\"type\":\"late\"}"]));
        let out = run(Dialect::Anthropic, &[&raw]).unwrap();
        assert!(
            out.contains("event: error") && out.contains("rate_limit_error") && out.contains("slow down"),
            "{out}"
        );
        assert!(!out.contains("late"));
        let raw = wrapped(&["{\"type\":\"ping\"}"]);
        let out = run(Dialect::Anthropic, &[&raw, b"\0\0"]).unwrap();
        assert!(out.ends_with("\n\n") && out.contains("ended in its middle"), "{out}");
        assert!(run(Dialect::Anthropic, &[b"data: {}\n\n  "]).is_err());
        let mut broken = [raw.clone(), raw].concat();
        *broken.last_mut().unwrap() ^= 1;
        let mut unwrap = Unwrap::new(Dialect::Anthropic, 1 << 16);
        assert!(unwrap.push(&broken).unwrap().starts_with(b"event: ping"));
        assert!(unwrap.push(b"").is_err() && unwrap.finish().is_empty());
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(sizes in prop::collection::vec(1usize..40, 1..10)) {
            let raw = wrapped(&["{\"type\":\"a\"}", "{\"type\":\"b\"}", "{}"]);
            let mut chunks = Vec::new();
            let mut rest = raw.as_slice();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, tail) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = tail;
            }
            prop_assert_eq!(run(Dialect::Anthropic, &chunks).unwrap(), run(Dialect::Anthropic, &[&raw]).unwrap());
        }
    }
}
