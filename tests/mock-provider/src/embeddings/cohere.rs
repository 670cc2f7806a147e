//! The second version of Cohere's embed: <https://docs.cohere.com/reference/embed>.

use serde_json::{Map, Value, json};

use super::{Embedded, count, stranger, texts, vectors};

/// Texts of one call.
const MOST: usize = 96;
const FIELDS: [&str; 10] = [
    "model",
    "input_type",
    "texts",
    "images",
    "inputs",
    "max_tokens",
    "output_dimension",
    "embedding_types",
    "truncate",
    "priority",
];
const INPUT_TYPES: [&str; 5] = ["search_document", "search_query", "classification", "clustering", "image"];
const DIMENSIONS: [u64; 4] = [256, 512, 1024, 1536];

/// Answers a request, or names its fault.
pub(crate) fn embed(body: &Value, id: u64, show_usage: bool) -> Result<Embedded, String> {
    if body.get("model").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err("invalid request: model is required.".to_owned());
    }
    let (vectors, texts) = by_type(body)?;
    let tokens = count(&texts);
    let version = json!({"version": "2"});
    let meta = if show_usage {
        json!({"api_version": version, "billed_units": {"input_tokens": tokens}})
    } else {
        json!({"api_version": version})
    };
    let answer = json!({
        "id": format!("mock-{id}"),
        "embeddings": vectors,
        "texts": texts,
        "meta": meta,
        "response_type": "embeddings_by_type",
    });
    Ok(Embedded::of(&answer, tokens))
}

/// The vectors by the type of their numbers, of a request to Cohere or to one of its models at Bedrock.
pub(super) fn by_type(body: &Value) -> Result<(Value, Vec<&str>), String> {
    if let Some(name) = stranger(body, &FIELDS) {
        return Err(format!("unknown field: parameter '{name}' is not a valid field."));
    }
    if body.get("input_type").is_none_or(|kind| !INPUT_TYPES.iter().any(|known| kind == known)) {
        return Err("invalid request: valid input_type must be provided with the provided model.".to_owned());
    }
    let texts = body.get("texts").and_then(|list| texts(list, MOST));
    let texts =
        texts.ok_or_else(|| format!("invalid request: texts must be a list of 1 to {MOST} strings."))?;
    let dimensions = match body.get("output_dimension") {
        None => None,
        Some(wished) => Some(
            wished
                .as_u64()
                .filter(|wished| DIMENSIONS.contains(wished))
                .ok_or("invalid request: output_dimension must be one of 256, 512, 1024, 1536.")?,
        ),
    };
    if body.get("truncate").is_some_and(|end| !["NONE", "START", "END"].iter().any(|known| end == known)) {
        return Err("invalid request: truncate must be one of NONE, START, END.".to_owned());
    }
    let vectors = vectors(&texts, dimensions);
    let mut found = Map::new();
    for kind in body.get("embedding_types").and_then(Value::as_array).into_iter().flatten() {
        match kind.as_str() {
            Some("float") => found.insert("float".to_owned(), json!(vectors)),
            _ => return Err("invalid request: the mock knows the embedding type float alone.".to_owned()),
        };
    }
    // Without types, Cohere itself refuses and its models at Bedrock give a list.
    Ok((if found.is_empty() { json!(vectors) } else { Value::Object(found) }, texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cohere_refuses_is_refused() {
        let good = json!({"model": "m", "texts": ["a b"], "input_type": "search_query", "embedding_types": ["float"]});
        assert_eq!(embed(&good, 1, true).unwrap().tokens, 2);
        for (name, value, part) in [
            ("model", Value::Null, "model is required"),
            ("texts", json!([]), "texts"),
            ("texts", json!(["a", ""]), "texts"),
            ("texts", json!(vec!["a"; 97]), "texts"),
            ("input_type", json!("document"), "input_type"),
            ("output_dimension", json!(5), "output_dimension"),
            ("input", json!("a"), "unknown field"),
        ] {
            let mut body = good.clone();
            body[name] = value;
            let fault = embed(&body, 1, true).unwrap_err();
            assert!(fault.contains(part), "{fault}");
        }
    }
}
