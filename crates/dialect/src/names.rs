//! What a client speaks, and what it asks for.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest name of a model, in bytes. It travels in headers, errors and the ledger.
pub(crate) const MODEL_BYTES: usize = 256;

/// A wire format for conversations with a model, as a vendor publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's chat completions, and the many servers that copy them.
    OpenAi,
    /// OpenAI's Responses API.
    Responses,
    /// The Anthropic API.
    Anthropic,
    /// The Gemini API.
    Gemini,
    /// Amazon Bedrock's Converse.
    Converse,
    /// Cohere's chat, version 2. No client of ours speaks it.
    Cohere,
    /// Anthropic's messages behind Amazon Bedrock's `InvokeModel`. Clients speak Anthropic's own.
    Invoke,
    /// Anthropic's messages behind Google Vertex AI's `rawPredict`. Clients speak Anthropic's own.
    RawPredict,
}

impl Dialect {
    /// Every dialect, in the order in which documents list them.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::Responses,
        Self::Anthropic,
        Self::Gemini,
        Self::Converse,
        Self::Cohere,
        Self::Invoke,
        Self::RawPredict,
    ];

    /// The name used in configuration, headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "responses",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Converse => "converse",
            Self::Cohere => "cohere",
            Self::Invoke => "invoke",
            Self::RawPredict => "rawpredict",
        }
    }

    /// The dialect whose bodies it has, where a cloud serves another's API by calls of its own.
    pub fn bodies(self) -> Self {
        match self {
            Self::Invoke | Self::RawPredict => Self::Anthropic,
            other => other,
        }
    }

    /// The dialect of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == name)
    }

    /// The call by which a client of this dialect talks with a model; `None` if no client speaks it.
    pub fn chat(self) -> Option<Operation> {
        Operation::ALL.into_iter().find(|operation| operation.dialect() == Some(self))
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/chat/completions`.
    ChatCompletions,
    /// `POST /v1/responses`.
    Responses,
    /// `POST /v1/messages`.
    Messages,
    /// `POST /v1beta/models/{model}:generateContent`, or `:streamGenerateContent`.
    GenerateContent,
    /// `POST /model/{model}/converse`, or `/converse-stream`.
    Converse,
    /// `POST /v1/completions`, the older call of OpenAI's API.
    Completions,
    /// `POST /v1/embeddings`.
    Embeddings,
    /// `POST /v1/rerank`, and Cohere's `POST /v2/rerank`.
    Rerank,
    /// How many tokens a chat would have: `POST /v1/messages/count_tokens`, `POST /v1/responses/input_tokens`,
    /// `POST /v1beta/models/{model}:countTokens`.
    CountTokens,
    /// A websocket, on whatever path.
    Realtime,
    /// `GET /v1/models`: answered by the gateway itself.
    Models,
    /// The gateway's check that its own filters are in the chain.
    Probe,
    /// Any other path: forwarded as it is, and metered.
    Passthrough,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 13] = [
        Self::ChatCompletions,
        Self::Responses,
        Self::Messages,
        Self::GenerateContent,
        Self::Converse,
        Self::Completions,
        Self::Embeddings,
        Self::Rerank,
        Self::CountTokens,
        Self::Realtime,
        Self::Models,
        Self::Probe,
        Self::Passthrough,
    ];

    /// The name used in headers and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::GenerateContent => "generate_content",
            Self::Converse => "converse",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
            Self::CountTokens => "count_tokens",
            Self::Realtime => "realtime",
            Self::Models => "models",
            Self::Probe => "probe",
            Self::Passthrough => "passthrough",
        }
    }

    /// The operation of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }

    /// The dialect of a call that talks with a model, which is counted, cached and translated; `None` for any other call.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::ChatCompletions => Some(Dialect::OpenAi),
            Self::Responses => Some(Dialect::Responses),
            Self::Messages => Some(Dialect::Anthropic),
            Self::GenerateContent => Some(Dialect::Gemini),
            Self::Converse => Some(Dialect::Converse),
            Self::Completions
            | Self::Embeddings
            | Self::Rerank
            | Self::CountTokens
            | Self::Realtime
            | Self::Models
            | Self::Probe
            | Self::Passthrough => None,
        }
    }

    /// Whether it is a call of which the head alone must be as the API says: its body may be anything, and the size of that
    /// stands for its tokens where nobody counts them.
    pub fn is_head_only(self) -> bool {
        self.dialect().is_none() && !matches!(self, Self::Models | Self::Probe)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
