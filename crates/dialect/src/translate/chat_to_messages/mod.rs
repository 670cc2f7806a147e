//! OpenAI chat completions, answered by Anthropic messages.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat/create>,
//! <https://docs.claude.com/en/api/messages>, <https://docs.claude.com/en/api/messages-streaming>.

mod content;
mod conversation;
pub(super) mod request;
pub(super) mod response;
pub(super) mod stream;
mod thinking;
mod tools;
mod usage;

/// The `finish_reason` for a `stop_reason`. Values that are not known yet end the answer all the same.
fn finish_reason(stop_reason: &str) -> &'static str {
    match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        // `end_turn`, `stop_sequence`, and `pause_turn`: a pause of a server tool, which OpenAI's API does not have.
        _ => "stop",
    }
}
