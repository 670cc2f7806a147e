//! What a client is told of its limits on every answer, in the form of OpenAI's headers.
//! (<https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers>)

use crate::money::dollars;
use crate::policy::limit::{Mode, Ruled};
use crate::store::{Measure, Standing};
use std::time::Duration;
use weirgate_contract::metadata;

/// The values of headers, by the metadata keys that Envoy takes them from.
pub(super) type Told = Vec<(&'static str, String)>;

/// What to tell of these claims, after the request was counted or refused. Of several limits of a kind it is the one with the
/// least left.
pub(super) fn tell(claims: &[Ruled<'_>], standings: &[Standing]) -> Told {
    let mut told = Told::new();
    // Shadow limits are for operators only.
    let counted = || claims.iter().zip(standings).filter(|(ruled, _)| ruled.rule.limit.mode != Mode::Shadow);
    let nearest = |measures: &[Measure]| {
        let of_kind = counted().filter(|(ruled, _)| measures.contains(&ruled.claim.measure));
        of_kind.map(|(ruled, standing)| Left::of(ruled, standing)).min_by_key(|left| left.remaining)
    };
    if let Some(left) = nearest(&[Measure::Requests]) {
        told.push((metadata::LIMIT_REQUESTS, left.limit.to_string()));
        told.push((metadata::REMAINING_REQUESTS, left.remaining.to_string()));
        told.extend(left.reset.map(|reset| (metadata::RESET_REQUESTS, duration(reset))));
    }
    if let Some(left) = nearest(&[Measure::Tokens, Measure::InputTokens, Measure::OutputTokens]) {
        told.push((metadata::LIMIT_TOKENS, left.limit.to_string()));
        told.push((metadata::REMAINING_TOKENS, left.remaining.to_string()));
        told.extend(left.reset.map(|reset| (metadata::RESET_TOKENS, duration(reset))));
    }
    if let Some(left) = nearest(&[Measure::MicroDollars]) {
        told.push((metadata::BUDGET_LIMIT, dollars(left.limit)));
        told.push((metadata::BUDGET_REMAINING, dollars(left.remaining)));
        told.extend(left.reset.map(|reset| (metadata::BUDGET_RESET, duration(reset))));
    }
    let reached = counted().find(|(ruled, standing)| {
        ruled.rule.limit.mode == Mode::Soft && Left::of(ruled, standing).remaining == 0
    });
    if let Some((ruled, _)) = reached {
        told.push((metadata::WARNING, format!("the limit \"{}\" is reached", ruled.rule.limit.name)));
    }
    told
}

/// What is left of a limit.
struct Left {
    limit: u64,
    remaining: u64,
    reset: Option<Duration>,
}

impl Left {
    fn of(ruled: &Ruled<'_>, standing: &Standing) -> Self {
        let limit = ruled.rule.limit.burst.unwrap_or(ruled.rule.limit.amount);
        let used = standing.used.saturating_add(standing.reserved);
        let reset = standing.reset_us.map(Duration::from_micros);
        Self { limit, remaining: limit.saturating_sub(used), reset }
    }
}

/// A length of time as OpenAI writes it: `6m0s`, `1.5s`, `20ms`. Longer times than a day are given in hours too.
fn duration(length: Duration) -> String {
    let millis = length.as_millis();
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
    let seconds = match (seconds / 1_000, seconds % 1_000) {
        (0, rest) if millis < 1_000 => return format!("{rest}ms"),
        (whole, 0) => format!("{whole}s"),
        (whole, rest) => format!("{whole}.{}s", format!("{rest:03}").trim_end_matches('0')),
    };
    match (hours, minutes) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openai_does() {
        let written = |millis| duration(Duration::from_millis(millis));
        assert_eq!(written(20), "20ms");
        assert_eq!(written(1_000), "1s");
        assert_eq!(written(1_500), "1.5s");
        assert_eq!(written(360_000), "6m0s");
        assert_eq!(written(90_061_000), "25h1m1s");
    }
}
