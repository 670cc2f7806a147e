//! A plain answer.

use super::{is_annotation, write_head, write_stop, write_tier, write_usage};
use crate::translate::AnswerOptions;
use crate::translate::neutral::{Event, Stop, Text, WriteAnswer};
use crate::translate::openai::write_failure;
use crate::translate::raw::{self, Object};
use std::collections::BTreeMap;

/// Writes a plain answer.
#[derive(Debug)]
pub(super) struct Whole {
    options: AnswerOptions,
    head: Vec<u8>,
    choices: BTreeMap<u32, Message>,
    /// As JSON; empty until there is some.
    usage: Vec<u8>,
    tier: Option<String>,
    /// Fields that only the provider's dialect has, each with a comma before it.
    rest: Vec<u8>,
}

/// What one choice says. Texts are the insides of JSON strings, lists those of JSON arrays.
#[derive(Debug, Default)]
struct Message {
    text: Vec<u8>,
    refusal: Vec<u8>,
    reasoning: Vec<u8>,
    thinking_blocks: Vec<Vec<u8>>,
    /// The last block of thinking, which may still grow.
    thinking: Option<(Vec<u8>, Vec<u8>)>,
    calls: BTreeMap<u32, Call>,
    annotations: Vec<u8>,
    citations: Vec<u8>,
    logprobs: Vec<u8>,
    stop: Option<(Stop, Option<String>)>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    json: String,
}

impl Whole {
    pub(super) fn new(options: AnswerOptions) -> Self {
        Self {
            options,
            head: Vec::new(),
            choices: BTreeMap::new(),
            usage: Vec::new(),
            tier: None,
            rest: Vec::new(),
        }
    }

    fn choice(&mut self, choice: u32) -> &mut Message {
        self.choices.entry(choice).or_default()
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#","choices":["#);
        for (at, (number, message)) in self.choices.iter_mut().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(format!(r#"{{"index":{number},"message":"#).as_bytes());
            message.write(out);
            out.extend_from_slice(br#","logprobs":"#);
            out.extend_from_slice(if message.logprobs.is_empty() { b"null" } else { &message.logprobs });
            out.push(b',');
            let (stop, sequence) = message.stop.take().unwrap_or((Stop::End, None));
            let sequence = sequence.as_deref().map(Text::from);
            write_stop(out, stop, sequence.as_ref(), !message.calls.is_empty());
            out.push(b'}');
        }
        out.push(b']');
        if let Some(tier) = &self.tier {
            write_tier(out, &tier.as_str().into());
        }
        if !self.usage.is_empty() {
            out.extend_from_slice(br#","usage":"#);
            out.extend_from_slice(&self.usage);
        }
        out.extend_from_slice(&self.rest);
        out.push(b'}');
    }
}

impl Message {
    fn close_thinking(&mut self) {
        if let Some((text, signature)) = self.thinking.take() {
            let mut block = br#"{"type":"thinking","thinking":""#.to_vec();
            block.extend_from_slice(&text);
            block.push(b'"');
            if !signature.is_empty() {
                block.extend_from_slice(br#","signature":""#);
                block.extend_from_slice(&signature);
                block.push(b'"');
            }
            block.push(b'}');
            self.thinking_blocks.push(block);
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        self.close_thinking();
        out.extend_from_slice(br#"{"role":"assistant","content":"#);
        if self.text.is_empty() && (!self.calls.is_empty() || !self.refusal.is_empty()) {
            out.extend_from_slice(b"null");
        } else {
            quoted(out, &self.text);
        }
        out.extend_from_slice(br#","refusal":"#);
        if self.refusal.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            quoted(out, &self.refusal);
        }
        if !self.reasoning.is_empty() {
            out.extend_from_slice(br#","reasoning_content":"#);
            quoted(out, &self.reasoning);
        }
        if !self.thinking_blocks.is_empty() {
            out.extend_from_slice(br#","thinking_blocks":["#);
            out.extend_from_slice(&self.thinking_blocks.join(&b','));
            out.push(b']');
        }
        for (at, call) in self.calls.values().enumerate() {
            out.extend_from_slice(if at == 0 { br#","tool_calls":["#.as_slice() } else { b"," });
            out.push(b'{');
            raw::write_field(out, "id", &call.id);
            out.extend_from_slice(br#","type":"function","function":{"#);
            raw::write_field(out, "name", &call.name);
            out.push(b',');
            raw::write_field(out, "arguments", if call.json.is_empty() { "{}" } else { &call.json });
            out.extend_from_slice(b"}}");
        }
        if !self.calls.is_empty() {
            out.push(b']');
        }
        for (name, list) in [("annotations", &self.annotations), ("citations", &self.citations)] {
            if !list.is_empty() {
                out.extend_from_slice(format!(r#","{name}":["#).as_bytes());
                out.extend_from_slice(list);
                out.push(b']');
            }
        }
        out.push(b'}');
    }
}

impl WriteAnswer for Whole {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, mut rest } => {
                self.head = b"{".to_vec();
                write_head(&mut self.head, id.as_ref(), model.as_ref(), "chat.completion", &self.options);
                rest.remove(&["id", "object", "created", "model", "choices", "service_tier", "usage"]);
                rest.write_rest(&mut self.rest);
            }
            Event::Text { choice, text } => text.write_inside(&mut self.choice(choice).text),
            Event::Refusal { choice, text } => text.write_inside(&mut self.choice(choice).refusal),
            Event::Thinking { choice, text } => {
                let message = self.choice(choice);
                text.write_inside(&mut message.reasoning);
                if message.thinking.as_ref().is_some_and(|(_, signature)| !signature.is_empty()) {
                    message.close_thinking();
                }
                text.write_inside(&mut message.thinking.get_or_insert_default().0);
            }
            Event::Signature { choice, signature } => {
                signature.write_inside(&mut self.choice(choice).thinking.get_or_insert_default().1);
            }
            Event::SealedThinking { choice, data } => {
                let message = self.choice(choice);
                message.close_thinking();
                let mut block = br#"{"type":"redacted_thinking","data":"#.to_vec();
                data.write(&mut block);
                block.push(b'}');
                message.thinking_blocks.push(block);
            }
            Event::Call { choice, call, id, name } => {
                let (id, name) = (id.decode().into_owned(), name.decode().into_owned());
                self.choice(choice).calls.insert(call, Call { id, name, json: String::new() });
            }
            Event::Arguments { choice, call, json } => {
                if let Some(call) = self.choice(choice).calls.get_mut(&call) {
                    call.json.push_str(&json.decode());
                }
            }
            Event::Citation { choice, citation } => {
                let message = self.choice(choice);
                let list = match Object::open(citation).is_some_and(|citation| is_annotation(&citation)) {
                    true => &mut message.annotations,
                    false => &mut message.citations,
                };
                if !list.is_empty() {
                    list.push(b',');
                }
                raw::write_raw(list, citation);
            }
            Event::Logprobs { choice, logprobs } => {
                self.choice(choice).logprobs = logprobs.get().as_bytes().to_vec();
            }
            Event::Stop { choice, stop, sequence } => {
                self.choice(choice).stop = Some((stop, sequence.map(|text| text.decode().into_owned())));
            }
            Event::Usage(used) => {
                self.usage.clear();
                write_usage(&mut self.usage, used);
            }
            Event::Tier(tier) => self.tier = Some(tier.decode().into_owned()),
            Event::Failed { status, error, text, rest } => write_failure(out, status, error, text, rest),
            Event::End => {
                if !self.head.is_empty() {
                    self.write(out);
                }
            }
        }
    }
}

fn quoted(out: &mut Vec<u8>, inside: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(inside);
    out.push(b'"');
}
