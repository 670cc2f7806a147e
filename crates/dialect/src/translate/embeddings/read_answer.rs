//! What those who embed answer. Their forms cannot be mistaken for each other, so one reader knows them all.

use crate::translate::Error;
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// What an answer tells.
#[derive(Debug)]
pub(super) struct Told<'a> {
    /// Lists of numbers, in the order of the texts.
    pub(super) vectors: Vec<&'a RawValue>,
    pub(super) tokens: Option<u64>,
}

/// Reads an answer.
pub(super) fn read(json: &str) -> Result<Told<'_>, Error> {
    let expected = |what: &str| Error::invalid_answer(format!("{what} is expected"));
    let mut fields =
        serde_json::from_str::<Object<'_>>(json).ok().filter(|_| json.trim_start().starts_with('{'));
    let fields = fields.as_mut().ok_or_else(|| expected("a JSON object"))?;
    let tokens = tokens(fields);
    let vectors = vectors(fields).ok_or_else(|| expected("a list of vectors"))?;
    if vectors.iter().any(|vector| !vector.get().starts_with('[')) {
        return Err(expected("a vector"));
    }
    Ok(Told { vectors, tokens })
}

fn vectors<'a>(fields: &mut Object<'a>) -> Option<Vec<&'a RawValue>> {
    // Titan's.
    if let Some(vector) = fields.take("embedding") {
        return Some(vec![vector]);
    }
    let all = fields.take("embeddings")?;
    match Object::open(all) {
        // Cohere's, by the type of their numbers.
        Some(mut by_type) => raw::array(by_type.take("float")?),
        // Gemini's are objects; those of Cohere's models at Bedrock are lists if no type was asked for.
        None => raw::array(all)?.into_iter().map(values).collect(),
    }
}

fn values(vector: &RawValue) -> Option<&RawValue> {
    if vector.get().starts_with('[') {
        return Some(vector);
    }
    Object::open(vector)?.take("values")
}

/// The tokens that were read, by Titan, Gemini or Cohere. What Cohere bills is what there is to pay.
fn tokens(fields: &mut Object<'_>) -> Option<u64> {
    let number = |value: Option<&RawValue>| value.and_then(raw::number).filter(|count| *count >= 0.0);
    let inside = |value: Option<&RawValue>, name: &str| number(Object::open(value?)?.take(name));
    let billed = || {
        let mut meta = fields.get("meta").and_then(Object::open)?;
        inside(meta.take("billed_units"), "input_tokens")
            .or_else(|| inside(meta.take("tokens"), "input_tokens"))
    };
    let found = number(fields.get("inputTextTokenCount"))
        .or_else(|| inside(fields.get("usageMetadata"), "promptTokenCount"))
        .or_else(billed)?;
    // Numbers that are too large for it become the largest.
    Some(found as u64)
}
