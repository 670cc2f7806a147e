//! The embedded store: counters and reservations of one process, in memory, with a journal in a folder.
//!
//! What it promises: a request is counted against all limits or against none, in one step under one lock, so concurrent requests
//! cannot pass a limit together. With a folder, every reservation and every settlement is in the operating system's hands
//! before anybody is answered: a process that is killed loses neither, and what was open is settled or charged as reserved after
//! the restart. The file reaches the disk within a second, so a machine that loses power may lose that second.
//! Without a folder all is forgotten when the process ends.
//!
//! What it does not promise: a second process counts for itself. For more than one there is the Redis store.

mod journal;

use super::state::{Choice, State};
use super::{Amounts, Ask, Claim, Clock, Extended, Outcome, Settled, Standing, Store, StoreError, Used};
use journal::{Entry, Journal};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The store.
#[derive(Debug)]
pub struct Memory {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    journal: Option<Journal>,
}

impl Memory {
    /// A store that forgets everything when the process ends.
    pub fn new(clock: Clock) -> Self {
        Self { clock, inner: Mutex::new(Inner { state: State::default(), journal: None }) }
    }

    /// A store that goes on where the last process in this folder ended.
    ///
    /// # Errors
    /// The folder cannot be read or written, or another process uses it.
    pub fn open(folder: &Path, clock: Clock) -> std::io::Result<Self> {
        let (state, journal) = Journal::open(folder)?;
        Ok(Self { clock, inner: Mutex::new(Inner { state, journal: Some(journal) }) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // The state is changed in single steps, so it is whole even if a thread died with the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an operation down and then does it, so that nobody is told of what a restart would not know.
    fn apply<T>(&self, entry: &Entry<'_>, operation: impl FnOnce(&mut State) -> T) -> Result<T, StoreError> {
        let mut inner = self.inner();
        if let Some(journal) = &mut inner.journal {
            journal.write(entry).map_err(unwritten)?;
        }
        Ok(operation(&mut inner.state))
    }
}

#[tonic::async_trait]
impl Store for Memory {
    async fn reserve(&self, ask: Ask) -> Result<Outcome, StoreError> {
        let now = self.clock.now_us();
        let mut inner = self.inner();
        let Inner { state, journal } = &mut *inner;
        match (state.choose(&ask, now), journal) {
            (Ok(Choice::Fits(number)), Some(journal)) => {
                journal.write(&Entry::reserve(now, &ask, number)).map_err(unwritten)?;
                Ok(state.grant(ask, number, now))
            }
            (Ok(Choice::Fits(number)), None) => Ok(state.grant(ask, number, now)),
            (Ok(Choice::Held(outcome)), _) => Ok(outcome),
            // What was refused has changed nothing, so there is nothing to write.
            (Err(refused), _) => Ok(Outcome::Refused(refused)),
        }
    }

    async fn extend(&self, id: &str, more: Amounts) -> Result<Option<Extended>, StoreError> {
        let now = self.clock.now_us();
        self.apply(&Entry::Extend { now, id: id.into(), more }, |state| state.extend(id, more, now))
    }

    async fn settle(&self, id: &str, used: Used) -> Result<Option<Settled>, StoreError> {
        let now = self.clock.now_us();
        self.apply(&Entry::Settle { now, id: id.into(), used: used.clone() }, |state| {
            state.settle(id, &used, now)
        })
    }

    async fn expire(&self) -> Result<Vec<Settled>, StoreError> {
        let now = self.clock.now_us();
        if !self.inner().state.has_expired(now) {
            return Ok(Vec::new());
        }
        self.apply(&Entry::Expire { now }, |state| state.expire(now))
    }

    async fn standings(&self, claims: &[Claim]) -> Result<Vec<Standing>, StoreError> {
        let now = self.clock.now_us();
        Ok(self.inner().state.standings(claims, now))
    }

    async fn open_reservations(&self) -> Result<u64, StoreError> {
        Ok(self.inner().state.open() as u64)
    }

    /// Brings the journal to the disk, and makes it short when it has become long.
    fn maintain(&self) -> std::io::Result<()> {
        let now = self.clock.now_us();
        let work = {
            let mut inner = self.inner();
            let Inner { state, journal } = &mut *inner;
            match journal {
                Some(journal) if journal.is_long() => {
                    state.prune(now);
                    Some(journal.begin_next(state)?)
                }
                Some(journal) => Some(journal.unsynced()?),
                None => {
                    state.prune(now);
                    None
                }
            }
        };
        // The disk is waited for without the lock.
        work.map_or(Ok(()), journal::Work::run)
    }
}

fn unwritten(error: std::io::Error) -> StoreError {
    StoreError { reason: format!("the journal cannot be written: {error}") }
}

#[cfg(test)]
mod tests;
