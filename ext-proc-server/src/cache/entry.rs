//! A kept answer.

use serde::{Deserialize, Serialize};
use weirgate_dialect::Dialect;

/// A whole plain answer, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its own name, which no other entry has ever had.
    pub(crate) id: String,
    /// What has to be equal for it to be given: see [`super::Request`].
    pub(crate) key: String,
    /// Who shares it.
    pub(crate) scope: String,
    /// The client's dialect.
    pub(crate) dialect: Dialect,
    /// The model that was asked for.
    pub(crate) model: String,
    /// The tags of the request that it was given to first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    /// When it was generated, in milliseconds since 1970.
    pub(crate) created_ms: u64,
    /// What it cost, in micro-dollars.
    pub(crate) cost_micros: u64,
    /// The answer, as JSON text.
    pub(crate) answer: String,
}

impl Entry {
    /// About what it takes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        let texts = [&self.id, &self.key, &self.scope, &self.model, &self.answer];
        let tags: usize = self.tags.iter().map(|tag| tag.len() + 32).sum();
        (texts.iter().map(|text| text.len()).sum::<usize>() + tags + 256) as u64
    }
}
