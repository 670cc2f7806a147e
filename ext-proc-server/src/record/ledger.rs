//! The ledger: one line of JSON a request, appended to a file, and its totals in memory.

use super::totals::Totals;
use crate::store::Reservation;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weirgate_contract::handover::CountSource;
use weirgate_dialect::Operation;
use weirgate_dialect::usage::Usage;

/// Lines that wait to be written. When the disk is slower than that, record waits for it.
const QUEUE: usize = 4096;

/// What is known of one request after its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When the request came, in milliseconds since 1970.
    pub time_ms: u64,
    /// The id of its reservation; empty if none was made.
    pub id: String,
    /// The name of the key; empty if none was accepted.
    pub key: String,
    /// The model that the client asked for.
    pub model: String,
    /// The provider of the last attempt; empty without one.
    pub provider: String,
    /// The provider's name of the model.
    pub upstream_model: String,
    /// What was asked for.
    pub operation: Operation,
    /// Whether the answer was to be streamed.
    pub stream: bool,
    /// The status that the client got; 0 if it left before.
    pub status: u16,
    /// Why the request failed or was refused; empty if it did not.
    pub error: String,
    /// Attempts at providers.
    pub attempts: u32,
    /// Tokens.
    #[serde(flatten)]
    pub usage: Usage,
    /// Who counted them.
    pub source: CountSource,
    /// The provider's service tier; empty for the standard one.
    pub tier: String,
    /// Whether the answer came to its end.
    pub complete: bool,
    /// What it cost, in micro-dollars.
    pub cost_micros: u64,
    /// What had been reserved for it, in micro-dollars.
    pub reserved_micros: u64,
    /// From the request's first byte to the answer's last, in milliseconds.
    pub latency_ms: f64,
    /// From the request's first byte to the answer's first, in milliseconds.
    pub first_byte_ms: Option<f64>,
}

impl Line {
    /// When the request came.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.time_ms)
    }

    /// The line of a reservation that nobody settled.
    pub(super) fn expired(id: String, reservation: &Reservation, now: SystemTime) -> Self {
        Self {
            time_ms: now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
            id,
            key: reservation.request.key.clone(),
            model: String::new(),
            provider: String::new(),
            upstream_model: String::new(),
            operation: Operation::Passthrough,
            stream: false,
            status: 0,
            error: "reservation_expired".to_owned(),
            attempts: 0,
            usage: Usage { output: reservation.request.tokens, ..Usage::default() },
            source: CountSource::Reserved,
            tier: String::new(),
            complete: false,
            cost_micros: reservation.request.micros,
            reserved_micros: reservation.request.micros,
            latency_ms: 0.0,
            first_byte_ms: None,
        }
    }
}

/// The ledger of one process.
#[derive(Debug)]
pub struct Ledger {
    totals: Mutex<Totals>,
    file: Option<SyncSender<String>>,
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
        let (sender, receiver) = sync_channel(QUEUE);
        std::thread::Builder::new().name("ledger".to_owned()).spawn(move || write(file, &receiver))?;
        Ok(Self { totals: Mutex::new(totals), file: Some(sender) })
    }

    /// Adds a line.
    pub(super) fn add(&self, line: Line) {
        self.totals().add(&line);
        let Some(file) = &self.file else { return };
        let written = serde_json::to_string(&line).is_ok_and(|json| file.send(json).is_ok());
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
