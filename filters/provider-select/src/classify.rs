//! What a method and a path ask for.

use weirgate_contract::path::PROBE;
use weirgate_dialect::{Dialect, Operation};

/// What a request asks for, as far as its line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) dialect: Dialect,
    pub(crate) operation: Operation,
    /// The path, with its query, below the version: `/chat/completions`.
    pub(crate) endpoint: String,
    /// The model, where the path names it as Gemini's does.
    pub(crate) model: Option<String>,
}

/// Classifies a request. `anthropic` says whether the client sent an `anthropic-version` header, which tells the two
/// vendors apart on paths that both have.
pub(crate) fn classify(method: &str, path: &str, anthropic: bool) -> Class {
    let endpoint = strip_version(path);
    let bare = endpoint.split('?').next().unwrap_or_default().trim_end_matches('/');
    let (dialect, operation) = match (method, bare) {
        _ if path == PROBE => (Dialect::OpenAi, Operation::Probe),
        ("POST", "/chat/completions") => (Dialect::OpenAi, Operation::ChatCompletions),
        ("POST", "/messages") => (Dialect::Anthropic, Operation::Messages),
        ("GET", "/models") if anthropic => (Dialect::Anthropic, Operation::Models),
        ("GET", "/models") => (Dialect::OpenAi, Operation::Models),
        _ if bare.starts_with("/messages/") || anthropic => (Dialect::Anthropic, Operation::Passthrough),
        _ if is_gemini(path) => (Dialect::Gemini, Operation::Passthrough),
        _ => (Dialect::OpenAi, Operation::Passthrough),
    };
    let model = if dialect == Dialect::Gemini { model_in_path(bare) } else { None };
    Class { dialect, operation, endpoint: endpoint.to_owned(), model }
}

/// The model of `/models/gemini-2.5-pro:generateContent`.
fn model_in_path(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/models/")?;
    let model = rest.split([':', '/']).next()?;
    (1..=256).contains(&model.len()).then(|| model.to_owned())
}

/// The path below `/v1` or Gemini's `/v1beta`; clients that leave the version out are understood too.
fn strip_version(path: &str) -> &str {
    ["/v1beta", "/v1"]
        .into_iter()
        .filter_map(|version| path.strip_prefix(version))
        .find(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}

fn is_gemini(path: &str) -> bool {
    path.starts_with("/v1beta/") || (path.contains("/models/") && path.contains(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(method: &str, path: &str) -> (Dialect, Operation, String) {
        let class = classify(method, path, false);
        (class.dialect, class.operation, class.endpoint)
    }

    #[test]
    fn known_paths() {
        assert_eq!(
            class("POST", "/v1/chat/completions?x=1"),
            (Dialect::OpenAi, Operation::ChatCompletions, "/chat/completions?x=1".to_owned())
        );
        assert_eq!(class("POST", "/chat/completions").1, Operation::ChatCompletions);
        assert_eq!(
            class("POST", "/v1/messages"),
            (Dialect::Anthropic, Operation::Messages, "/messages".to_owned())
        );
        assert_eq!(class("GET", "/v1/models").1, Operation::Models);
        assert_eq!(classify("GET", "/v1/models", true).dialect, Dialect::Anthropic);
        assert_eq!(class("GET", PROBE).1, Operation::Probe);
    }

    #[test]
    fn other_paths_pass_through_in_the_dialect_they_look_like() {
        assert_eq!(class("POST", "/v1/embeddings").1, Operation::Passthrough);
        assert_eq!(class("POST", "/v1/messages/count_tokens").0, Dialect::Anthropic);
        assert_eq!(class("POST", "/v1beta/models/gemini-2.5-pro:generateContent").0, Dialect::Gemini);
        let gemini = classify("POST", "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", false);
        assert_eq!(gemini.model.as_deref(), Some("gemini-2.5-pro"));
        assert_eq!(class("GET", "/v1").2, "/v1");
        assert_eq!(class("GET", "/v1x/y").2, "/v1x/y");
    }
}
