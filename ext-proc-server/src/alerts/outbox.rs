//! What is to be sent, kept in a file until it was sent.
//!
//! A message is a line of the file before it is first sent, and another line says that nothing more is to be done for it. A process
//! that is killed sends after its restart what has no such line: at least once, and under the same id. The file is made anew without
//! the messages that are done, at the start and once they are many. A machine that loses power may lose the last second.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How many messages are held in memory. More wait in the file.
const HELD: usize = 10_000;
/// After how many messages that are done the file is made anew.
const DONE: usize = 10_000;

/// One event for one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// Its number in the file.
    pub(super) number: u64,
    /// The event's id.
    pub(super) id: String,
    /// The target, by its digest.
    pub(super) to: String,
    /// When the event happened, in milliseconds since 1970.
    pub(super) time_ms: u64,
    /// What is sent.
    pub(super) body: String,
}

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Done { done: u64 },
    Message(Message),
}

/// The outbox of one process.
#[derive(Debug)]
pub(super) struct Outbox {
    entries: Mutex<Entries>,
    /// Something has come.
    pub(super) added: Notify,
}

#[derive(Debug)]
struct Entries {
    file: Option<Lines>,
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// The first message that is in the file only.
    left: Option<u64>,
    held: usize,
}

#[derive(Debug)]
struct Waiting {
    message: Arc<Message>,
    attempts: u32,
    due: Instant,
    under_way: bool,
}

#[derive(Debug)]
struct Lines {
    path: PathBuf,
    /// Held for as long as this is open. It is another file, since this one is made anew.
    _lock: File,
    file: File,
    /// A write failed, so the file may end in a part of a line.
    torn: bool,
    /// There is something that may not be on the disk yet.
    dirty: bool,
    done: usize,
}

impl Outbox {
    /// Opens a file, or makes it, and takes from it what is still to be sent to one of these targets. Without a file all is forgotten
    /// at the end of the process.
    pub(super) fn open(path: Option<&Path>, targets: &HashSet<String>) -> io::Result<Self> {
        Self::holding(HELD, path, targets)
    }

    fn holding(held: usize, path: Option<&Path>, targets: &HashSet<String>) -> io::Result<Self> {
        let mut entries = Entries { file: None, waiting: BTreeMap::new(), next: 1, left: None, held };
        if let Some(path) = path {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder)?;
            }
            let lock = lock(path)?;
            let last = rewrite(path, |message| {
                let known = targets.contains(&message.to);
                if !known {
                    tracing::warn!(
                        id = message.id,
                        "an alert is for a URL that is no longer configured, and is dropped"
                    );
                }
                known
            })?;
            let file = OpenOptions::new().append(true).open(path)?;
            entries.next = last + 1;
            entries.left = Some(0);
            entries.file =
                Some(Lines { path: path.to_owned(), _lock: lock, file, torn: false, dirty: false, done: 0 });
            entries.refill()?;
        }
        Ok(Self { entries: Mutex::new(entries), added: Notify::new() })
    }

    /// Writes messages down and lets them be sent. They are in the operating system's hands when this returns, so a process that is
    /// killed loses none. Waits for the disk.
    pub(super) fn add(&self, messages: Vec<Message>) {
        let mut entries = self.entries();
        for message in messages {
            entries.add(message);
        }
        drop(entries);
        self.added.notify_one();
    }

    /// The first message for a target that is due, and how often it was tried before. It is under way from now on.
    pub(super) fn take(&self, to: &str, now: Instant) -> Option<(Arc<Message>, u32)> {
        let mut entries = self.entries();
        let due =
            |waiting: &&mut Waiting| !waiting.under_way && waiting.due <= now && waiting.message.to == to;
        let waiting = entries.waiting.values_mut().filter(due).min_by_key(|waiting| waiting.due)?;
        waiting.under_way = true;
        Some((waiting.message.clone(), waiting.attempts))
    }

    /// When the next message is due for a target that is not `busy`.
    pub(super) fn next_due(&self, busy: impl Fn(&str) -> bool) -> Option<Instant> {
        let entries = self.entries();
        let idle = |waiting: &&Waiting| !waiting.under_way && !busy(&waiting.message.to);
        entries.waiting.values().filter(idle).map(|waiting| waiting.due).min()
    }

    /// Has a message sent once more.
    pub(super) fn again(&self, number: u64, due: Instant) {
        if let Some(waiting) = self.entries().waiting.get_mut(&number) {
            waiting.attempts = waiting.attempts.saturating_add(1);
            (waiting.due, waiting.under_way) = (due, false);
        }
    }

    /// Nothing more is to be done for a message. Waits for the disk.
    pub(super) fn done(&self, number: u64) {
        let mut entries = self.entries();
        if entries.waiting.remove(&number).is_none() {
            return;
        }
        if let Err(error) = entries.finish(number) {
            tracing::error!(%error, "the outbox of alerts cannot be written; some may be sent again after a restart");
        }
    }

    /// How many messages wait in memory.
    pub(super) fn waiting(&self) -> usize {
        self.entries().waiting.len()
    }

    /// Brings to the disk what has been written.
    pub(super) fn sync(&self) -> io::Result<()> {
        match &mut self.entries().file {
            Some(lines) if lines.dirty => {
                lines.dirty = false;
                lines.file.sync_data()
            }
            _ => Ok(()),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn add(&mut self, mut message: Message) {
        message.number = self.next;
        self.next += 1;
        let written = self.file.as_mut().map(|lines| lines.write(&Line::Message(message.clone())));
        if let Some(Err(error)) = &written {
            tracing::error!(%error, "the outbox of alerts cannot be written; a restart would forget what is not yet sent");
        }
        let full = self.waiting.len() >= self.held;
        if full || self.left.is_some() {
            if matches!(written, Some(Ok(()))) {
                self.left.get_or_insert(message.number);
            } else {
                tracing::error!(id = message.id, "too many alerts wait to be sent, so this one is dropped");
            }
            return;
        }
        self.hold(message);
    }

    fn hold(&mut self, message: Message) {
        let waiting =
            Waiting { message: Arc::new(message), attempts: 0, due: Instant::now(), under_way: false };
        self.waiting.insert(waiting.message.number, waiting);
    }

    fn finish(&mut self, number: u64) -> io::Result<()> {
        let Some(lines) = &mut self.file else { return Ok(()) };
        lines.write(&Line::Done { done: number })?;
        lines.done += 1;
        if lines.done >= DONE {
            rewrite(&lines.path, |_| true)?;
            lines.file = OpenOptions::new().append(true).open(&lines.path)?;
            lines.done = 0;
        }
        if self.waiting.len() < self.held / 2 { self.refill() } else { Ok(()) }
    }

    /// Takes into memory what is in the file only, as far as there is room.
    fn refill(&mut self) -> io::Result<()> {
        let (Some(lines), Some(left)) = (&self.file, self.left) else { return Ok(()) };
        let mut messages = Vec::new();
        let room = self.held.saturating_sub(self.waiting.len());
        let mut more = None;
        read(&lines.path, |line| match line {
            // What was never in memory cannot be done.
            Line::Message(message) if message.number >= left => {
                if messages.len() < room {
                    messages.push(message);
                } else {
                    more.get_or_insert(message.number);
                }
            }
            _ => {}
        })?;
        self.left = more;
        messages.into_iter().for_each(|message| self.hold(message));
        Ok(())
    }
}

impl Lines {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = if self.torn { b"\n".to_vec() } else { Vec::new() };
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        let written = self.file.write_all(&text);
        self.torn = written.is_err();
        self.dirty = true;
        written
    }
}

/// Keeps other processes away from an outbox.
fn lock(path: &Path) -> io::Result<File> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path.with_extension("jsonl.lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            format!("{} is used by another process: give each a store.folder of its own", path.display()),
        )),
    }
}

/// Reads every line. One that cannot be read is what a process that was killed has left, and is passed over.
fn read(path: &Path, mut each: impl FnMut(Line)) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut text = Vec::new();
    while reader.read_until(b'\n', &mut text)? > 0 {
        match serde_json::from_slice(&text) {
            Ok(line) => each(line),
            Err(_) if text == b"\n" => {}
            Err(_) => tracing::warn!("the outbox of alerts holds a line that cannot be read"),
        }
        text.clear();
    }
    Ok(())
}

/// Makes the file anew, without what is done and what is not to be kept. Says the last number in it.
fn rewrite(path: &Path, mut keep: impl FnMut(&Message) -> bool) -> io::Result<u64> {
    let mut done = HashSet::new();
    if path.exists() {
        read(path, |line| {
            if let Line::Done { done: number } = line {
                done.insert(number);
            }
        })?;
    }
    let new = path.with_extension("jsonl.new");
    let options = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    let mut writer = BufWriter::new(options);
    let (mut last, mut written) = (0, Ok(()));
    if path.exists() {
        read(path, |line| {
            let Line::Message(message) = &line else { return };
            if written.is_ok() && !done.contains(&message.number) && keep(message) {
                last = last.max(message.number);
                written = serde_json::to_writer(&mut writer, &line)
                    .map_err(io::Error::from)
                    .and_then(|()| writer.write_all(b"\n"));
            }
        })?;
    }
    written?;
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Message {
        Message {
            number: 0,
            id: id.to_owned(),
            to: "t".to_owned(),
            time_ms: 7,
            body: format!("{{\"id\":\"{id}\"}}"),
        }
    }

    fn targets() -> HashSet<String> {
        HashSet::from(["t".to_owned()])
    }

    fn taken(outbox: &Outbox) -> Vec<(String, u64)> {
        let mut all = Vec::new();
        while let Some((message, _)) = outbox.take("t", Instant::now()) {
            all.push((message.id.clone(), message.number));
        }
        all
    }

    fn ids(outbox: &Outbox) -> Vec<String> {
        taken(outbox).into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn what_was_not_sent_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/alerts.jsonl");
        let open = || Outbox::open(Some(&path), &targets()).unwrap();
        let outbox = open();
        outbox.add(vec![message("a"), message("b"), message("c")]);
        assert_eq!(taken(&outbox), [("a".to_owned(), 1), ("b".to_owned(), 2), ("c".to_owned(), 3)]);
        outbox.done(2);
        drop(outbox);
        let outbox = open();
        assert_eq!(ids(&outbox), ["a", "c"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        outbox.add(vec![message("d")]);
        assert_eq!(taken(&outbox), [("d".to_owned(), 4)]);
        for number in [1, 3, 4] {
            outbox.done(number);
        }
        drop(outbox);
        assert_eq!(open().waiting(), 0);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_torn_last_line_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let open = || Outbox::open(Some(&path), &targets()).unwrap();
        open().add(vec![message("a")]);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..whole.len() {
            let mut text = whole.clone();
            text.extend(&whole[..cut]);
            std::fs::write(&path, text).unwrap();
            let outbox = open();
            // A line that only lacks its end is whole.
            assert_eq!(ids(&outbox)[0], "a", "{cut}");
            outbox.add(vec![message("b")]);
            drop(outbox);
            assert_eq!(ids(&open()).last().unwrap(), "b", "{cut}");
        }
    }

    #[test]
    fn what_is_for_nobody_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        Outbox::open(Some(&path), &targets()).unwrap().add(vec![message("a")]);
        assert_eq!(Outbox::open(Some(&path), &HashSet::new()).unwrap().waiting(), 0);
        assert_eq!(Outbox::open(Some(&path), &targets()).unwrap().waiting(), 0);
    }

    #[test]
    fn more_than_memory_holds_waits_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let open = || Outbox::holding(4, Some(&path), &targets()).unwrap();
        let mut outbox = open();
        let all: Vec<String> = (0..11).map(|number| format!("m{number}")).collect();
        outbox.add(all.iter().map(|id| message(id)).collect());
        let mut seen = Vec::new();
        while let Some((message, _)) = outbox.take("t", Instant::now()) {
            assert!(outbox.waiting() <= 4);
            seen.push(message.id.clone());
            outbox.done(message.number);
            if seen.len() == 5 {
                drop(outbox);
                outbox = open();
            }
        }
        assert_eq!(seen, all);
        drop(outbox);
        assert_eq!(open().waiting(), 0);
    }

    #[test]
    fn without_a_file_too_many_are_dropped() {
        let outbox = Outbox::holding(2, None, &targets()).unwrap();
        outbox.add(vec![message("a"), message("b"), message("c")]);
        assert_eq!(ids(&outbox), ["a", "b"]);
        outbox.done(1);
        outbox.add(vec![message("d")]);
        assert_eq!(ids(&outbox), ["d"]);
    }

    #[test]
    fn a_message_that_failed_waits_until_it_is_due() {
        let outbox = Outbox::open(None, &targets()).unwrap();
        outbox.add(vec![message("a")]);
        let now = Instant::now();
        let (message, attempts) = outbox.take("t", now).unwrap();
        assert_eq!((attempts, outbox.next_due(|_| false)), (0, None));
        let later = now + std::time::Duration::from_secs(5);
        outbox.again(message.number, later);
        assert!(outbox.take("t", now).is_none());
        assert_eq!((outbox.next_due(|_| false), outbox.next_due(|to| to == "t")), (Some(later), None));
        assert_eq!(outbox.take("t", later).unwrap().1, 1);
    }

    #[test]
    fn the_file_is_made_anew_once_many_are_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.jsonl");
        let outbox = Outbox::open(Some(&path), &targets()).unwrap();
        outbox.add(vec![message("first")]);
        for _ in 0..DONE {
            outbox.add(vec![message("x")]);
            let number = outbox.entries().next - 1;
            outbox.done(number);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        outbox.add(vec![message("last")]);
        drop(outbox);
        assert_eq!(ids(&Outbox::open(Some(&path), &targets()).unwrap()), ["first", "last"]);
    }
}
