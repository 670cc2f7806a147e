//! OpenAI's chat completions, and the many servers that speak them too.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/chat/create>,
//! <https://platform.openai.com/docs/api-reference/chat/object>,
//! <https://platform.openai.com/docs/api-reference/chat-streaming>.

pub(super) mod read_answer;
pub(super) mod read_request;
pub(super) mod write_answer;
pub(super) mod write_request;
