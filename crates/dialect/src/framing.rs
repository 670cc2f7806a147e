//! The framing of a client's stream: server-sent events in most dialects, Amazon's messages in one.

use crate::{Dialect, event_stream, sse};
use std::fmt;

/// The longest event of a stream that is read, in bytes.
pub const EVENT_BYTES: usize = 8 << 20;

/// The content type of streams in a dialect.
pub fn content_type(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Converse => event_stream::CONTENT_TYPE,
        _ => "text/event-stream",
    }
}

/// Whether an answer of this content type, in small letters, is a stream of either framing.
pub fn is_stream(content_type: &str) -> bool {
    [event_stream::CONTENT_TYPE, "text/event-stream"].iter().any(|kind| content_type.starts_with(kind))
}

/// Finds where events end in a stream that arrives in arbitrary chunks.
#[derive(Debug)]
pub enum Framer {
    /// Server-sent events.
    Events(sse::Framer),
    /// Amazon's messages.
    Messages(event_stream::Framer),
}

/// An event is over the limit, or nobody knows where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the events of a stream cannot be told apart")
    }
}

impl std::error::Error for Unreadable {}

impl Framer {
    /// For a stream in this dialect, whose events take at most `limit` bytes.
    pub fn new(dialect: Dialect, limit: usize) -> Self {
        match dialect {
            Dialect::Converse => Self::Messages(event_stream::Framer::new(limit)),
            _ => Self::Events(sse::Framer::new(limit)),
        }
    }

    /// Takes the next chunk and calls `on_event` with each event that is now complete.
    ///
    /// # Errors
    /// [`Unreadable`]; the events before have been delivered.
    pub fn push(&mut self, chunk: &[u8], on_event: impl FnMut(&[u8])) -> Result<(), Unreadable> {
        match self {
            Self::Events(framer) => framer.push(chunk, on_event).map_err(|sse::TooLong| Unreadable),
            Self::Messages(framer) => framer.push(chunk, on_event).map_err(|_| Unreadable),
        }
    }

    /// The bytes after the last complete event.
    pub fn pending(&self) -> &[u8] {
        match self {
            Self::Events(framer) => framer.pending(),
            Self::Messages(framer) => framer.pending(),
        }
    }

    /// Ends the stream: takes the bytes after the last complete event.
    pub fn finish(&mut self) -> Vec<u8> {
        match self {
            Self::Events(framer) => framer.finish(),
            Self::Messages(framer) => framer.finish(),
        }
    }
}
