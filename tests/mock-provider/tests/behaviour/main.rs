//! What the mock does, seen by a client over a socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop where it is"
)]

mod accounting;
mod anthropic;
mod client;
mod cohere;
mod control;
mod converse;
mod gemini;
mod hosted;
mod openai;
mod responses;
mod steering;
