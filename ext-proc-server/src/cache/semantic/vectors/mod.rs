//! Where the questions are kept whose answers are known, with their embeddings. It is public for the benchmarks, which measure each store.
//!
//! A store of vectors only finds questions. Whether their answers still exist is for the store of answers to say, so what was
//! forgotten there is never given, even where its vector is still found here.

mod memory;
mod name;
mod postgres;
mod redis;

pub use memory::Memory;
pub use postgres::{Postgres, Settings as PostgresSettings};
pub use redis::Shared;

pub use super::super::store::Error;
use std::fmt;

/// A question whose answer is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What has to be equal for its answer to be given at all: SHA-256, in hexadecimal.
    pub group: String,
    /// The key of its answer, which no other point has: SHA-256, in hexadecimal.
    pub key: String,
    /// The question.
    pub text: String,
    /// Its embedding, of length one.
    pub vector: Vec<f32>,
}

/// A question that is near to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour {
    /// The key of its answer.
    pub key: String,
    /// The question.
    pub text: String,
    /// Its embedding, to about three digits.
    pub vector: Vec<f32>,
    /// The cosine of the angle between the two embeddings.
    pub similarity: f32,
}

/// A store of vectors. It may forget at any time.
#[tonic::async_trait]
pub trait Vectors: Send + Sync + fmt::Debug {
    /// The nearest questions of a group, at most so many, the nearest first.
    async fn nearest(&self, group: &str, vector: &[f32], count: usize) -> Result<Vec<Neighbour>, Error>;

    /// Keeps a question, in place of the one that has its key.
    async fn put(&self, point: Point) -> Result<(), Error>;

    /// Forgets the question of a key.
    async fn forget(&self, group: &str, key: &str) -> Result<(), Error>;

    /// How many questions this process keeps, and about what they take in bytes; nothing where they are kept elsewhere.
    fn size(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Does what is to be done every second or so. May wait for a disk.
    ///
    /// # Errors
    /// The disk cannot be written.
    fn maintain(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
