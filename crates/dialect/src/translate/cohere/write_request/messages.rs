//! The messages.

use crate::translate::fields::Fields;
use crate::translate::neutral::{Part, PartKind, Place, Role, Source, Text, Turn};
use crate::translate::raw::{self, Object};
use crate::translate::{Error, Remarks};

/// Fields of parts and messages. What the client has under these names, in a place where they mean nothing, must not take their
/// place.
const FIELDS: [&str; 15] = [
    "type",
    "text",
    "thinking",
    "image_url",
    "document",
    "id",
    "function",
    "role",
    "content",
    "tool_calls",
    "tool_plan",
    "tool_call_id",
    "citations",
    "index",
    "cache_control",
];

/// Writes the turns. `thinks`: the model reads what it has thought before.
pub(super) fn write(
    turns: Vec<Turn<'_>>,
    thinks: bool,
    remarks: &mut Remarks,
    body: &mut Fields,
) -> Result<(), Error> {
    let mut messages = Vec::with_capacity(turns.len());
    for turn in turns {
        let Turn { role, place, name, parts, mut rest } = turn;
        if name.is_some() {
            remarks.report.left_out(place.field("name"));
        }
        let mut said = Said {
            role,
            thinks,
            remarks: &mut *remarks,
            content: Vec::new(),
            calls: Vec::new(),
            plan: Vec::new(),
            results: Vec::new(),
        };
        for part in parts {
            said.part(part)?;
        }
        rest.remove(&FIELDS);
        said.write(&rest, &mut messages);
    }
    body.begin("messages");
    raw::write_list(&mut body.out, &messages, |out, message| out.extend_from_slice(message));
    Ok(())
}

/// What one turn says. Results of tools are messages of their own, before the rest.
struct Said<'r> {
    role: Role,
    thinks: bool,
    remarks: &'r mut Remarks,
    content: Vec<Vec<u8>>,
    calls: Vec<Vec<u8>>,
    /// The inside of a JSON string: what a model that does not think wrote before its calls.
    plan: Vec<u8>,
    results: Vec<Vec<u8>>,
}

impl Said<'_> {
    fn part(&mut self, part: Part<'_>) -> Result<(), Error> {
        let Part { kind, place, cache, mut rest } = part;
        if cache.is_some() {
            self.remarks.cache_mark(|| place.field("cache_control"));
        }
        rest.remove(&FIELDS);
        let block = match kind {
            PartKind::Text(text) | PartKind::Refusal(text) => {
                if text.is_empty() {
                    return Ok(());
                }
                field("text", &text)
            }
            PartKind::Document { source: Source::Text(text), title } => {
                if title.is_some() {
                    self.remarks.report.left_out(place.beside("title"));
                }
                field("text", &text)
            }
            PartKind::Document { .. } => return self.unsupported(place, "it takes only plain text"),
            PartKind::Image { source, detail } => match (self.role, image(&source, detail.as_ref())) {
                (Role::User, Ok(block)) => block,
                (Role::User, Err(reason)) => return self.unsupported(place, reason),
                _ => return self.unsupported(place, "only the user shows pictures"),
            },
            PartKind::Thinking { text, signature } => {
                let is_own = signature.is_none_or(|signature| signature.is_empty());
                if self.role != Role::Assistant || !is_own || text.is_empty() {
                    self.remarks.thinking(|| place.path());
                    return Ok(());
                }
                if !self.thinks {
                    text.write_inside(&mut self.plan);
                    return Ok(());
                }
                field("thinking", &text)
            }
            PartKind::SealedThinking(_) => {
                self.remarks.thinking(|| place.path());
                return Ok(());
            }
            PartKind::Call { id, name, arguments } => {
                if self.role != Role::Assistant {
                    return self.unsupported(place, "only the model calls tools");
                }
                self.calls.push(call(&id, &name, &arguments, &rest));
                return Ok(());
            }
            PartKind::Result { id, parts, is_error } => {
                if self.role != Role::User {
                    return self.unsupported(place, "only the user gives results of tools");
                }
                return self.result(&id, parts, is_error, place, &rest);
            }
            PartKind::Unknown(block) => {
                self.content.push(block.get().as_bytes().to_vec());
                return Ok(());
            }
            PartKind::Audio { .. } => return self.unsupported(place, "its API takes no audio"),
            PartKind::Own { what } => return self.unsupported(place, &format!("its API has no {what}")),
        };
        self.content.push(close(block, &rest));
        Ok(())
    }

    fn result(
        &mut self,
        id: &Text<'_>,
        parts: Vec<Part<'_>>,
        is_error: bool,
        place: Place,
        rest: &Object<'_>,
    ) -> Result<(), Error> {
        if is_error {
            self.remarks.report.left_out(place.field("is_error"));
        }
        let mut content = Vec::with_capacity(parts.len());
        for Part { kind, place, cache, mut rest } in parts {
            if cache.is_some() {
                self.remarks.cache_mark(|| place.field("cache_control"));
            }
            rest.remove(&FIELDS);
            match kind {
                PartKind::Text(text)
                | PartKind::Refusal(text)
                | PartKind::Document { source: Source::Text(text), .. } => {
                    content.push(close(field("text", &text), &rest));
                }
                PartKind::Unknown(block) => content.push(block.get().as_bytes().to_vec()),
                _ => self.unsupported(place, "results of tools are text")?,
            }
        }
        let mut message = br#"{"role":"tool","tool_call_id":"#.to_vec();
        id.write(&mut message);
        message.extend_from_slice(br#","content":"#);
        if content.is_empty() {
            message.extend_from_slice(b"\"\"");
        } else {
            raw::write_list(&mut message, &content, |out, block| out.extend_from_slice(block));
        }
        self.results.push(close(message, rest));
        Ok(())
    }

    fn unsupported(&mut self, place: Place, reason: &str) -> Result<(), Error> {
        self.remarks.report.unsupported(place.path(), reason)
    }

    fn write(mut self, rest: &Object<'_>, messages: &mut Vec<Vec<u8>>) {
        messages.append(&mut self.results);
        // What a model planned belongs to its calls; without any it is of no use.
        if self.content.is_empty() && self.calls.is_empty() {
            return;
        }
        let mut out = match self.role {
            Role::System => br#"{"role":"system""#.to_vec(),
            Role::User => br#"{"role":"user""#.to_vec(),
            Role::Assistant => br#"{"role":"assistant""#.to_vec(),
        };
        if !self.content.is_empty() {
            out.extend_from_slice(br#","content":"#);
            raw::write_list(&mut out, &self.content, |out, block| out.extend_from_slice(block));
        }
        if !self.calls.is_empty() {
            if !self.plan.is_empty() {
                out.extend_from_slice(br#","tool_plan":""#);
                out.append(&mut self.plan);
                out.push(b'"');
            }
            out.extend_from_slice(br#","tool_calls":"#);
            raw::write_list(&mut out, &self.calls, |out, call| out.extend_from_slice(call));
        }
        messages.push(close(out, rest));
    }
}

/// A part with one text, but for the closing brace.
fn field(kind: &str, text: &Text<'_>) -> Vec<u8> {
    let mut out = b"{".to_vec();
    raw::write_field(&mut out, "type", kind);
    out.extend_from_slice(format!(",\"{kind}\":").as_bytes());
    text.write(&mut out);
    out
}

fn close(mut block: Vec<u8>, rest: &Object<'_>) -> Vec<u8> {
    rest.write_rest(&mut block);
    block.push(b'}');
    block
}

fn image(source: &Source<'_>, detail: Option<&Text<'_>>) -> Result<Vec<u8>, &'static str> {
    let mut out = br#"{"type":"image_url","image_url":{"url":"#.to_vec();
    match source {
        Source::Url(url) if is_web_url(&url.decode()) => url.write(&mut out),
        Source::Base64 { media_type, data } => {
            out.extend_from_slice(b"\"data:");
            Text::from(media_type.as_ref()).write_inside(&mut out);
            out.extend_from_slice(b";base64,");
            data.write_inside(&mut out);
            out.push(b'"');
        }
        Source::Url(_) => return Err("only http(s) URLs are"),
        Source::File(_) => return Err("it takes no images by their ids"),
        Source::Text(_) => return Err("it is no image"),
    }
    if let Some(detail) = detail {
        out.extend_from_slice(br#","detail":"#);
        detail.write(&mut out);
    }
    out.push(b'}');
    Ok(out)
}

fn is_web_url(url: &str) -> bool {
    ["http:", "https:"]
        .into_iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn call(id: &Text<'_>, name: &Text<'_>, arguments: &str, rest: &Object<'_>) -> Vec<u8> {
    let mut out = br#"{"id":"#.to_vec();
    id.write(&mut out);
    out.extend_from_slice(br#","type":"function","function":{"name":"#);
    name.write(&mut out);
    out.extend_from_slice(br#","arguments":"#);
    raw::write_string(&mut out, arguments);
    out.push(b'}');
    close(out, rest)
}
