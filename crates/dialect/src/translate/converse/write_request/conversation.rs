//! The messages.
//!
//! Bedrock wants the two sides to take turns, so neighbours of one role become one message. What the system says goes to the
//! top-level `system`, wherever in the conversation it stands.

use super::super::family::Family;
use super::blocks;
use super::names::DocumentNames;
use crate::translate::fields::Fields;
use crate::translate::marks::is_marked;
use crate::translate::neutral::{Part, PartKind, Place, Role, Source, Text, Turn};
use crate::translate::raw::{self, Field, Object};
use crate::translate::{Error, Remarks};
use serde_json::value::RawValue;
use std::collections::HashSet;

/// The conversation as the provider wants it.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    system: Vec<Vec<u8>>,
    messages: Vec<Message<'a>>,
    /// The conversation goes on after a call whose thinking was not sent back.
    pub(super) lacks_thinking: bool,
    /// The tools that were called, each once.
    pub(super) called: Vec<Text<'a>>,
}

#[derive(Debug)]
struct Message<'a> {
    role: &'static str,
    blocks: Vec<Vec<u8>>,
    rest: Vec<Field<'a>>,
}

/// Writes the turns. `system` is the provider's own field, should the client send it.
pub(super) fn write<'a>(
    turns: Vec<Turn<'a>>,
    system: Option<&'a RawValue>,
    family: Family,
    remarks: &mut Remarks,
) -> Result<Conversation<'a>, Error> {
    let mut writer = Writer {
        out: Conversation::default(),
        family,
        remarks,
        names: DocumentNames::default(),
        called: HashSet::new(),
        last_text: None,
    };
    if let Some(system) = system {
        writer.own_system(system)?;
    }
    for turn in turns {
        writer.turn(turn)?;
    }
    Ok(writer.finish())
}

impl Conversation<'_> {
    pub(super) fn write(&self, body: &mut Fields) {
        let list = |out: &mut Vec<u8>, blocks: &[Vec<u8>]| {
            raw::write_list(out, blocks, |out, block| out.extend_from_slice(block));
        };
        body.begin("messages");
        raw::write_list(&mut body.out, &self.messages, |out, message| {
            out.push(b'{');
            raw::write_field(out, "role", message.role);
            out.extend_from_slice(br#","content":"#);
            list(out, &message.blocks);
            Object::from_fields(message.rest.clone()).write_rest(out);
            out.push(b'}');
        });
        if !self.system.is_empty() {
            body.begin("system");
            list(&mut body.out, &self.system);
        }
    }
}

struct Writer<'a, 'r> {
    out: Conversation<'a>,
    family: Family,
    remarks: &'r mut Remarks,
    names: DocumentNames,
    called: HashSet<String>,
    /// The last block, if it is a text.
    last_text: Option<Text<'a>>,
}

impl<'a> Writer<'a, '_> {
    fn own_system(&mut self, system: &'a RawValue) -> Result<(), Error> {
        if let Some(text) = Text::read(system) {
            if !text.is_blank() {
                self.out.system.push(blocks::close(blocks::text(&text), Object::default()));
            }
            return Ok(());
        }
        let expected = || Error::invalid("system", "a string or an array is expected");
        let list = raw::array(system).ok_or_else(expected)?;
        self.out.system.extend(list.into_iter().map(|block| block.get().as_bytes().to_vec()));
        Ok(())
    }

    fn turn(&mut self, turn: Turn<'a>) -> Result<(), Error> {
        let Turn { role, place, name, parts, mut rest } = turn;
        if name.is_some() {
            self.remarks.report.left_out(place.field("name"));
        }
        let has = |is: fn(&PartKind<'_>) -> bool| parts.iter().any(|part| is(&part.kind));
        let is_thought = |kind: &PartKind<'_>| match kind {
            PartKind::Thinking { signature, .. } => is_signed(signature.as_ref()),
            kind => matches!(kind, PartKind::SealedThinking(_)),
        };
        match role {
            Role::System => {}
            Role::User => {
                self.out.lacks_thinking &= !has(|kind| !matches!(kind, PartKind::Result { .. }));
            }
            Role::Assistant => {
                self.out.lacks_thinking =
                    has(|kind| matches!(kind, PartKind::Call { .. })) && !has(is_thought);
            }
        }
        let mut said = Vec::with_capacity(parts.len());
        for part in parts {
            self.part(role, part, &mut said)?;
        }
        if said.is_empty() {
            return Ok(());
        }
        let says = |start: &[u8]| said.iter().any(|block| block.starts_with(start));
        // A document has to come with a text, which its user may have said before or not at all.
        if says(br#"{"document":"#) && !says(br#"{"text":"#) {
            said.insert(0, blocks::close(blocks::text(&"document".into()), Object::default()));
        }
        let role = match role {
            Role::System => {
                self.out.system.append(&mut said);
                return Ok(());
            }
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        rest.remove(&["role", "content"]);
        match self.out.messages.last_mut().filter(|message| message.role == role) {
            Some(message) => {
                message.blocks.append(&mut said);
                message.rest.append(&mut rest.into_fields());
            }
            None => self.out.messages.push(Message { role, blocks: said, rest: rest.into_fields() }),
        }
        Ok(())
    }

    /// Writes a part, and the mark for the prompt cache behind it.
    fn part(&mut self, role: Role, part: Part<'a>, said: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        let Part { kind, place, cache, rest } = part;
        let mut mark = cache;
        let block = match kind {
            PartKind::Text(text) | PartKind::Refusal(text) => {
                if text.is_blank() {
                    return Ok(());
                }
                let block = blocks::text(&text);
                if role != Role::System {
                    self.last_text = Some(text).filter(|_| cache.is_none() && rest.is_empty());
                }
                said.push(blocks::close(block, rest));
                self.mark(mark, place, said);
                return Ok(());
            }
            PartKind::Document { source: Source::Text(text), .. } if role == Role::System => {
                Ok(blocks::text(&text))
            }
            PartKind::Unknown(block) => {
                said.push(block.get().as_bytes().to_vec());
                self.last_text = None;
                return Ok(());
            }
            PartKind::Own { what } => Err(format!("its API has no {what}")),
            _ if role == Role::System => Err("instructions are text".to_owned()),
            PartKind::Call { .. } | PartKind::Thinking { .. } | PartKind::SealedThinking(_)
                if role != Role::Assistant =>
            {
                Err("only the model thinks and calls tools".to_owned())
            }
            PartKind::Result { .. } if role != Role::User => {
                Err("only the user gives results of tools".to_owned())
            }
            PartKind::Thinking { text, signature } => {
                if !is_signed(signature.as_ref()) {
                    self.remarks.thinking(|| place.path());
                    return Ok(());
                }
                Ok(blocks::thinking(&text, signature.as_ref()))
            }
            PartKind::SealedThinking(data) => Ok(blocks::sealed(&data)),
            PartKind::Call { id, name, arguments } => {
                let block = blocks::call(&id, &name, &arguments);
                if self.called.insert(name.decode().into_owned()) {
                    self.out.called.push(name);
                }
                Ok(block)
            }
            PartKind::Result { id, parts, is_error } => {
                let mut content = Vec::with_capacity(parts.len());
                for part in parts {
                    // A mark within is one behind the result: the content of one takes none.
                    mark = mark.or(part.cache);
                    self.within_result(part, &mut content)?;
                }
                // A failure without a word is refused.
                if content.is_empty() && is_error {
                    content.push(blocks::close(blocks::text(&"error".into()), Object::default()));
                }
                Ok(blocks::result(&id, &content, is_error))
            }
            kind => self.file(kind, place),
        };
        match block {
            Ok(block) => {
                said.push(blocks::close(block, rest));
                self.last_text = None;
                self.mark(mark, place, said);
                Ok(())
            }
            Err(reason) => self.remarks.report.unsupported(place.path(), &reason),
        }
    }

    fn within_result(&mut self, part: Part<'a>, content: &mut Vec<Vec<u8>>) -> Result<(), Error> {
        let Part { kind, place, cache: _, rest } = part;
        let block = match kind {
            PartKind::Text(text) | PartKind::Refusal(text) => {
                if text.is_blank() {
                    return Ok(());
                }
                Ok(blocks::text(&text))
            }
            PartKind::Unknown(block) => {
                content.push(block.get().as_bytes().to_vec());
                return Ok(());
            }
            PartKind::Image { .. } | PartKind::Document { .. } => self.file(kind, place),
            PartKind::Own { what } => Err(format!("its API has no {what}")),
            _ => Err("a result holds texts, pictures and documents".to_owned()),
        };
        match block {
            Ok(block) => {
                content.push(blocks::close(block, rest));
                Ok(())
            }
            Err(reason) => self.remarks.report.unsupported(place.path(), &reason),
        }
    }

    fn file(&mut self, kind: PartKind<'a>, place: Place) -> Result<Vec<u8>, String> {
        let block = match kind {
            PartKind::Image { source, detail } => {
                if detail.is_some() {
                    self.remarks.report.left_out(place.beside("detail"));
                }
                blocks::image(&source)
            }
            PartKind::Document { source, title } => {
                blocks::document(&source, title.as_ref(), &mut self.names)
            }
            PartKind::Audio { format, data } => Ok(blocks::audio(&format, &data)),
            _ => Err("it is no file"),
        };
        block.map_err(str::to_owned)
    }

    fn mark(&mut self, mark: Option<&RawValue>, place: Place, said: &mut Vec<Vec<u8>>) {
        let Some(mark) = mark else { return };
        if self.family.takes_cache_marks() {
            said.push(blocks::cache_point(mark));
        } else {
            self.remarks.cache_mark(|| place.field("cache_control"));
        }
    }

    fn finish(mut self) -> Conversation<'a> {
        let last = self.out.messages.last_mut();
        match (last, self.last_text.take()) {
            // A last message of the assistant's is the start of the answer; models refuse one that ends in white space.
            (Some(message), Some(text)) if message.role == "assistant" => {
                let whole = text.decode();
                let trimmed = whole.trim_end();
                if let Some(block) = message.blocks.last_mut().filter(|_| trimmed.len() < whole.len()) {
                    *block = blocks::close(blocks::text(&trimmed.into()), Object::default());
                }
            }
            // There has to be something to answer.
            (None, _) if !self.out.system.is_empty() => {
                let blocks = std::mem::take(&mut self.out.system);
                self.out.messages.push(Message { role: "user", blocks, rest: Vec::new() });
            }
            _ => {}
        }
        self.out
    }
}

/// Whether thinking bears a signature of its model's. What has none, or another provider's, is refused.
fn is_signed(signature: Option<&Text<'_>>) -> bool {
    signature.is_some_and(|text| !text.is_empty() && !is_marked(text))
}
