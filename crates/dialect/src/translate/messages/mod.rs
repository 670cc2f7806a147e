//! Anthropic's messages.
//!
//! Sources: <https://docs.claude.com/en/api/messages>, <https://docs.claude.com/en/api/messages-streaming>,
//! <https://docs.claude.com/en/api/errors>.

pub(super) mod read_answer;
pub(super) mod read_request;
pub(super) mod write_answer;
pub(super) mod write_request;
