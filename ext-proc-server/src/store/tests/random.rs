//! Random operations on every store, and what the model says of them.
//!
//! `WEIRGATE_STORE_SECONDS` makes each store's run as long as it says; `WEIRGATE_STORE_SEED` begins with a certain seed.

use super::model::Model;
use super::*;
use crate::store::Refused;
use crate::store::window::Window;
use std::time::Instant;

/// How many operations one seed gives.
const OPERATIONS: usize = 300;
const DAY: u64 = 86_400 * SECOND;

const CALENDARS: [&str; 11] = [
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "quarter",
    "year",
    "total",
    "day America/New_York",
    "month Asia/Kolkata",
    "hour Australia/Lord_Howe",
];
const SLIDING: [&str; 5] = ["sliding 1s", "sliding 61s", "sliding 1h", "sliding 1500ms", "sliding 30d"];
const BUCKETS: [&str; 6] =
    ["bucket 1s", "bucket 60s", "bucket 1500ms", "bucket 1h", "bucket 7d", "bucket 30d"];
const MEASURES: [Measure; 5] =
    [Measure::MicroDollars, Measure::Tokens, Measure::InputTokens, Measure::OutputTokens, Measure::Requests];
const PROVIDERS: [&str; 3] = ["", "one", "two"];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize].clone()
    }

    /// Of very different sizes.
    fn amount(&mut self, most: u64) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => 1,
            2 => most,
            3 => self.below(most.saturating_mul(2) + 1),
            _ => self.below(most / 3 + 1),
        }
    }
}

/// One seed's limits, and what it does with them.
struct Script {
    random: Random,
    limits: Vec<Claim>,
    ids: Vec<String>,
    /// The clock is never set back, and counters are forgotten at any time.
    forwards: bool,
}

impl Script {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let forwards = random.one_in(3);
        let limits = (0..8)
            .map(|number| {
                let large = random.one_in(4);
                let (window, most) = match random.below(7) {
                    0 => ("total", 6),
                    1 | 2 => (random.of(&CALENDARS), if large { 3_000_000_000_000 } else { 200 }),
                    3 | 4 => (random.of(&SLIDING), if large { 3_000_000_000_000 } else { 200 }),
                    _ => (random.of(&BUCKETS), if large { u64::from(u32::MAX) } else { 200 }),
                };
                let measure = if most == 6 { Measure::Concurrent } else { random.of(&MEASURES) };
                let limit = random.below(most) + u64::from(random.below(20) > 0);
                claim(&format!("{number}|x={window}"), measure, window, limit, 0)
            })
            .collect();
        Self { random, limits, ids: vec!["of nobody".to_owned()], forwards }
    }

    /// A limit with an amount to be taken.
    fn claim(&mut self, limit: &Claim) -> Claim {
        let random = &mut self.random;
        let mut claim = limit.clone();
        // Now and then somebody changes the limit.
        if random.one_in(20) && claim.measure != Measure::Concurrent {
            claim.limit = claim.limit / 2 + random.below(3);
        }
        claim.ceiling = match random.below(8) {
            0 => u64::MAX,
            1 => claim.limit / 2,
            2 if matches!(claim.window, Window::Bucket(_)) => {
                claim.limit.saturating_mul(2).min(u64::from(u32::MAX))
            }
            _ => claim.limit,
        };
        if random.one_in(6) {
            claim.admits = Some(random.below(claim.limit + 1));
        }
        claim.amount = match claim.measure {
            Measure::Concurrent => 1,
            _ => random.amount(claim.limit),
        };
        claim.overruns = random.one_in(8);
        claim.providers = match random.below(5) {
            0 => vec!["one".to_owned()],
            1 => vec!["one".to_owned(), "two".to_owned()],
            _ => Vec::new(),
        };
        claim
    }

    fn alternative(&mut self) -> Alternative {
        let mut limits = self.limits.clone();
        let count = 1 + self.random.below(6) as usize;
        while limits.len() > count {
            limits.remove(self.random.below(limits.len() as u64) as usize);
        }
        let claims = limits.iter().map(|limit| self.claim(limit)).collect();
        Alternative { claims, amounts: self.amounts() }
    }

    fn amounts(&mut self) -> Amounts {
        let limit = self.random.of(&self.limits).limit;
        let random = &mut self.random;
        Amounts {
            micro_dollars: random.amount(limit),
            input_tokens: random.amount(limit / 2),
            output_tokens: random.amount(limit / 2),
            requests: random.below(3),
        }
    }

    /// Amounts that move no bucket by more than some of its periods: numbers that are larger than the stores can hold
    /// are a test of their own.
    fn bounded(&mut self) -> Amounts {
        let amounts = self.amounts();
        let smallest = self.limits.iter().filter(|claim| matches!(claim.window, Window::Bucket(_)));
        let most = smallest.map(|claim| claim.limit.max(1) * 2).min().unwrap_or(u64::MAX);
        Amounts {
            micro_dollars: amounts.micro_dollars.min(most),
            input_tokens: amounts.input_tokens.min(most),
            output_tokens: amounts.output_tokens.min(most),
            requests: amounts.requests,
        }
    }

    fn ask(&mut self, number: usize) -> Ask {
        let id = if self.random.one_in(15) { self.random.of(&self.ids) } else { format!("id-{number}") };
        self.ids.push(id.clone());
        let count = 1 + self.random.below(3);
        let alternatives = (0..count).map(|_| self.alternative()).collect();
        let lifetime = self.random.of(&[0, 1_000, 60_000, 600_000, 86_400_000]);
        Ask {
            id,
            alternatives,
            subject: format!("subject {number}"),
            lifetime: Duration::from_millis(lifetime),
        }
    }

    fn id(&mut self) -> String {
        // Mostly one that may still be open.
        let recent = self.ids.len().saturating_sub(12);
        if self.random.one_in(5) { self.random.of(&self.ids) } else { self.random.of(&self.ids[recent..]) }
    }

    fn used(&mut self) -> Used {
        let at_least_reserved = self.random.one_in(4);
        Used { amounts: self.bounded(), at_least_reserved, provider: self.random.of(&PROVIDERS).to_owned() }
    }

    fn later(&mut self, now: u64) -> u64 {
        let random = &mut self.random;
        let step = match random.below(12) {
            0..4 => random.below(1_000),
            4..8 => random.below(2 * SECOND),
            8 => random.below(90 * SECOND),
            9 => random.below(2 * 3_600 * SECOND),
            10 => random.below(3 * DAY),
            _ => random.below(40 * DAY),
        };
        let back = !self.forwards && self.random.one_in(4);
        let then = if back { now - step } else { now + step };
        // Within the years in which bounds and sums are far from the largest number.
        then.clamp(START - 200 * DAY, START + 2_000 * DAY)
    }
}

/// Standings as far as every store can tell them: a bucket whose clock was set back by years holds less than nothing.
fn told(standings: Vec<Standing>) -> Vec<Standing> {
    let most = (1 << 53) - 1;
    standings.into_iter().map(|standing| Standing { used: standing.used.min(most), ..standing }).collect()
}

fn outcome_told(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Granted { alternative, standings } => {
            Outcome::Granted { alternative, standings: told(standings) }
        }
        Outcome::Refused(refused) => {
            Outcome::Refused(Refused { standings: told(refused.standings), ..refused })
        }
    }
}

/// Does what one seed says to a store and to the model, and compares.
async fn compare(at: &mut Fixture, seed: u64, crashes: bool) {
    let mut script = Script::new(seed);
    let mut model = Model::default();
    let in_memory = matches!(at.place, Place::Nowhere(_));
    for number in 0..OPERATIONS {
        let now = at.now();
        let what = format!("seed {seed}, operation {number}, at {now}");
        match script.random.below(20) {
            0..7 => {
                let ask = script.ask(number);
                let outcome = outcome_told(at.reserve(ask.clone()).await);
                assert_eq!(outcome, outcome_told(model.reserve(&ask, now)), "{what}: {ask:#?}");
            }
            7..9 => {
                let (id, more) = (script.id(), script.bounded());
                let extended = at.store().extend(&id, more).await.unwrap();
                assert_eq!(extended, model.extend(&id, more, now), "{what}: {id} {more:?}");
            }
            9..13 => {
                let (id, used) = (script.id(), script.used());
                let mut settled = at.store().settle(&id, used.clone()).await.unwrap();
                let mut expected = model.settle(&id, &used, now);
                if in_memory && script.forwards {
                    // What has ended may have been forgotten.
                    settled.iter_mut().chain(&mut expected).for_each(|settled| settled.movements.clear());
                }
                assert_eq!(settled, expected, "{what}: {id} {used:?}");
            }
            13 => {
                let mut settled = at.store().expire().await.unwrap();
                let mut expected = model.expire(now);
                if in_memory && script.forwards {
                    settled.iter_mut().chain(&mut expected).for_each(|settled| settled.movements.clear());
                }
                assert_eq!(settled, expected, "{what}: expire");
            }
            14 if script.random.one_in(4) => {
                if crashes && script.random.one_in(10) {
                    at.crash()
                } else {
                    at.reopen()
                }
            }
            14 if in_memory && script.forwards => at.maintain(),
            _ => at.set_time(script.later(now)),
        }
        let (limits, now) = (&script.limits, at.now());
        let standings = told(at.store().standings(limits).await.unwrap());
        for ((claim, standing), expected) in
            limits.iter().zip(standings).zip(told(model.standings(limits, now)))
        {
            assert_eq!(standing, expected, "{what}: {claim:#?}");
        }
        assert_eq!(at.store().open_reservations().await.unwrap(), model.open(), "{what}");
    }
}

async fn compare_many(new: fn() -> Fixture, seeds: u64) {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let long = number("WEIRGATE_STORE_SECONDS").map(Duration::from_secs);
    let first = number("WEIRGATE_STORE_SEED").unwrap_or(0);
    let began = Instant::now();
    for seed in first.. {
        let done = match long {
            Some(long) => began.elapsed() > long,
            None => seed >= first + seeds,
        };
        if done {
            eprintln!("{} seeds from {first} on", seed - first);
            return;
        }
        compare(&mut new(), seed, long.is_some() || seed == first).await;
    }
}

#[tokio::test]
async fn the_memory_store_does_as_the_model() {
    compare_many(Fixture::memory, 60).await;
}

#[tokio::test]
async fn the_memory_store_with_a_folder_does_as_the_model() {
    compare_many(Fixture::folder, 20).await;
}

#[tokio::test]
async fn the_redis_store_does_as_the_model() {
    compare_many(Fixture::redis, 8).await;
}
