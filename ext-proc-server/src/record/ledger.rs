//! The ledger: one line of JSON a request, appended to a file, and its totals in memory.

use super::line::Line;
use super::prediction::Predictor;
use super::totals::Totals;
use crate::lock;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The ledger of one process.
#[derive(Debug)]
pub struct Ledger {
    /// How long answers are likely to be.
    pub predictor: Predictor,
    totals: Mutex<Totals>,
    file: Option<Mutex<File>>,
}

impl Ledger {
    /// Opens the file, if there is to be one, and adds up every line that it holds already. Models that are not `known` are
    /// added up together.
    ///
    /// # Errors
    /// The file cannot be read or written, or another process uses it.
    pub fn open(path: Option<&Path>, known: HashSet<String>) -> std::io::Result<Self> {
        let mut totals = Totals::new(known);
        let predictor = Predictor::default();
        let Some(path) = path else { return Ok(Self { predictor, totals: Mutex::new(totals), file: None }) };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        // Two services in one file would each take the lines of both for their own after a restart.
        if file.metadata()?.is_file() {
            lock::file(&file, path)?;
        }
        let mut ends_in_a_line = true;
        for (number, text) in BufReader::new(&file).split(b'\n').enumerate() {
            let text = text?;
            match serde_json::from_slice::<Line>(&text) {
                Ok(line) => {
                    totals.add(&line);
                    predictor.learn(&line);
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
        Ok(Self { predictor, totals: Mutex::new(totals), file: Some(Mutex::new(file)) })
    }

    /// Adds lines. They are in the operating system's hands when this returns, so a process that is killed loses none.
    pub(crate) fn add(&self, lines: &[Line]) {
        let mut totals = self.totals();
        lines.iter().for_each(|line| totals.add(line));
        drop(totals);
        lines.iter().for_each(|line| self.predictor.learn(line));
        let Some(file) = &self.file else { return };
        let mut text = Vec::new();
        for line in lines {
            if serde_json::to_writer(&mut text, line).is_ok() {
                text.push(b'\n');
            }
        }
        let written = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&text);
        if let Err(error) = written {
            tracing::error!(%error, lines = lines.len(), "lines of the ledger could not be written");
        }
    }

    /// The totals, for metrics and usage.
    pub(crate) fn totals(&self) -> std::sync::MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn two_services_do_not_share_a_ledger_without_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let first = Ledger::open(Some(&path), HashSet::new()).unwrap();
        let error = Ledger::open(Some(&path), HashSet::new()).unwrap_err().to_string();
        assert_eq!(error, format!("another process uses {}: each service needs its own", path.display()));
        drop(first);
        assert!(Ledger::open(Some(&path), HashSet::new()).is_ok());
    }

    #[test]
    fn a_ledger_reads_what_it_wrote_and_survives_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/ledger.jsonl");
        let ledger = Ledger::open(Some(&path), HashSet::new()).unwrap();
        ledger.add(&[line("a")]);
        drop(ledger);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"time_ms\":12,\"id\":\"tor");
        std::fs::write(&path, text).unwrap();
        let ledger = Ledger::open(Some(&path), HashSet::new()).unwrap();
        ledger.add(&[line("b")]);
        drop(ledger);
        let text = std::fs::read_to_string(&path).unwrap();
        let seen = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let seen: Vec<_> = seen.map(|line: Line| (line.id, line.cost_micros)).collect();
        assert_eq!(seen, [("a".to_owned(), 7), ("b".to_owned(), 7)]);
    }
}
