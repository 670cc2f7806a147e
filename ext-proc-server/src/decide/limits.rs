//! What a client is told when a limit stops it.

use crate::money::dollars;
use crate::policy::plan::Plan;
use crate::store::window::Window;
use crate::store::{Measure, Refused};
use weirgate_dialect::error::{ClientError, ErrorKind};

/// What to answer in place of a wait that never ends or is not known: a day for what is counted over time, a second for requests
/// under way.
const NEVER: u64 = 86_400;
const SOON: u64 = 1;

/// The error for a request that a limit refuses.
pub(super) fn explain(refused: &Refused, plan: Option<&Plan<'_>>) -> ClientError {
    let Some(ruled) = plan.and_then(|plan| plan.claims.get(refused.claim)) else { return no_store() };
    let limit = &ruled.rule.limit;
    let over = match &limit.window {
        Window::Calendar(crate::store::window::Unit::Total, _) => String::new(),
        Window::Calendar(unit, _) => format!(" a {}", unit.as_str()),
        window => format!(" by \"{window}\""),
    };
    let whose = match (ruled.rule.owner.as_str(), ruled.whom.as_str()) {
        ("", "") => format!("the limit \"{}\"", limit.name),
        ("", whom) => format!("the limit \"{}\" of the {whom}", limit.name),
        (owner, "") => owner.to_owned(),
        (owner, whom) => format!("{owner} with the {whom}"),
    };
    let known = refused.wait_us.map(|wait| wait.div_ceil(1_000_000).max(1));
    let (kind, code, message, unknown) = match limit.measure {
        Measure::MicroDollars => {
            let budget = dollars(limit.amount);
            let message = format!("the budget of {whose}, ${budget}{over}, is spent or reserved");
            (ErrorKind::BudgetExceeded, "budget_exceeded", message, NEVER)
        }
        Measure::Requests => {
            let message = format!("{whose} may make {} requests{over}", limit.amount);
            (ErrorKind::RateLimited, "rate_limit_exceeded", message, NEVER)
        }
        Measure::Concurrent => {
            let message = format!("{whose} may have {} requests under way at a time", limit.amount);
            (ErrorKind::RateLimited, "rate_limit_exceeded", message, SOON)
        }
        Measure::Tokens | Measure::InputTokens | Measure::OutputTokens => {
            let what = limit
                .measure
                .as_str()
                .replace('_', " of ")
                .replace("input of tokens", "input tokens")
                .replace("output of tokens", "output tokens");
            let message =
                format!("{whose} may use {} {what}{over}; this request would pass that", limit.amount);
            (ErrorKind::RateLimited, "rate_limit_exceeded", message, NEVER)
        }
    };
    ClientError::new(kind, code, message).with_retry_after(known.unwrap_or(unknown))
}

/// The error for a request that cannot be counted.
pub(super) fn no_store() -> ClientError {
    ClientError::new(
        ErrorKind::Unavailable,
        "store_unavailable",
        "the limits of this key cannot be checked at the moment",
    )
    .with_retry_after(SOON)
}

/// The error for a request whose client has left, which nobody reads.
pub(super) fn departed() -> ClientError {
    ClientError::new(ErrorKind::Unavailable, "client_left", "the client has left")
}

/// The error of a stream for which no more can be reserved.
pub(super) fn reached() -> ClientError {
    ClientError::new(
        ErrorKind::BudgetExceeded,
        "limit_reached",
        "a limit was reached while this answer was generated",
    )
}
