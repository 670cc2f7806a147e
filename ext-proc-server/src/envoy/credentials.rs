//! How Envoy shows a provider that a request is ours.
//!
//! Envoy's reference: <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/credential_injector_filter>,
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/aws_request_signing_filter>.

use super::parts::{SERVICE, grpc_service, host, merge, type_url};
use crate::config::{Aws, Config, Credential, Endpoint, Provider, Quirk, Secret};
use crate::secrets::secret_name;
use serde_json::{Value, json};
use weirgate_dialect::Dialect;

/// How long Envoy waits at its start for the keys that the service reads.
const FIRST_FETCH: &str = "10s";

/// The filter that a provider's requests pass last.
pub(super) fn filter(name: &str, provider: &Provider) -> Option<Value> {
    Some(match provider.credential.as_ref()? {
        Credential::Key(_) => key(key_header(provider), &json!({"name": secret_name(name)})),
        Credential::File(_) => key(key_header(provider), &served(name)),
        // Where filters stand in a cluster, Envoy 1.40 cannot get tokens itself (it crashes at its start), so the service does.
        Credential::OAuth(_) => key(BEARER, &served(name)),
        Credential::Aws(aws) => signature(aws, provider),
    })
}

/// The header of a token, and what goes before it.
const BEARER: (&str, &str) = ("authorization", "Bearer ");

/// The header that a provider takes its key in, and what goes before it.
fn key_header(provider: &Provider) -> (&'static str, &'static str) {
    match (provider.key_header(), provider.dialect) {
        (Some(header), _) => (header, ""),
        (
            None,
            Dialect::OpenAi
            | Dialect::Responses
            | Dialect::Converse
            | Dialect::Cohere
            | Dialect::Invoke
            | Dialect::RawPredict,
        ) => BEARER,
        (None, Dialect::Anthropic) => ("x-api-key", ""),
        (None, Dialect::Gemini) if provider.quirks.contains(&Quirk::Bearer) => BEARER,
        (None, Dialect::Gemini) => ("x-goog-api-key", ""),
    }
}

/// Puts a key in, from a secret. Without it a request is refused, and does not reach the provider.
fn key((header, prefix): (&str, &str), secret: &Value) -> Value {
    json!({
        "name": "weirgate.credential",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.credential_injector.v3.CredentialInjector"),
            "overwrite": true,
            "credential": {
                "name": "envoy.http.injected_credentials.generic",
                "typed_config": {
                    "@type": type_url("envoy.extensions.http.injected_credentials.generic.v3.Generic"),
                    "credential": secret,
                    "header": header,
                    "header_value_prefix": prefix,
                },
            },
        },
    })
}

/// A secret that Envoy asks the service for, and is told anew when it changes.
fn served(provider: &str) -> Value {
    let mut service = grpc_service(&[]);
    merge(&mut service, json!({"timeout": "0s"}));
    json!({
        "name": secret_name(provider),
        "sds_config": {
            "resource_api_version": "V3",
            "initial_fetch_timeout": FIRST_FETCH,
            "api_config_source": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "grpc_services": [service],
            },
        },
    })
}

/// Signs a request. The credentials to sign with are found where Amazon's own libraries look for them.
fn signature(aws: &Aws, provider: &Provider) -> Value {
    let url = &provider.base_url;
    json!({
        "name": "weirgate.credential",
        "typed_config": {
            "@type": type_url("envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning"),
            "service_name": aws.service,
            "region": aws.region,
            // Here the client's host is still in its place; Envoy puts this one in only when it has a connection.
            "host_rewrite": host(&Endpoint::Tcp { host: url.host.clone(), port: url.port }),
            // The host is signed besides. What else there is may be changed on the way, by Envoy or by a proxy.
            "match_included_headers": [{"prefix": "x-amz-"}, {"exact": "content-type"}],
        },
    })
}

/// The secrets that Envoy finds by itself: those of providers that do not change.
pub(super) fn secrets(config: &Config) -> Vec<Value> {
    let known = config.providers.iter().filter_map(|(name, provider)| {
        let Some(Credential::Key(secret)) = &provider.credential else { return None };
        let source = match secret {
            Secret::Environment(name) => json!({"environment_variable": name}),
            Secret::Inline(secret) => json!({"inline_string": secret}),
        };
        Some(json!({"name": secret_name(name), "generic_secret": {"secret": source}}))
    });
    known.collect()
}

/// Who Envoy says it is where it asks the service for secrets, which it must say.
pub(super) fn node(config: &Config) -> Option<Value> {
    let mut credentials = config.providers.values().map(|provider| &provider.credential);
    let served =
        credentials.any(|credential| matches!(credential, Some(Credential::File(_) | Credential::OAuth(_))));
    served.then(|| json!({"id": SERVICE, "cluster": SERVICE}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use crate::envoy::{Paths, render};
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn rendered(provider: &str) -> String {
        let text = format!(
            "providers: {{p: {provider}}}\nmodels: [{{name: m, deployments: [{{provider: p, model: m}}]}}]\nkeys: [{{name: k, key: a-key-of-some-length}}]"
        );
        let config = read(&text, &BTreeMap::from([("SECRET".to_owned(), "very-secret".to_owned())])).unwrap();
        let socket = |name: &str| Endpoint::Unix(PathBuf::from(name));
        let paths = Paths { filters: PathBuf::from("/f"), service: socket("/s"), admin: socket("/a") };
        render(&config, &paths).yaml()
    }

    #[test]
    fn a_request_is_signed_for_the_host_that_it_goes_to() {
        let yaml =
            rendered("{dialect: converse, base_url: \"https://b.example:8443\", aws: {region: eu-west-1}}");
        for part in [
            "service_name: bedrock",
            "region: eu-west-1",
            "host_rewrite: \"b.example:8443\"",
            "prefix: x-amz-",
        ] {
            assert!(yaml.contains(part), "{part}\n{yaml}");
        }
        let place = |name: &str| yaml.find(name).unwrap();
        assert!(place("weirgate.provider_headers") < place("AwsRequestSigning"));
        assert!(!yaml.contains("credential_injector"));
    }

    #[test]
    fn a_token_is_shown_as_a_bearer_whatever_the_providers_key_is_shown_as() {
        let yaml = rendered(
            "{preset: azure, base_url: \"https://a.example/v1\", oauth: {token_url: \"https://login.example/t\", client_id: me, client_secret: \"${SECRET}\"}}",
        );
        for part in ["api_type: GRPC", "header: authorization", "header_value_prefix: \"Bearer \""] {
            assert!(yaml.contains(part), "{part}\n{yaml}");
        }
        for kept in ["very-secret", "SECRET", "login.example", "client"] {
            assert!(!yaml.contains(&format!(" {kept}")), "{kept}\n{yaml}");
        }
    }

    #[test]
    fn a_key_in_a_file_is_asked_of_the_service() {
        let yaml = rendered(
            "{dialect: gemini, preset: vertex, base_url: \"http://localhost/v1\", api_key_file: /run/token}",
        );
        for part in [
            "api_type: GRPC",
            "cluster: weirgate",
            "header: authorization",
            "header_value_prefix: \"Bearer \"",
        ] {
            assert!(yaml.contains(part), "{part}\n{yaml}");
        }
        assert!(!yaml.contains("/run/token"), "the file is the service's");
        assert!(!rendered("{dialect: openai, api_key: \"${SECRET}\"}").contains("node:"));
    }
}
