//! Answers that were given before, for requests that ask for the same.
//!
//! * [`request`] says which requests may be answered from here, and what has to be equal for that.
//! * [`store`] keeps the answers.
//! * [`flights`] lets one request ask a provider where many ask for the same at once.
//! * [`fill`] takes an answer in while it passes, and [`replay`] gives it again.

mod control;
mod entry;
pub(crate) mod fill;
mod flights;
mod metrics;
pub(crate) mod replay;
mod request;
pub(crate) mod store;

pub(crate) use control::Control;
pub(crate) use entry::Entry;
pub(crate) use flights::{Leading, Waiting};
pub(crate) use request::Request;

use crate::config::CacheSettings;
use crate::store::Redis;
use flights::{Flights, Turn};
use metrics::Metrics;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{Entries, Memory, Shared, Which};

/// The file of the embedded store in the folder of what survives a restart.
const FILE: &str = "cache.jsonl";

/// The cache of one process.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) settings: CacheSettings,
    store: Arc<dyn Entries>,
    flights: Flights,
    metrics: Metrics,
}

/// What there is for a request.
#[derive(Debug)]
pub(crate) enum Found {
    /// An answer.
    Hit(Hit),
    /// None; whoever asked has to get it, for itself and for those who wait.
    Miss(Option<Leading>),
    /// Somebody is getting it.
    Wait(Waiting),
}

/// An answer that was found.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) entry: Arc<Entry>,
    pub(crate) age: Duration,
    /// It is older than it should be, and another request is getting a new one.
    pub(crate) stale: bool,
}

impl Cache {
    /// A cache by these settings, with what the last process left in this folder, or with what others keep in `redis`.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub(crate) fn open(
        settings: CacheSettings,
        folder: Option<&Path>,
        redis: Option<Arc<Redis>>,
    ) -> std::io::Result<Self> {
        let file = folder.map(|folder| folder.join(FILE));
        let lifetime = settings.ttl + settings.stale;
        let store: Arc<dyn Entries> = match redis.filter(|_| settings.shared) {
            Some(redis) => Arc::new(Shared::new(redis, lifetime)),
            None => Arc::new(Memory::open(settings.max_bytes, lifetime, file)?),
        };
        Ok(Self { settings, store, flights: Flights::default(), metrics: Metrics::default() })
    }

    /// Looks for an answer. `alone`: without waiting for others, and without others waiting.
    pub(crate) async fn find(&self, request: &Request, alone: bool) -> Found {
        let found = if request.control.reads() { self.get(request).await } else { None };
        let fits = found.filter(|hit| request.control.accepts(hit.age));
        match fits {
            // Who may not ask, or keeps nothing, renews nothing.
            Some(hit) if !hit.stale || !request.control.leads() => Found::Hit(hit),
            // One request gets a new one, the others are served meanwhile.
            Some(hit) => match self.flights.join(&request.key) {
                Turn::Lead(leading) => Found::Miss(Some(leading)),
                Turn::Wait(_) => Found::Hit(hit),
            },
            None if alone || !request.control.leads() => Found::Miss(None),
            None => match self.flights.join(&request.key) {
                Turn::Lead(leading) => Found::Miss(Some(leading)),
                Turn::Wait(waiting) => Found::Wait(waiting),
            },
        }
    }

    /// What the store has, if it says so in time.
    async fn get(&self, request: &Request) -> Option<Hit> {
        let answer = tokio::time::timeout(self.settings.timeout, self.store.get(&request.key)).await;
        let entry = match answer {
            Ok(Ok(entry)) => entry?,
            Ok(Err(error)) => {
                self.metrics.failed();
                tracing::warn!(%error, "the cache's store cannot be used");
                return None;
            }
            Err(_) => {
                self.metrics.failed();
                return None;
            }
        };
        let age = Duration::from_millis(now_ms().saturating_sub(entry.created_ms));
        (age < self.settings.ttl + self.settings.stale).then(|| Hit {
            entry,
            age,
            stale: age >= self.settings.ttl,
        })
    }

    /// Keeps an answer.
    pub(crate) async fn put(&self, entry: Arc<Entry>) {
        if entry.bytes() > self.settings.max_entry_bytes {
            return;
        }
        match tokio::time::timeout(self.settings.timeout, self.store.put(entry)).await {
            Ok(Ok(())) => self.metrics.stored(),
            Ok(Err(error)) => {
                self.metrics.failed();
                tracing::warn!(%error, "an answer could not be cached");
            }
            Err(_) => self.metrics.failed(),
        }
    }

    /// Forgets answers, and says how many.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) async fn purge(&self, which: &Which) -> Result<u64, store::Error> {
        self.store.purge(which).await
    }

    /// Takes note of what came of a request.
    pub(crate) fn counted(&self, outcome: Outcome, saved_micros: u64) {
        self.metrics.counted(outcome, saved_micros);
    }

    /// Metrics as OpenMetrics text, without the line that ends it.
    pub(crate) fn metrics(&self) -> String {
        self.metrics.text(self.store.size())
    }

    /// Brings what is new to the disk. May wait for it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn maintain(&self) -> std::io::Result<()> {
        self.store.maintain()
    }
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// It was answered from the cache.
    Hit,
    /// The same, with an answer that is being renewed.
    Stale,
    /// A provider was asked.
    Miss,
    /// The cache was not asked.
    Bypass,
}

impl Outcome {
    /// Its name in headers and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
