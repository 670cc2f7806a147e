//! The store for more than one process: answers in a Redis server, or one that speaks its language (Valkey).
//!
//! What it promises: what one process keeps, all are given. Each answer is one value that the server forgets when it is too old; what
//! the server does when its memory is full is for its `maxmemory-policy` to say, which must be `noeviction` where limits are
//! counted in the same server. Forgetting looks through all answers, so it takes a while.

use super::{Entries, Error, Size, Which};
use crate::cache::Entry;
use crate::store::{Redis, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// What the names of answers begin with.
const BEGIN: &str = "cache:";

/// The store.
#[derive(Debug)]
pub(crate) struct Shared {
    redis: Arc<Redis>,
    lifetime: Duration,
}

impl Shared {
    /// A store in this server, which forgets answers after so long.
    pub(crate) fn new(redis: Arc<Redis>, lifetime: Duration) -> Self {
        Self { redis, lifetime }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self { reason: error.reason }
    }
}

#[tonic::async_trait]
impl Entries for Shared {
    async fn get(&self, key: &str) -> Result<Option<Arc<Entry>>, Error> {
        let value = self.redis.value(&format!("{BEGIN}{key}")).await?;
        // One of another version is none.
        Ok(value.and_then(|text| serde_json::from_str(&text).ok()).map(Arc::new))
    }

    async fn put(&self, entry: Arc<Entry>) -> Result<(), Error> {
        let text = serde_json::to_string(&*entry).map_err(|error| Error { reason: error.to_string() })?;
        Ok(self.redis.set_value(&format!("{BEGIN}{}", entry.key), &text, self.lifetime).await?)
    }

    async fn purge(&self, which: &Which) -> Result<u64, Error> {
        let meant = |text: &str| serde_json::from_str(text).is_ok_and(|entry| which.matches(&entry));
        Ok(self.redis.forget_values(BEGIN, meant).await?)
    }

    fn size(&self) -> Size {
        Size::default()
    }
}
