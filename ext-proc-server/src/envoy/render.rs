//! The static configuration of one Envoy.
//!
//! What each part rests on, and that it was tried, stands in `docs/envoy.md`. Envoy's reference:
//! <https://www.envoyproxy.io/docs/envoy/latest/api-v3/api>.

use super::clusters::{self, Adaptation, Cluster};
use super::{jwt, yaml};
use crate::config::{Config, Endpoint, Model, Provider, Secret, ServiceFailure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use weirgate_contract::filter_config::{ProviderSelect, TokenCounter, Tokenizer, Upstream};
use weirgate_contract::{filter_state, metadata, request_header, response_header, translate_metadata};
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::Unsupported;

/// The name of the cluster of the service itself.
const SERVICE: &str = "weirgate";
/// What Envoy may hold for one stream. Version 1.40 crashes when a filter of an upstream chain puts more than that into an
/// answer, so it is four times what translate collects of one.
const ENVOY_BYTES: u64 = 4 * crate::translate::ANSWER_BYTES as u64;
/// In place of limits of Envoy that are for clusters of another kind.
const MANY: u32 = 1_000_000;
/// How long Envoy waits for one message of the service.
const MESSAGE_TIMEOUT: &str = "1s";
/// How often Envoy sends access log entries, so that reservations are settled soon.
const LOG_FLUSH: &str = "0.1s";
/// Where certificate authorities are on Debian and in Envoy's images.
const TRUSTED_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where things are on the machine of the Envoy that reads the configuration.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The folder of the filters.
    pub filters: PathBuf,
    /// How Envoy reaches the service.
    pub service: Endpoint,
    /// Envoy's admin interface.
    pub admin: Endpoint,
}

/// A rendered configuration.
#[derive(Clone, Debug)]
pub struct Rendered(Value);

impl Rendered {
    /// The configuration as YAML.
    pub fn yaml(&self) -> String {
        yaml::to_string(&self.0)
    }
}

/// Renders the full gateway.
pub fn render(config: &Config, paths: &Paths) -> Rendered {
    let clusters = clusters::all(config);
    let mut rendered = vec![service_cluster(&paths.service)];
    rendered.extend(clusters.iter().filter_map(|cluster| provider_cluster(config, paths, cluster)));
    rendered.extend(config.jwt.as_ref().and_then(|jwt| jwt::cluster(jwt, config)));
    let secrets = config.providers.iter();
    let secrets: Vec<Value> =
        secrets.filter_map(|(name, provider)| Some(secret(name, provider.api_key.as_ref()?))).collect();
    Rendered(json!({
        "admin": {"address": address(&paths.admin)},
        // In version 1.40 this takes Envoy down when an external processor in an upstream chain falls behind.
        "layered_runtime": {"layers": [{"name": "static", "static_layer": {
            "envoy.reloadable_features.grpc_side_stream_flow_control": false,
        }}]},
        "static_resources": {
            "listeners": [listener(config, paths, &clusters)],
            "clusters": rendered,
            "secrets": secrets,
        },
    }))
}

/// The filters, by the names of their modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Reads what a request asks for.
    ProviderSelect,
    /// Refuses prompts.
    PromptGuard,
    /// Counts tokens.
    TokenCounter,
}

impl Filter {
    /// In the order in which they must stand.
    pub const ALL: [Self; 3] = [Self::ProviderSelect, Self::PromptGuard, Self::TokenCounter];

    /// The name of the module.
    pub fn name(self) -> &'static str {
        match self {
            Self::ProviderSelect => "provider-select",
            Self::PromptGuard => "prompt-guard",
            Self::TokenCounter => "token-counter",
        }
    }

    fn configuration(self, config: &Config) -> Value {
        match self {
            Self::ProviderSelect => json!(ProviderSelect {
                rules: config.rules.clone(),
                max_body: usize::try_from(config.max_body).ok(),
                key_checksum: config.key_checksum.clone(),
                ..ProviderSelect::default()
            }),
            Self::PromptGuard => json!(config.guard),
            Self::TokenCounter => json!(TokenCounter { models: tokenizers(config), include_usage: true }),
        }
    }

    fn render(self, config: &Config, filters: &Path) -> Value {
        wasm_filter(self.name(), self.name(), &self.configuration(config), filters)
    }
}

/// Renders the smallest configuration with one filter, to be copied from into an Envoy that somebody runs.
pub fn render_filter(filter: Filter, config: &Config, filters: &Path) -> Rendered {
    let mut configuration = filter.configuration(config);
    let default = json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}});
    let mut routes = vec![default];
    if filter == Filter::ProviderSelect {
        // The provider that a header chose is the name of a cluster.
        let header = request_header::PROVIDER;
        let chosen = json!({"prefix": "/", "headers": [{"name": header, "present_match": true}]});
        routes.insert(0, json!({"match": chosen, "route": {"cluster_header": header, "timeout": "0s"}}));
        merge(&mut configuration, json!({"keep_credentials": true}));
    }
    let http_filters = [wasm_filter(filter.name(), filter.name(), &configuration, filters), router()];
    Rendered(json!({
        "static_resources": {
            "listeners": [{
                "name": "listener",
                "address": address(&Endpoint::Tcp { host: "0.0.0.0".to_owned(), port: 10000 }),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": type_url("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
                        "stat_prefix": "ingress",
                        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
                        "http_filters": http_filters,
                    },
                }]}],
            }],
            "clusters": [{
                "name": "upstream",
                "type": "STRICT_DNS",
                "load_assignment": load_assignment("upstream", &Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 8000 }),
            }],
        },
    }))
}

fn listener(config: &Config, paths: &Paths, clusters: &[Cluster]) -> Value {
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
    http_filters.extend([decide(config), router()]);
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
        "access_log": [access_log()],
        "route_config": {
            "name": "weirgate",
            "virtual_hosts": [{
                "name": "weirgate",
                "domains": ["*"],
                // Without it a body over 1 MiB could not be sent again to the next provider.
                "request_body_buffer_limit": config.max_body,
                "routes": [route(config, clusters)],
            }],
        },
        "http_filters": http_filters,
    })
}

/// How the tokens of each model that clients may name are counted: as its first deployment's.
fn tokenizers(config: &Config) -> BTreeMap<String, Tokenizer> {
    let tokenizer = |model: &Model| {
        if let Some(tokenizer) = model.tokenizer {
            return tokenizer;
        }
        let first = model.deployments.first().map(|deployment| deployment.model.as_str());
        let counting = weirgate_tokens::family::counting(first.unwrap_or(&model.name));
        match counting.encoding {
            _ if counting.factor != 1.0 => Tokenizer::Estimate(counting.factor),
            weirgate_tokens::encoding::Encoding::O200k => Tokenizer::O200k,
            weirgate_tokens::encoding::Encoding::Cl100k => Tokenizer::Cl100k,
        }
    };
    config.models.iter().map(|model| (model.name.clone(), tokenizer(model))).collect()
}

/// One route for everything: which cluster it goes to, and to which after that, decide says for each request.
fn route(config: &Config, clusters: &[Cluster]) -> Value {
    // Where decide is down and requests may pass all the same, they go to the default provider.
    let default_provider = config.passthrough.as_ref().or_else(|| config.providers.keys().next());
    let default = clusters.iter().find(|cluster| {
        Some(&cluster.provider) == default_provider
            && cluster.model.is_none()
            && cluster.adaptation == Adaptation::None
    });
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

/// What clients are told besides the answer.
fn told_headers() -> Vec<Value> {
    let limits = response_header::LIMITS
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
                {"prefix": request_header::PREFIX}, {"exact": ":method"}, {"exact": "content-type"},
            ]}},
            "mutation_rules": {"allow_envoy": {"value": true}},
            "metadata_options": {
                "receiving_namespaces": {"untyped": [metadata::ROUTING_NAMESPACE, metadata::NAMESPACE]},
                "forwarding_namespaces": {"untyped": forwarded},
            },
        },
    })
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
                "custom_tags": [
                    tag(filter_state::REQUEST, format!("%FILTER_STATE(wasm.{}:PLAIN)%", filter_state::REQUEST)),
                    tag(filter_state::USAGE, format!("%FILTER_STATE(wasm.{}:PLAIN)%", filter_state::USAGE)),
                ],
            },
        },
    })
}

fn grpc_service(initial_metadata: &[(&str, &str)]) -> Value {
    let entries: Vec<Value> =
        initial_metadata.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({"envoy_grpc": {"cluster_name": SERVICE}, "initial_metadata": entries})
}

fn service_cluster(endpoint: &Endpoint) -> Value {
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

/// The field in which a provider of OpenAI's dialect takes a cap. OpenAI's newer models refuse the older field, and most other
/// servers do not know the newer one. In Anthropic's dialect every request has a cap.
fn cap_field(provider: &Provider) -> Option<String> {
    let newer =
        provider.base_url.host.ends_with(".openai.com") || provider.base_url.host.ends_with(".azure.com");
    let field = if newer { "max_completion_tokens" } else { "max_tokens" };
    (provider.dialect == Dialect::OpenAi).then(|| field.to_owned())
}

fn provider_cluster(config: &Config, paths: &Paths, cluster: &Cluster) -> Option<Value> {
    let provider = config.providers.get(&cluster.provider)?;
    let url = &provider.base_url;
    let name = cluster.name();
    let mut filters = Vec::new();
    let model = cluster.model.as_deref();
    if cluster.adaptation == Adaptation::Prepare {
        let upstream = Upstream {
            base_path: url.path.clone(),
            model: cluster.model.clone(),
            cap_field: cap_field(provider),
        };
        let prepare = ProviderSelect { upstream: Some(upstream), ..ProviderSelect::default() };
        filters.push(wasm_filter("provider-select", &name, &json!(prepare), &paths.filters));
    }
    if let Some(from) = cluster.adaptation.translates_from() {
        filters.push(translate(config, from, provider, model.unwrap_or_default()));
    }
    filters.push(provider_headers(provider.dialect, &cluster.deployment()));
    if provider.api_key.is_some() {
        filters.push(credential(&cluster.provider, provider.dialect));
    }
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
    let mut about = vec![
        (translate_metadata::FROM, from.as_str()),
        (translate_metadata::TO, provider.dialect.as_str()),
        (translate_metadata::PATH, provider.base_url.path.as_str()),
        (translate_metadata::UNSUPPORTED, unsupported),
    ];
    about.push((translate_metadata::MODEL, model));
    // gRPC metadata may not be empty.
    about.retain(|(_, value)| !value.is_empty());
    json!({
        "name": "weirgate.translate",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"),
            "grpc_service": grpc_service(&about),
            "message_timeout": MESSAGE_TIMEOUT,
            "processing_mode": {
                "request_header_mode": "SEND",
                "response_header_mode": "SEND",
                "request_body_mode": "BUFFERED",
                "response_body_mode": "STREAMED",
                "response_trailer_mode": "SKIP",
            },
            "status_on_error": {"code": "ServiceUnavailable"},
            "forward_rules": {"allowed_headers": {"patterns": [
                {"exact": ":status"}, {"exact": "content-type"}, {"exact": "content-encoding"},
            ]}},
            // What decide reserved.
            "metadata_options": {"forwarding_namespaces": {"untyped": [metadata::NAMESPACE]}},
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
    if dialect == Dialect::Anthropic {
        mutations.push(append("anthropic-version", "2023-06-01", "ADD_IF_ABSENT"));
    } else {
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

/// Puts the provider's key in, from a secret that Envoy reads itself.
fn credential(provider: &str, dialect: Dialect) -> Value {
    let (header, prefix) = match dialect {
        Dialect::OpenAi => ("authorization", "Bearer "),
        Dialect::Anthropic => ("x-api-key", ""),
        Dialect::Gemini => ("x-goog-api-key", ""),
    };
    json!({
        "name": "weirgate.credential",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.credential_injector.v3.CredentialInjector"),
            "overwrite": true,
            "credential": {
                "name": "envoy.http.injected_credentials.generic",
                "typed_config": {
                    "@type": type_url("envoy.extensions.http.injected_credentials.generic.v3.Generic"),
                    "credential": {"name": secret_name(provider)},
                    "header": header,
                    "header_value_prefix": prefix,
                },
            },
        },
    })
}

fn secret(provider: &str, key: &Secret) -> Value {
    let source = match key {
        Secret::Environment(name) => json!({"environment_variable": name}),
        Secret::Inline(key) => json!({"inline_string": key}),
    };
    json!({"name": secret_name(provider), "generic_secret": {"secret": source}})
}

fn secret_name(provider: &str) -> String {
    format!("provider:{provider}")
}

fn wasm_filter(filter: &str, root_id: &str, configuration: &Value, filters: &Path) -> Value {
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

fn router() -> Value {
    json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.router.v3.Router"),
            "suppress_envoy_headers": true,
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

pub(super) fn load_assignment(name: &str, endpoint: &Endpoint) -> Value {
    json!({
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(endpoint), "hostname": host(endpoint)}}]}],
    })
}

/// What a provider gets as `host`.
fn host(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Unix(_) => String::new(),
        Endpoint::Tcp { host, port: 80 | 443 } => host.clone(),
        Endpoint::Tcp { host, port } => format!("{host}:{port}"),
    }
}

fn address(endpoint: &Endpoint) -> Value {
    match endpoint {
        Endpoint::Unix(path) => json!({"pipe": {"path": path}}),
        Endpoint::Tcp { host, port } => json!({"socket_address": {"address": host, "port_value": port}}),
    }
}

fn set_header(name: &str, value: &str) -> Value {
    json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"})
}

pub(super) fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

pub(super) fn type_url(message: &str) -> String {
    format!("type.googleapis.com/{message}")
}
