//! What the scripts are told: claims as JSON, keys, and the windows of the calendar.

use crate::store::window::{BUCKET_AMOUNT, Unit, Window, Zone, length_us, slot_us};
use crate::store::{Amounts, Claim, Measure, StoreError};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

/// The largest number that a double holds with all smaller ones: numbers in the server stop here.
pub(super) const MAX: u64 = (1 << 53) - 1;

/// The number that a script is told.
pub(super) fn number(number: u64) -> u64 {
    number.min(MAX)
}

/// The number that a script gave; `None` for its `-1`.
pub(super) fn known(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

/// A claim as scripts read it; the fields are described at the head of `scripts/counting.lua`.
#[derive(Debug, Serialize, Deserialize)]
struct Written<'a> {
    counter: Cow<'a, str>,
    kind: Cow<'a, str>,
    window: Cow<'a, str>,
    measure: Measure,
    limit: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ceiling: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admits: Option<u64>,
    amount: u64,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    providers: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overruns: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
}

/// What a claim's window is called in keys. Requests under way are counted without one.
fn window_name(claim: &Claim) -> Cow<'static, str> {
    match claim.measure {
        Measure::Concurrent => Cow::Borrowed("concurrent"),
        _ => Cow::Owned(claim.window.to_string()),
    }
}

fn limited(amount: u64) -> Option<u64> {
    (amount != u64::MAX).then(|| number(amount))
}

impl<'a> Written<'a> {
    fn new(claim: &'a Claim) -> Self {
        let (kind, length) = match (&claim.measure, &claim.window) {
            (Measure::Concurrent, _) => ("concurrent", None),
            (_, Window::Calendar(..)) => ("calendar", None),
            (_, Window::Sliding(length)) => ("sliding", Some(slot_us(*length))),
            (_, Window::Bucket(period)) => ("bucket", Some(length_us(*period).max(1))),
        };
        Self {
            counter: Cow::Borrowed(&claim.counter),
            kind: Cow::Borrowed(kind),
            window: window_name(claim),
            measure: claim.measure,
            limit: number(claim.limit),
            ceiling: limited(claim.ceiling),
            admits: claim.admits.and_then(limited),
            amount: number(claim.amount),
            providers: Cow::Borrowed(&claim.providers),
            overruns: claim.overruns,
            length,
        }
    }

    fn read(self) -> Result<Claim, StoreError> {
        // The window of requests under way is not kept, for nobody asks for it.
        let window = match self.measure {
            Measure::Concurrent => Window::Calendar(Unit::Total, Zone::default()),
            _ => self.window.parse().map_err(|reason| StoreError { reason })?,
        };
        Ok(Claim {
            counter: self.counter.into_owned(),
            measure: self.measure,
            window,
            limit: self.limit,
            ceiling: self.ceiling.unwrap_or(u64::MAX),
            admits: self.admits,
            amount: self.amount,
            providers: self.providers.into_owned(),
            overruns: self.overruns,
            local: None,
        })
    }
}

/// Claims as scripts read them.
///
/// # Errors
/// A bucket is larger than the scripts can compute with.
pub(super) fn claims(claims: &[Claim]) -> Result<String, StoreError> {
    for claim in claims {
        if matches!(claim.window, Window::Bucket(_)) && claim.limit > BUCKET_AMOUNT {
            return Err(StoreError {
                reason: format!("the bucket {} holds more than {BUCKET_AMOUNT}", claim.counter),
            });
        }
    }
    let written: Vec<Written<'_>> = claims.iter().map(Written::new).collect();
    serde_json::to_string(&written).map_err(|error| StoreError { reason: error.to_string() })
}

/// Claims that a script gave.
///
/// # Errors
/// They are not what [`claims`] wrote.
pub(super) fn read_claims(text: &str) -> Result<Vec<Claim>, StoreError> {
    let written: Vec<Written<'_>> = serde_json::from_str(text)
        .map_err(|error| StoreError { reason: format!("a reservation cannot be read: {error}") })?;
    written.into_iter().map(Written::read).collect()
}

/// Amounts as scripts keep them.
pub(super) fn amounts(amounts: &Amounts) -> String {
    let [money, input, output, requests] = parts(amounts);
    format!("{money} {input} {output} {requests}")
}

/// The parts of amounts, in the order in which scripts have them.
pub(super) fn parts(amounts: &Amounts) -> [u64; 4] {
    [amounts.micro_dollars, amounts.input_tokens, amounts.output_tokens, amounts.requests].map(number)
}

/// Amounts that a script gave.
pub(super) fn read_amounts(text: &str) -> Amounts {
    let mut parts = text.split(' ').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    Amounts { micro_dollars: next(), input_tokens: next(), output_tokens: next(), requests: next() }
}

/// The names of keys. All have the prefix in braces, by which a cluster keeps them together.
#[derive(Debug)]
pub(super) struct Keys {
    /// What every key begins with.
    pub(super) prefix: String,
}

impl Keys {
    /// # Errors
    /// The prefix cannot be the part of a key by which a cluster chooses the place.
    pub(super) fn new(prefix: &str) -> Result<Self, StoreError> {
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(StoreError { reason: format!("\"{prefix}\" cannot be the prefix of keys") });
        }
        Ok(Self { prefix: format!("{{{prefix}}}:") })
    }

    pub(super) fn reservation(&self, id: &str) -> String {
        format!("{}reservation:{id}", self.prefix)
    }

    pub(super) fn list(&self, name: &str) -> String {
        format!("{}list:{name}", self.prefix)
    }

    pub(super) fn value(&self, name: &str) -> String {
        format!("{}value:{name}", self.prefix)
    }

    pub(super) fn expiries(&self) -> String {
        format!("{}expiries", self.prefix)
    }

    pub(super) fn counter(&self, claim: &Claim) -> String {
        format!("{}{}:{}", self.prefix, window_name(claim), claim.counter)
    }
}

/// The windows of the calendar before, of and after now, as JSON, each computed once as long as it lasts.
#[derive(Debug, Default)]
pub(super) struct Calendars {
    known: Mutex<HashMap<Window, Around>>,
}

#[derive(Clone, Debug)]
struct Around {
    start: u64,
    end: u64,
    json: String,
}

impl Around {
    fn new(unit: Unit, zone: &Zone, now: u64) -> Self {
        let (start, end) = unit.bounds(zone, now);
        let window = |(start, end)| format!("[{},{}]", number(start), number(end));
        let mut json = format!("[{}", window((start, end)));
        // There is nothing before 1970 and nothing after all time.
        for other in [start.checked_sub(1), Some(end).filter(|end| *end < MAX)].into_iter().flatten() {
            json.push(',');
            json.push_str(&window(unit.bounds(zone, other)));
        }
        json.push(']');
        Self { start, end, json }
    }
}

impl Calendars {
    /// The windows of each claim: none for one without calendar.
    pub(super) fn around(&self, claims: &[Claim], now: u64) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut json = String::from("[");
        for (index, claim) in claims.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let around = match &claim.window {
                Window::Calendar(unit, zone) if claim.measure != Measure::Concurrent => {
                    let around =
                        known.get(&claim.window).filter(|around| around.start <= now && now < around.end);
                    match around {
                        Some(around) => Cow::Borrowed(around.json.as_str()),
                        None => {
                            let around = Around::new(*unit, zone, now);
                            let json = around.json.clone();
                            known.insert(claim.window.clone(), around);
                            Cow::Owned(json)
                        }
                    }
                }
                _ => Cow::Borrowed("[]"),
            };
            let _ = write!(json, "{comma}{around}");
        }
        json.push(']');
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(window: &str) -> Claim {
        Claim {
            counter: "budget \"x\"|team=a".to_owned(),
            measure: Measure::MicroDollars,
            window: window.parse().unwrap(),
            limit: 100,
            ceiling: u64::MAX,
            admits: Some(7),
            amount: 3,
            providers: vec!["one".to_owned()],
            overruns: true,
            local: None,
        }
    }

    #[test]
    fn claims_are_read_as_they_were_written() {
        let written = ["month Europe/Berlin", "total", "sliding 1h", "bucket 90s"].map(claim);
        assert_eq!(read_claims(&claims(&written).unwrap()).unwrap(), written);
    }

    #[test]
    fn a_bucket_that_is_too_large_to_compute_with_is_refused() {
        let large = Claim { limit: BUCKET_AMOUNT + 1, ..claim("bucket 1m") };
        assert!(claims(&[large]).is_err());
    }

    #[test]
    fn the_windows_around_a_moment_follow_each_other() {
        let calendars = Calendars::default();
        let now = 1_800_000_030_000_000;
        let around = |now| calendars.around(&[claim("minute"), claim("sliding 1m"), claim("total")], now);
        let minute = 60_000_000;
        let (start, end) = (1_800_000_000_000_000u64, 1_800_000_060_000_000u64);
        let expected = format!(
            "[[[{start},{end}],[{},{start}],[{end},{}]],[],[[0,{MAX}]]]",
            start - minute,
            end + minute
        );
        assert_eq!(around(now), expected);
        assert_eq!(around(now + minute - 1), around(end));
        assert_ne!(around(now), around(end));
    }

    #[test]
    fn keys_of_one_prefix_stay_together() {
        let keys = Keys::new("weirgate").unwrap();
        assert_eq!(
            keys.counter(&claim("day Europe/Berlin")),
            "{weirgate}:day Europe/Berlin:budget \"x\"|team=a"
        );
        assert_eq!(keys.reservation("a"), "{weirgate}:reservation:a");
        assert!(Keys::new("").is_err() && Keys::new("a}b").is_err());
    }
}
