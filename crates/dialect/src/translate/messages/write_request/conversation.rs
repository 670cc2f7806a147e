//! The messages.
//!
//! Anthropic knows two roles, `user` and `assistant`. What the system says goes to the top-level `system`, wherever in the
//! conversation it stands. Neighbours of the same role become one message, with the blocks of all.

use super::blocks;
use crate::translate::marks::is_marked;
use crate::translate::neutral::{Part, PartKind, Place, Role, Source, Text, Turn};
use crate::translate::raw::{Field, Object};
use crate::translate::{Error, Report};
use serde_json::value::RawValue;

/// The conversation as the provider wants it. Both are the insides of JSON arrays.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) system: Vec<u8>,
    pub(super) messages: Vec<u8>,
    /// The conversation goes on after a call whose thinking was not sent back.
    pub(super) lacks_thinking: bool,
}

/// Writes the turns. `system` is the provider's own field, should the client send it.
pub(super) fn write(
    turns: Vec<Turn<'_>>,
    system: Option<&RawValue>,
    report: &mut Report,
) -> Result<Conversation, Error> {
    let mut writer =
        Writer { out: Conversation::default(), report, role: None, rest: Vec::new(), last_text: None };
    if let Some(system) = system {
        writer.own_system(system)?;
    }
    for turn in turns {
        writer.turn(turn)?;
    }
    Ok(writer.finish())
}

struct Writer<'a, 'r> {
    out: Conversation,
    report: &'r mut Report,
    /// The role of the message that is being written, if one is.
    role: Option<Role>,
    /// Unknown fields of that message.
    rest: Vec<Field<'a>>,
    /// The last block, if it is a text, and where it starts.
    last_text: Option<(usize, Part<'a>)>,
}

impl<'a> Writer<'a, '_> {
    fn own_system(&mut self, system: &'a RawValue) -> Result<(), Error> {
        let out = &mut self.out.system;
        if let Some(text) = Text::read(system) {
            if !text.is_blank() {
                blocks::write_text(out, &text);
                out.push(b'}');
            }
            return Ok(());
        }
        let inside = system.get().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match inside {
            Some(inside) => out.extend_from_slice(inside.trim().as_bytes()),
            None => return Err(Error::invalid("system", "a string or an array is expected")),
        }
        Ok(())
    }

    fn turn(&mut self, turn: Turn<'a>) -> Result<(), Error> {
        let Turn { role, place, name, parts, mut rest } = turn;
        if name.is_some() {
            self.report.left_out(place.field("name"));
        }
        let parts = self.carried(role, parts)?;
        let has = |is: fn(&PartKind<'_>) -> bool| parts.iter().any(|part| is(&part.kind));
        match role {
            Role::System => {
                for part in parts {
                    if !self.out.system.is_empty() {
                        self.out.system.push(b',');
                    }
                    blocks::write(&mut self.out.system, part);
                }
                return Ok(());
            }
            Role::User => {
                let says_more = has(|kind| !matches!(kind, PartKind::Result { .. }));
                self.out.lacks_thinking &= !says_more;
            }
            Role::Assistant => {
                let is_thinking = |kind: &PartKind<'_>| {
                    matches!(kind, PartKind::Thinking { .. } | PartKind::SealedThinking(_))
                };
                let has_call = has(|kind| matches!(kind, PartKind::Call { .. }));
                self.out.lacks_thinking = has_call && !has(is_thinking);
            }
        }
        for part in parts {
            self.block(role, part);
        }
        rest.remove(&["role", "content"]);
        // Those of a message that says nothing go with it.
        if self.role.is_some() {
            self.rest.append(&mut rest.into_fields());
        }
        Ok(())
    }

    /// Writes a block into a message of that role.
    fn block(&mut self, role: Role, part: Part<'a>) {
        if self.role == Some(role) {
            self.out.messages.push(b',');
        } else {
            self.close();
            let opening: &[u8] = match role {
                Role::Assistant => br#"{"role":"assistant","content":["#,
                Role::User | Role::System => br#"{"role":"user","content":["#,
            };
            self.out.messages.extend_from_slice(opening);
            self.role = Some(role);
        }
        let start = self.out.messages.len();
        self.last_text = blocks::write(&mut self.out.messages, part).map(|part| (start, part));
    }

    fn close(&mut self) {
        if self.role.take().is_some() {
            let rest = Object::from_fields(std::mem::take(&mut self.rest));
            self.out.messages.push(b']');
            rest.write_rest(&mut self.out.messages);
            self.out.messages.extend_from_slice(b"},");
        }
    }

    fn finish(mut self) -> Conversation {
        if self.role == Some(Role::Assistant) {
            self.trim_last_text();
        }
        self.close();
        self.out.messages.pop();
        if self.out.messages.is_empty() && !self.out.system.is_empty() {
            // The provider demands a message of the user's, which OpenAI does not.
            self.out.messages.extend_from_slice(br#"{"role":"user","content":["#);
            self.out.messages.append(&mut self.out.system);
            self.out.messages.extend_from_slice(b"]}");
        }
        self.out
    }

    /// A last assistant message is the start of the answer; the provider refuses one that ends in white space.
    fn trim_last_text(&mut self) {
        let Some((start, part)) = self.last_text.take() else { return };
        let (PartKind::Text(text) | PartKind::Refusal(text)) = &part.kind else { return };
        let whole = text.decode();
        let trimmed = whole.trim_end();
        if trimmed.len() < whole.len() {
            let kind = PartKind::Text(trimmed.to_owned().into());
            self.out.messages.truncate(start);
            blocks::write(&mut self.out.messages, Part { kind, ..part });
        }
    }

    /// The parts that the provider takes. The policy decides over those that it does not.
    fn carried(&mut self, role: Role, parts: Vec<Part<'a>>) -> Result<Vec<Part<'a>>, Error> {
        let mut carried = Vec::with_capacity(parts.len());
        for mut part in parts {
            let place = part.place;
            let reason = match &mut part.kind {
                PartKind::Text(text) | PartKind::Refusal(text) if text.is_blank() => continue,
                PartKind::Thinking { signature, .. } if !is_signed(signature.as_ref()) => {
                    self.report.left_out(place.path());
                    continue;
                }
                PartKind::Image { source, detail } => {
                    // The provider chooses the resolution itself.
                    if detail.is_some() {
                        self.report.left_out(place.beside("detail"));
                    }
                    fault_of_image(source).map(str::to_owned)
                }
                PartKind::Document { source, .. } => fault_of_document(source).map(str::to_owned),
                PartKind::Audio { .. } => Some("its API takes no audio".to_owned()),
                PartKind::Call { .. } | PartKind::Thinking { .. } | PartKind::SealedThinking(_)
                    if role != Role::Assistant =>
                {
                    Some("only the model thinks and calls tools".to_owned())
                }
                PartKind::Result { .. } if role != Role::User => {
                    Some("only the user gives results of tools".to_owned())
                }
                PartKind::Result { parts, .. } => {
                    *parts = self.within_result(std::mem::take(parts))?;
                    None
                }
                PartKind::Own { what } => Some(format!("its API has no {what}")),
                PartKind::Text(_)
                | PartKind::Refusal(_)
                | PartKind::Thinking { .. }
                | PartKind::SealedThinking(_)
                | PartKind::Call { .. }
                | PartKind::Unknown(_) => None,
            };
            match reason {
                Some(reason) => self.report.unsupported(place.path(), &reason)?,
                None => carried.push(part),
            }
        }
        Ok(carried)
    }

    fn within_result(&mut self, mut parts: Vec<Part<'a>>) -> Result<Vec<Part<'a>>, Error> {
        let nested: Vec<Place> = parts
            .iter()
            .filter(|part| matches!(part.kind, PartKind::Result { .. }))
            .map(|part| part.place)
            .collect();
        for place in nested {
            self.report.unsupported(place.path(), "a result holds no results")?;
        }
        parts.retain(|part| !matches!(part.kind, PartKind::Result { .. }));
        self.carried(Role::User, parts)
    }
}

/// Whether thinking bears a signature of this provider's. What has none, or another's, is refused.
fn is_signed(signature: Option<&Text<'_>>) -> bool {
    signature.is_some_and(|text| !text.is_empty() && !is_marked(text))
}

fn fault_of_image(source: &Source<'_>) -> Option<&'static str> {
    match source {
        Source::Base64 { .. } => None,
        Source::Url(url) if is_web_url(url) => None,
        Source::Url(_) => Some("only http(s) URLs and base64 data URLs are"),
        Source::File(_) => Some("it is the id of a file kept elsewhere"),
        Source::Text(_) => Some("it is no image"),
    }
}

fn fault_of_document(source: &Source<'_>) -> Option<&'static str> {
    match source {
        Source::Base64 { media_type, .. } if media_type == "application/pdf" => None,
        Source::Text(_) => None,
        Source::Url(url) if is_web_url(url) => None,
        Source::Base64 { .. } | Source::Url(_) => Some("only a PDF in a base64 data URL is"),
        Source::File(_) => Some("it is the id of a file kept at OpenAI"),
    }
}

fn is_web_url(url: &Text<'_>) -> bool {
    let url = url.decode();
    ["http:", "https:"]
        .into_iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}
