//! The embedded store: an index in memory, up to a number of bytes, and a file across restarts.

use super::{Error, Neighbour, Point, Vectors};
use crate::cache::log::Log;
use crate::cache::now_ms;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use weirgate_semantic::index::{Index, Item};

/// The embedded store.
#[derive(Debug)]
pub struct Memory {
    index: RwLock<Index>,
    lifetime: Duration,
    log: Option<Mutex<Log<Line>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Put { group: String, key: String, text: String, created_ms: u64, vector: String },
    Forget(String),
}

impl Line {
    fn put(group: &str, item: &Item) -> Self {
        let bytes: Vec<u8> = item.numbers().iter().flat_map(|number| number.to_le_bytes()).collect();
        Self::Put {
            group: group.to_owned(),
            key: item.key.to_string(),
            text: item.text.to_string(),
            created_ms: item.created_ms,
            vector: BASE64_STANDARD_NO_PAD.encode(bytes),
        }
    }
}

impl Memory {
    /// A store of so many bytes. `file`: what it has kept, but for what is older than `lifetime`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(max_bytes: u64, lifetime: Duration, file: Option<PathBuf>) -> io::Result<Self> {
        let mut index = Index::new(usize::try_from(max_bytes).unwrap_or(usize::MAX));
        let log = file.map(|path| {
            let since = oldest(lifetime);
            Log::read(&path, |line| match line {
                Line::Put { group, key, text, created_ms, vector } if created_ms >= since => {
                    let bytes = BASE64_STANDARD_NO_PAD.decode(vector).unwrap_or_default();
                    let (numbers, _) = bytes.as_chunks::<2>();
                    let numbers = numbers.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect();
                    index.put(&group, Arc::new(Item::of(&key, &text, numbers, created_ms)));
                }
                Line::Put { .. } => {}
                Line::Forget(key) => index.forget(&key),
            })?;
            let lines = index.iter().map(|(group, item)| Line::put(group, item));
            Log::rewrite(&path, lines)
        });
        Ok(Self { index: RwLock::new(index), lifetime, log: log.transpose()?.map(Mutex::new) })
    }

    fn note(&self, line: impl FnOnce() -> Line) {
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).note(line());
        }
    }
}

fn oldest(lifetime: Duration) -> u64 {
    now_ms().saturating_sub(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX))
}

#[tonic::async_trait]
impl Vectors for Memory {
    async fn nearest(&self, group: &str, vector: &[f32], count: usize) -> Result<Vec<Neighbour>, Error> {
        let found = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            index.nearest(group, vector, count)
        };
        let since = oldest(self.lifetime);
        let young = found.into_iter().filter(|found| found.item.created_ms > since);
        let neighbours = young.map(|found| Neighbour {
            key: found.item.key.to_string(),
            text: found.item.text.to_string(),
            vector: found.item.vector(),
            similarity: found.similarity,
        });
        Ok(neighbours.collect())
    }

    async fn put(&self, point: Point) -> Result<(), Error> {
        let item = Arc::new(Item::new(&point.key, &point.text, &point.vector, now_ms()));
        self.index.write().unwrap_or_else(PoisonError::into_inner).put(&point.group, item.clone());
        self.note(|| Line::put(&point.group, &item));
        Ok(())
    }

    async fn forget(&self, _group: &str, key: &str) -> Result<(), Error> {
        self.index.write().unwrap_or_else(PoisonError::into_inner).forget(key);
        self.note(|| Line::Forget(key.to_owned()));
        Ok(())
    }

    fn size(&self) -> (u64, u64) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        (index.len() as u64, index.bytes() as u64)
    }

    fn maintain(&self) -> io::Result<()> {
        self.index.write().unwrap_or_else(PoisonError::into_inner).expire(oldest(self.lifetime));
        let Some(log) = &self.log else { return Ok(()) };
        Log::flush(log, self.size().1, || {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            index.iter().map(|(group, item)| Line::put(group, item)).collect::<Vec<_>>()
        })
    }
}
