//! A plain answer.

use super::*;
use serde_json::value::RawValue;

/// Writes a plain answer.
#[derive(Debug, Default)]
pub(super) struct Whole {
    is_started: bool,
    blocks: Vec<Block>,
    any_call: bool,
    usage: Usage,
    tier: Option<&'static str>,
    stop: Option<Stop>,
}

/// A block that may still grow. Texts are the insides of JSON strings.
#[derive(Debug)]
enum Block {
    Text(Vec<u8>),
    Thinking {
        text: Vec<u8>,
        signature: Vec<u8>,
    },
    Call {
        call: u32,
        id: String,
        name: String,
        json: String,
    },
    Citations(Vec<u8>),
    /// Thinking that only the provider can read, as a JSON string.
    Sealed(Vec<u8>),
}

impl Whole {
    fn add_text(&mut self, more: &Text<'_>) {
        if more.is_empty() {
            return;
        }
        if let Some(Block::Text(text)) = self.blocks.last_mut() {
            return more.write_inside(text);
        }
        let mut text = Vec::new();
        more.write_inside(&mut text);
        self.blocks.push(Block::Text(text));
    }

    fn add_thinking(&mut self, more: &Text<'_>) {
        match self.blocks.last_mut() {
            // What is thought after a signature needs another.
            Some(Block::Thinking { text, signature }) if signature.is_empty() => more.write_inside(text),
            _ => {
                let mut text = Vec::new();
                more.write_inside(&mut text);
                self.blocks.push(Block::Thinking { text, signature: Vec::new() });
            }
        }
    }

    /// Citations stand behind the text, in a block without one of its own, so that clients that read texts only find it.
    fn add_citation(&mut self, citation: &RawValue) {
        let mut page = Vec::new();
        if !citation::write(&mut page, citation) {
            return;
        }
        match self.blocks.last_mut() {
            Some(Block::Citations(list)) => {
                list.push(b',');
                list.append(&mut page);
            }
            _ => self.blocks.push(Block::Citations(page)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"output":{"message":{"role":"assistant","content":"#);
        raw::write_list(out, &self.blocks, |out, block| block.write(out));
        out.extend_from_slice(b"}},");
        raw::write_field(out, "stopReason", stop_reason(self.stop.unwrap_or(Stop::End), self.any_call));
        out.push(b',');
        write_metadata(out, &self.usage, self.tier);
        out.push(b'}');
    }
}

impl Block {
    fn write(&self, out: &mut Vec<u8>) {
        let around = |out: &mut Vec<u8>, before: &str, inside: &[u8], behind: &str| {
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(inside);
            out.extend_from_slice(behind.as_bytes());
        };
        match self {
            Self::Text(text) => around(out, r#"{"text":""#, text, r#""}"#),
            Self::Thinking { text, signature } => {
                around(out, r#"{"reasoningContent":{"reasoningText":{"text":""#, text, "\"");
                if !signature.is_empty() {
                    around(out, r#","signature":""#, signature, "\"");
                }
                out.extend_from_slice(b"}}}");
            }
            Self::Call { id, name, json, .. } => {
                out.extend_from_slice(br#"{"toolUse":{"#);
                write_call(out, &id.as_str().into(), &name.as_str().into());
                around(out, r#","input":"#, input(json).as_bytes(), "}}");
            }
            Self::Citations(list) => {
                around(out, r#"{"citationsContent":{"content":[],"citations":["#, list, "]}}");
            }
            Self::Sealed(data) => around(out, r#"{"reasoningContent":{"redactedContent":"#, data, "}}"),
        }
    }
}

impl WriteAnswer for Whole {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { .. } => self.is_started = true,
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => self.add_text(&text),
            Event::Thinking { choice: 0, text } => self.add_thinking(&text),
            Event::Signature { choice: 0, signature: more } => {
                if let Some(Block::Thinking { signature, .. }) = self.blocks.last_mut() {
                    more.write_inside(signature);
                }
            }
            Event::SealedThinking { choice: 0, data } if is_base64(&data) => {
                let mut json = Vec::new();
                data.write(&mut json);
                self.blocks.push(Block::Sealed(json));
            }
            Event::Call { choice: 0, call, id, name } => {
                self.any_call = true;
                let (id, name) = (id.decode().into_owned(), name.decode().into_owned());
                self.blocks.push(Block::Call { call, id, name, json: String::new() });
            }
            Event::Arguments { choice: 0, call: of, json: more } => {
                let mut jsons = self.blocks.iter_mut().rev().filter_map(|block| match block {
                    Block::Call { call, json, .. } if *call == of => Some(json),
                    _ => None,
                });
                if let Some(json) = jsons.next() {
                    json.push_str(&more.decode());
                }
            }
            Event::Citation { choice: 0, citation } => self.add_citation(citation),
            Event::Stop { choice: 0, stop, sequence: _ } => self.stop = Some(stop),
            Event::Usage(used) => self.usage = used.tokens,
            Event::Tier(tier) => self.tier = own_tier(&tier),
            Event::Failed { status, error, text, rest: _ } => {
                out.extend_from_slice(client_error(status, error, text).body(Dialect::Converse).as_bytes());
            }
            Event::End => {
                if self.is_started {
                    self.write(out);
                }
            }
            // There is one choice here, and no place for the rest.
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thinking { .. }
            | Event::Signature { .. }
            | Event::SealedThinking { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Citation { .. }
            | Event::Stop { .. }
            | Event::Logprobs { .. } => {}
        }
    }
}
