//! Cohere's chat, version 2 (`POST /v2/chat`).
//!
//! It looks like OpenAI's, with other names and fewer places: what the system, the user and the model say are messages, and so are
//! the results of tools.
//!
//! Sources: <https://docs.cohere.com/reference/chat>, <https://docs.cohere.com/reference/chat-stream>,
//! <https://docs.cohere.com/docs/reasoning>, <https://docs.cohere.com/docs/structured-outputs>, and the types of Cohere's SDK.

pub(super) mod read_answer;
pub(super) mod write_request;

/// Whether a model thinks before it answers. Others refuse to be told how.
fn thinks(model: &str) -> bool {
    model.contains("reasoning")
}
