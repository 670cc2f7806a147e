//! What several parts of the configuration are made of.

use crate::config::Endpoint;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use weirgate_dialect::translate::delivery::ANSWER_BYTES;

/// The name of the cluster of the service itself.
pub(super) const SERVICE: &str = "weirgate";
/// What Envoy may hold for one stream. Version 1.40 crashes when a filter of an upstream chain puts more than that into an
/// answer, so it is four times what provider-select collects of one.
pub(super) const ENVOY_BYTES: u64 = 4 * ANSWER_BYTES as u64;
/// How long Envoy waits for one message of the service.
pub(super) const MESSAGE_TIMEOUT: &str = "1s";

/// How Envoy calls the service, with `initial_metadata`.
pub(super) fn grpc_service(initial_metadata: &[(&str, &str)]) -> Value {
    let entries: Vec<Value> =
        initial_metadata.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({"envoy_grpc": {"cluster_name": SERVICE}, "initial_metadata": entries})
}

/// A filter of ours.
pub(super) fn wasm_filter(filter: &str, root_id: &str, configuration: &Value, filters: &Path) -> Value {
    json!({
        "name": format!("weirgate.{filter}"),
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.wasm.v3.Wasm"),
            "config": {
                "name": filter,
                "root_id": root_id,
                "vm_config": {
                    // One VM a worker for every use of the same module.
                    "vm_id": filter,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": filters.join(format!("{filter}.wasm"))}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": configuration.to_string(),
                },
                // A filter that fails costs one request, not all that follow.
                "failure_policy": "FAIL_RELOAD",
                // The filters hold the headers until they have read the body.
                "allow_on_headers_stop_iteration": true,
            },
        },
    })
}

/// The filter behind all others, with more settings.
pub(super) fn router(more: Value) -> Value {
    let mut config = json!({
        "@type": type_url("envoy.extensions.filters.http.router.v3.Router"),
        "suppress_envoy_headers": true,
    });
    merge(&mut config, more);
    json!({"name": "envoy.filters.http.router", "typed_config": config})
}

/// Adds fields to an object.
pub(super) fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// A name must be resolved; an address or a socket must not.
pub(super) fn discovery(endpoint: &Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Tcp { host, .. } if host.parse::<std::net::IpAddr>().is_err() => "STRICT_DNS",
        Endpoint::Tcp { .. } | Endpoint::Unix(_) => "STATIC",
    }
}

/// The only endpoint of a cluster.
pub(super) fn load_assignment(name: &str, endpoint: &Endpoint) -> Value {
    json!({
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(endpoint), "hostname": host(endpoint)}}]}],
    })
}

/// What a provider gets as `host`.
pub(super) fn host(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Unix(_) => String::new(),
        Endpoint::Tcp { host, port: 80 | 443 } => host.clone(),
        Endpoint::Tcp { host, port } => format!("{host}:{port}"),
    }
}

/// An address as Envoy writes it.
pub(super) fn address(endpoint: &Endpoint) -> Value {
    match endpoint {
        Endpoint::Unix(path) => json!({"pipe": {"path": path}}),
        Endpoint::Tcp { host, port } => json!({"socket_address": {"address": host, "port_value": port}}),
    }
}

/// A duration as protobuf writes it in JSON.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

/// The type of a message in an `Any`.
pub(super) fn type_url(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}
