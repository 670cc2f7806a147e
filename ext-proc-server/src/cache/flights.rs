//! Single flight: of many who ask for the same at once, one asks a provider.

use super::Answered;
use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

type Landed = Option<Answered>;
type Map = Arc<Mutex<HashMap<String, watch::Receiver<Landed>>>>;

/// Who is getting what.
#[derive(Debug, Default)]
pub(super) struct Flights {
    map: Map,
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Turn {
    /// Whoever asked first.
    Lead(Leading),
    /// Everybody else.
    Wait(Waiting),
}

/// The duty to get an answer. Those who wait are woken when it is done or dropped, whatever becomes of the request.
#[derive(Debug)]
pub(crate) struct Leading {
    key: String,
    map: Map,
    landed: watch::Sender<Landed>,
}

/// An answer that somebody else is getting.
#[derive(Debug)]
pub(crate) struct Waiting {
    landed: watch::Receiver<Landed>,
}

impl Flights {
    /// Leads, or waits for whoever does.
    pub(super) fn join(&self, key: &str) -> Turn {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        match map.entry(key.to_owned()) {
            hash_map::Entry::Occupied(flight) => Turn::Wait(Waiting { landed: flight.get().clone() }),
            hash_map::Entry::Vacant(place) => {
                let (landed, receiver) = watch::channel(None);
                let leading = Leading { key: place.key().clone(), map: self.map.clone(), landed };
                place.insert(receiver);
                Turn::Lead(leading)
            }
        }
    }
}

impl Leading {
    /// Gives the answer to those who wait.
    pub(crate) fn land(self, answered: Answered) {
        self.landed.send_replace(Some(answered));
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        self.map.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Waiting {
    /// The answer; `None`: nobody gets it any more.
    pub(crate) async fn landed(mut self) -> Option<Answered> {
        // An error: it was dropped, perhaps behind the answer.
        let _ = self.landed.wait_for(Option::is_some).await;
        self.landed.borrow().clone()
    }
}
