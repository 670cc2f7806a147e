//! The mock's own account of what it generated.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::Notify;

/// Entries kept; older ones leave the list but stay in the totals.
const CAPACITY: usize = 200_000;
/// What an entry says when the client left before there was a status; nginx's number for it.
const CLIENT_CLOSED: u16 = 499;

/// One request as the mock accounts for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The number in the answer's id and in `x-request-id`.
    pub id: u64,
    /// The request's path without its query.
    pub path: String,
    /// `openai`, `responses`, `anthropic`, `gemini`, `converse`, `cohere` or `none`.
    pub dialect: &'static str,
    /// The model asked for; empty if none was named.
    pub model: String,
    /// The port that the request came in on.
    pub port: u16,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The status answered; 499 if the client left before.
    pub status: u16,
    /// Prompt tokens, cached ones included, in every dialect.
    pub input_tokens: u64,
    /// Output tokens whose event had been written to the socket.
    pub output_tokens: u64,
    /// Prompt tokens that were read from the cache.
    pub cached_tokens: u64,
    /// Whether the answer was written to its end.
    pub completed: bool,
    /// SHA-256 of the presented key, in hex.
    pub authorization_sha256: Option<String>,
    /// The headers that AWS's signature covers, separated by semicolons, if there was one.
    pub signed_headers: Option<String>,
}

impl Entry {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "path": self.path,
            "dialect": self.dialect,
            "model": self.model,
            "port": self.port,
            "stream": self.stream,
            "status": self.status,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "completed": self.completed,
            "authorization_sha256": self.authorization_sha256,
            "signed_headers": self.signed_headers,
        })
    }
}

/// Sums over everything since the start or the last reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that ended.
    pub requests: u64,
    /// Answers written to their end.
    pub completed: u64,
    /// Answers with an error status, and requests left before a status.
    pub errors: u64,
    /// See [`Entry::input_tokens`].
    pub input_tokens: u64,
    /// See [`Entry::output_tokens`].
    pub output_tokens: u64,
    /// See [`Entry::cached_tokens`].
    pub cached_tokens: u64,
}

impl Totals {
    fn add(&mut self, entry: &Entry) {
        self.requests += 1;
        self.completed += u64::from(entry.completed);
        self.errors += u64::from(entry.status >= 400);
        self.input_tokens += entry.input_tokens;
        self.output_tokens += entry.output_tokens;
        self.cached_tokens += entry.cached_tokens;
    }

    fn to_json(self) -> Value {
        json!({
            "requests": self.requests,
            "completed": self.completed,
            "aborted": self.requests - self.completed,
            "errors": self.errors,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
        })
    }
}

#[derive(Debug, Default)]
struct Books {
    /// Grows at a reset, so that a stream from before it does not show up after it.
    epoch: u64,
    open: u64,
    entries: VecDeque<Entry>,
    totals: Totals,
    by_model: BTreeMap<String, Totals>,
}

/// The account; cheap to share.
#[derive(Debug, Default)]
pub struct Ledger {
    last_id: AtomicU64,
    books: Mutex<Books>,
    changed: Notify,
}

impl Ledger {
    /// The last `last` entries, oldest first, in the order in which the requests ended.
    pub fn entries(&self, last: usize) -> Vec<Entry> {
        let books = self.lock();
        let skip = books.entries.len().saturating_sub(last);
        books.entries.iter().skip(skip).cloned().collect()
    }

    /// The totals.
    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// Waits until `count` requests have ended since the start or the last reset.
    pub async fn wait_for(&self, count: u64) {
        self.wait_until(|books| books.totals.requests >= count).await;
    }

    /// Waits until `count` requests have begun since the start or the last reset, ended or not.
    pub async fn wait_for_begun(&self, count: u64) {
        self.wait_until(|books| books.totals.requests + books.open >= count).await;
    }

    async fn wait_until(&self, reached: impl Fn(&Books) -> bool) {
        loop {
            // Registered before looking, or a change in between would be missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if reached(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn entries_json(&self, last: usize) -> Value {
        self.entries(last).iter().map(Entry::to_json).collect()
    }

    pub(crate) fn stats_json(&self) -> Value {
        let books = self.lock();
        let models: serde_json::Map<String, Value> =
            books.by_model.iter().map(|(model, totals)| (model.clone(), totals.to_json())).collect();
        let mut stats = books.totals.to_json();
        if let Value::Object(fields) = &mut stats {
            fields.insert("in_flight".to_owned(), json!(books.open));
            fields.insert("models".to_owned(), Value::Object(models));
        }
        stats
    }

    pub(crate) fn reset(&self) {
        let mut books = self.lock();
        *books = Books { epoch: books.epoch + 1, ..Books::default() };
    }

    /// A number for the next request.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Opens an entry, which is booked when it is dropped.
    pub(crate) fn open(self: &Arc<Self>, id: u64, path: &str, dialect: &'static str, port: u16) -> OpenEntry {
        let epoch = {
            let mut books = self.lock();
            books.open += 1;
            books.epoch
        };
        self.changed.notify_waiters();
        let entry = Entry {
            id,
            path: path.to_owned(),
            dialect,
            model: String::new(),
            port,
            stream: false,
            status: CLIENT_CLOSED,
            input_tokens: 0,
            output_tokens: 0,
            cached_tokens: 0,
            completed: false,
            authorization_sha256: None,
            signed_headers: None,
        };
        OpenEntry { ledger: Arc::clone(self), epoch, entry: Some(entry) }
    }

    fn book(&self, epoch: u64, entry: Entry) {
        {
            let mut books = self.lock();
            if books.epoch != epoch {
                return;
            }
            books.open -= 1;
            books.totals.add(&entry);
            match books.by_model.get_mut(&entry.model) {
                Some(totals) => totals.add(&entry),
                None => books.by_model.entry(entry.model.clone()).or_default().add(&entry),
            }
            if books.entries.len() == CAPACITY {
                books.entries.pop_front();
            }
            books.entries.push_back(entry);
        }
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that has not ended; dropping it books it, however it ended.
#[derive(Debug)]
pub(crate) struct OpenEntry {
    ledger: Arc<Ledger>,
    epoch: u64,
    /// Always there until the drop.
    entry: Option<Entry>,
}

impl OpenEntry {
    pub(crate) fn id(&self) -> u64 {
        self.entry.as_ref().map_or(0, |entry| entry.id)
    }

    /// Changes what is known of the request.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = &mut self.entry {
            change(entry);
        }
    }

    pub(crate) fn add_output(&mut self, tokens: u64) {
        self.update(|entry| entry.output_tokens += tokens);
    }

    pub(crate) fn complete(&mut self) {
        self.update(|entry| entry.completed = true);
    }
}

impl Drop for OpenEntry {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.ledger.book(self.epoch, entry);
        }
    }
}
