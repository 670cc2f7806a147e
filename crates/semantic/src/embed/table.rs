//! A vector for each token, and nothing that runs: for where processors are short.

use super::{Embedder, MiniLm, WordPiece, normalize};
use crate::Error;
use std::path::Path;

/// What the file begins with.
const MAGIC: &[u8; 8] = b"wgtable1";
/// What 1 is kept as.
const ONE: f32 = 127.0;
/// Longer texts are not read whole.
const MOST_TOKENS: usize = 512;

/// The vectors that a sentence model has for single tokens, averaged over the tokens of a text, rare ones more than frequent ones.
///
/// As Model2Vec does it (<https://github.com/MinishLab/model2vec>): a text costs some microseconds instead of milliseconds, and word
/// order is lost.
#[derive(Debug)]
pub struct Table {
    tokenizer: WordPiece,
    dimensions: usize,
    /// The largest number of each token's vector, weighted.
    scales: Vec<f32>,
    numbers: Vec<i8>,
}

impl Table {
    /// Reads the file that [`Table::distil`] writes.
    ///
    /// # Errors
    /// It cannot be read, or is not what it should be.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::from_bytes(&std::fs::read(path).map_err(|error| Error::File(path.to_owned(), error))?)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = || Error::Model("the table of vectors is damaged".to_owned());
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (tokens, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let (dimensions, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let size = |bytes: &[u8; 4]| usize::try_from(u32::from_le_bytes(*bytes)).unwrap_or(usize::MAX);
        let (tokens, dimensions) = (size(tokens), size(dimensions));
        let whole = tokens.checked_mul(dimensions.saturating_add(4)).is_some_and(|bytes| bytes == rest.len());
        if magic != MAGIC || !whole || dimensions == 0 {
            return Err(damaged());
        }
        let (scales, numbers) = rest.split_at_checked(tokens * 4).ok_or_else(damaged)?;
        let (scales, _) = scales.as_chunks::<4>();
        Ok(Self {
            tokenizer: WordPiece::bert()?,
            dimensions,
            scales: scales.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            numbers: numbers.iter().map(|byte| byte.cast_signed()).collect(),
        })
    }

    /// Makes a table from a model, which takes a minute or two.
    ///
    /// # Errors
    /// The model cannot be run, or the file cannot be written.
    pub fn distil(model: &MiniLm, path: &Path) -> Result<(), Error> {
        let tokens = 0..u32::try_from(model.tokens()).unwrap_or(u32::MAX);
        let mut vectors = tokens.map(|token| model.token(token)).collect::<Result<Vec<_>, _>>()?;
        // What all have in common tells nothing apart.
        let mut mean = vec![0.0; model.dimensions()];
        for vector in &vectors {
            mean.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x / vectors.len() as f32);
        }
        let mut bytes = MAGIC.to_vec();
        for size in [vectors.len(), model.dimensions()] {
            bytes.extend(u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        }
        let (mut scales, mut numbers) = (Vec::new(), Vec::new());
        for (rank, vector) in vectors.iter_mut().enumerate() {
            vector.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
            normalize(vector);
            let largest = vector.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
            // The vocabulary has its frequent tokens first, so that the logarithm of a place stands for how rare a token is.
            let weight = (1.0 + rank as f32).ln();
            scales.extend((largest * weight).to_le_bytes());
            numbers.extend(vector.iter().map(|x| ((x / largest * ONE).round() as i8).cast_unsigned()));
        }
        bytes.extend(scales);
        bytes.extend(numbers);
        let beside = path.with_extension("new");
        std::fs::write(&beside, bytes)
            .and_then(|()| std::fs::rename(&beside, path))
            .map_err(|error| Error::File(path.to_owned(), error))
    }
}

impl Embedder for Table {
    fn name(&self) -> &str {
        "all-minilm-l6-v2-table"
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn reads_all(&self, text: &str) -> bool {
        self.tokenizer.reads_all(text, MOST_TOKENS)
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        let embed = |text: &&str| {
            let mut vector = vec![0.0; self.dimensions];
            let tokens = self.tokenizer.encode(text, MOST_TOKENS);
            // Without the tokens that begin and end every text.
            for token in tokens.iter().skip(1).rev().skip(1) {
                let token = usize::try_from(*token).unwrap_or(usize::MAX);
                let scale = self.scales.get(token).copied().unwrap_or(0.0) / ONE;
                let numbers = self.numbers.chunks_exact(self.dimensions).nth(token).unwrap_or_default();
                vector.iter_mut().zip(numbers).for_each(|(sum, x)| *sum += scale * f32::from(*x));
            }
            normalize(&mut vector);
            vector
        };
        Ok(texts.iter().map(embed).collect())
    }
}
