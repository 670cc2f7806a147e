//! Documents ranked by a question, by Cohere's API and by Jina's: the more words of the question a document has, the higher it stands.
//!
//! References: <https://docs.cohere.com/reference/rerank>, <https://api.jina.ai/redoc>.

use serde_json::{Value, json};

use crate::answer::count_words;
use crate::body::Plan;

/// What a request is answered.
#[derive(Debug)]
pub(crate) struct Ranked {
    pub(crate) plan: Plan,
    pub(crate) tokens: u64,
}

/// Documents that Cohere bills as one search.
const DOCUMENTS_A_SEARCH: usize = 100;

/// Answers as Cohere does, or names what is wrong with a request.
pub(crate) fn rank_by_cohere(body: &Value, id: u64) -> Result<Ranked, String> {
    known(body, &["model", "query", "documents", "top_n", "max_tokens_per_doc", "priority"])?;
    let documents = list(body)?;
    let texts: Option<Vec<&str>> = documents.iter().map(Value::as_str).collect();
    let texts = texts.ok_or("invalid request: all elements in the documents list must be strings")?;
    let results: Vec<Value> = order(body, &texts)?
        .into_iter()
        .map(|(index, score)| json!({"index": index, "relevance_score": score}))
        .collect();
    let units = texts.len().div_ceil(DOCUMENTS_A_SEARCH);
    Ok(Ranked::of(
        &json!({
            "id": format!("mock-{id}"),
            "results": results,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": units}},
        }),
        0,
    ))
}

/// Answers as Jina does, or names what is wrong with a request.
pub(crate) fn rank_by_jina(body: &Value, show_usage: bool) -> Result<Ranked, String> {
    known(body, &["model", "query", "documents", "top_n", "return_documents"])?;
    let model = body.get("model").and_then(Value::as_str).ok_or("[model] Field required")?;
    let documents = list(body)?;
    let text = |document: &Value| match document {
        Value::String(text) => Some(text.clone()),
        object => object.get("text")?.as_str().map(str::to_owned),
    };
    let texts: Option<Vec<String>> = documents.iter().map(text).collect();
    let texts = texts.ok_or("[documents] Input should be a valid string or object")?;
    let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
    let returns = body.get("return_documents") != Some(&Value::Bool(false));
    let results: Vec<Value> = order(body, &borrowed)?
        .into_iter()
        .map(|(index, score)| match borrowed.get(index).filter(|_| returns) {
            Some(text) => json!({"index": index, "relevance_score": score, "document": {"text": text}}),
            None => json!({"index": index, "relevance_score": score}),
        })
        .collect();
    let tokens = borrowed.iter().map(|text| count_words(text)).sum();
    let mut answer = json!({"model": model, "object": "list", "results": results});
    if let Value::Object(fields) = &mut answer
        && show_usage
    {
        fields.insert("usage".to_owned(), json!({"total_tokens": tokens}));
    }
    Ok(Ranked::of(&answer, tokens))
}

impl Ranked {
    fn of(answer: &Value, tokens: u64) -> Self {
        Self { plan: Plan::whole(answer.to_string().into_bytes(), 0), tokens }
    }
}

fn known(body: &Value, names: &[&str]) -> Result<(), String> {
    let fields = body.as_object().ok_or("invalid request: an object is expected")?;
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("unknown field: parameter '{name}' is not a valid field")),
    }
}

fn list(body: &Value) -> Result<&[Value], String> {
    let documents = body.get("documents").and_then(Value::as_array).filter(|documents| !documents.is_empty());
    documents
        .map(Vec::as_slice)
        .ok_or_else(|| "invalid request: list of documents must not be empty".to_owned())
}

/// The places of the documents and their scores, the best first.
fn order(body: &Value, documents: &[&str]) -> Result<Vec<(usize, f64)>, String> {
    let query = body.get("query").and_then(Value::as_str).ok_or("invalid request: query is required")?;
    let asked: Vec<&str> = query.split_whitespace().collect();
    let score = |document: &&str| {
        let found = asked.iter().filter(|word| document.split_whitespace().any(|other| other == **word));
        found.count() as f64 / asked.len().max(1) as f64
    };
    let mut scores: Vec<(usize, f64)> = documents.iter().map(score).enumerate().collect();
    scores.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let top = body.get("top_n").and_then(Value::as_u64).and_then(|top| usize::try_from(top).ok());
    scores.truncate(top.unwrap_or(usize::MAX));
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_more_of_the_question_stands_higher() {
        let body =
            json!({"query": "water over stone", "documents": ["x", "water", "over water"], "top_n": 2});
        let answer = rank_by_cohere(&body, 1).unwrap();
        let answer: Value = serde_json::from_slice(&answer.plan.bytes).unwrap();
        let places: Vec<_> = answer["results"].as_array().unwrap().iter().map(|one| &one["index"]).collect();
        assert_eq!(places, [2, 1]);
        assert_eq!(answer["meta"]["billed_units"]["search_units"], 1);
    }
}
