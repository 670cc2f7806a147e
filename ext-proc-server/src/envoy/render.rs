//! The static configuration of one Envoy.
//!
//! What each part rests on, and that it was tried, stands in `docs/envoy.md`. Envoy's reference:
//! <https://www.envoyproxy.io/docs/envoy/latest/api-v3/api>.

use super::listener::listener;
use super::parts::{address, load_assignment, merge, router, type_url, wasm_filter};
use super::{cluster_config, clusters, credentials, jwt, yaml};
use crate::config::{Config, Endpoint, Model};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use weirgate_contract::filter_config::{ProviderSelect, TokenCounter, Tokenizer};
use weirgate_contract::request_header;

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
    let mut rendered = vec![cluster_config::service(&paths.service)];
    rendered.extend(clusters.iter().filter_map(|cluster| cluster_config::provider(config, paths, cluster)));
    rendered.extend(config.jwt.as_ref().and_then(|jwt| jwt::cluster(jwt, config)));
    let mut bootstrap = json!({
        "admin": {"address": address(&paths.admin)},
        // In version 1.40 this takes Envoy down when an external processor in an upstream chain falls behind.
        "layered_runtime": {"layers": [{"name": "static", "static_layer": {
            "envoy.reloadable_features.grpc_side_stream_flow_control": false,
        }}]},
        "static_resources": {
            "listeners": [listener(config, paths, &clusters)],
            "clusters": rendered,
            "secrets": credentials::secrets(config),
        },
    });
    if let Some(node) = credentials::node(config) {
        merge(&mut bootstrap, json!({"node": node}));
    }
    Rendered(bootstrap)
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
            Self::TokenCounter => json!(TokenCounter {
                models: tokenizers(config),
                include_usage: true,
                fingerprint: config.cache.is_some(),
                question: config.cache.as_ref().is_some_and(|cache| cache.semantic.is_some()),
            }),
        }
    }

    pub(super) fn render(self, config: &Config, filters: &Path) -> Value {
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
    let http_filters =
        [wasm_filter(filter.name(), filter.name(), &configuration, filters), router(json!({}))];
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
