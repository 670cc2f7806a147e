//! OpenAI's responses, and the servers that speak them too.
//!
//! A conversation is a list of items: messages, what was thought, calls and their results each stand for themselves. Those of the
//! model that follow each other are one turn.
//!
//! # Nothing is kept
//!
//! The provider may keep answers and conversations, so that a request names one instead of repeating it. Where requests go to one
//! provider or another, none of them knows what another keeps: such requests are refused with a reason, and requests that are written
//! here ask the provider to keep nothing and to give all that the next request needs (`store: false`, `reasoning.encrypted_content`).
//!
//! # Signatures
//!
//! What a model of OpenAI's has thought comes as an item with an id and an encrypted text. Other dialects know signatures of thinking
//! only. So both go to clients as a signature that is marked as OpenAI's, and become an item again when they come back. Signatures of
//! others go to clients of this dialect as encrypted text, marked too ([`signature`]).
//!
//! Sources: <https://platform.openai.com/docs/api-reference/responses/create>,
//! <https://platform.openai.com/docs/api-reference/responses/object>,
//! <https://platform.openai.com/docs/api-reference/responses-streaming>,
//! <https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items>.

pub(super) mod read_answer;
pub(super) mod read_request;
mod signature;
pub(super) mod write_answer;
pub(super) mod write_request;
