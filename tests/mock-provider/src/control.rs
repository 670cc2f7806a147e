//! The control API under `/mock`.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::respond::State;
use crate::script::Rule;

/// How long a client may wait for requests that do not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a path belongs to the control API.
pub(crate) fn owns(path: &str) -> bool {
    path == "/mock" || path.starts_with("/mock/")
}

/// Answers a control request.
pub(crate) async fn answer(
    state: &State,
    method: &Method,
    path: &str,
    query: &str,
    body: &[u8],
) -> (StatusCode, Value) {
    if let Some(count) = number(query, "wait") {
        let waiting = tokio::time::timeout(PATIENCE, state.ledger.wait_for(count));
        if waiting.await.is_err() {
            let message = format!("fewer than {count} requests have ended");
            return (StatusCode::GATEWAY_TIMEOUT, json!({"error": message}));
        }
    }
    if let Some(count) = number(query, "wait-begun") {
        let waiting = tokio::time::timeout(PATIENCE, state.ledger.wait_for_begun(count));
        if waiting.await.is_err() {
            let message = format!("fewer than {count} requests have begun");
            return (StatusCode::GATEWAY_TIMEOUT, json!({"error": message}));
        }
    }
    let last = number(query, "last").and_then(|last| usize::try_from(last).ok()).unwrap_or(usize::MAX);
    match (method.as_str(), path) {
        ("GET", "/mock/health") => (StatusCode::OK, json!({"status": "ok"})),
        ("GET", "/mock/ledger") => (StatusCode::OK, state.ledger.entries_json(last)),
        ("GET", "/mock/stats") => (StatusCode::OK, state.ledger.stats_json()),
        ("GET", "/mock/requests") => (StatusCode::OK, state.recorder.requests_json(last)),
        ("GET", "/mock/script") => (StatusCode::OK, state.script.to_json()),
        ("PUT", "/mock/script") => match Rule::parse_list(body) {
            Ok(rules) => {
                let count = rules.len();
                state.script.replace(rules);
                (StatusCode::OK, json!({"rules": count}))
            }
            Err(error) => (StatusCode::BAD_REQUEST, json!({"error": error.to_string()})),
        },
        ("DELETE", "/mock/script") => {
            state.script.replace(Vec::new());
            (StatusCode::OK, json!({"rules": 0}))
        }
        ("DELETE", "/mock") => {
            state.reset();
            (StatusCode::OK, json!({"reset": true}))
        }
        _ => (StatusCode::NOT_FOUND, json!({"error": format!("no {method} {path} in the control API")})),
    }
}

fn number(query: &str, name: &str) -> Option<u64> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}
