//! How a provider knows that a request is ours.

use super::document::{self, Fields, Node};
use super::values::Reader;
use crate::outgoing::Endpoint;
use std::fmt;
use std::path::PathBuf;
use weirgate_contract::filter_config::SecretText;

/// What a provider is shown, by Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A key.
    Key(Secret),
    /// The key that this file holds, as it changes.
    File(PathBuf),
    /// Amazon's signature of each request.
    Aws(Aws),
    /// A token that a client gets for its secret.
    OAuth(Box<OAuth>),
}

/// A provider's key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// The name of the environment variable that holds it: Envoy reads it from there itself.
    Environment(String),
    /// The key, written into Envoy's configuration.
    Inline(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "Environment({name})"),
            Self::Inline(_) => f.write_str("Inline(...)"),
        }
    }
}

/// What requests are signed for. The key to sign with is found by Envoy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aws {
    /// The region, such as `us-east-1`.
    pub(crate) region: String,
    /// The service, such as `bedrock`.
    pub(crate) service: String,
}

/// The grant of OAuth 2.0 for clients that act for themselves (RFC 6749, section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OAuth {
    /// Where tokens are given.
    pub(crate) token_url: String,
    /// Who asks for a token.
    pub(crate) client_id: String,
    /// What shows that it is them.
    pub(crate) client_secret: SecretText,
    /// Whether both go in the body, in place of the header `authorization`.
    pub(crate) in_body: bool,
    /// For what the token is to be good.
    pub(crate) scopes: Vec<String>,
    /// What else the server wants to be told.
    pub(crate) params: Vec<(String, String)>,
}

/// The service whose models are asked over Bedrock's API.
const BEDROCK: &str = "bedrock";

/// The fields of which a provider has one at most.
const FIELDS: &str = "api_key, api_key_file, aws and oauth";

impl Reader<'_> {
    /// Reads the one that is there.
    pub(super) fn credential(&self, provider: &str, fields: &mut Fields<'_>) -> Option<Credential> {
        let key = fields.get("api_key");
        let file = fields.get("api_key_file");
        let aws = fields.get("aws");
        let oauth = fields.get("oauth");
        let mut given = [key, file, aws, oauth].into_iter().flatten();
        if let (Some(_), Some(second)) = (given.next(), given.next()) {
            self.problems.add(second, format!("of {FIELDS} a provider has one"));
        }
        let key = key.and_then(|node| self.secret(provider, node));
        let file = file.and_then(|node| {
            let path = self.text(node)?;
            if path.trim().is_empty() {
                self.problems.add(node, "must be the path of a file");
            }
            Some(PathBuf::from(path))
        });
        let aws = aws.and_then(|node| self.aws(node));
        let oauth = oauth.and_then(|node| self.oauth(node));
        key.map(Credential::Key)
            .or(file.map(Credential::File))
            .or(aws.map(Credential::Aws))
            .or(oauth.map(|oauth| Credential::OAuth(Box::new(oauth))))
    }

    /// A key that is one reference is left to Envoy to read, so that it stands in no file.
    fn secret(&self, provider: &str, node: &Node) -> Option<Secret> {
        let document::Value::Scalar(raw) = &node.value else {
            self.problems.add(node, "must be a text");
            return None;
        };
        let value = self.text(node)?;
        if value.trim().is_empty() {
            self.problems.add(node, format!("the key of the provider \"{provider}\" is empty"));
        }
        let reference = raw.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        match reference {
            Some(name) if !name.contains(['$', '{', '}']) => Some(Secret::Environment(name.to_owned())),
            _ => Some(Secret::Inline(value)),
        }
    }

    fn aws(&self, node: &Node) -> Option<Aws> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let region = fields.need("region", problems).and_then(|node| self.word(node));
        let service = fields.get("service").map_or(Some(BEDROCK.to_owned()), |node| self.word(node));
        fields.finish(problems);
        Some(Aws { region: region?, service: service? })
    }

    /// A name of Amazon's, which becomes part of what is signed and of addresses.
    fn word(&self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if text.is_empty() || !text.chars().all(plain) {
            self.problems.add(node, format!("\"{text}\" is not a name such as us-east-1 or bedrock"));
            return None;
        }
        Some(text)
    }

    fn oauth(&self, node: &Node) -> Option<OAuth> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let token_url = fields.need("token_url", problems).and_then(|node| {
            let text = self.text(node)?;
            if Endpoint::parse(&text, None).is_none() {
                problems.add(node, format!("\"{text}\" is not a URL such as https://host/token"));
                return None;
            }
            Some(text)
        });
        let client_id = fields.need("client_id", problems).and_then(|node| {
            let id = self.text(node)?;
            if id.is_empty() {
                problems.add(node, "must not be empty");
            }
            Some(id)
        });
        let client_secret = fields.need("client_secret", problems).and_then(|node| {
            let secret = self.text(node)?;
            if secret.trim().is_empty() {
                problems.add(node, "the client's secret is empty");
            }
            Some(SecretText::new(secret))
        });
        let ways = [("header", false), ("body", true)];
        let in_body = fields.get("client_auth").map_or(Some(false), |node| self.choice(node, &ways));
        let scopes = fields.list("scopes", problems).iter().filter_map(|node| self.text(node)).collect();
        let params = self.named_texts(fields.named("params", problems));
        fields.finish(problems);
        let (client_id, client_secret, in_body) = (client_id?, client_secret?, in_body?);
        Some(OAuth { token_url: token_url?, client_id, client_secret, in_body, scopes, params })
    }

    /// Names that the user chooses, each with a text.
    pub(super) fn named_texts(&self, entries: &[(String, Node)]) -> Vec<(String, String)> {
        let text = |(name, node): &(String, Node)| Some((name.clone(), self.text(node)?));
        entries.iter().filter_map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Provider, read};
    use std::collections::BTreeMap;
    use weirgate_dialect::Dialect;

    fn provider(text: &str) -> Result<Provider, String> {
        let text = format!("providers:\n  {text}\nkeys: [{{name: k, key: a-key-of-some-length}}]");
        let environment = BTreeMap::from([("SECRET".to_owned(), "s3cr3t".to_owned())]);
        match read(&text, &environment) {
            Ok(config) => Ok(config.providers.into_values().next().unwrap()),
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }

    fn credential(text: &str) -> Option<Credential> {
        provider(&format!("p: {{dialect: openai, {text}}}")).unwrap().credential
    }

    #[test]
    fn every_way_is_read() {
        assert_eq!(
            credential("api_key: \"${SECRET}\""),
            Some(Credential::Key(Secret::Environment("SECRET".to_owned())))
        );
        assert_eq!(
            credential("api_key_file: /run/token"),
            Some(Credential::File(PathBuf::from("/run/token")))
        );
        let aws = |region: &str, service: &str| {
            Some(Credential::Aws(Aws { region: region.to_owned(), service: service.to_owned() }))
        };
        assert_eq!(credential("aws: {region: us-east-1}"), aws("us-east-1", "bedrock"));
        assert_eq!(
            credential("aws: {region: eu-west-1, service: execute-api}"),
            aws("eu-west-1", "execute-api")
        );
        let oauth = "oauth: {token_url: \"https://login.example/t/token\", client_id: me, client_secret: \"${SECRET}\", scopes: [a, b], params: {audience: x}}";
        let Some(Credential::OAuth(oauth)) = credential(oauth) else { unreachable!() };
        assert_eq!(oauth.token_url, "https://login.example/t/token");
        assert_eq!((oauth.scopes.len(), oauth.in_body), (2, false));
        assert_eq!(oauth.params, [("audience".to_owned(), "x".to_owned())]);
        assert_eq!(oauth.client_secret.as_bytes(), b"s3cr3t");
    }

    #[test]
    fn there_is_one_at_most() {
        let error = provider("p: {dialect: openai, api_key: k, aws: {region: us-east-1}}").unwrap_err();
        assert_eq!(
            error,
            "line 2, column 41: providers.p.aws: of api_key, api_key_file, aws and oauth a provider has one"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = |text: &str| provider(&format!("p: {{dialect: openai, {text}}}")).unwrap_err();
        assert!(error("aws: {regoin: us-east-1}").contains("did you mean \"region\"?"));
        assert!(error("aws: {}").contains("providers.p.aws: region is missing"));
        assert!(error("aws: {region: us east}").contains("is not a name such as us-east-1"));
        let oauth = error("oauth: {token_url: nowhere, client_id: a, client_auth: post}");
        assert!(oauth.contains("providers.p.oauth.token_url: \"nowhere\" is not a URL"), "{oauth}");
        assert!(
            oauth.contains("client_secret is missing") && oauth.contains("providers.p.oauth.client_auth"),
            "{oauth}"
        );
        assert!(error("api_key_file: ''").contains("must be the path of a file"));
    }

    #[test]
    fn what_is_shown_of_a_provider_holds_no_secret() {
        let oauth =
            "oauth: {token_url: \"https://login.example/t\", client_id: me, client_secret: very-secret}";
        let shown = format!("{:?} {:?}", credential(oauth), credential("api_key: very-secret"));
        assert!(!shown.contains("very-secret"), "{shown}");
    }

    #[test]
    fn the_region_is_said_once() {
        let bedrock = provider("bedrock: {aws: {region: eu-central-1}}").unwrap();
        assert_eq!(bedrock.base_url.host, "bedrock-runtime.eu-central-1.amazonaws.com");
        let claude = provider("bedrock-anthropic: {aws: {region: eu-central-1}}").unwrap();
        assert_eq!((claude.dialect, claude.base_url.host), (Dialect::Invoke, bedrock.base_url.host));
        let without = provider("bedrock: {api_key: k}").unwrap_err();
        assert!(without.contains("base_url is missing"), "{without}");
    }

    #[test]
    fn what_is_added_to_queries_goes_behind_the_path() {
        let azure = "azure-dated: {base_url: \"https://a.openai.azure.com/openai/deployments/d\", query: {api-version: 2024-10-21}}";
        let azure = provider(azure).unwrap();
        assert_eq!(azure.path(), "/openai/deployments/d?api-version=2024-10-21");
        assert_eq!(azure.key_header(), Some("api-key"));
        let plain = provider("p: {dialect: openai, base_url: \"https://a.example/v1\", query: {}}").unwrap();
        assert_eq!(plain.path(), "/v1");
        let error = provider("p: {dialect: openai, query: [a]}").unwrap_err();
        assert!(error.contains("providers.p.query: must be a map from names to settings"), "{error}");
    }
}
