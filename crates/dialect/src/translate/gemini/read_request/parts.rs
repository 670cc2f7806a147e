//! What a content says.

use super::take;
use crate::translate::Error;
use crate::translate::gemini::signature::{self, Returned};
use crate::translate::neutral::{Part, PartKind, Place, Source, Text};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

/// The calls that have no result yet. Older models give them no ids, so that a result belongs to the first call of its function.
#[derive(Debug, Default)]
pub(super) struct Calls<'a> {
    turn: usize,
    made: usize,
    open: HashMap<String, VecDeque<Text<'a>>>,
}

impl<'a> Calls<'a> {
    pub(super) fn begin_turn(&mut self, turn: usize) {
        (self.turn, self.made) = (turn, 0);
    }

    fn call(&mut self, id: Option<Text<'a>>, name: &Text<'a>) -> Text<'a> {
        let id = id.unwrap_or_else(|| format!("call_{}_{}", self.turn, self.made).into());
        self.made += 1;
        self.open.entry(name.decode().into_owned()).or_default().push_back(id.clone());
        id
    }

    fn result(&mut self, id: Option<Text<'a>>, name: &Text<'a>) -> Text<'a> {
        let open = self.open.get_mut(name.decode().as_ref());
        match (id, open) {
            (Some(id), open) => {
                if let Some(open) = open {
                    open.retain(|other| *other != id);
                }
                id
            }
            (None, Some(open)) => open.pop_front().unwrap_or_else(|| name.clone()),
            (None, None) => name.clone(),
        }
    }
}

/// A content that is only a text.
pub(super) fn text(value: &RawValue, place: Place) -> Vec<Part<'_>> {
    let part = |text| Part { kind: PartKind::Text(text), place, cache: None, rest: Object::default() };
    Text::read(value).filter(|text| !text.is_empty()).map(part).into_iter().collect()
}

/// Adds a part. What is thought piece by piece is one thought, which ends with its signature.
pub(super) fn push<'a>(parts: &mut Vec<Part<'a>>, part: Part<'a>) {
    if let (
        Some(Part { kind: PartKind::Thinking { text, signature: signature @ None }, .. }),
        Part { kind: PartKind::Thinking { text: more, signature: end }, .. },
    ) = (parts.last_mut(), &part)
    {
        if !more.is_empty() {
            *text = format!("{}{}", text.decode(), more.decode()).into();
        }
        signature.clone_from(end);
        return;
    }
    parts.push(part);
}

/// Reads a part; `None` for one that says nothing.
pub(super) fn read<'a>(
    value: &'a RawValue,
    place: Place,
    calls: &mut Calls<'a>,
) -> Result<Option<Part<'a>>, Error> {
    if raw::is_string(value) {
        return Ok(text(value, place).pop());
    }
    let Some(mut fields) = Object::open(value) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let is_thought = fields.take("thought").is_some_and(|thought| thought.get() == "true");
    let signature = take(&mut fields, "thoughtSignature")
        .and_then(Text::read)
        .and_then(|text| signature::returned(&text));
    let kind = match kind(value, &mut fields, place, calls)? {
        PartKind::Text(text) if is_thought => match signature {
            Some(Returned::Sealed(data)) => PartKind::SealedThinking(data.into()),
            Some(Returned::Signature(signature)) => {
                PartKind::Thinking { text, signature: Some(signature.into()) }
            }
            None => PartKind::Thinking { text, signature: None },
        },
        PartKind::Text(text) if text.is_empty() => return Ok(None),
        kind => kind,
    };
    Ok(Some(Part { kind, place, cache: None, rest: fields }))
}

fn kind<'a>(
    value: &'a RawValue,
    fields: &mut Object<'a>,
    place: Place,
    calls: &mut Calls<'a>,
) -> Result<PartKind<'a>, Error> {
    if let Some(text) = fields.take("text") {
        let expected = || Error::invalid(place.field("text"), "a string is expected");
        return Ok(PartKind::Text(Text::read(text).ok_or_else(expected)?));
    }
    if let Some(data) = take(fields, "inlineData") {
        return media(data, "data", Place { inside: "inlineData", ..place });
    }
    if let Some(file) = take(fields, "fileData") {
        return media(file, "fileUri", Place { inside: "fileData", ..place });
    }
    if let Some(call) = take(fields, "functionCall") {
        let place = Place { inside: "functionCall", ..place };
        let mut call = Object::open(call).unwrap_or_default();
        let name = need(&mut call, "name", place)?;
        let id = calls.call(call.take("id").and_then(Text::read), &name);
        let arguments = call.take("args").map_or("{}", RawValue::get);
        if !arguments.starts_with('{') {
            return Err(Error::invalid(format!("{}.args", place.path()), "an object is expected"));
        }
        return Ok(PartKind::Call { id, name, arguments: Cow::Borrowed(arguments) });
    }
    if let Some(result) = take(fields, "functionResponse") {
        let place = Place { inside: "functionResponse", ..place };
        let mut result = Object::open(result).unwrap_or_default();
        let name = need(&mut result, "name", place)?;
        let id = calls.result(result.take("id").and_then(Text::read), &name);
        return function_response(id, &mut result, place, calls);
    }
    for name in ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"] {
        if take(fields, name).is_some() {
            return Ok(PartKind::Own { what: Cow::Borrowed(name) });
        }
    }
    // A signature that has no part of its own.
    Ok(if fields.is_empty() { PartKind::Text("".into()) } else { PartKind::Unknown(value) })
}

/// What a function gave back is an object, whose `output` or `result`, or else `error`, is what others call its result.
fn function_response<'a>(
    id: Text<'a>,
    result: &mut Object<'a>,
    place: Place,
    calls: &mut Calls<'a>,
) -> Result<PartKind<'a>, Error> {
    let response = result.take("response");
    let mut only = response.and_then(Object::open).map(Object::into_fields).unwrap_or_default();
    let (said, is_error) = match (only.pop(), only.is_empty()) {
        (Some((name, value)), true) if matches!(name.as_ref(), "output" | "result") => (Some(value), false),
        (Some((name, value)), true) if name == "error" => (Some(value), true),
        _ => (response, false),
    };
    let text = said.map(|value| Text::read(value).unwrap_or_else(|| value.get().into()));
    let part = |text| Part { kind: PartKind::Text(text), place, cache: None, rest: Object::default() };
    let mut parts: Vec<Part<'a>> = text.map(part).into_iter().collect();
    for (number, more) in
        result.take("parts").and_then(raw::array).unwrap_or_default().into_iter().enumerate()
    {
        parts.extend(read(more, Place { within: Some(number), ..place }, calls)?);
    }
    Ok(PartKind::Result { id, parts, is_error })
}

/// Bytes, or where they are, by their media type.
fn media<'a>(value: &'a RawValue, data: &str, place: Place) -> Result<PartKind<'a>, Error> {
    let mut fields = Object::open(value).unwrap_or_default();
    let media_type =
        take(&mut fields, "mimeType").and_then(raw::string).map(|kind| kind.to_ascii_lowercase());
    let media_type = media_type.unwrap_or_default();
    let title = take(&mut fields, "displayName").and_then(Text::read);
    let expected = || Error::invalid(format!("{}.{data}", place.path()), "a string is expected");
    let said = take(&mut fields, data).and_then(Text::read).ok_or_else(expected)?;
    let (class, format) = media_type.split_once('/').unwrap_or_default();
    let own = |what: &'static str| Ok(PartKind::Own { what: Cow::Borrowed(what) });
    let is_url = data == "fileUri";
    match (class, format) {
        ("video", _) => return own("video"),
        ("audio", _) if is_url => return own("sound by its address"),
        ("audio", format) => {
            let format = match format {
                "mpeg" | "mp3" => "mp3",
                "wav" | "x-wav" | "wave" => "wav",
                _ => return own("sound in this form"),
            };
            return Ok(PartKind::Audio { format: format.into(), data: standard(said) });
        }
        _ => {}
    }
    let source = if !is_url {
        Source::Base64 { media_type: Cow::Owned(media_type.clone()), data: standard(said) }
    } else if said.decode().starts_with("https://generativelanguage.googleapis.com/") {
        Source::File(said)
    } else {
        Source::Url(said)
    };
    Ok(if class == "image" {
        PartKind::Image { source, detail: None }
    } else {
        PartKind::Document { source, title }
    })
}

/// Google's servers take base64 of either alphabet, and its SDK writes the one for URLs. Others take the standard one only.
fn standard(data: Text<'_>) -> Text<'_> {
    let text = data.decode();
    if !text.contains(['-', '_']) {
        return data;
    }
    text.replace('-', "+").replace('_', "/").into()
}

fn need<'a>(fields: &mut Object<'a>, name: &str, place: Place) -> Result<Text<'a>, Error> {
    let missing = || Error::invalid(format!("{}.{name}", place.path()), "a string is expected");
    fields.take(name).and_then(Text::read).ok_or_else(missing)
}
