//! What every dialect can say, in the form that stands between any two of them.
//!
//! A dialect is a folder beside this one. Each of its files is one direction:
//!
//! | file | direction | who needs it |
//! | --- | --- | --- |
//! | `read_request.rs` | a client's body to a [`Request`] | dialects that clients speak |
//! | `write_request.rs` | a [`Request`] to the provider's body | dialects that providers speak |
//! | `read_answer.rs` | the provider's answer or stream to [`Event`]s | dialects that providers speak |
//! | `write_answer.rs` | [`Event`]s to the client's answer or stream | dialects that clients speak |
//!
//! So a new dialect is four files, whatever the number of others. No file knows a second dialect, but for clouds that serve another's API
//! with a head of their own: their folder writes that head around what the other's files write.
//!
//! # What keeps it exact
//!
//! Texts stay in the JSON form in which they came ([`Text`]), and what nobody needs to look into stays text. A field that the client's
//! dialect does not define is kept in `rest` beside what was read, and is written as it came: so what only the provider defines can be
//! used through any dialect. A field that the client's dialect defines has a place in this model, and a writer that cannot write it says
//! so to the [`Report`](super::report::Report), with the path that it has in the client's body.
//!
//! # What was not chosen
//!
//! * **A translator for each pair.** Five client dialects and eight of providers are thirty-five of them, each with the same mistakes to make.
//! * **One vendor's format as the form between.** What that vendor lacks (signed thinking in OpenAI's chat, several choices in
//!   Anthropic's messages) would be lost between two others that have it.
//! * **A model of plain Rust values.** Reading and writing every text and number again costs more than all the rest, and changes
//!   numbers and escapes that were meant as they stood.

mod answer;
mod event;
mod request;
mod text;

pub(in crate::translate) use answer::{ReadAnswer, Sink, WriteAnswer};
pub(in crate::translate) use event::{Event, Stop, Used};
pub(in crate::translate) use request::{
    Choice, Effort, Format, NO_PARAMETERS, Part, PartKind, Place, Reasoning, Request, Role, Setting, Source,
    Tool, Turn, Want,
};
pub(in crate::translate) use text::Text;
