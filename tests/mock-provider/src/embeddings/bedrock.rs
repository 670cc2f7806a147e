//! Bedrock's `InvokeModel` with models that embed texts:
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>.

use serde_json::{Value, json};

use super::{Embedded, cohere, count, stranger, vectors};

/// Answers a request, or names its fault.
pub(crate) fn invoke(body: &Value, model: &str) -> Result<Embedded, String> {
    if model.contains("cohere.embed") {
        if body.get("model").is_some() {
            return Err("Malformed input request: extraneous key [model] is not permitted".to_owned());
        }
        let (vectors, texts) = cohere::by_type(body)?;
        let kind = if vectors.is_array() { "embeddings_floats" } else { "embeddings_by_type" };
        let answer = json!({"id": "mock", "embeddings": vectors, "texts": texts, "response_type": kind});
        return Ok(Embedded::of(&answer, count(&texts)));
    }
    if model.contains("titan-embed-text-v2") {
        return titan(body);
    }
    Err("The provided model identifier is invalid.".to_owned())
}

fn titan(body: &Value) -> Result<Embedded, String> {
    let names = ["inputText", "dimensions", "normalize", "embeddingTypes"];
    if let Some(name) = stranger(body, &names) {
        return Err(format!("Malformed input request: #: extraneous key [{name}] is not permitted"));
    }
    let text = body.get("inputText").and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text.ok_or("Malformed input request: #: required key [inputText] not found")?;
    let dimensions = match body.get("dimensions") {
        None => None,
        Some(wished) => Some(
            wished
                .as_u64()
                .filter(|wished| [256, 512, 1024].contains(wished))
                .ok_or("Malformed input request: #/dimensions is not a valid enum value")?,
        ),
    };
    if body.get("normalize").is_some_and(|normalize| !normalize.is_boolean()) {
        return Err("Malformed input request: #/normalize: expected type: Boolean".to_owned());
    }
    let tokens = count(&[text]);
    let vector = vectors(&[text], dimensions).pop();
    let answer = json!({
        "embedding": vector,
        "embeddingsByType": {"float": vector},
        "inputTextTokenCount": tokens,
    });
    Ok(Embedded::of(&answer, tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(model: &str, body: &Value) -> String {
        invoke(body, model).unwrap_err()
    }

    #[test]
    fn each_model_takes_its_own_form_alone() {
        let (titan, cohere) = ("amazon.titan-embed-text-v2:0", "cohere.embed-v4:0");
        assert_eq!(invoke(&json!({"inputText": "one two"}), titan).unwrap().tokens, 2);
        assert!(fault(titan, &json!({"inputText": ["one"]})).contains("inputText"));
        assert!(fault(titan, &json!({"inputText": "a", "model": "m"})).contains("extraneous key [model]"));
        assert!(fault(titan, &json!({"inputText": "a", "dimensions": 77})).contains("dimensions"));
        let texts = json!({"texts": ["one"], "input_type": "search_query"});
        assert_eq!(invoke(&texts, cohere).unwrap().tokens, 1);
        assert!(fault(cohere, &json!({"texts": ["one"]})).contains("input_type"));
        assert!(fault("amazon.nova-lite-v1:0", &texts).contains("identifier"));
    }
}
