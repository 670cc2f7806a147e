//! The cache of answers.

use super::SemanticSettings;
use super::document::{Fields, Node};
use super::values::Reader;
use std::time::Duration;

/// How answers are cached.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheSettings {
    /// How long an answer is given.
    pub ttl: Duration,
    /// How much longer it is given to others while one request gets a new one.
    pub stale: Duration,
    /// Who shares answers.
    pub scope: Scope,
    /// Whether to cache what a model is not asked to answer the same each time.
    pub any_temperature: bool,
    /// The only models; empty: all.
    pub models: Vec<String>,
    /// What an answer costs, in per cent of what it cost at first.
    pub charge_percent: u8,
    /// How many tokens a second a stream gives, about; `None`: all at once.
    pub tokens_per_second: Option<u64>,
    /// The memory for all answers, in bytes.
    pub max_bytes: u64,
    /// The largest answer, in bytes.
    pub max_entry_bytes: u64,
    /// How long the store may take.
    pub timeout: Duration,
    /// Whether answers are kept in the Redis server of the limits, which several services share.
    pub shared: bool,
    /// How answers to questions that mean the same are found; `None`: they are not.
    pub(crate) semantic: Option<SemanticSettings>,
}

/// Who shares answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The requests of a key.
    Key,
    /// Those of an end user of a key.
    EndUser,
    /// Those of a team.
    Team,
    /// Those of an organisation.
    Organization,
    /// All.
    Shared,
}

impl Reader<'_> {
    pub(super) fn cache(&self, node: &Node, models: &[&str], has_redis: bool) -> Option<CacheSettings> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let mut duration = |name: &'static str, default: Duration| {
            fields.get(name).and_then(|node| self.duration(node)).unwrap_or(default)
        };
        let ttl = duration("ttl", Duration::from_secs(3_600));
        let stale = duration("stale", Duration::ZERO);
        let timeout = duration("timeout", Duration::from_millis(5));
        let scopes = [
            ("key", Scope::Key),
            ("end_user", Scope::EndUser),
            ("team", Scope::Team),
            ("organization", Scope::Organization),
            ("shared", Scope::Shared),
        ];
        let scope = fields.get("scope").and_then(|node| self.choice(node, &scopes)).unwrap_or(Scope::Key);
        let any_temperature = fields.get("any_temperature").and_then(|node| self.flag(node)).unwrap_or(false);
        let only = fields.list("models", problems).iter();
        let models = only.filter_map(|node| self.one_of(node, "model", models)).collect();
        let charge_percent =
            fields.get("charge_percent").and_then(|node| self.percent(node, 0..=100)).unwrap_or(0);
        let tokens_per_second = fields.get("tokens_per_second").and_then(|node| self.count(node));
        let mut bytes = |name: &'static str, default: u64| {
            fields.get(name).and_then(|node| self.bytes(node)).unwrap_or(default)
        };
        let max_bytes = bytes("max_bytes", 256 << 20);
        let max_entry_bytes = bytes("max_entry_bytes", 1 << 20);
        let stores = [("memory", false), ("redis", true)];
        let store = fields.get("store");
        let shared = store.and_then(|node| self.choice(node, &stores)).unwrap_or(false);
        let semantic = fields.get("semantic").and_then(|node| self.semantic(node, has_redis));
        fields.finish(problems);
        if let Some(node) = store.filter(|_| shared && !has_redis) {
            problems.add(node, "redis needs a store.redis");
        }
        if ttl.is_zero() || timeout.is_zero() || tokens_per_second == Some(0) {
            problems.add(node, "ttl, timeout and tokens_per_second must be more than 0");
        }
        Some(CacheSettings {
            ttl,
            stale,
            scope,
            any_temperature,
            models,
            charge_percent,
            tokens_per_second,
            max_bytes,
            max_entry_bytes,
            timeout,
            shared,
            semantic,
        })
    }
}
