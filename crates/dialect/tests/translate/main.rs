//! Requests and answers as the vendors' APIs show them, translated and compared with files.
//!
//! After a change that is meant, `UPDATE_EXPECTED=1 cargo test -p weirgate-dialect` writes the expected files anew.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod answers;
mod any_input;
mod any_pair;
mod pairs;
mod requests;
mod support;
mod table;
