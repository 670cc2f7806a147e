//! Usage. Bedrock's counters of input are disjoint, as Anthropic's are.

use crate::translate::neutral::Used;
use crate::translate::raw::{self, Object};
use crate::usage::Usage;
use serde_json::value::RawValue;

/// What was used, if anything is known of it.
pub(super) fn read(usage: &RawValue) -> Option<Used<'_>> {
    let mut fields = Object::open(usage)?;
    let mut count = |name: &str| fields.take(name).and_then(number);
    let (input, output, _) = (count("inputTokens"), count("outputTokens"), count("totalTokens"));
    let (read, written) = (count("cacheReadInputTokens"), count("cacheWriteInputTokens"));
    // Older answers have the same under these names.
    let (older_read, older_written) = (count("cacheReadInputTokenCount"), count("cacheWriteInputTokenCount"));
    let (read, written) = (read.or(older_read), written.or(older_written));
    let hour = fields.take("cacheDetails").map_or(0, of_an_hour).min(written.unwrap_or(0));
    let tokens = Usage {
        input: input.unwrap_or(0),
        cache_read: read.unwrap_or(0),
        cache_write: written.unwrap_or(0) - hour,
        cache_write_1h: hour,
        output: output.unwrap_or(0),
        ..Usage::default()
    };
    Some(Used { tokens, counts_cache_writes: written.is_some(), rest: fields, ..Used::default() })
}

/// For how long the cache keeps what was written to it, in Anthropic's form. `None`: the answer does not say.
pub(super) fn cache_creation(usage: &RawValue) -> Option<Box<RawValue>> {
    let mut fields = Object::open(usage)?;
    let hour = of_an_hour(fields.take("cacheDetails")?);
    let written = fields.take("cacheWriteInputTokens").and_then(number)?;
    let (hour, rest) = (hour.min(written), written.saturating_sub(hour));
    let json = format!(r#"{{"ephemeral_5m_input_tokens":{rest},"ephemeral_1h_input_tokens":{hour}}}"#);
    RawValue::from_string(json).ok()
}

/// Tokens that were written to be kept for an hour.
fn of_an_hour(details: &RawValue) -> u64 {
    let details = raw::array(details).unwrap_or_default();
    let hours = details.into_iter().filter_map(|detail| {
        let mut detail = Object::open(detail)?;
        let ttl = detail.take("ttl").and_then(raw::string)?;
        if ttl == "1h" { detail.take("inputTokens").and_then(number) } else { None }
    });
    hours.fold(0, u64::saturating_add)
}

/// A number of tokens. What is none is left out, so that it does not hide the others.
fn number(value: &RawValue) -> Option<u64> {
    value
        .get()
        .parse()
        .ok()
        .or_else(|| raw::number(value).filter(|tokens| *tokens >= 0.0).map(|tokens| tokens as u64))
}
