//! Requests that ended before decide was asked: their reservation must not outlive them.
//!
//! When a client leaves at once, Envoy's report of the end can come before its question, which waits in line. A reservation made
//! then would be held until it expires, since its end was reported already.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A question comes no later than this after its request has ended: Envoy waits no longer for the answer.
const REMEMBERED: Duration = Duration::from_secs(10);
/// The most that are remembered.
const MOST: usize = 200_000;

/// Ids of requests whose end was reported and that had no reservation.
#[derive(Debug, Default)]
pub(crate) struct Departed(Mutex<HashMap<String, Instant>>);

impl Departed {
    /// Notes that a request has ended.
    pub(crate) fn note(&self, id: &str) {
        let mut departed = self.departed();
        if departed.len() >= MOST {
            departed.retain(|_, at| at.elapsed() < REMEMBERED);
        }
        if departed.len() < MOST {
            departed.insert(id.to_owned(), Instant::now());
        }
    }

    /// Whether a request has ended already.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.departed().contains_key(id)
    }

    /// Forgets those whose question comes no more.
    pub(crate) fn sweep(&self) {
        self.departed().retain(|_, at| at.elapsed() < REMEMBERED);
    }

    fn departed(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
