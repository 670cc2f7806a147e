//! The rules of counting once more, as simply as can be: everything that ever happened is kept, and every number is computed
//! from it when it is asked for. Written by what `store/mod.rs` promises, not after `store/state.rs`.

use crate::store::window::{Window, length_us};
use crate::store::{
    Amounts, Ask, Claim, Extended, Measure, Movement, Outcome, Refused, Settled, Standing, Used,
};

#[derive(Default)]
pub(super) struct Model {
    reservations: Vec<Reservation>,
    draws: Vec<Draw>,
    /// Counters and when something was taken from them.
    takes: Vec<(String, u64)>,
}

struct Reservation {
    id: String,
    subject: String,
    alternative: usize,
    amounts: Amounts,
    claims: Vec<Taken>,
    expires: u64,
    open: bool,
}

struct Taken {
    claim: Claim,
    /// The calendar window, or the slot of a sliding one, in which it counts.
    from: u64,
    until: u64,
    counts: u64,
}

/// What happened to a bucket.
struct Draw {
    counter: String,
    at: u64,
    /// By how much later it is full; less than 0: how much earlier.
    later: i128,
}

fn slot(length: std::time::Duration) -> u64 {
    length_us(length).div_ceil(60).max(1)
}

/// The time in which an amount flows back into a bucket.
fn flows(claim: &Claim, amount: u64) -> i128 {
    let Window::Bucket(period) = claim.window else { unreachable!() };
    if claim.limit == 0 {
        return 0;
    }
    (i128::from(amount) * i128::from(length_us(period)) + i128::from(claim.limit) - 1)
        / i128::from(claim.limit)
}

impl Model {
    fn taken_by(&self, counter: &str) -> impl Iterator<Item = (&Reservation, &Taken)> {
        self.reservations
            .iter()
            .flat_map(|reservation| reservation.claims.iter().map(move |taken| (reservation, taken)))
            .filter(move |(_, taken)| taken.claim.counter == counter)
    }

    /// The window of a calendar counter: the last one that anything was taken in, until it ends.
    fn calendar(&self, claim: &Claim, now: u64) -> (u64, u64) {
        let Window::Calendar(unit, zone) = &claim.window else { unreachable!() };
        let last = self.taken_by(&claim.counter).map(|(_, taken)| (taken.from, taken.until)).max();
        last.filter(|(_, end)| now < *end).unwrap_or_else(|| unit.bounds(zone, now))
    }

    /// From when on a sliding window counts: it has never taken anything before with less behind it.
    fn since(&self, claim: &Claim, now: u64) -> u64 {
        let Window::Sliding(length) = claim.window else { unreachable!() };
        let slot = slot(length);
        let taken = self.takes.iter().filter(|(counter, _)| *counter == claim.counter).map(|(_, at)| *at);
        let begins = |at: u64| at.saturating_sub(60 * slot) / slot * slot;
        taken.map(begins).max().unwrap_or(0).max(begins(now))
    }

    fn full(&self, counter: &str) -> i128 {
        let of_counter = self.draws.iter().filter(|draw| draw.counter == counter);
        of_counter.fold(0, |full, draw| {
            if draw.later > 0 {
                full.max(i128::from(draw.at)) + draw.later
            } else {
                (full + draw.later).max(0)
            }
        })
    }

    fn standing(&self, claim: &Claim, now: u64) -> Standing {
        if claim.measure == Measure::Concurrent {
            let open = self.taken_by(&claim.counter).filter(|(reservation, _)| reservation.open);
            let open = open.map(|(_, taken)| taken.counts).sum();
            return Standing { used: open, reserved: open, reset_us: None };
        }
        match claim.window {
            Window::Calendar(..) => {
                let (start, end) = self.calendar(claim, now);
                let sum = |open| {
                    let counted = self.taken_by(&claim.counter);
                    let counted = counted.filter(|(held, taken)| held.open == open && taken.from == start);
                    counted.map(|(_, taken)| taken.counts).sum()
                };
                let reset_us = (end < u64::MAX).then(|| end - now);
                Standing { used: sum(false), reserved: sum(true), reset_us }
            }
            Window::Sliding(length) => {
                let active = self.active(claim, now);
                let last = active
                    .iter()
                    .filter(|(_, counts)| *counts > 0)
                    .map(|(from, _)| from + slot(length))
                    .max();
                let reset_us = last.map_or(0, |last| last + 60 * slot(length) - now);
                Standing {
                    used: active.iter().map(|(_, counts)| counts).sum(),
                    reserved: 0,
                    reset_us: Some(reset_us),
                }
            }
            Window::Bucket(period) => {
                let missing = (self.full(&claim.counter) - i128::from(now)).max(0);
                let period = i128::from(length_us(period));
                let used = (missing * i128::from(claim.limit) + period - 1) / period;
                Standing {
                    used: used.try_into().unwrap(),
                    reserved: 0,
                    reset_us: Some(missing.try_into().unwrap()),
                }
            }
        }
    }

    /// What counts in a sliding window: when its slot begins, and how much.
    fn active(&self, claim: &Claim, now: u64) -> Vec<(u64, u64)> {
        let since = self.since(claim, now);
        let counted = self.taken_by(&claim.counter).filter(|(_, taken)| taken.from >= since);
        counted.map(|(_, taken)| (taken.from, taken.counts)).collect()
    }

    /// Why so much cannot be taken: for how long, if that is known.
    fn obstacle(&self, claim: &Claim, room: u64, amount: u64, now: u64) -> Option<Option<u64>> {
        let standing = self.standing(claim, now);
        let fits = |used: u64| used + amount <= room;
        if room == u64::MAX {
            return None;
        }
        if claim.measure == Measure::Concurrent {
            return (!fits(standing.used)).then_some(None);
        }
        match claim.window {
            Window::Calendar(..) => {
                let possible = amount <= room;
                (!fits(standing.used + standing.reserved)).then_some(standing.reset_us.filter(|_| possible))
            }
            Window::Sliding(length) => {
                if fits(standing.used) {
                    return None;
                }
                let mut active = self.active(claim, now);
                active.sort_unstable();
                // It fits as soon as the oldest of what is in the way has left.
                let leaves = active.iter().map(|(from, _)| from + 61 * slot(length));
                let fits_then = |then: &u64| {
                    let left = active.iter().filter(|(from, _)| from + 61 * slot(length) > *then);
                    fits(left.map(|(_, counts)| counts).sum())
                };
                Some(leaves.clone().find(fits_then).map(|then| then - now))
            }
            Window::Bucket(_) if claim.limit == 0 => (amount > 0).then_some(None),
            Window::Bucket(_) => {
                let (needs, holds) = (flows(claim, amount), flows(claim, room));
                let over = self.full(&claim.counter).max(i128::from(now)) - i128::from(now) + needs - holds;
                (over > 0).then(|| (needs <= holds).then(|| over.try_into().unwrap()))
            }
        }
    }

    fn take(&mut self, claim: Claim, now: u64) -> Taken {
        self.takes.push((claim.counter.clone(), now));
        let counts = claim.amount;
        let (from, until) = match claim.window {
            _ if claim.measure == Measure::Concurrent => (0, 0),
            Window::Calendar(..) => self.calendar(&claim, now),
            Window::Sliding(length) => ((now / slot(length) * slot(length)).max(self.since(&claim, now)), 0),
            Window::Bucket(_) => {
                self.draw(&claim, now, flows(&claim, counts));
                (0, 0)
            }
        };
        Taken { claim, from, until, counts }
    }

    fn draw(&mut self, claim: &Claim, at: u64, later: i128) {
        self.draws.push(Draw { counter: claim.counter.clone(), at, later });
    }

    pub(super) fn standings<'c>(
        &self,
        claims: impl IntoIterator<Item = &'c Claim>,
        now: u64,
    ) -> Vec<Standing> {
        claims.into_iter().map(|claim| self.standing(claim, now)).collect()
    }

    pub(super) fn open(&self) -> u64 {
        self.reservations.iter().filter(|reservation| reservation.open).count() as u64
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.reservations.iter().position(|reservation| reservation.open && reservation.id == id)
    }

    pub(super) fn reserve(&mut self, ask: &Ask, now: u64) -> Outcome {
        if let Some(held) = self.find(&ask.id).map(|index| &self.reservations[index]) {
            let standings = self.standings(held.claims.iter().map(|taken| &taken.claim), now);
            return Outcome::Granted { alternative: held.alternative, standings };
        }
        let mut outcome = Refused { claim: 0, wait_us: None, standings: Vec::new() };
        for (alternative, way) in ask.alternatives.iter().enumerate() {
            let obstacles = way.claims.iter().enumerate().filter_map(|(index, claim)| {
                let room = claim.admits.map_or(claim.ceiling, |admits| admits.min(claim.ceiling));
                Some((self.obstacle(claim, room, claim.amount, now)?.unwrap_or(u64::MAX), index))
            });
            // The longest, and of several the first.
            let longest = obstacles.max_by_key(|(wait, index)| (*wait, usize::MAX - index));
            if let Some((wait, claim)) = longest {
                let wait_us = (wait < u64::MAX).then_some(wait);
                outcome = Refused { claim, wait_us, standings: self.standings(&way.claims, now) };
                continue;
            }
            let claims = way.claims.iter().map(|claim| self.take(claim.clone(), now)).collect();
            self.reservations.push(Reservation {
                id: ask.id.clone(),
                subject: ask.subject.clone(),
                alternative,
                amounts: way.amounts,
                claims,
                expires: now + length_us(ask.lifetime),
                open: true,
            });
            return Outcome::Granted { alternative, standings: self.standings(&way.claims, now) };
        }
        Outcome::Refused(outcome)
    }

    pub(super) fn extend(&mut self, id: &str, more: Amounts, now: u64) -> Option<Extended> {
        let index = self.find(id)?;
        for taken in &self.reservations[index].claims {
            let add = more.of(taken.claim.measure);
            let counts = match taken.claim.window {
                Window::Calendar(..) => self.calendar(&taken.claim, now).0 == taken.from,
                Window::Sliding(_) => taken.from >= self.since(&taken.claim, now),
                Window::Bucket(_) => true,
            };
            let needs = if counts { add } else { taken.counts + add };
            let bound = add > 0 && !taken.claim.overruns;
            if bound && self.obstacle(&taken.claim, taken.claim.ceiling, needs, now).is_some() {
                let claim = &taken.claim;
                return Some(Extended::Refused { counter: claim.counter.clone(), limit: claim.limit });
            }
        }
        for number in 0..self.reservations[index].claims.len() {
            let taken = &self.reservations[index].claims[number];
            let (mut claim, counts) = (taken.claim.clone(), taken.counts);
            let add = more.of(claim.measure);
            if add == 0 {
                continue;
            }
            claim.amount = counts + add;
            if matches!(claim.window, Window::Bucket(_)) {
                self.draw(&claim, now, flows(&claim, counts + add) - flows(&claim, counts));
                self.reservations[index].claims[number].counts = counts + add;
            } else {
                self.reservations[index].claims[number] = self.take(claim, now);
            }
        }
        let held = &mut self.reservations[index];
        held.amounts.micro_dollars += more.micro_dollars;
        held.amounts.input_tokens += more.input_tokens;
        held.amounts.output_tokens += more.output_tokens;
        held.amounts.requests += more.requests;
        Some(Extended::Granted)
    }

    pub(super) fn settle(&mut self, id: &str, used: &Used, now: u64) -> Option<Settled> {
        let index = self.find(id)?;
        let mut movements = Vec::new();
        self.reservations[index].open = false;
        for number in 0..self.reservations[index].claims.len() {
            let taken = &self.reservations[index].claims[number];
            let claim = taken.claim.clone();
            let of_another = !claim.providers.is_empty()
                && !used.provider.is_empty()
                && claim.providers.iter().all(|provider| *provider != used.provider);
            let mut charge = used.amounts.of(claim.measure);
            if used.at_least_reserved {
                charge = charge.max(taken.counts);
            }
            if of_another || claim.measure == Measure::Concurrent {
                charge = 0;
            }
            let held = taken.counts;
            let from = taken.from;
            self.reservations[index].claims[number].counts = 0;
            if claim.measure == Measure::Concurrent {
                continue;
            }
            match claim.window {
                Window::Calendar(..) => {
                    let last = self.taken_by(&claim.counter).map(|(_, taken)| taken.from).max();
                    let spent =
                        self.taken_by(&claim.counter).filter(|(of, taken)| !of.open && taken.from == from);
                    let before: u64 = spent.map(|(_, taken)| taken.counts).sum();
                    if last == Some(from) && charge > 0 {
                        movements.push(Movement {
                            counter: claim.counter.clone(),
                            limit: claim.limit,
                            before,
                            after: before + charge,
                            window_us: from,
                        });
                    }
                }
                Window::Sliding(_) => {}
                Window::Bucket(_) => self.draw(&claim, now, flows(&claim, charge) - flows(&claim, held)),
            }
            self.reservations[index].claims[number].counts = charge;
        }
        let ended = &self.reservations[index];
        Some(Settled {
            id: id.to_owned(),
            subject: ended.subject.clone(),
            reserved: ended.amounts,
            movements,
        })
    }

    pub(super) fn expire(&mut self, now: u64) -> Vec<Settled> {
        let expired = self.reservations.iter().filter(|held| held.open && held.expires <= now);
        let mut ids: Vec<String> = expired.map(|held| held.id.clone()).collect();
        ids.sort_unstable();
        let as_reserved =
            Used { amounts: Amounts::default(), at_least_reserved: true, provider: String::new() };
        ids.iter().filter_map(|id| self.settle(id, &as_reserved, now)).collect()
    }
}
