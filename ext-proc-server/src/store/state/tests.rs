//! What counts, step by step. That all stores count alike is in `store/tests`.

use super::*;
use crate::store::Alternative;
use std::time::Duration;

const SECOND: u64 = 1_000_000;
/// A minute of the clock begins here.
const START: u64 = 1_800_000_000 * SECOND;

fn claim(counter: &str, measure: Measure, window: &str, limit: u64, amount: u64) -> Claim {
    Claim {
        counter: counter.to_owned(),
        measure,
        window: window.parse().unwrap(),
        limit,
        ceiling: limit,
        admits: None,
        amount,
        providers: Vec::new(),
    }
}

fn ask(id: &str, claims: Vec<Claim>) -> Ask {
    let alternatives = vec![Alternative { claims, amounts: Amounts::default() }];
    Ask { id: id.to_owned(), alternatives, subject: String::new(), lifetime: Duration::from_secs(100) }
}

fn money(id: &str, window: &str, amount: u64) -> Ask {
    ask(id, vec![claim("budget", Measure::MicroDollars, window, 100, amount)])
}

fn wait(outcome: Outcome) -> Option<u64> {
    match outcome {
        Outcome::Refused(refused) => refused.wait_us,
        granted => panic!("{granted:?}"),
    }
}

fn granted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Granted { .. })
}

fn spent(micro_dollars: u64) -> Used {
    Used {
        amounts: Amounts { micro_dollars, requests: 1, ..Amounts::default() },
        at_least_reserved: false,
        provider: String::new(),
    }
}

#[test]
fn settling_gives_back_what_was_not_used_and_only_once() {
    let mut state = State::default();
    assert!(granted(&state.reserve(money("a", "total", 100), START)));
    assert_eq!(wait(state.reserve(money("b", "total", 1), START)), None);
    assert!(state.settle("a", &spent(30), START).is_some());
    assert!(state.settle("a", &spent(30), START).is_none());
    assert!(granted(&state.reserve(money("b", "total", 70), START)));
    assert!(!granted(&state.reserve(money("c", "total", 1), START)));
}

#[test]
fn asking_again_with_the_same_id_takes_nothing_more() {
    let mut state = State::default();
    assert!(granted(&state.reserve(money("a", "total", 60), START)));
    assert!(granted(&state.reserve(money("a", "total", 60), START)));
    assert_eq!(
        state.standings(&[claim("budget", Measure::MicroDollars, "total", 100, 0)], START)[0].reserved,
        60
    );
}

#[test]
fn what_one_limit_refuses_is_counted_by_none() {
    let mut state = State::default();
    let both = |id, money| {
        ask(
            id,
            vec![
                claim("requests", Measure::Requests, "minute", 1, 1),
                claim("budget", Measure::MicroDollars, "month", 100, money),
            ],
        )
    };
    assert!(!granted(&state.reserve(both("a", 101), START)));
    assert!(granted(&state.reserve(both("b", 100), START)));
}

#[test]
fn a_window_of_the_clock_begins_anew_and_says_when() {
    let mut state = State::default();
    assert!(granted(&state.reserve(money("a", "minute", 100), START)));
    assert_eq!(wait(state.reserve(money("b", "minute", 1), START + 10 * SECOND)), Some(50 * SECOND));
    assert!(granted(&state.reserve(money("b", "minute", 100), START + 60 * SECOND)));
    // What began in the minute before is charged to that one.
    state.settle("a", &spent(100), START + 61 * SECOND);
    state.settle("b", &spent(40), START + 61 * SECOND);
    assert!(granted(&state.reserve(money("c", "minute", 60), START + 62 * SECOND)));
}

#[test]
fn a_clock_that_is_set_back_does_not_open_a_window_again() {
    let mut state = State::default();
    assert!(granted(&state.reserve(money("a", "minute", 100), START + 60 * SECOND)));
    assert!(!granted(&state.reserve(money("b", "minute", 1), START + 30 * SECOND)));
}

#[test]
fn a_sliding_window_forgets_slot_by_slot() {
    let mut state = State::default();
    assert!(granted(&state.reserve(money("a", "sliding 60s", 60), START)));
    assert!(granted(&state.reserve(money("b", "sliding 60s", 40), START + 30 * SECOND)));
    // The first leaves when the whole of its slot, which is a second long, is older than the window.
    let waits = wait(state.reserve(money("c", "sliding 60s", 50), START + 50 * SECOND)).unwrap();
    assert_eq!(waits, 11 * SECOND);
    assert!(!granted(&state.reserve(money("c", "sliding 60s", 50), START + 50 * SECOND + waits - 1)));
    assert!(granted(&state.reserve(money("c", "sliding 60s", 50), START + 50 * SECOND + waits)));
}

#[test]
fn a_bucket_flows_back_evenly_and_the_wait_is_exact() {
    let mut state = State::default();
    let take = |id: &str, amount| {
        let mut claim = claim("bucket", Measure::Requests, "bucket 60s", 60, amount);
        claim.ceiling = 10;
        ask(id, vec![claim])
    };
    for number in 0..10 {
        assert!(granted(&state.reserve(take(&number.to_string(), 1), START)));
    }
    assert_eq!(wait(state.reserve(take("x", 1), START)), Some(SECOND));
    assert!(!granted(&state.reserve(take("x", 1), START + SECOND - 1)));
    assert!(granted(&state.reserve(take("x", 1), START + SECOND)));
    assert_eq!(wait(state.reserve(take("y", 11), START)), None, "it never holds so much");
}

#[test]
fn requests_under_way_are_counted_until_they_end() {
    let mut state = State::default();
    let one = |id| ask(id, vec![claim("open", Measure::Concurrent, "total", 2, 1)]);
    assert!(granted(&state.reserve(one("a"), START)));
    assert!(granted(&state.reserve(one("b"), START)));
    assert!(!granted(&state.reserve(one("c"), START)));
    state.settle("a", &spent(0), START);
    assert!(granted(&state.reserve(one("c"), START)));
    assert!(!granted(&state.reserve(one("d"), START)));
    state.expire(START + 100 * SECOND);
    assert!(granted(&state.reserve(one("d"), START + 100 * SECOND)));
}

#[test]
fn what_nobody_settles_is_charged_as_reserved() {
    let mut state = State::default();
    state.reserve(money("a", "total", 40), START);
    assert!(state.expire(START + 99 * SECOND).is_empty());
    let expired = state.expire(START + 100 * SECOND);
    assert_eq!((expired[0].id.as_str(), expired[0].movements[0].after), ("a", 40));
    assert!(state.settle("a", &spent(0), START).is_none());
}

#[test]
fn what_was_only_seen_in_part_is_charged_at_least_as_reserved() {
    let mut state = State::default();
    state.reserve(money("a", "total", 40), START);
    let settled = state.settle("a", &Used { at_least_reserved: true, ..spent(7) }, START).unwrap();
    assert_eq!(settled.movements[0].after, 40);
    state.reserve(money("b", "total", 40), START);
    let settled = state.settle("b", &Used { at_least_reserved: true, ..spent(50) }, START).unwrap();
    assert_eq!((settled.movements[0].before, settled.movements[0].after), (40, 90));
}

#[test]
fn a_second_alternative_is_taken_where_the_first_does_not_fit() {
    let mut state = State::default();
    let mut first = claim("budget", Measure::MicroDollars, "month", 100, 30);
    first.admits = Some(50);
    let second = claim("budget", Measure::MicroDollars, "month", 100, 10);
    let ask = |id: &str| Ask {
        alternatives: [&first, &second]
            .map(|claim| Alternative { claims: vec![claim.clone()], amounts: Amounts::default() })
            .into(),
        ..ask(id, Vec::new())
    };
    let chosen = |outcome| match outcome {
        Outcome::Granted { alternative, .. } => Some(alternative),
        Outcome::Refused(_) => None,
    };
    let outcomes: Vec<_> = (0..9).map(|id| chosen(state.reserve(ask(&id.to_string()), START))).collect();
    assert_eq!(outcomes[..2], [Some(0), Some(1)]);
    assert_eq!(outcomes[2..], [Some(1), Some(1), Some(1), Some(1), Some(1), Some(1), None]);
}

#[test]
fn more_is_taken_from_all_or_from_none() {
    let mut state = State::default();
    let tokens = claim("tokens", Measure::OutputTokens, "total", 100, 10);
    let money = claim("budget", Measure::MicroDollars, "total", 1_000, 10);
    state.reserve(ask("a", vec![tokens.clone(), money.clone()]), START);
    let more = Amounts { micro_dollars: 10, output_tokens: 80, ..Amounts::default() };
    assert_eq!(state.extend("a", more, START), Some(Extended::Granted));
    let refused = Extended::Refused { counter: "tokens".to_owned(), limit: 100 };
    assert_eq!(state.extend("a", more, START), Some(refused));
    let reserved: Vec<u64> =
        state.standings(&[tokens, money], START).iter().map(|standing| standing.reserved).collect();
    assert_eq!(reserved, [90, 20]);
    assert_eq!(state.extend("b", more, START), None);
}

#[test]
fn a_stream_that_is_topped_up_after_midnight_belongs_to_the_new_day() {
    let mut state = State::default();
    let midnight = START - START % (86_400 * SECOND) + 86_400 * SECOND;
    for (window, id) in [("day", "a"), ("sliding 60s", "b")] {
        let claim = claim(window, Measure::MicroDollars, window, 100, 40);
        state.reserve(ask(id, vec![claim.clone()]), midnight - SECOND);
        let more = |micro_dollars| Amounts { micro_dollars, ..Amounts::default() };
        let later = midnight + 70 * SECOND;
        assert!(matches!(state.extend(id, more(61), later), Some(Extended::Refused { .. })));
        assert_eq!(state.extend(id, more(20), later), Some(Extended::Granted));
        let standing = state.standings(std::slice::from_ref(&claim), later)[0];
        assert_eq!(standing.used + standing.reserved, 60);
        state.settle(id, &spent(55), later);
        let standing = state.standings(&[claim], later)[0];
        assert_eq!((standing.used, standing.reserved), (55, 0));
    }
}

#[test]
fn a_providers_limit_counts_only_what_that_provider_served() {
    let mut state = State::default();
    let of = |provider: &str| {
        let mut claim = claim(provider, Measure::MicroDollars, "total", 100, 40);
        claim.providers = vec![provider.to_owned()];
        claim
    };
    state.reserve(ask("a", vec![of("one"), of("two")]), START);
    state.settle("a", &Used { provider: "two".to_owned(), ..spent(30) }, START);
    let used: Vec<u64> =
        state.standings(&[of("one"), of("two")], START).iter().map(|standing| standing.used).collect();
    assert_eq!(used, [0, 30]);
}

#[test]
fn what_is_pruned_is_not_missed() {
    let mut state = State::default();
    let claims =
        ["minute", "sliding 60s", "bucket 60s"].map(|window| claim(window, Measure::Requests, window, 5, 1));
    state.reserve(ask("a", claims.to_vec()), START);
    state.settle("a", &spent(0), START);
    let later = START + 200 * SECOND;
    let before = state.standings(&claims, later);
    state.prune(later);
    assert_eq!(state.counters.len(), 0);
    assert_eq!(state.standings(&claims, later), before);
}
