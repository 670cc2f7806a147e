//! The vendors' ways to write keys, errors and answers.

use std::borrow::Cow;

use hyper::HeaderMap;

use crate::{anthropic, cohere, converse, gemini, openai, responses};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Responses,
    Anthropic,
    Gemini,
    Converse,
    Cohere,
    /// Anthropic's messages at Bedrock.
    Invoke,
    /// Anthropic's messages at Vertex AI.
    RawPredict,
    /// Echoed paths; errors are written in OpenAI's envelope.
    None,
}

/// Why a request's credentials were not accepted.
#[derive(Debug)]
pub(crate) struct Unauthorized {
    pub(crate) status: u16,
    pub(crate) message: &'static str,
    /// The name of the error, where a header has one.
    pub(crate) kind: &'static str,
}

impl Dialect {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
            Self::Cohere => "cohere",
            Self::Invoke => "invoke",
            Self::RawPredict => "rawpredict",
            Self::None => "none",
        }
    }

    pub(crate) fn key(self, headers: &HeaderMap) -> Option<&str> {
        match self {
            Self::Anthropic => anthropic::key(headers),
            Self::OpenAi | Self::Responses | Self::RawPredict => openai::key(headers),
            Self::Gemini => gemini::key(headers),
            Self::Converse | Self::Invoke => converse::key(headers),
            Self::Cohere => cohere::key(headers),
            Self::None => {
                openai::key(headers).or_else(|| anthropic::key(headers)).or_else(|| gemini::key(headers))
            }
        }
    }

    /// What is wrong with the credentials and with headers that belong to them.
    pub(crate) fn unauthorized(self, headers: &HeaderMap) -> Option<Unauthorized> {
        let refused = |status, message| Some(Unauthorized { status, message, kind: "" });
        match self {
            Self::Converse | Self::Invoke => converse::unauthorized(headers),
            Self::Anthropic if self.key(headers).is_none() => refused(401, "x-api-key header is required"),
            Self::Anthropic if !anthropic::has_version(headers) => {
                refused(400, "anthropic-version: header is required")
            }
            _ if self.key(headers).is_some() => None,
            Self::Gemini => refused(
                403,
                "Method doesn't allow unregistered callers (callers without established identity). Please use \
                 API Key or other form of API consumer identity to call this API.",
            ),
            Self::Cohere => refused(401, "no api key supplied"),
            _ => refused(
                401,
                "You didn't provide an API key. You need to provide it in an Authorization header using Bearer auth.",
            ),
        }
    }

    pub(crate) fn error_body(self, status: u16, message: &str, id: u64) -> Vec<u8> {
        match self {
            Self::Anthropic => anthropic::error_body(status, message, id),
            Self::Gemini | Self::RawPredict => gemini::error_body(status, message),
            Self::Converse | Self::Invoke => converse::error_body(message),
            Self::Cohere => cohere::error_body(message, id),
            Self::OpenAi | Self::Responses | Self::None => openai::error_body(status, message),
        }
    }

    /// The name of an error, where a header has one.
    pub(crate) fn error_kind(self, status: u16) -> &'static str {
        if matches!(self, Self::Converse | Self::Invoke) { converse::error_kind(status) } else { "" }
    }

    /// An error in the middle of a stream, after `count` events.
    pub(crate) fn error_event(self, count: usize) -> Cow<'static, [u8]> {
        match self {
            Self::Anthropic | Self::RawPredict => anthropic::error_event().as_bytes().into(),
            Self::Gemini => gemini::error_event().as_bytes().into(),
            Self::Cohere => cohere::error_event().as_bytes().into(),
            Self::Converse | Self::Invoke => converse::error_event().into(),
            Self::Responses => responses::error_event(count).into_bytes().into(),
            Self::OpenAi | Self::None => openai::error_event().as_bytes().into(),
        }
    }

    pub(crate) fn json_type(self) -> &'static str {
        if self == Self::Gemini { "application/json; charset=UTF-8" } else { "application/json" }
    }

    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::Gemini | Self::Cohere => "text/event-stream",
            Self::Converse | Self::Invoke => "application/vnd.amazon.eventstream",
            _ => "text/event-stream; charset=utf-8",
        }
    }

    /// The header that tells the number of a request.
    pub(crate) fn id_header(self) -> &'static str {
        match self {
            Self::Anthropic => "request-id",
            Self::Converse | Self::Invoke => "x-amzn-requestid",
            _ => "x-request-id",
        }
    }
}
