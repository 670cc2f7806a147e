//! What messages of Bedrock's streams say, whichever of its calls they answer.
//!
//! `ConverseStream` gives events by their names. `InvokeModelWithResponseStream` gives events of the name `chunk`, each with the base64
//! of one event of the model's own API. A failure in either is an exception.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html>.

use super::neutral::{Event, Text};
use super::raw::{self, Object};
use super::{Error, failure};
use crate::event_stream::{self, Message};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Exceptions that have a status of HTTP.
const STATUSES: [(&str, u16); 9] = [
    ("validationException", 400),
    ("accessDeniedException", 403),
    ("resourceNotFoundException", 404),
    ("modelTimeoutException", 408),
    ("throttlingException", 429),
    ("modelNotReadyException", 429),
    ("internalServerException", 500),
    ("modelStreamErrorException", 502),
    ("serviceUnavailableException", 503),
];

/// What a message says.
#[derive(Debug)]
pub(super) enum Said<'a> {
    /// An event of `ConverseStream`.
    Event {
        name: &'a str,
        data: Cow<'a, [u8]>,
    },
    /// An event of the model's own API.
    Chunk(Cow<'a, [u8]>),
    Failure(Event<'a>),
    /// What the API may add.
    Nothing,
}

/// Tells what a message says.
///
/// # Errors
/// It is a chunk that holds nothing.
pub(super) fn open(message: Message<'_>) -> Result<Said<'_>, Error> {
    let text = |name: &str| message.text(name);
    match text(":message-type") {
        Some("exception") => {
            Ok(Said::Failure(failed(text(":exception-type").unwrap_or_default(), message.payload)))
        }
        // What the service could not even name.
        Some("error") => {
            let said = text(":error-message").or(text(":error-code")).unwrap_or_default();
            Ok(Said::Failure(failure::with_text(failure::FAILED, failure::shown(said, failure::FAILED))))
        }
        _ => match text(":event-type") {
            Some("chunk") => chunk(message.payload).map(|data| Said::Chunk(Cow::Owned(data))),
            Some(name) => Ok(Said::Event { name, data: Cow::Borrowed(message.payload) }),
            None => Ok(Said::Nothing),
        },
    }
}

fn chunk(payload: &[u8]) -> Result<Vec<u8>, Error> {
    let fields = serde_json::from_slice::<&RawValue>(payload).ok().and_then(Object::open);
    let bytes = fields.and_then(|mut fields| fields.take("bytes")).and_then(raw::string);
    let data = bytes.and_then(|bytes| BASE64_STANDARD.decode(bytes.as_bytes()).ok());
    data.ok_or_else(|| Error::invalid_answer("a chunk of the event stream holds no bytes"))
}

fn failed<'a>(name: &str, payload: &'a [u8]) -> Event<'a> {
    let known = STATUSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let status = known.map_or(failure::FAILED, |(_, status)| *status);
    let fields = serde_json::from_slice::<&RawValue>(payload).ok().and_then(Object::open).unwrap_or_default();
    let message = ["message", "Message"].into_iter().find_map(|name| fields.get(name).and_then(Text::read));
    // The name says more than nothing.
    let message =
        message.filter(|message| !message.is_empty()).unwrap_or_else(|| failure::shown(name, status));
    failure::with_text(status, message)
}

/// Writes the failure that ends a stream. The SDKs know five exceptions of streams.
pub(super) fn write_exception(out: &mut Vec<u8>, status: u16, message: &str) {
    let name = match status {
        429 => "throttlingException",
        408 | 503 | 504 | 529 => "serviceUnavailableException",
        424 | 502 => "modelStreamErrorException",
        400..=499 => "validationException",
        _ => "internalServerException",
    };
    let mut json = b"{".to_vec();
    raw::write_field(&mut json, "message", message);
    json.push(b'}');
    // It fails only for messages of gigabytes.
    let _ = event_stream::write_exception(out, name, &json);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_stream::{Value, parse, write, write_event};

    fn said(headers: &[(&str, &str)], payload: &[u8]) -> String {
        let headers: Vec<_> = headers.iter().map(|(name, text)| (*name, Value::Text(text))).collect();
        let mut out = Vec::new();
        write(&mut out, &headers, payload).unwrap();
        match open(parse(&out).unwrap()) {
            Ok(said) => format!("{said:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn chunks_are_unwrapped() {
        let mut out = Vec::new();
        write_event(&mut out, "chunk", br#"{"bytes":"eyJhIjoxfQ==","p":"abc"}"#).unwrap();
        let said = open(parse(&out).unwrap()).unwrap();
        assert!(matches!(said, Said::Chunk(data) if data.as_ref() == br#"{"a":1}"#));
        for payload in ["", "{}", "[]", r#"{"bytes":1}"#, r#"{"bytes":"%"}"#] {
            let said = self::said(&[(":event-type", "chunk")], payload.as_bytes());
            assert!(said.contains("holds no bytes"), "{payload}: {said}");
        }
    }

    #[test]
    fn failures_have_a_status_and_a_message() {
        let exception = |name| [(":message-type", "exception"), (":exception-type", name)];
        for (name, payload, parts) in [
            ("throttlingException", r#"{"message":"slow down"}"#, ["429", "slow down"]),
            ("ModelStreamErrorException", r#"{"Message":"broke"}"#, ["502", "broke"]),
            ("ofNextYear", "no JSON", ["500", "ofNextYear"]),
        ] {
            let said = said(&exception(name), payload.as_bytes());
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
        let said = said(&[(":message-type", "error"), (":error-code", "Oh"), (":error-message", "no")], b"");
        assert!(said.contains("500") && said.contains("no"), "{said}");
    }

    #[test]
    fn what_nobody_knows_is_nothing() {
        assert_eq!(said(&[(":message-type", "initial-response")], b"{}"), "Nothing");
        assert!(said(&[(":event-type", "x")], b"{}").contains("name: \"x\""));
    }

    #[test]
    fn exceptions_are_written_as_they_are_read() {
        for (status, name) in [
            (400, "validationException"),
            (529, "serviceUnavailableException"),
            (200, "internalServerException"),
        ] {
            let mut out = Vec::new();
            write_exception(&mut out, status, "a \"b\"");
            let message = parse(&out).unwrap();
            assert_eq!(
                (message.text(":exception-type"), message.payload),
                (Some(name), br#"{"message":"a \"b\""}"#.as_slice())
            );
        }
    }
}
