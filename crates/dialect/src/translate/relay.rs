//! An answer on its way from a provider to a client, by way of the neutral form.

use super::bedrock::{self, Said};
use super::neutral::{Event, ReadAnswer, Text, WriteAnswer};
use super::{AnswerOptions, Error, Kind, failure};
use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::{event_stream, sse};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Reads with one dialect and writes with another.
#[derive(Debug)]
pub(super) struct Relay {
    reader: Box<dyn ReadAnswer>,
    writer: Box<dyn WriteAnswer>,
    client: Dialect,
    shape: Shape,
    progress: Progress,
}

#[derive(Debug)]
enum Shape {
    /// One JSON document, read at its end.
    Whole {
        body: Vec<u8>,
        status: u16,
        limit: usize,
    },
    Stream {
        framing: Framing,
        limit: usize,
    },
}

/// How the events of a stream are told apart.
#[derive(Debug)]
pub(super) enum Framing {
    /// Not a byte has come.
    Unknown {
        limit: usize,
    },
    Text(sse::Framer),
    /// Amazon's.
    Binary(event_stream::Framer),
}

impl Framing {
    /// Takes the next chunk and hands on what the events say that are now complete. `is_binary`: the first byte need not tell.
    pub(super) fn push(&mut self, chunk: &[u8], is_binary: bool, on: &mut OnEvent<'_>) -> Result<(), Error> {
        if let (Self::Unknown { limit }, Some(first)) = (&*self, chunk.first()) {
            *self = if is_binary || event_stream::begins_with(*first) {
                Self::Binary(event_stream::Framer::new(*limit))
            } else {
                Self::Text(sse::Framer::new(*limit))
            };
        }
        let mut result = Ok(());
        match self {
            Self::Unknown { .. } => Ok(()),
            Self::Text(framer) => {
                let framed = framer.push(chunk, |raw| {
                    if result.is_ok() {
                        result = text_event(raw, on);
                    }
                });
                result?;
                framed.map_err(|sse::TooLong| Kind::AnswerTooLong.into())
            }
            Self::Binary(framer) => {
                let framed = framer.push(chunk, |raw| {
                    if result.is_ok() {
                        result = message(raw, on);
                    }
                });
                result?;
                framed.map_err(broken)
            }
        }
    }

    /// Takes the end of the stream.
    pub(super) fn finish(&mut self, on: &mut OnEvent<'_>) {
        if let Self::Text(framer) = self {
            // A last event whose blank line is missing. If it was cut within it is no JSON, and is left out.
            let _ = text_event(&framer.finish(), on);
        }
    }
}

/// Takes what an event says, on one line. An event of text is a chunk of the provider's own API.
type OnEvent<'s> = dyn FnMut(Said<'_>) -> Result<(), Error> + 's;

fn text_event(raw: &[u8], on: &mut OnEvent<'_>) -> Result<(), Error> {
    let data = payload(raw);
    if data.is_empty() { Ok(()) } else { on(Said::Chunk(data)) }
}

fn message(raw: &[u8], on: &mut OnEvent<'_>) -> Result<(), Error> {
    on(match bedrock::open(event_stream::parse(raw).map_err(broken)?)? {
        Said::Event { name, data } => Said::Event { name, data: one_line(data) },
        Said::Chunk(data) => Said::Chunk(one_line(data)),
        said => said,
    })
}

fn broken(error: event_stream::Error) -> Error {
    match error {
        event_stream::Error::TooLong => Kind::AnswerTooLong.into(),
        error => Error::invalid_answer(error.to_string()),
    }
}

/// How far an answer has come.
#[derive(Debug, Default)]
struct Progress {
    names: Names,
    /// Choices that have begun and are not at their end.
    open: BTreeSet<u32>,
    /// One at least is at its end.
    stopped: bool,
    /// A stream has begun; a plain answer always has.
    is_started: bool,
    /// The provider has told the end of the stream while choices were open, and has said nothing since.
    end_is_told: bool,
    end: Option<End>,
    /// The status of the failure that the provider tells.
    failure: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Failed,
}

/// What an answer is called that its provider does not name.
#[derive(Debug, Default)]
struct Names {
    id: String,
    model: String,
}

impl Names {
    fn new(client: Dialect, options: &AnswerOptions) -> Self {
        let AnswerOptions { id, served, .. } = options;
        let id = match client {
            _ if id.is_empty() => String::new(),
            Dialect::OpenAi => format!("chatcmpl-{id}"),
            Dialect::Responses => format!("resp_{id}"),
            Dialect::Anthropic => format!("msg_{id}"),
            Dialect::Gemini | Dialect::Converse | Dialect::Cohere | Dialect::Invoke | Dialect::RawPredict => {
                id.clone()
            }
        };
        Self { id, model: served.clone() }
    }

    fn fill<'a>(&'a self, id: &mut Option<Text<'a>>, model: &mut Option<Text<'a>>) {
        for (place, name) in [(id, &self.id), (model, &self.model)] {
            if place.as_ref().is_none_or(Text::is_empty) && !name.is_empty() {
                *place = Some(name.as_str().into());
            }
        }
    }
}

impl Progress {
    /// Hands a piece on, unless the answer is at its end.
    fn take(&mut self, event: Event<'_>, writer: &mut dyn WriteAnswer, out: &mut Vec<u8>) {
        if self.end.is_some() {
            return;
        }
        let is_end = matches!(event, Event::End);
        if is_end && !self.is_started {
            // An end of nothing is none.
            return;
        }
        self.is_started = true;
        match event {
            Event::Stop { choice, .. } => {
                self.open.remove(&choice);
                self.stopped = true;
            }
            Event::End => self.end = Some(End::Complete),
            Event::Failed { status, .. } => {
                self.end = Some(End::Failed);
                self.failure = Some(failure::status(status));
            }
            Event::Start { mut id, mut model, rest } => {
                self.names.fill(&mut id, &mut model);
                return writer.event(Event::Start { id, model, rest }, out);
            }
            _ => self.open.extend(event.choice()),
        }
        writer.event(event, out);
    }

    /// Hands on what an event of a stream says, unless the stream is at its end.
    fn tell(
        &mut self,
        said: Said<'_>,
        reader: &mut dyn ReadAnswer,
        writer: &mut dyn WriteAnswer,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if self.end.is_some() {
            return Ok(());
        }
        let mut to = |event: Event<'_>| {
            let all_stopped = self.stopped && self.open.is_empty();
            if matches!(event, Event::End) && self.is_started && !all_stopped {
                // Some servers tell no end of a choice. Only the end of the bytes shows whether this was out of order.
                self.end_is_told = true;
                return;
            }
            self.end_is_told &= event.choice().is_none();
            self.take(event, writer, out);
        };
        match said {
            Said::Event { name, data } => reader.named_event(name, &data, &mut to),
            Said::Chunk(data) => reader.event(&data, &mut to),
            Said::Failure(failure) => {
                to(failure);
                Ok(())
            }
            Said::Nothing => Ok(()),
        }
    }
}

impl Relay {
    pub(super) fn new(
        client: Dialect,
        reader: Box<dyn ReadAnswer>,
        writer: Box<dyn WriteAnswer>,
        options: &AnswerOptions,
    ) -> Self {
        let shape = if options.is_stream() {
            Shape::Stream { framing: Framing::Unknown { limit: options.limit }, limit: options.limit }
        } else {
            Shape::Whole { body: Vec::new(), status: options.status, limit: options.limit }
        };
        let names = Names::new(client, options);
        let is_started = matches!(shape, Shape::Whole { .. });
        let progress = Progress { names, is_started, ..Progress::default() };
        Self { reader, writer, client, shape, progress }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.progress.end == Some(End::Complete)
    }

    /// The status of the failure that the provider has told, in whatever form.
    pub(super) fn failure(&self) -> Option<u16> {
        self.progress.failure
    }

    pub(super) fn content_type(&self) -> &'static str {
        match (&self.shape, self.client) {
            (Shape::Whole { .. }, _) => "application/json",
            (Shape::Stream { .. }, Dialect::Converse) => event_stream::CONTENT_TYPE,
            (Shape::Stream { .. }, _) => "text/event-stream",
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let Self { reader, writer, shape, progress, .. } = self;
        match shape {
            Shape::Whole { body, limit, .. } => collect(body, chunk, *limit),
            Shape::Stream { framing, limit } => framing.push(chunk, reader.is_binary(), &mut |said| {
                progress.tell(said, reader.as_mut(), writer.as_mut(), out)?;
                // The last event tells it again, and nobody could read one that long.
                if writer.kept() > *limit { Err(Kind::AnswerTooLong.into()) } else { Ok(()) }
            }),
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Self { reader, writer, shape, progress, client } = self;
        match shape {
            Shape::Whole { body, status, .. } => {
                let body = std::mem::take(body);
                let body = if *status < 400 { Cow::Borrowed(body.as_slice()) } else { error(&body) };
                reader.whole(&body, *status, &mut |event| progress.take(event, writer.as_mut(), out))?;
                progress.end = Some(End::Complete);
            }
            Shape::Stream { framing, .. } => {
                framing.finish(&mut |said| progress.tell(said, reader.as_mut(), writer.as_mut(), out));
                // Some servers send nothing after the end of the last choice.
                let all_stopped = progress.stopped && progress.open.is_empty() && !reader.always_ends();
                let whole = progress.end_is_told || all_stopped;
                if progress.end.is_none() && whole {
                    progress.take(Event::End, writer.as_mut(), out);
                } else if progress.end.is_none() {
                    progress.end = Some(End::Failed);
                    out.extend_from_slice(&failure_event(*client, &cut()));
                }
            }
        }
        Ok(())
    }
}

/// What an event says, on one line: parts of it are copied to where a line end would end the event. None is within a text of JSON, so
/// a space says the same.
fn payload(raw: &[u8]) -> Cow<'_, [u8]> {
    let mut data = sse::parse(raw).data;
    // Gemini breaks off with JSON that stands in no event.
    let bare = data.is_empty() && matches!(raw.trim_ascii_start().first(), Some(b'{' | b'['));
    if bare {
        data = Cow::Owned(raw.trim_ascii().to_vec());
    }
    if let Cow::Owned(lines) = &mut data {
        join_lines(lines);
    }
    data
}

/// Adds to a plain answer.
///
/// # Errors
/// [`Kind::AnswerTooLong`].
pub(super) fn collect(body: &mut Vec<u8>, chunk: &[u8], limit: usize) -> Result<(), Error> {
    if body.len().saturating_add(chunk.len()) > limit {
        return Err(Kind::AnswerTooLong.into());
    }
    body.extend_from_slice(chunk);
    Ok(())
}

/// What an error says that may come as an event, where a stream was asked for.
fn error(body: &[u8]) -> Cow<'_, [u8]> {
    Some(payload(body)).filter(|data| !data.is_empty()).unwrap_or(Cow::Borrowed(body))
}

/// The same of a payload that may hold line ends wherever it came from.
fn one_line(mut data: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if data.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        join_lines(data.to_mut());
    }
    data
}

fn join_lines(lines: &mut [u8]) {
    lines.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
}

/// A failure as the last event of a stream that has already begun, in the framing of the client's dialect.
pub fn failure_event(client: Dialect, error: &ClientError) -> Vec<u8> {
    match client {
        Dialect::Converse => {
            let mut out = Vec::new();
            bedrock::write_exception(&mut out, error.status(), &error.message);
            out
        }
        client => error.event(client).into_bytes(),
    }
}

/// What a client reads of a stream that was cut.
pub(super) fn cut() -> ClientError {
    ClientError::new(ErrorKind::BadGateway, "answer_cut", "the provider's answer ended in its middle")
}
