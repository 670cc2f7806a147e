//! The blocks of a message.

use super::super::media;
use super::names::{DocumentNames, tool_id};
use crate::translate::neutral::{Source, Text};
use crate::translate::raw::{self, Object};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::value::RawValue;

/// Fields that say what a block is. What the client has under these names, in a place where they mean nothing, must not take their
/// place.
const KINDS: [&str; 15] = [
    "type",
    "text",
    "json",
    "image",
    "document",
    "video",
    "audio",
    "toolUse",
    "toolResult",
    "guardContent",
    "cachePoint",
    "reasoningContent",
    "citationsContent",
    "searchResult",
    "cache_control",
];

const NOT_HERE: &str = "only bytes in the request and places in S3 are";

/// Ends a block with the fields that the client's dialect does not define.
pub(super) fn close(mut block: Vec<u8>, mut rest: Object<'_>) -> Vec<u8> {
    rest.remove(&KINDS);
    rest.write_rest(&mut block);
    block.push(b'}');
    block
}

/// Writes a text, but for the closing brace. So do the others.
pub(super) fn text(text: &Text<'_>) -> Vec<u8> {
    let mut out = br#"{"text":"#.to_vec();
    text.write(&mut out);
    out
}

/// A mark for the prompt cache.
pub(super) fn cache_point(mark: &RawValue) -> Vec<u8> {
    let ttl = Object::open(mark).and_then(|mut mark| mark.take("ttl")).filter(|ttl| raw::is_string(ttl));
    let mut out = br#"{"cachePoint":{"type":"default""#.to_vec();
    if let Some(ttl) = ttl {
        out.extend_from_slice(br#","ttl":"#);
        raw::write_raw(&mut out, ttl);
    }
    out.extend_from_slice(b"}}");
    out
}

pub(super) fn image(source: &Source<'_>) -> Result<Vec<u8>, &'static str> {
    const UNKNOWN: &str = "it takes pictures of the types png, jpeg, gif and webp";
    let mut out = br#"{"image":{"#.to_vec();
    match source {
        Source::Base64 { media_type, data } => {
            raw::write_field(&mut out, "format", media::image_format(media_type).ok_or(UNKNOWN)?);
            write_bytes(&mut out, data);
        }
        Source::Url(url) => {
            let format = format!("image/{}", extension(url));
            let format = media::image_format(&format);
            write_location(&mut out, format.ok_or(UNKNOWN), url)?;
        }
        Source::File(_) | Source::Text(_) => return Err(NOT_HERE),
    }
    out.push(b'}');
    Ok(out)
}

pub(super) fn document(
    source: &Source<'_>,
    title: Option<&Text<'_>>,
    names: &mut DocumentNames,
) -> Result<Vec<u8>, &'static str> {
    const UNKNOWN: &str = "it takes no documents of this type";
    let mut out = br#"{"document":{"#.to_vec();
    match source {
        Source::Base64 { media_type, data } => {
            raw::write_field(&mut out, "format", media::document_format(media_type).ok_or(UNKNOWN)?);
            write_bytes(&mut out, data);
        }
        // Not every model takes a document as a text.
        Source::Text(text) => {
            raw::write_field(&mut out, "format", "txt");
            write_bytes(&mut out, &BASE64_STANDARD.encode(text.decode().as_bytes()).into());
        }
        Source::Url(url) => {
            let format = extension(url);
            let format = media::document_type(&format).and_then(media::document_format);
            write_location(&mut out, format.ok_or(UNKNOWN), url)?;
        }
        Source::File(_) => return Err(NOT_HERE),
    }
    out.push(b',');
    raw::write_field(&mut out, "name", &names.name(title));
    out.push(b'}');
    Ok(out)
}

pub(super) fn audio(format: &Text<'_>, data: &Text<'_>) -> Vec<u8> {
    let mut out = br#"{"audio":{"format":"#.to_vec();
    format.write(&mut out);
    write_bytes(&mut out, data);
    out.push(b'}');
    out
}

pub(super) fn thinking(text: &Text<'_>, signature: Option<&Text<'_>>) -> Vec<u8> {
    let mut out = br#"{"reasoningContent":{"reasoningText":{"text":"#.to_vec();
    text.write(&mut out);
    if let Some(signature) = signature {
        out.extend_from_slice(br#","signature":"#);
        signature.write(&mut out);
    }
    out.extend_from_slice(b"}}");
    out
}

pub(super) fn sealed(data: &Text<'_>) -> Vec<u8> {
    let mut out = br#"{"reasoningContent":{"redactedContent":"#.to_vec();
    data.write(&mut out);
    out.push(b'}');
    out
}

pub(super) fn call(id: &Text<'_>, name: &Text<'_>, arguments: &str) -> Vec<u8> {
    let mut out = br#"{"toolUse":{"#.to_vec();
    raw::write_field(&mut out, "toolUseId", &tool_id(&id.decode()));
    out.extend_from_slice(br#","name":"#);
    name.write(&mut out);
    out.extend_from_slice(br#","input":"#);
    out.extend_from_slice(arguments.as_bytes());
    out.push(b'}');
    out
}

pub(super) fn result(id: &Text<'_>, content: &[Vec<u8>], is_error: bool) -> Vec<u8> {
    let mut out = br#"{"toolResult":{"#.to_vec();
    raw::write_field(&mut out, "toolUseId", &tool_id(&id.decode()));
    out.extend_from_slice(br#","content":"#);
    raw::write_list(&mut out, content, |out, block| out.extend_from_slice(block));
    if is_error {
        out.extend_from_slice(br#","status":"error""#);
    }
    out.push(b'}');
    out
}

fn write_bytes(out: &mut Vec<u8>, data: &Text<'_>) {
    out.extend_from_slice(br#","source":{"bytes":"#);
    data.write(out);
    out.push(b'}');
}

fn write_location(
    out: &mut Vec<u8>,
    format: Result<&'static str, &'static str>,
    url: &Text<'_>,
) -> Result<(), &'static str> {
    if !url.decode().starts_with("s3://") {
        return Err(NOT_HERE);
    }
    raw::write_field(out, "format", format?);
    out.extend_from_slice(br#","source":{"s3Location":{"uri":"#);
    url.write(out);
    out.extend_from_slice(b"}}");
    Ok(())
}

/// What the name of a file ends in.
fn extension(url: &Text<'_>) -> String {
    let url = url.decode();
    let file = url.rsplit('/').next().unwrap_or_default();
    file.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}
