//! Embeddings, by OpenAI's API and by those of others: similar texts get similar vectors, so that a semantic cache can be tested.

mod bedrock;
mod cohere;
mod gemini;

use serde_json::{Value, json};

use crate::answer::count_words;
use crate::base64;
use crate::body::Plan;

pub(crate) use bedrock::invoke;
pub(crate) use cohere::embed as embed_by_cohere;
pub(crate) use gemini::embed as embed_by_gemini;

/// Small enough to be cheap; a request may ask for more.
const DIMENSIONS: usize = 256;
const MAX_DIMENSIONS: usize = 4_096;

/// What an embeddings request is answered.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) plan: Plan,
    pub(crate) tokens: u64,
}

/// Answers an embeddings request, or names its fault.
pub(crate) fn embed(body: &Value, show_usage: bool) -> Result<Embedded, String> {
    let model = body.get("model").and_then(Value::as_str).ok_or("you must provide a model parameter")?;
    let texts = inputs(body.get("input").ok_or("Missing required parameter: 'input'.")?)?;
    let dimensions = match body.get("dimensions").and_then(Value::as_u64) {
        None => DIMENSIONS,
        Some(wished) => usize::try_from(wished).unwrap_or(MAX_DIMENSIONS).clamp(1, MAX_DIMENSIONS),
    };
    let base64 = body.get("encoding_format").is_some_and(|format| format == "base64");
    let data: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, dimensions);
            let embedding = if base64 { json!(encode(&vector)) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = texts.iter().map(|text| count_words(text)).sum();
    let mut answer = json!({"object": "list", "data": data, "model": model});
    if let Value::Object(fields) = &mut answer
        && show_usage
    {
        fields.insert("usage".to_owned(), json!({"prompt_tokens": tokens, "total_tokens": tokens}));
    }
    Ok(Embedded::of(&answer, tokens))
}

impl Embedded {
    fn of(answer: &Value, tokens: u64) -> Self {
        Self { plan: Plan::whole(answer.to_string().into_bytes(), 0), tokens }
    }
}

/// The texts of a list that holds nothing else, `most` at most and none of them empty.
fn texts(list: &Value, most: usize) -> Option<Vec<&str>> {
    let texts: Option<Vec<&str>> = list.as_array()?.iter().map(Value::as_str).collect();
    texts.filter(|texts| (1..=most).contains(&texts.len()) && !texts.contains(&""))
}

/// The first field that is none of `names`.
fn stranger<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    let fields = value.as_object().into_iter().flat_map(|fields| fields.keys());
    fields.map(String::as_str).find(|name| !names.contains(name))
}

/// The vectors of texts.
fn vectors(texts: &[&str], dimensions: Option<u64>) -> Vec<Vec<f32>> {
    let dimensions = dimensions.and_then(|wished| usize::try_from(wished).ok()).unwrap_or(DIMENSIONS);
    texts.iter().map(|text| vector(text, dimensions.min(MAX_DIMENSIONS))).collect()
}

fn count(texts: &[&str]) -> u64 {
    texts.iter().map(|text| count_words(text)).sum()
}

/// The texts to embed; token numbers stand for words.
fn inputs(input: &Value) -> Result<Vec<String>, String> {
    let numbers = |list: &[Value]| list.iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
    let texts = match input {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_number) => vec![numbers(list)],
        Value::Array(list) => {
            let one = |item: &Value| match item {
                Value::String(text) => Ok(text.clone()),
                Value::Array(tokens) => Ok(numbers(tokens)),
                _ => Err("'$.input' is invalid.".to_owned()),
            };
            list.iter().map(one).collect::<Result<_, _>>()?
        }
        _ => Vec::new(),
    };
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err("'$.input' is invalid. Please check the API reference.".to_owned());
    }
    Ok(texts)
}

/// A unit vector: every word adds to one place, whose number is a hash of the word.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let place = fnv1a(&word.to_lowercase()) % dimensions as u64;
        if let Some(value) = usize::try_from(place).ok().and_then(|place| vector.get_mut(place)) {
            *value += 1.0;
        }
    }
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    } else if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
    vector
}

fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Little-endian floats in base64, which OpenAI's own clients ask for.
fn encode(vector: &[f32]) -> String {
    base64::encode(&vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(a: &str, b: &str) -> f32 {
        vector(a, DIMENSIONS).iter().zip(vector(b, DIMENSIONS)).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn similar_texts_are_close() {
        assert!(similarity("What is the capital of France?", "what is the capital of france") > 0.99);
        let near = similarity("what is the capital of France", "tell me what the capital of France is");
        assert!(near > similarity("what is the capital of France", "write a poem about rivers"));
    }

    #[test]
    fn base64_is_padded() {
        assert_eq!(encode(&[1.0]), "AACAPw==");
        assert_eq!(encode(&[1.0, 0.5, -2.0]), "AACAPwAAAD8AAADA");
    }
}
