//! Taking an answer in while it passes to its client.

use super::{Answered, Cache, Entry, Leading, Request, Sought, now_ms};
use std::sync::Arc;
use weirgate_dialect::Dialect;
use weirgate_dialect::answer::Reader;
use weirgate_dialect::cached::{Assembler, is_whole};
use weirgate_dialect::framing::{self, Framer};
use weirgate_dialect::usage::Usage;

/// One answer that may be kept. Dropped before its end, it leaves nothing behind, and those who wait are woken.
#[derive(Debug)]
pub(crate) struct Fill {
    request: Request,
    dialect: Dialect,
    model: String,
    tags: Vec<String>,
    leading: Option<Leading>,
    sought: Option<Box<Sought>>,
    shape: Shape,
    /// Bytes that may still come.
    room: usize,
    /// How often answers had been forgotten when this one was asked for.
    purges: u64,
}

#[derive(Debug)]
enum Shape {
    /// Nothing is known of it yet.
    Unknown,
    /// A stream.
    Events { framer: Framer, assembler: Assembler },
    /// JSON.
    Plain(Vec<u8>),
    /// It is not kept.
    Refused,
}

/// A whole answer, and what it says it used.
#[derive(Debug)]
pub(crate) struct Whole {
    answer: String,
    /// Nothing where the provider did not say.
    pub(crate) usage: Option<Usage>,
    pub(crate) tier: String,
}

impl Fill {
    /// For the answer to this request.
    pub(crate) fn new(
        request: Request,
        dialect: Dialect,
        model: &str,
        tags: &[String],
        (leading, sought): (Option<Leading>, Option<Box<Sought>>),
        cache: &Cache,
    ) -> Self {
        let room = usize::try_from(cache.settings.max_entry_bytes).unwrap_or(usize::MAX);
        let purges = cache.purges();
        let (model, tags) = (model.to_owned(), tags.to_vec());
        Self { request, dialect, model, tags, leading, sought, shape: Shape::Unknown, room, purges }
    }

    /// The answer's headers are here.
    pub(crate) fn headers(&mut self, status: &str, content_type: &str) {
        let kind = content_type.to_ascii_lowercase();
        self.shape = match status {
            "200" if framing::is_stream(&kind) => Shape::Events {
                framer: Framer::new(self.dialect, self.room),
                assembler: Assembler::new(self.dialect),
            },
            "200" if kind.starts_with("application/json") => Shape::Plain(Vec::new()),
            _ => Shape::Refused,
        };
    }

    /// A part of the answer is here.
    pub(crate) fn body(&mut self, chunk: &[u8]) {
        self.room = self.room.saturating_sub(chunk.len());
        let taken = match &mut self.shape {
            Shape::Events { framer, assembler } => framer.push(chunk, |raw| assembler.event(raw)).is_ok(),
            Shape::Plain(collected) => {
                collected.extend_from_slice(chunk);
                true
            }
            Shape::Unknown | Shape::Refused => false,
        };
        if !taken || self.room == 0 {
            self.refuse();
        }
    }

    /// Whether it is known that the answer is not kept.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.shape, Shape::Refused)
    }

    fn refuse(&mut self) {
        self.shape = Shape::Refused;
        // Those who wait need not wait for the end.
        self.leading = None;
    }

    /// The answer is over: what it is, if it is one to be kept.
    pub(crate) fn end(&mut self) -> Option<Whole> {
        let answer = match std::mem::replace(&mut self.shape, Shape::Refused) {
            Shape::Events { mut framer, mut assembler } => {
                assembler.event(&framer.finish());
                assembler.finish()
            }
            Shape::Plain(collected) => serde_json::from_slice(&collected).ok(),
            Shape::Unknown | Shape::Refused => None,
        };
        let Some(answer) = answer.filter(|answer| is_whole(self.dialect, answer)) else {
            self.leading = None;
            return None;
        };
        let answer = answer.to_string();
        let mut reader = Reader::new(self.dialect);
        reader.body(answer.as_bytes());
        let tier = reader.tier().unwrap_or_default().to_owned();
        Some(Whole { usage: reader.usage(), tier, answer })
    }

    /// Keeps the answer, which has cost so much, and gives it to those who wait.
    pub(crate) async fn keep(&mut self, cache: &Cache, whole: Whole, cost_micros: u64) {
        // What was asked to be forgotten meanwhile may be this; and a share of what is not known cannot be charged.
        if cache.purges() != self.purges || (whole.usage.is_none() && cache.settings.charge_percent > 0) {
            return self.refuse();
        }
        let entry = Arc::new(Entry {
            id: uuid::Uuid::now_v7().simple().to_string(),
            key: self.request.key.clone(),
            scope: self.request.scope.clone(),
            dialect: self.dialect,
            model: std::mem::take(&mut self.model),
            tags: std::mem::take(&mut self.tags),
            created_ms: now_ms(),
            cost_micros,
            answer: whole.answer,
        });
        let sought = self.sought.take();
        cache.put(entry.clone(), sought.as_deref()).await;
        if cache.purges() != self.purges {
            cache.take_back(&entry.id).await;
            return self.refuse();
        }
        if let Some(leading) = self.leading.take() {
            leading.land(Answered { entry: entry.clone(), similarity: None });
        }
        if let Some(sought) = sought {
            cache.learn(entry, sought).await;
        }
    }
}
