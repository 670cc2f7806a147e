//! Verbs of the command that are more than a call of the library.

pub(crate) mod prices;
