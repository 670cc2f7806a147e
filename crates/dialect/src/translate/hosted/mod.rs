//! Anthropic's messages as clouds serve them: by `InvokeModel` of Bedrock, and by `rawPredict` of Vertex AI.
//!
//! Both take Anthropic's body but for its head: the path names the model, and a field says which version of the API is meant. Their
//! answers are Anthropic's; Bedrock puts the events of a stream into Amazon's framing. So requests of other dialects are written, and
//! answers read, as for Anthropic itself, and between Anthropic's clients and these providers nothing is translated at all.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html>,
//! <https://docs.claude.com/en/api/claude-on-vertex-ai>, and Anthropic's SDKs for both.

pub(super) mod same;
pub(super) mod write_request;

use crate::Dialect;

/// Who serves Anthropic's models besides Anthropic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Bedrock,
    Vertex,
}

impl Host {
    /// The host whose dialect it is.
    pub(super) fn of(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::Invoke => Some(Self::Bedrock),
            Dialect::RawPredict => Some(Self::Vertex),
            _ => None,
        }
    }

    /// The version of the API that it insists on.
    fn version(self) -> &'static str {
        match self {
            Self::Bedrock => "bedrock-2023-05-31",
            Self::Vertex => "vertex-2023-10-16",
        }
    }
}
