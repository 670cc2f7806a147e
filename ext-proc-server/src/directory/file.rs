//! The audit log as a file: a line of JSON an entry, on the disk before anybody is answered.

use super::Restored;
use super::log::{AppendError, AuditLog, Entry};
use crate::lock;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A log in a file that only its owner may read: it holds the hashes of keys.
#[derive(Debug)]
pub struct FileLog(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    file: File,
    /// Where each entry begins.
    starts: Vec<u64>,
    /// Where the last entry ends.
    end: u64,
    /// A write failed in a way that leaves the end of the file unknown.
    broken: bool,
}

impl FileLog {
    /// Opens a log, making it and its folder if need be, and replays what it holds.
    ///
    /// # Errors
    /// The file cannot be read or written, is in use by another process, or is no log of ours. A part of a line at its end is what a
    /// process that was killed has left of a change that nobody was told of: it is taken away.
    pub fn open(path: &Path) -> io::Result<(Self, Restored)> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let new = !path.exists();
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        lock::file(&file, path)?;
        let (starts, end, restored) = read(&file).map_err(|error| {
            io::Error::new(error.kind(), format!("{} cannot be used: {error}", path.display()))
        })?;
        if file.metadata()?.len() > end {
            tracing::warn!("the audit log ends in a part of a line, which was taken away");
            file.set_len(end)?;
        }
        file.sync_all()?;
        if let Some(folder) = path.parent().filter(|_| new) {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()?;
        }
        let lines = Lines { file, starts, end, broken: false };
        Ok((Self(Arc::new(Mutex::new(lines))), restored))
    }

    /// Does what waits for the disk where nobody else waits.
    async fn with<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Lines) -> T + Send + 'static,
    ) -> io::Result<T> {
        let lines = self.0.clone();
        let task = move || task(&mut lines.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(task).await.map_err(io::Error::other)
    }
}

fn read(file: &File) -> io::Result<(Vec<u64>, u64, Restored)> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut starts, mut end, mut restored) = (Vec::new(), 0, Restored::default());
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)? as u64;
        if line.last() != Some(&b'\n') {
            return Ok((starts, end, restored));
        }
        let entry: Entry = serde_json::from_slice(&line).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {error}", starts.len() + 1))
        })?;
        restored.take(entry)?;
        starts.push(end);
        end += length;
    }
}

impl Lines {
    fn append(&mut self, sequence: u64, line: &[u8]) -> Result<(), AppendError> {
        if sequence != self.starts.len() as u64 + 1 {
            return Err(AppendError::Behind);
        }
        if self.broken {
            let reason = "an earlier write failed; restart the service";
            return Err(AppendError::Failed(io::Error::other(reason)));
        }
        if let Err(error) = self.write(line) {
            // What was written of it must not be read after a restart, since nobody was told that it was done.
            self.broken = self.file.set_len(self.end).and_then(|()| self.file.sync_all()).is_err();
            return Err(AppendError::Failed(error));
        }
        self.starts.push(self.end);
        self.end += line.len() as u64;
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(line)?;
        self.file.sync_data()
    }

    fn read(&self, from: u64, most: usize) -> io::Result<Vec<Entry>> {
        let first = usize::try_from(from.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(start) = self.starts.get(first) else { return Ok(Vec::new()) };
        let end = first.checked_add(most).and_then(|last| self.starts.get(last)).unwrap_or(&self.end);
        let mut text = vec![0; usize::try_from(end - start).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut text, *start)?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(io::Error::from)).collect()
    }
}

#[tonic::async_trait]
impl AuditLog for FileLog {
    async fn append(&self, entry: &Entry) -> Result<(), AppendError> {
        let mut line = serde_json::to_vec(entry).map_err(|error| AppendError::Failed(error.into()))?;
        line.push(b'\n');
        let sequence = entry.sequence;
        self.with(move |lines| lines.append(sequence, &line)).await.map_err(AppendError::Failed)?
    }

    async fn read(&self, from: u64, most: usize) -> io::Result<Vec<Entry>> {
        self.with(move |lines| lines.read(from, most)).await?
    }

    async fn last(&self) -> io::Result<u64> {
        self.with(|lines| lines.starts.len() as u64).await
    }
}
