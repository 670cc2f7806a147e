//! Sentence embeddings.

mod minilm;
mod table;
mod wordpiece;

pub use minilm::MiniLm;
pub use table::Table;
pub use wordpiece::WordPiece;

use crate::Error;
use std::fmt;

/// Turns texts into vectors of length one, so that texts that mean about the same have a small angle between them.
pub trait Embedder: Send + Sync + fmt::Debug {
    /// Names the model, and the version of what was made of it. Vectors of two names cannot be compared.
    fn name(&self) -> &str;

    /// How many numbers a vector has.
    fn dimensions(&self) -> usize;

    /// Whether all of a text is read. What is cut off cannot be told from what it was cut off from.
    fn reads_all(&self, text: &str) -> bool;

    /// A vector for each text.
    ///
    /// # Errors
    /// The model cannot be run.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error>;
}

/// The inner product: of vectors of length one, the cosine of the angle between them.
#[must_use]
pub fn cosine(one: &[f32], other: &[f32]) -> f32 {
    // Eight sums side by side let the compiler use vector instructions.
    let mut sums = [0.0_f32; 8];
    let (ones, others) = (one.chunks_exact(8), other.chunks_exact(8));
    let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(x, y)| x * y).sum();
    for (xs, ys) in ones.zip(others) {
        for (sum, (x, y)) in sums.iter_mut().zip(xs.iter().zip(ys)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Makes a vector one of length one. One of zeros stays as it is.
pub fn normalize(vector: &mut [f32]) {
    let length = cosine(vector, vector).sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
}
