//! The clusters as Envoy wants them: the service, and each way to reach a provider, with the filters of its requests.

use super::clusters::{Adaptation, Cluster};
use super::credentials;
use super::parts::{
    ENVOY_BYTES, SERVICE, discovery, grpc_service, load_assignment, merge, seconds, type_url, wasm_filter,
};
use super::render::Paths;
use crate::config::{Config, Endpoint, Provider, Quirk};
use serde_json::{Value, json};
use weirgate_contract::filter_config::{Answers, ProviderSelect, Upstream};
use weirgate_contract::{filter_state, metadata, request_header, response_header, translate_metadata};
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::Unsupported;

/// In place of limits of Envoy that are for clusters of another kind.
const MANY: u32 = 1_000_000;
/// Where certificate authorities are on Debian and in Envoy's images.
const TRUSTED_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How long translating a body may take: tens of megabytes take a second on a busy machine.
const TRANSLATING: &str = "10s";

/// The cluster of the service.
pub(super) fn service(endpoint: &Endpoint) -> Value {
    json!({
        "name": SERVICE,
        "type": discovery(endpoint),
        "connect_timeout": "1s",
        // Version 1.40 crashes when translate falls behind and what waits for it is more than this.
        "per_connection_buffer_limit_bytes": ENVOY_BYTES,
        "circuit_breakers": unbounded(),
        "typed_extension_protocol_options": http_options(true, &[]),
        "load_assignment": load_assignment(SERVICE, endpoint),
    })
}

/// The field in which a provider of OpenAI's dialect takes a cap. In Anthropic's dialect every request has one.
fn cap_field(provider: &Provider) -> Option<String> {
    let host = &provider.base_url.host;
    let newer = provider.quirks.contains(&Quirk::NewerCap)
        || host.ends_with(".openai.com")
        || host.ends_with(".azure.com");
    let field = if newer { "max_completion_tokens" } else { "max_tokens" };
    (provider.dialect == Dialect::OpenAi).then(|| field.to_owned())
}

/// A way to reach a provider. `None` if nobody knows the provider.
pub(super) fn provider(config: &Config, paths: &Paths, cluster: &Cluster) -> Option<Value> {
    let provider = config.providers.get(&cluster.provider)?;
    let url = &provider.base_url;
    let name = cluster.name();
    let mut filters = Vec::new();
    let model = cluster.model.as_deref();
    if cluster.adaptation == Adaptation::Prepare {
        let upstream = Upstream {
            base_path: provider.path(),
            model: cluster.model.clone(),
            cap_field: cap_field(provider),
            cohere: provider.dialect == Dialect::Cohere,
        };
        let prepare = ProviderSelect { upstream: Some(upstream), ..ProviderSelect::default() };
        filters.push(wasm_filter("provider-select", &name, &json!(prepare), &paths.filters));
    }
    if let Some(from) = cluster.adaptation.translates_from() {
        filters.push(translate(config, from, provider, model.unwrap_or_default()));
        let hold_ms = u64::try_from(config.timeouts.silence.as_millis() / 2).unwrap_or(u64::MAX);
        let answers = Answers { from, to: provider.dialect, model: cluster.model.clone(), hold_ms };
        let answers = ProviderSelect { answers: Some(answers), ..ProviderSelect::default() };
        filters.push(wasm_filter("provider-select", &name, &json!(answers), &paths.filters));
    }
    filters.push(provider_headers(provider.dialect, &cluster.deployment()));
    filters.extend(credentials::filter(&cluster.provider, provider));
    filters.push(json!({
        "name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": type_url("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec")},
    }));
    let endpoint = Endpoint::Tcp { host: url.host.clone(), port: url.port };
    let mut rendered = json!({
        "name": name,
        "type": discovery(&endpoint),
        // A provider with IPv6 addresses must be reachable from a network without.
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": seconds(config.timeouts.connect),
        "per_connection_buffer_limit_bytes": ENVOY_BYTES.max(config.max_body),
        "circuit_breakers": unbounded(),
        "typed_extension_protocol_options": http_options(false, &filters),
        "load_assignment": load_assignment(&name, &endpoint),
    });
    if url.tls {
        merge(&mut rendered, tls(&url.host));
    }
    Some(rendered)
}

/// TLS to a host that the machine's authorities vouch for.
pub(super) fn tls(host: &str) -> Value {
    json!({"transport_socket": {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": type_url("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"),
            "sni": host,
            "common_tls_context": {"validation_context": {
                "trusted_ca": {"filename": TRUSTED_CA},
                "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": host}}],
            }},
        },
    }})
}

fn translate(config: &Config, from: Dialect, provider: &Provider, model: &str) -> Value {
    let unsupported = match config.unsupported_fields {
        Unsupported::Reject => "reject",
        Unsupported::Drop => "drop",
    };
    let path = provider.path();
    let mut about = vec![
        (translate_metadata::FROM, from.as_str()),
        (translate_metadata::TO, provider.dialect.as_str()),
        (translate_metadata::PATH, &path),
        (translate_metadata::UNSUPPORTED, unsupported),
    ];
    about.push((translate_metadata::MODEL, model));
    let cap_field = cap_field(provider).unwrap_or_default();
    about.push((translate_metadata::CAP_FIELD, &cap_field));
    // gRPC metadata may not be empty.
    about.retain(|(_, value)| !value.is_empty());
    // What Envoy would take for the begin of a variable.
    let mut about: Vec<(&str, String)> =
        about.into_iter().map(|(key, value)| (key, value.replace('%', "%%"))).collect();
    // What the listener's filters found out comes once, with the stream. As headers it would be gone at a second attempt, and
    // as metadata that Envoy forwards it would come with every message.
    let decision = format!("%DYNAMIC_METADATA({}:{})%", metadata::NAMESPACE, metadata::DECISION);
    about.push((translate_metadata::DECISION, decision));
    about
        .push((translate_metadata::REQUEST, format!("%FILTER_STATE(wasm.{}:PLAIN)%", filter_state::REQUEST)));
    let about: Vec<(&str, &str)> = about.iter().map(|(key, value)| (*key, value.as_str())).collect();
    // Without a rule all headers would go along.
    let told = if provider.dialect == Dialect::Invoke { request_header::ANTHROPIC_BETA } else { ":method" };
    json!({
        "name": "weirgate.translate",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"),
            "grpc_service": grpc_service(&about),
            "message_timeout": TRANSLATING,
            "processing_mode": {
                "request_header_mode": "SEND",
                "request_body_mode": "BUFFERED",
                "response_header_mode": "SKIP",
            },
            "status_on_error": {"code": "ServiceUnavailable"},
            "forward_rules": {"allowed_headers": {"patterns": [{"exact": told}]}},
        },
    })
}

/// The headers that a provider gets. What an earlier attempt set is still there at the next, so everything is overwritten
/// or removed, whatever was there.
fn provider_headers(dialect: Dialect, deployment: &str) -> Value {
    let append = |name: &str, value: &str, action: &str| json!({"append": {"header": {"key": name, "value": value}, "append_action": action}});
    let mut mutations: Vec<Value> =
        request_header::CREDENTIALS.iter().map(|name| json!({"remove": name})).collect();
    let remove_all = |prefix: &str| json!({"remove_on_match": {"key_matcher": {"prefix": prefix}}});
    // Who the client is and how Envoy is set up is none of a provider's business.
    mutations.extend([request_header::PREFIX, "x-envoy-", "x-forwarded-"].map(remove_all));
    // A signature, with a session's token, that a client or an attempt before this one has made.
    mutations.push(remove_all("x-amz-"));
    if dialect == Dialect::Anthropic {
        mutations.push(append("anthropic-version", "2023-06-01", "ADD_IF_ABSENT"));
    } else if dialect.bodies() != Dialect::Anthropic {
        // Where the bodies are Anthropic's, this attempt or the next may need the betas.
        mutations.push(remove_all("anthropic-"));
    }
    json!({
        "name": "weirgate.provider_headers",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"),
            "mutations": {
                "request_mutations": mutations,
                "response_mutations": [
                    remove_all(request_header::PREFIX),
                    append(response_header::DEPLOYMENT, deployment, "OVERWRITE_IF_EXISTS_OR_ADD"),
                ],
            },
        },
    })
}

/// As many requests as come. By default Envoy has 1,024 under way at a cluster, and three that are tried again, and fails the rest.
fn unbounded() -> Value {
    let threshold = |priority: &str| {
        json!({
            "priority": priority,
            "max_connections": MANY,
            "max_pending_requests": MANY,
            "max_requests": MANY,
            "max_retries": MANY,
        })
    };
    json!({"thresholds": [threshold("DEFAULT"), threshold("HIGH")]})
}

fn http_options(http2: bool, filters: &[Value]) -> Value {
    // Clients that leave make Envoy take back streams; a queue of such frames is no attack on it by its own service.
    let (protocol, options) = match http2 {
        true => (
            "http2_protocol_options",
            json!({"max_outbound_control_frames": MANY, "max_outbound_frames": MANY}),
        ),
        false => ("http_protocol_options", json!({})),
    };
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": type_url("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": {protocol: options},
        "http_filters": filters,
    }})
}
