//! Health, readiness, metrics and usage.

use super::access::{Caller, Role};
use super::answer;
use crate::cache::Cache;
use crate::directory::refusal::Refusal;
use crate::gateway::Gateway;
use crate::policy::Policy;
use crate::policy::limit::Counted;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;

/// The routes.
pub(super) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/usage", get(usage))
        .with_state(gateway)
}

/// Where the probe finds Envoy's listener.
pub fn probe_address(gateway: &Gateway) -> String {
    let policy = gateway.policy.load();
    let config = policy.config();
    config.probe.clone().unwrap_or_else(|| {
        let mut address = config.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        address.to_string()
    })
}

async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.probe.check(&probe_address(&gateway)).await {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    let cache = gateway.cache.as_ref().map(Cache::metrics).unwrap_or_default();
    // The last one ends with the line that ends all.
    let text = store_metrics(&gateway).await
        + &gateway.alerts.metrics()
        + &cache
        + &gateway.ledger.totals().metrics();
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

/// Whether the store answers, and what waits in it.
async fn store_metrics(gateway: &Gateway) -> String {
    let open = gateway.store.open_reservations().await;
    let up = u8::from(open.is_ok());
    let mut text = format!(
        "# HELP weirgate_store_up Whether the store of limits answers.\n# TYPE weirgate_store_up gauge\nweirgate_store_up {up}\n"
    );
    if let Ok(open) = open {
        text += "# HELP weirgate_open_reservations Requests that hold a reservation.\n# TYPE weirgate_open_reservations gauge\n";
        text += &format!("weirgate_open_reservations {open}\n");
    }
    text
}

/// Once there are admins, usage is for those who may read everything.
fn may_read(policy: &Policy, headers: &HeaderMap) -> Result<(), Refusal> {
    if policy.config().admins.is_empty() {
        return Ok(());
    }
    match Caller::of(policy, headers, None)?.role {
        Role::Admin | Role::Viewer => Ok(()),
        role => Err(Refusal::forbidden(format!("the role {} may not do this", role.as_str()))),
    }
}

async fn usage(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    let policy = gateway.policy.load_full();
    if let Err(refusal) = may_read(&policy, &headers) {
        return answer::refuse(&refusal);
    }
    let budgets: Vec<_> = policy
        .directory()
        .keys
        .values()
        .map(|key| {
            let mut claims = Vec::new();
            let principal = policy.directory().principal(key);
            if let Some(rule) = policy.rules().spend_of(&key.name) {
                rule.claims(Counted { principal: &principal, model: "", providers: &[] }, &mut claims);
            }
            let counted = claims.pop();
            (
                key.name.clone(),
                counted.map(|ruled| {
                    (ruled.rule.limit.is_budget().then_some(ruled.rule.limit.amount), ruled.claim)
                }),
            )
        })
        .collect();
    let claims: Vec<_> = budgets.iter().filter_map(|(_, budget)| Some(budget.as_ref()?.1.clone())).collect();
    let (Ok(standings), Ok(open)) =
        (gateway.store.standings(&claims).await, gateway.store.open_reservations().await)
    else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be used\n").into_response();
    };
    let mut standings = standings.into_iter();
    let keys: Vec<_> = budgets
        .into_iter()
        .map(|(key, budget)| {
            let standing = budget.as_ref().and_then(|_| standings.next()).unwrap_or_default();
            let amount = budget.and_then(|(amount, _)| amount);
            json!({
                "key": key,
                "spent_micros": standing.used,
                "reserved_micros": standing.reserved,
                "budget_micros": amount,
            })
        })
        .collect();
    Json(json!({"usage": gateway.ledger.totals().rows(), "keys": keys, "open_reservations": open}))
        .into_response()
}
