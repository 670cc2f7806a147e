//! Requests to load with.

use bytes::Bytes;
use clap::ValueEnum;
use serde_json::json;

use crate::load::LoadConfig;

/// Text that a prompt is filled with: plain prose, so that a tokenizer has its usual work.
const PROSE: &str = "The river rises in the hills north of the town and is dammed twice before it reaches the \
    plain. Below the second weir it is slow and wide, and in dry summers the fields beside it are watered from \
    a channel that was cut four hundred years ago. Please explain to somebody who has never seen such a channel \
    how the amount of water that each field receives was measured, who decided about it, and what was done when \
    there was too little for all. ";

/// A kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// An OpenAI chat completion.
    Chat,
    /// The same, streamed with usage.
    ChatStream,
    /// An Anthropic message.
    Messages,
    /// The same, streamed.
    MessagesStream,
}

impl Preset {
    /// The path of the provider's API.
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat | Self::ChatStream => "/v1/chat/completions",
            Self::Messages | Self::MessagesStream => "/v1/messages",
        }
    }

    /// Whether the answer is a stream.
    pub fn is_streaming(self) -> bool {
        matches!(self, Self::ChatStream | Self::MessagesStream)
    }

    /// The headers that carry the key.
    pub fn headers(self, key: &str) -> Vec<(String, String)> {
        let headers = match self {
            Self::Chat | Self::ChatStream => vec![("authorization", format!("Bearer {key}"))],
            Self::Messages | Self::MessagesStream => {
                vec![("x-api-key", key.to_owned()), ("anthropic-version", "2023-06-01".to_owned())]
            }
        };
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// A request body with a prompt of `prompt_bytes`.
    pub fn body(self, model: &str, prompt_bytes: usize) -> Bytes {
        let prompt: String = PROSE.chars().cycle().take(prompt_bytes).collect();
        let messages = json!([{"role": "user", "content": prompt}]);
        let body = match self {
            Self::Chat => json!({"model": model, "messages": messages}),
            Self::ChatStream => json!({
                "model": model, "messages": messages, "stream": true, "stream_options": {"include_usage": true}}),
            Self::Messages => json!({"model": model, "max_tokens": 4096, "messages": messages}),
            Self::MessagesStream => {
                json!({"model": model, "max_tokens": 4096, "messages": messages, "stream": true})
            }
        };
        Bytes::from(body.to_string())
    }

    /// A load of this kind against a server; what else it needs is set by the caller.
    pub fn load(self, base_url: &str, key: &str, model: &str, prompt_bytes: usize) -> LoadConfig {
        LoadConfig {
            url: format!("{}{}", base_url.trim_end_matches('/'), self.path()),
            headers: self.headers(key),
            body: self.body(model, prompt_bytes),
            streaming: self.is_streaming(),
            ..LoadConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_have_the_length_asked_for() {
        for preset in [Preset::Chat, Preset::ChatStream, Preset::Messages, Preset::MessagesStream] {
            let body: serde_json::Value = serde_json::from_slice(&preset.body("m", 1_000)).unwrap();
            assert_eq!(body["messages"][0]["content"].as_str().unwrap().len(), 1_000);
            assert_eq!(body["stream"] == true, preset.is_streaming());
        }
    }
}
