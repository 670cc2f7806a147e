//! What a method and a path ask for.

use weirgate_contract::path::PROBE;
use weirgate_dialect::{Dialect, Operation, endpoint};

/// What a request asks for, as far as its line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) dialect: Dialect,
    pub(crate) operation: Operation,
    /// The path, with its query, below the version: `/chat/completions`.
    pub(crate) endpoint: String,
    /// The path as providers whose API has its usual place take it: `/v1/chat/completions`.
    pub(crate) path: String,
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
    /// Whether the path asks for a stream.
    pub(crate) stream: bool,
    /// The client's key, where the query holds it as Gemini's may. It is in neither path.
    pub(crate) key: Option<String>,
}

/// Whose SDK it is, as far as headers tell; on some paths only they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    Anthropic,
    Gemini,
    Other,
}

/// Classifies a request.
pub(crate) fn classify(method: &str, path: &str, sdk: Sdk) -> Class {
    // Only this call of Cohere's has a place among those of clients, under its own version.
    let cohere = path.strip_prefix("/v2").filter(|rest| bare_path(rest) == RERANK);
    let below = cohere.unwrap_or_else(|| strip_version(path));
    let bare = bare_path(below);
    let counts = if method == "POST" { endpoint::counts(below) } else { None };
    let in_path = if method == "POST" { endpoint::in_path(below) } else { None };
    let gemini = sdk == Sdk::Gemini || is_gemini(path);
    let asked_about = if method == "GET" { endpoint::asked_about(below) } else { None };
    // Google has operations and permissions of models there.
    let asked_about = asked_about.filter(|model| !gemini || !model.contains(['/', ':']));
    let (dialect, operation) = match (method, bare) {
        _ if path == PROBE => (Dialect::OpenAi, Operation::Probe),
        ("POST", "/chat/completions") => (Dialect::OpenAi, Operation::ChatCompletions),
        ("POST", "/responses") => (Dialect::Responses, Operation::Responses),
        ("POST", "/messages") => (Dialect::Anthropic, Operation::Messages),
        ("POST", "/embeddings") if sdk != Sdk::Anthropic => (Dialect::OpenAi, Operation::Embeddings),
        ("POST", "/completions") if sdk != Sdk::Anthropic => (Dialect::OpenAi, Operation::Completions),
        ("POST", RERANK) if cohere.is_some() => (Dialect::Cohere, Operation::Rerank),
        ("POST", RERANK) if sdk != Sdk::Anthropic => (Dialect::OpenAi, Operation::Rerank),
        _ if let Some(dialect) = counts => (dialect, Operation::CountTokens),
        ("GET", path) if path == "/models" || asked_about.is_some() => {
            let dialect = match sdk {
                Sdk::Anthropic => Dialect::Anthropic,
                _ if gemini => Dialect::Gemini,
                _ => Dialect::OpenAi,
            };
            (dialect, Operation::Models)
        }
        _ if let Some(said) = &in_path => {
            (said.dialect, said.dialect.chat().unwrap_or(Operation::Passthrough))
        }
        _ if bare.starts_with("/messages/") || sdk == Sdk::Anthropic => {
            (Dialect::Anthropic, Operation::Passthrough)
        }
        _ if bare.starts_with("/model/") => (Dialect::Converse, Operation::Passthrough),
        // Other clients may send Google's key header besides their own.
        _ if is_gemini(path) => (Dialect::Gemini, Operation::Passthrough),
        _ => (Dialect::OpenAi, Operation::Passthrough),
    };
    let (endpoint, key) =
        if dialect == Dialect::Gemini { without_key(below) } else { (below.to_owned(), None) };
    // Vertex AI has the project and the place before it.
    let names_model = in_path.is_some() || counts == Some(Dialect::Gemini);
    let start = if names_model { endpoint.find("/model") } else { None };
    let endpoint = endpoint.get(start.unwrap_or(0)..).unwrap_or_default().to_owned();
    let path = if operation == Operation::Probe { endpoint.clone() } else { usual_path(dialect, &endpoint) };
    let stream = in_path.as_ref().is_some_and(|said| said.stream);
    let model =
        in_path.map(|said| said.model).or_else(|| endpoint::model_of_other(dialect, bare)).or(asked_about);
    Class { dialect, operation, endpoint, path, model, stream, key }
}

/// The path of an endpoint where the API of a dialect usually has it.
pub(crate) fn usual_path(dialect: Dialect, endpoint: &str) -> String {
    match dialect {
        Dialect::Gemini => format!("/v1beta{endpoint}"),
        Dialect::Converse => endpoint.to_owned(),
        _ => format!("/v1{endpoint}"),
    }
}

const RERANK: &str = "/rerank";

/// A path without its query and the slash at its end.
fn bare_path(path: &str) -> &str {
    path.split('?').next().unwrap_or_default().trim_end_matches('/')
}

/// A path and the key that its query held.
fn without_key(path: &str) -> (String, Option<String>) {
    let Some((bare, query)) = path.split_once('?') else { return (path.to_owned(), None) };
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key="));
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("key=")).collect();
    let path = if rest.is_empty() { bare.to_owned() } else { format!("{bare}?{}", rest.join("&")) };
    (path, key.map(str::to_owned))
}

/// The path below the version; clients that leave the version out are understood too.
fn strip_version(path: &str) -> &str {
    ["/v1beta1", "/v1beta", "/v1"]
        .into_iter()
        .filter_map(|version| path.strip_prefix(version))
        .find(|rest| rest.starts_with('/'))
        .unwrap_or(path)
}

fn is_gemini(path: &str) -> bool {
    path.starts_with("/v1beta") || (path.contains("/models/") && path.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(method: &str, path: &str) -> (Dialect, Operation, String) {
        let class = classify(method, path, Sdk::Other);
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
        assert_eq!(
            class("POST", "/v1/embeddings"),
            (Dialect::OpenAi, Operation::Embeddings, "/embeddings".to_owned())
        );
        assert_eq!(class("GET", "/v1/models").1, Operation::Models);
        for (path, dialect, operation) in [
            ("/v1/models/meta%2Fllama", Dialect::OpenAi, Operation::Models),
            ("/v1/models/meta/llama", Dialect::OpenAi, Operation::Models),
            ("/v1beta/models/gemini-2.5-pro", Dialect::Gemini, Operation::Models),
            ("/v1beta/models/gemini-2.5-pro/operations/x", Dialect::Gemini, Operation::Passthrough),
        ] {
            let class = classify("GET", path, Sdk::Other);
            assert_eq!((class.dialect, class.operation), (dialect, operation), "{path}");
        }
        assert_eq!(classify("GET", "/v1/models/meta%2Fllama", Sdk::Other).model.unwrap(), "meta/llama");
        assert_eq!(class("DELETE", "/v1/models/x").1, Operation::Passthrough);
        assert_eq!(classify("GET", "/v1/models", Sdk::Anthropic).dialect, Dialect::Anthropic);
        assert_eq!(class("GET", PROBE).1, Operation::Probe);
    }

    #[test]
    fn paths_of_chats_that_name_the_model() {
        let class = |path: &str| classify("POST", path, Sdk::Other);
        let gemini = class("/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
        assert_eq!((gemini.operation, gemini.stream), (Operation::GenerateContent, true));
        assert_eq!(gemini.model.as_deref(), Some("gemini-2.5-pro"));
        let vertex = class("/v1beta1/projects/p/locations/l/publishers/google/models/m:generateContent");
        assert_eq!((vertex.path.as_str(), vertex.stream), ("/v1beta/models/m:generateContent", false));
        let converse = class("/model/amazon.nova-lite-v1%3A0/converse");
        assert_eq!((converse.dialect, converse.operation), (Dialect::Converse, Operation::Converse));
        assert_eq!(converse.model.as_deref(), Some("amazon.nova-lite-v1:0"));
        assert_eq!(converse.path, "/model/amazon.nova-lite-v1%3A0/converse");
        let responses = class("/v1/responses");
        assert_eq!((responses.dialect, responses.operation), (Dialect::Responses, Operation::Responses));
    }

    #[test]
    fn calls_that_count_are_known_in_every_dialect() {
        let count = |path: &str| {
            let class = classify("POST", path, Sdk::Other);
            assert_eq!(class.operation, Operation::CountTokens, "{path}");
            (class.dialect, class.path, class.model)
        };
        assert_eq!(count("/v1/messages/count_tokens").0, Dialect::Anthropic);
        assert_eq!(count("/v1/responses/input_tokens").0, Dialect::Responses);
        let gemini = (
            Dialect::Gemini,
            "/v1beta/models/gemini-2.5-pro:countTokens".to_owned(),
            Some("gemini-2.5-pro".to_owned()),
        );
        assert_eq!(count("/v1beta/models/gemini-2.5-pro:countTokens"), gemini);
        let vertex = "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:countTokens";
        assert_eq!(count(vertex), gemini);
        assert_eq!(class("GET", "/v1/messages/count_tokens").1, Operation::Passthrough);
    }

    #[test]
    fn documents_are_ranked_on_the_paths_of_cohere_and_of_others() {
        for (path, dialect) in [
            ("/v1/rerank", Dialect::OpenAi),
            ("/rerank", Dialect::OpenAi),
            ("/v2/rerank", Dialect::Cohere),
            ("/v2/rerank/?x=1", Dialect::Cohere),
        ] {
            let class = classify("POST", path, Sdk::Other);
            assert_eq!((class.dialect, class.operation), (dialect, Operation::Rerank), "{path}");
        }
        assert_eq!(class("POST", "/v2/rerank"), (Dialect::Cohere, Operation::Rerank, "/rerank".to_owned()));
        assert_eq!(class("POST", "/v2/chat").2, "/v2/chat");
        assert_eq!(class("POST", "/v1/completions").1, Operation::Completions);
    }

    #[test]
    fn a_key_in_the_query_goes_no_further() {
        let class = classify("POST", "/v1beta/models/m:generateContent?key=abc&alt=sse", Sdk::Other);
        assert_eq!(class.key.as_deref(), Some("abc"));
        assert_eq!(
            (class.endpoint.as_str(), class.path.as_str()),
            ("/models/m:generateContent?alt=sse", "/v1beta/models/m:generateContent?alt=sse")
        );
        let class = classify("GET", "/v1beta/models?key=abc", Sdk::Other);
        assert_eq!((class.operation, class.path.as_str()), (Operation::Models, "/v1beta/models"));
    }

    #[test]
    fn other_paths_pass_through_in_the_dialect_they_look_like() {
        assert_eq!(class("POST", "/v1/audio/speech").1, Operation::Passthrough);
        assert_eq!(class("GET", "/v1/embeddings").1, Operation::Passthrough);
        assert_eq!(classify("POST", "/v1/embeddings", Sdk::Anthropic).operation, Operation::Passthrough);
        assert_eq!(class("GET", "/v1/responses/resp_1").1, Operation::Passthrough);
        assert_eq!(class("POST", "/model/amazon.titan/invoke").0, Dialect::Converse);
        assert_eq!(class("GET", "/v1").2, "/v1");
        assert_eq!(class("GET", "/v1x/y").2, "/v1x/y");
    }
}
