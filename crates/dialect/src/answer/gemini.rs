//! Gemini's answers: <https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse>.

use super::{EventKind, Reader, is_some};
use crate::usage::GeminiUsage;
use serde::Deserialize;
use serde_json::value::RawValue;

impl Reader {
    pub(super) fn gemini_event(&mut self, data: &[u8]) -> EventKind {
        match serde_json::from_slice::<Chunk<'_>>(data) {
            Ok(chunk) => self.gemini_chunk(chunk),
            Err(_) => self.unread |= !data.is_empty(),
        }
        EventKind::Other
    }

    /// A plain answer; or the list of a stream's events, which clients get who do not ask for server-sent ones.
    pub(super) fn gemini_body(&mut self, body: &[u8]) -> serde_json::Result<()> {
        if body.trim_ascii_start().first() == Some(&b'[') {
            let chunks: Vec<Chunk<'_>> = serde_json::from_slice(body)?;
            chunks.into_iter().for_each(|chunk| self.gemini_chunk(chunk));
        } else {
            self.gemini_chunk(serde_json::from_slice(body)?);
            self.final_usage_seen = self.usage_seen;
        }
        Ok(())
    }

    fn gemini_chunk(&mut self, chunk: Chunk<'_>) {
        if let Some(usage) = chunk.usage_metadata {
            self.wire.update(usage.wire());
            self.usage_seen = true;
        }
        if let Some(raw) = chunk.candidates {
            match serde_json::from_str::<Option<Vec<Candidate<'_>>>>(raw.get()) {
                Ok(candidates) => {
                    candidates.into_iter().flatten().for_each(|candidate| self.candidate(candidate))
                }
                Err(_) => self.unread = true,
            }
        }
        // A prompt that was refused has no candidate that could end.
        let refused = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason).is_some();
        self.finished |= refused;
        if self.finished {
            self.complete = true;
            self.final_usage_seen = self.usage_seen;
        }
    }

    fn candidate(&mut self, candidate: Candidate<'_>) {
        self.many_choices |= candidate.index.is_some_and(|index| index != 0);
        self.finished |= is_some(candidate.finish_reason);
        for part in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
            let text = if part.thought == Some(true) { &mut self.reasoning } else { &mut self.output };
            part.text.into_iter().for_each(|raw| text.push_json(raw));
            for raw in [part.function_call, part.executable_code].into_iter().flatten() {
                self.output.push_json(raw);
            }
            // How many tokens a picture or a sound has cannot be seen.
            self.unread |= part.inline_data.is_some();
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow, default)]
    candidates: Option<&'a RawValue>,
    #[serde(default)]
    usage_metadata: Option<GeminiUsage>,
    #[serde(borrow, default)]
    prompt_feedback: Option<Feedback<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow, default)]
    block_reason: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: Option<u64>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(default)]
    thought: Option<bool>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    executable_code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    inline_data: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dialect;

    fn stream(events: &[&str]) -> Reader {
        let mut reader = Reader::new(Dialect::Gemini);
        for data in events {
            reader.event(format!("data: {data}\n\n").as_bytes());
        }
        reader
    }

    const FIRST: &str = r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"Hel"}]}}],"usageMetadata":{"promptTokenCount":5}}"#;
    const LAST: &str = r#"{"candidates":[{"content":{"parts":[{"text":"lo"},{"functionCall":{"name":"f","args":{}}}]},"finishReason":"STOP"}],
        "usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,"thoughtsTokenCount":1}}"#;

    #[test]
    fn a_stream_is_whole_with_its_last_candidate() {
        let cut = stream(&[FIRST]);
        assert!(!cut.is_complete() && !cut.usage_is_final());
        let one_line = LAST.replace('\n', " ");
        let whole = stream(&[FIRST, &one_line]);
        assert!(whole.is_complete() && whole.is_finished() && whole.usage_is_final());
        let usage = whole.usage().unwrap();
        assert_eq!((usage.input, usage.output, usage.reasoning), (5, 2, 1));
    }

    #[test]
    fn a_list_of_events_is_read_as_a_stream() {
        let mut reader = Reader::new(Dialect::Gemini);
        reader.body(format!("[{FIRST},\n{LAST}]").as_bytes());
        assert!(reader.is_complete() && !reader.has_unread_parts());
        assert_eq!(reader.usage().unwrap().output, 2);
    }

    #[test]
    fn what_passed_is_counted_where_usage_is_missing() {
        let reader = stream(&[r#"{"candidates":[{"content":{"parts":[{"text":"Hello"}]}}]}"#]);
        assert_eq!((reader.usage(), reader.output.bytes()), (None, 5));
        let refused = stream(&[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#]);
        assert!(refused.is_complete());
        assert!(stream(&["{"]).has_unread_parts());
    }
}
