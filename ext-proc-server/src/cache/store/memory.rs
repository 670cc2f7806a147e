//! The embedded store: answers in memory, up to a number of bytes, and in a file across restarts.
//!
//! What it promises: no more memory than its bound; what is used goes last. The file gets what is new every second, so a process
//! that is killed forgets at most the answers of a second; a line that was not written whole is passed over.

use super::{Entries, Error, Size, Which};
use crate::cache::log::Log;
use crate::cache::{Entry, now_ms};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What one answer takes on average, for the size of tables.
const USUAL_BYTES: u64 = 4 << 10;

/// The store.
#[derive(Debug)]
pub(crate) struct Memory {
    entries: Cache<String, Arc<Entry>, Bytes>,
    log: Option<Mutex<Log<Line>>>,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<String, Arc<Entry>> for Bytes {
    fn weight(&self, key: &String, entry: &Arc<Entry>) -> u64 {
        key.len() as u64 + entry.bytes()
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Put(Arc<Entry>),
    /// Keys that were forgotten because somebody said so.
    Forget(Vec<String>),
}

impl Memory {
    /// A store of so many bytes. `file`: what it has kept, but for what is older than `age`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn open(max_bytes: u64, age: Duration, file: Option<PathBuf>) -> io::Result<Self> {
        let count = usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(usize::MAX).max(16);
        let entries = Cache::with_weighter(count, max_bytes, Bytes);
        let since_ms = now_ms().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let log = file.map(|path| {
            Log::read(&path, |line| match line {
                Line::Put(entry) if entry.created_ms >= since_ms => entries.insert(entry.key.clone(), entry),
                Line::Put(_) => {}
                Line::Forget(keys) => keys.iter().for_each(|key| drop(entries.remove(key))),
            })?;
            Log::rewrite(&path, entries.iter().map(|(_, entry)| Line::Put(entry)))
        });
        Ok(Self { entries, log: log.transpose()?.map(Mutex::new) })
    }

    fn note(&self, line: Line) {
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).note(line);
        }
    }
}

#[tonic::async_trait]
impl Entries for Memory {
    async fn get(&self, key: &str) -> Result<Option<Arc<Entry>>, Error> {
        Ok(self.entries.get(key))
    }

    async fn put(&self, entry: Arc<Entry>) -> Result<(), Error> {
        self.entries.insert(entry.key.clone(), entry.clone());
        self.note(Line::Put(entry));
        Ok(())
    }

    async fn purge(&self, which: &Which) -> Result<u64, Error> {
        let found = self.entries.iter().filter(|(_, entry)| which.matches(entry));
        let keys: Vec<String> = found.map(|(key, _)| key).collect();
        keys.iter().for_each(|key| drop(self.entries.remove(key)));
        let count = keys.len() as u64;
        self.note(Line::Forget(keys));
        if let Some(log) = &self.log {
            log.lock().unwrap_or_else(PoisonError::into_inner).forget();
        }
        Ok(count)
    }

    fn size(&self) -> Size {
        Size { entries: self.entries.len() as u64, bytes: self.entries.weight() }
    }

    fn maintain(&self) -> io::Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let all = || self.entries.iter().map(|(_, entry)| Line::Put(entry)).collect();
        Log::flush(log, self.entries.weight(), all)
    }
}
