//! The messages.
//!
//! A result of a tool is a message of its own, which has to follow the one that made the call: so results
//! come before all else that their turn says.

use crate::translate::Error;
use crate::translate::Remarks;
use crate::translate::neutral::{Part, PartKind, Place, Role, Source, Text, Turn};
use crate::translate::openai::{OWN_FILE, is_web_url, write_url};
use crate::translate::raw::write_list;
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a document is called that its client gave no title.
const DOCUMENT_NAME: &str = "document.pdf";

/// Writes the list of messages.
pub(super) fn write(turns: Vec<Turn<'_>>, remarks: &mut Remarks, out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(b'[');
    let mut writer = Writer { start: out.len(), out, remarks };
    for turn in turns {
        writer.turn(turn)?;
    }
    out.push(b']');
    Ok(())
}

/// Where a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    System,
    User,
    Assistant,
    Result,
}

impl Within {
    /// Why nothing but text can stand there, if that is so.
    fn text_only(self) -> Option<&'static str> {
        match self {
            Self::User => None,
            Self::Result => Some("results of tools take text only"),
            Self::System | Self::Assistant => Some("only user messages take more than text"),
        }
    }
}

/// A message to be written.
#[derive(Debug, Default)]
struct Message<'a> {
    content: Vec<Piece<'a>>,
    refusal: Vec<Text<'a>>,
    calls: Vec<Call<'a>>,
    rest: Object<'a>,
    /// All of its turn are results, so that the first takes the unknown fields of the turn.
    has_results_only: bool,
}

/// A part of a message's content.
#[derive(Debug)]
enum Piece<'a> {
    Text {
        text: Text<'a>,
        rest: Object<'a>,
    },
    Image {
        source: Source<'a>,
        detail: Option<Text<'a>>,
        rest: Object<'a>,
    },
    File {
        source: Source<'a>,
        title: Option<Text<'a>>,
        rest: Object<'a>,
    },
    Audio {
        format: Text<'a>,
        data: Text<'a>,
        rest: Object<'a>,
    },
    /// One that is in the provider's form already.
    Verbatim(&'a RawValue),
}

#[derive(Debug)]
struct Call<'a> {
    id: Text<'a>,
    name: Text<'a>,
    arguments: Cow<'a, str>,
    rest: Object<'a>,
}

struct Writer<'o, 'r> {
    out: &'o mut Vec<u8>,
    /// Where the first message begins.
    start: usize,
    remarks: &'r mut Remarks,
}

impl Writer<'_, '_> {
    fn turn(&mut self, turn: Turn<'_>) -> Result<(), Error> {
        let Turn { role, place, name, parts, rest } = turn;
        let (within, role) = match role {
            Role::System => (Within::System, "system"),
            Role::User => (Within::User, "user"),
            Role::Assistant => (Within::Assistant, "assistant"),
        };
        let has_results_only = parts.iter().all(|part| matches!(part.kind, PartKind::Result { .. }));
        let mut message = Message { rest, has_results_only, ..Message::default() };
        for part in parts {
            self.part(within, part, &mut message)?;
        }
        let Message { content, refusal, calls, mut rest, .. } = message;
        if content.is_empty() && refusal.is_empty() && calls.is_empty() {
            if name.is_some() {
                self.remarks.report.left_out(place.field("name"));
            }
            return Ok(());
        }
        let out = self.open(role);
        write_content(out, &content, "null");
        rest.remove(&["role", "content"]);
        if let Some(name) = name {
            rest.remove(&["name"]);
            out.extend_from_slice(br#","name":"#);
            name.write(out);
        }
        if !refusal.is_empty() {
            rest.remove(&["refusal"]);
            out.extend_from_slice(br#","refusal":""#);
            refusal.iter().for_each(|text| text.write_inside(out));
            out.push(b'"');
        }
        if !calls.is_empty() {
            rest.remove(&["tool_calls"]);
            out.extend_from_slice(br#","tool_calls":"#);
            write_list(out, &calls, write_call);
        }
        rest.write_rest(out);
        out.push(b'}');
        Ok(())
    }

    /// Begins a message, up to its content.
    fn open(&mut self, role: &str) -> &mut Vec<u8> {
        if self.out.len() > self.start {
            self.out.push(b',');
        }
        self.out.push(b'{');
        raw::write_field(self.out, "role", role);
        self.out.extend_from_slice(br#","content":"#);
        self.out
    }

    /// Puts a part into its message. A result is written at once.
    fn part<'a>(&mut self, within: Within, part: Part<'a>, message: &mut Message<'a>) -> Result<(), Error> {
        let Part { kind, place, cache, mut rest } = part;
        if cache.is_some() {
            self.remarks.cache_mark(|| place.field("cache_control"));
        }
        match kind {
            PartKind::Text(text) => message.text(text, rest),
            PartKind::Refusal(text) if within == Within::Assistant => message.refusal.push(text),
            PartKind::Refusal(text) => message.text(text, rest),
            PartKind::Image { source, detail } => {
                let fault = within.text_only().or(match &source {
                    Source::Url(url) if !is_web_url(&url.decode()) => Some("only http(s) URLs are"),
                    Source::File(_) => Some("it takes no images by their ids"),
                    Source::Text(_) => Some("it is no image"),
                    Source::Url(_) | Source::Base64 { .. } => None,
                });
                if let Some(reason) = fault {
                    return self.unsupported(place, reason);
                }
                rest.remove(&["type", "image_url"]);
                message.content.push(Piece::Image { source, detail, rest });
            }
            PartKind::Document { source: Source::Text(text), title } => {
                if title.is_some() {
                    self.remarks.report.left_out(place.beside("title"));
                }
                message.text(text, rest);
            }
            PartKind::Document { source, title } => {
                let fault = within.text_only().or(match &source {
                    Source::Base64 { media_type, .. } if media_type != "application/pdf" => {
                        Some("it takes only PDFs and plain text")
                    }
                    Source::Url(_) => Some("it fetches no documents"),
                    Source::File(id) if !id.decode().starts_with(OWN_FILE) => {
                        Some("it is the id of a file kept elsewhere")
                    }
                    Source::Base64 { .. } | Source::File(_) | Source::Text(_) => None,
                });
                if let Some(reason) = fault {
                    return self.unsupported(place, reason);
                }
                rest.remove(&["type", "file"]);
                message.content.push(Piece::File { source, title, rest });
            }
            PartKind::Audio { format, data } => {
                if let Some(reason) = within.text_only() {
                    return self.unsupported(place, reason);
                }
                rest.remove(&["type", "input_audio"]);
                message.content.push(Piece::Audio { format, data, rest });
            }
            PartKind::Thinking { .. } | PartKind::SealedThinking(_) => {
                self.remarks.thinking(|| place.path());
            }
            PartKind::Call { id, name, arguments } => {
                if within != Within::Assistant {
                    return self.unsupported(place, "only assistant messages hold calls");
                }
                rest.remove(&["id", "type", "function", "index"]);
                message.calls.push(Call { id, name, arguments, rest });
            }
            PartKind::Result { id, parts, is_error } => {
                if within != Within::User {
                    return self.unsupported(place, "only user messages hold results of tools");
                }
                if message.has_results_only {
                    let mut fields = std::mem::take(&mut message.rest).into_fields();
                    fields.append(&mut rest.into_fields());
                    rest = Object::from_fields(fields);
                }
                if is_error {
                    self.remarks.report.left_out(place.field("is_error"));
                }
                self.result(&id, parts, rest)?;
            }
            PartKind::Unknown(part) => message.content.push(Piece::Verbatim(part)),
            PartKind::Own { what } => {
                return self.unsupported(place, &format!("its API has no {what}"));
            }
        }
        Ok(())
    }

    fn result(&mut self, id: &Text<'_>, parts: Vec<Part<'_>>, mut rest: Object<'_>) -> Result<(), Error> {
        let mut message = Message::default();
        for part in parts {
            self.part(Within::Result, part, &mut message)?;
        }
        let out = self.open("tool");
        write_content(out, &message.content, "\"\"");
        out.extend_from_slice(br#","tool_call_id":"#);
        id.write(out);
        rest.remove(&["role", "content", "tool_call_id"]);
        rest.write_rest(out);
        out.push(b'}');
        Ok(())
    }

    fn unsupported(&mut self, place: Place, reason: &str) -> Result<(), Error> {
        self.remarks.report.unsupported(place.path(), reason)
    }
}

impl<'a> Message<'a> {
    fn text(&mut self, text: Text<'a>, mut rest: Object<'a>) {
        rest.remove(&["type", "text"]);
        self.content.push(Piece::Text { text, rest });
    }
}

impl Piece<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let rest = match self {
            Self::Text { text, rest } => {
                out.extend_from_slice(br#"{"type":"text","text":"#);
                text.write(out);
                rest
            }
            Self::Image { source, detail, rest } => {
                out.extend_from_slice(br#"{"type":"image_url","image_url":{"url":"#);
                write_url(source, out);
                if let Some(detail) = detail {
                    out.extend_from_slice(br#","detail":"#);
                    detail.write(out);
                }
                out.push(b'}');
                rest
            }
            Self::File { source: Source::File(id), rest, .. } => {
                out.extend_from_slice(br#"{"type":"file","file":{"file_id":"#);
                id.write(out);
                out.push(b'}');
                rest
            }
            Self::File { source, title, rest } => {
                out.extend_from_slice(br#"{"type":"file","file":{"filename":"#);
                title.as_ref().unwrap_or(&DOCUMENT_NAME.into()).write(out);
                out.extend_from_slice(br#","file_data":"#);
                write_url(source, out);
                out.push(b'}');
                rest
            }
            Self::Audio { format, data, rest } => {
                out.extend_from_slice(br#"{"type":"input_audio","input_audio":{"data":"#);
                data.write(out);
                out.extend_from_slice(br#","format":"#);
                format.write(out);
                out.push(b'}');
                rest
            }
            Self::Verbatim(part) => return raw::write_raw(out, part),
        };
        rest.write_rest(out);
        out.push(b'}');
    }
}

/// Writes a single plain text as a string, which every server takes, and all else as a list. `empty`: what
/// nothing is.
fn write_content(out: &mut Vec<u8>, content: &[Piece<'_>], empty: &str) {
    match content {
        [] => out.extend_from_slice(empty.as_bytes()),
        [Piece::Text { text, rest }] if rest.is_empty() => text.write(out),
        pieces => write_list(out, pieces, |out, piece| piece.write(out)),
    }
}

fn write_call(out: &mut Vec<u8>, call: &Call<'_>) {
    out.extend_from_slice(br#"{"id":"#);
    call.id.write(out);
    out.extend_from_slice(br#","type":"function","function":{"name":"#);
    call.name.write(out);
    out.extend_from_slice(br#","arguments":"#);
    raw::write_string(out, &call.arguments);
    out.push(b'}');
    call.rest.write_rest(out);
    out.push(b'}');
}
