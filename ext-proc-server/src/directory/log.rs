//! The audit log: every change, who made it, and what there was before and after. Entries are only ever appended.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number: one more than that of the entry before it, from 1.
    pub sequence: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// Who: an admin, or the key that its owner changed.
    pub actor: String,
    /// In which role.
    pub role: String,
    /// What was done.
    pub action: Action,
    /// To what kind of thing.
    pub kind: Kind,
    /// To which.
    pub name: String,
    /// What there was; `null`: nothing.
    pub before: Option<serde_json::Value>,
    /// What there is; `null`: nothing.
    pub after: Option<serde_json::Value>,
}

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The name of the admin, or of the key.
    pub name: String,
    /// The role.
    pub role: String,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Something new is made.
    Create,
    /// It is changed.
    Update,
    /// It is gone.
    Delete,
    /// A key gets a new secret.
    Rotate,
    /// A key may not be used at the moment.
    Block,
    /// It may be used again.
    Unblock,
}

/// What the admin API manages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Organisations.
    Organization,
    /// Teams.
    Team,
    /// Users.
    User,
    /// Virtual keys.
    Key,
    /// Limits of nobody in particular.
    Limit,
}

impl Kind {
    /// All, with their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("organization", Self::Organization),
        ("team", Self::Team),
        ("user", Self::User),
        ("key", Self::Key),
        ("limit", Self::Limit),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why an entry was not appended.
#[derive(Debug)]
pub enum AppendError {
    /// There are entries that the writer has not seen.
    Behind,
    /// The log cannot be written.
    Failed(io::Error),
}

/// Where entries are kept.
#[tonic::async_trait]
pub trait AuditLog: Send + Sync + fmt::Debug {
    /// Appends an entry if its number follows the last one. It is kept for good when this returns.
    async fn append(&self, entry: &Entry) -> Result<(), AppendError>;

    /// Entries from a number on, in order, at most `most`.
    async fn read(&self, from: u64, most: usize) -> io::Result<Vec<Entry>>;

    /// The number of the last entry; 0: there is none.
    async fn last(&self) -> io::Result<u64>;
}

/// A log that is forgotten when the process ends.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<Vec<Entry>>);

impl MemoryLog {
    fn entries(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl AuditLog for MemoryLog {
    async fn append(&self, entry: &Entry) -> Result<(), AppendError> {
        let mut entries = self.entries();
        if entry.sequence != entries.len() as u64 + 1 {
            return Err(AppendError::Behind);
        }
        entries.push(entry.clone());
        Ok(())
    }

    async fn read(&self, from: u64, most: usize) -> io::Result<Vec<Entry>> {
        let skip = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(self.entries().iter().skip(skip).take(most).cloned().collect())
    }

    async fn last(&self) -> io::Result<u64> {
        Ok(self.entries().len() as u64)
    }
}
