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
mod signature;
pub(super) mod write_request;

/// What signatures of Gemini's begin with in the hands of clients.
pub(super) const SIGNED: &str = "gemini:";
