//! The journal of the embedded store: what was done to the state, as lines of JSON, since the last snapshot.
//!
//! A folder holds `counters-N.json`, the state when the journal `journal-N.jsonl` began. A journal that has become long is
//! followed by the next: first the new journal, then the new snapshot, then the old files go. Whatever moment a process dies at,
//! the newest snapshot that is whole and all journals from its number on give the state again.

use crate::lock;
use crate::store::state::State;
use crate::store::window::length_us;
use crate::store::{Alternative, Amounts, Ask, Claim, Used};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A journal of this many bytes is followed by the next.
const LONG: u64 = 64 << 20;

/// One operation on the state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry<'a> {
    /// [`State::grant`], with the alternative that was chosen.
    Reserve {
        now: u64,
        id: Cow<'a, str>,
        subject: Cow<'a, str>,
        lifetime_us: u64,
        number: usize,
        claims: Cow<'a, [Claim]>,
        amounts: Amounts,
    },
    /// [`State::extend`].
    Extend { now: u64, id: Cow<'a, str>, more: Amounts },
    /// [`State::settle`].
    Settle { now: u64, id: Cow<'a, str>, used: Used },
    /// [`State::expire`].
    Expire { now: u64 },
}

impl<'a> Entry<'a> {
    /// The entry of a reservation by one of its alternatives.
    pub(super) fn reserve(now: u64, ask: &'a Ask, number: usize) -> Self {
        let chosen = ask.alternatives.get(number);
        Self::Reserve {
            now,
            id: Cow::Borrowed(&ask.id),
            subject: Cow::Borrowed(&ask.subject),
            lifetime_us: length_us(ask.lifetime),
            number,
            claims: chosen.map(|chosen| Cow::Borrowed(chosen.claims.as_slice())).unwrap_or_default(),
            amounts: chosen.map(|chosen| chosen.amounts).unwrap_or_default(),
        }
    }

    /// Does it again.
    fn replay(self, state: &mut State) {
        match self {
            Self::Reserve { now, id, subject, lifetime_us, number, claims, amounts } => {
                let chosen = Alternative { claims: claims.into_owned(), amounts };
                let lifetime = Duration::from_micros(lifetime_us);
                let subject = subject.into_owned();
                let held = Ask { id: id.into_owned(), alternatives: vec![chosen], subject, lifetime };
                state.restore(held, number, now);
            }
            Self::Extend { now, id, more } => drop(state.extend(&id, more, now)),
            Self::Settle { now, id, used } => drop(state.settle(&id, &used, now)),
            Self::Expire { now } => drop(state.expire(now)),
        }
    }
}

/// The journal of one folder.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    number: u64,
    file: File,
    length: u64,
    line: Vec<u8>,
    synced: u64,
    /// Held as long as the process lives, so that no second one writes here.
    _lock: File,
}

impl Journal {
    /// Restores the state of a folder and goes on writing.
    pub(super) fn open(folder: &Path) -> io::Result<(State, Self)> {
        let lock = lock::folder(folder)?;
        let (mut number, mut state) = newest_snapshot(folder)?;
        while let Some(journal) = read_if_there(&journal_path(folder, number))? {
            replay(&mut state, &journal)?;
            number += 1;
        }
        // Every process begins with a snapshot, so that nothing is written behind a torn line.
        write_snapshot(folder, number, &state)?;
        let file = create(&journal_path(folder, number))?;
        remove_before(folder, number)?;
        let journal = Self {
            folder: folder.to_owned(),
            number,
            file,
            length: 0,
            line: Vec::new(),
            synced: 0,
            _lock: lock,
        };
        Ok((state, journal))
    }

    /// Hands an entry to the operating system.
    pub(super) fn write(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, entry)?;
        self.line.push(b'\n');
        if let Err(error) = self.file.write_all(&self.line) {
            // A half of a line would hide what comes after it.
            let _ =
                self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(error);
        }
        self.length += self.line.len() as u64;
        Ok(())
    }

    /// Whether it is time for the next journal.
    pub(super) fn is_long(&self) -> bool {
        self.length > LONG
    }

    /// Goes on in a new file. The snapshot that belongs to it is written by what is returned.
    pub(super) fn begin_next(&mut self, state: &State) -> io::Result<Work> {
        let number = self.number + 1;
        self.file = create(&journal_path(&self.folder, number))?;
        (self.number, self.length, self.synced) = (number, 0, 0);
        Ok(Work::Snapshot { folder: self.folder.clone(), number, state: Box::new(state.clone()) })
    }

    /// What is not yet on the disk.
    pub(super) fn unsynced(&mut self) -> io::Result<Work> {
        if self.length == self.synced {
            return Ok(Work::Nothing);
        }
        self.synced = self.length;
        Ok(Work::Sync(self.file.try_clone()?))
    }
}

/// Work that waits for the disk.
#[derive(Debug)]
pub(super) enum Work {
    Nothing,
    Sync(File),
    Snapshot { folder: PathBuf, number: u64, state: Box<State> },
}

impl Work {
    pub(super) fn run(self) -> io::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Sync(file) => file.sync_data(),
            Self::Snapshot { folder, number, state } => {
                write_snapshot(&folder, number, &state)?;
                remove_before(&folder, number)
            }
        }
    }
}

fn snapshot_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("counters-{number}.json"))
}

fn journal_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("journal-{number}.jsonl"))
}

/// Counters say who spends what, so only their owner may read them.
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)
}

fn write_snapshot(folder: &Path, number: u64, state: &State) -> io::Result<()> {
    let unfinished = folder.join("counters.unfinished");
    let mut file = io::BufWriter::new(create(&unfinished)?);
    serde_json::to_writer(&mut file, state)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, snapshot_path(folder, number))?;
    File::open(folder)?.sync_all()
}

/// The numbers of the snapshots and journals in a folder.
fn numbers(folder: &Path, prefix: &str, suffix: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_suffix(suffix)?.parse().ok());
        found.extend(number);
    }
    Ok(found)
}

fn newest_snapshot(folder: &Path) -> io::Result<(u64, State)> {
    let Some(number) = numbers(folder, "counters-", ".json")?.into_iter().max() else {
        return Ok((1, State::default()));
    };
    let path = snapshot_path(folder, number);
    let state = serde_json::from_reader(BufReader::new(File::open(&path)?));
    // A snapshot gets its name when it is whole; one that cannot be read is a broken disk, and no reason to begin at zero.
    let state =
        state.map_err(|error| io::Error::other(format!("{} cannot be read: {error}", path.display())))?;
    Ok((number, state))
}

fn remove_before(folder: &Path, number: u64) -> io::Result<()> {
    for old in numbers(folder, "counters-", ".json")?.into_iter().filter(|old| *old < number) {
        std::fs::remove_file(snapshot_path(folder, old))?;
    }
    for old in numbers(folder, "journal-", ".jsonl")?.into_iter().filter(|old| *old < number) {
        std::fs::remove_file(journal_path(folder, old))?;
    }
    Ok(())
}

fn read_if_there(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn replay(state: &mut State, journal: &File) -> io::Result<()> {
    for line in BufReader::new(journal).split(b'\n') {
        let line = line?;
        match serde_json::from_slice(&line) {
            Ok(entry) => Entry::replay(entry, state),
            // The process died while it wrote this line, so nobody was told of it.
            Err(error) => tracing::warn!(%error, "the journal ends in a line that is not whole"),
        }
    }
    Ok(())
}
