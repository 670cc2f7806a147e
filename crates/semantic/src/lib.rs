//! Whether the answer to one question answers another.
//!
//! Each step is cheaper than what it saves the next:
//!
//! 1. [`embed`] turns a question into a vector.
//! 2. [`index`] finds the vectors that are nearest to it.
//! 3. [`compare`] looks at the nearest few questions themselves: fixed vetoes first (another number, another name, a negation, two
//!    things that changed places), then boosted trees over cheap features of the pair.
//! 4. [`learn`] moves the threshold of a kept question by what has come of its answers.
//!
//! Word lists, trees and thresholds are data, in `data/verifier.json`, which `fit/` writes.

pub mod compare;
pub mod embed;
pub mod index;
pub mod learn;

use std::fmt;

/// Why a model cannot be used.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read.
    File(std::path::PathBuf, std::io::Error),
    /// The verifier's data are not of the form that this version reads.
    Verifier(String),
    /// The embedding model cannot be loaded or run.
    Model(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Verifier(reason) => write!(f, "the verifier's data cannot be used: {reason}"),
            Self::Model(reason) => write!(f, "the embedding model failed: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
