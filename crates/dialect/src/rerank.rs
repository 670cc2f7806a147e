//! Ranking documents by a question: Cohere's API, and that of Jina, which most other servers have.
//!
//! The two have one shape but for a few fields, so requests are not translated: what the other does not take is left out. Answers
//! stay as they are, for both list `results` with `index` and `relevance_score`.
//!
//! Sources: <https://docs.cohere.com/reference/rerank>, <https://jina.ai/reranker>.

use crate::head::Members;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// How many documents Cohere bills as one search.
const DOCUMENTS_A_SEARCH: u64 = 100;
/// A longer document is billed as several: by so many tokens, of which each takes these bytes in most texts, rather too little.
const BYTES_A_DOCUMENT: u64 = 500 * 3;

/// Fields that only Cohere has, and only others.
const ONLY_COHERE: [&str; 2] = ["max_tokens_per_doc", "priority"];
const ONLY_OTHERS: [&str; 1] = ["return_documents"];

/// A request as a provider takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapted {
    /// The body.
    pub body: Vec<u8>,
    /// Fields that were left out though they ask for something.
    pub dropped: Vec<&'static str>,
}

/// How many searches Cohere is likely to bill a request as.
pub fn searches(body: &[u8]) -> u64 {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow, default)]
        documents: Option<&'a RawValue>,
    }
    let Ok(Fields { documents: Some(documents) }) = serde_json::from_slice(body) else { return 1 };
    let number = serde_json::from_str::<Vec<IgnoredAny>>(documents.get()).map_or(0, |all| all.len() as u64);
    let by_length = documents.get().len() as u64 / BYTES_A_DOCUMENT;
    number.saturating_add(by_length).div_ceil(DOCUMENTS_A_SEARCH).max(1)
}

/// Brings a request into the form that Cohere takes, or the others. `None`: it has that form, or is none that is known.
pub fn adapt(body: &[u8], cohere: bool) -> Option<Adapted> {
    let foreign: &[&'static str] = if cohere { &ONLY_OTHERS } else { &ONLY_COHERE };
    let Members(members) = serde_json::from_slice(body).ok()?;
    let mut dropped = Vec::new();
    let mut out = Vec::with_capacity(body.len());
    let mut changed = false;
    for (name, value) in members {
        if let Some(name) = foreign.iter().find(|foreign| **foreign == name) {
            changed = true;
            // What asks for nothing is not missed.
            if !matches!(value.get(), "false" | "null") {
                dropped.push(*name);
            }
            continue;
        }
        let texts = if cohere && name == "documents" { texts(value) } else { None };
        changed |= texts.is_some();
        out.push(if out.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut out, &name).ok()?;
        out.push(b':');
        out.extend_from_slice(texts.as_deref().unwrap_or(value.get()).as_bytes());
    }
    if out.is_empty() {
        out.push(b'{');
    }
    out.push(b'}');
    changed.then_some(Adapted { body: out, dropped })
}

/// Documents as texts, which is all that Cohere takes; `None` if they are that. An object with more than a text becomes its JSON, which
/// models read as they read YAML.
fn texts(documents: &RawValue) -> Option<String> {
    let documents: Vec<&RawValue> = serde_json::from_str(documents.get()).ok()?;
    documents.iter().find(|document| document.get().starts_with('{'))?;
    let texts = documents.iter().map(|document| match document.get() {
        object if object.starts_with('{') => {
            serde_json::to_string(&only_text(object).unwrap_or(Cow::Borrowed(object))).ok()
        }
        other => Some(other.to_owned()),
    });
    Some(format!("[{}]", texts.collect::<Option<Vec<String>>>()?.join(",")))
}

/// The text of an object that has nothing else.
fn only_text(object: &str) -> Option<Cow<'_, str>> {
    let Members(members) = serde_json::from_str(object).ok()?;
    match members.as_slice() {
        [(name, value)] if name == "text" => serde_json::from_str(value.get()).ok().map(Cow::Owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapted(body: &str, cohere: bool) -> Option<(String, Vec<&'static str>)> {
        adapt(body.as_bytes(), cohere).map(|to| (String::from_utf8(to.body).unwrap(), to.dropped))
    }

    #[test]
    fn what_both_know_is_left_as_it_is() {
        let body = r#"{"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 1}"#;
        assert_eq!(adapted(body, true), None);
        assert_eq!(adapted(body, false), None);
        for other in ["[]", "no json", ""] {
            assert_eq!(adapted(other, true), None, "{other}");
        }
    }

    #[test]
    fn cohere_gets_texts_and_is_not_asked_for_them_again() {
        let body = r#"{"query":"q","documents":["a",{"text":"b \"c\""},{"text":"d","title":"e"}],"return_documents":true}"#;
        let sent = r#"{"query":"q","documents":["a","b \"c\"","{\"text\":\"d\",\"title\":\"e\"}"]}"#;
        assert_eq!(adapted(body, true), Some((sent.to_owned(), vec!["return_documents"])));
        let body = r#"{"return_documents":false,"query":"q","documents":["a"]}"#;
        assert_eq!(adapted(body, true), Some((r#"{"query":"q","documents":["a"]}"#.to_owned(), Vec::new())));
        assert_eq!(adapted(r#"{"return_documents":null}"#, true), Some(("{}".to_owned(), Vec::new())));
        assert_eq!(adapted(body, false), None);
    }

    #[test]
    fn others_do_not_get_what_only_cohere_knows() {
        let body = r#"{"query":"q","max_tokens_per_doc":4096,"documents":[{"text":"a"}],"priority":3}"#;
        let sent = r#"{"query":"q","documents":[{"text":"a"}]}"#;
        assert_eq!(adapted(body, false), Some((sent.to_owned(), vec!["max_tokens_per_doc", "priority"])));
    }

    #[test]
    fn searches_grow_with_the_number_and_the_length_of_documents() {
        let of = |documents: &[String]| {
            searches(serde_json::json!({"query": "q", "documents": documents}).to_string().as_bytes())
        };
        assert_eq!(of(&["short".to_owned()]), 1);
        assert_eq!(of(&vec!["short".to_owned(); 100]), 1);
        assert_eq!(of(&vec!["short".to_owned(); 250]), 3);
        assert_eq!(of(&["long ".repeat(100_000)]), 4);
        assert_eq!((searches(b"{}"), searches(b"no json")), (1, 1));
    }
}
