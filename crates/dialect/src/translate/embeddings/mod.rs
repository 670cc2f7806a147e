//! OpenAI's embeddings, for providers that embed texts by another API.
//!
//! A vector is copied as it came where the client wants numbers. OpenAI's own SDKs ask for base64, so vectors are then
//! written as little-endian floats of 32 bits, which no other API here does.
//!
//! A provider that does not tell how many tokens it read leaves `usage` to be `null`: a figure of ours would be taken for its
//! own, and 0 for a call that costs nothing.
//!
//! Sources: <https://platform.openai.com/docs/api-reference/embeddings>, <https://ai.google.dev/api/embeddings>,
//! <https://docs.cohere.com/reference/embed>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html>.

mod read_answer;
mod read_request;
mod write_answer;
mod write_request;

#[cfg(test)]
mod tests;

use super::relay::collect;
use super::{Error, Kind, Options};
use crate::Dialect;
use serde::{Deserialize, Serialize};

/// How the client wants its vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As lists of numbers.
    #[default]
    Float,
    /// As the base64 of floats.
    Base64,
}

/// The vectors that a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Of how many texts.
    pub texts: usize,
    /// How they are written.
    pub encoding: Encoding,
}

/// A translated request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The body in the provider's dialect.
    pub body: Vec<u8>,
    /// The fields that were left out.
    pub dropped: Vec<String>,
    /// What the client gets of the answer.
    pub wanted: Wanted,
}

/// What the translation of an answer is told besides the answer.
#[derive(Clone, Debug)]
pub struct AnswerOptions {
    /// The provider's HTTP status. From 400 on the body is read as an error.
    pub status: u16,
    /// How the client wants its vectors.
    pub encoding: Encoding,
    /// How many vectors there have to be.
    pub texts: usize,
    /// The provider's name of the model: no answer tells it.
    pub served: String,
    /// Bytes that may be collected.
    pub limit: usize,
}

/// Whether embeddings of one dialect can be translated to another.
pub fn is_supported(from: Dialect, to: Dialect) -> bool {
    from == Dialect::OpenAi && matches!(to, Dialect::Gemini | Dialect::Converse | Dialect::Cohere)
}

/// Translates OpenAI's request to the provider's dialect. Its path is [`crate::endpoint::embeddings`].
///
/// # Errors
///
/// [`Error`] when the body is invalid, when it asks for what cannot be carried, or when the dialect has no embeddings.
pub fn request(to: Dialect, body: &[u8], options: &Options<'_>) -> Result<Request, Error> {
    let asked = read_request::read(body)?;
    match to {
        Dialect::Gemini => write_request::gemini(asked, options),
        Dialect::Converse => write_request::bedrock(asked, options),
        Dialect::Cohere => write_request::cohere(asked, options),
        Dialect::OpenAi | Dialect::Responses | Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
            Err(Kind::NoPair { from: Dialect::OpenAi, to }.into())
        }
    }
}

/// The answer to a translated request. It is one JSON document, so nothing goes out before its end.
#[derive(Debug)]
pub struct Answer {
    options: AnswerOptions,
    body: Vec<u8>,
}

impl Answer {
    /// The answer of a provider.
    pub fn new(options: AnswerOptions) -> Self {
        Self { options, body: Vec::new() }
    }

    /// Takes the next bytes of the provider.
    ///
    /// # Errors
    ///
    /// [`Kind::AnswerTooLong`].
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Error> {
        collect(&mut self.body, chunk, self.options.limit)
    }

    /// Takes the end of the provider's bytes and gives those for the client.
    ///
    /// # Errors
    ///
    /// [`Error`] when the provider's bytes are not what its API defines.
    pub fn finish(&mut self) -> Result<Vec<u8>, Error> {
        answer(&std::mem::take(&mut self.body), &self.options)
    }
}

/// Translates a whole answer to OpenAI's.
///
/// # Errors
///
/// [`Error`] when the answer is not what the provider's API defines.
pub fn answer(body: &[u8], options: &AnswerOptions) -> Result<Vec<u8>, Error> {
    let text = String::from_utf8_lossy(body);
    if options.status >= 400 {
        return Ok(write_answer::failure(&text, options.status));
    }
    write_answer::write(&read_answer::read(&text)?, options)
}
