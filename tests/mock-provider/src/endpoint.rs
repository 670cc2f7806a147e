//! What a path stands for.

use std::borrow::Cow;

use hyper::{HeaderMap, Method};

use crate::dialect::Dialect;
use crate::{anthropic, converse, gemini, hosted};

/// What a path stands for. Only its end counts, so that base paths of compatible providers work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Responses,
    Embeddings,
    BatchEmbed,
    CohereEmbed,
    Invoke,
    InvokeMessages,
    StreamInvokeMessages,
    RawPredict,
    StreamRawPredict,
    Models,
    Messages,
    CountTokens,
    Generate,
    StreamGenerate,
    CountGenerate,
    Converse,
    StreamConverse,
    CohereChat,
    Completions,
    Rerank,
    CohereRerank,
    Images,
    Speech,
    Transcription,
    Moderation,
    Files,
    Batches,
    Websocket,
    Echo,
}

impl Endpoint {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        if method == Method::GET && path.ends_with("/models") {
            return Self::Models;
        }
        if method != Method::POST {
            return Self::Echo;
        }
        let endings = [
            ("/chat/completions", Self::Chat),
            ("/completions", Self::Completions),
            ("/responses", Self::Responses),
            ("/messages", Self::Messages),
            ("/messages/count_tokens", Self::CountTokens),
            ("/embeddings", Self::Embeddings),
            ("/v2/rerank", Self::CohereRerank),
            ("/rerank", Self::Rerank),
            ("/images/generations", Self::Images),
            ("/audio/speech", Self::Speech),
            ("/audio/transcriptions", Self::Transcription),
            ("/moderations", Self::Moderation),
            ("/files", Self::Files),
            ("/batches", Self::Batches),
            ("/v1/embed", Self::Echo),
            ("/embed", Self::CohereEmbed),
            // The first version of Cohere's API is another.
            ("/v1/chat", Self::Echo),
            ("/chat", Self::CohereChat),
        ];
        if let Some((_, endpoint)) = endings.iter().find(|(ending, _)| path.ends_with(ending)) {
            return *endpoint;
        }
        match gemini::target(path).or_else(|| converse::target(path)) {
            Some((_, "generateContent")) => Self::Generate,
            Some((_, "streamGenerateContent")) => Self::StreamGenerate,
            Some((_, "countTokens")) => Self::CountGenerate,
            Some((_, "batchEmbedContents")) => Self::BatchEmbed,
            Some((model, "invoke")) if hosted::is_anthropics(model) => Self::InvokeMessages,
            Some((_, "invoke")) => Self::Invoke,
            Some((_, "invoke-with-response-stream")) => Self::StreamInvokeMessages,
            Some((_, "rawPredict")) => Self::RawPredict,
            Some((_, "streamRawPredict")) => Self::StreamRawPredict,
            Some((_, "converse")) => Self::Converse,
            Some((_, "converse-stream")) => Self::StreamConverse,
            _ => Self::Echo,
        }
    }

    /// The dialect of answers and errors; a list of models is in that of the client's headers.
    pub(crate) fn dialect(self, headers: &HeaderMap) -> Dialect {
        match self {
            Self::Chat | Self::Completions | Self::Embeddings | Self::Rerank | Self::Websocket => {
                Dialect::OpenAi
            }
            Self::Images | Self::Speech | Self::Transcription | Self::Moderation => Dialect::OpenAi,
            Self::Files | Self::Batches => Dialect::OpenAi,
            Self::Responses => Dialect::Responses,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Generate | Self::StreamGenerate | Self::CountGenerate | Self::BatchEmbed => Dialect::Gemini,
            Self::Converse | Self::StreamConverse | Self::Invoke => Dialect::Converse,
            Self::InvokeMessages | Self::StreamInvokeMessages => Dialect::Invoke,
            Self::RawPredict | Self::StreamRawPredict => Dialect::RawPredict,
            Self::CohereChat | Self::CohereEmbed | Self::CohereRerank => Dialect::Cohere,
            Self::Models if anthropic::has_version(headers) => Dialect::Anthropic,
            Self::Models if gemini::is_client(headers) => Dialect::Gemini,
            Self::Models => Dialect::OpenAi,
            Self::Echo => Dialect::None,
        }
    }

    /// The model, where the path names it.
    pub(crate) fn model_in(self, path: &str) -> Option<Cow<'_, str>> {
        match self {
            Self::Generate
            | Self::StreamGenerate
            | Self::CountGenerate
            | Self::BatchEmbed
            | Self::RawPredict
            | Self::StreamRawPredict => gemini::target(path).map(|(model, _)| Cow::Borrowed(model)),
            Self::Converse
            | Self::StreamConverse
            | Self::Invoke
            | Self::InvokeMessages
            | Self::StreamInvokeMessages => converse::model(path).map(Cow::Owned),
            _ => None,
        }
    }

    /// Whether the path asks for a stream. `None`: the body says so, if at all.
    pub(crate) fn streams(self) -> Option<bool> {
        match self {
            Self::StreamGenerate | Self::StreamConverse => Some(true),
            Self::StreamInvokeMessages | Self::StreamRawPredict => Some(true),
            Self::InvokeMessages | Self::RawPredict => Some(false),
            Self::Generate | Self::CountGenerate | Self::Converse => Some(false),
            Self::BatchEmbed | Self::CohereEmbed | Self::Invoke => Some(false),
            Self::Rerank | Self::CohereRerank => Some(false),
            Self::Websocket => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_by_their_ends() {
        for (path, endpoint) in [
            ("/v1/chat/completions", Endpoint::Chat),
            ("/openai/v1/responses", Endpoint::Responses),
            ("/v1/completions", Endpoint::Completions),
            ("/v1/rerank", Endpoint::Rerank),
            ("/v2/rerank", Endpoint::CohereRerank),
            ("/v2/chat", Endpoint::CohereChat),
            ("/chat", Endpoint::CohereChat),
            ("/v1/chat", Endpoint::Echo),
            ("/model/amazon.nova-lite-v1%3A0/converse", Endpoint::Converse),
            ("/model/a/converse-stream", Endpoint::StreamConverse),
            ("/model/a/b/converse", Endpoint::Echo),
            ("/model//converse", Endpoint::Echo),
            ("/model/a/invoke", Endpoint::Invoke),
            ("/model/eu.anthropic.claude-a%3A0/invoke", Endpoint::InvokeMessages),
            ("/model/eu.anthropic.claude-a%3A0/invoke-with-response-stream", Endpoint::StreamInvokeMessages),
            ("/v1/projects/p/locations/l/publishers/anthropic/models/c@1:rawPredict", Endpoint::RawPredict),
            ("/v2/embed", Endpoint::CohereEmbed),
            ("/v1/embed", Endpoint::Echo),
            ("/v1beta/models/g:batchEmbedContents", Endpoint::BatchEmbed),
            ("/v1beta/models/g:generateContent", Endpoint::Generate),
        ] {
            assert_eq!(Endpoint::of(&Method::POST, path), endpoint, "{path}");
        }
        assert_eq!(Endpoint::of(&Method::GET, "/v2/chat"), Endpoint::Echo);
    }

    #[test]
    fn a_model_in_a_path_is_decoded() {
        let path = "/model/amazon.nova-lite-v1%3A0/converse";
        assert_eq!(Endpoint::Converse.model_in(path).unwrap(), "amazon.nova-lite-v1:0");
    }
}
