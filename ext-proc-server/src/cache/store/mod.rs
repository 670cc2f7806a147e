//! Where answers are kept.

mod memory;
mod redis;

pub(crate) use memory::Memory;
pub(crate) use redis::Shared;

use super::Entry;
use std::fmt;
use std::sync::Arc;

/// Which answers are meant: those that match all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Which {
    /// The one of this id.
    pub(crate) entry: Option<String>,
    /// Those that this scope shares.
    pub(crate) scope: Option<String>,
    /// Those to requests for this model.
    pub(crate) model: Option<String>,
    /// Those to requests with this tag.
    pub(crate) tag: Option<String>,
}

impl Which {
    /// Whether an entry is one of them.
    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        let is =
            |wanted: &Option<String>, value: &String| wanted.as_ref().is_none_or(|wanted| wanted == value);
        // The scope of a key holds those of its end users.
        let within = |scope: &String| {
            entry
                .scope
                .strip_prefix(scope.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        is(&self.entry, &entry.id)
            && self.scope.as_ref().is_none_or(within)
            && is(&self.model, &entry.model)
            && self.tag.as_ref().is_none_or(|tag| entry.tags.contains(tag))
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Answers.
    pub(crate) entries: u64,
    /// What they take.
    pub(crate) bytes: u64,
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What happened, for the log.
    pub reason: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Error {}

/// A store of answers. What it gives is whole, and what it was given; it may forget at any time.
#[tonic::async_trait]
pub(crate) trait Entries: Send + Sync + fmt::Debug {
    /// The answer of this key.
    async fn get(&self, key: &str) -> Result<Option<Arc<Entry>>, Error>;

    /// Keeps an answer, in place of the one that has its key.
    async fn put(&self, entry: Arc<Entry>) -> Result<(), Error>;

    /// Forgets answers, and says how many.
    async fn purge(&self, which: &Which) -> Result<u64, Error>;

    /// How much this process keeps.
    fn size(&self) -> Size;

    /// Does what is to be done every second or so. May wait for a disk.
    ///
    /// # Errors
    /// The disk cannot be written.
    fn maintain(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
