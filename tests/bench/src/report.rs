//! Rows of figures, as JSON and as a table.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::LoadResult;
use crate::machine::Machine;

/// What was measured of one thing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Requests measured.
    pub requests: u64,
    /// Requests a second.
    pub rps: f64,
    /// Median time of an answer.
    pub p50_ms: f64,
    /// Time that 99 of 100 answers keep.
    pub p99_ms: f64,
    /// Time of the slowest answer.
    pub max_ms: f64,
    /// CPU time of the measured processes a request.
    pub cpu_us: f64,
    /// Their resident memory at the end.
    pub rss_mib: f64,
    /// Requests that failed.
    pub errors: u64,
    /// Events received; streams only, as all below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u64>,
    /// CPU time of the measured processes an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_chunk_us: Option<f64>,
    /// Median time to the first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_p50_ms: Option<f64>,
    /// Gap between events that 99 of 100 keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_p99_ms: Option<f64>,
}

impl Row {
    /// The figures of a load.
    pub fn new(name: &str, connections: usize, result: &mut LoadResult) -> Self {
        let cpu = result.used.cpu;
        let streamed = result.chunks > 0;
        let good = result.requests.saturating_sub(result.error_count());
        Self {
            name: name.to_owned(),
            connections,
            requests: result.requests,
            rps: rounded(good as f64 / result.elapsed.as_secs_f64().max(f64::EPSILON)),
            p50_ms: rounded(result.latency.percentile_ms(50.0).unwrap_or_default()),
            p99_ms: rounded(result.latency.percentile_ms(99.0).unwrap_or_default()),
            max_ms: rounded(result.latency.max_ms().unwrap_or_default()),
            cpu_us: micros_each(cpu, result.requests),
            rss_mib: rounded(result.used.rss_kib as f64 / 1024.0),
            errors: result.error_count(),
            chunks: streamed.then_some(result.chunks),
            cpu_chunk_us: streamed.then(|| micros_each(cpu, result.chunks)),
            ttft_p50_ms: result.first_event.percentile_ms(50.0).map(rounded),
            gap_p99_ms: result.gaps.percentile_ms(99.0).map(rounded),
        }
    }
}

fn micros_each(cpu: Duration, count: u64) -> f64 {
    rounded(cpu.as_micros() as f64 / count.max(1) as f64)
}

/// To three decimals; what lies below is noise.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// The rows of a run and the machine they were taken on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// What was measured, in the order in which it was.
    pub rows: Vec<Row>,
}

impl Report {
    /// An empty report of this machine.
    pub fn new() -> Self {
        Self { machine: Machine::this(), rows: Vec::new() }
    }

    /// Reads a report.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// Adds a row, in place of one of the same name and number of connections.
    pub fn put(&mut self, row: Row) {
        let same = |other: &&mut Row| other.name == row.name && other.connections == row.connections;
        match self.rows.iter_mut().find(same) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
    }

    /// Writes the report, making the folder if need be.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        std::fs::write(path, json)
    }

    /// The report as an aligned table under a line about the machine.
    pub fn table(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{} | {} cores | {} MiB | Linux {} | {}\n\n",
            machine.cpu, machine.cores, machine.memory_mib, machine.kernel, machine.date
        );
        let heading = [
            "row", "conn", "requests", "rps", "p50 ms", "p99 ms", "max ms", "cpu us", "rss MiB", "errors",
            "chunks", "us/chunk", "ttft ms", "gap99 ms",
        ];
        let mut lines = vec![heading.map(str::to_owned)];
        lines.extend(self.rows.iter().map(cells));
        let mut widths = [0; 14];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        for line in &lines {
            let padded = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

fn cells(row: &Row) -> [String; 14] {
    let millis = |value: f64| format!("{value:.3}");
    let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    [
        row.name.clone(),
        row.connections.to_string(),
        row.requests.to_string(),
        format!("{:.0}", row.rps),
        millis(row.p50_ms),
        millis(row.p99_ms),
        millis(row.max_ms),
        format!("{:.1}", row.cpu_us),
        format!("{:.1}", row.rss_mib),
        row.errors.to_string(),
        row.chunks.map_or_else(|| "-".to_owned(), |chunks| chunks.to_string()),
        row.cpu_chunk_us.map_or_else(|| "-".to_owned(), |micros| format!("{micros:.1}")),
        optional(row.ttft_p50_ms),
        optional(row.gap_p99_ms),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Used;

    fn result() -> LoadResult {
        let mut result = LoadResult { requests: 4, elapsed: Duration::from_secs(2), ..LoadResult::default() };
        for millis in [1, 2, 3] {
            result.latency.push(Duration::from_millis(millis));
        }
        result.errors.insert("status 503".to_owned(), 1);
        result.used = Used { cpu: Duration::from_millis(10), rss_kib: 2_048 };
        result
    }

    #[test]
    fn a_row_divides_by_what_was_done() {
        let row = Row::new("x", 2, &mut result());
        assert_eq!((row.rps, row.p50_ms, row.max_ms), (1.5, 2.0, 3.0));
        assert_eq!((row.cpu_us, row.rss_mib, row.errors), (2_500.0, 2.0, 1));
        assert_eq!((row.chunks, row.cpu_chunk_us, row.gap_p99_ms), (None, None, None));
        let row = Row::new("x", 2, &mut LoadResult { chunks: 40, ..result() });
        assert_eq!((row.chunks, row.cpu_chunk_us), (Some(40), Some(250.0)));
    }

    #[test]
    fn a_report_survives_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/report.json");
        let mut report = Report::new();
        report.put(Row::new("x", 2, &mut result()));
        report.put(Row { errors: 9, ..Row::new("x", 2, &mut result()) });
        report.put(Row::new("x", 1, &mut result()));
        report.write(&path).unwrap();
        let read = Report::read(&path).unwrap();
        assert_eq!(read, report);
        assert_eq!((read.rows.len(), read.rows[0].errors), (2, 9));
        assert!(!std::fs::read_to_string(&path).unwrap().contains("chunks"));
    }

    #[test]
    fn the_table_is_aligned() {
        let mut report = Report::default();
        report.put(Row::new("a long name", 2, &mut result()));
        report.put(Row::new("b", 16, &mut LoadResult { chunks: 1_000_000, ..result() }));
        let table = report.table();
        let ends: Vec<_> = table
            .lines()
            .skip(2)
            .map(|line| line.find(" 1.500").or_else(|| line.find(" p50")).is_some())
            .collect();
        assert_eq!(ends.len(), 3);
        let places: Vec<_> = table.lines().skip(3).map(|line| line.find("2.000").unwrap()).collect();
        assert_eq!(places[0], places[1]);
    }
}
