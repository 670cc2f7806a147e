//! What becomes of a provider's answer on its way to the client: first its head, then its bytes as they come.
//!
//! Nothing here knows who has the connections: a filter in Envoy does.

use super::embeddings::{self, Wanted};
use super::{Answer, AnswerOptions, Error, failure_event};
use crate::error::{ClientError, ErrorKind};
use crate::{Dialect, framing};

/// The largest answer that is collected to be translated, in bytes.
pub const ANSWER_BYTES: usize = 32 << 20;

/// What is known of an answer before it comes.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The client's dialect.
    pub from: Dialect,
    /// The provider's dialect.
    pub to: Dialect,
    /// See [`AnswerOptions::include_usage`].
    pub include_usage: bool,
    /// See [`AnswerOptions::created`].
    pub created: u64,
    /// See [`AnswerOptions::id`].
    pub id: String,
    /// See [`AnswerOptions::served`].
    pub served: String,
    /// Whether the client asks for a stream, if that is known. In its place it could not read a plain answer, nor the other way round.
    pub stream: Option<bool>,
    /// The vectors that the client wants; `None` for a chat.
    pub vectors: Option<Wanted>,
    /// See [`AnswerOptions::limit`].
    pub limit: usize,
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status of HTTP.
    pub status: u16,
    /// The content type, or nothing.
    pub content_type: &'a str,
    /// The content encoding, or nothing.
    pub content_encoding: &'a str,
    /// Nothing comes after it.
    pub is_all: bool,
}

/// What is to be changed in a head. A body that is written anew has no known length and is not compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Another status.
    pub status: Option<u16>,
    /// The content type.
    pub content_type: &'static str,
}

/// An answer of which the head is known.
#[derive(Debug)]
pub struct Begun {
    /// What the body will go through.
    pub delivery: Delivery,
    /// What becomes of the head; `None`: it stays as it is.
    pub change: Option<Change>,
    /// Why the client gets an error in its place.
    pub unreadable: Option<ClientError>,
}

/// One answer on its way.
#[derive(Debug)]
pub struct Delivery {
    from: Dialect,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// It holds nothing to translate.
    AsItIs,
    Chat(Answer),
    Embeddings(embeddings::Answer),
    /// What the client gets at the end, in place of an answer that cannot be read.
    Instead(Vec<u8>),
    /// A stream went wrong in its middle, and the client was told.
    Broken,
}

/// A part of a body as the client gets it.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The bytes; `None`: those that came.
    pub bytes: Option<Vec<u8>>,
    /// Why the rest of the answer will not come.
    pub broken: Option<ClientError>,
    /// The status that the answer should have had, as is known now.
    pub status: Option<u16>,
}

impl Delivery {
    /// Takes the head of an answer. One that cannot be read becomes an error in the client's dialect.
    pub fn begin(expected: Expected, head: Head<'_>) -> Begun {
        let from = expected.from;
        let kind = head.content_type.to_ascii_lowercase();
        let is_event_stream = framing::is_stream(&kind);
        let status = head.status;
        let is_readable = is_event_stream || kind.contains("json");
        let encoding = head.content_encoding;
        let plain = encoding.is_empty() || encoding.eq_ignore_ascii_case("identity");
        if status >= 400 && !(is_readable && plain) {
            // There is nothing to translate in an error page; provider-select puts an error in its place, by the content type.
            let delivery = Self { from, body: Body::AsItIs };
            let change = is_readable.then_some(Change { status: None, content_type: "text/plain" });
            return Begun { delivery, change, unreadable: None };
        }
        if head.is_all {
            // There is no body that could be written; provider-select makes one of the status.
            let error = (status < 400).then(unreadable);
            let change =
                Change { status: error.as_ref().map(ClientError::status), content_type: "text/plain" };
            let delivery = Self { from, body: Body::AsItIs };
            return Begun { delivery, change: Some(change), unreadable: error };
        }
        if !plain || !is_readable {
            return Self::instead(from, unreadable());
        }
        let Expected {
            to, include_usage, created, id, served, stream: expected_form, vectors, limit, ..
        } = expected;
        if let Some(Wanted { texts, encoding }) = vectors {
            if is_event_stream {
                return Self::instead(from, unreadable());
            }
            let options = embeddings::AnswerOptions { status, encoding, texts, served, limit };
            let body = Body::Embeddings(embeddings::Answer::new(options));
            return Self::translated(from, body, "application/json");
        }
        if status < 400 && expected_form.is_some_and(|stream| stream != is_event_stream) {
            return Self::instead(from, unreadable());
        }
        let model = String::new();
        let limit = if is_event_stream { limit.min(framing::EVENT_BYTES) } else { limit };
        let options =
            AnswerOptions { status, is_event_stream, include_usage, created, model, id, served, limit };
        match Answer::new(from, to, options) {
            Ok(answer) => {
                let content_type = answer.content_type();
                Self::translated(from, Body::Chat(answer), content_type)
            }
            Err(error) => Self::instead(from, ClientError::from(error)),
        }
    }

    fn translated(from: Dialect, body: Body, content_type: &'static str) -> Begun {
        let change = Change { status: None, content_type };
        Begun { delivery: Self { from, body }, change: Some(change), unreadable: None }
    }

    /// Puts an error in the place of an answer of which no byte has gone to the client, so that the status can say it.
    fn instead(from: Dialect, error: ClientError) -> Begun {
        let change = Change { status: Some(error.status()), content_type: "application/json" };
        let body = Body::Instead(error.body(from).into_bytes());
        Begun { delivery: Self { from, body }, change: Some(change), unreadable: Some(error) }
    }

    /// Whether nothing goes out before the answer's end, so that its head can wait and say how it went.
    pub fn is_whole(&self) -> bool {
        match &self.body {
            Body::Chat(answer) => !answer.is_event_stream(),
            Body::Embeddings(_) | Body::Instead(_) => true,
            Body::AsItIs | Body::Broken => false,
        }
    }

    /// Whether what comes is kept until the answer is whole.
    pub fn collects(&self) -> bool {
        self.is_whole() && !matches!(self.body, Body::Instead(_))
    }

    /// Whether the client has got the last it will get, though the provider may go on.
    pub fn is_broken(&self) -> bool {
        matches!(self.body, Body::Broken)
    }

    /// Puts an error in the place of a whole answer.
    pub fn give_up(&mut self, error: &ClientError) {
        self.body = Body::Instead(error.body(self.from).into_bytes());
    }

    /// Takes the next part of the body, and the last if `end`.
    pub fn part(&mut self, chunk: &[u8], end: bool) -> Part {
        let whole = |bytes| Part { bytes: Some(bytes), broken: None, status: None };
        let mut out = Vec::new();
        let mut status = None;
        let result = match &mut self.body {
            Body::AsItIs => return Part { bytes: None, broken: None, status },
            Body::Broken => return whole(out),
            Body::Instead(error) => return whole(if end { std::mem::take(error) } else { out }),
            Body::Chat(answer) => {
                let mut result = answer.push(chunk).map(|bytes| out = bytes);
                if result.is_ok() && end {
                    result = answer.finish().map(|bytes| out.extend(bytes));
                }
                status = answer.failure();
                // Nobody knows whether more will come.
                result.and_then(|()| answer.fault().cloned().map_or(Ok(()), Err))
            }
            Body::Embeddings(answer) => embed(answer, chunk, end, &mut out),
        };
        let Err(error) = result else { return Part { status, ..whole(out) } };
        let error = ClientError::from(error);
        if !self.is_whole() {
            self.body = Body::Broken;
            out.extend(failure_event(self.from, &error));
        } else {
            let instead = error.body(self.from).into_bytes();
            (self.body, out) = if end { (Body::Broken, instead) } else { (Body::Instead(instead), out) };
        }
        Part { bytes: Some(out), status: Some(error.status()), broken: Some(error) }
    }
}

fn embed(answer: &mut embeddings::Answer, chunk: &[u8], end: bool, out: &mut Vec<u8>) -> Result<(), Error> {
    answer.push(chunk)?;
    if end {
        *out = answer.finish()?;
    }
    Ok(())
}

fn unreadable() -> ClientError {
    ClientError::new(
        ErrorKind::BadGateway,
        "invalid_answer",
        "the provider's answer is in no form that can be read",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected {
            from: Dialect::OpenAi,
            to: Dialect::Anthropic,
            include_usage: false,
            created: 1,
            id: "1".to_owned(),
            served: "m".to_owned(),
            stream: None,
            vectors: None,
            limit: 1 << 20,
        }
    }

    fn head<'a>(status: u16, content_type: &'a str, content_encoding: &'a str) -> Head<'a> {
        Head { status, content_type, content_encoding, is_all: false }
    }

    fn text(part: Part) -> String {
        String::from_utf8(part.bytes.unwrap()).unwrap()
    }

    #[test]
    fn an_error_page_passes() {
        let Begun { mut delivery, change, unreadable } =
            Delivery::begin(expected(), head(502, "text/html", ""));
        assert_eq!((change, unreadable), (None, None));
        assert_eq!(delivery.part(b"<html>", true), Part { bytes: None, broken: None, status: None });
    }

    #[test]
    fn an_answer_in_no_known_form_becomes_an_error_once_it_is_over() {
        for (kind, encoding) in [("text/html", ""), ("application/json", "gzip"), ("", "")] {
            let Begun { mut delivery, change, unreadable } =
                Delivery::begin(expected(), head(200, kind, encoding));
            assert_eq!(change.unwrap(), Change { status: Some(502), content_type: "application/json" });
            assert_eq!(unreadable.unwrap().code, "invalid_answer");
            assert_eq!(text(delivery.part(b"x", false)), "");
            assert!(text(delivery.part(b"", true)).contains("invalid_answer"));
        }
    }

    #[test]
    fn a_success_without_a_body_is_an_error() {
        for kind in ["text/event-stream", "application/json"] {
            let head = Head { is_all: true, ..head(200, kind, "") };
            let change = Delivery::begin(expected(), head).change.unwrap();
            assert_eq!(change.status, Some(502));
        }
    }

    #[test]
    fn the_status_of_an_error_that_cannot_be_read_was_lost() {
        let bodiless = Head { is_all: true, ..head(429, "application/json", "") };
        for head in [bodiless, head(429, "application/json", "gzip"), head(503, "text/event-stream", "br")] {
            let Begun { change, unreadable, .. } = Delivery::begin(expected(), head);
            assert_eq!(change, Some(Change { status: None, content_type: "text/plain" }));
            assert_eq!(unreadable, None);
        }
    }

    #[test]
    fn a_client_got_the_form_that_it_could_not_read() {
        for (stream, kind) in [(true, "application/json"), (false, "text/event-stream")] {
            let expected = Expected { stream: Some(stream), ..expected() };
            let begun = Delivery::begin(expected.clone(), head(200, kind, ""));
            assert_eq!(begun.change.unwrap().status, Some(502));
            assert_eq!(Delivery::begin(expected, head(429, kind, "")).change.unwrap().status, None);
        }
    }

    #[test]
    fn a_failure_in_a_whole_success_was_a_success() {
        for (to, body, status) in [
            (Dialect::OpenAi, r#"{"error":{"message":"it broke","code":"x"}}"#, 500),
            (Dialect::Gemini, r#"{"error":{"message":"it broke","code":503}}"#, 503),
            (Dialect::Cohere, r#"{"finish_reason":"ERROR","message":{"content":[]}}"#, 500),
        ] {
            let expected = Expected { from: Dialect::Anthropic, to, ..expected() };
            let mut delivery = Delivery::begin(expected, head(200, "application/json", "")).delivery;
            let part = delivery.part(body.as_bytes(), true);
            assert_eq!((part.status, part.broken.is_some()), (Some(status), false), "{to}");
            assert!(text(part).contains(r#""type":"error""#));
        }
    }

    #[test]
    fn what_broke_behind_good_events_was_told_with_the_next_chunk_or_never() {
        let good = b"data: {\"type\":\"message_start\",\"message\":{}}\n\n";
        for (end, next) in [(false, b"".as_slice()), (true, b"")] {
            let mut delivery = Delivery::begin(expected(), head(200, "text/event-stream", "")).delivery;
            let part = delivery.part(&[good.as_slice(), b"data: {\n\n"].concat(), end);
            assert!(part.broken.is_some());
            let told = text(part);
            assert!(told.contains("assistant") && told.contains("error"), "{told}");
            assert_eq!(text(delivery.part(next, true)), "");
        }
    }

    #[test]
    fn the_end_of_a_stream_that_has_not_begun_is_none() {
        let expected = Expected { from: Dialect::Responses, to: Dialect::OpenAi, ..expected() };
        let mut delivery = Delivery::begin(expected, head(200, "text/event-stream", "")).delivery;
        let told = text(delivery.part(b"data: [DONE]\n\n", true));
        assert!(told.contains("error"), "{told}");
    }

    #[test]
    fn an_error_that_comes_as_a_stream_is_the_clients() {
        let sent = b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
        let Begun { mut delivery, change, .. } =
            Delivery::begin(expected(), head(529, "text/event-stream", ""));
        assert_eq!(change.unwrap(), Change { status: None, content_type: "application/json" });
        let told = text(delivery.part(sent, true));
        assert!(told.starts_with(r#"{"error":{"message":"busy""#), "{told}");
    }

    #[test]
    fn a_whole_answer_that_cannot_be_read_is_an_error_at_its_end() {
        for limit in [1 << 20, 8] {
            let expected = Expected { limit, ..expected() };
            let mut delivery = Delivery::begin(expected, head(200, "application/json", "")).delivery;
            assert!(delivery.is_whole());
            let parts = [delivery.part(b"{\"content\": [", false), delivery.part(b"<", true)];
            let broken: Vec<_> = parts.iter().filter_map(|part| part.broken.clone()).collect();
            assert_eq!(broken.len(), 1);
            assert_eq!(broken[0].status(), 502);
            let [before, told] = parts.map(text);
            assert_eq!(before, "");
            assert!(told.starts_with(r#"{"error":"#), "{told}");
        }
    }

    #[test]
    fn a_stream_that_breaks_ends_with_one_error_event() {
        let Begun { mut delivery, change, .. } =
            Delivery::begin(expected(), head(200, "text/event-stream", ""));
        assert_eq!(change.unwrap().status, None);
        let broken = delivery.part(b"event: message_start\ndata: {\n\n", false);
        assert!(broken.broken.is_some() && delivery.is_broken());
        assert!(text(broken).contains("error"));
        assert_eq!(text(delivery.part(b"data: {}\n\n", true)), "");
    }

    #[test]
    fn a_stream_that_is_told_again_at_its_end_is_bounded() {
        let expected = Expected { from: Dialect::Responses, limit: 4096, ..expected() };
        let start = b"data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n";
        let more = b"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"sixteen letters. \"}}\n\n";
        let sent = [start.to_vec(), more.repeat(4096)].concat();
        let run = |size: usize| {
            let mut delivery = Delivery::begin(expected.clone(), head(200, "text/event-stream", "")).delivery;
            let mut parts: Vec<Part> = sent.chunks(size).map(|chunk| delivery.part(chunk, false)).collect();
            parts.push(delivery.part(b"", true));
            let broken: Vec<u16> =
                parts.iter().filter_map(|part| Some(part.broken.as_ref()?.status())).collect();
            assert_eq!(broken, [502]);
            parts.into_iter().map(text).collect::<String>()
        };
        let whole = run(sent.len());
        assert!(whole.len() < 100_000, "{} bytes", whole.len());
        assert_eq!(run(100), whole);
    }

    #[test]
    fn a_stream_that_tells_neither_why_it_ended_nor_what_it_used_is_cut() {
        let mut delivery = Delivery::begin(expected(), head(200, "text/event-stream", "")).delivery;
        let sent =
            br#"data: {"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}

data: {"type":"message_stop"}

"#;
        let told = text(delivery.part(sent, true));
        assert!(told.contains("error") && !told.contains("[DONE]"), "{told}");
    }
}
