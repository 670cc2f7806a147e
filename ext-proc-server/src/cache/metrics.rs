//! What the cache did, as metrics.

use super::Outcome;
use super::store::Size;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    outcome: &'static str,
}

/// What came of looking for a question that means the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lookup {
    /// There is one whose answer may be given.
    Sure,
    /// The same, in shadow mode, which gives none.
    Shadow,
    /// There is one, but it is not sure enough.
    Unsure,
    /// None can be taken for the same.
    Nothing,
    /// The model had enough to do.
    Busy,
    /// The model reads no texts of this length.
    TooLong,
    /// It took longer than it may.
    TooSlow,
    /// The model or the store failed.
    Failed,
}

impl Lookup {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sure => "sure",
            Self::Shadow => "shadow",
            Self::Unsure => "unsure",
            Self::Nothing => "nothing",
            Self::Busy => "busy",
            Self::TooLong => "too_long",
            Self::TooSlow => "too_slow",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckedLabels {
    given: &'static str,
    right: &'static str,
}

#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Label, Counter>,
    saved_micros: Counter,
    stored: Counter,
    failed: Counter,
    entries: Gauge,
    bytes: Gauge,
    lookups: Family<Label, Counter>,
    lookup_seconds: Histogram,
    checked: Family<CheckedLabels, Counter>,
    questions: Gauge,
    question_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            saved_micros: Counter::default(),
            stored: Counter::default(),
            failed: Counter::default(),
            entries: Gauge::default(),
            bytes: Gauge::default(),
            lookups: Family::default(),
            // From half a millisecond to a second.
            lookup_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 12)),
            checked: Family::default(),
            questions: Gauge::default(),
            question_bytes: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "weirgate_cache_requests",
            "Requests by what the cache did",
            metrics.requests.clone(),
        );
        let about = "What providers would have cost for answers of the cache, in micro-dollars";
        registry.register("weirgate_cache_saved_micro_dollars", about, metrics.saved_micros.clone());
        registry.register("weirgate_cache_stored", "Answers that were kept", metrics.stored.clone());
        let about = "Calls of the cache's store that failed or took too long";
        registry.register("weirgate_cache_store_failures", about, metrics.failed.clone());
        registry.register("weirgate_cache_entries", "Answers in this process", metrics.entries.clone());
        registry.register("weirgate_cache_bytes", "What they take", metrics.bytes.clone());
        let about = "Lookups of questions that mean the same, by what came of them";
        registry.register("weirgate_cache_semantic_lookups", about, metrics.lookups.clone());
        let about = "How long such a lookup took";
        registry.register("weirgate_cache_semantic_lookup_seconds", about, metrics.lookup_seconds.clone());
        let about = "Kept answers that were compared with a provider's: whether they would have been given, and were right";
        registry.register("weirgate_cache_semantic_checked", about, metrics.checked.clone());
        let about = "Questions in this process that are found by their meaning";
        registry.register("weirgate_cache_questions", about, metrics.questions.clone());
        registry.register("weirgate_cache_question_bytes", "What they take", metrics.question_bytes.clone());
        metrics
    }
}

impl Metrics {
    pub(super) fn counted(&self, outcome: Outcome, saved_micros: u64) {
        self.requests.get_or_create(&Label { outcome: outcome.as_str() }).inc();
        self.saved_micros.inc_by(saved_micros);
    }

    pub(super) fn stored(&self) {
        self.stored.inc();
    }

    pub(super) fn failed(&self) {
        self.failed.inc();
    }

    pub(super) fn looked(&self, outcome: Lookup, time: Duration) {
        self.lookups.get_or_create(&Label { outcome: outcome.as_str() }).inc();
        self.lookup_seconds.observe(time.as_secs_f64());
    }

    pub(super) fn checked(&self, given: bool, right: bool) {
        let said = |is| if is { "true" } else { "false" };
        self.checked.get_or_create(&CheckedLabels { given: said(given), right: said(right) }).inc();
    }

    /// `questions`: how many are found by their meaning, and the bytes that they take.
    pub(super) fn text(&self, size: Size, questions: Option<(u64, u64)>) -> String {
        let (questions, question_bytes) = questions.unwrap_or_default();
        self.questions.set(i64::try_from(questions).unwrap_or(i64::MAX));
        self.question_bytes.set(i64::try_from(question_bytes).unwrap_or(i64::MAX));
        self.entries.set(i64::try_from(size.entries).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(size.bytes).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a text never fails.
        let _ = encode_registry(&mut text, &self.registry);
        text
    }
}
