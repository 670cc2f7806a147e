//! What an answer says, piece by piece. A plain answer is the same pieces at once.

use super::Text;
use crate::translate::raw::Object;
use crate::usage::Usage;
use serde_json::value::RawValue;

/// One piece of an answer. Pieces of one choice come in the order in which its client reads them.
#[derive(Debug)]
pub(in crate::translate) enum Event<'a> {
    /// The answer begins. Comes first and once. `rest`: fields of a plain answer that no dialect but the provider's has.
    Start { id: Option<Text<'a>>, model: Option<Text<'a>>, rest: Object<'a> },
    /// More of the text that the client shows. An empty one says that the choice begins.
    Text { choice: u32, text: Text<'a> },
    /// More of the text by which the model refuses.
    Refusal { choice: u32, text: Text<'a> },
    /// More of what the model thinks. An empty one says that it begins to.
    Thinking { choice: u32, text: Text<'a> },
    /// What proves that the thinking before it is the model's own. It is sent back with the next request.
    Signature { choice: u32, signature: Text<'a> },
    /// Thinking that only the provider can read, to be sent back as it is.
    SealedThinking { choice: u32, data: Text<'a> },
    /// The model calls a tool. `call`: the number of the call in its choice, from 0.
    Call { choice: u32, call: u32, id: Text<'a>, name: Text<'a> },
    /// More of the JSON text of a call's arguments. Calls may take turns.
    Arguments { choice: u32, call: u32, json: Text<'a> },
    /// Where something in the text before comes from, in the provider's form.
    Citation { choice: u32, citation: &'a RawValue },
    /// How likely each token was, in OpenAI's form.
    Logprobs { choice: u32, logprobs: &'a RawValue },
    /// A choice is at its end.
    Stop { choice: u32, stop: Stop, sequence: Option<Text<'a>> },
    /// What the answer has used so far. Each replaces the one before.
    Usage(Used<'a>),
    /// The service tier that the answer came from, in the provider's words.
    Tier(Text<'a>),
    /// The provider fails, and says why in the fields of its error; or as a `text`, where that is no JSON. `rest`: what stands
    /// beside the error.
    Failed { status: u16, error: Object<'a>, text: Option<Text<'a>>, rest: Object<'a> },
    /// The answer is whole. An answer without this was cut.
    End,
}

impl Event<'_> {
    /// The choice that it belongs to, if it belongs to one.
    pub(in crate::translate) fn choice(&self) -> Option<u32> {
        match self {
            Self::Text { choice, .. }
            | Self::Refusal { choice, .. }
            | Self::Thinking { choice, .. }
            | Self::Signature { choice, .. }
            | Self::SealedThinking { choice, .. }
            | Self::Call { choice, .. }
            | Self::Arguments { choice, .. }
            | Self::Citation { choice, .. }
            | Self::Logprobs { choice, .. }
            | Self::Stop { choice, .. } => Some(*choice),
            Self::Start { .. } | Self::Usage(_) | Self::Tier(_) | Self::Failed { .. } | Self::End => None,
        }
    }
}

/// What an answer has used.
#[derive(Debug, Default)]
pub(in crate::translate) struct Used<'a> {
    pub(in crate::translate) tokens: Usage,
    /// Whether the provider counts these parts of the tokens, so that 0 says something.
    pub(in crate::translate) counts_reasoning: bool,
    pub(in crate::translate) counts_cache_writes: bool,
    /// For how long the provider's cache keeps what was written to it, in Anthropic's form.
    pub(in crate::translate) cache_creation: Option<&'a RawValue>,
    /// What the provider counts besides.
    pub(in crate::translate) rest: Object<'a>,
}

impl From<Usage> for Used<'_> {
    /// Of providers that count the reasoning.
    fn from(tokens: Usage) -> Self {
        Self { tokens, counts_reasoning: true, ..Self::default() }
    }
}

/// Why a choice is at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::translate) enum Stop {
    /// The model said all it had to say.
    End,
    /// A stop sequence of the client's came up.
    Sequence,
    /// The limit of generated tokens.
    Length,
    /// The model wants the results of its calls.
    Calls,
    /// The model, or a filter behind it, refuses.
    Refused,
    /// A tool of the provider's own takes longer, and the client is to ask again.
    Paused,
}
