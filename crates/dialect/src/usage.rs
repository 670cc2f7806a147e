//! Usage as disjoint counters.
//!
//! Vendors count in two ways. OpenAI's `prompt_tokens` contains the cached ones and `completion_tokens` the
//! reasoning ones; Anthropic's `input_tokens` leaves out what was read from or written to the cache. Whoever adds
//! a vendor's figures up as they stand counts some tokens twice or not at all. Here every token stands in exactly
//! one counter.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat/object>,
//! <https://docs.claude.com/en/api/messages>, <https://docs.claude.com/en/docs/build-with-claude/prompt-caching>.

use serde::{Deserialize, Serialize};

/// Tokens of one answer, each in one counter only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Input that no cache covered.
    pub input: u64,
    /// Input read from the provider's prompt cache.
    pub cache_read: u64,
    /// Input written to a prompt cache that lives five minutes, or an unnamed time.
    pub cache_write: u64,
    /// Input written to a prompt cache that lives an hour.
    pub cache_write_1h: u64,
    /// Output that the client can see.
    pub output: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
}

impl Usage {
    /// All tokens of input.
    pub fn total_input(&self) -> u64 {
        self.input
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
            .saturating_add(self.cache_write_1h)
    }

    /// All tokens of output.
    pub fn total_output(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }
}

/// A usage block as vendors write it; every field may be missing, and a stream may send several blocks, each
/// repeating or completing what came before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct WireUsage {
    prompt_tokens: Tokens,
    completion_tokens: Tokens,
    input_tokens: Tokens,
    output_tokens: Tokens,
    prompt_tokens_details: Option<PromptDetails>,
    input_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    output_tokens_details: Option<CompletionDetails>,
    cache_read_input_tokens: Tokens,
    cache_creation_input_tokens: Tokens,
    cache_creation: Option<CacheCreation>,
    pub(crate) service_tier: Option<String>,
}

/// A number of tokens as providers write it: mostly whole, sometimes `12.0`, sometimes nonsense, which is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tokens(Option<u64>);

/// No answer has more tokens. What claims to would break every sum it entered.
const PLAUSIBLE: f64 = 1e10;

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let number = value.as_f64().filter(|number| (0.0..PLAUSIBLE).contains(number));
        Ok(Self(number.map(|number| number as u64)))
    }
}

/// Gemini's usage block: cached tokens are contained in the prompt's, thoughts stand beside the candidates'.
/// Source: <https://ai.google.dev/api/generate-content#UsageMetadata>.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GeminiUsage {
    prompt_token_count: Tokens,
    cached_content_token_count: Tokens,
    tool_use_prompt_token_count: Tokens,
    candidates_token_count: Tokens,
    thoughts_token_count: Tokens,
}

impl GeminiUsage {
    /// The same in OpenAI's convention.
    pub(crate) fn wire(self) -> WireUsage {
        let sum = |a: Tokens, b: Tokens| Tokens(Some(a.0.unwrap_or(0).saturating_add(b.0.unwrap_or(0))));
        WireUsage {
            prompt_tokens: sum(self.prompt_token_count, self.tool_use_prompt_token_count),
            completion_tokens: sum(self.candidates_token_count, self.thoughts_token_count),
            prompt_tokens_details: Some(PromptDetails {
                cached_tokens: self.cached_content_token_count,
                ..PromptDetails::default()
            }),
            completion_tokens_details: Some(CompletionDetails {
                reasoning_tokens: self.thoughts_token_count,
            }),
            ..WireUsage::default()
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Tokens,
    /// Not OpenAI's: how gateways carry Anthropic's cache writes in OpenAI's shape.
    cache_creation_tokens: Tokens,
    cache_creation: Option<CacheCreation>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Tokens,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Tokens,
}

impl WireUsage {
    /// Takes over what `later` says; what it does not say stays.
    pub(crate) fn update(&mut self, later: Self) {
        fn take<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        take(&mut self.prompt_tokens.0, later.prompt_tokens.0);
        take(&mut self.completion_tokens.0, later.completion_tokens.0);
        take(&mut self.input_tokens.0, later.input_tokens.0);
        take(&mut self.output_tokens.0, later.output_tokens.0);
        take(&mut self.prompt_tokens_details, later.prompt_tokens_details);
        take(&mut self.input_tokens_details, later.input_tokens_details);
        take(&mut self.completion_tokens_details, later.completion_tokens_details);
        take(&mut self.output_tokens_details, later.output_tokens_details);
        take(&mut self.cache_read_input_tokens.0, later.cache_read_input_tokens.0);
        take(&mut self.cache_creation_input_tokens.0, later.cache_creation_input_tokens.0);
        take(&mut self.cache_creation, later.cache_creation);
        take(&mut self.service_tier, later.service_tier);
    }

    /// Reads the block by OpenAI's convention: parts are contained in totals.
    pub(crate) fn openai(&self) -> Usage {
        let prompt = self.prompt_tokens.0.or(self.input_tokens.0).unwrap_or(0);
        let completion = self.completion_tokens.0.or(self.output_tokens.0).unwrap_or(0);
        let details = self.prompt_tokens_details.as_ref().or(self.input_tokens_details.as_ref());
        let details = details.cloned().unwrap_or_default();
        let spent = self.completion_tokens_details.as_ref().or(self.output_tokens_details.as_ref());
        let reasoning = spent.and_then(|details| details.reasoning_tokens.0).unwrap_or(0);
        // A provider's parts may exceed its total by mistake: the total is what it charges.
        let cache_read = details.cached_tokens.0.unwrap_or(0).min(prompt);
        let written = details.cache_creation_tokens.0.unwrap_or(0).min(prompt - cache_read);
        let hour = hour_part(details.cache_creation.as_ref(), written);
        let reasoning = reasoning.min(completion);
        Usage {
            input: prompt - cache_read - written,
            cache_read,
            cache_write: written - hour,
            cache_write_1h: hour,
            output: completion - reasoning,
            reasoning,
        }
    }

    /// Reads the block by Anthropic's convention: counters of input are disjoint already, and output does not
    /// tell thinking apart.
    pub(crate) fn anthropic(&self) -> Usage {
        let written = self.cache_creation_input_tokens.0.unwrap_or(0);
        let hour = hour_part(self.cache_creation.as_ref(), written);
        Usage {
            input: self.input_tokens.0.unwrap_or(0),
            cache_read: self.cache_read_input_tokens.0.unwrap_or(0),
            cache_write: written - hour,
            cache_write_1h: hour,
            output: self.output_tokens.0.unwrap_or(0),
            reasoning: 0,
        }
    }
}

fn hour_part(creation: Option<&CacheCreation>, written: u64) -> u64 {
    creation.and_then(|creation| creation.ephemeral_1h_input_tokens.0).unwrap_or(0).min(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(json: &str) -> WireUsage {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn openai_totals_contain_their_parts() {
        let usage = wire(
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":30}}"#,
        )
        .openai();
        assert_eq!(usage, Usage { input: 40, cache_read: 60, output: 20, reasoning: 30, ..Usage::default() });
        assert_eq!((usage.total_input(), usage.total_output()), (100, 50));
    }

    #[test]
    fn anthropic_counters_are_disjoint() {
        let usage = wire(
            r#"{"input_tokens":10,"cache_read_input_tokens":60,"cache_creation_input_tokens":30,
                "cache_creation":{"ephemeral_5m_input_tokens":20,"ephemeral_1h_input_tokens":10},"output_tokens":5}"#,
        )
        .anthropic();
        assert_eq!(
            usage,
            Usage { input: 10, cache_read: 60, cache_write: 20, cache_write_1h: 10, output: 5, reasoning: 0 }
        );
        assert_eq!(usage.total_input(), 100);
    }

    #[test]
    fn parts_greater_than_their_total_do_not_underflow() {
        let usage = wire(r#"{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":9}}"#).openai();
        assert_eq!(usage, Usage { cache_read: 1, ..Usage::default() });
    }

    #[test]
    fn gemini_counts_thoughts_beside_the_answer() {
        let usage: GeminiUsage = serde_json::from_str(
            r#"{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":22}"#,
        )
        .unwrap();
        let usage = usage.wire().openai();
        assert_eq!(usage, Usage { input: 6, cache_read: 4, output: 5, reasoning: 7, ..Usage::default() });
    }

    #[test]
    fn the_responses_api_has_other_names_for_the_same_counters() {
        let usage = wire(
            r#"{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,
                "output_tokens_details":{"reasoning_tokens":2}}"#,
        )
        .openai();
        assert_eq!(usage, Usage { input: 6, cache_read: 4, output: 5, reasoning: 2, ..Usage::default() });
    }
}
