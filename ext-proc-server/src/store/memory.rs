//! Limits and reservations of one process, in memory.
//!
//! What it promises: a request is counted against all limits of its key or against none, in one step under the key's lock,
//! so concurrent requests cannot pass a limit together. A reservation is settled once, by its id; one that nobody settles
//! expires and is charged as it was reserved. What it does not promise: reservations that are open when the process
//! dies are forgotten (settled spend is read back from the ledger), and a second process counts for itself.

use super::calendar::{period_number, until_end};
use crate::config::Limits;
use crate::config::Period;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MINUTE: u64 = 60;

/// What a request will use, as far as can be said before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The key, by its name.
    pub key: String,
    /// Tokens of input and output.
    pub tokens: u64,
    /// Money, in micro-dollars.
    pub micros: u64,
}

/// A reservation that waits to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// What was reserved.
    pub request: Request,
    minute: u64,
    period: i64,
    expires: SystemTime,
}

/// Why a request was not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Too many requests in this minute.
    Requests {
        /// The limit.
        limit: u64,
        /// How long until the minute is over.
        retry_after: Duration,
    },
    /// Too many tokens in this minute.
    Tokens {
        /// The limit.
        limit: u64,
        /// How long until the minute is over.
        retry_after: Duration,
    },
    /// The money is spent or reserved.
    Budget {
        /// The budget, in micro-dollars.
        limit: u64,
        /// How long until the budget is whole again; `None`: never.
        retry_after: Option<Duration>,
    },
}

/// The store.
#[derive(Debug)]
pub struct Memory {
    keys: HashMap<String, Mutex<Counters>>,
    /// Reservations by their ids: as many as requests are under way.
    open: Mutex<HashMap<String, Reservation>>,
    /// How long a reservation waits to be settled.
    lifetime: Duration,
}

#[derive(Debug)]
struct Counters {
    limits: Limits,
    minute: u64,
    requests: u64,
    tokens: u64,
    period: i64,
    spent: u64,
    reserved: u64,
}

impl Memory {
    /// A store for these keys. `lifetime` is how long an unsettled reservation lives.
    pub fn new<'k>(keys: impl Iterator<Item = (&'k str, Limits)>, lifetime: Duration) -> Self {
        let counters =
            |limits| Counters { limits, minute: 0, requests: 0, tokens: 0, period: 0, spent: 0, reserved: 0 };
        let keys = keys.map(|(name, limits)| (name.to_owned(), Mutex::new(counters(limits)))).collect();
        Self { keys, open: Mutex::default(), lifetime }
    }

    /// Counts a request against every limit of its key, or against none.
    ///
    /// # Errors
    /// The limit that does not allow it.
    pub fn reserve(&self, id: &str, request: Request, now: SystemTime) -> Result<(), Refused> {
        let Some(counters) = self.keys.get(&request.key) else { return Ok(()) };
        let (minute, period) = lock(counters).admit(&request, now)?;
        let expires = now + self.lifetime;
        lock(&self.open).insert(id.to_owned(), Reservation { request, minute, period, expires });
        Ok(())
    }

    /// Puts what was used in place of what was reserved. `used` gets the reservation and says what that was, in tokens
    /// and micro-dollars. `None` if the reservation was settled before or has expired.
    pub fn settle(&self, id: &str, used: impl FnOnce(&Reservation) -> (u64, u64)) -> Option<Reservation> {
        let reservation = lock(&self.open).remove(id)?;
        let (tokens, micros) = used(&reservation);
        self.charge(&reservation, tokens, micros);
        Some(reservation)
    }

    /// Charges every reservation that has expired, as it was reserved, and returns them with their ids.
    pub fn expire(&self, now: SystemTime) -> Vec<(String, Reservation)> {
        let expired: Vec<_> = lock(&self.open).extract_if(|_, open| open.expires <= now).collect();
        self.charge_all(&expired);
        expired
    }

    /// Charges every open reservation as it was reserved, and returns them with their ids.
    pub fn close(&self) -> Vec<(String, Reservation)> {
        let unsettled: Vec<_> = lock(&self.open).drain().collect();
        self.charge_all(&unsettled);
        unsettled
    }

    fn charge_all(&self, unsettled: &[(String, Reservation)]) {
        for (_, reservation) in unsettled {
            self.charge(reservation, reservation.request.tokens, reservation.request.micros);
        }
    }

    /// Adds spend that was settled before this process began.
    pub fn restore(&self, key: &str, micros: u64, spent_at: SystemTime, now: SystemTime) {
        let Some(counters) = self.keys.get(key) else { return };
        let mut counters = lock(counters);
        counters.roll(now);
        let period = counters.limits.budget.map_or(Period::Total, |budget| budget.period);
        if period_number(period, spent_at) == counters.period {
            counters.spent = counters.spent.saturating_add(micros);
        }
    }

    /// What a key has spent in the current period and holds reserved, in micro-dollars.
    pub fn spend(&self, key: &str, now: SystemTime) -> (u64, u64) {
        self.keys.get(key).map_or((0, 0), |counters| {
            let mut counters = lock(counters);
            counters.roll(now);
            (counters.spent, counters.reserved)
        })
    }

    /// How many reservations wait to be settled.
    pub fn open_reservations(&self) -> usize {
        lock(&self.open).len()
    }

    fn charge(&self, reservation: &Reservation, tokens: u64, micros: u64) {
        let Some(counters) = self.keys.get(&reservation.request.key) else { return };
        let mut counters = lock(counters);
        counters.reserved = counters.reserved.saturating_sub(reservation.request.micros);
        if counters.minute == reservation.minute {
            counters.tokens =
                counters.tokens.saturating_sub(reservation.request.tokens).saturating_add(tokens);
        }
        // What was begun in an earlier period belongs to that one.
        if counters.period == reservation.period {
            counters.spent = counters.spent.saturating_add(micros);
        }
    }
}

impl Counters {
    fn roll(&mut self, now: SystemTime) {
        let minute = seconds(now) / MINUTE;
        if minute != self.minute {
            (self.minute, self.requests, self.tokens) = (minute, 0, 0);
        }
        let period = self.limits.budget.map_or(Period::Total, |budget| budget.period);
        let number = period_number(period, now);
        if number != self.period {
            (self.period, self.spent) = (number, 0);
        }
    }

    fn admit(&mut self, request: &Request, now: SystemTime) -> Result<(u64, i64), Refused> {
        self.roll(now);
        let retry_after = Duration::from_secs(MINUTE - seconds(now) % MINUTE);
        if let Some(limit) = self.limits.requests_per_minute.filter(|limit| self.requests >= *limit) {
            return Err(Refused::Requests { limit, retry_after });
        }
        let tokens = self.tokens.saturating_add(request.tokens);
        if let Some(limit) = self.limits.tokens_per_minute.filter(|limit| tokens > *limit) {
            return Err(Refused::Tokens { limit, retry_after });
        }
        let committed = self.spent.saturating_add(self.reserved).saturating_add(request.micros);
        if let Some(budget) = self.limits.budget.filter(|budget| committed > budget.micros) {
            let retry_after = until_end(budget.period, now);
            return Err(Refused::Budget { limit: budget.micros, retry_after });
        }
        self.requests += 1;
        self.tokens = tokens;
        self.reserved = self.reserved.saturating_add(request.micros);
        Ok((self.minute, self.period))
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Counters are changed in single steps, so they are whole even if a thread died holding the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Budget;

    fn store(limits: Limits) -> Memory {
        Memory::new([("k", limits)].into_iter(), Duration::from_secs(100))
    }

    fn request(tokens: u64, micros: u64) -> Request {
        Request { key: "k".to_owned(), tokens, micros }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn budget(micros: u64) -> Limits {
        Limits { budget: Some(Budget { micros, period: Period::Total }), ..Limits::default() }
    }

    #[test]
    fn concurrent_requests_cannot_pass_a_budget_together() {
        let store = store(budget(100));
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let store = &store;
                    scope.spawn(move || {
                        (0..100)
                            .filter(|n| store.reserve(&format!("{thread}-{n}"), request(0, 1), at(0)).is_ok())
                            .count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
        assert_eq!(store.spend("k", at(0)), (0, 100));
    }

    #[test]
    fn settling_gives_back_what_was_not_used_and_only_once() {
        let store = store(budget(100));
        store.reserve("a", request(0, 100), at(0)).unwrap();
        assert!(store.reserve("b", request(0, 1), at(0)).is_err());
        assert!(store.settle("a", |_| (0, 30)).is_some());
        assert!(store.settle("a", |_| (0, 30)).is_none());
        assert_eq!(store.spend("k", at(0)), (30, 0));
        store.reserve("b", request(0, 70), at(0)).unwrap();
    }

    #[test]
    fn what_nobody_settles_is_charged_as_reserved() {
        let store = store(budget(100));
        store.reserve("a", request(5, 40), at(0)).unwrap();
        assert!(store.expire(at(99)).is_empty());
        assert_eq!(store.expire(at(100)).len(), 1);
        assert_eq!(store.spend("k", at(100)), (40, 0));
        assert!(store.settle("a", |_| (0, 0)).is_none());
    }

    #[test]
    fn rates_count_a_minute_and_say_when_it_is_over() {
        let store = store(Limits { requests_per_minute: Some(2), tokens_per_minute: Some(10), budget: None });
        store.reserve("a", request(4, 0), at(0)).unwrap();
        assert!(matches!(store.reserve("b", request(7, 0), at(1)), Err(Refused::Tokens { limit: 10, .. })));
        store.settle("a", |_| (1, 0));
        store.reserve("b", request(9, 0), at(1)).unwrap();
        let Err(Refused::Requests { retry_after, .. }) = store.reserve("c", request(0, 0), at(10)) else {
            panic!()
        };
        assert_eq!(retry_after, Duration::from_secs(50));
        store.reserve("c", request(0, 0), at(60)).unwrap();
    }

    #[test]
    fn a_refused_request_is_counted_nowhere() {
        let store = store(Limits { requests_per_minute: Some(1), ..budget(10) });
        assert!(matches!(store.reserve("a", request(0, 11), at(0)), Err(Refused::Budget { .. })));
        store.reserve("b", request(0, 10), at(0)).unwrap();
    }
}
