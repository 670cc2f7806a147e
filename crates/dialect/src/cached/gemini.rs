//! Gemini's answers. Each event of a stream is an answer of its own with what is new.

use super::{Object, append, event, pieces};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most candidates that are put together.
const CANDIDATES: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// What stands beside the candidates; the last word counts.
    answer: Object,
    candidates: BTreeMap<u64, Candidate>,
}

#[derive(Debug, Default)]
struct Candidate {
    fields: Object,
    parts: Vec<Value>,
}

impl Assembler {
    /// Takes an event's data. `None`: there is no place for something in it.
    pub(super) fn event(&mut self, data: &[u8]) -> Option<()> {
        let Ok(Value::Object(mut chunk)) = serde_json::from_slice(data) else { return None };
        if let Some(candidates) = chunk.remove("candidates") {
            let Value::Array(candidates) = candidates else { return None };
            for candidate in candidates {
                let Value::Object(candidate) = candidate else { return None };
                self.candidate(candidate)?;
            }
        }
        if chunk.contains_key("error") {
            return None;
        }
        self.answer.extend(chunk);
        Some(())
    }

    fn candidate(&mut self, mut more: Object) -> Option<()> {
        let index = more.get("index").map_or(Some(0), Value::as_u64)?;
        if self.candidates.len() >= CANDIDATES && !self.candidates.contains_key(&index) {
            return None;
        }
        let candidate = self.candidates.entry(index).or_default();
        if let Some(Value::Object(mut content)) = more.remove("content")
            && let Some(parts) = content.remove("parts")
        {
            let Value::Array(parts) = parts else { return None };
            for part in parts {
                let Value::Object(part) = part else { return None };
                // The last event of a stream says no more than that it is the last.
                if part.len() == 1 && part.get("text").and_then(Value::as_str) == Some("") {
                    continue;
                }
                candidate.part(part);
            }
        }
        // Each event has likelihoods of its own tokens, and would hide those before.
        if more.contains_key("logprobsResult") {
            return None;
        }
        candidate.fields.extend(more);
        Some(())
    }

    pub(super) fn finish(mut self) -> Option<Value> {
        let ended = |candidate: &Candidate| candidate.fields.contains_key("finishReason");
        if self.candidates.is_empty() || !self.candidates.values().all(ended) {
            return None;
        }
        let whole = self.candidates.into_values().map(|candidate| {
            let mut fields = Object::new();
            fields.insert("content".to_owned(), json!({"parts": candidate.parts, "role": "model"}));
            fields.extend(candidate.fields);
            Value::Object(fields)
        });
        let mut answer = Object::new();
        answer.insert("candidates".to_owned(), whole.collect());
        answer.append(&mut self.answer);
        Some(Value::Object(answer))
    }
}

impl Candidate {
    /// Adds a part: to the one before, if both are nothing but text of the same kind.
    fn part(&mut self, part: Object) {
        let is_thought = |part: &Object| part.get("thought") == Some(&Value::Bool(true));
        let is_text = |part: &Object| {
            part.contains_key("text") && part.keys().all(|name| matches!(name.as_str(), "text" | "thought"))
        };
        if let Some(Value::Object(last)) = self.parts.last_mut()
            && is_text(last)
            && is_text(&part)
            && is_thought(last) == is_thought(&part)
            && let Some(text) = part.get("text").and_then(Value::as_str)
        {
            return append(last, "text", text);
        }
        self.parts.push(Value::Object(part));
    }
}

pub(super) fn is_whole(answer: &Value) -> bool {
    let candidates =
        answer.get("candidates").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let stopped = |candidate: &Value| candidate.get("finishReason").and_then(Value::as_str) == Some("STOP");
    let refused = answer.get("promptFeedback").is_some_and(|feedback| feedback.get("blockReason").is_some());
    !candidates.is_empty() && candidates.iter().all(stopped) && !refused
}

pub(super) fn text(answer: &Value) -> Option<String> {
    let [candidate] = answer.get("candidates")?.as_array()?.as_slice() else { return None };
    let parts = candidate.get("content")?.get("parts")?.as_array()?.iter();
    let texts = parts.map(|part| {
        let part = part.as_object()?;
        let plain = part.keys().all(|name| matches!(name.as_str(), "text" | "thoughtSignature"));
        part.get("text")?.as_str().filter(|_| plain)
    });
    texts.collect::<Option<String>>().filter(|text| !text.is_empty())
}

pub(super) fn events(answer: &Value, piece: usize) -> Vec<String> {
    let Value::Object(answer) = answer else { return Vec::new() };
    let mut beside = answer.clone();
    let candidates = beside.shift_remove("candidates");
    let mut early = beside.clone();
    early.shift_remove("usageMetadata");
    let mut out = Vec::new();
    let mut last = Vec::new();
    for candidate in candidates.as_ref().and_then(Value::as_array).into_iter().flatten() {
        let mut end = candidate.as_object().cloned().unwrap_or_default();
        let content = end.shift_remove("content").unwrap_or_default();
        let index = end.get("index").cloned();
        for part in content.get("parts").and_then(Value::as_array).into_iter().flatten() {
            for part in split(part, piece) {
                let mut news = json!({"content": {"parts": [part], "role": "model"}});
                if let (Value::Object(news), Some(index)) = (&mut news, &index) {
                    news.insert("index".to_owned(), index.clone());
                }
                out.push(chunk(vec![news], &early));
            }
        }
        end.shift_insert(0, "content".to_owned(), json!({"parts": [{"text": ""}], "role": "model"}));
        last.push(Value::Object(end));
    }
    out.push(chunk(last, &beside));
    out
}

fn chunk(candidates: Vec<Value>, beside: &Object) -> String {
    let mut chunk = Object::new();
    chunk.insert("candidates".to_owned(), candidates.into());
    chunk.extend(beside.clone());
    event(None, &Value::Object(chunk))
}

/// A part as several with less text each. What else it says goes with the last.
fn split(part: &Value, piece: usize) -> Vec<Value> {
    let (Value::Object(part), Some(text)) = (part, part.get("text").and_then(Value::as_str)) else {
        return vec![part.clone()];
    };
    let mut texts: Vec<&str> = pieces(text, piece).collect();
    let last = texts.pop().unwrap_or_default();
    let mut parts: Vec<Value> = Vec::with_capacity(texts.len() + 1);
    for text in texts {
        let mut news = json!({"text": text});
        if let (Some(thought), Value::Object(news)) = (part.get("thought"), &mut news) {
            news.insert("thought".to_owned(), thought.clone());
        }
        parts.push(news);
    }
    let mut end = part.clone();
    end.insert("text".to_owned(), last.into());
    parts.push(Value::Object(end));
    parts
}
