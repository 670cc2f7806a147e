//! The blocks of a message. A block is an object whose one field says both what it is and what it holds.

use super::super::media;
use crate::translate::Error;
use crate::translate::neutral::{Part, PartKind, Place, Source, Text};
use crate::translate::raw::{self, Object};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a block can be, and where what it holds stands.
const KINDS: [(&str, &str); 12] = [
    ("text", "text"),
    ("json", "json"),
    ("image", "image.source"),
    ("document", "document.source"),
    ("audio", "audio.source"),
    ("toolUse", "toolUse"),
    ("toolResult", "toolResult"),
    ("reasoningContent", "reasoningContent"),
    ("guardContent", "guardContent"),
    ("citationsContent", "citationsContent"),
    ("video", "video"),
    ("searchResult", "searchResult"),
];

/// Kinds of the newest models, of which only the name is known.
const NAMES: [&str; 2] = ["toolAddition", "toolRemoval"];

/// Reads a list of blocks.
pub(super) fn read<'a>(
    value: &'a RawValue,
    place: Place,
    list: &'static str,
) -> Result<Vec<Part<'a>>, Error> {
    let Some(blocks) = raw::array(value) else {
        let path = if list.is_empty() { place.to_string() } else { place.field(list) };
        return Err(Error::invalid(path, "an array is expected"));
    };
    let mut parts: Vec<Part<'a>> = Vec::with_capacity(blocks.len());
    for (number, block) in blocks.into_iter().enumerate() {
        let place = match place.part {
            Some(_) => Place { within: Some(number), inside: "", ..place },
            None => Place { parts: list, part: Some(number), ..place },
        };
        let Some(mut fields) = Object::open(block) else {
            return Err(Error::invalid(place.to_string(), "an object is expected"));
        };
        // It marks what stands before it, which it is a part of in other dialects.
        if let Some(point) = fields.take("cachePoint") {
            if let Some(last) = parts.last_mut() {
                last.cache = cache_mark(point);
            }
            continue;
        }
        parts.extend(part(block, fields, place)?);
    }
    Ok(parts)
}

/// A mark for the prompt cache, in the form in which the neutral model has it.
pub(super) fn cache_mark(point: &RawValue) -> Option<&'static RawValue> {
    let ttl = Object::open(point).and_then(|mut point| point.take("ttl")).and_then(raw::string);
    serde_json::from_str(match ttl.as_deref() {
        Some("1h") => r#"{"type":"ephemeral","ttl":"1h"}"#,
        _ => r#"{"type":"ephemeral"}"#,
    })
    .ok()
}

fn part<'a>(block: &'a RawValue, mut fields: Object<'a>, place: Place) -> Result<Option<Part<'a>>, Error> {
    let known = KINDS.iter().find_map(|(name, inside)| Some((*name, *inside, fields.take(name)?)));
    let Some((name, inside, value)) = known else {
        let own = NAMES.into_iter().find(|name| fields.get(name).is_some());
        let kind = match own {
            Some(name) => PartKind::Own { what: name.into() },
            None => PartKind::Unknown(block),
        };
        return Ok(Some(Part { kind, place, cache: None, rest: Object::default() }));
    };
    let place = Place { inside, ..place };
    let expected = |what: &str| Error::invalid(format!("{place}.{name}"), format!("{what} is expected"));
    let mut inner = Object::default();
    let kind = match name {
        "text" => PartKind::Text(Text::read(value).ok_or_else(|| expected("a string"))?),
        "json" => PartKind::Text(value.get().into()),
        _ => {
            inner = Object::open(value).ok_or_else(|| expected("an object"))?;
            match read_kind(name, &mut inner, place)? {
                Some(kind) => kind,
                None => return Ok(None),
            }
        }
    };
    let mut rest = fields.into_fields();
    rest.append(&mut inner.into_fields());
    Ok(Some(Part { kind, place, cache: None, rest: Object::from_fields(rest) }))
}

/// Reads what an object holds. `None`: it says nothing.
fn read_kind<'a>(name: &str, fields: &mut Object<'a>, place: Place) -> Result<Option<PartKind<'a>>, Error> {
    let need = |fields: &mut Object<'a>, field: &str| {
        let missing = || Error::invalid(format!("{place}.{name}.{field}"), "a string is expected");
        fields.take(field).and_then(Text::read).ok_or_else(missing)
    };
    let own = |name: &str| PartKind::Own { what: name.to_owned().into() };
    Ok(Some(match name {
        "image" => image(fields, place)?,
        "document" => document(fields, place)?,
        "audio" => audio(fields, place)?,
        "toolUse" => {
            // Tools that Amazon runs.
            if fields.take("type").is_some() {
                return Ok(Some(own("server_tool_use")));
            }
            let (id, name) = (need(fields, "toolUseId")?, need(fields, "name")?);
            let arguments = fields.take("input").map_or("{}", RawValue::get);
            if !arguments.starts_with('{') {
                return Err(Error::invalid(format!("{}.input", place.path()), "an object is expected"));
            }
            PartKind::Call { id, name, arguments: Cow::Borrowed(arguments) }
        }
        "toolResult" => {
            if let Some(kind) = fields.take("type").and_then(raw::string) {
                return Ok(Some(own(&kind)));
            }
            let id = need(fields, "toolUseId")?;
            let is_error = fields.take("status").is_some_and(|status| status.get() == "\"error\"");
            let parts = match fields.take("content") {
                Some(content) => read(content, Place { inside: "", ..place }, "content")?,
                None => Vec::new(),
            };
            PartKind::Result { id, parts, is_error }
        }
        "reasoningContent" => match fields.take("reasoningText").and_then(Object::open) {
            Some(mut thought) => PartKind::Thinking {
                text: need(&mut thought, "text")?,
                signature: thought.take("signature").and_then(Text::read),
            },
            None => PartKind::SealedThinking(need(fields, "redactedContent")?),
        },
        // What a guardrail is to look at is said to the model like the rest.
        "guardContent" => match fields.take("text").and_then(Object::open) {
            Some(mut text) => PartKind::Text(need(&mut text, "text")?),
            None => {
                let mut picture = fields.take("image").and_then(Object::open).unwrap_or_default();
                image(&mut picture, place)?
            }
        },
        "citationsContent" => {
            fields.take("citations");
            let texts = texts(fields.take("content"));
            return Ok((!texts.is_empty()).then(|| PartKind::Text(texts.concat().into())));
        }
        other => own(other),
    }))
}

fn format<'a>(fields: &mut Object<'a>, place: Place) -> Result<Cow<'a, str>, Error> {
    let missing = || Error::invalid(place.beside("format"), "a string is expected");
    fields.take("format").and_then(raw::string).ok_or_else(missing)
}

/// Where the bytes are: in the request, or in a bucket.
enum Bytes<'a> {
    Here(Text<'a>),
    Elsewhere(Source<'a>),
}

fn bytes<'a>(source: &mut Object<'a>, place: Place) -> Result<Bytes<'a>, Error> {
    if let Some(data) = source.take("bytes").and_then(Text::read) {
        return Ok(Bytes::Here(data));
    }
    let mut location = source.take("s3Location").and_then(Object::open).unwrap_or_default();
    let uri = location.take("uri").and_then(Text::read);
    let missing = || Error::invalid(format!("{}.bytes", place.path()), "a string is expected");
    uri.map(|uri| Bytes::Elsewhere(Source::Url(uri))).ok_or_else(missing)
}

fn source<'a>(fields: &mut Object<'a>) -> Object<'a> {
    fields.take("source").and_then(Object::open).unwrap_or_default()
}

fn image<'a>(fields: &mut Object<'a>, place: Place) -> Result<PartKind<'a>, Error> {
    let format = format(fields, place)?;
    let source = match bytes(&mut source(fields), place)? {
        Bytes::Here(data) => {
            let media_type = Cow::Owned(format!("image/{}", format.to_ascii_lowercase()));
            Source::Base64 { media_type, data }
        }
        Bytes::Elsewhere(source) => source,
    };
    Ok(PartKind::Image { source, detail: None })
}

fn audio<'a>(fields: &mut Object<'a>, place: Place) -> Result<PartKind<'a>, Error> {
    let format = format(fields, place)?;
    Ok(match bytes(&mut source(fields), place)? {
        Bytes::Here(data) if matches!(format.as_ref(), "wav" | "mp3") => {
            PartKind::Audio { format: format.into_owned().into(), data }
        }
        _ => PartKind::Own { what: "sound of this form".into() },
    })
}

fn document<'a>(fields: &mut Object<'a>, place: Place) -> Result<PartKind<'a>, Error> {
    let title = fields.take("name").and_then(Text::read);
    fields.remove(&["context", "citations"]);
    let mut place_of = source(fields);
    let texts = match place_of.take("text").and_then(Text::read) {
        Some(text) => Some(text),
        None => Some(texts(place_of.take("content")))
            .filter(|texts| !texts.is_empty())
            .map(|texts| texts.join("\n").into()),
    };
    if let Some(text) = texts {
        fields.remove(&["format"]);
        return Ok(PartKind::Document { source: Source::Text(text), title });
    }
    let format = format(fields, place)?;
    let source = match bytes(&mut place_of, place)? {
        Bytes::Elsewhere(source) => source,
        Bytes::Here(data) => match plain(&format, &data) {
            Some(text) => Source::Text(text.into()),
            None => {
                let unknown = || Error::invalid(place.beside("format"), "a format of documents is expected");
                let media_type = media::document_type(&format).ok_or_else(unknown)?;
                Source::Base64 { media_type: media_type.into(), data }
            }
        },
    };
    Ok(PartKind::Document { source, title })
}

/// A document of text, which other dialects take as text only.
fn plain(format: &str, data: &Text<'_>) -> Option<String> {
    if !media::is_text(format) {
        return None;
    }
    String::from_utf8(BASE64_STANDARD.decode(data.decode().as_bytes()).ok()?).ok()
}

/// The texts of a list of blocks.
fn texts(list: Option<&RawValue>) -> Vec<String> {
    let list = list.and_then(raw::array).unwrap_or_default();
    let texts = list.into_iter().filter_map(|block| Object::open(block)?.take("text").and_then(raw::string));
    texts.map(Cow::into_owned).collect()
}
