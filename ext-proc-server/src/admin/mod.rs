//! HTTP for operators: health, readiness, metrics, usage.

use crate::gateway::Gateway;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;
use std::time::SystemTime;

/// The routes.
pub fn router(gateway: Arc<Gateway>) -> Router {
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
    let text = gateway.ledger.totals().metrics();
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}

async fn usage(State(gateway): State<Arc<Gateway>>) -> impl IntoResponse {
    let now = SystemTime::now();
    let policy = gateway.policy.load();
    let keys: Vec<_> = policy
        .config()
        .keys
        .iter()
        .map(|key| {
            let (spent, reserved) = gateway.store.spend(&key.name, now);
            let budget = key.limits.budget.map(|budget| budget.micros);
            json!({"key": key.name, "spent_micros": spent, "reserved_micros": reserved, "budget_micros": budget})
        })
        .collect();
    let open = gateway.store.open_reservations();
    Json(json!({"usage": gateway.ledger.totals().rows(), "keys": keys, "open_reservations": open}))
}
