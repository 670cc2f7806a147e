//! The ledger: one line of JSON a request, appended to a file, and its totals in memory.

use super::line::Line;
use super::totals::Totals;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

/// Lines that wait to be written. When the disk is slower than that, record waits for it.
const QUEUE: usize = 4096;

/// The ledger of one process.
#[derive(Debug)]
pub struct Ledger {
    totals: Mutex<Totals>,
    file: Option<Writer>,
}

/// The thread that writes the file.
#[derive(Debug)]
struct Writer {
    lines: Option<SyncSender<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(file: File) -> std::io::Result<Self> {
        let (lines, receiver) = sync_channel(QUEUE);
        let thread =
            std::thread::Builder::new().name("ledger".to_owned()).spawn(move || write(file, &receiver))?;
        Ok(Self { lines: Some(lines), thread: Some(thread) })
    }

    fn send(&self, line: String) -> bool {
        self.lines.as_ref().is_some_and(|lines| lines.send(line).is_ok())
    }
}

impl Drop for Writer {
    /// Waits until every line is in the file.
    fn drop(&mut self) {
        self.lines = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Ledger {
    /// Opens the file, if there is to be one, and shows every line that it holds already. Models that are not `known` are
    /// added up together.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(
        path: Option<&Path>,
        known: HashSet<String>,
        mut earlier: impl FnMut(&Line),
    ) -> std::io::Result<Self> {
        let mut totals = Totals::new(known);
        let Some(path) = path else { return Ok(Self { totals: Mutex::new(totals), file: None }) };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let mut ends_in_a_line = true;
        for (number, text) in BufReader::new(&file).split(b'\n').enumerate() {
            let text = text?;
            match serde_json::from_slice::<Line>(&text) {
                Ok(line) => {
                    earlier(&line);
                    totals.add(&line);
                    ends_in_a_line = true;
                }
                // A process that was killed may have left a part of its last line.
                Err(_) => {
                    tracing::warn!(line = number + 1, "the ledger holds a line that cannot be read");
                    ends_in_a_line = false;
                }
            }
        }
        let mut file = file;
        if !ends_in_a_line {
            file.write_all(b"\n")?;
        }
        Ok(Self { totals: Mutex::new(totals), file: Some(Writer::start(file)?) })
    }

    /// Adds a line.
    pub(super) fn add(&self, line: Line) {
        self.totals().add(&line);
        let Some(file) = &self.file else { return };
        let written = serde_json::to_string(&line).is_ok_and(|json| file.send(json));
        if !written {
            tracing::error!(id = line.id, "a line of the ledger could not be written");
        }
    }

    /// The totals, for metrics and usage.
    pub(crate) fn totals(&self) -> std::sync::MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes lines as they come, and flushes when none is waiting.
fn write(file: File, lines: &Receiver<String>) {
    let mut out = BufWriter::new(file);
    while let Ok(line) = lines.recv() {
        let mut result = writeln!(out, "{line}");
        while let Ok(line) = lines.try_recv() {
            result = result.and_then(|()| writeln!(out, "{line}"));
        }
        if let Err(error) = result.and_then(|()| out.flush()) {
            tracing::error!(%error, "the ledger cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn line(id: &str) -> Line {
        Line { id: id.to_owned(), cost_micros: 7, ..Line::nothing(UNIX_EPOCH + Duration::from_secs(1)) }
    }

    #[test]
    fn a_ledger_reads_what_it_wrote_and_survives_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/ledger.jsonl");
        let ledger = Ledger::open(Some(&path), HashSet::new(), |_| {}).unwrap();
        ledger.add(line("a"));
        drop(ledger);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"time_ms\":12,\"id\":\"tor");
        std::fs::write(&path, text).unwrap();
        let ledger = Ledger::open(Some(&path), HashSet::new(), |_| {}).unwrap();
        ledger.add(line("b"));
        drop(ledger);
        let mut seen = Vec::new();
        Ledger::open(Some(&path), HashSet::new(), |line| seen.push((line.id.clone(), line.cost_micros)))
            .unwrap();
        assert_eq!(seen, [("a".to_owned(), 7), ("b".to_owned(), 7)]);
    }
}
