//! Verbs of the command that are more than a call of the library.

mod client;
pub(crate) mod manage;
pub(crate) mod prices;
mod table;
