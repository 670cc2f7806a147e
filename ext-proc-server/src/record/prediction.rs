//! How long answers are likely to be, learned from those that were.

use super::line::Line;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The share of answers, in per cent, that are at most as long as predicted.
const SHARE: u64 = 95;
/// Answers that must have been seen before they say anything.
const ENOUGH: u64 = 20;
/// When so many were seen, all counts are halved, so that the newest count most.
const MANY: u64 = 2_000;
/// The most pairs of a key and a model that are learned apart; others are predicted by their model.
const PAIRS: usize = 50_000;
/// Buckets a power of two: a prediction is at most a quarter too long.
const FINE: u32 = 2;
const BUCKETS: usize = (64 << FINE) as usize;

/// What was learned.
#[derive(Debug, Default)]
pub struct Predictor(Mutex<Learned>);

#[derive(Debug, Default)]
struct Learned {
    pairs: HashMap<(String, String), Lengths>,
    models: HashMap<String, Lengths>,
}

/// How many answers were how long: counts by bucket, each up to a quarter longer than the one before.
#[derive(Debug, Default)]
struct Lengths {
    counts: Vec<u32>,
    seen: u64,
}

/// No model generates more for one request. A provider that says so must not make those of others look dear.
const MOST: u64 = 1 << 20;

impl Predictor {
    /// Learns from an answer that came to its end.
    pub(super) fn learn(&self, line: &Line) {
        let tokens = line.usage.total_output().min(MOST);
        if line.complete && line.error.is_empty() && tokens > 0 {
            self.learn_length(&line.whose.key, &line.model, tokens);
        }
    }

    fn learn_length(&self, key: &str, model: &str, tokens: u64) {
        let mut learned = self.learned();
        let full = learned.pairs.len() >= PAIRS;
        let pair = (key.to_owned(), model.to_owned());
        if !full || learned.pairs.contains_key(&pair) {
            learned.pairs.entry(pair).or_default().add(tokens);
        }
        match learned.models.get_mut(model) {
            Some(lengths) => lengths.add(tokens),
            // Clients may make up names of models, but not answers to them.
            None => learned.models.entry(model.to_owned()).or_default().add(tokens),
        }
    }

    /// How many tokens an answer of a model to a key is likely to have at most. `None`: not enough is known.
    pub fn tokens(&self, key: &str, model: &str) -> Option<u64> {
        let learned = self.learned();
        let pair = learned.pairs.get(&(key.to_owned(), model.to_owned()));
        pair.and_then(Lengths::likely).or_else(|| learned.models.get(model)?.likely())
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lengths {
    fn add(&mut self, tokens: u64) {
        let bucket = bucket(tokens);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.seen += 1;
        if self.seen >= MANY {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.seen = self.counts.iter().map(|count| u64::from(*count)).sum();
        }
    }

    fn likely(&self) -> Option<u64> {
        if self.seen < ENOUGH {
            return None;
        }
        let mut below = 0;
        let bucket = self.counts.iter().position(|count| {
            below += u64::from(*count);
            below * 100 >= self.seen * SHARE
        });
        bucket.map(longest)
    }
}

/// The bucket of a length: the power of two below it, and which quarter of the way to the next.
fn bucket(tokens: u64) -> usize {
    let tokens = tokens.max(1);
    let power = tokens.ilog2();
    let quarter = (tokens << FINE >> power) & ((1 << FINE) - 1);
    (((power << FINE) as usize) + quarter as usize).min(BUCKETS - 1)
}

/// The longest length in a bucket.
fn longest(bucket: usize) -> u64 {
    let power = bucket >> FINE;
    let quarter = (bucket & ((1 << FINE) - 1)) as u64;
    let next = ((1u128 << power) * u128::from((1 << FINE) + quarter + 1)).div_ceil(1 << FINE);
    u64::try_from(next.saturating_sub(1).max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_falls_into_it() {
        for tokens in (1..5_000).chain([1 << 20, (1 << 40) + 7]) {
            let longest = longest(bucket(tokens));
            assert!(longest >= tokens, "{tokens} {longest}");
            assert!(longest <= tokens + tokens / 4 + 1, "{tokens} {longest}");
        }
    }

    #[test]
    fn nineteen_of_twenty_answers_are_not_longer_than_predicted() {
        let predictor = Predictor::default();
        assert_eq!(predictor.tokens("key", "model"), None);
        for tokens in 1..=100 {
            predictor.learn_length("key", "model", tokens);
        }
        let likely = predictor.tokens("key", "model").unwrap();
        assert!((95..=120).contains(&likely), "{likely}");
        assert_eq!(predictor.tokens("other key", "model"), Some(likely), "what the model did for others");
        assert_eq!(predictor.tokens("key", "other model"), None);
    }

    #[test]
    fn what_is_newest_counts_most() {
        let predictor = Predictor::default();
        for _ in 0..5_000 {
            predictor.learn_length("key", "model", 10);
        }
        for _ in 0..3_000 {
            predictor.learn_length("key", "model", 1_000);
        }
        assert!(predictor.tokens("key", "model").unwrap() >= 1_000);
    }
}
