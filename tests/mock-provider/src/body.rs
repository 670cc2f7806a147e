//! An answer on its way out: bytes with event boundaries, and the body that writes them one by one.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::ledger::OpenEntry;
use crate::wire::FlushMark;

/// The bytes of an answer and where its events end.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) bytes: Vec<u8>,
    events: Vec<EventEnd>,
}

/// The end of one event.
#[derive(Debug, Clone, Copy)]
struct EventEnd {
    offset: usize,
    /// Output tokens that the event carries.
    tokens: u64,
}

impl Plan {
    /// A whole body that counts as one event.
    pub(crate) fn whole(bytes: Vec<u8>, tokens: u64) -> Self {
        let events = vec![EventEnd { offset: bytes.len(), tokens }];
        Self { bytes, events }
    }

    /// Ends an event at what was written so far.
    pub(crate) fn end_event(&mut self, tokens: u64) {
        self.events.push(EventEnd { offset: self.bytes.len(), tokens });
    }

    /// The events: their bytes and their tokens.
    pub(crate) fn events(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut start = 0;
        self.events.iter().map(move |event| {
            let bytes = self.bytes.get(start..event.offset).unwrap_or_default();
            start = event.offset;
            (bytes, event.tokens)
        })
    }

    /// Drops everything after the first `count` events.
    pub(crate) fn truncate(&mut self, count: usize) {
        self.events.truncate(count);
        self.bytes.truncate(self.events.last().map_or(0, |event| event.offset));
    }

    /// Makes every `size` bytes an event, so that a body that is no stream can be cut in its middle.
    pub(crate) fn split_evenly(&mut self, size: usize) {
        let tokens = self.events.iter().map(|event| event.tokens).sum();
        let length = self.bytes.len();
        let inner = (1..).map(|index| index * size).take_while(|offset| *offset < length);
        self.events = inner.map(|offset| EventEnd { offset, tokens: 0 }).collect();
        self.events.push(EventEnd { offset: length, tokens });
    }

    fn offset_after(&self, count: usize) -> usize {
        if count == 0 {
            return 0;
        }
        self.events.get(count - 1).map_or(self.bytes.len(), |event| event.offset)
    }
}

/// How a body ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// Nothing more is sent, and the connection stays open.
    Stall,
    /// The connection is closed in the middle.
    Cut,
}

/// How a body is to be written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace {
    /// Bytes a write; an event a write if absent.
    pub(crate) chunk_bytes: Option<usize>,
    /// Pause between writes.
    pub(crate) delay: Option<Duration>,
    /// Where and how it breaks off, in events.
    pub(crate) broken_after: Option<(usize, Break)>,
}

/// The error that makes hyper close the connection.
#[derive(Debug)]
pub(crate) struct CutError;

impl fmt::Display for CutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the mock cut the connection as it was told to")
    }
}

impl std::error::Error for CutError {}

/// A response body that writes a [`Plan`], each piece flushed before the next.
#[derive(Debug)]
pub(crate) struct MockBody {
    bytes: Bytes,
    events: Vec<EventEnd>,
    /// Whether the length is announced; a stream is chunked.
    sized: bool,
    pace: Pace,
    /// First byte that must not be sent, and what happens there.
    broken_at: Option<(usize, Break)>,
    position: usize,
    /// Events that are settled in the ledger.
    settled: usize,
    mark: Arc<FlushMark>,
    /// The flush count when the last piece was handed over; the piece is on the wire once it grew.
    unflushed_since: Option<u64>,
    pause: Option<Pin<Box<Sleep>>>,
    paused: bool,
    entry: Option<OpenEntry>,
}

impl MockBody {
    pub(crate) fn new(plan: Plan, sized: bool, pace: Pace, mark: Arc<FlushMark>, entry: OpenEntry) -> Self {
        let broken_at = pace.broken_after.map(|(count, how)| (plan.offset_after(count), how));
        // A cut before the first byte must still let the headers out.
        let unflushed_since = matches!(broken_at, Some((0, Break::Cut))).then(|| mark.count());
        Self {
            bytes: Bytes::from(plan.bytes),
            events: plan.events,
            sized,
            pace,
            broken_at,
            position: 0,
            settled: 0,
            mark,
            unflushed_since,
            pause: None,
            paused: false,
            entry: Some(entry),
        }
    }

    /// A body outside the account, for the control API.
    pub(crate) fn plain(bytes: Vec<u8>, mark: Arc<FlushMark>) -> Self {
        let plan = Plan::whole(bytes, 0);
        Self {
            bytes: Bytes::from(plan.bytes),
            events: Vec::new(),
            sized: true,
            pace: Pace::default(),
            broken_at: None,
            position: 0,
            settled: 0,
            mark,
            unflushed_since: None,
            pause: None,
            paused: false,
            entry: None,
        }
    }

    /// Books the tokens of the events that lie before the position.
    fn settle(&mut self) {
        while let Some(event) = self.events.get(self.settled).filter(|event| event.offset <= self.position) {
            if let Some(entry) = &mut self.entry {
                entry.add_output(event.tokens);
            }
            self.settled += 1;
        }
    }

    fn complete(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.complete();
        }
    }

    fn next_end(&self) -> usize {
        let end = match self.pace.chunk_bytes {
            Some(size) => self.position.saturating_add(size),
            // Events that were settled lie behind the position, so this one is the next to send.
            None => self.events.get(self.settled).map_or(self.bytes.len(), |event| event.offset),
        };
        let limit = self.broken_at.map_or(self.bytes.len(), |(offset, _)| offset);
        end.min(limit)
    }
}

impl Body for MockBody {
    type Data = Bytes;
    type Error = CutError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CutError>>> {
        if let Some(seen) = self.unflushed_since {
            std::task::ready!(self.mark.poll_after(seen, cx));
            self.unflushed_since = None;
            self.settle();
        }
        match self.broken_at {
            Some((offset, Break::Stall)) if self.position >= offset => return Poll::Pending,
            Some((offset, Break::Cut)) if self.position >= offset => {
                self.entry = None;
                return Poll::Ready(Some(Err(CutError)));
            }
            _ => {}
        }
        if self.position >= self.bytes.len() {
            self.settle();
            self.complete();
            return Poll::Ready(None);
        }
        if let Some(delay) = self.pace.delay.filter(|_| self.position > 0 && !self.paused) {
            let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(delay)));
            std::task::ready!(pause.as_mut().poll(cx));
            self.pause = None;
            self.paused = true;
        }
        let end = self.next_end();
        let piece = self.bytes.slice(self.position..end);
        self.position = end;
        self.paused = false;
        self.unflushed_since = Some(self.mark.count());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.sized && self.position >= self.bytes.len()
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized {
            SizeHint::with_exact((self.bytes.len() - self.position) as u64)
        } else {
            SizeHint::default()
        }
    }
}

impl Drop for MockBody {
    fn drop(&mut self) {
        // hyper drops a sized body as soon as it has the last byte. The whole answer was generated then,
        // and a real provider bills it even if the client has just gone.
        let handed_over = self.sized && self.position >= self.bytes.len();
        let flushed = self.unflushed_since.is_some_and(|seen| self.mark.count() > seen);
        if handed_over || flushed {
            self.settle();
        }
        if handed_over {
            self.complete();
        }
    }
}
