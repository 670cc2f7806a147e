//! OpenAI's answer.

use super::read_answer::Told;
use super::{AnswerOptions, Encoding};
use crate::translate::neutral::Event;
use crate::translate::{Error, openai, raw};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

/// Writes an answer.
pub(super) fn write(told: &Told<'_>, options: &AnswerOptions) -> Result<Vec<u8>, Error> {
    let (want, got) = (options.texts, told.vectors.len());
    if want != got {
        // Which vector is whose could not be told.
        return Err(Error::invalid_answer(format!("{want} vectors are expected and {got} came")));
    }
    let mut out = br#"{"object":"list","data":["#.to_vec();
    for (index, vector) in told.vectors.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(br#"{"object":"embedding","index":"#);
        out.extend_from_slice(index.to_string().as_bytes());
        out.extend_from_slice(br#","embedding":"#);
        // Numbers that are none, or too large for OpenAI's vectors, are found in either form.
        let numbers = numbers(vector)?;
        match options.encoding {
            Encoding::Float => raw::write_raw(&mut out, vector),
            Encoding::Base64 => raw::write_string(&mut out, &base64(numbers)),
        }
        out.push(b'}');
    }
    out.extend_from_slice(br#"],"#);
    raw::write_field(&mut out, "model", &options.served);
    out.extend_from_slice(br#","usage":"#);
    let usage = match told.tokens {
        Some(tokens) => format!(r#"{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}"#),
        None => "null".to_owned(),
    };
    out.extend_from_slice(usage.as_bytes());
    out.push(b'}');
    Ok(out)
}

/// What stands in a vector.
fn numbers(vector: &RawValue) -> Result<Vec<f32>, Error> {
    let numbers: Option<Vec<f32>> = serde_json::from_str(vector.get()).ok();
    let numbers = numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite()));
    numbers.ok_or_else(|| Error::invalid_answer("a vector of numbers is expected"))
}

/// A vector as OpenAI's SDKs ask for it.
fn base64(numbers: Vec<f32>) -> String {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    BASE64_STANDARD.encode(bytes)
}

/// Writes what a provider says of its failure.
pub(super) fn failure(body: &str, status: u16) -> Vec<u8> {
    let mut out = Vec::new();
    if let Event::Failed { status, error, text, rest } = crate::translate::failure::read(body, status) {
        openai::write_failure(&mut out, status, error, text, rest);
    }
    out
}
