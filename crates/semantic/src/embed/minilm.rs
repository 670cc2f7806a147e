//! all-MiniLM-L6-v2, a sentence transformer of 22 million weights that is good for its size
//! (<https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2>, Apache-2.0).

use super::{Embedder, WordPiece, normalize};
use crate::Error;
use rten::{Model, NodeId, RunOptions, ThreadPool, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, NdTensorView};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Longer texts are not read whole: it is for questions, and the cost grows with the length.
const MOST_TOKENS: usize = 128;
const DIMENSIONS: usize = 384;

/// The model in ONNX form, with weights of eight bits or more, run on the thread that asks.
pub struct MiniLm {
    model: Model,
    tokenizer: WordPiece,
    inputs: [NodeId; 3],
    output: NodeId,
    pool: Arc<ThreadPool>,
}

impl fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiniLm").finish_non_exhaustive()
    }
}

impl MiniLm {
    /// Reads a file in ONNX form.
    ///
    /// # Errors
    /// It cannot be read, or is not what it should be.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|error| Error::File(path.to_owned(), error))?;
        let model = Model::load(bytes).map_err(failed)?;
        let node = |name: &str| model.node_id(name).map_err(failed);
        let inputs = [node("input_ids")?, node("attention_mask")?, node("token_type_ids")?];
        let output = node("last_hidden_state")?;
        Ok(Self {
            inputs,
            output,
            tokenizer: WordPiece::bert()?,
            pool: Arc::new(ThreadPool::with_num_threads(1)),
            model,
        })
    }

    /// How many tokens it knows.
    pub(super) fn tokens(&self) -> usize {
        self.tokenizer.pieces()
    }

    /// The vector of a single token.
    pub(super) fn token(&self, token: u32) -> Result<Vec<f32>, Error> {
        self.run(&self.tokenizer.around(token))
    }

    /// The states of the tokens of a text, averaged.
    fn run(&self, tokens: &[u32]) -> Result<Vec<f32>, Error> {
        let shape = [1, tokens.len()];
        let tokens: Vec<i32> = tokens.iter().map(|token| i32::try_from(*token).unwrap_or(0)).collect();
        let tokens: NdTensor<i32, 2> = NdTensor::from_data(shape, tokens);
        let (ones, zeros) = (NdTensor::<i32, 2>::full(shape, 1), NdTensor::<i32, 2>::full(shape, 0));
        let views: [ValueOrView<'_>; 3] = [tokens.view().into(), ones.view().into(), zeros.view().into()];
        let inputs = self.inputs.into_iter().zip(views).collect();
        let options = RunOptions::default().with_thread_pool(Some(self.pool.clone()));
        let mut outputs = self.model.run(inputs, &[self.output], Some(options)).map_err(failed)?;
        let output = outputs.pop().ok_or_else(|| failed("it has no output"))?;
        let states: NdTensor<f32, 3> =
            output.try_into().map_err(|_| failed("its output has another shape"))?;
        let states: NdTensorView<'_, f32, 3> = states.view();
        if states.shape() != [shape[0], shape[1], DIMENSIONS] {
            return Err(failed("its output has another size"));
        }
        let mut vector = vec![0.0; DIMENSIONS];
        for state in states.to_vec().chunks_exact(DIMENSIONS) {
            vector.iter_mut().zip(state).for_each(|(sum, x)| *sum += x);
        }
        normalize(&mut vector);
        Ok(vector)
    }
}

impl Embedder for MiniLm {
    fn name(&self) -> &str {
        "all-minilm-l6-v2"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn reads_all(&self, text: &str) -> bool {
        self.tokenizer.reads_all(text, MOST_TOKENS)
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
        // One at a time: the scales of eight-bit values are taken from all that goes in at once, so in company a text would get
        // another vector.
        texts.iter().map(|text| self.run(&self.tokenizer.encode(text, MOST_TOKENS))).collect()
    }
}

fn failed(reason: impl fmt::Display) -> Error {
    Error::Model(reason.to_string())
}
