//! The events of a stream.

use super::items::{Item, Part, Said, write_inside, write_summary};

/// Writes events, if the client asked for a stream.
#[derive(Debug)]
pub(super) struct Emit {
    is_on: bool,
    /// The number of the next event.
    sequence: u64,
}

/// What an event is about: an item, or a part of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    id: &'a str,
    item: usize,
    /// The name of the list that the part is in, and its number there.
    part: Option<(&'static str, usize)>,
}

impl<'a> At<'a> {
    pub(super) fn item(id: &'a str, item: usize) -> Self {
        Self { id, item, part: None }
    }

    /// A part of a message.
    pub(super) fn part(id: &'a str, item: usize, part: usize) -> Self {
        Self { id, item, part: Some(("content_index", part)) }
    }

    /// The summary of what was thought, which has one part here.
    pub(super) fn summary(id: &'a str, item: usize) -> Self {
        Self { id, item, part: Some(("summary_index", 0)) }
    }

    fn write(self, out: &mut Vec<u8>) {
        let Self { id, item, part } = self;
        out.extend_from_slice(format!(r#","item_id":"{id}","output_index":{item}"#).as_bytes());
        if let Some((name, number)) = part {
            out.extend_from_slice(format!(r#","{name}":{number}"#).as_bytes());
        }
    }
}

impl Emit {
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_on, sequence: 0 }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    pub(super) fn event(&mut self, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.is_on {
            return;
        }
        let sequence = self.sequence;
        self.sequence += 1;
        let start = format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{sequence}");
        out.extend_from_slice(start.as_bytes());
        write(out);
        out.extend_from_slice(b"}\n\n");
    }

    /// An event about an item or a part.
    pub(super) fn at(&mut self, name: &str, at: At<'_>, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        self.event(name, out, |out| {
            at.write(out);
            write(out);
        });
    }

    /// An event with a text, given as the inside of a JSON string.
    pub(super) fn text(&mut self, name: &str, at: At<'_>, field: &str, inside: &[u8], out: &mut Vec<u8>) {
        self.at(name, at, out, |out| write_inside(field, inside, out));
    }

    /// More of a text, or how likely its tokens are.
    pub(super) fn output_text(&mut self, at: At<'_>, more: &[u8], logprobs: &str, out: &mut Vec<u8>) {
        self.at("response.output_text.delta", at, out, |out| {
            write_inside("delta", more, out);
            out.extend_from_slice(format!(r#","logprobs":[{logprobs}]"#).as_bytes());
        });
    }

    /// An item begins, or is at its end.
    pub(super) fn item(&mut self, name: &str, number: usize, item: &Item, out: &mut Vec<u8>) {
        self.event(name, out, |out| {
            out.extend_from_slice(format!(r#","output_index":{number},"item":"#).as_bytes());
            item.write(out);
        });
    }

    /// A part of a message begins, or is at its end.
    pub(super) fn part(&mut self, name: &str, at: At<'_>, part: &Part, out: &mut Vec<u8>) {
        self.at(name, at, out, |out| {
            out.extend_from_slice(br#","part":"#);
            part.write(out);
        });
    }

    pub(super) fn part_done(&mut self, at: At<'_>, part: &Part, out: &mut Vec<u8>) {
        match part.said {
            Said::Text => self.at("response.output_text.done", at, out, |out| {
                write_inside("text", &part.text, out);
                out.extend_from_slice(format!(r#","logprobs":[{}]"#, part.logprobs).as_bytes());
            }),
            Said::Refusal => self.text("response.refusal.done", at, "refusal", &part.text, out),
        }
        self.part("response.content_part.done", at, part, out);
    }

    /// A part of a summary begins, or is at its end.
    pub(super) fn summary_part(&mut self, name: &str, at: At<'_>, text: &[u8], out: &mut Vec<u8>) {
        self.at(name, at, out, |out| {
            out.extend_from_slice(br#","part":"#);
            write_summary(text, out);
        });
    }

    pub(super) fn summary_done(&mut self, at: At<'_>, text: &[u8], out: &mut Vec<u8>) {
        self.text("response.reasoning_summary_text.done", at, "text", text, out);
        self.summary_part("response.reasoning_summary_part.done", at, text, out);
    }
}
