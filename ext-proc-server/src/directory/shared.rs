//! The audit log of several processes: a list in Redis.

use super::log::{AppendError, AuditLog, Entry};
use crate::store::{Redis, StoreError};
use std::io;
use std::sync::Arc;

/// The list's name behind the store's prefix.
const LIST: &str = "audit";

/// A log in the store's server. Each process reads what the others have appended ([`super::Managed::refresh`]).
#[derive(Debug)]
pub struct SharedLog(Arc<Redis>);

impl SharedLog {
    /// The log in this server.
    pub fn new(redis: Arc<Redis>) -> Self {
        Self(redis)
    }
}

#[tonic::async_trait]
impl AuditLog for SharedLog {
    async fn append(&self, entry: &Entry) -> Result<(), AppendError> {
        let text = serde_json::to_string(entry).map_err(|error| AppendError::Failed(error.into()))?;
        match self.0.append(LIST, entry.sequence.saturating_sub(1), &text).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(AppendError::Behind),
            Err(error) => Err(AppendError::Failed(failed(error))),
        }
    }

    async fn read(&self, from: u64, most: usize) -> io::Result<Vec<Entry>> {
        let texts = self.0.entries(LIST, from.saturating_sub(1), most).await.map_err(failed)?;
        texts.iter().map(|text| serde_json::from_str(text).map_err(io::Error::from)).collect()
    }

    async fn last(&self) -> io::Result<u64> {
        self.0.length(LIST).await.map_err(failed)
    }
}

fn failed(error: StoreError) -> io::Error {
    io::Error::other(error)
}
