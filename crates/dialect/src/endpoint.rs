//! The paths of calls that the gateway knows, below the version or whatever a provider puts before them.
//!
//! In some APIs the path says more than what is asked for: it names the model, and tells a stream from a plain answer.

use crate::Dialect;
use crate::names::MODEL_BYTES;
use std::borrow::Cow;

/// What a path says that names a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InPath {
    /// The dialect whose path it is.
    pub dialect: Dialect,
    /// The model.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
}

/// Reads the path of a chat that names its model, with or without a query; `None` for any other path.
pub fn in_path(path: &str) -> Option<InPath> {
    let path = path.split('?').next()?.trim_end_matches('/');
    let (dialect, model, stream) = gemini(path).or_else(|| converse(path))?;
    let model = decode(model)?;
    (1..=MODEL_BYTES).contains(&model.len()).then_some(InPath { dialect, model, stream })
}

/// The model of a call of this dialect that is no chat and names it in its path, as `/models/gemini-embedding-001:embedContent` and
/// `/model/amazon.titan-embed-text-v2%3A0/invoke` do; `None` for any other path.
pub fn model_of_other(dialect: Dialect, path: &str) -> Option<String> {
    let (_, model, _) = around_model(dialect, path.split('?').next()?)?;
    decode(model).filter(|model| (1..=MODEL_BYTES).contains(&model.len()))
}

/// The model that a path below the version asks about, `/models/gpt-4o`; `None` for any other path.
pub fn asked_about(path: &str) -> Option<String> {
    let name = path.split('?').next()?.strip_prefix("/models/")?.trim_end_matches('/');
    decode(name).filter(|model| (1..=MODEL_BYTES).contains(&model.len()))
}

/// A path in three: what stands before the name of its model, the name, and the rest.
fn around_model(dialect: Dialect, path: &str) -> Option<(&str, &str, &str)> {
    let (before, ends): (_, &[char]) = match dialect {
        Dialect::Gemini => ("/models/", &[':', '/']),
        Dialect::Converse => ("/model/", &['/']),
        _ => return None,
    };
    let start = path.find(before)? + before.len();
    let (before, rest) = path.split_at_checked(start)?;
    let (model, rest) = rest.split_at_checked(rest.find(ends).unwrap_or(rest.len()))?;
    Some((before, model, rest))
}

/// The dialect of a call that asks only how many tokens a prompt has; `None` for any other path.
pub fn counts(path: &str) -> Option<Dialect> {
    let path = path.split('?').next()?.trim_end_matches('/');
    match path {
        "/messages/count_tokens" => Some(Dialect::Anthropic),
        "/responses/input_tokens" => Some(Dialect::Responses),
        _ => (gemini_target(path)?.1 == COUNT_TOKENS).then_some(Dialect::Gemini),
    }
}

/// What Gemini calls it.
const COUNT_TOKENS: &str = "countTokens";

/// A query that names its model in a way that readers take differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// The model that the query of a realtime websocket names. On other paths what is said over the connection names models.
///
/// # Errors
/// [`Ambiguous`]: there are two, or the name of the parameter is escaped.
pub fn model_in_query(path: &str) -> Result<Option<String>, Ambiguous> {
    let Some(query) = realtime_query(path) else { return Ok(None) };
    let is_model =
        |pair: &&str| decode(pair.split('=').next().unwrap_or_default()).as_deref() == Some("model");
    let mut named = query.split('&').filter(is_model);
    let Some(pair) = named.next() else { return Ok(None) };
    let model = pair.strip_prefix(MODEL_PARAMETER).and_then(decode).ok_or(Ambiguous)?;
    if named.next().is_some() {
        return Err(Ambiguous);
    }
    Ok(Some(model).filter(|model| (1..=MODEL_BYTES).contains(&model.len())))
}

const MODEL_PARAMETER: &str = "model=";

/// OpenAI's realtime API: <https://platform.openai.com/docs/guides/realtime-websocket>.
fn realtime_query(path: &str) -> Option<&str> {
    let (bare, query) = path.split_once('?')?;
    (bare.trim_end_matches('/') == "/realtime").then_some(query)
}

/// The model and what is to be done with it. Vertex AI has the project, the place and the publisher before `models`.
fn gemini_target(path: &str) -> Option<(&str, &str)> {
    let (_, rest) = path.rsplit_once("/models/")?;
    rest.rsplit_once(':')
}

fn gemini(path: &str) -> Option<(Dialect, &str, bool)> {
    let (model, method) = gemini_target(path)?;
    match method {
        "generateContent" => Some((Dialect::Gemini, model, false)),
        "streamGenerateContent" => Some((Dialect::Gemini, model, true)),
        _ => None,
    }
}

fn converse(path: &str) -> Option<(Dialect, &str, bool)> {
    let (model, method) = path.strip_prefix("/model/")?.rsplit_once('/')?;
    match method {
        "converse" => Some((Dialect::Converse, model, false)),
        "converse-stream" => Some((Dialect::Converse, model, true)),
        _ => None,
    }
}

/// The path of a chat with this model.
pub fn chat(dialect: Dialect, model: &str, stream: bool) -> Cow<'static, str> {
    match dialect {
        Dialect::OpenAi => "/chat/completions".into(),
        Dialect::Responses => "/responses".into(),
        Dialect::Anthropic => "/messages".into(),
        Dialect::Cohere => "/chat".into(),
        Dialect::Gemini => {
            let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            format!("/models/{}:{method}", segment(model)).into()
        }
        Dialect::Converse => {
            let method = if stream { "converse-stream" } else { "converse" };
            format!("/model/{}/{method}", segment(model)).into()
        }
        Dialect::Invoke => {
            let method = if stream { "invoke-with-response-stream" } else { "invoke" };
            format!("/model/{}/{method}", segment(model)).into()
        }
        Dialect::RawPredict => {
            let method = if stream { "streamRawPredict" } else { "rawPredict" };
            format!("/models/{}:{method}", segment(model)).into()
        }
    }
}

/// The path of a call that embeds texts with this model; `None` in dialects that have none.
pub fn embeddings(dialect: Dialect, model: &str) -> Option<Cow<'static, str>> {
    match dialect {
        Dialect::OpenAi => Some("/embeddings".into()),
        Dialect::Cohere => Some("/embed".into()),
        Dialect::Gemini => Some(format!("/models/{}:batchEmbedContents", segment(model)).into()),
        Dialect::Converse => Some(format!("/model/{}/invoke", segment(model)).into()),
        Dialect::Responses | Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => None,
    }
}

/// A path that names its model, with this one in its place and its query as it is; `None` for any other path.
pub fn with_model(path: &str, model: &str) -> Option<String> {
    let (bare, query) = path.split_at_checked(path.find('?').unwrap_or(path.len()))?;
    let renamed = match in_path(path) {
        Some(InPath { dialect, stream, .. }) => {
            chat(dialect, model, stream).split('?').next().unwrap_or_default().to_owned()
        }
        None if counts(path) == Some(Dialect::Gemini) => format!("/models/{}:{COUNT_TOKENS}", segment(model)),
        None => {
            let dialect = if bare.starts_with("/model/") { Dialect::Converse } else { Dialect::Gemini };
            let (before, _, rest) = around_model(dialect, bare)?;
            // `/models/gpt-4o` is OpenAI's.
            rest.starts_with([':', '/']).then(|| format!("{before}{}{rest}", segment(model)))?
        }
    };
    Some(renamed + query)
}

/// A path whose query names its model, with this one in its place; `None` for any other path.
pub fn with_model_in_query(path: &str, model: &str) -> Option<String> {
    let query = realtime_query(path)?;
    let (bare, _) = path.split_once('?')?;
    query.split('&').find(|pair| pair.starts_with(MODEL_PARAMETER))?;
    let pairs = query.split('&').map(|pair| match pair.strip_prefix(MODEL_PARAMETER) {
        Some(_) => Cow::Owned(format!("{MODEL_PARAMETER}{}", segment(model))),
        None => Cow::Borrowed(pair),
    });
    Some(format!("{bare}?{}", pairs.collect::<Vec<_>>().join("&")))
}

/// A name as one segment of a path: a client may have chosen it.
fn segment(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    name.bytes().fold(String::with_capacity(name.len()), |mut path, byte| {
        if plain(byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    })
}

/// A segment of a path as the name that it stands for; `None` if that is no text.
fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Option<(Dialect, String, bool)> {
        in_path(path).map(|said| (said.dialect, said.model, said.stream))
    }

    #[test]
    fn paths_that_name_a_model() {
        let gemini = |stream| Some((Dialect::Gemini, "gemini-2.5-pro".to_owned(), stream));
        assert_eq!(read("/models/gemini-2.5-pro:generateContent"), gemini(false));
        assert_eq!(read("/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"), gemini(true));
        let vertex = "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:generateContent";
        assert_eq!(read(vertex), gemini(false));
        let converse = |stream| Some((Dialect::Converse, "amazon.nova-lite-v1:0".to_owned(), stream));
        assert_eq!(read("/model/amazon.nova-lite-v1%3A0/converse"), converse(false));
        assert_eq!(read("/model/amazon.nova-lite-v1:0/converse-stream"), converse(true));
    }

    #[test]
    fn another_model_takes_the_place_of_the_one_in_the_path() {
        let renamed = |path| with_model(path, "m:1");
        assert_eq!(
            renamed("/models/a:streamGenerateContent?alt=sse").unwrap(),
            "/models/m%3A1:streamGenerateContent?alt=sse"
        );
        assert_eq!(renamed("/model/a/converse").unwrap(), "/model/m%3A1/converse");
        for path in ["/chat/completions", "/models", "/models/gpt-4o", "/model/a"] {
            assert_eq!(renamed(path), None, "{path}");
        }
    }

    #[test]
    fn other_calls_that_name_their_model_kept_it() {
        for (dialect, path, model, renamed) in [
            (Dialect::Converse, "/model/amazon.titan%3A0/invoke", "amazon.titan:0", "/model/m%3A1/invoke"),
            (
                Dialect::Converse,
                "/model/amazon.titan:0/invoke?a=b",
                "amazon.titan:0",
                "/model/m%3A1/invoke?a=b",
            ),
            (Dialect::Gemini, "/models/a:embedContent", "a", "/models/m%3A1:embedContent"),
            (
                Dialect::Gemini,
                "/projects/p/models/a:predict?x=/models/",
                "a",
                "/projects/p/models/m%3A1:predict?x=/models/",
            ),
        ] {
            assert_eq!(model_of_other(dialect, path).as_deref(), Some(model), "{path}");
            assert_eq!(with_model(path, "m:1").as_deref(), Some(renamed), "{path}");
        }
        for path in ["/model//invoke", "/model/%zz/invoke", "/models/a:embedContent", "/files"] {
            assert_eq!(model_of_other(Dialect::Converse, path), None, "{path}");
        }
    }

    #[test]
    fn calls_that_only_count_are_known() {
        let query = "/models/gemini-2.5-pro:countTokens?a=b";
        assert_eq!(counts("/messages/count_tokens?beta=true"), Some(Dialect::Anthropic));
        assert_eq!(counts("/responses/input_tokens"), Some(Dialect::Responses));
        assert_eq!(counts(query), Some(Dialect::Gemini));
        for path in ["/messages", "/models/m:generateContent", "/x/messages/count_tokens", "/countTokens"] {
            assert_eq!(counts(path), None, "{path}");
        }
        assert_eq!(with_model(query, "m:1").unwrap(), "/models/m%3A1:countTokens?a=b");
    }

    #[test]
    fn a_model_in_a_query_is_read_and_replaced() {
        let path = "/realtime?intent=x&model=gpt%2Drealtime";
        assert_eq!(model_in_query(path).unwrap().unwrap(), "gpt-realtime");
        assert_eq!(with_model_in_query(path, "a&b").unwrap(), "/realtime?intent=x&model=a%26b");
        for path in ["/realtime", "/realtime?intent=x", "/realtime?model="] {
            assert_eq!(model_in_query(path), Ok(None), "{path}");
        }
        assert_eq!(with_model_in_query("/realtime?intent=x", "m"), None);
    }

    #[test]
    fn a_second_model_in_a_query_cannot_hide() {
        for query in ["model=a&model=b", "model=a&%6dodel=b", "%6dodel=b", "model=a&model", "model=%ff"] {
            assert_eq!(model_in_query(&format!("/realtime?{query}")), Err(Ambiguous), "{query}");
        }
        // There what is said names models, whatever the query says.
        assert_eq!(model_in_query("/responses?model=a"), Ok(None));
        assert_eq!(with_model_in_query("/responses?model=a", "b"), None);
    }

    #[test]
    fn other_paths_name_none() {
        for path in [
            "/chat/completions",
            "/models/gemini-2.5-pro",
            "/models/gemini-2.5-pro:countTokens",
            "/models/:generateContent",
            "/model/m/invoke",
            "/model//converse",
            "/model/%zz/converse",
            "/model/%ff/converse",
            "/model/%",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
        assert_eq!(read(&format!("/model/{}/converse", "m".repeat(300))), None);
    }

    #[test]
    fn embeddings_have_paths_where_texts_can_be_embedded() {
        let path = |dialect| embeddings(dialect, "a/b:0");
        assert_eq!(path(Dialect::Gemini).unwrap(), "/models/a%2Fb%3A0:batchEmbedContents");
        assert_eq!(path(Dialect::Converse).unwrap(), "/model/a%2Fb%3A0/invoke");
        assert_eq!(path(Dialect::Cohere).unwrap(), "/embed");
        assert_eq!(path(Dialect::Anthropic), None);
        for dialect in Dialect::ALL {
            assert_eq!(path(dialect).and_then(|path| in_path(&path)), None, "no chat");
        }
    }

    #[test]
    fn a_model_in_a_path_is_one_segment_of_it() {
        let path = |model| chat(Dialect::Gemini, model, true);
        assert_eq!(path("gemini-2.5-pro"), "/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
        assert_eq!(path("../files?a="), "/models/..%2Ffiles%3Fa%3D:streamGenerateContent?alt=sse");
        for dialect in [Dialect::Gemini, Dialect::Converse] {
            let name = "arn:aws:bedrock/é";
            assert_eq!(read(&chat(dialect, name, true)), Some((dialect, name.to_owned(), true)));
        }
        let claude = |dialect, stream| chat(dialect, "claude-sonnet-4-5@20250929", stream);
        assert_eq!(claude(Dialect::RawPredict, false), "/models/claude-sonnet-4-5@20250929:rawPredict");
        assert_eq!(claude(Dialect::RawPredict, true), "/models/claude-sonnet-4-5@20250929:streamRawPredict");
        assert_eq!(chat(Dialect::Invoke, "a:0", false), "/model/a%3A0/invoke");
        assert_eq!(chat(Dialect::Invoke, "a:0", true), "/model/a%3A0/invoke-with-response-stream");
    }
}
