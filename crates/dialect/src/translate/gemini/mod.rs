//! Gemini's `generateContent` and `streamGenerateContent?alt=sse`, whose bodies are the same at AI Studio and at Vertex AI.
//!
//! The model and whether the answer is a stream stand in the path of a request, not in its body.
//!
//! # Signatures
//!
//! Gemini signs parts of its answers (`thoughtSignature`), and from Gemini 3 on refuses calls that come back without theirs.
//! Other dialects know signatures of thinking only. So the signature of a part goes to clients as that of a thinking block
//! before it, marked as Gemini's and with the part that it belongs to ([`signature`]), and is put back where it was.
//!
//! A Gemini client that talks with another provider gets that provider's signatures as signatures of thoughts. They are bytes to such a
//! client, so they go to it in base64.
//!
//! # Ids of calls
//!
//! From Gemini 3 on every call has an id, which its result has to name. Older models have none, and their servers refuse the
//! field, so that results are told apart by their names and their order.
//!
//! Sources: <https://ai.google.dev/api/generate-content>, <https://ai.google.dev/api/caching#Content>,
//! <https://ai.google.dev/gemini-api/docs/thought-signatures>, <https://ai.google.dev/gemini-api/docs/thinking>,
//! <https://ai.google.dev/gemini-api/docs/function-calling>, <https://ai.google.dev/gemini-api/docs/file-input-methods>,
//! <https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking>.

mod model;
pub(super) mod read_answer;
pub(super) mod read_request;
mod signature;
pub(super) mod write_answer;
pub(super) mod write_request;

/// The other name of a field: Google's servers take both.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
