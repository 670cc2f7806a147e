//! The blocks of a message.

use super::write_cache;
use crate::translate::neutral::{Part, PartKind, Source, Text};
use crate::translate::raw;
use std::borrow::Cow;

/// The fields that say what a block of that kind is. What the client has under these names, in a place where they mean nothing, must
/// not take their place.
fn fields(kind: &PartKind<'_>) -> &'static [&'static str] {
    match kind {
        PartKind::Image { .. } | PartKind::Document { .. } => &["type", "source", "title"],
        PartKind::Thinking { .. } => &["type", "thinking", "signature"],
        PartKind::SealedThinking(_) => &["type", "data"],
        PartKind::Call { .. } => &["type", "id", "name", "input"],
        PartKind::Result { is_error: true, .. } => &["type", "tool_use_id", "content", "is_error"],
        PartKind::Result { .. } => &["type", "tool_use_id", "content"],
        _ => &["type", "text"],
    }
}

/// Writes a part as a block. A text is given back, since it may have to be written anew.
pub(super) fn write<'a>(out: &mut Vec<u8>, mut part: Part<'a>) -> Option<Part<'a>> {
    match &mut part.kind {
        PartKind::Unknown(block) => {
            raw::write_raw(out, block);
            return None;
        }
        PartKind::Text(text) | PartKind::Refusal(text) => write_text(out, text),
        PartKind::Image { source, .. } => {
            out.extend_from_slice(br#"{"type":"image""#);
            write_source(out, source);
        }
        PartKind::Document { source, title } => {
            out.extend_from_slice(br#"{"type":"document""#);
            write_source(out, source);
            if let Some(title) = title {
                out.extend_from_slice(br#","title":"#);
                title.write(out);
            }
        }
        PartKind::Thinking { text, signature } => {
            out.extend_from_slice(br#"{"type":"thinking","thinking":"#);
            text.write(out);
            if let Some(signature) = signature {
                out.extend_from_slice(br#","signature":"#);
                signature.write(out);
            }
        }
        PartKind::SealedThinking(data) => {
            out.extend_from_slice(br#"{"type":"redacted_thinking","data":"#);
            data.write(out);
        }
        PartKind::Call { id, name, arguments } => {
            out.extend_from_slice(br#"{"type":"tool_use","id":"#);
            raw::write_string(out, &tool_id(&id.decode()));
            out.extend_from_slice(br#","name":"#);
            name.write(out);
            out.extend_from_slice(br#","input":"#);
            out.extend_from_slice(arguments.as_bytes());
        }
        PartKind::Result { id, parts, is_error } => {
            out.extend_from_slice(br#"{"type":"tool_result","tool_use_id":"#);
            raw::write_string(out, &tool_id(&id.decode()));
            let has_content = !parts.is_empty();
            for (number, part) in std::mem::take(parts).into_iter().enumerate() {
                out.extend_from_slice(if number == 0 { br#","content":["#.as_slice() } else { b"," });
                write(out, part);
            }
            if has_content {
                out.push(b']');
            }
            if *is_error {
                out.extend_from_slice(br#","is_error":true"#);
            }
        }
        // Those are not carried.
        PartKind::Audio { .. } | PartKind::Own { .. } => out.extend_from_slice(br#"{"type":"text""#),
    }
    part.rest.remove(fields(&part.kind));
    write_cache(out, part.cache, &mut part.rest);
    part.rest.write_rest(out);
    out.push(b'}');
    matches!(part.kind, PartKind::Text(_) | PartKind::Refusal(_)).then_some(part)
}

/// Writes a text, but for the closing brace.
pub(super) fn write_text(out: &mut Vec<u8>, text: &Text<'_>) {
    out.extend_from_slice(br#"{"type":"text","text":"#);
    text.write(out);
}

fn write_source(out: &mut Vec<u8>, source: &Source<'_>) {
    out.extend_from_slice(br#","source":{"#);
    match source {
        Source::Base64 { media_type, data } => {
            out.extend_from_slice(br#""type":"base64","#);
            raw::write_field(out, "media_type", media_type);
            out.extend_from_slice(br#","data":"#);
            data.write(out);
        }
        Source::Url(url) => {
            out.extend_from_slice(br#""type":"url","url":"#);
            url.write(out);
        }
        Source::Text(text) => {
            out.extend_from_slice(br#""type":"text","media_type":"text/plain","data":"#);
            text.write(out);
        }
        Source::File(id) => {
            out.extend_from_slice(br#""type":"file","file_id":"#);
            id.write(out);
        }
    }
    out.push(b'}');
}

/// The id in the letters that Anthropic accepts. The same id always gives the same one, so that a call and its
/// result stay together.
fn tool_id(id: &str) -> Cow<'_, str> {
    let is_accepted = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !id.is_empty() && id.chars().all(is_accepted) {
        return Cow::Borrowed(id);
    }
    let id: String = id.chars().map(|letter| if is_accepted(letter) { letter } else { '_' }).collect();
    Cow::Owned(if id.is_empty() { "_".to_owned() } else { id })
}
