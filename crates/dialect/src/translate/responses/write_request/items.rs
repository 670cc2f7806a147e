//! The items of the conversation.
//!
//! What is said stands in messages; what was thought, calls and their results are items of their own, in the order in which the turn
//! has them. Results come before all else that their turn says: they have to follow the calls.

use crate::translate::Error;
use crate::translate::Remarks;
use crate::translate::neutral::{Part, PartKind, Place, Role, Source, Text, Turn};
use crate::translate::openai::{OWN_FILE, document_name, is_web_url, write_url};
use crate::translate::raw::{self, Object};
use crate::translate::responses::signature;

/// Writes the list of items.
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
    fn role(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User | Self::Result => "user",
            Self::Assistant => "assistant",
        }
    }

    /// Why nothing but text can stand there, if that is so.
    fn text_only(self) -> Option<&'static str> {
        match self {
            Self::User | Self::Result => None,
            Self::System | Self::Assistant => Some("only user messages take more than text"),
        }
    }
}

/// What a message or a result says.
#[derive(Debug, Default)]
struct Content<'a> {
    /// The inside of a JSON array.
    parts: Vec<u8>,
    /// The only part so far, if it is a plain text: it may go without a list.
    only: Option<Text<'a>>,
}

impl<'a> Content<'a> {
    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Begins a part of a kind; its closing brace is left to the caller.
    fn begin(&mut self, kind: &str) -> &mut Vec<u8> {
        self.only = None;
        self.separate();
        self.parts.push(b'{');
        raw::write_field(&mut self.parts, "type", kind);
        &mut self.parts
    }

    fn separate(&mut self) {
        if !self.parts.is_empty() {
            self.parts.push(b',');
        }
    }

    fn end(&mut self, mut rest: Object<'_>, names: &[&str]) {
        rest.remove(&["type"]);
        rest.remove(names);
        rest.write_rest(&mut self.parts);
        self.parts.push(b'}');
    }

    fn text(&mut self, within: Within, text: Text<'a>, rest: Object<'_>) {
        let is_only = self.is_empty() && rest.is_empty();
        let kind = if within == Within::Assistant { "output_text" } else { "input_text" };
        let out = self.begin(kind);
        out.extend_from_slice(br#","text":"#);
        text.write(out);
        self.end(rest, &["text"]);
        self.only = Some(text).filter(|_| is_only);
    }

    /// Writes a single plain text as a string, which every server takes, and all else as a list.
    fn write(&self, out: &mut Vec<u8>) {
        match &self.only {
            Some(text) => text.write(out),
            None => {
                out.push(b'[');
                out.extend_from_slice(&self.parts);
                out.push(b']');
            }
        }
    }
}

struct Writer<'o, 'r> {
    out: &'o mut Vec<u8>,
    /// Where the first item begins.
    start: usize,
    remarks: &'r mut Remarks,
}

impl Writer<'_, '_> {
    fn turn<'a>(&mut self, turn: Turn<'a>) -> Result<(), Error> {
        let Turn { role, place, name, parts, mut rest } = turn;
        if name.is_some() {
            self.remarks.report.left_out(place.field("name"));
        }
        let within = match role {
            Role::System => Within::System,
            Role::User => Within::User,
            Role::Assistant => Within::Assistant,
        };
        rest.remove(&["type", "role", "content"]);
        let (results, parts): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| matches!(part.kind, PartKind::Result { .. }));
        if parts.is_empty() {
            // All of its turn are results, so that the first takes its unknown fields.
            for (number, result) in results.into_iter().enumerate() {
                let more = if number == 0 { std::mem::take(&mut rest) } else { Object::default() };
                self.result(within, result, more)?;
            }
            return Ok(());
        }
        for result in results {
            self.result(within, result, Object::default())?;
        }
        let mut content = Content::default();
        for part in parts {
            self.part(within, part, &mut content, &mut rest)?;
        }
        self.message(within, content, &mut rest);
        Ok(())
    }

    /// Begins an item.
    fn open(&mut self) -> &mut Vec<u8> {
        if self.out.len() > self.start {
            self.out.push(b',');
        }
        self.out.push(b'{');
        self.out
    }

    /// Writes what has been said so far. The first message of a turn takes its unknown fields.
    fn message(&mut self, within: Within, content: Content<'_>, rest: &mut Object<'_>) {
        if content.is_empty() {
            return;
        }
        let out = self.open();
        out.extend_from_slice(br#""type":"message","#);
        raw::write_field(out, "role", within.role());
        out.extend_from_slice(br#","content":"#);
        content.write(out);
        std::mem::take(rest).write_rest(out);
        out.push(b'}');
    }

    /// Puts a part into its message, or writes it as an item of its own.
    fn part<'a>(
        &mut self,
        within: Within,
        part: Part<'a>,
        content: &mut Content<'a>,
        turn: &mut Object<'_>,
    ) -> Result<(), Error> {
        let Part { kind, place, cache, mut rest } = part;
        if cache.is_some() {
            self.remarks.cache_mark(|| place.field("cache_control"));
        }
        match kind {
            PartKind::Text(text) => content.text(within, text, rest),
            PartKind::Refusal(text) if within == Within::Assistant => {
                let out = content.begin("refusal");
                out.extend_from_slice(br#","refusal":"#);
                text.write(out);
                content.end(rest, &["refusal"]);
            }
            PartKind::Refusal(text) => content.text(within, text, rest),
            PartKind::Image { source, detail } => {
                let fault = within.text_only().or(fault_of_image(&source));
                if let Some(reason) = fault {
                    return self.unsupported(place, reason);
                }
                let out = content.begin("input_image");
                write_source(&source, "image_url", out);
                if let Some(detail) = detail {
                    out.extend_from_slice(br#","detail":"#);
                    detail.write(out);
                }
                content.end(rest, &["image_url", "file_id", "detail"]);
            }
            PartKind::Document { source: Source::Text(text), title } => {
                if title.is_some() {
                    self.remarks.report.left_out(place.beside("title"));
                }
                content.text(within, text, rest);
            }
            PartKind::Document { source, title } => {
                let fault = within.text_only().or(fault_of_document(&source));
                if let Some(reason) = fault {
                    return self.unsupported(place, reason);
                }
                let out = content.begin("input_file");
                match &source {
                    Source::Base64 { media_type, .. } => {
                        out.extend_from_slice(br#","filename":"#);
                        title.unwrap_or_else(|| document_name(media_type).into()).write(out);
                        write_source(&source, "file_data", out);
                    }
                    _ => write_source(&source, "file_url", out),
                }
                content.end(rest, &["filename", "file_data", "file_url", "file_id"]);
            }
            PartKind::Audio { format, data } => {
                if let Some(reason) = within.text_only() {
                    return self.unsupported(place, reason);
                }
                let out = content.begin("input_audio");
                out.extend_from_slice(br#","input_audio":{"data":"#);
                data.write(out);
                out.extend_from_slice(br#","format":"#);
                format.write(out);
                out.push(b'}');
                content.end(rest, &["input_audio"]);
            }
            PartKind::Thinking { text, signature } => {
                match signature.as_ref().and_then(signature::unmark) {
                    Some((id, encrypted)) if within == Within::Assistant => {
                        self.message(within, std::mem::take(content), turn);
                        self.reasoning(&id, &text, &encrypted);
                    }
                    // What another model thought is of no use to this one.
                    _ => self.remarks.thinking(|| place.path()),
                }
            }
            PartKind::SealedThinking(_) => self.remarks.thinking(|| place.path()),
            PartKind::Call { id, name, arguments } => {
                if within != Within::Assistant {
                    return self.unsupported(place, "only assistant messages hold calls");
                }
                self.message(within, std::mem::take(content), turn);
                rest.remove(&["id", "type", "function", "index", "call_id", "name", "arguments"]);
                let out = self.open();
                out.extend_from_slice(br#""type":"function_call","call_id":"#);
                id.write(out);
                out.extend_from_slice(br#","name":"#);
                name.write(out);
                out.extend_from_slice(br#","arguments":"#);
                raw::write_string(out, &arguments);
                rest.write_rest(out);
                out.push(b'}');
            }
            PartKind::Result { .. } => return self.unsupported(place, "a result holds no results"),
            PartKind::Unknown(part) => {
                content.only = None;
                content.separate();
                raw::write_raw(&mut content.parts, part);
            }
            PartKind::Own { what } => {
                return self.unsupported(place, &format!("its API has no {what}"));
            }
        }
        Ok(())
    }

    fn reasoning(&mut self, id: &str, text: &Text<'_>, encrypted: &str) {
        let out = self.open();
        out.extend_from_slice(br#""type":"reasoning","#);
        raw::write_field(out, "id", id);
        out.extend_from_slice(br#","summary":["#);
        if !text.is_empty() {
            out.extend_from_slice(br#"{"type":"summary_text","text":"#);
            text.write(out);
            out.push(b'}');
        }
        out.extend_from_slice(b"],");
        raw::write_field(out, "encrypted_content", encrypted);
        out.push(b'}');
    }

    fn result(&mut self, within: Within, part: Part<'_>, turn: Object<'_>) -> Result<(), Error> {
        let Part { kind: PartKind::Result { id, parts, is_error }, place, cache, rest } = part else {
            return Ok(());
        };
        if within != Within::User {
            return self.unsupported(place, "only user messages hold results of tools");
        }
        if cache.is_some() {
            self.remarks.cache_mark(|| place.field("cache_control"));
        }
        if is_error {
            self.remarks.report.left_out(place.field("is_error"));
        }
        let mut content = Content::default();
        for part in parts {
            match part.kind {
                PartKind::Thinking { .. } | PartKind::SealedThinking(_) => {
                    self.remarks.thinking(|| part.place.path());
                }
                _ => self.part(Within::Result, part, &mut content, &mut Object::default())?,
            }
        }
        let mut fields = turn.into_fields();
        fields.append(&mut rest.into_fields());
        let mut rest = Object::from_fields(fields);
        let out = self.open();
        out.extend_from_slice(br#""type":"function_call_output","call_id":"#);
        id.write(out);
        out.extend_from_slice(br#","output":"#);
        if content.is_empty() {
            out.extend_from_slice(b"\"\"");
        } else {
            content.write(out);
        }
        rest.remove(&["type", "role", "content", "tool_call_id", "call_id", "output"]);
        rest.write_rest(out);
        out.push(b'}');
        Ok(())
    }

    fn unsupported(&mut self, place: Place, reason: &str) -> Result<(), Error> {
        self.remarks.report.unsupported(place.path(), reason)
    }
}

fn fault_of_image(source: &Source<'_>) -> Option<&'static str> {
    match source {
        Source::Url(url) if !is_web_url(&url.decode()) => Some("only http(s) URLs are"),
        Source::File(id) if !is_own_file(id) => Some("it is the id of a file kept elsewhere"),
        Source::Text(_) => Some("it is no image"),
        Source::Url(_) | Source::Base64 { .. } | Source::File(_) => None,
    }
}

fn fault_of_document(source: &Source<'_>) -> Option<&'static str> {
    match source {
        Source::Url(url) if !is_web_url(&url.decode()) => Some("only http(s) URLs are"),
        Source::File(id) if !is_own_file(id) => Some("it is the id of a file kept elsewhere"),
        Source::Url(_) | Source::Base64 { .. } | Source::File(_) | Source::Text(_) => None,
    }
}

fn is_own_file(id: &Text<'_>) -> bool {
    id.decode().starts_with(OWN_FILE)
}

/// Writes where the bytes are: in the field of that name, or by the id of a file.
fn write_source(source: &Source<'_>, name: &str, out: &mut Vec<u8>) {
    let name = if matches!(source, Source::File(_)) { "file_id" } else { name };
    out.push(b',');
    raw::write_string(out, name);
    out.push(b':');
    write_url(source, out);
}
