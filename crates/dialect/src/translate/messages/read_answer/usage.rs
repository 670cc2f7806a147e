//! Usage. Anthropic's counters of input are disjoint.

use crate::translate::neutral::{Text, Used};
use crate::translate::raw::{self, Object};
use crate::usage::Usage;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Counters in one answer; more than the API sends.
const MOST_COUNTERS: usize = 64;

/// Those that have a place in the neutral form.
const KNOWN: [&str; 6] = [
    "input_tokens",
    "output_tokens",
    "output_tokens_details",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
];

/// The counters of an answer, gathered from the events of a stream or from one block.
#[derive(Debug, Default)]
pub(super) struct Counters {
    counters: Vec<(String, Box<RawValue>)>,
}

impl Counters {
    /// Takes over what the block at the begin of a stream says. Its output is a place holder.
    pub(super) fn begin(&mut self, block: Option<&RawValue>) {
        let mut block = block.and_then(Object::open).unwrap_or_default();
        block.remove(&["output_tokens"]);
        self.take(block);
    }

    /// Takes over what this block says; what it does not say stays.
    pub(super) fn update(&mut self, block: Option<&RawValue>) {
        self.take(block.and_then(Object::open).unwrap_or_default());
    }

    fn take(&mut self, block: Object<'_>) {
        let block = block.into_fields();
        for (name, value) in block.into_iter().filter(|(_, value)| value.get() != "null") {
            let is_full = self.counters.len() >= MOST_COUNTERS;
            match self.counters.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value.to_owned(),
                None if !is_full => {
                    self.counters.push((name.into_owned(), value.to_owned()));
                }
                None => {}
            }
        }
    }

    fn get(&self, name: &str) -> Option<&RawValue> {
        self.counters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// The tier that the answer came from, in the provider's words.
    pub(super) fn tier(&self) -> Option<Text<'static>> {
        let tier = self.get("service_tier").and_then(raw::string)?;
        Some(tier.into_owned().into())
    }

    /// What was used, if anything is known of it.
    pub(super) fn used(&self) -> Option<Used<'_>> {
        if self.counters.is_empty() {
            return None;
        }
        let count = |name: &str| self.get(name).and_then(number);
        let within =
            |name: &str, part: &str| self.get(name).and_then(Object::open)?.take(part).and_then(number);
        let written = count("cache_creation_input_tokens");
        let cache_creation = self.get("cache_creation").filter(|split| split.get().starts_with('{'));
        let hour = within("cache_creation", "ephemeral_1h_input_tokens").unwrap_or(0);
        let hour = hour.min(written.unwrap_or(0));
        let output = count("output_tokens").unwrap_or(0);
        let thinking = within("output_tokens_details", "thinking_tokens");
        let reasoning = thinking.unwrap_or(0).min(output);
        let tokens = Usage {
            input: count("input_tokens").unwrap_or(0),
            cache_read: count("cache_read_input_tokens").unwrap_or(0),
            cache_write: written.unwrap_or(0) - hour,
            cache_write_1h: hour,
            output: output - reasoning,
            reasoning,
            ..Usage::default()
        };
        let rest = self.counters.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
        let rest = rest.map(|(name, value)| (Cow::Borrowed(name.as_str()), value.as_ref())).collect();
        Some(Used {
            tokens,
            counts_reasoning: thinking.is_some(),
            counts_cache_writes: written.is_some(),
            cache_creation,
            rest: Object::from_fields(rest),
        })
    }
}

/// A number of tokens. What is none is left out, so that it does not hide the others.
fn number(value: &RawValue) -> Option<u64> {
    // A number that is too great becomes the greatest.
    value
        .get()
        .parse()
        .ok()
        .or_else(|| raw::number(value).filter(|tokens| *tokens >= 0.0).map(|tokens| tokens as u64))
}
