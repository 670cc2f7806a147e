//! What only the state can be asked: what it forgets. How every store counts is in `store/tests`.

use super::*;
use crate::store::Alternative;

const SECOND: u64 = 1_000_000;
/// A minute of the clock begins here.
const START: u64 = 1_800_000_000 * SECOND;

fn claim(window: &str, amount: u64) -> Claim {
    Claim {
        counter: window.to_owned(),
        measure: Measure::Requests,
        window: window.parse().unwrap(),
        limit: 60,
        ceiling: 60,
        admits: None,
        amount,
        providers: Vec::new(),
        overruns: false,
        local: None,
    }
}

fn ask(claims: Vec<Claim>) -> Ask {
    let alternatives = vec![Alternative { claims, amounts: Amounts::default() }];
    Ask { id: "a".to_owned(), alternatives, subject: String::new(), lifetime: Duration::from_secs(1_000) }
}

fn used(requests: u64) -> Used {
    let amounts = Amounts { requests, ..Amounts::default() };
    Used { amounts, at_least_reserved: false, provider: String::new() }
}

#[test]
fn what_is_forgotten_is_not_missed() {
    let mut state = State::default();
    let claims = ["minute", "sliding 60s", "bucket 60s"].map(|window| claim(window, 1));
    state.reserve(ask(claims.to_vec()), START);
    state.settle("a", &used(1), START);
    let later = START + 200 * SECOND;
    let before = state.standings(&claims, later);
    state.prune(later);
    assert_eq!(state.counters.len(), 0);
    assert_eq!(state.standings(&claims, later), before);
}

#[test]
fn what_is_forgotten_can_still_be_charged() {
    let mut state = State::default();
    let (window, bucket) = (claim("sliding 1h", 0), claim("bucket 60s", 1));
    state.reserve(ask(vec![window.clone(), bucket.clone()]), START);
    // Nothing is in the window yet, and the bucket is full again.
    let later = START + 90 * SECOND;
    state.prune(later);
    assert_eq!(state.counters.len(), 0);
    state.settle("a", &used(31), later);
    let standings: Vec<u64> =
        state.standings(&[window, bucket], later).iter().map(|standing| standing.used).collect();
    assert_eq!(standings, [31, 30]);
}
