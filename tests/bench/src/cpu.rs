//! What processes used, from `/proc`.

use std::fmt;
use std::io;
use std::time::Duration;

/// Clock ticks a second in `/proc/PID/stat`. The kernel fixes it for user space on every architecture
/// that this runs on, whatever its own clock does.
const TICKS_PER_SECOND: u64 = 100;

/// A process that could not be read.
#[derive(Debug)]
pub struct ProcError {
    pid: u32,
    source: io::Error,
}

impl fmt::Display for ProcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}: {}", self.pid, self.source)
    }
}

impl std::error::Error for ProcError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What a set of processes used between start and stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// User and system time of all threads, in steps of 10 ms a process.
    pub cpu: Duration,
    /// Resident memory at the end, summed; pages that processes share count for each.
    pub rss_kib: u64,
}

/// Measures a set of processes.
#[derive(Debug)]
pub struct Sampler {
    pids: Vec<u32>,
    ticks: u64,
}

impl Sampler {
    /// Notes what the processes have used so far.
    pub fn start(pids: &[u32]) -> Result<Self, ProcError> {
        Ok(Self { pids: pids.to_vec(), ticks: ticks_of(pids)? })
    }

    /// What they used since. A process that is gone by then is an error: its time cannot be known.
    pub fn stop(self) -> Result<Used, ProcError> {
        let ticks = ticks_of(&self.pids)?.saturating_sub(self.ticks);
        Ok(Used {
            cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
            rss_kib: rss_kib(&self.pids)?,
        })
    }
}

/// The resident memory of processes, summed.
pub fn rss_kib(pids: &[u32]) -> Result<u64, ProcError> {
    sum(pids, "status", parse_rss_kib)
}

/// `/proc/PID/stat` sums over all threads, ended ones included; adding the threads' own files would
/// count everything twice.
fn ticks_of(pids: &[u32]) -> Result<u64, ProcError> {
    sum(pids, "stat", parse_ticks)
}

fn sum(pids: &[u32], file: &str, parse: impl Fn(&str) -> Option<u64>) -> Result<u64, ProcError> {
    let mut total = 0;
    for &pid in pids {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let parsed =
            text.and_then(|text| parse(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData)));
        total += parsed.map_err(|source| ProcError { pid, source })?;
    }
    Ok(total)
}

/// utime and stime, the 14th and 15th field. The second is the command in brackets, which may itself
/// contain blanks and brackets, so fields are counted from the last bracket.
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn parse_rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 75 7 8 20 0 3 0 100 1 2";
        assert_eq!(parse_ticks(stat), Some(325));
        assert_eq!(parse_ticks("42 (a) S 1"), None);
        assert_eq!(parse_ticks(""), None);
    }

    #[test]
    fn memory_is_found_among_other_lines() {
        let status = "Name:\tx\nVmHWM:\t   900 kB\nVmRSS:\t   812 kB\nThreads:\t3\n";
        assert_eq!(parse_rss_kib(status), Some(812));
        // A kernel thread has no such line.
        assert_eq!(parse_rss_kib("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_can_be_measured() {
        let sampler = Sampler::start(&[std::process::id()]).unwrap();
        let used = sampler.stop().unwrap();
        assert!(used.rss_kib > 100);
    }

    #[test]
    fn a_missing_process_is_an_error() {
        let error = Sampler::start(&[u32::MAX]).unwrap_err();
        assert!(error.to_string().starts_with("process 4294967295: "), "{error}");
    }
}
