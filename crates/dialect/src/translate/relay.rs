//! An answer on its way from a provider to a client, by way of the neutral form.

use super::neutral::{Event, ReadAnswer, WriteAnswer};
use super::{AnswerOptions, Error, Kind};
use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::sse::{self, Framer};
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
    Stream(Framer),
}

/// How far an answer has come.
#[derive(Debug, Default)]
struct Progress {
    /// Choices that have begun and are not at their end.
    open: BTreeSet<u32>,
    /// One at least is at its end.
    stopped: bool,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Failed,
}

impl Progress {
    /// Hands a piece on, unless the answer is at its end.
    fn take(&mut self, event: Event<'_>, writer: &mut dyn WriteAnswer, out: &mut Vec<u8>) {
        if self.end.is_some() {
            return;
        }
        match event {
            Event::Stop { choice, .. } => {
                self.open.remove(&choice);
                self.stopped = true;
            }
            Event::End => self.end = Some(End::Complete),
            Event::Failed { .. } => self.end = Some(End::Failed),
            _ => self.open.extend(event.choice()),
        }
        writer.event(event, out);
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
            Shape::Stream(Framer::new(options.limit))
        } else {
            Shape::Whole { body: Vec::new(), status: options.status, limit: options.limit }
        };
        Self { reader, writer, client, shape, progress: Progress::default() }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.progress.end == Some(End::Complete)
    }

    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let Self { reader, writer, shape, progress, .. } = self;
        match shape {
            Shape::Whole { body, limit, .. } => {
                if body.len().saturating_add(chunk.len()) > *limit {
                    return Err(Kind::AnswerTooLong.into());
                }
                body.extend_from_slice(chunk);
                Ok(())
            }
            Shape::Stream(framer) => {
                let mut result = Ok(());
                let framed = framer.push(chunk, |raw| {
                    let data = payload(raw);
                    if result.is_ok() && !data.is_empty() {
                        result = reader.event(&data, &mut |event| progress.take(event, writer.as_mut(), out));
                    }
                });
                result?;
                framed.map_err(|sse::TooLong| Kind::AnswerTooLong.into())
            }
        }
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Self { reader, writer, shape, progress, client } = self;
        match shape {
            Shape::Whole { body, status, .. } => {
                let body = std::mem::take(body);
                reader.whole(&body, *status, &mut |event| progress.take(event, writer.as_mut(), out))?;
                progress.end = Some(End::Complete);
            }
            Shape::Stream(framer) => {
                // A last event whose blank line is missing. If it was cut within it is no JSON, and is left out.
                let rest = framer.finish();
                let data = payload(&rest);
                if !data.is_empty() {
                    let _ = reader.event(&data, &mut |event| progress.take(event, writer.as_mut(), out));
                }
                // Some servers send nothing after the end of the last choice.
                let whole = progress.stopped && progress.open.is_empty() && !reader.always_ends();
                if progress.end.is_none() && whole {
                    progress.take(Event::End, writer.as_mut(), out);
                } else if progress.end.is_none() {
                    progress.end = Some(End::Failed);
                    out.extend_from_slice(cut().event(*client).as_bytes());
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
        lines.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    data
}

fn cut() -> ClientError {
    ClientError::new(ErrorKind::BadGateway, "answer_cut", "the provider's answer ended in its middle")
}
