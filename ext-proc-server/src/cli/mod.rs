//! Verbs of the command that are more than a call of the library.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

mod client;
pub(crate) mod manage;
pub(crate) mod prices;
mod table;

/// Writes to the standard output. Whoever stops to read it, as `head` does, has what they want.
pub(crate) fn print(text: impl Display) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("cannot write to the standard output: {error}"))
        }
        _ => Ok(()),
    }
}
