//! What requests use, and what of it a limit counts.

use serde::{Deserialize, Serialize};

/// What one request uses, or may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Money, in micro-dollars.
    #[serde(default, rename = "m")]
    pub micro_dollars: u64,
    /// Tokens of input.
    #[serde(default, rename = "i")]
    pub input_tokens: u64,
    /// Tokens of output, with those of reasoning.
    #[serde(default, rename = "o")]
    pub output_tokens: u64,
    /// Requests.
    #[serde(default, rename = "n")]
    pub requests: u64,
}

/// What a limit counts.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Money, in micro-dollars.
    MicroDollars,
    /// Tokens of input and output.
    Tokens,
    /// Tokens of input.
    InputTokens,
    /// Tokens of output, with those of reasoning.
    OutputTokens,
    /// Requests.
    Requests,
    /// Requests that are under way.
    Concurrent,
}

impl Measure {
    const ALL: [Self; 6] = [
        Self::MicroDollars,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Requests,
        Self::Concurrent,
    ];

    /// The measure of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.as_str() == name)
    }

    /// The name in configuration and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MicroDollars => "micro_dollars",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::Requests => "requests",
            Self::Concurrent => "concurrent",
        }
    }
}

impl Amounts {
    /// The part that a limit of this measure counts when a request is settled. A request that has ended is not under way.
    pub fn of(&self, measure: Measure) -> u64 {
        match measure {
            Measure::MicroDollars => self.micro_dollars,
            Measure::Tokens => self.input_tokens.saturating_add(self.output_tokens),
            Measure::InputTokens => self.input_tokens,
            Measure::OutputTokens => self.output_tokens,
            Measure::Requests => self.requests,
            Measure::Concurrent => 0,
        }
    }

    /// The greater of each part.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            micro_dollars: self.micro_dollars.max(other.micro_dollars),
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            requests: self.requests.max(other.requests),
        }
    }

    /// So many times each part.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self {
            micro_dollars: self.micro_dollars.saturating_mul(times),
            input_tokens: self.input_tokens.saturating_mul(times),
            output_tokens: self.output_tokens.saturating_mul(times),
            requests: self.requests.saturating_mul(times),
        }
    }

    /// The sum of each part.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            micro_dollars: self.micro_dollars.saturating_add(other.micro_dollars),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            requests: self.requests.saturating_add(other.requests),
        }
    }
}
