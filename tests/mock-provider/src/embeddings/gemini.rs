//! Gemini's `batchEmbedContents`: <https://ai.google.dev/api/embeddings>.

use serde_json::{Value, json};

use super::{Embedded, count, stranger, vectors};

/// Requests of one call.
const MOST: usize = 100;
const FIELDS: [&str; 5] = ["model", "content", "taskType", "title", "outputDimensionality"];
const TASKS: [&str; 8] = [
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
];

/// Answers a request, or names its fault. The names of its fields are in camel case.
pub(crate) fn embed(body: &Value, model: &str) -> Result<Embedded, String> {
    if let Some(name) = stranger(body, &["requests"]) {
        return Err(format!("Invalid JSON payload received. Unknown name \"{name}\": Cannot find field."));
    }
    let requests = body.get("requests").and_then(Value::as_array).filter(|requests| !requests.is_empty());
    let requests = requests.ok_or("BatchEmbedContentsRequest.requests: contents is not specified")?;
    if requests.len() > MOST {
        return Err(format!("at most {MOST} requests can be in one batch"));
    }
    let mut answers = Vec::new();
    let mut tokens = 0;
    for request in requests {
        let (text, dimensions) = read(request, model)?;
        tokens += count(&[text]);
        let values = vectors(&[text], dimensions);
        answers.extend(values.into_iter().map(|values| json!({"values": values})));
    }
    // What was read it does not tell.
    Ok(Embedded::of(&json!({"embeddings": answers}), tokens))
}

fn read<'a>(request: &'a Value, model: &str) -> Result<(&'a str, Option<u64>), String> {
    if let Some(name) = stranger(request, &FIELDS) {
        return Err(format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at 'requests[0]': Cannot find field."
        ));
    }
    if request.get("model") != Some(&json!(format!("models/{model}"))) {
        return Err("BatchEmbedContentsRequest.model: must match the model of every request".to_owned());
    }
    if request.get("taskType").is_some_and(|task| !TASKS.iter().any(|known| task == known)) {
        return Err("Invalid value at 'requests[0].task_type'".to_owned());
    }
    let dimensions = match request.get("outputDimensionality") {
        None => None,
        Some(wished) => Some(
            wished
                .as_u64()
                .filter(|wished| (1..=3_072).contains(wished))
                .ok_or("output_dimensionality must be between 1 and 3072")?,
        ),
    };
    let text = request.pointer("/content/parts/0/text").and_then(Value::as_str);
    let text = text.filter(|text| !text.is_empty()).ok_or("content is empty")?;
    Ok((text, dimensions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_a_batch_is_checked() {
        let one = json!({"model": "models/m", "content": {"parts": [{"text": "one two"}]}});
        assert_eq!(embed(&json!({"requests": [one, one]}), "m").unwrap().tokens, 4);
        assert!(embed(&json!({"requests": []}), "m").is_err());
        assert!(embed(&json!({"requests": vec![&one; 101]}), "m").is_err());
        for (name, value) in [
            ("model", json!("m")),
            ("dimensions", json!(5)),
            ("outputDimensionality", json!(0)),
            ("taskType", json!("SEARCH")),
            ("content", json!({"parts": []})),
        ] {
            let mut wrong = one.clone();
            wrong[name] = value;
            assert!(embed(&json!({"requests": [one, wrong]}), "m").is_err(), "{name}");
        }
    }
}
