//! What the cache did, as metrics.

use super::Outcome;
use super::store::Size;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    outcome: &'static str,
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

    pub(super) fn text(&self, size: Size) -> String {
        self.entries.set(i64::try_from(size.entries).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(size.bytes).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing to a text never fails.
        let _ = encode_registry(&mut text, &self.registry);
        text
    }
}
