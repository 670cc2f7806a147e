//! Answers that were given before, for requests that ask for the same.
//!
//! * [`request`] says which requests may be answered from here, and what has to be equal for that.
//! * [`store`] keeps the answers.
//! * [`semantic`] finds answers to questions that mean the same.
//! * [`flights`] lets one request ask a provider where many ask for the same at once.
//! * [`fill`] takes an answer in while it passes, and [`replay`] gives it again.

mod control;
mod entry;
pub(crate) mod fill;
mod flights;
mod log;
mod metrics;
pub(crate) mod replay;
mod request;
mod semantic;
pub(crate) mod store;

pub(crate) use control::Control;
pub(crate) use entry::Entry;
pub(crate) use flights::{Leading, Waiting};
pub(crate) use request::Request;
pub use semantic::vectors;
pub(crate) use semantic::{Remote, Semantic, Sought};

use crate::config::CacheSettings;
use crate::store::Redis;
use flights::{Flights, Turn};
use metrics::Metrics;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    semantic: Option<Arc<Semantic>>,
    metrics: Arc<Metrics>,
    purges: AtomicU64,
}

/// What there is for a request.
#[derive(Debug)]
pub(crate) enum Found {
    /// An answer.
    Hit(Hit),
    /// None; whoever asked has to get it, for itself and for those who wait.
    Miss(Option<Leading>, Option<Box<Sought>>),
    /// Somebody is getting it.
    Wait(Waiting),
}

/// An answer to a question.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) entry: Arc<Entry>,
    /// How near the question was that it answered first; `None`: it was the same.
    pub(crate) similarity: Option<f32>,
}

impl Answered {
    /// By what it was found, as headers and the ledger say it.
    pub(crate) fn kind(&self) -> &'static str {
        if self.similarity.is_some() { "semantic" } else { "exact" }
    }
}

/// An answer that was found.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) answered: Answered,
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
        let semantic = settings.semantic.clone();
        let semantic = semantic.map(|semantic| Semantic::open(semantic, lifetime, folder, redis.clone()));
        let semantic = semantic.transpose()?.map(Arc::new);
        let store: Arc<dyn Entries> = match redis.filter(|_| settings.shared) {
            Some(redis) => Arc::new(Shared::new(redis, lifetime)),
            None => Arc::new(Memory::open(settings.max_bytes, lifetime, file)?),
        };
        Ok(Self {
            settings,
            store,
            flights: Flights::default(),
            semantic,
            metrics: Arc::default(),
            purges: AtomicU64::new(0),
        })
    }

    /// What finds answers by their meaning, if any is to be.
    pub(crate) fn semantic(&self) -> Option<&Semantic> {
        self.semantic.as_deref()
    }

    /// Looks for an answer. `alone`: without waiting for others, and without others waiting.
    pub(crate) async fn find(&self, request: &Request, alone: bool) -> Found {
        match self.find_same(request, alone).await {
            Found::Miss(leading, _) => self.find_like(request, leading).await,
            found => found,
        }
    }

    /// Looks for the answer to a question that means the same. Of many who ask the same at once only one looks.
    async fn find_like(&self, request: &Request, leading: Option<Leading>) -> Found {
        let (Some(semantic), Some(question)) = (&self.semantic, &request.question) else {
            return Found::Miss(leading, None);
        };
        let Some(sought) = semantic.look(question, &self.metrics).await else {
            return Found::Miss(leading, None);
        };
        // Who wants no kept answer may still add to what is known.
        if let Some((key, similarity)) = semantic.given(&sought).filter(|_| request.control.reads()) {
            match self.get(&key).await {
                Some(mut hit)
                    if !hit.stale && request.control.accepts(hit.age) && self.is_for(request, &hit) =>
                {
                    hit.answered.similarity = Some(similarity);
                    if let Some(leading) = leading {
                        leading.land(hit.answered.clone());
                    }
                    return Found::Hit(hit);
                }
                Some(_) => {}
                None => semantic.forget(&sought, &key).await,
            }
        }
        Found::Miss(leading, Some(sought))
    }

    /// Whether an answer is one for who asks. What found it says so already; whatever is wrong there, this holds.
    fn is_for(&self, request: &Request, hit: &Hit) -> bool {
        hit.answered.entry.scope == request.scope
    }

    async fn find_same(&self, request: &Request, alone: bool) -> Found {
        let found = if request.control.reads() { self.get(&request.key).await } else { None };
        let fits = found.filter(|hit| request.control.accepts(hit.age));
        match fits {
            // Who may not ask, or keeps nothing, renews nothing.
            Some(hit) if !hit.stale || !request.control.leads() => Found::Hit(hit),
            // One request gets a new one, the others are served meanwhile.
            Some(hit) => match self.flights.join(&request.key) {
                Turn::Lead(leading) => Found::Miss(Some(leading), None),
                Turn::Wait(_) => Found::Hit(hit),
            },
            None if alone || !request.control.leads() => Found::Miss(None, None),
            None => match self.flights.join(&request.key) {
                Turn::Lead(leading) => Found::Miss(Some(leading), None),
                Turn::Wait(waiting) => Found::Wait(waiting),
            },
        }
    }

    /// What the store has, if it says so in time.
    async fn get(&self, key: &str) -> Option<Hit> {
        let answer = tokio::time::timeout(self.settings.timeout, self.store.get(key)).await;
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
        self.hit(Answered { entry, similarity: None })
    }

    /// An answer with its age, unless it is too old.
    pub(crate) fn hit(&self, answered: Answered) -> Option<Hit> {
        let age = Duration::from_millis(now_ms().saturating_sub(answered.entry.created_ms));
        let young = age < self.settings.ttl + self.settings.stale;
        young.then(|| Hit { answered, age, stale: age >= self.settings.ttl })
    }

    /// Keeps an answer, and its question if it was looked for by its meaning.
    pub(crate) async fn put(&self, entry: Arc<Entry>, sought: Option<&Sought>) {
        if entry.bytes() > self.settings.max_entry_bytes {
            return;
        }
        match tokio::time::timeout(self.settings.timeout, self.store.put(entry.clone())).await {
            Ok(Ok(())) => self.metrics.stored(),
            Ok(Err(error)) => {
                self.metrics.failed();
                tracing::warn!(%error, "an answer could not be cached");
                return;
            }
            Err(_) => {
                self.metrics.failed();
                return;
            }
        }
        if let (Some(semantic), Some(sought)) = (&self.semantic, sought) {
            semantic.keep(sought, &entry.key).await;
        }
    }

    /// Learns from the answer of a provider whether the kept answer to a like question would have been right. Nobody waits for it.
    pub(crate) async fn learn(&self, fresh: Arc<Entry>, sought: Box<Sought>) {
        let Some(semantic) = self.semantic.clone() else { return };
        let Some(key) = semantic.to_compare(&sought).filter(|key| *key != fresh.key) else { return };
        let Some(Hit { answered: Answered { entry: kept, .. }, .. }) = self.get(&key).await else { return };
        let metrics = self.metrics.clone();
        tokio::spawn(async move { semantic.learn(&sought, &kept, &fresh, &metrics).await });
    }

    /// Forgets answers, and says how many.
    ///
    /// # Errors
    /// The store cannot be used.
    pub(crate) async fn purge(&self, which: &Which) -> Result<u64, store::Error> {
        // Before anything is forgotten: an answer that is kept at the same time sees it, and is taken back.
        self.purges.fetch_add(1, Ordering::Relaxed);
        self.store.purge(which).await
    }

    /// Forgets an answer that was kept while others were being forgotten.
    async fn take_back(&self, entry: &str) {
        let which = Which { entry: Some(entry.to_owned()), ..Which::default() };
        if let Err(error) = self.store.purge(&which).await {
            tracing::error!(%error, "an answer that was to be forgotten may have been kept");
        }
    }

    /// How often answers were forgotten by this process.
    pub(crate) fn purges(&self) -> u64 {
        self.purges.load(Ordering::Relaxed)
    }

    /// Takes note of what came of a request.
    pub(crate) fn counted(&self, outcome: Outcome, saved_micros: u64) {
        self.metrics.counted(outcome, saved_micros);
    }

    /// Metrics as OpenMetrics text, without the line that ends it.
    pub(crate) fn metrics(&self) -> String {
        self.metrics.text(self.store.size(), self.semantic.as_deref().map(Semantic::size))
    }

    /// Brings what is new to the disk. May wait for it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn maintain(&self) -> std::io::Result<()> {
        self.store.maintain()?;
        self.semantic.as_deref().map_or(Ok(()), Semantic::maintain)
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
