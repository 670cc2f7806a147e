//! Totals of the ledger: by key, model and day for `/usage`, by everything else for `/admin/v1/spend`, and as metrics.

use super::line::Line;
use super::spend::Spend;
use crate::store::{Date, day};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// Seconds at which the histograms have a boundary: from a cached answer to a long chain of thought.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Names are labels only if the configuration knows them, or else a client could make as many as it likes. This one
/// stands for all others.
pub(super) const OTHER: &str = "other";

/// Sums of requests that have something in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Sums {
    /// Requests that have ended.
    pub(crate) requests: u64,
    /// Requests that failed or were refused.
    pub(crate) failed: u64,
    /// Tokens of input, with those that a cache covered.
    pub(crate) input_tokens: u64,
    /// Tokens of output, with those of reasoning.
    pub(crate) output_tokens: u64,
    /// The part of the input that was read from a cache.
    pub(crate) cached_tokens: u64,
    /// Money, in micro-dollars.
    pub(crate) cost_micros: u64,
}

impl Sums {
    /// What one line adds.
    pub(super) fn of(line: &Line) -> Self {
        Self {
            requests: 1,
            failed: u64::from(!line.error.is_empty()),
            input_tokens: line.usage.total_input(),
            output_tokens: line.usage.total_output(),
            cached_tokens: line.usage.cache_read,
            cost_micros: line.cost_micros,
        }
    }

    /// Adds others to these.
    pub(super) fn add(&mut self, more: &Self) {
        for (sum, more) in [
            (&mut self.requests, more.requests),
            (&mut self.failed, more.failed),
            (&mut self.input_tokens, more.input_tokens),
            (&mut self.output_tokens, more.output_tokens),
            (&mut self.cached_tokens, more.cached_tokens),
            (&mut self.cost_micros, more.cost_micros),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// One row of `/usage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    day: String,
    key: String,
    model: String,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    key: String,
    model: String,
    provider: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    key: String,
    model: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CostLabels {
    key: String,
    model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabel {
    model: String,
}

/// The totals of one process.
#[derive(Debug)]
pub(crate) struct Totals {
    /// The names of models that may become labels.
    known: HashSet<String>,
    by_day: BTreeMap<(Date, String, String), Sums>,
    spend: Spend,
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    cost: Family<CostLabels, Counter>,
    latency: Family<ModelLabel, Histogram, fn() -> Histogram>,
    first_byte: Family<ModelLabel, Histogram, fn() -> Histogram>,
}

impl Totals {
    /// Totals in which only these models have a row of their own.
    pub(super) fn new(known: HashSet<String>) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut totals = Self {
            known,
            by_day: BTreeMap::new(),
            spend: Spend::default(),
            registry: Registry::with_prefix("weirgate"),
            requests: Family::default(),
            tokens: Family::default(),
            cost: Family::default(),
            latency: Family::new_with_constructor(histogram),
            first_byte: Family::new_with_constructor(histogram),
        };
        let registry = &mut totals.registry;
        registry.register("requests", "Requests that have ended", totals.requests.clone());
        registry.register("tokens", "Tokens, each in one kind only", totals.tokens.clone());
        registry.register("cost_micro_dollars", "Cost in micro-dollars", totals.cost.clone());
        registry.register(
            "request_duration_seconds",
            "From first byte in to last byte out",
            totals.latency.clone(),
        );
        registry.register(
            "first_byte_seconds",
            "From first byte in to first byte out",
            totals.first_byte.clone(),
        );
        totals
    }

    pub(super) fn add(&mut self, line: &Line) {
        let key = line.whose.key.clone();
        let model = if self.known.contains(&line.model) { line.model.clone() } else { OTHER.to_owned() };
        let (day, sums) = (day(line.time()), Sums::of(line));
        self.by_day.entry((day, key.clone(), model.clone())).or_default().add(&sums);
        self.spend.add(day, &line.whose, &model, &line.provider, &sums);

        let labels = RequestLabels {
            key: key.clone(),
            model: model.clone(),
            provider: line.provider.clone(),
            status: line.status,
        };
        self.requests.get_or_create(&labels).inc();
        let usage = &line.usage;
        for (kind, tokens) in [
            ("input", usage.input),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write.saturating_add(usage.cache_write_1h)),
            ("output", usage.output),
            ("reasoning", usage.reasoning),
            ("audio_input", usage.audio_input),
            ("audio_output", usage.audio_output),
            ("image_input", usage.image_input),
            ("image_output", usage.image_output),
        ] {
            if tokens > 0 {
                let labels = TokenLabels { key: key.clone(), model: model.clone(), kind };
                self.tokens.get_or_create(&labels).inc_by(tokens);
            }
        }
        self.cost.get_or_create(&CostLabels { key, model: model.clone() }).inc_by(line.cost_micros);
        let label = ModelLabel { model };
        self.latency.get_or_create(&label).observe(line.latency_ms / 1_000.0);
        if let Some(first_byte) = line.first_byte_ms {
            self.first_byte.get_or_create(&label).observe(first_byte / 1_000.0);
        }
    }

    /// The rows, day by day.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let row = |((day, key, model), sums): (&(Date, String, String), &Sums)| Row {
            day: day.to_string(),
            key: key.clone(),
            model: model.clone(),
            sums: *sums,
        };
        self.by_day.iter().map(row).collect()
    }

    /// The sums by everything that a line tells apart.
    pub(crate) fn spend(&self) -> &Spend {
        &self.spend
    }

    /// The metrics as OpenMetrics text.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
