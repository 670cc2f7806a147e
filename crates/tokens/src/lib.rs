//! Token counting.
//!
//! OpenAI's encodings are counted exactly with `tiktoken-rs`. For families whose encoding is not public the o200k
//! count times a factor is an estimate; the factor can be calibrated by configuration from what providers bill.
//!
//! * [`encoding`] counts text.
//! * [`chat`] counts a request: messages, names, tools, images.
//! * [`completion`] says what is generated and not returned.
//! * [`family`] says how a model is counted, by its name.

pub mod chat;
pub mod completion;
pub mod encoding;
pub mod family;
mod memo;
