//! What one part tells another through Envoy, as JSON.

use serde::{Deserialize, Serialize};
use weirgate_dialect::translate::embeddings::Wanted;
use weirgate_dialect::usage::Usage;
use weirgate_dialect::{Dialect, Operation};

/// What `provider-select` read from a request. Record needs it for requests that decide never saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHead {
    /// The id of the request, and of its reservation.
    pub id: String,
    /// The client's dialect.
    pub dialect: Dialect,
    /// What is asked for.
    pub operation: Operation,
    /// The model asked for; empty if the request names none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Whether the answer is to be streamed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// SHA-256 of the client's key, in hexadecimal; empty without a key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key_digest: String,
    /// Why a filter refused the request, if one did: the error's code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused: String,
    /// What the client says is to become of fields that a provider cannot take, `drop` or `reject`; empty: as is configured.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unsupported_fields: String,
}

/// What translate has found in a request, for `provider-select` that translates the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translated {
    /// Whether the client gets a usage chunk at the end of a stream.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_usage: bool,
    /// Names of fields that were left out, as the client is told them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub dropped: String,
    /// The vectors that are asked for, where it is no chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<Wanted>,
}

/// What a request asks for, as far as a cache of answers has to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// SHA-256 of all that shapes the answer but the model, in hexadecimal.
    #[serde(rename = "d")]
    pub digest: String,
    /// SHA-256 of the same without the question, in hexadecimal.
    #[serde(rename = "c")]
    pub context: String,
    /// The last thing that the user says, where that is only text and not too long.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// Whether the model is to give the same answer each time.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub deterministic: bool,
    /// Whether the model may call tools.
    #[serde(rename = "t", default, skip_serializing_if = "std::ops::Not::not")]
    pub tools: bool,
}

/// What decide settled on. Record needs it to settle the reservation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The reservation to settle: unique per request, never chosen by a client.
    pub id: String,
    /// The name of the key; empty if none was accepted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The model asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Tokens counted in the prompt.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens of output that were reserved.
    #[serde(default)]
    pub output_tokens: u64,
    /// The cap on the tokens of one answer, to be set for the provider where the client gave none, so that no more is generated
    /// than was reserved. `None`: none has to be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_cap: Option<u64>,
    /// Micro-dollars that were reserved.
    #[serde(default)]
    pub reserved_micros: u64,
    /// Why decide refused, if it did: the error's code.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused: String,
    /// Whether the gateway has answered itself, for which nothing was reserved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub answered: bool,
    /// What the cache answered with; absent: a provider is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<Cached>,
    /// The end user of a request that was refused. Of others the reservation knows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub end_user: String,
    /// The tags of a request that was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// An answer of the cache, for record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cached {
    /// `exact` or `semantic`.
    pub kind: String,
    /// The id of the entry.
    pub entry: String,
    /// What is charged for it, in micro-dollars.
    pub charge_micros: u64,
    /// What asking a provider would have cost more, in micro-dollars.
    pub saved_micros: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What `token-counter` saw of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The tokens.
    #[serde(flatten)]
    pub usage: Usage,
    /// As how many searches the provider bills the call, where that is what it bills.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub searches: u64,
    /// Where the figures come from.
    pub source: CountSource,
    /// The provider's service tier, such as `batch` or `priority`; empty for the standard one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tier: String,
    /// Whether the answer was seen to its end.
    #[serde(default)]
    pub complete: bool,
    /// Whether the model has ended what it generates, so that nothing came after what was seen.
    #[serde(default)]
    pub finished: bool,
}

/// Where a usage figure comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountSource {
    /// The provider's own usage block.
    Provider,
    /// Weirgate's own count of what passed.
    Counted,
    /// Nothing was generated as far as can be known: the request was refused or failed.
    #[default]
    Nothing,
    /// Nobody can know: charged as it was reserved.
    Reserved,
}
