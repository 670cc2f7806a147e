//! The conversation: `systemInstruction` and `contents`.
//!
//! Gemini wants the turns of the two sides to follow each other, and all results of an answer's calls together, before what
//! else its user says. So neighbours of one role become one content, whose results come first.

use super::super::model::Model;
use super::super::signature::{self, Signed};
use super::files::{file_data, inline_data};
use crate::translate::Error;
use crate::translate::Remarks;
use crate::translate::fields::Fields;
use crate::translate::neutral::{Part, PartKind, Place, Role, Source, Text, Turn};
use crate::translate::raw::{self, Field, Object};
use std::collections::HashMap;

/// The fields of a part that say what it is, and its signature. What the client has under these names cannot be carried.
const PART_FIELDS: [&str; 20] = [
    "type",
    "text",
    "inlineData",
    "inline_data",
    "fileData",
    "file_data",
    "functionCall",
    "function_call",
    "functionResponse",
    "function_response",
    "executableCode",
    "executable_code",
    "codeExecutionResult",
    "code_execution_result",
    "toolCall",
    "tool_call",
    "toolResponse",
    "tool_response",
    "thought",
    "index",
];

/// Writes the system's instructions and the turns.
pub(super) fn write(
    turns: Vec<Turn<'_>>,
    model: &Model,
    remarks: &mut Remarks,
    body: &mut Fields,
) -> Result<(), Error> {
    let mut writer =
        Writer { model, remarks, names: HashMap::new(), system: Content::default(), contents: Vec::new() };
    for turn in turns {
        writer.turn(turn)?;
    }
    let Writer { mut system, mut contents, .. } = writer;
    // There has to be something to answer.
    if contents.is_empty() && !system.parts.is_empty() {
        contents.push(Content { role: "user", ..std::mem::take(&mut system) });
    }
    if !system.parts.is_empty() {
        body.begin("systemInstruction");
        system.write(&mut body.out);
    }
    body.begin("contents");
    raw::write_list(&mut body.out, &contents, |out, content| content.write(out));
    Ok(())
}

/// What one side says until the other does.
#[derive(Debug, Default)]
struct Content<'a> {
    /// Empty for the system's.
    role: &'static str,
    results: Vec<Vec<u8>>,
    parts: Vec<Vec<u8>>,
    has_call: bool,
    rest: Vec<Field<'a>>,
}

impl<'a> Content<'a> {
    fn add(&mut self, said: Said, rest: Object<'a>) {
        self.results.extend(said.results);
        self.parts.extend(said.parts);
        self.has_call |= said.calls > 0;
        self.rest.extend(rest.into_fields());
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        if !self.role.is_empty() {
            raw::write_field(out, "role", self.role);
            out.push(b',');
        }
        out.extend_from_slice(br#""parts":["#);
        for (number, part) in self.results.iter().chain(&self.parts).enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(part);
        }
        out.push(b']');
        Object::from_fields(self.rest.clone()).write_rest(out);
        out.push(b'}');
    }
}

/// What one turn says.
#[derive(Debug, Default)]
struct Said {
    results: Vec<Vec<u8>>,
    parts: Vec<Vec<u8>>,
    calls: u32,
    /// The last text that may be signed.
    text: Option<usize>,
    /// Signatures of calls that came back, by the numbers of the calls.
    signatures: HashMap<u32, String>,
    /// The number of the signature that stands just before.
    last_signature: Option<u32>,
    text_signature: Option<String>,
}

impl Said {
    /// The signature of a call: by its number in the answer; or, where a client has cut the answer in several turns, by what
    /// stands before it.
    fn signature(&mut self, call: u32) -> Option<String> {
        let last = self.last_signature.take();
        self.signatures.remove(&call).or_else(|| self.signatures.remove(&last?))
    }

    fn sign_text(&mut self) {
        let text = self.text.and_then(|at| self.parts.get_mut(at));
        if let (Some(part), Some(signature)) = (text, self.text_signature.take()) {
            part.pop();
            part.push(b',');
            raw::write_field(part, "thoughtSignature", &signature);
            part.push(b'}');
        }
    }
}

struct Writer<'r, 'a> {
    model: &'r Model,
    remarks: &'r mut Remarks,
    /// The functions that were called, by the ids of the calls.
    names: HashMap<String, Text<'a>>,
    system: Content<'a>,
    contents: Vec<Content<'a>>,
}

impl<'a> Writer<'_, 'a> {
    fn turn(&mut self, turn: Turn<'a>) -> Result<(), Error> {
        let Turn { role, place, name, parts, mut rest } = turn;
        if name.is_some() {
            self.remarks.report.left_out(place.field("name"));
        }
        let mut said = Said::default();
        for part in parts {
            let is_thinking = matches!(part.kind, PartKind::Thinking { .. });
            self.part(role, part, &mut said)?;
            said.last_signature = said.last_signature.filter(|_| is_thinking);
        }
        said.sign_text();
        if said.results.is_empty() && said.parts.is_empty() {
            return Ok(());
        }
        rest.remove(&["role", "parts", "content"]);
        let role = match role {
            Role::System => {
                self.system.add(said, rest);
                return Ok(());
            }
            Role::User => "user",
            Role::Assistant => "model",
        };
        match self.contents.last_mut().filter(|content| content.role == role) {
            Some(content) => content.add(said, rest),
            None => {
                let mut content = Content { role, ..Content::default() };
                content.add(said, rest);
                self.contents.push(content);
            }
        }
        Ok(())
    }

    fn part(&mut self, role: Role, part: Part<'a>, said: &mut Said) -> Result<(), Error> {
        let Part { kind, place, cache, mut rest } = part;
        if cache.is_some() {
            self.remarks.cache_mark(|| place.field("cache_control"));
        }
        rest.remove(&PART_FIELDS);
        match kind {
            PartKind::Text(text) | PartKind::Refusal(text) => write_text(&text, &rest, said),
            PartKind::Image { source, detail } => {
                if detail.is_some() {
                    self.remarks.report.left_out(place.beside("detail"));
                }
                self.source(role, &source, place, &rest, said)?;
            }
            PartKind::Document { source, title } => {
                if title.is_some() {
                    self.remarks.report.left_out(place.beside("title"));
                }
                self.source(role, &source, place, &rest, said)?;
            }
            PartKind::Audio { format, data } => {
                if role == Role::System {
                    return self.unsupported(place, "instructions are text");
                }
                let media_type = format!("audio/{}", format.decode());
                said.parts.push(close(inline_data(&media_type, &data), &rest));
            }
            PartKind::Thinking { signature, .. } => match signature.as_ref().and_then(signature::unmark) {
                // What it thought itself it reads from the signature.
                Some((Signed::Call(call), signature)) => {
                    said.signatures.insert(call, signature);
                    said.last_signature = Some(call);
                }
                Some((Signed::Text, signature)) => said.text_signature = Some(signature),
                Some((Signed::Thought, _)) | None => self.remarks.thinking(|| place.path()),
            },
            PartKind::SealedThinking(_) => self.remarks.thinking(|| place.path()),
            PartKind::Call { id, name, arguments } => {
                if role != Role::Assistant {
                    return self.unsupported(place, "only the model calls tools");
                }
                self.call(&id, &name, &arguments, rest, said);
                self.names.insert(id.decode().into_owned(), name);
            }
            PartKind::Result { id, parts, is_error } => {
                if role != Role::User {
                    return self.unsupported(place, "only the user gives results of tools");
                }
                self.result(&id, parts, is_error, place, &rest, said)?;
            }
            PartKind::Unknown(part) => said.parts.push(part.get().as_bytes().to_vec()),
            PartKind::Own { what } => return self.unsupported(place, &format!("its API has no {what}")),
        }
        Ok(())
    }

    fn source(
        &mut self,
        role: Role,
        source: &Source<'_>,
        place: Place,
        rest: &Object<'_>,
        said: &mut Said,
    ) -> Result<(), Error> {
        let part = match source {
            Source::Text(text) => {
                write_text(text, rest, said);
                return Ok(());
            }
            _ if role == Role::System => return self.unsupported(place, "instructions are text"),
            Source::Base64 { media_type, data } => inline_data(media_type, data),
            Source::File(_) => return self.unsupported(place, "the file is kept at another provider"),
            Source::Url(url) => match file_data(url) {
                Ok(part) => part,
                Err(reason) => return self.unsupported(place, reason),
            },
        };
        said.parts.push(close(part, rest));
        Ok(())
    }

    fn call(&self, id: &Text<'_>, name: &Text<'_>, arguments: &str, mut rest: Object<'_>, said: &mut Said) {
        let mut part = br#"{"functionCall":{"#.to_vec();
        self.id(id, &mut part);
        part.extend_from_slice(br#""name":"#);
        name.write(&mut part);
        part.extend_from_slice(br#","args":"#);
        part.extend_from_slice(arguments.as_bytes());
        part.push(b'}');
        let is_first = said.calls == 0
            && !self.contents.last().is_some_and(|content| content.role == "model" && content.has_call);
        let signature = said.signature(said.calls).or_else(|| own_signature(&mut rest));
        // Only the first of several calls has to have one.
        let unknown = || (is_first && self.model.checks_calls()).then(|| signature::UNKNOWN.to_owned());
        if let Some(signature) = signature.or_else(unknown) {
            part.push(b',');
            raw::write_field(&mut part, "thoughtSignature", &signature);
        }
        said.calls = said.calls.saturating_add(1);
        said.parts.push(close(part, &rest));
    }

    /// Writes the id of a call, where the model has them.
    fn id(&self, id: &Text<'_>, out: &mut Vec<u8>) {
        if self.model.checks_calls() && !id.is_empty() {
            out.extend_from_slice(br#""id":"#);
            id.write(out);
            out.push(b',');
        }
    }

    fn result(
        &mut self,
        id: &Text<'_>,
        parts: Vec<Part<'a>>,
        is_error: bool,
        place: Place,
        rest: &Object<'_>,
        said: &mut Said,
    ) -> Result<(), Error> {
        let Some(name) = self.names.get(id.decode().as_ref()).cloned() else {
            return Err(Error::invalid(
                place.to_string(),
                "it is the result of no call that stands before it",
            ));
        };
        let mut texts = Vec::new();
        for part in parts {
            match part {
                Part { kind: PartKind::Text(text) | PartKind::Refusal(text), place, cache, rest } => {
                    if cache.is_some() {
                        self.remarks.cache_mark(|| place.field("cache_control"));
                    }
                    if !rest.is_empty() {
                        self.remarks.report.left_out(place.to_string());
                    }
                    texts.push(text);
                }
                Part { kind: PartKind::Call { .. } | PartKind::Result { .. }, place, .. } => {
                    self.unsupported(place, "a result holds no calls")?;
                }
                // What is no text has its place beside the result.
                part => self.part(Role::User, part, said)?,
            }
        }
        let mut part = br#"{"functionResponse":{"#.to_vec();
        self.id(id, &mut part);
        part.extend_from_slice(br#""name":"#);
        name.write(&mut part);
        part.extend_from_slice(br#","response":"#);
        write_response(&texts, is_error, &mut part);
        part.push(b'}');
        said.results.push(close(part, rest));
        Ok(())
    }

    fn unsupported(&mut self, place: Place, reason: &str) -> Result<(), Error> {
        self.remarks.report.unsupported(place.path(), reason)
    }
}

/// Writes a text. One that is empty is refused, and says nothing.
fn write_text(text: &Text<'_>, rest: &Object<'_>, said: &mut Said) {
    if text.is_empty() {
        return;
    }
    let mut part = br#"{"text":"#.to_vec();
    text.write(&mut part);
    let is_signed = rest.get("thoughtSignature").or(rest.get("thought_signature")).is_some();
    said.text = Some(said.parts.len()).filter(|_| !is_signed);
    said.parts.push(close(part, rest));
}

/// Adds the fields that the client's dialect does not define, and the closing brace.
fn close(mut part: Vec<u8>, rest: &Object<'_>) -> Vec<u8> {
    rest.write_rest(&mut part);
    part.push(b'}');
    part
}

/// A signature that the client gives in a way of its own: in Gemini's field, or as Google's own translation from OpenAI's
/// API has it (`extra_content.google.thought_signature`).
fn own_signature(rest: &mut Object<'_>) -> Option<String> {
    let extra = rest.take("extra_content").and_then(Object::open);
    let google = extra.and_then(|mut extra| extra.take("google")).and_then(Object::open);
    let signatures = [
        rest.take("thoughtSignature"),
        rest.take("thought_signature"),
        google.and_then(|mut google| google.take("thought_signature")),
    ];
    signatures.into_iter().flatten().find_map(raw::string).map(std::borrow::Cow::into_owned)
}

/// Writes what a tool gave back, which has to be an object.
fn write_response(texts: &[Text<'_>], is_error: bool, out: &mut Vec<u8>) {
    if let ([text], false) = (texts, is_error) {
        let text = text.decode();
        if text.trim_start().starts_with('{')
            && serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok()
        {
            return out.extend_from_slice(text.trim().as_bytes());
        }
    }
    out.extend_from_slice(if is_error { br#"{"error":"#.as_slice() } else { br#"{"result":"# });
    match texts {
        [] => out.extend_from_slice(b"\"\""),
        [text] => text.write(out),
        texts => super::write_texts(out, texts),
    }
    out.push(b'}');
}
