//! The wire formats of the model providers, and the translations between them.
//!
//! This crate knows bytes and JSON, nothing of Envoy, sockets or clocks. It is compiled both into the
//! wasm filters and into the service.
//!
//! * [`Dialect`] and [`Operation`] name what a client speaks and asks for.
//! * [`head`] reads the few fields that routing needs, without a JSON tree.
//! * [`form`] reads those of a form.
//! * [`prompt`] shows the text of a request to the guard and the token counter.
//! * [`endpoint`] knows the paths of calls, and where they name the model.
//! * [`error`] writes an error the way the client's API would.
//! * [`answer`] and [`usage`] read what an answer cost.
//! * [`cached`] tells equal requests, and keeps answers for both forms.
//! * [`rerank`] brings documents that are to be ranked into the form that a provider takes.
//! * [`sse`] cuts a byte stream into server-sent events, [`event_stream`] into the messages of Amazon's.
//! * [`framing`] cuts the stream of any client into its events.
//! * [`translate`] rewrites requests and answers from one dialect to another.

pub mod answer;
pub mod cached;
pub mod cut;
pub mod endpoint;
pub mod error;
pub mod event_stream;
pub mod form;
pub mod framing;
pub mod head;
mod layout;
mod names;
pub mod prompt;
pub mod rerank;
pub mod sse;
pub mod translate;
pub mod usage;

pub use names::{Dialect, Operation};
