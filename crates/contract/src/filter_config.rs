//! The JSON configuration of each filter, written by `weirgate render` and read when the filter starts.
//! A field that a filter does not know is an error, so that a misspelt rule cannot pass unnoticed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use weirgate_dialect::Dialect;

/// Configuration of `provider-select`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderSelect {
    /// Rules on request headers; the first that matches applies.
    pub rules: Vec<HeaderRule>,
    /// Leave the client's key in its header. For an Envoy without decide, where nobody else puts a provider's key in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_credentials: bool,
    /// The largest request body, in bytes; without it Envoy's own limits hold alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<usize>,
    /// The secret of the checksum in generated keys; without it no key is judged by its form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_checksum: Option<SecretText>,
    /// Set where the filter stands in the upstream chain of one provider. Such an instance only prepares the request for
    /// that provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Set where the filter stands behind translate in the upstream chain of one provider. Such an instance only translates the
    /// provider's answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<Answers>,
}

/// Answers of a provider that speaks another dialect than the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// The client's dialect.
    pub from: Dialect,
    /// The provider's dialect.
    pub to: Dialect,
    /// The provider's name of the model; `None`: the one that the client names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How long after a request the head of a plain answer is held, to say how the answer went, in milliseconds. After that it goes
    /// out, and blanks for what comes, so that nobody takes the provider for silent.
    #[serde(default)]
    pub hold_ms: u64,
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// Keeps a text out of logs.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for whoever needs it.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for SecretText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(...)")
    }
}

/// What a request must look like for one provider that speaks the client's dialect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// The path of the provider's API, such as `/v1`, which goes before the endpoint. Behind a `?` is what every query is to hold.
    pub base_path: String,
    /// The provider's name of the model, which replaces the one in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider's field for a cap on the tokens of an answer, where decide asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap_field: Option<String>,
    /// Whether it is Cohere's API, which ranks documents in another form than others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cohere: bool,
}

/// The path of an endpoint at a provider. What the endpoint's own query says otherwise than the provider's is left out.
pub fn provider_path(base_path: &str, endpoint: &str) -> String {
    let Some((path, query)) = base_path.split_once('?') else { return format!("{base_path}{endpoint}") };
    let (endpoint, asked) = endpoint.split_once('?').unwrap_or((endpoint, ""));
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let said = |pair: &str| query.split('&').any(|other| name(other) == name(pair));
    let mut whole = format!("{path}{endpoint}?");
    for pair in asked.split('&').filter(|pair| !pair.is_empty() && !said(pair)) {
        whole.push_str(pair);
        whole.push('&');
    }
    whole.push_str(query);
    whole
}

/// Chooses a provider or a model by a request header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderRule {
    /// The header's name, in lower case.
    pub header: String,
    /// The value that must be equal; absent: any value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact: Option<String>,
    /// What the value must begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// The provider to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The model to use in place of the one in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Configuration of `prompt-guard`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptGuard {
    /// The rules, all of which a prompt must pass.
    pub rules: Vec<GuardRule>,
    /// Let websockets pass though there are rules, which cannot check what is said over them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pass_websockets: bool,
}

/// One rule over the text of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuardRule {
    /// The name by which a refusal names the rule.
    pub name: String,
    /// Whether a match refuses the prompt, or the lack of one.
    pub action: GuardAction,
    /// A regular expression in the syntax of Rust's `regex`, which has no backtracking.
    pub pattern: String,
    /// The roles whose text is looked at; empty: every role.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Which messages are looked at.
    #[serde(default)]
    pub messages: GuardScope,
}

/// What a guard rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardAction {
    /// Text that matches is refused.
    Deny,
    /// Text that matches no allow rule is refused.
    Allow,
}

/// Which messages a guard rule looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardScope {
    /// All of them.
    #[default]
    All,
    /// Only the last one of the roles that the rule names.
    Last,
}

/// Configuration of `token-counter`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenCounter {
    /// How to count for a model that clients name. Others are counted by what their name says.
    pub models: BTreeMap<String, Tokenizer>,
    /// Ask OpenAI-dialect providers for usage in streams, and keep it from clients that did not ask.
    pub include_usage: bool,
    /// Tell decide what a request asks for, so that it can answer from its cache.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fingerprint: bool,
    /// Tell it the question too, for answers to others that mean the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub question: bool,
}

/// How the tokens of a model are counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// Exactly, by the encoding of GPT-4o and later.
    O200k,
    /// Exactly, by the encoding of GPT-4 and GPT-3.5.
    Cl100k,
    /// By the o200k count times a factor, for families whose encoding is not public.
    Estimate(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_joined() {
        assert_eq!(provider_path("/v1", "/chat/completions?a=b"), "/v1/chat/completions?a=b");
        let dated = "/openai/deployments/d?api-version=2024-10-21";
        let chat =
            |rest: &str| format!("/openai/deployments/d/chat/completions?{rest}api-version=2024-10-21");
        assert_eq!(provider_path(dated, "/chat/completions"), chat(""));
        assert_eq!(provider_path(dated, "/chat/completions?"), chat(""));
        assert_eq!(provider_path(dated, "/chat/completions?alt=sse&x"), chat("alt=sse&x&"));
        assert_eq!(provider_path(dated, "/chat/completions?api-version=1999&alt=sse"), chat("alt=sse&"));
    }
}
