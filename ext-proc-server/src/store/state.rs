//! The rules of counting, without a lock, a clock or a file.
//!
//! This is the in-memory store's state, and what the other stores are held equal to. Every operation gets the time, so the same
//! operations at the same times give the same state again: that is how the journal restores it.
//!
//! * A request that began in one calendar window is charged to that window, also when it ends in a later one.
//! * A window that has ended does not come back when the clock is set back, and neither does what has left a sliding window.
//! * Of a sliding window and of a bucket only the sum is kept; a calendar window tells what is settled from what is held.

use super::window::{SLOTS, Window, length_us, refill_us, slot_us};
use super::{
    Alternative, Amounts, Ask, Claim, Extended, Measure, Movement, Outcome, Refused, Settled, Standing, Used,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Every counter and every reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    counters: HashMap<String, Counter>,
    open: HashMap<String, Held>,
}

/// A reservation that waits to be settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    subject: String,
    alternative: usize,
    amounts: Amounts,
    claims: Vec<Claim>,
    /// Where in its counter each claim was taken: the start of a calendar window, or the number of a slot.
    places: Vec<u64>,
    expires_us: u64,
}

/// What can be done with an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It was granted before.
    Held(Outcome),
    /// This alternative can be granted.
    Fits(usize),
}

/// What one limit has counted for one of those whom it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Counter {
    Calendar {
        start: u64,
        end: u64,
        used: u64,
        reserved: u64,
    },
    /// Amounts by the number of their slot, counted from 1970; what is older than `oldest` is forgotten.
    Sliding {
        slots: BTreeMap<u64, u64>,
        slot_us: u64,
        oldest: u64,
    },
    /// When the bucket is full again: the theoretical arrival time.
    Bucket {
        full_us: u64,
    },
    Concurrent {
        open: u64,
    },
}

impl State {
    /// Takes the claims of the first alternative that fits, or nothing.
    pub fn reserve(&mut self, ask: Ask, now: u64) -> Outcome {
        match self.choose(&ask, now) {
            Ok(Choice::Held(outcome)) => outcome,
            Ok(Choice::Fits(number)) => self.grant(ask, number, now),
            Err(refused) => Outcome::Refused(refused),
        }
    }

    /// The first alternative that fits.
    ///
    /// # Errors
    /// Why none does.
    pub fn choose(&self, ask: &Ask, now: u64) -> Result<Choice, Refused> {
        if let Some(held) = self.open.get(&ask.id) {
            let standings = self.standings(&held.claims, now);
            return Ok(Choice::Held(Outcome::Granted { alternative: held.alternative, standings }));
        }
        let mut refused = Refused { claim: 0, wait_us: None, standings: Vec::new() };
        for (number, alternative) in ask.alternatives.iter().enumerate() {
            let Some((claim, wait_us)) = self.obstacle(&alternative.claims, now) else {
                return Ok(Choice::Fits(number));
            };
            refused = Refused { claim, wait_us, standings: self.standings(&alternative.claims, now) };
        }
        Err(refused)
    }

    /// Takes the claims of one alternative, which fits.
    pub fn grant(&mut self, mut ask: Ask, number: usize, now: u64) -> Outcome {
        let chosen = ask.alternatives.get_mut(number).map(std::mem::take);
        self.hold(ask, chosen.unwrap_or_default(), number, now)
    }

    fn hold(&mut self, ask: Ask, chosen: Alternative, number: usize, now: u64) -> Outcome {
        let Alternative { claims, amounts } = chosen;
        let places = claims.iter().map(|claim| self.take(claim, claim.amount, now)).collect();
        let standings = self.standings(&claims, now);
        let expires_us = now.saturating_add(length_us(ask.lifetime));
        let held = Held { subject: ask.subject, alternative: number, amounts, claims, places, expires_us };
        self.open.insert(ask.id, held);
        Outcome::Granted { alternative: number, standings }
    }

    /// Does again what [`State::grant`] did with the alternative of this number, which is the only one left.
    pub(super) fn restore(&mut self, mut ask: Ask, number: usize, now: u64) {
        let chosen = ask.alternatives.pop().unwrap_or_default();
        self.hold(ask, chosen, number, now);
    }

    /// Whether a reservation waits that [`State::expire`] would charge.
    pub fn has_expired(&self, now: u64) -> bool {
        self.open.values().any(|held| held.expires_us <= now)
    }

    /// The claim that does not fit, and of several the one with the longest wait.
    fn obstacle(&self, claims: &[Claim], now: u64) -> Option<(usize, Option<u64>)> {
        let mut worst: Option<(usize, Option<u64>)> = None;
        for (index, claim) in claims.iter().enumerate() {
            let ceiling = claim.ceiling.min(claim.admits.unwrap_or(u64::MAX));
            let Err(wait) = self.fits(claim, ceiling, claim.amount, now) else { continue };
            let longer = worst
                .is_none_or(|(_, known)| known.is_some_and(|known| wait.is_none_or(|wait| wait > known)));
            if longer {
                worst = Some((index, wait));
            }
        }
        worst
    }

    /// Whether a counter has room for an amount; or how long until it will, as far as can be known.
    fn fits(&self, claim: &Claim, room: u64, amount: u64, now: u64) -> Result<(), Option<u64>> {
        if room == u64::MAX {
            return Ok(());
        }
        if claim.measure == Measure::Concurrent {
            let open = self.concurrent(&claim.counter);
            return if open.saturating_add(amount) <= room { Ok(()) } else { Err(None) };
        }
        match &claim.window {
            Window::Calendar(..) => {
                let (_, end, used, reserved) = self.calendar(claim, now);
                if used.saturating_add(reserved).saturating_add(amount) <= room {
                    return Ok(());
                }
                Err((amount <= room && end != u64::MAX).then(|| end.saturating_sub(now)))
            }
            Window::Sliding(length) => {
                let slot = slot_us(*length);
                let length = SLOTS * slot;
                let active = self.sliding(&claim.counter, slot, now);
                let mut sum = active.clone().fold(amount, |sum, (_, part)| sum.saturating_add(*part));
                if sum <= room {
                    return Ok(());
                }
                for (number, part) in active {
                    sum -= part;
                    if sum <= room {
                        // A slot leaves when the whole of it is older than the window.
                        return Err(Some(
                            (number + 1).saturating_mul(slot).saturating_add(length).saturating_sub(now),
                        ));
                    }
                }
                Err(None)
            }
            // Nothing flows into a bucket without a limit.
            Window::Bucket(_) if claim.limit == 0 => {
                if amount == 0 {
                    Ok(())
                } else {
                    Err(None)
                }
            }
            Window::Bucket(period) => {
                let needs = refill_us(amount, claim.limit, *period);
                let holds = refill_us(room, claim.limit, *period);
                let full = self.bucket(&claim.counter).max(now).saturating_add(needs);
                let over = (full - now).saturating_sub(holds);
                if over == 0 { Ok(()) } else { Err((needs <= holds).then_some(over)) }
            }
        }
    }

    /// Adds an amount to a counter, and says where.
    fn take(&mut self, claim: &Claim, amount: u64, now: u64) -> u64 {
        let fresh = self.fresh(claim, now);
        let counter = self.counters.entry(claim.counter.clone()).or_insert_with(|| fresh.clone());
        // A calendar counter whose window has ended begins anew.
        let ended = matches!((&*counter, &fresh), (Counter::Calendar { start, .. }, Counter::Calendar { start: now, .. }) if start < now);
        if ended || std::mem::discriminant(counter) != std::mem::discriminant(&fresh) {
            *counter = fresh;
        }
        match counter {
            Counter::Calendar { start, reserved, .. } => {
                *reserved = reserved.saturating_add(amount);
                *start
            }
            Counter::Sliding { slots, slot_us, oldest } => {
                *oldest = oldest_slot(*slot_us, now).max(*oldest);
                while slots.first_key_value().is_some_and(|(number, _)| number < oldest) {
                    slots.pop_first();
                }
                // A clock that was set back far takes where it will count.
                let place = (now / *slot_us).max(*oldest);
                let slot = slots.entry(place).or_default();
                *slot = slot.saturating_add(amount);
                place
            }
            Counter::Bucket { full_us } => {
                if let Window::Bucket(period) = &claim.window {
                    draw(full_us, drawn_us(amount, claim.limit, *period), now);
                }
                0
            }
            Counter::Concurrent { open } => {
                *open = open.saturating_add(amount);
                0
            }
        }
    }

    /// A counter that has not counted yet; of a calendar window the one of now.
    fn fresh(&self, claim: &Claim, now: u64) -> Counter {
        if claim.measure == Measure::Concurrent {
            return Counter::Concurrent { open: 0 };
        }
        match &claim.window {
            Window::Calendar(..) => {
                let (start, end, ..) = self.calendar(claim, now);
                Counter::Calendar { start, end, used: 0, reserved: 0 }
            }
            Window::Sliding(length) => {
                Counter::Sliding { slots: BTreeMap::new(), slot_us: slot_us(*length), oldest: 0 }
            }
            Window::Bucket(_) => Counter::Bucket { full_us: 0 },
        }
    }

    /// The window that a calendar counter is in: its start, its end, and what is used and reserved in it.
    fn calendar(&self, claim: &Claim, now: u64) -> (u64, u64, u64, u64) {
        let known = match self.counters.get(&claim.counter) {
            Some(Counter::Calendar { start, end, used, reserved }) => Some((*start, *end, *used, *reserved)),
            _ => None,
        };
        match known {
            // Computing the bounds is the dear part, and they have changed only when the window has ended.
            Some(known) if now < known.1 => known,
            _ => {
                let (start, end) = match &claim.window {
                    Window::Calendar(unit, zone) => unit.bounds(zone, now),
                    _ => (0, u64::MAX),
                };
                (start, end, 0, 0)
            }
        }
    }

    /// The slots of a sliding window that count now.
    fn sliding(&self, counter: &str, slot_us: u64, now: u64) -> impl Iterator<Item = (&u64, &u64)> + Clone {
        let slots = match self.counters.get(counter) {
            Some(Counter::Sliding { slots, oldest, .. }) => {
                Some(slots.range(oldest_slot(slot_us, now).max(*oldest)..))
            }
            _ => None,
        };
        slots.into_iter().flatten()
    }

    fn bucket(&self, counter: &str) -> u64 {
        match self.counters.get(counter) {
            Some(Counter::Bucket { full_us }) => *full_us,
            _ => 0,
        }
    }

    fn concurrent(&self, counter: &str) -> u64 {
        match self.counters.get(counter) {
            Some(Counter::Concurrent { open }) => *open,
            _ => 0,
        }
    }

    /// Takes more for a reservation, from all its counters or from none. What it holds moves with it to the window of now.
    pub fn extend(&mut self, id: &str, more: Amounts, now: u64) -> Option<Extended> {
        let held = self.open.get(id)?;
        for (claim, place) in held.claims.iter().zip(&held.places) {
            let add = if claim.overruns { 0 } else { more.of(claim.measure) };
            // What is held where nobody counts any more comes back into the count.
            let again = if self.counts_at(claim, *place, now) { 0 } else { claim.amount };
            if add > 0 && self.fits(claim, claim.ceiling, again.saturating_add(add), now).is_err() {
                return Some(Extended::Refused { counter: claim.counter.clone(), limit: claim.limit });
            }
        }
        let mut held = self.open.remove(id)?;
        for (claim, place) in held.claims.iter_mut().zip(&mut held.places) {
            let add = more.of(claim.measure);
            if add == 0 {
                continue;
            }
            let all = claim.amount.saturating_add(add);
            if matches!(claim.window, Window::Bucket(_)) {
                // What flowed back since it was taken need not be taken again.
                self.replace(claim, *place, all, now);
            } else {
                self.replace(claim, *place, 0, now);
                *place = self.take(claim, all, now);
            }
            claim.amount = all;
        }
        held.amounts = held.amounts.plus(more);
        self.open.insert(id.to_owned(), held);
        Some(Extended::Granted)
    }

    /// Whether what was taken at this place still counts.
    fn counts_at(&self, claim: &Claim, place: u64, now: u64) -> bool {
        match &claim.window {
            Window::Calendar(..) => self.calendar(claim, now).0 == place,
            Window::Sliding(length) => {
                let forgotten = match self.counters.get(&claim.counter) {
                    Some(Counter::Sliding { oldest, .. }) => *oldest,
                    _ => 0,
                };
                place >= oldest_slot(slot_us(*length), now).max(forgotten)
            }
            Window::Bucket(_) => true,
        }
    }

    /// Puts what was used in place of what was taken.
    pub fn settle(&mut self, id: &str, used: &Used, now: u64) -> Option<Settled> {
        let held = self.open.remove(id)?;
        Some(self.end(id.to_owned(), held, used, now))
    }

    /// Charges reservations that have expired, as they were reserved, whoever the provider was.
    pub fn expire(&mut self, now: u64) -> Vec<Settled> {
        let mut expired: Vec<_> = self.open.extract_if(|_, held| held.expires_us <= now).collect();
        expired.sort_by(|one, other| one.0.cmp(&other.0));
        let as_reserved =
            Used { amounts: Amounts::default(), at_least_reserved: true, provider: String::new() };
        expired.into_iter().map(|(id, held)| self.end(id, held, &as_reserved, now)).collect()
    }

    fn end(&mut self, id: String, held: Held, used: &Used, now: u64) -> Settled {
        let mut movements = Vec::new();
        for (claim, place) in held.claims.iter().zip(&held.places) {
            let elsewhere = !used.provider.is_empty()
                && !claim.providers.is_empty()
                && !claim.providers.contains(&used.provider);
            let actual = match claim.measure {
                Measure::Concurrent => 0,
                _ if elsewhere => 0,
                measure if used.at_least_reserved => used.amounts.of(measure).max(claim.amount),
                measure => used.amounts.of(measure),
            };
            movements.extend(self.replace(claim, *place, actual, now));
        }
        Settled { id, subject: held.subject, reserved: held.amounts, movements }
    }

    /// Puts an amount in place of the one that a claim took.
    fn replace(&mut self, claim: &Claim, place: u64, actual: u64, now: u64) -> Option<Movement> {
        // A bucket that is full and a window in which nothing was taken may have been forgotten, and count all the same.
        if !matches!(claim.window, Window::Calendar(..)) && !self.counters.contains_key(&claim.counter) {
            let fresh = self.fresh(claim, now);
            self.counters.insert(claim.counter.clone(), fresh);
        }
        match self.counters.get_mut(&claim.counter)? {
            Counter::Calendar { start, used, reserved, .. } if *start == place => {
                let before = *used;
                *reserved = reserved.saturating_sub(claim.amount);
                *used = used.saturating_add(actual);
                (*used > before).then(|| Movement {
                    counter: claim.counter.clone(),
                    limit: claim.limit,
                    before,
                    after: *used,
                    window_us: place,
                })
            }
            Counter::Calendar { .. } => None,
            Counter::Sliding { oldest, .. } if place < *oldest => None,
            Counter::Sliding { slots, .. } => {
                let slot = slots.entry(place).or_default();
                *slot = slot.saturating_sub(claim.amount).saturating_add(actual);
                None
            }
            Counter::Bucket { full_us } => {
                if let Window::Bucket(period) = &claim.window {
                    let refill = |amount| drawn_us(amount, claim.limit, *period);
                    if actual > claim.amount {
                        draw(full_us, refill(actual) - refill(claim.amount), now);
                    } else {
                        *full_us = full_us.saturating_sub(refill(claim.amount) - refill(actual));
                    }
                }
                None
            }
            Counter::Concurrent { open } => {
                *open = open.saturating_sub(claim.amount);
                None
            }
        }
    }

    /// How the counters of these claims stand.
    pub fn standings(&self, claims: &[Claim], now: u64) -> Vec<Standing> {
        claims.iter().map(|claim| self.standing(claim, now)).collect()
    }

    fn standing(&self, claim: &Claim, now: u64) -> Standing {
        if claim.measure == Measure::Concurrent {
            let open = self.concurrent(&claim.counter);
            return Standing { used: open, reserved: open, reset_us: None };
        }
        match &claim.window {
            Window::Calendar(..) => {
                let (_, end, used, reserved) = self.calendar(claim, now);
                let reset_us = (end != u64::MAX).then(|| end.saturating_sub(now));
                Standing { used, reserved, reset_us }
            }
            Window::Sliding(length) => {
                let slot = slot_us(*length);
                let length = SLOTS * slot;
                let (used, last) = self
                    .sliding(&claim.counter, slot, now)
                    .filter(|(_, part)| **part > 0)
                    .fold((0u64, None), |(sum, _), (number, part)| {
                        (sum.saturating_add(*part), Some(*number))
                    });
                let whole =
                    last.map_or(now, |number| (number + 1).saturating_mul(slot).saturating_add(length));
                Standing { used, reserved: 0, reset_us: Some(whole.saturating_sub(now)) }
            }
            Window::Bucket(period) => {
                let missing = self.bucket(&claim.counter).saturating_sub(now);
                // What is missing, rounded up: a bucket is not full before it is.
                let product = u128::from(missing) * u128::from(claim.limit);
                let used = product.div_ceil(u128::from(length_us(*period)).max(1));
                Standing {
                    used: u64::try_from(used).unwrap_or(u64::MAX),
                    reserved: 0,
                    reset_us: Some(missing),
                }
            }
        }
    }

    /// How many reservations wait to be settled.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Forgets counters that are as if they had never counted.
    pub fn prune(&mut self, now: u64) {
        self.counters.retain(|_, counter| match counter {
            Counter::Calendar { end, .. } => now < *end,
            Counter::Sliding { slots, slot_us, .. } => {
                let first = oldest_slot(*slot_us, now);
                slots.retain(|number, part| *number >= first && *part > 0);
                !slots.is_empty()
            }
            Counter::Bucket { full_us } => now < *full_us,
            Counter::Concurrent { open } => *open > 0,
        });
    }
}

/// The oldest slot of which a part is in a sliding window.
fn oldest_slot(slot_us: u64, now: u64) -> u64 {
    now.saturating_sub(SLOTS * slot_us) / slot_us
}

/// How much later a bucket is full for what is drawn from it. One into which nothing flows is always as full as it can be.
fn drawn_us(amount: u64, limit: u64, period: Duration) -> u64 {
    if limit == 0 { 0 } else { refill_us(amount, limit, period) }
}

/// Makes a bucket full so much later. What draws nothing leaves it alone, for its clock may be set back.
fn draw(full_us: &mut u64, later_us: u64, now: u64) {
    if later_us > 0 {
        *full_us = (*full_us).max(now).saturating_add(later_us);
    }
}

#[cfg(test)]
mod tests;
