//! The embedded store: answers in memory, up to a number of bytes, and in a file across restarts.
//!
//! What it promises: no more memory than its bound; what is used goes last. The file gets what is new every second, so a process
//! that is killed forgets at most the answers of a second; a line that was not written whole is passed over.

use super::{Entries, Error, Size, Which};
use crate::cache::{Entry, now_ms};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What one answer takes on average, for the size of tables.
const USUAL_BYTES: u64 = 4 << 10;
/// A file is written anew when it is so much larger than what it is for.
const FILE_BYTES: u64 = 16 << 20;

/// The store.
#[derive(Debug)]
pub(crate) struct Memory {
    entries: Cache<String, Arc<Entry>, Bytes>,
    file: Option<Mutex<Log>>,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<String, Arc<Entry>> for Bytes {
    fn weight(&self, key: &String, entry: &Arc<Entry>) -> u64 {
        key.len() as u64 + entry.bytes()
    }
}

/// The file, and what it has yet to get.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    new: Vec<Line>,
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
        let mut store = Self { entries: Cache::with_weighter(count, max_bytes, Bytes), file: None };
        if let Some(path) = file {
            store.load(&path, now_ms().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)))?;
            store.file = Some(Mutex::new(store.rewrite(&path)?));
        }
        Ok(store)
    }

    fn load(&self, path: &Path, since_ms: u64) -> io::Result<()> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).split(b'\n') {
            match serde_json::from_slice(&line?) {
                Ok(Line::Put(entry)) if entry.created_ms >= since_ms => {
                    self.entries.insert(entry.key.clone(), entry);
                }
                Ok(Line::Forget(keys)) => keys.iter().for_each(|key| drop(self.entries.remove(key))),
                // Too old, or cut off when the process was killed.
                Ok(Line::Put(_)) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Writes all that there is into a new file, in place of the old one.
    fn rewrite(&self, path: &Path) -> io::Result<Log> {
        let beside = path.with_extension("new");
        let mut writer = BufWriter::new(File::create(&beside)?);
        for (_, entry) in self.entries.iter() {
            write(&mut writer, &Line::Put(entry))?;
        }
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_data()?;
        fs::rename(&beside, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Log { path: path.to_owned(), file, bytes, new: Vec::new() })
    }

    fn note(&self, line: Line) {
        if let Some(log) = &self.file {
            log.lock().unwrap_or_else(PoisonError::into_inner).new.push(line);
        }
    }
}

fn write(writer: &mut impl Write, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    writer.write_all(&text)
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
        Ok(count)
    }

    fn size(&self) -> Size {
        Size { entries: self.entries.len() as u64, bytes: self.entries.weight() }
    }

    fn maintain(&self) -> io::Result<()> {
        let Some(log) = &self.file else { return Ok(()) };
        let (new, path) = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.new.is_empty() {
                return Ok(());
            }
            (std::mem::take(&mut log.new), log.path.clone())
        };
        let mut text = Vec::new();
        for line in &new {
            write(&mut text, line)?;
        }
        let too_long = {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.file.write_all(&text)?;
            log.bytes += text.len() as u64;
            log.bytes > 2 * self.entries.weight() + FILE_BYTES
        };
        if too_long {
            let mut rewritten = self.rewrite(&path)?;
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            // What came meanwhile may be in the file already; it does no harm there twice.
            rewritten.new = std::mem::take(&mut log.new);
            *log = rewritten;
        }
        Ok(())
    }
}
