use super::*;
use crate::translate::Unsupported;
use serde_json::{Value, json};

fn options(model: &'static str) -> Options<'static> {
    Options {
        model,
        unsupported: Unsupported::Reject,
        default_max_tokens: 0,
        output_cap: None,
        older_cap_field: false,
        betas: "",
        stream: false,
    }
}

fn translated(to: Dialect, model: &'static str, body: &Value) -> Result<(Value, Request), Error> {
    let request = request(to, body.to_string().as_bytes(), &options(model))?;
    Ok((serde_json::from_slice(&request.body).unwrap(), request))
}

fn answered(body: &Value, texts: usize, encoding: Encoding) -> Result<Value, Error> {
    let options = AnswerOptions { status: 200, encoding, texts, served: "m".to_owned(), limit: 1 << 20 };
    answer(body.to_string().as_bytes(), &options).map(|json| serde_json::from_slice(&json).unwrap())
}

fn fault(to: Dialect, model: &'static str, body: &Value) -> (Option<String>, bool) {
    let error = translated(to, model, body).unwrap_err();
    (error.path().map(str::to_owned), matches!(error.kind(), Kind::Unsupported { .. }))
}

const TITAN: &str = "amazon.titan-embed-text-v2:0";

#[test]
fn gemini_gets_a_request_for_each_text() {
    let body = json!({"model": "x", "input": ["a\n", "b"], "dimensions": 64, "encoding_format": "base64",
        "user": "ann", "task_type": "RETRIEVAL_QUERY"});
    let (json, request) = translated(Dialect::Gemini, "gemini-embedding-001", &body).unwrap();
    let one = |text: &str| {
        json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]},
            "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 64})
    };
    assert_eq!(json, json!({"requests": [one("a\n"), one("b")]}));
    assert_eq!((request.dropped, request.wanted.texts), (vec!["user".to_owned()], 2));
    assert_eq!(request.wanted.encoding, Encoding::Base64);
}

#[test]
fn cohere_is_told_what_the_texts_are_for() {
    let body = json!({"model": "embed-v4.0", "input": "a", "dimensions": 256});
    let (json, request) = translated(Dialect::Cohere, "", &body).unwrap();
    let mut expected = json!({"model": "embed-v4.0", "texts": ["a"], "input_type": "search_document",
        "embedding_types": ["float"], "output_dimension": 256});
    assert_eq!(json, expected);
    assert_eq!((request.wanted.encoding, request.wanted.texts), (Encoding::Float, 1));

    let body = json!({"model": "embed-v4.0", "input": "a", "input_type": "search_query", "truncate": "END",
        "texts": ["other"], "embedding_types": ["float"]});
    let (json, _) = translated(Dialect::Cohere, "", &body).unwrap();
    expected["input_type"] = json!("search_query");
    expected["truncate"] = json!("END");
    expected.as_object_mut().unwrap().remove("output_dimension");
    assert_eq!(json, expected);
}

#[test]
fn each_model_of_bedrock_has_its_form() {
    let body = json!({"model": "x", "input": ["a"], "dimensions": 256, "normalize": false});
    let (json, _) = translated(Dialect::Converse, TITAN, &body).unwrap();
    assert_eq!(json, json!({"inputText": "a", "dimensions": 256, "normalize": false}));
    let body = json!({"model": "x", "input": ["a", "b"]});
    let (json, _) = translated(Dialect::Converse, "us.cohere.embed-v4:0", &body).unwrap();
    assert_eq!(
        json,
        json!({"texts": ["a", "b"], "input_type": "search_document", "embedding_types": ["float"]})
    );
    let unsupported = |path: &str| (Some(path.to_owned()), true);
    assert_eq!(fault(Dialect::Converse, TITAN, &body), unsupported("input"));
    assert_eq!(fault(Dialect::Converse, "amazon.nova-lite-v1:0", &body), unsupported("model"));
    let sized = json!({"model": "x", "input": "a", "dimensions": 256});
    assert_eq!(fault(Dialect::Converse, "amazon.titan-embed-text-v1", &sized), unsupported("dimensions"));
}

#[test]
fn what_cannot_be_embedded_is_named() {
    let of = |input: Value| fault(Dialect::Gemini, "m", &json!({"model": "m", "input": input}));
    assert_eq!(of(json!([1, 2])), (Some("input".to_owned()), true));
    assert_eq!(of(json!([[1, 2], [3]])), (Some("input".to_owned()), true));
    assert_eq!(of(json!([])), (Some("input".to_owned()), false));
    assert_eq!(of(Value::Null), (Some("input".to_owned()), false));
    assert_eq!(of(json!(["a", {}])), (Some("input[1]".to_owned()), false));
    let with = |name: &str, value: Value| {
        let body = json!({"model": "m", "input": "a", name: value});
        fault(Dialect::Gemini, "", &body)
    };
    assert_eq!(with("encoding_format", json!("int8")), (Some("encoding_format".to_owned()), false));
    assert_eq!(with("dimensions", json!("64")), (Some("dimensions".to_owned()), false));
    assert_eq!(with("model", json!(5)), (Some("model".to_owned()), false));
    assert_eq!(with("title", json!("t")), (Some("title".to_owned()), true));
    assert_eq!(with("embedding_types", json!(["int8"])), (Some("embedding_types".to_owned()), true));
    let dropped = Options { unsupported: Unsupported::Drop, ..options("m") };
    let body = br#"{"input":"a","title":"t"}"#;
    assert_eq!(request(Dialect::Gemini, body, &dropped).unwrap().dropped, ["title"]);
    assert!(request(Dialect::Anthropic, body, &dropped).is_err());
}

#[test]
fn every_form_of_answer_becomes_openais() {
    let list = |usage: Value| {
        let data = json!([
            {"object": "embedding", "index": 0, "embedding": [0.5, -1]},
            {"object": "embedding", "index": 1, "embedding": [1e-3, 2]},
        ]);
        json!({"object": "list", "data": data, "model": "m", "usage": usage})
    };
    let vectors = json!([[0.5, -1], [1e-3, 2]]);
    let gemini = json!({"embeddings": [{"values": [0.5, -1]}, {"values": [1e-3, 2]}]});
    assert_eq!(answered(&gemini, 2, Encoding::Float).unwrap(), list(Value::Null));
    let counted = json!({"embeddings": gemini["embeddings"], "usageMetadata": {"promptTokenCount": 7}});
    let seven = json!({"prompt_tokens": 7, "total_tokens": 7});
    assert_eq!(answered(&counted, 2, Encoding::Float).unwrap(), list(seven.clone()));
    let cohere = json!({"id": "x", "embeddings": {"float": vectors}, "texts": ["a", "b"],
        "meta": {"billed_units": {"input_tokens": 7.0}, "tokens": {"input_tokens": 9}}});
    assert_eq!(answered(&cohere, 2, Encoding::Float).unwrap(), list(seven));
    assert_eq!(answered(&json!({"embeddings": vectors}), 2, Encoding::Float).unwrap(), list(Value::Null));
    let titan = json!({"embedding": [1.0], "inputTextTokenCount": 3, "embeddingsByType": {"float": [1.0]}});
    let answer = answered(&titan, 1, Encoding::Base64).unwrap();
    assert_eq!(answer["data"][0]["embedding"], "AACAPw==");
    assert_eq!(answer["usage"]["total_tokens"], 3);
}

#[test]
fn an_answer_that_is_no_list_of_vectors_is_the_providers_fault() {
    for (body, encoding) in [
        (json!([[1.0]]), Encoding::Float),
        (json!({}), Encoding::Float),
        (json!({"embeddings": {"int8": [[1]]}}), Encoding::Float),
        (json!({"embeddings": [{"values": 1}]}), Encoding::Float),
        (json!({"embeddings": [[1.0], [2.0]]}), Encoding::Float),
        (json!({"embedding": ["x"]}), Encoding::Base64),
    ] {
        let error = answered(&body, 1, encoding).unwrap_err();
        assert!(matches!(error.kind(), Kind::InvalidAnswer { .. }), "{body}");
    }
}

#[test]
fn an_answer_may_come_in_pieces_up_to_a_limit() {
    let options =
        AnswerOptions { status: 429, encoding: Encoding::Float, texts: 1, served: "m".to_owned(), limit: 40 };
    let mut answer = Answer::new(options);
    answer.push(br#"{"message":"#).unwrap();
    answer.push(br#""slow down"}"#).unwrap();
    assert_eq!(*answer.push(&[b' '; 40]).unwrap_err().kind(), Kind::AnswerTooLong);
    let error: Value = serde_json::from_slice(&answer.finish().unwrap()).unwrap();
    assert_eq!(error["error"]["message"], "slow down");
    assert_eq!(error["error"]["code"], "provider_error");
}
