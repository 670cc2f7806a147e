//! Envoy's own filter for JSON Web Tokens.
//! (<https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/jwt_authn_filter>)

use super::cluster_config::tls;
use super::parts::{discovery, load_assignment, merge, seconds, type_url};
use crate::config::{Config, Endpoint, Jwks, Jwt};
use crate::handover::JWT_FAILURE;
use serde_json::{Value, json};
use std::time::Duration;
use weirgate_contract::metadata;

/// The cluster of the issuer's keys.
const CLUSTER: &str = "weirgate.jwks";

/// The filter. A request without a token, or with one that does not hold, goes on without claims: decide then looks for a key, and
/// where it finds none, says why the token does not hold.
pub(super) fn filter(jwt: &Jwt) -> Value {
    let mut provider = json!({
        "issuer": jwt.issuer,
        "payload_in_metadata": metadata::JWT_PAYLOAD,
        "failed_status_in_metadata": JWT_FAILURE,
        "forward": true,
        // And not from the query, which goes to the provider.
        "from_headers": [{"name": "Authorization", "value_prefix": "Bearer "}],
    });
    if !jwt.audiences.is_empty() {
        merge(&mut provider, json!({"audiences": jwt.audiences}));
    }
    merge(
        &mut provider,
        match &jwt.jwks {
            Jwks::File(file) => json!({"local_jwks": {"filename": file}}),
            Jwks::Url { url, cache } => {
                let scheme = if url.tls { "https" } else { "http" };
                json!({"remote_jwks": {
                    "http_uri": {
                        "uri": format!("{scheme}://{}:{}{}", url.host, url.port, url.path),
                        "cluster": CLUSTER,
                        "timeout": seconds(Duration::from_secs(5)),
                    },
                    "cache_duration": seconds(*cache),
                    // Fetched before the first request needs them.
                    "async_fetch": {},
                }})
            }
        },
    );
    json!({
        "name": "weirgate.jwt",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"),
            "providers": {"issuer": provider},
            "rules": [{
                "match": {"prefix": "/"},
                "requires": {"requires_any": {"requirements": [
                    {"provider_name": "issuer"}, {"allow_missing_or_failed": {}},
                ]}},
            }],
        },
    })
}

/// The cluster that the issuer's keys are fetched from.
pub(super) fn cluster(jwt: &Jwt, config: &Config) -> Option<Value> {
    let Jwks::Url { url, .. } = &jwt.jwks else { return None };
    let endpoint = Endpoint::Tcp { host: url.host.clone(), port: url.port };
    let mut cluster = json!({
        "name": CLUSTER,
        "type": discovery(&endpoint),
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": seconds(config.timeouts.connect),
        "load_assignment": load_assignment(CLUSTER, &endpoint),
    });
    if url.tls {
        merge(&mut cluster, tls(&url.host));
    }
    Some(cluster)
}
