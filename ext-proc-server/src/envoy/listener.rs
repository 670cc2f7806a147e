//! What Envoy does with a request before it goes to a cluster.

use super::clusters::{Adaptation, Cluster};
use super::jwt;
use super::parts::{ENVOY_BYTES, MESSAGE_TIMEOUT, address, grpc_service, merge, router, seconds, type_url};
use super::render::{Filter, Paths};
use crate::config::{Config, Endpoint, ServiceFailure};
use serde_json::{Value, json};
use std::time::Duration;
use weirgate_contract::{filter_state, metadata, request_header, response_header};

/// How often Envoy sends access log entries, so that reservations are settled soon.
const LOG_FLUSH: &str = "0.1s";
/// How much of the access log a worker collects in that time before it sends it at once: some forty entries.
const LOG_BUFFER: u32 = 64 << 10;
/// What a connection may be upgraded to.
const WEBSOCKET: &str = "websocket";
/// Why an attempt broke off: its provider was silent for too long, reset the stream, closed the connection, or broke the protocol.
const BROKEN_OFF: [&str; 5] = ["UT", "SI", "UR", "UC", "UPE"];

/// The listener for clients.
pub(super) fn listener(config: &Config, paths: &Paths, clusters: &[Cluster]) -> Value {
    let listen = Endpoint::Tcp { host: config.listen.ip().to_string(), port: config.listen.port() };
    json!({
        "name": "weirgate",
        "address": address(&listen),
        // provider-select holds requests to max_body; this one also bounds answers.
        "per_connection_buffer_limit_bytes": ENVOY_BYTES.max(config.max_body),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(config, paths, clusters),
        }]}],
    })
}

fn connection_manager(config: &Config, paths: &Paths, clusters: &[Cluster]) -> Value {
    // First, for provider-select takes the token out of the headers.
    let mut http_filters: Vec<Value> = config.jwt.iter().map(jwt::filter).collect();
    http_filters.extend(Filter::ALL.iter().map(|filter| filter.render(config, &paths.filters)));
    http_filters.extend([decide(config), router_that_logs_attempts()]);
    json!({
        "@type": type_url("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "weirgate",
        "codec_type": "AUTO",
        "use_remote_address": true,
        "normalize_path": true,
        "merge_slashes": true,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": seconds(config.timeouts.silence + Duration::from_secs(60)),
        "request_headers_timeout": "30s",
        // One of the routes allows it.
        "upgrade_configs": [{"upgrade_type": WEBSOCKET, "enabled": false}],
        "access_log": [log_of_requests()],
        "route_config": {
            "name": "weirgate",
            "virtual_hosts": [{
                "name": "weirgate",
                "domains": ["*"],
                // Without it a body over 1 MiB could not be sent again to the next provider.
                "request_body_buffer_limit": config.max_body,
                "routes": [websocket_route(config, clusters), route(config, clusters)],
            }],
        },
        "http_filters": http_filters,
    })
}

/// One route for everything: which cluster it goes to, and to which after that, decide says for each request.
fn route(config: &Config, clusters: &[Cluster]) -> Value {
    // Where decide is down and requests may pass all the same, they go to the default provider.
    let default_provider = config.passthrough.as_ref().or_else(|| config.providers.keys().next());
    let leads_there = |adaptation: Adaptation| {
        clusters.iter().find(|cluster| {
            Some(&cluster.provider) == default_provider
                && cluster.model.is_none()
                && cluster.adaptation == adaptation
        })
    };
    // Where its paths are not those of clients, there is no way to it without preparation.
    let default = leads_there(Adaptation::None).or_else(|| leads_there(Adaptation::Prepare));
    let default = default.map(Cluster::name).unwrap_or_default();
    json!({
        "name": "model",
        "match": {"prefix": "/"},
        "route": {
            "inline_cluster_specifier_plugin": {"extension": {
                "name": "envoy.router.cluster_specifier_plugin.priority_group",
                "typed_config": {
                    "@type": type_url("envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier"),
                    "priority_groups": [{"name": default, "clusters": [{"cluster_name": default, "weight": 1}]}],
                    "override_metadata_namespace": metadata::ROUTING_NAMESPACE,
                },
            }},
            "auto_host_rewrite": true,
            "timeout": seconds(config.timeouts.request),
            "retry_policy": {
                "retry_on": "5xx,reset,connect-failure,retriable-status-codes",
                "retriable_status_codes": [429],
                // decide sets the number for each request by x-envoy-max-retries.
                "num_retries": 0,
                "refresh_cluster_on_retry": true,
                "per_try_idle_timeout": seconds(config.timeouts.silence),
                "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
            },
        },
        "response_headers_to_add": told_headers(),
    })
}

/// The same for websockets, which last as long as both sides have something to say.
fn websocket_route(config: &Config, clusters: &[Cluster]) -> Value {
    let longest = seconds(config.timeouts.websocket);
    let mut route = route(config, clusters);
    let upgrade = json!({"name": "upgrade", "string_match": {"exact": WEBSOCKET, "ignore_case": true}});
    merge(&mut route, json!({"name": "websocket", "match": {"prefix": "/", "headers": [upgrade]}}));
    if let Some(action) = route.get_mut("route") {
        let limits = json!({
            "timeout": "0s",
            "idle_timeout": longest,
            "max_stream_duration": {"max_stream_duration": longest},
            "upgrade_configs": [{"upgrade_type": WEBSOCKET}],
        });
        merge(action, limits);
        if let Some(Value::Object(retries)) = action.get_mut("retry_policy") {
            retries.remove("per_try_idle_timeout");
        }
    }
    route
}

/// What clients are told besides the answer.
fn told_headers() -> Vec<Value> {
    let limits = response_header::TOLD
        .iter()
        .map(|(name, key)| set_header(name, &format!("%DYNAMIC_METADATA({}:{key})%", metadata::NAMESPACE)));
    std::iter::once(set_header(response_header::ATTEMPTS, "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"))
        .chain(limits)
        .collect()
}

fn decide(config: &Config) -> Value {
    let forwarded: Vec<&str> = config.jwt.iter().map(|_| metadata::JWT_NAMESPACE).collect();
    json!({
        "name": "weirgate.decide",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"),
            "grpc_service": grpc_service(&[]),
            "failure_mode_allow": config.on_service_failure == ServiceFailure::Pass,
            "message_timeout": MESSAGE_TIMEOUT,
            // For who waits for the answer to another request.
            "max_message_timeout": seconds(config.timeouts.request),
            "processing_mode": {
                "request_header_mode": "SEND",
                "response_header_mode": "SKIP",
                "request_body_mode": "NONE",
                "response_body_mode": "NONE",
            },
            "allow_mode_override": true,
            "status_on_error": {"code": "ServiceUnavailable"},
            // Only what decide reads goes over the wire.
            "forward_rules": {"allowed_headers": {"patterns": [
                {"prefix": request_header::PREFIX}, {"exact": ":method"}, {"exact": ":status"}, {"exact": "content-type"},
                {"exact": request_header::CACHE_CONTROL}, {"exact": request_header::REQUEST_ID},
            ]}},
            "mutation_rules": {"allow_envoy": {"value": true}},
            "metadata_options": {
                "receiving_namespaces": {"untyped": [metadata::ROUTING_NAMESPACE, metadata::NAMESPACE]},
                "forwarding_namespaces": {"untyped": forwarded},
            },
        },
    })
}

/// The log of whole requests, but for those that decide has recorded itself.
fn log_of_requests() -> Value {
    // Envoy 1.40 ignores `invert` here; a value that is never set keeps all from the log that have any.
    let unrecorded = json!({
        "filter": metadata::NAMESPACE,
        "path": [{"key": metadata::RECORDED}],
        "value": {"null_match": {}},
    });
    let mut log = access_log();
    merge(
        &mut log,
        json!({"filter": {"metadata_filter": {"matcher": unrecorded, "match_if_key_not_found": true}}}),
    );
    log
}

/// Envoy's router, which tells record of attempts that broke off: their providers may have generated an answer that nobody got.
/// The log is configured as that of whole requests, so both go through one stream and in order.
fn router_that_logs_attempts() -> Value {
    let mut log = access_log();
    merge(&mut log, json!({"filter": {"response_flag_filter": {"flags": BROKEN_OFF}}}));
    router(json!({"upstream_log": [log]}))
}

fn access_log() -> Value {
    let tag = |name: &str, value: String| json!({"tag": name, "value": value});
    json!({
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": type_url("envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"),
            "common_config": {
                "log_name": "weirgate",
                "transport_api_version": "V3",
                "grpc_service": grpc_service(&[]),
                "buffer_flush_interval": LOG_FLUSH,
                "buffer_size_bytes": LOG_BUFFER,
                "custom_tags": [
                    tag(filter_state::REQUEST, format!("%FILTER_STATE(wasm.{}:PLAIN)%", filter_state::REQUEST)),
                    tag(filter_state::USAGE, format!("%FILTER_STATE(wasm.{}:PLAIN)%", filter_state::USAGE)),
                ],
            },
        },
    })
}

fn set_header(name: &str, value: &str) -> Value {
    json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use crate::envoy::clusters;
    use std::collections::BTreeMap;

    #[test]
    fn the_default_provider_may_have_any_path() {
        for (provider, name) in [
            ("openai: {}", "openai/*"),
            ("groq: {}", "groq/*+prepare"),
            ("bedrock: {aws: {region: us-east-1}}", "bedrock/*+prepare"),
        ] {
            let text = format!("providers: {{{provider}}}\nkeys: [{{name: k, key: a-key-of-some-length}}]");
            let config = read(&text, &BTreeMap::new()).unwrap();
            let route = route(&config, &clusters::all(&config)).to_string();
            assert!(route.contains(&format!("\"cluster_name\":\"{name}\"")), "{route}");
        }
    }
}
