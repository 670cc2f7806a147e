//! Leases: what a process takes from a distant store at a time for many requests, and shares out by itself.
//!
//! A scope that is asked for thousands of times a second would cost as many scripts in one server. Once the same limits were asked
//! for 32 times within a second, a lease is taken: one reservation that is worth many requests, but no more than a configured
//! share of any limit. Requests take from it in this process, and the store is asked again when it is used up.
//!
//! What it promises: no limit is passed, for all that a process shares out is reserved in the store. What a process holds and does
//! not use is at most one lease for each group of limits more than its own requests have reserved, so others may be refused that
//! much too early; a second without requests gives it back. Near a limit, where no lease fits, every request asks the store.
//!
//! What it costs: counters in the store show leased amounts as reserved until the lease ends, and thresholds are told then. A
//! process that is killed leaves its leases to expire, which charges them in full: up to the share of a limit, and in no
//! account of a request. The end of a request must be told to the process that let it pass; to any other it is unknown, and the
//! request is charged as reserved.

use super::window::{Window, length_us};
use super::{
    Alternative, Amounts, Ask, Claim, Clock, Extended, Measure, Movement, Outcome, Settled, Standing, Store,
    StoreError, Used,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many requests of one group of limits within a second make it hot.
const HOT: u64 = 32;
/// How many requests one lease is for, if its share of the limits allows.
const REQUESTS: u64 = 128;
/// How long requests may begin in a lease, in microseconds.
const AGE_US: u64 = 5_000_000;
const SECOND_US: u64 = 1_000_000;
/// What marks a reservation as a lease, before the id of the process.
const MARK: &str = "lease:";

/// Whether this is the subject of a lease: its requests have accounts of their own.
pub fn is_lease(subject: &str) -> bool {
    subject.starts_with(MARK)
}

/// A store from which leases are taken.
#[derive(Debug)]
pub struct Leased {
    store: Arc<dyn Store>,
    clock: Clock,
    /// The most of a limit that one lease takes, in per cent.
    percent: u8,
    /// What tells the leases of this process from those of others.
    process: String,
    number: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    groups: HashMap<Group, Leases>,
    /// The group and the lease of each request.
    requests: HashMap<String, Place>,
    /// Leases that have ended and are to be settled.
    ended: Vec<(String, Amounts)>,
    late: Vec<Movement>,
    /// Requests that were charged as reserved, of which nobody was told yet.
    untold: Vec<Settled>,
}

/// The limits that are asked for together, and as what: everything of their claims but the amounts.
type Group = Arc<[Claim]>;

#[derive(Debug)]
struct Place {
    group: Group,
    lease: String,
}

#[derive(Debug, Default)]
struct Leases {
    /// How often it was asked for in which second.
    second: u64,
    asked: u64,
    /// No lease is asked for before: one is being asked for, or was refused.
    wait_until_us: u64,
    open: Vec<Lease>,
}

#[derive(Debug)]
struct Lease {
    id: String,
    /// What the store said of the counters when it was granted.
    standings: Vec<Standing>,
    /// What is neither used nor held, by claim. Less than nothing where requests have used more than they held.
    left: Vec<i128>,
    used: Amounts,
    /// When no more requests may begin in it: its age, or the end of a window.
    until_us: u64,
    /// When a request last took from it.
    taken_us: u64,
    held: HashMap<String, Held>,
}

/// What one request holds.
#[derive(Debug)]
struct Held {
    subject: String,
    amounts: Amounts,
    /// By claim.
    taken: Vec<u64>,
    expires_us: u64,
}

impl Leased {
    /// Takes leases from this store, of at most so many per cent of any limit.
    pub fn new(store: Arc<dyn Store>, percent: u8, clock: Clock) -> Self {
        let process = uuid::Uuid::now_v7().simple().to_string();
        Self { store, clock, percent, process, number: AtomicU64::new(0), inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a lease for this request would take; `None`: the limits are too small, or cannot be leased.
    fn ask_for(&self, way: &Alternative, lifetime: Duration) -> Option<Ask> {
        // What only some providers count is known at the end of each request.
        if way.claims.is_empty() || way.claims.iter().any(|claim| !claim.providers.is_empty()) {
            return None;
        }
        let enforced = way.claims.iter().filter(|claim| claim.ceiling != u64::MAX && claim.amount > 0);
        let share = |claim: &Claim| {
            let room = claim.limit.min(claim.ceiling);
            (room / 100 * u64::from(self.percent) + room % 100 * u64::from(self.percent) / 100) / claim.amount
        };
        let times = enforced.map(share).min().unwrap_or(REQUESTS).min(REQUESTS);
        if times < 2 {
            return None;
        }
        let claims = way
            .claims
            .iter()
            .map(|claim| Claim { amount: claim.amount.saturating_mul(times), ..claim.clone() });
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        Some(Ask {
            id: format!("{MARK}{}:{}", self.process, number),
            alternatives: vec![Alternative { claims: claims.collect(), amounts: way.amounts.times(times) }],
            subject: format!("{MARK}{}", self.process),
            lifetime: lifetime + Duration::from_micros(AGE_US),
        })
    }

    /// Takes a lease and lets this request pass by it. `None`: the store refused it.
    async fn lease(&self, group: &Group, ask: &Ask, lease: Ask) -> Result<Option<Outcome>, StoreError> {
        let now = self.clock.now_us();
        let id = lease.id.clone();
        let claims = lease.alternatives.iter().flat_map(|way| &way.claims);
        let left = claims.map(|claim| claim.amount.into()).collect();
        let outcome = self.store.reserve(lease).await?;
        let mut inner = self.inner();
        let leases = inner.groups.entry(group.clone()).or_default();
        let Outcome::Granted { standings, .. } = outcome else {
            leases.wait_until_us = now.saturating_add(SECOND_US);
            return Ok(None);
        };
        leases.wait_until_us = 0;
        // A request that begins in the next window of the calendar is to be counted there.
        let ends = group.iter().zip(&standings).filter_map(|(claim, standing)| match claim.window {
            Window::Calendar(..) if claim.measure != Measure::Concurrent => standing.reset_us,
            _ => None,
        });
        let until_us = now.saturating_add(ends.min().unwrap_or(AGE_US).min(AGE_US));
        leases.open.push(Lease {
            id,
            standings,
            left,
            used: Amounts::default(),
            until_us,
            taken_us: now,
            held: HashMap::new(),
        });
        Ok(inner.take(group, ask, now))
    }

    /// Settles leases that have ended. What the store does not take is brought again.
    async fn settle_ended(&self) -> Result<(), StoreError> {
        let mut ended = std::mem::take(&mut self.inner().ended);
        while let Some((id, amounts)) = ended.pop() {
            let used = Used { amounts, at_least_reserved: false, provider: String::new() };
            match self.store.settle(&id, used).await {
                Ok(settled) => {
                    self.inner().late.extend(settled.into_iter().flat_map(|settled| settled.movements));
                }
                Err(error) => {
                    ended.push((id, amounts));
                    self.inner().ended.append(&mut ended);
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl Inner {
    /// Lets a request pass by a lease that has room for it.
    fn take(&mut self, group: &Group, ask: &Ask, now: u64) -> Option<Outcome> {
        let way = ask.alternatives.first()?;
        let leases = self.groups.get_mut(group)?;
        let lease = leases
            .open
            .iter_mut()
            .find(|lease| now < lease.until_us && lease.fits(&way.claims, |claim| claim.amount))?;
        lease.take(ask, way, now);
        let place = Place { group: group.clone(), lease: lease.id.clone() };
        self.requests.insert(ask.id.clone(), place);
        Some(Outcome::Granted { alternative: 0, standings: lease.standings() })
    }

    fn lease_of(&mut self, id: &str) -> Option<&mut Lease> {
        let place = self.requests.get(id)?;
        self.groups.get_mut(&place.group)?.open.iter_mut().find(|lease| lease.id == place.lease)
    }

    /// Takes more for a request from its lease. `None`: it has none; an error: the lease, which has not enough.
    fn extend(&mut self, id: &str, more: Amounts) -> Option<Result<(), String>> {
        let claims = self.requests.get(id)?.group.clone();
        let lease = self.lease_of(id)?;
        Some(if lease.extend(id, &claims, more) { Ok(()) } else { Err(lease.id.clone()) })
    }

    /// Adds to the lease of a request what was taken for it.
    fn grow(&mut self, id: &str, more: Amounts) {
        let Some(claims) = self.requests.get(id).map(|place| place.group.clone()) else { return };
        let Some(lease) = self.lease_of(id) else { return };
        for (left, claim) in lease.left.iter_mut().zip(claims.iter()) {
            *left += i128::from(more.of(claim.measure));
        }
    }

    /// Ends what a request holds: `used` is charged in its place, and the rest can be taken again.
    fn end(&mut self, id: &str, used: &Used) -> Option<Settled> {
        let claims = self.requests.get(id)?.group.clone();
        let lease = self.lease_of(id)?;
        let settled = lease.end(id, &claims, used);
        self.requests.remove(id);
        settled
    }

    /// Puts leases aside that nobody uses any more, and forgets groups without any.
    fn retire(&mut self, now: u64) {
        let Self { groups, ended, .. } = self;
        groups.retain(|_, leases| {
            leases.open.retain(|lease| {
                let idle = now.saturating_sub(lease.taken_us) >= SECOND_US || now >= lease.until_us;
                let over = lease.held.is_empty() && idle;
                if over {
                    ended.push((lease.id.clone(), lease.used));
                }
                !over
            });
            now < leases.wait_until_us || !leases.open.is_empty() || leases.second == now / SECOND_US
        });
    }

    /// Requests that nobody settled, which are charged as reserved.
    fn expire(&mut self, now: u64) -> Vec<Settled> {
        let leases = self.groups.values().flat_map(|leases| &leases.open);
        let held = leases.flat_map(|lease| &lease.held);
        let expired = held.filter(|(_, held)| held.expires_us <= now).map(|(id, _)| id.clone());
        let mut expired: Vec<String> = expired.collect();
        expired.sort();
        let as_reserved =
            Used { amounts: Amounts::default(), at_least_reserved: true, provider: String::new() };
        expired.iter().filter_map(|id| self.end(id, &as_reserved)).collect()
    }
}

impl Leases {
    /// Whether a lease is due, to be asked for by whoever asks this.
    fn begin(&mut self, now: u64) -> bool {
        let second = now / SECOND_US;
        if self.second != second {
            (self.second, self.asked) = (second, 0);
        }
        self.asked += 1;
        // What was hot a moment ago and still has leases stays so.
        let hot = self.asked >= HOT || !self.open.is_empty();
        let begins = hot && now >= self.wait_until_us;
        if begins {
            self.wait_until_us = now.saturating_add(SECOND_US);
        }
        begins
    }
}

impl Lease {
    fn fits(&self, claims: &[Claim], amount: impl Fn(&Claim) -> u64) -> bool {
        self.left.iter().zip(claims).all(|(left, claim)| *left >= i128::from(amount(claim)))
    }

    fn take(&mut self, ask: &Ask, way: &Alternative, now: u64) {
        for (left, claim) in self.left.iter_mut().zip(&way.claims) {
            *left -= i128::from(claim.amount);
        }
        self.taken_us = now;
        let held = Held {
            subject: ask.subject.clone(),
            amounts: way.amounts,
            taken: way.claims.iter().map(|claim| claim.amount).collect(),
            expires_us: now.saturating_add(length_us(ask.lifetime)),
        };
        self.held.insert(ask.id.clone(), held);
    }

    /// How the counters stand as far as this process knows: as when the lease was taken, but for what is left of it.
    fn standings(&self) -> Vec<Standing> {
        let stood = self.standings.iter().zip(&self.left);
        let now = stood.map(|(standing, left)| {
            let left = u64::try_from(*left).unwrap_or(0);
            let reserved = standing.reserved.saturating_sub(left);
            // Only a calendar window tells what is reserved from what is used.
            let apart = standing.reserved >= left && standing.used != standing.reserved;
            let used = if apart { standing.used } else { standing.used.saturating_sub(left) };
            Standing { used, reserved, ..*standing }
        });
        now.collect()
    }

    fn extend(&mut self, id: &str, claims: &[Claim], more: Amounts) -> bool {
        let fits = self.fits(claims, |claim| more.of(claim.measure));
        let Some(held) = self.held.get_mut(id).filter(|_| fits) else { return false };
        for ((left, taken), claim) in self.left.iter_mut().zip(&mut held.taken).zip(claims) {
            *left -= i128::from(more.of(claim.measure));
            *taken = taken.saturating_add(more.of(claim.measure));
        }
        held.amounts = held.amounts.plus(more);
        true
    }

    /// Puts what a request has used in place of what it held.
    fn end(&mut self, id: &str, claims: &[Claim], used: &Used) -> Option<Settled> {
        let held = self.held.remove(id)?;
        let charged = match used.at_least_reserved {
            true => used.amounts.max(held.amounts),
            false => used.amounts,
        };
        for ((left, taken), claim) in self.left.iter_mut().zip(&held.taken).zip(claims) {
            *left += i128::from(*taken) - i128::from(charged.of(claim.measure));
        }
        self.used = self.used.plus(charged);
        Some(Settled {
            id: id.to_owned(),
            subject: held.subject,
            reserved: held.amounts,
            movements: Vec::new(),
        })
    }
}

#[tonic::async_trait]
impl Store for Leased {
    async fn reserve(&self, ask: Ask) -> Result<Outcome, StoreError> {
        let now = self.clock.now_us();
        let Some(way) = ask.alternatives.first() else { return self.store.reserve(ask).await };
        let group: Group = way.claims.iter().map(|claim| Claim { amount: 0, ..claim.clone() }).collect();
        let begins = {
            let mut inner = self.inner();
            if let Some(lease) = inner.lease_of(&ask.id) {
                return Ok(Outcome::Granted { alternative: 0, standings: lease.standings() });
            }
            if let Some(outcome) = inner.take(&group, &ask, now) {
                return Ok(outcome);
            }
            inner.groups.entry(group.clone()).or_default().begin(now)
        };
        if begins
            && let Some(lease) = self.ask_for(way, ask.lifetime)
            && let Some(outcome) = self.lease(&group, &ask, lease).await?
        {
            return Ok(outcome);
        }
        self.store.reserve(ask).await
    }

    async fn extend(&self, id: &str, more: Amounts) -> Result<Option<Extended>, StoreError> {
        let lease = {
            let mut inner = self.inner();
            match inner.extend(id, more) {
                None => None,
                Some(Ok(())) => return Ok(Some(Extended::Granted)),
                Some(Err(lease)) => Some(lease),
            }
        };
        // The lease grows by as much.
        let extended = self.store.extend(lease.as_deref().unwrap_or(id), more).await?;
        if lease.is_some() && extended == Some(Extended::Granted) {
            let mut inner = self.inner();
            inner.grow(id, more);
            let _ = inner.extend(id, more);
        }
        Ok(extended)
    }

    async fn settle(&self, id: &str, used: Used) -> Result<Option<Settled>, StoreError> {
        if let Some(settled) = self.inner().end(id, &used) {
            return Ok(Some(settled));
        }
        self.store.settle(id, used).await
    }

    async fn expire(&self) -> Result<Vec<Settled>, StoreError> {
        let now = self.clock.now_us();
        {
            let mut inner = self.inner();
            let mut expired = inner.expire(now);
            inner.untold.append(&mut expired);
            inner.retire(now);
        }
        // What fails here is told of another time.
        self.settle_ended().await?;
        let mut expired = self.store.expire().await?;
        expired.append(&mut self.inner().untold);
        Ok(expired)
    }

    fn late(&self) -> Vec<Movement> {
        let mut late = self.store.late();
        late.append(&mut self.inner().late);
        late
    }

    async fn standings(&self, claims: &[Claim]) -> Result<Vec<Standing>, StoreError> {
        self.store.standings(claims).await
    }

    async fn close(&self) -> Result<Vec<Settled>, StoreError> {
        let left = {
            let mut inner = self.inner();
            let mut left = inner.expire(u64::MAX);
            left.append(&mut inner.untold);
            inner.retire(u64::MAX);
            left
        };
        self.settle_ended().await?;
        Ok(left)
    }

    async fn open_reservations(&self) -> Result<u64, StoreError> {
        // Those that are leased are seen as one each by others.
        self.store.open_reservations().await
    }

    fn maintain(&self) -> std::io::Result<()> {
        self.store.maintain()
    }
}

#[cfg(test)]
mod tests;
