//! Answers of OpenAI's responses: <https://platform.openai.com/docs/api-reference/responses-streaming>.
//!
//! A stream tells each text piece by piece and then again as a whole. The pieces are counted, and the whole only where there were none.

use super::Reader;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

impl Reader {
    pub(super) fn responses_event(&mut self, data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(data) else {
            // Some servers end as those of the older API do.
            self.unread |= !data.is_empty() && data != b"[DONE]";
            return;
        };
        let kind = event.kind.as_ref();
        match (kind, event.delta) {
            // How many tokens a sound has cannot be seen.
            ("response.audio.delta", _) => self.unread = true,
            (kind, Some(delta)) if kind.starts_with("response.reasoning") => self.reasoning.push_json(delta),
            (_, Some(delta)) => self.output.push_json(delta),
            ("response.output_item.added", None) => {
                let item = event.item.and_then(|item| serde_json::from_str::<Item<'_>>(item.get()).ok());
                if let Some(name) = item.and_then(|item| item.name) {
                    self.output.push_json(name);
                }
            }
            ("response.completed" | "response.incomplete" | "response.failed", None) => {
                let had_pieces = self.output.bytes() + self.reasoning.bytes() > 0;
                match event.response.map(|response| serde_json::from_str::<Answer<'_>>(response.get())) {
                    Some(Ok(answer)) => self.responses_answer(answer, !had_pieces),
                    Some(Err(_)) | None => self.unread = true,
                }
                self.complete |= kind != "response.failed";
            }
            _ => {}
        }
    }

    /// Takes a whole JSON body.
    pub(super) fn responses_body(&mut self, body: &[u8]) -> Result<(), serde_json::Error> {
        let answer = serde_json::from_slice::<Answer<'_>>(body)?;
        self.responses_answer(answer, true);
        Ok(())
    }

    fn responses_answer(&mut self, answer: Answer<'_>, counts_texts: bool) {
        if let Some(usage) = answer.usage {
            self.usage_block(usage);
            self.final_usage_seen = self.usage_seen;
        }
        let tier =
            answer.service_tier.and_then(|tier| serde_json::from_str::<Option<String>>(tier.get()).ok());
        if let Some(tier) = tier.flatten() {
            self.wire.service_tier = Some(tier);
        }
        let Some(output) = answer.output.filter(|_| counts_texts) else { return };
        match serde_json::from_str::<Option<Vec<Item<'_>>>>(output.get()) {
            Ok(items) => items.into_iter().flatten().for_each(|item| self.responses_item(&item)),
            Err(_) => self.unread = true,
        }
    }

    fn responses_item(&mut self, item: &Item<'_>) {
        let is_thinking = item.kind == "reasoning";
        for list in [item.summary, item.content].into_iter().flatten() {
            let Ok(parts) = serde_json::from_str::<Option<Vec<Part<'_>>>>(list.get()) else {
                self.unread = true;
                continue;
            };
            for raw in parts.into_iter().flatten().flat_map(|part| [part.text, part.refusal]).flatten() {
                if is_thinking { self.reasoning.push_json(raw) } else { self.output.push_json(raw) }
            }
        }
        for raw in [item.name, item.arguments, item.input, item.code].into_iter().flatten() {
            self.output.push_json(raw);
        }
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_tier: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    summary: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    /// Of a custom tool.
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    /// Of a program that the provider runs.
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;
    use crate::usage::Usage;

    fn reader(events: &[&str]) -> Reader {
        let mut reader = Reader::new(Dialect::Responses);
        for event in events {
            reader.event(format!("event: x\ndata: {}\n\n", event.replace('\n', "")).as_bytes());
        }
        reader
    }

    const END: &str = r#"{"type":"response.completed","response":{"service_tier":"flex","output":[
        {"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},
        {"type":"message","content":[{"type":"output_text","text":"Hello"},{"type":"refusal","refusal":"no"}]},
        {"type":"function_call","name":"f","arguments":"{}"}],
        "usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2}}}}"#;

    #[test]
    fn a_stream_is_counted_by_its_pieces() {
        let reader = reader(&[
            r#"{"type":"response.created","response":{"usage":null}}"#,
            r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f","arguments":""}}"#,
            r#"{"type":"response.reasoning_summary_text.delta","delta":"h"}"#,
            r#"{"type":"response.output_text.delta","delta":"He"}"#,
            r#"{"type":"response.output_text.done","text":"He"}"#,
            r#"{"type":"response.function_call_arguments.delta","delta":"{}"}"#,
            END,
        ]);
        assert_eq!((reader.output.kept(), reader.reasoning.kept()), ("fHe{}", "h"));
        let expected = Usage { input: 5, cache_read: 4, output: 3, reasoning: 2, ..Usage::default() };
        assert_eq!((reader.usage(), reader.tier()), (Some(expected), Some("flex")));
        assert!(reader.is_complete() && reader.usage_is_final() && !reader.has_unread_parts());
    }

    #[test]
    fn a_stream_without_pieces_is_counted_by_its_end() {
        let reader = reader(&[END, "[DONE]"]);
        assert_eq!((reader.output.kept(), reader.reasoning.kept()), ("Hellonof{}", "hm"));
        assert!(!reader.has_unread_parts());
    }

    #[test]
    fn a_stream_that_failed_is_not_complete() {
        let reader = reader(&[r#"{"type":"response.failed","response":{"usage":{"input_tokens":1}}}"#]);
        assert!(!reader.is_complete() && reader.usage().is_some());
        assert!(self::reader(&["not json"]).has_unread_parts());
        assert!(self::reader(&[r#"{"type":"response.audio.delta","delta":"AA=="}"#]).has_unread_parts());
    }

    #[test]
    fn a_plain_answer_is_read() {
        let mut reader = Reader::new(Dialect::Responses);
        let body = END.split_once(r#""response":"#).unwrap().1.strip_suffix('}').unwrap();
        reader.body(body.as_bytes());
        assert_eq!((reader.output.kept(), reader.reasoning.kept()), ("Hellonof{}", "hm"));
        assert_eq!(reader.usage().unwrap().total_input(), 9);
        assert!(reader.is_complete() && reader.usage_is_final());
    }
}
