//! The store for more than one process: questions in a Redis server that has vector search, which is Redis 8, Redis Stack, or
//! Valkey with its search module.
//!
//! What it promises: what one process keeps, all find, about as soon as it is kept. Each question is a hash that the server forgets
//! when it is too old. The nearest are found by a graph (HNSW), which may miss some. Of several thousand questions in a group it finds
//! nearly all. The server lets only its database 0 be searched.

use super::name::name;
use super::{Error, Neighbour, Point, Vectors};
use crate::store::{Redis, StoreError};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For how long a server that had no vector search is not asked again.
const UNSUPPORTED: Duration = Duration::from_secs(60);

/// The store in a Redis server.
#[derive(Debug)]
pub struct Shared {
    redis: Arc<Redis>,
    /// What the questions of this embedder are kept under.
    space: String,
    lifetime: Duration,
    /// The dimensions for which there was an index.
    indexed: Mutex<HashSet<usize>>,
    /// When the server last said that it has no vector search.
    unsupported: Mutex<Option<Instant>>,
}

impl Shared {
    /// A store in this server, for the embeddings of one embedder, which forgets questions after so long.
    pub fn new(redis: Arc<Redis>, kind: &str, lifetime: Duration) -> Self {
        Self { redis, space: name(kind), lifetime, indexed: Mutex::default(), unsupported: Mutex::default() }
    }

    /// Whether the server is not to be asked: it has said that it has no vector search, and that is an error once a minute only.
    fn rests(&self) -> bool {
        let since = *self.unsupported.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() < UNSUPPORTED)
    }

    /// Takes note of what an error says about the server.
    fn learn(&self, error: StoreError) -> Error {
        if error.reason == Redis::NO_SEARCH {
            *self.unsupported.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        error.into()
    }

    fn is_indexed(&self, dimensions: usize) -> bool {
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner).contains(&dimensions)
    }
}

#[tonic::async_trait]
impl Vectors for Shared {
    async fn nearest(&self, group: &str, vector: &[f32], count: usize) -> Result<Vec<Neighbour>, Error> {
        if count == 0 || self.rests() {
            return Ok(Vec::new());
        }
        let found = self.redis.nearest_points(&self.space, group, vector, count).await;
        let found = found.map_err(|error| self.learn(error))?;
        let neighbours = found.into_iter().map(|found| Neighbour {
            key: found.name,
            text: found.text,
            vector: found.vector,
            similarity: 1.0 - found.distance,
        });
        let mut neighbours: Vec<Neighbour> = neighbours.collect();
        // Not every server gives the nearest first.
        neighbours.sort_by(|one, other| other.similarity.total_cmp(&one.similarity));
        Ok(neighbours)
    }

    async fn put(&self, point: Point) -> Result<(), Error> {
        if self.rests() {
            return Ok(());
        }
        let Point { group, key, text, vector } = point;
        // One that is lost later, with all that was in the server, is made again by whoever looks for something.
        if !self.is_indexed(vector.len()) {
            let indexed = self.redis.index_points(&self.space, vector.len()).await;
            indexed.map_err(|error| self.learn(error))?;
            self.indexed.lock().unwrap_or_else(PoisonError::into_inner).insert(vector.len());
        }
        Ok(self.redis.keep_point(&self.space, &key, &group, &text, &vector, self.lifetime).await?)
    }

    async fn forget(&self, _group: &str, key: &str) -> Result<(), Error> {
        Ok(self.redis.forget_point(&self.space, key).await?)
    }
}
