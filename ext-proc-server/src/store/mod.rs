//! Counters and reservations: what every limit has counted, and what is held for requests that are under way.
//!
//! A request is described by [`Claim`]s, one for each limit that applies. [`Store::reserve`] takes all of them or none, in one
//! step; [`Store::settle`] puts what was used in place of what was taken, once; [`Store::expire`] charges what nobody settled. The
//! rules are the same in every store and stand in [`state`], which is pure.

mod amounts;
mod calendar;
pub mod lease;
pub mod memory;
pub mod outage;
pub mod redis;
pub mod state;
pub mod window;

pub use self::redis::Redis;
pub use amounts::{Amounts, Measure};
pub use calendar::{Date, day};
pub use memory::Memory;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use window::Window;

/// One limit's part in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The counter: the limit, and whom it counts. Two claims of one request never have the same.
    #[serde(rename = "c")]
    pub counter: String,
    /// What is counted.
    #[serde(rename = "k")]
    pub measure: Measure,
    /// Over which time.
    #[serde(rename = "w")]
    pub window: Window,
    /// The limit's amount.
    #[serde(rename = "l")]
    pub limit: u64,
    /// The most that the counter may reach: the limit, or what a bucket holds; [`u64::MAX`] for a limit that refuses nothing.
    #[serde(rename = "t")]
    pub ceiling: u64,
    /// The most that the counter may reach when a request begins, if something else is to happen before the ceiling.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub admits: Option<u64>,
    /// What is taken.
    #[serde(rename = "a")]
    pub amount: u64,
    /// The only providers whose use counts; empty: all.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// Whether a request that has begun may take more than the ceiling allows.
    #[serde(rename = "o", default, skip_serializing_if = "std::ops::Not::not")]
    pub overruns: bool,
    /// What one process lets pass by its own count while the store cannot be used; `None`: nothing.
    #[serde(skip)]
    pub local: Option<u64>,
}

/// What is asked of a store for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The reservation's id; asking again with the same id takes nothing more.
    pub id: String,
    /// What to take: the first of these that fits.
    pub alternatives: Vec<Alternative>,
    /// Whose it is, for whoever settles it.
    pub subject: String,
    /// How long it waits to be settled.
    pub lifetime: Duration,
}

/// One way to serve a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alternative {
    /// What it takes from each limit.
    pub claims: Vec<Claim>,
    /// What it may use.
    pub amounts: Amounts,
}

/// What came of an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// One alternative was taken.
    Granted {
        /// Which.
        alternative: usize,
        /// The counters of its claims, in their order, after it was taken.
        standings: Vec<Standing>,
    },
    /// None fits; nothing was taken.
    Refused(Refused),
}

/// What stands in the way of the last alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The index of the claim that will stand in the way longest.
    pub claim: usize,
    /// How long, in microseconds; `None`: for ever, or nobody knows how long.
    pub wait_us: Option<u64>,
    /// The counters of all claims, in their order.
    pub standings: Vec<Standing>,
}

/// How a counter stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What is used, and settled.
    pub used: u64,
    /// What is held for requests under way. In sliding windows and buckets this is a part of `used`.
    pub reserved: u64,
    /// How long until it is whole again, in microseconds; `None`: never, or nobody knows.
    pub reset_us: Option<u64>,
}

/// What a request has used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The amounts.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// Whether the amounts are only what was seen: then at least what was reserved is charged.
    #[serde(default, rename = "f", skip_serializing_if = "std::ops::Not::not")]
    pub at_least_reserved: bool,
    /// The provider that served it; empty: none.
    #[serde(default, rename = "p", skip_serializing_if = "String::is_empty")]
    pub provider: String,
}

/// A reservation that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Its id.
    pub id: String,
    /// Whose it was: what [`Ask::subject`] said.
    pub subject: String,
    /// What it held.
    pub reserved: Amounts,
    /// Counters of calendar windows that have grown.
    pub movements: Vec<Movement>,
}

/// A counter that has grown by a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The counter.
    pub counter: String,
    /// The limit's amount.
    pub limit: u64,
    /// What was used before.
    pub before: u64,
    /// What is used now.
    pub after: u64,
    /// When the window began, in microseconds since 1970.
    pub window_us: u64,
}

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What happened, for the log.
    pub reason: String,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store cannot be used: {}", self.reason)
    }
}

impl std::error::Error for StoreError {}

/// Where counters and reservations are kept.
#[tonic::async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Takes the claims of the first alternative that fits, or nothing.
    async fn reserve(&self, ask: Ask) -> Result<Outcome, StoreError>;

    /// Takes more for a reservation. `None` if there is no such reservation.
    async fn extend(&self, id: &str, more: Amounts) -> Result<Option<Extended>, StoreError>;

    /// Puts what was used in place of what was taken. `None` if there is no such reservation: it was settled before, or has
    /// expired.
    async fn settle(&self, id: &str, used: Used) -> Result<Option<Settled>, StoreError>;

    /// Charges reservations that have expired, as they were reserved.
    async fn expire(&self) -> Result<Vec<Settled>, StoreError>;

    /// Movements by settlements that the store took only after it could not be used, each once. Nobody was told of them before.
    fn late(&self) -> Vec<Movement> {
        Vec::new()
    }

    /// How the counters of these claims stand.
    async fn standings(&self, claims: &[Claim]) -> Result<Vec<Standing>, StoreError>;

    /// How many reservations wait to be settled.
    async fn open_reservations(&self) -> Result<u64, StoreError>;

    /// Gives back what this process holds for requests to come, before it ends. What it holds for requests under way is charged as
    /// reserved where only this process knows of it.
    async fn close(&self) -> Result<Vec<Settled>, StoreError> {
        Ok(Vec::new())
    }

    /// Does what is to be done every second or so, such as bringing a journal to the disk. May wait for the disk.
    ///
    /// # Errors
    /// The disk cannot be written.
    fn maintain(&self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What came of asking for more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extended {
    /// It was taken.
    Granted,
    /// It was not: the counter that stands in the way.
    Refused {
        /// The counter.
        counter: String,
        /// The limit's amount.
        limit: u64,
    },
}

/// Where a store has the time from.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system, or the store's server.
    #[default]
    System,
    /// A test, in microseconds since 1970.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The time, in microseconds since 1970.
    pub fn now_us(&self) -> u64 {
        match self {
            Self::System => window::to_us(SystemTime::now()),
            Self::Manual(time) => time.load(Ordering::SeqCst),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
