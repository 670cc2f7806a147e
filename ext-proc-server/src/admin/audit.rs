//! The audit log, the last change first. The hashes of keys stay in the file.

use super::answer;
use super::call::Call;
use super::keys::time;
use crate::directory::forms::Time;
use crate::directory::log::{Action, Entry, Kind};
use crate::directory::refusal::{Reason, Refusal};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// How many entries are read at once.
const BLOCK: u64 = 1_000;

/// One change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Change {
    /// Its number.
    sequence: u64,
    /// When.
    #[schema(value_type = Time)]
    time: String,
    /// Who.
    actor: String,
    /// In which role.
    role: String,
    /// What was done.
    action: Action,
    /// To what kind of thing.
    kind: Kind,
    /// To which.
    name: String,
    /// What there was; null: nothing.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// What there is; null: nothing.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
}

impl From<Entry> for Change {
    fn from(entry: Entry) -> Self {
        Self {
            sequence: entry.sequence,
            time: time(entry.time_ms / 1_000),
            actor: entry.actor,
            role: entry.role,
            action: entry.action,
            kind: entry.kind,
            name: entry.name,
            before: entry.before.map(without_hashes),
            after: entry.after.map(without_hashes),
        }
    }
}

fn without_hashes(mut value: Value) -> Value {
    let secrets = value.get_mut("secrets").and_then(Value::as_array_mut);
    for secret in secrets.into_iter().flatten().filter_map(Value::as_object_mut) {
        secret.remove("digest");
    }
    value
}

/// A page of changes.
pub(super) async fn list(call: Call) -> Result<Response, Refusal> {
    let unreadable = |error: std::io::Error| {
        tracing::error!(%error, "the audit log cannot be read");
        Refusal::new(Reason::Unavailable, "log_unavailable", "the audit log cannot be read")
    };
    let log = call.gateway.managed.log();
    let last = log.last().await.map_err(unreadable)?;
    let mut end = call.count("cursor").map_or(last, |cursor| last.min(cursor - 1));
    let wanted = |entry: &Entry| {
        call.get("kind").is_none_or(|kind| entry.kind.as_str() == kind)
            && call.get("name").is_none_or(|name| entry.name == name)
            && call.get("actor").is_none_or(|actor| entry.actor == actor)
    };
    // One more than asked for tells whether there is another page.
    let limit = call.limit();
    let mut found: Vec<Change> = Vec::new();
    while end > 0 && found.len() <= limit {
        let start = end.saturating_sub(BLOCK) + 1;
        let block =
            log.read(start, usize::try_from(end - start + 1).unwrap_or(0)).await.map_err(unreadable)?;
        found.extend(block.into_iter().rev().filter(wanted).map(Change::from));
        end = start - 1;
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|change| change.sequence.to_string());
    Ok(answer::json(StatusCode::OK, &json!({"items": found, "next_cursor": next})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_left_out() {
        let key = json!({"name": "a", "secrets": [{"digest": "ab", "prefix": "sk-wg-x"}]});
        assert_eq!(without_hashes(key), json!({"name": "a", "secrets": [{"prefix": "sk-wg-x"}]}));
    }
}
