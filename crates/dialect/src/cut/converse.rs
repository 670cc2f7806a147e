//! Ending a stream of Amazon's Converse (`max_tokens`), whose events are messages in Amazon's framing:
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>.

use crate::event_stream;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;

/// The most blocks that are ended one by one.
const BLOCKS: usize = 1_024;

/// What has come of an answer.
#[derive(Debug, Default)]
pub(super) struct Converse {
    /// The blocks that are open. Those of text begin with their first piece.
    open: BTreeSet<u64>,
    begun: bool,
    stopped: bool,
    ended: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default, rename = "contentBlockIndex")]
    index: u64,
}

impl Converse {
    pub(super) fn event(&mut self, raw: &[u8]) {
        let Ok(message) = event_stream::parse(raw) else { return };
        let Some(name) = message.text(":event-type") else {
            // An exception is the end of a stream.
            self.ended = true;
            return;
        };
        let index = || serde_json::from_slice::<Event>(message.payload).map_or(0, |event| event.index);
        match name {
            "messageStart" => self.begun = true,
            "contentBlockStart" | "contentBlockDelta" if self.open.len() < BLOCKS => {
                self.open.insert(index());
            }
            "contentBlockStop" => {
                self.open.remove(&index());
            }
            "messageStop" => self.stopped = true,
            "metadata" => self.ended = true,
            _ => {}
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The messages that end the stream here; `None` if it has ended or has not begun.
    pub(super) fn end(&self, input: u64, output: u64) -> Option<Vec<u8>> {
        if self.ended || !self.begun {
            return None;
        }
        let mut out = Vec::new();
        let mut tell = |name: &str, payload: serde_json::Value| {
            // It fails only for messages of gigabytes.
            let _ = event_stream::write_event(&mut out, name, payload.to_string().as_bytes());
        };
        if !self.stopped {
            for index in &self.open {
                tell("contentBlockStop", json!({"contentBlockIndex": index}));
            }
            tell("messageStop", json!({"stopReason": "max_tokens"}));
        }
        let total = input.saturating_add(output);
        let usage = json!({"inputTokens": input, "outputTokens": output, "totalTokens": total});
        tell("metadata", json!({"usage": usage, "metrics": {"latencyMs": 0}}));
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_stream::{Framer, parse};

    fn cut(events: &[(&str, &str)]) -> Converse {
        let mut cut = Converse::default();
        for (name, payload) in events {
            let mut raw = Vec::new();
            event_stream::write_event(&mut raw, name, payload.as_bytes()).unwrap();
            cut.event(&raw);
        }
        cut
    }

    fn names(stream: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        let push = |raw: &[u8]| names.push(parse(raw).unwrap().text(":event-type").unwrap().to_owned());
        Framer::new(1 << 20).push(stream, push).unwrap();
        names
    }

    #[test]
    fn a_stream_ends_as_at_its_cap() {
        let events = [
            ("messageStart", r#"{"role":"assistant"}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"a"}}"#),
            ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
            ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"a"}}"#),
            ("messageStop", r#"{"stopReason":"end_turn"}"#),
            ("metadata", r#"{"usage":{}}"#),
        ];
        assert_eq!(cut(&[]).end(9, 4), None);
        let out = cut(&events[..4]).end(9, 4).unwrap();
        assert_eq!(names(&out), ["contentBlockStop", "messageStop", "metadata"]);
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(
            text.contains(r#"{"contentBlockIndex":1}"#) && text.contains(r#""totalTokens":13"#),
            "{text}"
        );
        assert_eq!(names(&cut(&events[..5]).end(9, 4).unwrap()), ["metadata"]);
        let whole = cut(&events);
        assert!(whole.has_ended() && whole.end(9, 4).is_none());
    }
}
