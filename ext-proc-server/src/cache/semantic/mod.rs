//! Answers to questions that mean the same: a funnel whose every step is cheaper than what it saves.
//!
//! What a request says besides its question has to be equal, so only the questions of one [`Point::group`] are compared. Of these the
//! nearest are found by their embeddings, and the verifier of `weirgate-semantic` looks at what stands in them. What comes of kept
//! answers moves the threshold of each.

mod embedding;
mod personal;
pub mod vectors;

pub(crate) use embedding::Remote;

use super::Entry;
use super::metrics::{Lookup, Metrics};
use crate::config::{EmbedderSettings, SemanticSettings, VectorStore};
use crate::store::Redis;
use embedding::{Embedding, NoVector};
use quick_cache::sync::Cache as Map;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vectors::{Neighbour, Point, Vectors};
use weirgate_dialect::cached;
use weirgate_semantic::compare::{Candidate, NEAREST, Verifier};
use weirgate_semantic::embed::{MiniLm, Table, cosine};
use weirgate_semantic::learn::{Checked, Outcomes};

/// The file of the embedded store in the folder of what survives a restart.
const FILE: &str = "questions.jsonl";
/// How many entries the outcomes are remembered of.
const REMEMBERED: usize = 100_000;
/// How far below its threshold an answer is still compared with that of a provider, in log-odds.
const NEARLY: f64 = 2.0;

/// Finds answers to questions that mean the same.
#[derive(Debug)]
pub(crate) struct Semantic {
    settings: SemanticSettings,
    embedding: Embedding,
    verifier: Verifier,
    vectors: Arc<dyn Vectors>,
    /// What came of entries, by their keys.
    outcomes: Map<String, Outcomes>,
}

/// A question as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// SHA-256, in hexadecimal, of all that has to be equal.
    pub(super) group: String,
    pub(super) text: String,
}

/// What a lookup found out.
#[derive(Debug)]
pub(crate) struct Sought {
    question: Question,
    vector: Vec<f32>,
    nearest: Option<Nearest>,
}

/// The kept question that a lookup most surely asks too.
#[derive(Clone, Debug)]
struct Nearest {
    key: String,
    similarity: f32,
    /// The verifier's.
    score: f64,
    /// Whether its answer may be given.
    is_sure: bool,
}

impl Semantic {
    /// Loads the model and opens the store.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub(super) fn open(
        settings: SemanticSettings,
        lifetime: Duration,
        folder: Option<&Path>,
        redis: Option<Arc<Redis>>,
    ) -> io::Result<Self> {
        let threads = usize::try_from(settings.threads).unwrap_or(1);
        let local = |model| Embedding::local(model, threads, settings.cpu_percent);
        let embedding = match &settings.embedder {
            EmbedderSettings::MiniLm { model } => {
                local(Arc::new(MiniLm::load(model).map_err(io::Error::other)?))?
            }
            EmbedderSettings::Table { model } => {
                let path = model.with_extension("table");
                if !path.exists() {
                    tracing::info!(path = %path.display(), "a table of vectors is made, which takes a minute or two");
                    let model = MiniLm::load(model).map_err(io::Error::other)?;
                    Table::distil(&model, &path).map_err(io::Error::other)?;
                }
                local(Arc::new(Table::load(&path).map_err(io::Error::other)?))?
            }
            EmbedderSettings::Provider(remote) => Embedding::remote(remote.clone(), settings.timeout),
        };
        Self::over(settings, embedding, lifetime, folder, redis)
    }

    /// Opens the store for what is embedded so.
    fn over(
        settings: SemanticSettings,
        embedding: Embedding,
        lifetime: Duration,
        folder: Option<&Path>,
        redis: Option<Arc<Redis>>,
    ) -> io::Result<Self> {
        let verifier = match settings.min_similarity {
            None => Verifier::fitted(),
            Some(least) => Verifier::by_cosine(least),
        };
        let vectors: Arc<dyn Vectors> = match (&settings.vectors, redis) {
            (VectorStore::Redis, Some(redis)) => {
                Arc::new(vectors::Shared::new(redis, embedding.name(), lifetime))
            }
            (VectorStore::Postgres(url), _) => {
                let (url, kind) = (url.clone(), embedding.name().to_owned());
                // It gives up a call itself, before a lookup's own time is over.
                let timeout = settings.timeout * 3 / 4;
                let postgres = vectors::PostgresSettings { url, kind, lifetime, timeout };
                Arc::new(vectors::Postgres::new(&postgres).map_err(io::Error::other)?)
            }
            _ => {
                let file = folder.map(|folder| folder.join(FILE));
                Arc::new(vectors::Memory::open(settings.max_bytes, lifetime, file)?)
            }
        };
        Ok(Self {
            settings,
            embedding,
            verifier: verifier.map_err(io::Error::other)?,
            vectors,
            outcomes: Map::new(REMEMBERED),
        })
    }

    /// In memory, with any model.
    #[cfg(test)]
    pub(super) fn with(
        settings: SemanticSettings,
        model: Arc<dyn weirgate_semantic::embed::Embedder>,
    ) -> io::Result<Self> {
        let embedding = Embedding::local(model, 1, 1_000)?;
        Self::over(settings, embedding, Duration::from_secs(60), None, None)
    }

    /// The question of a request, if it is one to be looked up by its meaning. `context`: the digest of all else that has to be equal.
    pub(super) fn question(
        &self,
        text: Option<&str>,
        tools: bool,
        context: &str,
        private: bool,
    ) -> Option<Question> {
        let text = text?.trim();
        if text.is_empty() || (tools && !self.settings.tools) || (!private && personal::is_personal(text)) {
            return None;
        }
        // Vectors of two models cannot be compared.
        let group = super::request::digest([context, self.embedding.name()]);
        Some(Question { group, text: text.to_owned() })
    }

    /// Looks for a question that means the same, for as long as a lookup may take.
    pub(super) async fn look(&self, question: &Question, metrics: &Metrics) -> Option<Box<Sought>> {
        let start = Instant::now();
        let look = tokio::time::timeout(self.settings.timeout, self.find(question)).await;
        let (sought, outcome) = match look {
            Ok(Ok(sought)) => {
                let outcome = match &sought.nearest {
                    Some(nearest) if nearest.is_sure && self.settings.shadow => Lookup::Shadow,
                    Some(nearest) if nearest.is_sure => Lookup::Sure,
                    Some(_) => Lookup::Unsure,
                    None => Lookup::Nothing,
                };
                (Some(Box::new(sought)), outcome)
            }
            Ok(Err(NoVector::Busy)) => (None, Lookup::Busy),
            Ok(Err(NoVector::TooLong)) => (None, Lookup::TooLong),
            Ok(Err(NoVector::Failed(reason))) => {
                tracing::warn!(reason, "a question could not be looked up by its meaning");
                (None, Lookup::Failed)
            }
            Err(_) => (None, Lookup::TooSlow),
        };
        metrics.looked(outcome, start.elapsed());
        sought
    }

    async fn find(&self, question: &Question) -> Result<Sought, NoVector> {
        let vector = self.embedding.vector(&question.text).await?;
        let near = self.vectors.nearest(&question.group, &vector, NEAREST).await;
        let near = near.map_err(|error| NoVector::Failed(error.to_string()))?;
        let nearest = self.judge(&question.text, &near);
        Ok(Sought { question: question.clone(), vector, nearest })
    }

    fn judge(&self, text: &str, near: &[Neighbour]) -> Option<Nearest> {
        let candidates: Vec<Candidate<'_>> = near
            .iter()
            .map(|kept| Candidate { text: &kept.text, vector: &kept.vector, similarity: kept.similarity })
            .collect();
        let (place, score) = self.verifier.best(&self.verifier.read(text), &candidates)?;
        let Neighbour { key, similarity, .. } = near.get(place)?;
        let fitted = self.verifier.threshold();
        let threshold = self.outcomes.get(key).map_or(fitted, |outcomes| outcomes.threshold(fitted));
        Some(Nearest { key: key.clone(), similarity: *similarity, score, is_sure: score >= threshold })
    }

    /// The key of the answer that is to be given, if any is, and how near its question is.
    pub(super) fn given(&self, sought: &Sought) -> Option<(String, f32)> {
        let nearest = sought.nearest.as_ref().filter(|nearest| nearest.is_sure && !self.settings.shadow)?;
        let checked = u64::from(self.settings.check_percent) > random_percent();
        (!checked).then(|| (nearest.key.clone(), nearest.similarity))
    }

    /// Forgets a question whose answer is there no more.
    pub(super) async fn forget(&self, sought: &Sought, key: &str) {
        // It is forgotten sooner or later.
        let _ = self.vectors.forget(&sought.question.group, key).await;
    }

    /// Keeps a question whose answer was kept under this key.
    pub(super) async fn keep(&self, sought: &Sought, key: &str) {
        let Question { group, text } = sought.question.clone();
        let point = Point { group, key: key.to_owned(), text, vector: sought.vector.clone() };
        let kept = tokio::time::timeout(self.settings.timeout, self.vectors.put(point)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "a question could not be kept");
        }
    }

    /// The key of an answer that a provider's is to be compared with.
    pub(super) fn to_compare(&self, sought: &Sought) -> Option<String> {
        let nearest = sought.nearest.as_ref()?;
        (nearest.score >= self.verifier.threshold() - NEARLY).then(|| nearest.key.clone())
    }

    /// Learns from the answer of a provider whether a kept one would have been right.
    pub(super) async fn learn(&self, sought: &Sought, kept: &Entry, fresh: &Entry, metrics: &Metrics) {
        let Some(nearest) = &sought.nearest else { return };
        let Some(right) = self.agree(kept, fresh).await else { return };
        metrics.checked(nearest.is_sure, right);
        let mut outcomes = self.outcomes.get(&nearest.key).unwrap_or_default();
        outcomes.add(Checked { score: nearest.score, right });
        self.outcomes.insert(nearest.key.clone(), outcomes);
    }

    /// Whether two answers say the same; `None`: it cannot be told.
    async fn agree(&self, one: &Entry, other: &Entry) -> Option<bool> {
        let text = |entry: &Entry| {
            let answer = serde_json::from_str(&entry.answer).ok()?;
            cached::text(entry.dialect, &answer)
        };
        let (one, other) = (text(one)?, text(other)?);
        if one.split_whitespace().eq(other.split_whitespace()) {
            return Some(true);
        }
        let vector = |text: String| async move {
            let vector = self.embedding.vector(&text).await.ok()?;
            Some((text, vector))
        };
        let (one, of_one) = vector(one).await?;
        let (other, of_other) = vector(other).await?;
        Some(self.verifier.agree(&one, &other, cosine(&of_one, &of_other)))
    }

    /// How many questions this process keeps, and about what they take in bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        self.vectors.size()
    }

    /// Brings what is new to the disk. May wait for it.
    pub(super) fn maintain(&self) -> io::Result<()> {
        self.vectors.maintain()
    }
}

/// Below a hundred, each as likely as the others.
fn random_percent() -> u64 {
    getrandom::u64().map_or(100, |number| number % 100)
}
