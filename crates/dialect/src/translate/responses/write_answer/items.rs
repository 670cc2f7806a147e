//! The items of an answer. Texts are the insides of JSON strings, lists those of JSON arrays.

use super::citation::write_citation;
use crate::translate::balance::Balance;
use crate::translate::marks::SIGNATURE;
use crate::translate::neutral::Text;
use serde_json::value::RawValue;

#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    /// Whether it is whole or was cut. `None`: it is being written.
    pub(super) status: Option<&'static str>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Message(Vec<Part>),
    Reasoning {
        text: Vec<u8>,
        encrypted: Vec<u8>,
    },
    /// Id and name are JSON.
    Call {
        call_id: Vec<u8>,
        name: Vec<u8>,
        json: Vec<u8>,
        balance: Balance,
    },
}

/// A part of a message.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) said: Said,
    pub(super) text: Vec<u8>,
    pub(super) annotations: Vec<u8>,
    pub(super) citations: usize,
    pub(super) logprobs: String,
}

/// What the text of a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Text,
    Refusal,
}

impl Kind {
    pub(super) fn call(id: &Text<'_>, name: &Text<'_>) -> Self {
        let json = |text: &Text<'_>| {
            let mut json = Vec::new();
            text.write(&mut json);
            json
        };
        Self::Call { call_id: json(id), name: json(name), json: Vec::new(), balance: Balance::default() }
    }

    /// What ids of such items begin with. Servers of OpenAI's look at it when an item comes back.
    fn prefix(&self) -> &'static str {
        match self {
            Self::Message(_) => "msg",
            Self::Reasoning { .. } => "rs",
            Self::Call { .. } => "fc",
        }
    }
}

impl Item {
    /// `stem`: what the ids of the answer's items have in common.
    pub(super) fn new(kind: Kind, stem: &str, number: usize) -> Self {
        Self { id: format!("{}_{stem}_{number}", kind.prefix()), status: None, kind }
    }

    /// Whether it is a call with all its arguments.
    pub(super) fn is_whole_call(&self) -> bool {
        matches!(&self.kind, Kind::Call { balance, .. } if balance.is_whole())
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Self { id, status, kind } = self;
        let status = status.unwrap_or("in_progress");
        match kind {
            Kind::Message(parts) => {
                out.extend_from_slice(
                    format!(
                        r#"{{"id":"{id}","type":"message","status":"{status}","role":"assistant","content":["#
                    )
                    .as_bytes(),
                );
                for (number, part) in parts.iter().enumerate() {
                    if number > 0 {
                        out.push(b',');
                    }
                    part.write(out);
                }
                out.extend_from_slice(b"]}");
            }
            Kind::Reasoning { text, encrypted } => {
                out.extend_from_slice(format!(r#"{{"id":"{id}","type":"reasoning","summary":["#).as_bytes());
                if !text.is_empty() {
                    write_summary(text, out);
                }
                out.push(b']');
                // What is not signed is marked too, once it is whole, so that it can be told from OpenAI's own.
                if !encrypted.is_empty() {
                    write_inside("encrypted_content", encrypted, out);
                } else if self.status.is_some() {
                    write_inside("encrypted_content", SIGNATURE.as_bytes(), out);
                }
                out.push(b'}');
            }
            Kind::Call { call_id, name, json, .. } => {
                out.extend_from_slice(
                    format!(r#"{{"id":"{id}","type":"function_call","status":"{status}","call_id":"#)
                        .as_bytes(),
                );
                out.extend_from_slice(call_id);
                out.extend_from_slice(br#","name":"#);
                out.extend_from_slice(name);
                write_inside("arguments", json, out);
                out.push(b'}');
            }
        }
    }
}

impl Part {
    pub(super) fn new(said: Said) -> Self {
        Self { said, text: Vec::new(), annotations: Vec::new(), citations: 0, logprobs: String::new() }
    }

    /// Adds where something of it comes from, and says where that begins.
    pub(super) fn cite(&mut self, citation: &RawValue) -> usize {
        if self.citations > 0 {
            self.annotations.push(b',');
        }
        self.citations += 1;
        let start = self.annotations.len();
        write_citation(&mut self.annotations, citation);
        start
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self.said {
            Said::Text => {
                out.extend_from_slice(br#"{"type":"output_text","annotations":["#);
                out.extend_from_slice(&self.annotations);
                out.extend_from_slice(br#"],"logprobs":["#);
                out.extend_from_slice(self.logprobs.as_bytes());
                out.push(b']');
                write_inside("text", &self.text, out);
            }
            Said::Refusal => {
                out.extend_from_slice(br#"{"type":"refusal""#);
                write_inside("refusal", &self.text, out);
            }
        }
        out.push(b'}');
    }
}

/// Writes a part of a summary of what was thought.
pub(super) fn write_summary(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"summary_text""#);
    write_inside("text", text, out);
    out.push(b'}');
}

/// Writes a field with a text whose inside it is.
pub(super) fn write_inside(name: &str, inside: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!(r#","{name}":""#).as_bytes());
    out.extend_from_slice(inside);
    out.push(b'"');
}
