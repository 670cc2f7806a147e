//! A plain answer.

use super::*;

/// Writes a plain answer.
#[derive(Debug)]
pub(super) struct Whole {
    options: AnswerOptions,
    head: Vec<u8>,
    blocks: Vec<Block>,
    any_call: bool,
    usage: Usage,
    stop: Option<(Stop, Option<String>)>,
}

/// A block that may still grow. Texts are the insides of JSON strings.
#[derive(Debug)]
enum Block {
    Text {
        text: Vec<u8>,
        citations: Vec<u8>,
    },
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
    /// One that is whole, as JSON.
    Done(Vec<u8>),
}

impl Whole {
    pub(super) fn new(options: AnswerOptions) -> Self {
        Self {
            options,
            head: Vec::new(),
            blocks: Vec::new(),
            any_call: false,
            usage: Usage::default(),
            stop: None,
        }
    }

    fn add_text(&mut self, more: &Text<'_>) {
        if more.is_empty() {
            return;
        }
        if let Some(Block::Text { text, .. }) = self.blocks.last_mut() {
            return more.write_inside(text);
        }
        let mut text = Vec::new();
        more.write_inside(&mut text);
        self.blocks.push(Block::Text { text, citations: Vec::new() });
    }

    fn add_citation(&mut self, citation: &RawValue) {
        if let Some(Block::Text { citations, .. }) = self.blocks.last_mut() {
            if !citations.is_empty() {
                citations.push(b',');
            }
            write_citation(citations, citation);
        }
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

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#","content":["#);
        for (number, block) in self.blocks.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            block.write(out);
        }
        out.extend_from_slice(b"],");
        let (stop, sequence) =
            self.stop.as_ref().map_or((Stop::End, None), |(stop, text)| (*stop, text.as_deref()));
        write_stop(out, stop, sequence, self.any_call);
        out.extend_from_slice(br#","usage":"#);
        write_usage(out, &self.usage);
        out.push(b'}');
    }
}

impl Block {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text { text, citations } => {
                out.extend_from_slice(br#"{"type":"text","text":""#);
                out.extend_from_slice(text);
                out.push(b'"');
                if !citations.is_empty() {
                    out.extend_from_slice(br#","citations":["#);
                    out.extend_from_slice(citations);
                    out.push(b']');
                }
                out.push(b'}');
            }
            Self::Thinking { text, signature } => {
                out.extend_from_slice(br#"{"type":"thinking","thinking":""#);
                out.extend_from_slice(text);
                out.extend_from_slice(br#"","signature":""#);
                out.extend_from_slice(signature);
                out.extend_from_slice(br#""}"#);
            }
            Self::Call { id, name, json, .. } => {
                write_call(out, &id.as_str().into(), &name.as_str().into(), &input(json));
            }
            Self::Done(block) => out.extend_from_slice(block),
        }
    }
}

impl WriteAnswer for Whole {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, rest: _ } => {
                self.head.clear();
                self.head.push(b'{');
                write_head(&mut self.head, id.as_ref(), model.as_ref(), &self.options);
            }
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => self.add_text(&text),
            Event::Thinking { choice: 0, text } => self.add_thinking(&text),
            Event::Signature { choice: 0, signature: more } => {
                if let Some(Block::Thinking { signature, .. }) = self.blocks.last_mut() {
                    more.write_inside(signature);
                }
            }
            Event::SealedThinking { choice: 0, data } => {
                let mut block = Vec::new();
                write_sealed(&mut block, &data);
                self.blocks.push(Block::Done(block));
            }
            Event::Call { choice: 0, call, id, name } => {
                self.any_call = true;
                let (id, name) = (id.decode().into_owned(), name.decode().into_owned());
                self.blocks.push(Block::Call { call, id, name, json: String::new() });
            }
            Event::Arguments { choice: 0, call: of, json: more } => {
                let calls = self.blocks.iter_mut().rev();
                let mut jsons = calls.filter_map(|block| match block {
                    Block::Call { call, json, .. } if *call == of => Some(json),
                    _ => None,
                });
                if let Some(json) = jsons.next() {
                    json.push_str(&more.decode());
                }
            }
            Event::Citation { choice: 0, citation } => self.add_citation(citation),
            Event::Stop { choice: 0, stop, sequence } => {
                self.stop = Some((stop, sequence.map(|text| text.decode().into_owned())));
            }
            Event::Usage(used) => self.usage = used.tokens,
            Event::Failed { status, error, text, rest: _ } => {
                out.extend_from_slice(client_error(status, error, text).body(Dialect::Anthropic).as_bytes());
            }
            Event::End => {
                if !self.head.is_empty() {
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
            | Event::Logprobs { .. }
            | Event::Tier(_) => {}
        }
    }
}
