//! Usage. Anthropic's counters of input are disjoint; OpenAI's `prompt_tokens` is their sum.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// Counters in one answer; more than a vendor would send.
const MOST_COUNTERS: usize = 64;

/// A usage block, gathered from the events of a stream or from an answer.
#[derive(Debug, Default)]
pub(super) struct Usage {
    counters: Map<String, Value>,
}

impl Usage {
    /// Takes over what this block says; what it does not say stays.
    pub(super) fn update(&mut self, block: &RawValue) {
        let block: Map<String, Value> = serde_json::from_str(block.get()).unwrap_or_default();
        for (name, value) in block {
            if !value.is_null() && self.counters.len() < MOST_COUNTERS {
                self.counters.insert(name, value);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }

    /// OpenAI's name of the tier that the answer came from.
    pub(super) fn service_tier(&self) -> Option<&str> {
        match self.counters.get("service_tier")?.as_str()? {
            "standard" => Some("default"),
            other => Some(other),
        }
    }

    /// The block as OpenAI writes it. Counters it does not know are kept under their own names.
    pub(super) fn to_chat(&self) -> Value {
        let count = |name: &str| self.counters.get(name).and_then(Value::as_u64);
        let (cached, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
        let prompt = count("input_tokens")
            .unwrap_or(0)
            .saturating_add(cached.unwrap_or(0))
            .saturating_add(written.unwrap_or(0));
        let completion = count("output_tokens").unwrap_or(0);
        let mut details = Map::new();
        details.insert("cached_tokens".to_owned(), cached.unwrap_or(0).into());
        if let Some(written) = written {
            details.insert("cache_creation_tokens".to_owned(), written.into());
        }
        if let Some(split) = self.counters.get("cache_creation") {
            // How long the written tokens are kept, which decides their price.
            details.insert("cache_creation".to_owned(), split.clone());
        }
        let mut usage = Map::new();
        usage.insert("prompt_tokens".to_owned(), prompt.into());
        usage.insert("completion_tokens".to_owned(), completion.into());
        usage.insert("total_tokens".to_owned(), prompt.saturating_add(completion).into());
        usage.insert("prompt_tokens_details".to_owned(), details.into());
        let thinking =
            self.counters.get("output_tokens_details").and_then(|part| part.get("thinking_tokens"));
        if let Some(thinking) = thinking.and_then(Value::as_u64) {
            usage.insert("completion_tokens_details".to_owned(), json!({"reasoning_tokens": thinking}));
        }
        const READ: [&str; 6] = [
            "input_tokens",
            "output_tokens",
            "output_tokens_details",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
        ];
        for (name, value) in &self.counters {
            if !READ.contains(&name.as_str()) && !usage.contains_key(name) {
                usage.insert(name.clone(), value.clone());
            }
        }
        usage.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(blocks: &[Value]) -> Usage {
        let mut usage = Usage::default();
        for block in blocks {
            usage.update(serde_json::from_str(&block.to_string()).unwrap());
        }
        usage
    }

    #[test]
    fn the_prompt_is_all_of_the_input() {
        let usage = usage(&[json!({
            "input_tokens": 10, "cache_read_input_tokens": 200, "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
            "output_tokens": 5, "service_tier": "standard", "server_tool_use": {"web_search_requests": 1},
        })]);
        assert_eq!(
            usage.to_chat(),
            json!({
                "prompt_tokens": 240, "completion_tokens": 5, "total_tokens": 245,
                "prompt_tokens_details": {
                    "cached_tokens": 200, "cache_creation_tokens": 30,
                    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10},
                },
                "service_tier": "standard", "server_tool_use": {"web_search_requests": 1},
            })
        );
        assert_eq!(usage.service_tier(), Some("default"));
    }

    #[test]
    fn later_blocks_override_earlier_ones() {
        let usage = usage(&[
            json!({"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}),
            json!({"input_tokens": 12, "cache_read_input_tokens": null, "output_tokens": 7}),
        ]);
        assert_eq!(
            usage.to_chat(),
            json!({
                "prompt_tokens": 16, "completion_tokens": 7, "total_tokens": 23,
                "prompt_tokens_details": {"cached_tokens": 4},
            })
        );
    }

    #[test]
    fn odd_counters_do_no_harm() {
        let usage = usage(&[
            json!([1]),
            json!({"input_tokens": u64::MAX, "output_tokens": u64::MAX, "prompt_tokens": 3, "cache_creation": 1}),
        ]);
        assert_eq!(usage.to_chat()["total_tokens"], json!(u64::MAX));
        assert_eq!(usage.to_chat()["prompt_tokens"], json!(u64::MAX));
    }
}
