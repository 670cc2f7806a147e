use super::*;
use crate::config::{Config, read};
use crate::store::{Alternative, Amounts, Ask, Clock, Memory};
use crate::store::{Claim, Standing, Store, Used};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

const CONFIG: &str = r#"
store: {folder: none}
providers: {openai: {dialect: openai}}
organizations: [{name: acme}]
teams:
  - {name: red, organization: acme, limits: [{name: month, usd: 2, window: month, warn_at: [50], mode: shadow}]}
  - {name: blue}
keys:
  - {name: of-red, key: key-of-the-red-team, team: red, limits: [{name: calls, requests: 5, window: day, warn_at: [80]}]}
  - {name: of-blue, key: key-of-the-blue-team, team: blue, limits: {budget: {usd: 1, period: total}}}
limits:
  - {name: users, tokens: 100, window: "hour Europe/Berlin", per: [end_user, team], warn_at: [10]}
  - {name: at-once, concurrent: 2}
alerts:
  - {url: "http://all/", secret: sixteen-characters-or-more}
  - {url: "http://red/", secret: sixteen-characters-or-more, only: {teams: [red]}, events: [threshold, refused]}
  - {url: "http://acme/", secret: sixteen-characters-or-more, only: {organizations: [acme], keys: [of-red]}}
"#;

fn config() -> Config {
    read(CONFIG, &BTreeMap::new()).unwrap()
}

fn policy() -> Policy {
    Policy::new(Arc::new(config()), &crate::policy::identity::Directory::default())
}

fn alerts() -> Alerts {
    Alerts::open(config().alerts, None).unwrap()
}

fn movement(counter: &str, before: u64, after: u64) -> Movement {
    let window_us = to_us("2026-11-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().into());
    Movement { counter: counter.to_owned(), limit: 0, before, after, window_us }
}

/// What waits for a target.
fn waiting(alerts: &Alerts, url: &str) -> Vec<Value> {
    let to = Address::parse(url).unwrap().digest();
    let taken = std::iter::from_fn(|| alerts.outbox.take(&to, Instant::now()));
    taken.map(|(message, _)| serde_json::from_str(&message.body).unwrap()).collect()
}

fn kinds(alerts: &Alerts, url: &str) -> Vec<(String, u64)> {
    let told =
        |event: &Value| (event["type"].as_str().unwrap().to_owned(), event["percent"].as_u64().unwrap());
    waiting(alerts, url).iter().map(told).collect()
}

#[tokio::test]
async fn an_event_says_what_is_used_of_which_limit() {
    let alerts = alerts();
    alerts.moved(&policy(), &[movement("team:red/month@micro_dollars month", 900_000, 1_250_000)]).await;
    let events = waiting(&alerts, "http://all/");
    assert_eq!(events.len(), 1);
    let mut event = events[0].clone();
    let (id, time) = (event["id"].take(), event["time"].take());
    assert!(id.as_str().unwrap().starts_with("msg_"));
    assert!(time.as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(
        event,
        json!({
            "id": null,
            "type": "limit.threshold",
            "time": null,
            "limit": {
                "name": "month",
                "owner": {"kind": "team", "name": "red"},
                "counter": "team:red/month@micro_dollars month",
                "measure": "micro_dollars",
                "amount": 2_000_000,
                "amount_usd": "2",
                "window": "month",
                "mode": "shadow",
            },
            "whom": {},
            "percent": 50,
            "used": 1_250_000,
            "used_usd": "1.25",
            "window_start": "2026-11-01T00:00:00Z",
            "resets_at": "2026-12-01T00:00:00Z",
        })
    );
    assert_eq!(waiting(&alerts, "http://red/"), events);
    // The organisation's alert is for one key only.
    assert_eq!(waiting(&alerts, "http://acme/"), [] as [Value; 0]);
}

#[tokio::test]
async fn each_share_is_told_once_to_those_who_want_it() {
    let (alerts, policy) = (alerts(), policy());
    let calls = "key:of-red/calls@requests day";
    for used in 0..8 {
        alerts.moved(&policy, &[movement(calls, used, used + 1)]).await;
    }
    let all = [("limit.threshold".to_owned(), 80), ("limit.reached".to_owned(), 100)];
    assert_eq!(kinds(&alerts, "http://all/"), all);
    assert_eq!(kinds(&alerts, "http://red/"), all[..1]);
    assert_eq!(kinds(&alerts, "http://acme/"), all);
}

#[tokio::test]
async fn whom_a_counter_counts_decides_who_is_told() {
    let (alerts, policy) = (alerts(), policy());
    let users = "limit:users@tokens hour Europe/Berlin";
    let counters =
        [format!("{users}|end_user=ann%7Cx|team=red"), format!("{users}|end_user=team=red|team=blue")];
    for counter in &counters {
        alerts.moved(&policy, &[movement(counter, 0, 50)]).await;
    }
    let events = waiting(&alerts, "http://red/");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["whom"], json!({"end_user": "ann|x", "team": "red"}));
    assert_eq!(
        (&events[0]["limit"]["owner"], &events[0]["limit"]["amount_usd"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(waiting(&alerts, "http://all/").len(), 2);
}

#[tokio::test]
async fn what_belongs_to_no_limit_or_is_allowed_nothing_tells_nobody() {
    let (alerts, policy) = (alerts(), policy());
    for counter in ["limit:gone@requests day", "", "key:of-red/calls", "key:of-red/spend@micro_dollars total"]
    {
        alerts.moved(&policy, &[movement(counter, 0, 1_000_000)]).await;
    }
    assert_eq!(waiting(&alerts, "http://all/").len(), 0);
}

fn claim(rule: &Rule, counter: &str) -> Claim {
    let limit = &rule.limit;
    Claim {
        counter: counter.to_owned(),
        measure: limit.measure,
        window: limit.window.clone(),
        limit: limit.amount,
        ceiling: limit.amount,
        admits: None,
        amount: 1,
        providers: Vec::new(),
        overruns: false,
        local: None,
    }
}

/// Waits for what is written down without anybody waiting.
async fn written(alerts: &Alerts, count: usize) {
    while alerts.outbox.waiting() < count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn only_the_first_refusal_in_a_window_is_told() {
    let (alerts, policy) = (alerts(), policy());
    let counter = "key:of-blue/budget@micro_dollars total";
    let rule = policy.rules().of_counter(counter).unwrap();
    let standing = Standing { used: 700_000, reserved: 250_000, reset_us: None };
    for _ in 0..3 {
        alerts.refused(&policy, rule, counter, &standing);
    }
    let other = "limit:at-once@concurrent";
    let rule = policy.rules().of_counter(other).unwrap();
    let standing = Standing { used: 0, reserved: 2, reset_us: None };
    alerts.refused(&policy, rule, other, &standing);
    written(&alerts, 2).await;
    let mut events = waiting(&alerts, "http://all/");
    events.sort_by_key(|event| event["percent"].as_u64());
    assert_eq!(events.len(), 2);
    let (money, at_once) = (&events[0], &events[1]);
    assert_eq!((&money["type"], &money["percent"]), (&json!("limit.refused"), &json!(95)));
    assert_eq!((&money["reserved"], &money["reserved_usd"]), (&json!(250_000), &json!("0.25")));
    assert_eq!((&money["window_start"], &money["resets_at"]), (&Value::Null, &Value::Null));
    assert_eq!((&at_once["percent"], &at_once["limit"]["window"]), (&json!(100), &Value::Null));
}

#[test]
fn counters_that_refuse_are_remembered_up_to_a_number() {
    let mut refusing = Refusing::default();
    let second = 1_000_000;
    for number in 0..REFUSING {
        assert_eq!(refusing.begins(&number.to_string(), second, || (7, 5 * second)), Some(7));
    }
    assert_eq!(refusing.begins("0", 2 * second, || unreachable!()), None);
    assert_eq!(refusing.begins("more", 2 * second, || (7, 9 * second)), None);
    // A window has ended.
    assert_eq!(refusing.begins("0", 5 * second, || (8, 9 * second)), Some(8));
    assert_eq!(refusing.begins("more", 5 * second, || (9, 9 * second)), Some(9));
    assert_eq!(refusing.until_us.len(), 2);
}

#[test]
fn attempts_come_further_and_further_apart() {
    let seconds = |first: u64| -> Vec<u64> {
        (0..7).map(|attempts| pause(Duration::from_secs(first), attempts).as_secs()).collect()
    };
    assert_eq!(seconds(5), [5, 30, 120, 600, 3_600, 3_600, 3_600]);
    assert_eq!(seconds(1), [1, 6, 24, 120, 720, 720, 720]);
    assert_eq!(seconds(3_600), [3_600; 7]);
    for _ in 0..100 {
        let jittered = with_jitter(Duration::from_secs(8));
        assert!((Duration::from_secs(8)..Duration::from_secs(10)).contains(&jittered));
    }
}

#[test]
fn what_fails_is_tried_for_three_days_and_no_longer() {
    let alerts = alerts();
    let target = &alerts.targets[0];
    let now_ms = to_us(SystemTime::now()) / 1_000;
    let of_age = |days: u64| Message {
        number: 1,
        id: String::new(),
        to: String::new(),
        time_ms: now_ms - days * 86_400_000,
        body: String::new(),
    };
    let again = |wait| Attempt::Again { reason: String::new(), wait };
    let judged = |days, attempt| alerts.judge(target, &of_age(days), 0, attempt);
    assert!(judged(2, again(None)).unwrap() >= Duration::from_secs(5));
    assert_eq!(judged(3, again(None)), None);
    // The receiver may ask for more patience, but not for any amount of it.
    assert!(judged(0, again(Some(Duration::from_secs(60)))).unwrap() >= Duration::from_secs(60));
    assert!(judged(0, again(Some(Duration::MAX))).unwrap() <= LONGEST * 5 / 4);
    assert_eq!(judged(0, Attempt::Delivered), None);
    assert_eq!(judged(0, Attempt::Refused { reason: String::new() }), None);
    let metrics = alerts.metrics();
    for line in ["{outcome=\"delivered\"} 1", "{outcome=\"failed\"} 2", "{outcome=\"retried\"} 3"] {
        assert!(metrics.contains(&format!("weirgate_alert_deliveries_total{line}\n")), "{metrics}");
    }
    assert!(!metrics.contains("# EOF"));
}

#[tokio::test]
async fn refusals_are_counted_by_limit_also_without_alerts_and_so_is_what_soft_and_shadow_limits_let_pass() {
    let (alerts, policy) = (Alerts::open(Vec::new(), None).unwrap(), policy());
    let counter = "key:of-red/calls@requests day";
    let rule = policy.rules().of_counter(counter).unwrap();
    for _ in 0..2 {
        alerts.refused(&policy, rule, counter, &Standing::default());
    }
    let month = "team:red/month@micro_dollars month";
    // Up to its amount a limit would not have refused; beyond it, each request.
    let movements = [movement(month, 0, 2_000_000), movement(month, 2_000_000, 2_000_001)];
    alerts.moved(&policy, &movements).await;
    // What a key without a budget spends is counted by a limit that nobody has set.
    alerts.moved(&policy, &[movement("key:of-red/spend@micro_dollars total", 0, 9)]).await;
    let metrics = alerts.metrics();
    let mut lines: Vec<_> = metrics.lines().filter(|line| line.starts_with("weirgate_limit")).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "weirgate_limit_refusals_total{limit=\"calls\",mode=\"hard\"} 2",
            "weirgate_limit_refusals_total{limit=\"month\",mode=\"shadow\"} 1"
        ]
    );
}

/// The store's own movements cross each share once, however many requests there are.
#[tokio::test]
async fn a_store_and_many_requests_cross_each_share_once() {
    let (alerts, policy) = (alerts(), policy());
    let store = Memory::new(Clock::Manual(Arc::new(AtomicU64::new(1_795_000_000_000_000))));
    let counter = "team:red/month@micro_dollars month";
    let rule = policy.rules().of_counter(counter).unwrap();
    for number in 0..50 {
        let mut claim = claim(rule, counter);
        (claim.amount, claim.ceiling) = (90_000, u64::MAX);
        let amounts = Amounts { micro_dollars: 90_000, ..Amounts::default() };
        let ask = Ask {
            id: number.to_string(),
            alternatives: vec![Alternative { claims: vec![claim], amounts }],
            subject: String::new(),
            lifetime: Duration::from_secs(60),
        };
        store.reserve(ask).await.unwrap();
        let used = Used { amounts, at_least_reserved: false, provider: String::new() };
        let settled = store.settle(&number.to_string(), used).await.unwrap().unwrap();
        alerts.moved(&policy, &settled.movements).await;
    }
    assert_eq!(
        kinds(&alerts, "http://all/"),
        [("limit.threshold".to_owned(), 50), ("limit.reached".to_owned(), 100)]
    );
}
