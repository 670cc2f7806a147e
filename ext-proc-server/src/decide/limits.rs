//! What a client is told when a limit stops it.

use crate::store::Refused;
use std::time::Duration;
use weirgate_dialect::error::{ClientError, ErrorKind};

/// What to answer in place of a wait that never ends: a day.
const NEVER: Duration = Duration::from_secs(86_400);

pub(super) fn explain(refused: Refused, key: &str) -> ClientError {
    match refused {
        Refused::Requests { limit, retry_after } => {
            let message = format!("the key \"{key}\" may make {limit} requests a minute");
            ClientError::new(ErrorKind::RateLimited, "rate_limit_exceeded", message)
                .with_retry_after(seconds(retry_after))
        }
        Refused::Tokens { limit, retry_after } => {
            let message =
                format!("the key \"{key}\" may use {limit} tokens a minute; this request would pass that");
            ClientError::new(ErrorKind::RateLimited, "rate_limit_exceeded", message)
                .with_retry_after(seconds(retry_after))
        }
        Refused::Budget { limit, retry_after } => {
            let dollars = format!("{}.{:06}", limit / 1_000_000, limit % 1_000_000);
            let dollars = dollars.trim_end_matches('0').trim_end_matches('.');
            let message = format!("the budget of the key \"{key}\", ${dollars}, is spent or reserved");
            ClientError::new(ErrorKind::BudgetExceeded, "budget_exceeded", message)
                .with_retry_after(seconds(retry_after.unwrap_or(NEVER)))
        }
    }
}

fn seconds(duration: Duration) -> u64 {
    duration.as_secs().max(1)
}
