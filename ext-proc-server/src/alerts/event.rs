//! What is told: shares of limits that were crossed, and the first refusals.

use super::target::hex;
use crate::money::dollars;
use crate::policy::Policy;
use crate::policy::identity::Directory;
use crate::policy::limit::{Dimension, Mode, Rule, counter};
use crate::store::window::{Unit, Window};
use crate::store::{Measure, Movement, Standing};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// What an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// A share of which its owner wants to be told is used.
    #[serde(rename = "limit.threshold")]
    Threshold,
    /// All is used.
    #[serde(rename = "limit.reached")]
    Reached,
    /// A request was refused for the first time in a window.
    #[serde(rename = "limit.refused")]
    Refused,
}

impl Kind {
    /// All, with their names in a configuration.
    pub const ALL: [(&'static str, Self); 3] =
        [("threshold", Self::Threshold), ("reached", Self::Reached), ("refused", Self::Refused)];
}

/// One event, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) body: String,
    pub(super) belongs: Belongs,
}

/// Whose a counter is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Belongs {
    pub(super) organizations: Vec<String>,
    pub(super) teams: Vec<String>,
    pub(super) keys: Vec<String>,
}

/// The body of a delivery; `docs/alerts.md` describes it.
#[derive(Serialize)]
struct Payload<'e> {
    id: &'e str,
    #[serde(rename = "type")]
    kind: Kind,
    time: Option<String>,
    limit: LimitPart<'e>,
    whom: Map<String, Value>,
    percent: u64,
    used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reserved_usd: Option<String>,
    window_start: Option<String>,
    resets_at: Option<String>,
}

#[derive(Serialize)]
struct LimitPart<'e> {
    name: &'e str,
    owner: Option<Owner<'e>>,
    counter: &'e str,
    measure: Measure,
    amount: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_usd: Option<String>,
    /// Requests under way have none.
    window: Option<&'e Window>,
    mode: Mode,
}

#[derive(Serialize)]
struct Owner<'e> {
    kind: &'e str,
    name: &'e str,
}

/// The shares of an amount that a counter has crossed, in per cent: those of `warn_at`, and all of it in any case.
fn crossed(warn_at: &[u8], amount: u64, before: u64, after: u64) -> Vec<u8> {
    let crosses = |percent: u8| {
        let share = u128::from(amount) * u128::from(percent);
        u128::from(before) * 100 < share && share <= u128::from(after) * 100
    };
    let mut shares: Vec<u8> =
        warn_at.iter().copied().chain([100]).filter(|percent| crosses(*percent)).collect();
    shares.sort_unstable();
    shares.dedup();
    shares
}

/// The events of a movement. The amount is the one in force: every movement of a counter is measured by the same.
pub(super) fn of_movement(policy: &Policy, movement: &Movement, now_ms: u64) -> Vec<Event> {
    let Some(rule) = policy.rules().of_counter(&movement.counter) else { return Vec::new() };
    let limit = &rule.limit;
    let shares = crossed(&limit.warn_at, limit.amount, movement.before, movement.after);
    let window = match &limit.window {
        Window::Calendar(unit, zone) => Some(unit.bounds(zone, movement.window_us)),
        _ => None,
    };
    let events = shares.into_iter().map(|percent| {
        let kind = if percent == 100 { Kind::Reached } else { Kind::Threshold };
        Facts {
            kind,
            counter: &movement.counter,
            percent: u64::from(percent),
            used: movement.after,
            reserved: None,
            window_us: movement.window_us,
            resets_us: window.map(|(_, end)| end).filter(|end| *end != u64::MAX),
            now_ms,
        }
        .event(policy, rule)
    });
    events.collect()
}

/// The event of a refusal that stands in a window which began at `window_us`.
pub(super) fn of_refusal(
    policy: &Policy,
    rule: &Rule,
    counter: &str,
    standing: &Standing,
    window_us: u64,
    now_us: u64,
) -> Event {
    let limit = &rule.limit;
    let apart = is_calendar(rule) || limit.measure == Measure::Concurrent;
    let taken = if apart { standing.used.saturating_add(standing.reserved) } else { standing.used };
    let percent = u128::from(taken) * 100 / u128::from(limit.amount.max(1));
    Facts {
        kind: Kind::Refused,
        counter,
        percent: if limit.amount == 0 { 100 } else { u64::try_from(percent).unwrap_or(u64::MAX) },
        used: standing.used,
        reserved: Some(standing.reserved),
        window_us,
        resets_us: standing.reset_us.map(|wait| rule.limit.whole_again_us(now_us, wait)),
        now_ms: now_us / 1_000,
    }
    .event(policy, rule)
}

/// Whether a rule counts from one boundary of the calendar to the next.
pub(super) fn is_calendar(rule: &Rule) -> bool {
    rule.limit.measure != Measure::Concurrent && matches!(rule.limit.window, Window::Calendar(..))
}

/// What an event is made of.
struct Facts<'e> {
    kind: Kind,
    counter: &'e str,
    percent: u64,
    used: u64,
    reserved: Option<u64>,
    window_us: u64,
    resets_us: Option<u64>,
    now_ms: u64,
}

impl Facts<'_> {
    fn event(self, policy: &Policy, rule: &Rule) -> Event {
        let Self { kind, counter, percent, used, reserved, window_us, resets_us, now_ms } = self;
        let limit = &rule.limit;
        // What is used at a refusal differs from process to process; the window and the limit do not.
        let share = if kind == Kind::Refused { 0 } else { percent };
        let id = id(kind, counter, window_us, share, limit.amount);
        let whom = whom(counter);
        let belongs = Belongs::of(policy.directory(), rule, &whom);
        let usd = |amount: u64| (limit.measure == Measure::MicroDollars).then(|| dollars(amount));
        let ever = matches!(limit.window, Window::Calendar(Unit::Total, _));
        let payload = Payload {
            id: &id,
            kind,
            time: i64::try_from(now_ms)
                .ok()
                .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                .map(|time| time.to_string()),
            limit: LimitPart {
                name: &limit.name,
                owner: owner(rule),
                counter,
                measure: limit.measure,
                amount: limit.amount,
                amount_usd: usd(limit.amount),
                window: (limit.measure != Measure::Concurrent).then_some(&limit.window),
                mode: limit.mode,
            },
            whom,
            percent,
            used,
            used_usd: usd(used),
            reserved,
            reserved_usd: reserved.and_then(usd),
            window_start: Some(window_us).filter(|_| is_calendar(rule) && !ever).and_then(time),
            resets_at: resets_us.and_then(time),
        };
        // A struct of texts and numbers always has a JSON form.
        let body = serde_json::to_string(&payload).unwrap_or_default();
        Event { id, kind, body, belongs }
    }
}

/// The same event has the same id wherever and however often it is found.
fn id(kind: Kind, counter: &str, window_us: u64, share: u64, amount: u64) -> String {
    let text = serde_json::to_vec(&(kind, counter, window_us, share, amount)).unwrap_or_default();
    format!("msg_{}", hex(Sha256::digest(text).get(..16).unwrap_or_default()))
}

/// RFC 3339, in UTC.
fn time(us: u64) -> Option<String> {
    let time = Timestamp::from_microsecond(i64::try_from(us).ok()?).ok()?;
    Some(time.to_string())
}

fn owner(rule: &Rule) -> Option<Owner<'_>> {
    let (kind, name) = rule.owned_by()?;
    Some(Owner { kind, name })
}

/// The values of the limit's dimensions, from the name of a counter.
fn whom(counter: &str) -> Map<String, Value> {
    counter::values(counter).map(|(dimension, value)| (dimension.to_owned(), value.into())).collect()
}

impl Belongs {
    fn of(directory: &Directory, rule: &Rule, whom: &Map<String, Value>) -> Self {
        let only = &rule.limit.only;
        // What the counter says is more exact than what the limit does.
        let names = |dimension: Dimension, listed: &[String]| match whom.get(dimension.as_str()) {
            Some(Value::String(value)) => vec![value.clone()],
            _ => listed.to_vec(),
        };
        let mut belongs = Self {
            organizations: names(Dimension::Organization, &only.organizations),
            teams: names(Dimension::Team, &only.teams),
            keys: names(Dimension::Key, &only.keys),
        };
        for key in belongs.keys.iter().filter_map(|name| directory.keys.get(name)) {
            let principal = directory.principal(key);
            belongs.teams.push(principal.team);
            belongs.organizations.push(principal.organization);
        }
        for user in names(Dimension::User, &only.users) {
            belongs.teams.extend(directory.users.get(&user).and_then(|user| user.team.clone()));
        }
        for team in &belongs.teams {
            belongs
                .organizations
                .extend(directory.teams.get(team).and_then(|team| team.organization.clone()));
        }
        belongs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_crossed_by_the_settlement_that_reaches_it() {
        let shares = |before, after| crossed(&[80, 50, 50, 100], 10, before, after);
        assert!(shares(0, 4).is_empty());
        assert_eq!(shares(4, 5), [50]);
        assert!(shares(5, 7).is_empty());
        assert_eq!(shares(5, 8), [80]);
        assert_eq!(shares(9, 10), [100]);
        assert!(shares(10, 11).is_empty());
        assert_eq!(shares(0, 30), [50, 80, 100]);
        assert_eq!(crossed(&[], 10, 0, 10), [100]);
    }

    #[test]
    fn shares_are_exact_also_where_they_are_no_whole_number_or_very_large() {
        // Half of three is reached by two.
        assert!(crossed(&[50], 3, 0, 1).is_empty());
        assert_eq!(crossed(&[50], 3, 1, 2), [50]);
        assert_eq!(crossed(&[99], u64::MAX, u64::MAX / 100 * 99, u64::MAX - 1), [99]);
        assert_eq!(crossed(&[99], u64::MAX, u64::MAX - 1, u64::MAX), [100]);
        // What nothing is allowed of cannot be used up by more.
        assert!(crossed(&[50], 0, 0, 5).is_empty());
    }

    #[test]
    fn a_hundred_users_cross_a_share_once_whatever_the_steps() {
        for step in 1..40 {
            let moves = (0..400 / step).map(|number| (number * step, (number + 1) * step));
            let all: Vec<u8> =
                moves.flat_map(|(before, after)| crossed(&[1, 33, 50, 99], 300, before, after)).collect();
            assert_eq!(all, [1, 33, 50, 99, 100], "{step}");
        }
    }

    #[test]
    fn dimensions_are_read_from_the_counter_also_where_values_hold_its_signs() {
        let whom = whom("limit:l@requests day|end_user=a%7Cb=c|tag=x=%7Cy|provider=openai");
        let whom = serde_json::to_string(&whom).unwrap();
        assert_eq!(whom, r#"{"end_user":"a|b=c","tag":"x=|y","provider":"openai"}"#);
    }

    #[test]
    fn an_event_keeps_its_id_and_another_has_another() {
        let one = id(Kind::Threshold, "c", 7, 50, 100);
        assert_eq!(one, id(Kind::Threshold, "c", 7, 50, 100));
        for other in [
            id(Kind::Refused, "c", 7, 50, 100),
            id(Kind::Threshold, "d", 7, 50, 100),
            id(Kind::Threshold, "c", 8, 50, 100),
            id(Kind::Threshold, "c", 7, 80, 100),
            id(Kind::Threshold, "c", 7, 50, 200),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one.len(), "msg_".len() + 32);
    }
}
