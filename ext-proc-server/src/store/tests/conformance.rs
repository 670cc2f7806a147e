//! What every store does.

use super::*;
use crate::store::Extended;

/// Runs each test against each store.
macro_rules! of_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory { $(#[tokio::test] async fn $name() { super::$name(super::Fixture::memory()).await; })* }
        mod folder { $(#[tokio::test] async fn $name() { super::$name(super::Fixture::folder()).await; })* }
        mod redis { $(#[tokio::test] async fn $name() { super::$name(super::Fixture::redis()).await; })* }
    };
}

of_every_store!(
    settling_gives_back_what_was_not_used_and_only_once,
    asking_again_with_the_same_id_takes_nothing_more,
    what_one_limit_refuses_is_counted_by_none,
    of_several_obstacles_the_longest_is_told,
    a_window_of_the_clock_begins_anew_and_says_when,
    a_clock_that_is_set_back_does_not_open_a_window_again,
    a_sliding_window_forgets_slot_by_slot,
    a_bucket_flows_back_evenly_and_the_wait_is_exact,
    a_bucket_of_any_size_is_exact,
    a_bucket_of_nothing_refuses_everything,
    a_bucket_can_be_drawn_on_after_it_was_full_again,
    requests_under_way_are_counted_until_they_end,
    a_limit_that_refuses_nothing_still_counts,
    what_nobody_settles_is_charged_as_reserved,
    many_reservations_expire_together,
    what_was_only_seen_in_part_is_charged_at_least_as_reserved,
    a_second_alternative_is_taken_where_the_first_does_not_fit,
    more_is_taken_from_all_or_from_none,
    a_stream_that_is_topped_up_after_midnight_belongs_to_the_new_day,
    a_bucket_gives_more_only_for_what_is_new,
    a_providers_limit_counts_only_what_that_provider_served,
    a_settlement_says_what_it_moved,
    a_request_without_limits_is_granted,
    requests_at_the_same_time_cannot_pass_a_limit_together,
    what_was_answered_outlives_the_process,
    what_was_answered_outlives_the_server,
);

async fn settling_gives_back_what_was_not_used_and_only_once(at: Fixture) {
    assert!(granted(&at.reserve(ask("a", vec![budget("total", 100)])).await));
    assert_eq!(wait(at.reserve(ask("b", vec![budget("total", 1)])).await), None);
    assert!(at.store().settle("a", spent(30)).await.unwrap().is_some());
    assert!(at.store().settle("a", spent(30)).await.unwrap().is_none());
    assert!(granted(&at.reserve(ask("b", vec![budget("total", 70)])).await));
    assert!(!granted(&at.reserve(ask("c", vec![budget("total", 1)])).await));
    assert_eq!(at.store().open_reservations().await.unwrap(), 1);
}

async fn asking_again_with_the_same_id_takes_nothing_more(at: Fixture) {
    let mut twice = ask("a", vec![budget("total", 60)]);
    twice
        .alternatives
        .insert(0, Alternative { claims: vec![budget("total", 101)], amounts: Amounts::default() });
    let first = at.reserve(twice.clone()).await;
    assert!(matches!(first, Outcome::Granted { alternative: 1, .. }));
    assert_eq!(at.reserve(twice).await, first);
    assert_eq!(at.used_and_reserved(&budget("total", 0)).await, (0, 60));
}

async fn what_one_limit_refuses_is_counted_by_none(at: Fixture) {
    let both = |id, money| {
        ask(id, vec![claim("requests", Measure::Requests, "minute", 1, 1), budget("month", money)])
    };
    assert!(!granted(&at.reserve(both("a", 101)).await));
    assert!(granted(&at.reserve(both("b", 100)).await));
}

async fn of_several_obstacles_the_longest_is_told(at: Fixture) {
    let both = |id| {
        ask(
            id,
            vec![
                claim("minute", Measure::Requests, "minute", 1, 1),
                claim("day", Measure::Requests, "day", 1, 1),
                claim("under way", Measure::Requests, "sliding 1h", 2, 1),
            ],
        )
    };
    assert!(granted(&at.reserve(both("a")).await));
    at.pass(15);
    let Outcome::Refused(refused) = at.reserve(both("b")).await else { panic!("it fits") };
    let until_midnight = 86_400 * SECOND - at.now() % (86_400 * SECOND);
    assert_eq!((refused.claim, refused.wait_us), (1, Some(until_midnight)));
    let resets: Vec<_> = refused.standings.iter().map(|standing| standing.reset_us).collect();
    assert_eq!(resets, [Some(45 * SECOND), Some(until_midnight), Some(3_645 * SECOND)]);
}

async fn a_window_of_the_clock_begins_anew_and_says_when(at: Fixture) {
    assert!(granted(&at.reserve(ask("a", vec![budget("minute", 100)])).await));
    at.pass(10);
    assert_eq!(wait(at.reserve(ask("b", vec![budget("minute", 1)])).await), Some(50 * SECOND));
    at.pass(50);
    assert!(granted(&at.reserve(ask("b", vec![budget("minute", 100)])).await));
    // What began in the minute before is charged to that one.
    at.pass(1);
    at.store().settle("a", spent(100)).await.unwrap();
    at.store().settle("b", spent(40)).await.unwrap();
    assert!(granted(&at.reserve(ask("c", vec![budget("minute", 60)])).await));
}

async fn a_clock_that_is_set_back_does_not_open_a_window_again(at: Fixture) {
    at.pass(60);
    assert!(granted(&at.reserve(ask("a", vec![budget("minute", 100)])).await));
    at.set_time(START + 30 * SECOND);
    assert!(!granted(&at.reserve(ask("b", vec![budget("minute", 1)])).await));
    // What has left a sliding window does not come back into it.
    let sliding = |id, amount| ask(id, vec![claim("sliding", Measure::Requests, "sliding 60s", 10, amount)]);
    assert!(granted(&at.reserve(sliding("c", 10)).await));
    at.pass(90);
    assert!(granted(&at.reserve(sliding("d", 4)).await));
    at.set_time(START + 30 * SECOND);
    assert!(!granted(&at.reserve(sliding("e", 7)).await));
    assert!(granted(&at.reserve(sliding("e", 6)).await));
}

async fn a_sliding_window_forgets_slot_by_slot(at: Fixture) {
    assert!(granted(&at.reserve(ask("a", vec![budget("sliding 60s", 60)])).await));
    at.pass(30);
    assert!(granted(&at.reserve(ask("b", vec![budget("sliding 60s", 40)])).await));
    at.pass(20);
    // The first leaves when the whole of its slot, which is a second long, is older than the window.
    let ask = || ask("c", vec![budget("sliding 60s", 50)]);
    let waits = wait(at.reserve(ask()).await).unwrap();
    assert_eq!(waits, 11 * SECOND);
    at.set_time(START + 50 * SECOND + waits - 1);
    assert!(!granted(&at.reserve(ask()).await));
    at.set_time(START + 50 * SECOND + waits);
    assert!(granted(&at.reserve(ask()).await));
}

async fn a_bucket_flows_back_evenly_and_the_wait_is_exact(at: Fixture) {
    let take = |id: &str, amount| {
        let bucket = claim("bucket", Measure::Requests, "bucket 60s", 60, amount);
        ask(id, vec![Claim { ceiling: 10, ..bucket }])
    };
    for number in 0..10 {
        assert!(granted(&at.reserve(take(&number.to_string(), 1)).await));
    }
    assert_eq!(wait(at.reserve(take("x", 1)).await), Some(SECOND));
    at.set_time(START + SECOND - 1);
    assert!(!granted(&at.reserve(take("x", 1)).await));
    at.set_time(START + SECOND);
    assert!(granted(&at.reserve(take("x", 1)).await));
    assert_eq!(wait(at.reserve(take("y", 11)).await), None, "it never holds so much");
}

async fn a_bucket_of_any_size_is_exact(at: Fixture) {
    const DAY: u128 = 86_400 * SECOND as u128;
    for (number, (days, limit, amount)) in [
        (366, u64::from(u32::MAX), u64::from(u32::MAX) - 1),
        (366, u64::from(u32::MAX), 1),
        (365, 4_294_967_291, 3_000_000_019),
        (366, 3, 2),
        (1, 1_000_000_007, 999_999_999),
    ]
    .into_iter()
    .enumerate()
    {
        let bucket = claim(&number.to_string(), Measure::Tokens, &format!("bucket {days}d"), limit, amount);
        assert!(granted(&at.reserve(ask(&number.to_string(), vec![bucket.clone()])).await));
        let period = days * DAY;
        let fills = (u128::from(amount) * period).div_ceil(u128::from(limit));
        let holds = (fills * u128::from(limit)).div_ceil(period);
        let standing = at.standing(&bucket).await;
        assert_eq!(standing.reset_us.map(u128::from), Some(fills));
        assert_eq!(u128::from(standing.used), holds);
    }
}

async fn a_bucket_of_nothing_refuses_everything(at: Fixture) {
    let bucket = claim("bucket", Measure::Requests, "bucket 60s", 0, 1);
    assert_eq!(wait(at.reserve(ask("a", vec![bucket.clone()])).await), None);
    let burst = Claim { ceiling: 5, ..bucket.clone() };
    assert_eq!(wait(at.reserve(ask("a", vec![burst])).await), None);
    assert!(granted(&at.reserve(ask("a", vec![Claim { ceiling: u64::MAX, ..bucket.clone() }])).await));
    at.store().settle("a", spent(1)).await.unwrap();
    assert_eq!(at.standing(&bucket).await.used, 0);
}

async fn a_bucket_can_be_drawn_on_after_it_was_full_again(at: Fixture) {
    let bucket = claim("bucket", Measure::MicroDollars, "bucket 60s", 60, 1);
    at.reserve(ask("a", vec![bucket.clone()])).await;
    at.pass(90);
    at.store().settle("a", spent(31)).await.unwrap();
    assert_eq!(at.standing(&bucket).await, Standing { used: 30, reserved: 0, reset_us: Some(30 * SECOND) });
}

async fn requests_under_way_are_counted_until_they_end(at: Fixture) {
    let one = |id| ask(id, vec![claim("open", Measure::Concurrent, "total", 2, 1)]);
    assert!(granted(&at.reserve(one("a")).await));
    assert!(granted(&at.reserve(one("b")).await));
    assert!(!granted(&at.reserve(one("c")).await));
    at.store().settle("a", spent(0)).await.unwrap();
    assert!(granted(&at.reserve(one("c")).await));
    assert!(!granted(&at.reserve(one("d")).await));
    at.pass(100);
    at.store().expire().await.unwrap();
    assert!(granted(&at.reserve(one("d")).await));
}

async fn a_limit_that_refuses_nothing_still_counts(at: Fixture) {
    let claims = ["total", "sliding 60s", "bucket 60s"].map(|window| Claim {
        ceiling: u64::MAX,
        counter: window.to_owned(),
        ..budget(window, 250)
    });
    assert!(granted(&at.reserve(ask("a", claims.to_vec())).await));
    for claim in &claims {
        let standing = at.standing(claim).await;
        assert_eq!(standing.used + standing.reserved, 250);
    }
    // What is to happen at some share of it happens all the same.
    let admits = Claim { admits: Some(260), ..claims[0].clone() };
    assert_eq!(wait(at.reserve(ask("b", vec![admits])).await), None);
}

async fn what_nobody_settles_is_charged_as_reserved(at: Fixture) {
    let mut theirs = budget("total", 40);
    theirs.providers = vec!["one".to_owned()];
    at.reserve(ask("a", vec![theirs])).await;
    at.pass(99);
    assert!(at.store().expire().await.unwrap().is_empty());
    at.pass(1);
    let expired = at.store().expire().await.unwrap();
    assert_eq!((expired[0].id.as_str(), expired[0].movements[0].after), ("a", 40));
    assert!(at.store().expire().await.unwrap().is_empty());
    assert!(at.store().settle("a", spent(0)).await.unwrap().is_none());
    assert_eq!(at.store().open_reservations().await.unwrap(), 0);
}

async fn many_reservations_expire_together(at: Fixture) {
    for number in 0..300 {
        let unlimited = Claim { ceiling: u64::MAX, ..budget("total", 1) };
        at.reserve(ask(&number.to_string(), vec![unlimited])).await;
    }
    at.pass(100);
    assert_eq!(at.store().expire().await.unwrap().len(), 300);
    assert_eq!(at.used_and_reserved(&budget("total", 0)).await, (300, 0));
}

async fn what_was_only_seen_in_part_is_charged_at_least_as_reserved(at: Fixture) {
    at.reserve(ask("a", vec![budget("total", 40)])).await;
    let settled =
        at.store().settle("a", Used { at_least_reserved: true, ..spent(7) }).await.unwrap().unwrap();
    assert_eq!(settled.movements[0].after, 40);
    at.reserve(ask("b", vec![budget("total", 40)])).await;
    let settled =
        at.store().settle("b", Used { at_least_reserved: true, ..spent(50) }).await.unwrap().unwrap();
    assert_eq!((settled.movements[0].before, settled.movements[0].after), (40, 90));
}

async fn a_second_alternative_is_taken_where_the_first_does_not_fit(at: Fixture) {
    let first = Claim { admits: Some(50), ..budget("month", 30) };
    let second = budget("month", 10);
    let alternatives =
        [first, second].map(|claim| Alternative { claims: vec![claim], amounts: Amounts::default() });
    let mut chosen = Vec::new();
    for id in 0..9 {
        let ask = Ask { alternatives: alternatives.to_vec(), ..ask(&id.to_string(), Vec::new()) };
        chosen.push(match at.reserve(ask).await {
            Outcome::Granted { alternative, .. } => Some(alternative),
            Outcome::Refused(_) => None,
        });
    }
    assert_eq!(chosen, [Some(0), Some(1), Some(1), Some(1), Some(1), Some(1), Some(1), Some(1), None]);
}

async fn more_is_taken_from_all_or_from_none(at: Fixture) {
    let tokens = claim("tokens", Measure::OutputTokens, "total", 100, 10);
    let money = claim("budget", Measure::MicroDollars, "total", 1_000, 10);
    at.reserve(ask("a", vec![tokens.clone(), money.clone()])).await;
    let more = Amounts { micro_dollars: 10, output_tokens: 80, ..Amounts::default() };
    assert_eq!(at.store().extend("a", more).await.unwrap(), Some(Extended::Granted));
    let refused = Extended::Refused { counter: "tokens".to_owned(), limit: 100 };
    assert_eq!(at.store().extend("a", more).await.unwrap(), Some(refused));
    assert_eq!(at.used_and_reserved(&tokens).await, (0, 90));
    assert_eq!(at.used_and_reserved(&money).await, (0, 20));
    assert_eq!(at.store().extend("b", more).await.unwrap(), None);
    let settled =
        at.store().settle("a", Used { at_least_reserved: true, ..spent(0) }).await.unwrap().unwrap();
    assert_eq!((settled.reserved.output_tokens, settled.reserved.micro_dollars), (80, 20));
    assert_eq!(settled.movements.iter().map(|movement| movement.after).collect::<Vec<_>>(), [90, 20]);
}

async fn a_stream_that_is_topped_up_after_midnight_belongs_to_the_new_day(at: Fixture) {
    let midnight = START - START % (86_400 * SECOND) + 86_400 * SECOND;
    for (window, id) in [("day", "a"), ("sliding 60s", "b")] {
        at.set_time(midnight - SECOND);
        let claim = claim(window, Measure::MicroDollars, window, 100, 40);
        at.reserve(ask(id, vec![claim.clone()])).await;
        at.set_time(midnight + 70 * SECOND);
        let more = |micro_dollars| Amounts { micro_dollars, ..Amounts::default() };
        let refused = at.store().extend(id, more(61)).await.unwrap();
        assert!(matches!(refused, Some(Extended::Refused { .. })));
        assert_eq!(at.store().extend(id, more(20)).await.unwrap(), Some(Extended::Granted));
        let standing = at.standing(&claim).await;
        assert_eq!(standing.used + standing.reserved, 60);
        at.store().settle(id, spent(55)).await.unwrap();
        assert_eq!(at.used_and_reserved(&claim).await, (55, 0));
    }
}

async fn a_bucket_gives_more_only_for_what_is_new(at: Fixture) {
    let bucket = claim("bucket", Measure::MicroDollars, "bucket 60s", 60, 60);
    at.reserve(ask("a", vec![bucket.clone()])).await;
    at.pass(50);
    // Fifty have flowed back, and fifty can be taken.
    let more = |micro_dollars| Amounts { micro_dollars, ..Amounts::default() };
    let refused = at.store().extend("a", more(51)).await.unwrap();
    assert!(matches!(refused, Some(Extended::Refused { .. })));
    assert_eq!(at.store().extend("a", more(50)).await.unwrap(), Some(Extended::Granted));
    assert_eq!(at.standing(&bucket).await.used, 60);
    at.store().settle("a", spent(110)).await.unwrap();
    assert_eq!(at.standing(&bucket).await.used, 60);
}

async fn a_providers_limit_counts_only_what_that_provider_served(at: Fixture) {
    let of = |provider: &str| Claim {
        providers: vec![provider.to_owned()],
        ..claim(provider, Measure::MicroDollars, "total", 100, 40)
    };
    at.reserve(ask("a", vec![of("one"), of("two")])).await;
    at.store().settle("a", Used { provider: "two".to_owned(), ..spent(30) }).await.unwrap();
    assert_eq!(at.used_and_reserved(&of("one")).await, (0, 0));
    assert_eq!(at.used_and_reserved(&of("two")).await, (30, 0));
}

async fn a_settlement_says_what_it_moved(at: Fixture) {
    let claims = vec![budget("minute", 40), claim("requests", Measure::Requests, "sliding 60s", 9, 1)];
    at.reserve(ask("a", claims)).await;
    let settled = at.store().settle("a", spent(25)).await.unwrap().unwrap();
    assert_eq!((settled.id.as_str(), settled.subject.as_str()), ("a", "whose a"));
    assert_eq!(settled.reserved, Amounts { micro_dollars: 40, requests: 1, ..Amounts::default() });
    let moved = crate::store::Movement {
        counter: "budget".to_owned(),
        limit: 100,
        before: 0,
        after: 25,
        window_us: START,
    };
    assert_eq!(settled.movements, [moved]);
}

async fn a_request_without_limits_is_granted(at: Fixture) {
    assert_eq!(
        at.reserve(ask("a", Vec::new())).await,
        Outcome::Granted { alternative: 0, standings: Vec::new() }
    );
    assert_eq!(at.store().standings(&[]).await.unwrap(), []);
    assert!(at.store().settle("a", spent(25)).await.unwrap().is_some());
    let nothing = Ask { alternatives: Vec::new(), ..ask("b", Vec::new()) };
    assert_eq!(wait(at.reserve(nothing).await), None);
}

async fn requests_at_the_same_time_cannot_pass_a_limit_together(mut at: Fixture) {
    let store = at.store.take().unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|id| {
            let (store, ask) = (store.clone(), ask(&id.to_string(), vec![budget("month", 1)]));
            tokio::spawn(async move { store.reserve(ask).await.unwrap() })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += usize::from(granted(&task.await.unwrap()));
    }
    assert_eq!(count, 100);
}

async fn what_was_answered_outlives_the_process(mut at: Fixture) {
    at.reserve(ask("settled", vec![budget("month", 40)])).await;
    at.store().settle("settled", spent(30)).await.unwrap();
    at.reserve(ask("open", vec![budget("month", 20)])).await;
    at.reopen();
    // Whoever goes on knows neither the reservation nor its limits.
    let more = Amounts { micro_dollars: 5, ..Amounts::default() };
    assert_eq!(at.store().extend("open", more).await.unwrap(), Some(Extended::Granted));
    at.reopen();
    assert_eq!(at.used_and_reserved(&budget("month", 0)).await, (30, 25));
    assert!(at.store().settle("settled", spent(30)).await.unwrap().is_none());
    let settled = at.store().settle("open", spent(21)).await.unwrap().unwrap();
    assert_eq!((settled.subject.as_str(), settled.movements[0].after), ("whose open", 51));
    at.reserve(ask("lost", vec![budget("month", 10)])).await;
    at.reopen();
    at.pass(100);
    assert_eq!(at.store().expire().await.unwrap()[0].movements[0].after, 61);
}

async fn what_was_answered_outlives_the_server(mut at: Fixture) {
    at.reserve(ask("open", vec![budget("month", 20)])).await;
    at.crash();
    assert_eq!(at.used_and_reserved(&budget("month", 0)).await, (0, 20));
    at.store().settle("open", spent(30)).await.unwrap();
    at.crash();
    assert!(at.store().settle("open", spent(30)).await.unwrap().is_none());
    assert_eq!(at.used_and_reserved(&budget("month", 0)).await, (30, 0));
}
