//! The checks of content blocks.

use serde_json::Value;

use super::{check_name, content, items, known, one_of, only, required_text};

const BLOCKS: [&str; 12] = [
    "text",
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
];
const RESULTS: [&str; 6] = ["json", "text", "image", "document", "video", "searchResult"];
const IMAGES: [&str; 4] = ["png", "jpeg", "gif", "webp"];
const DOCUMENTS: [&str; 9] = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
const VIDEOS: [&str; 9] = ["mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"];
const AUDIOS: [&str; 15] = [
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm",
    "webm",
];

/// What a block is, as far as its message has to know.
pub(super) enum Block<'a> {
    Text,
    Document,
    /// The id of a call.
    ToolUse(&'a str),
    /// The id of the call whose result it is.
    ToolResult(&'a str),
    CachePoint,
    Other,
}

pub(super) fn check_block<'a>(block: &'a Value, place: &str, role: &str) -> Result<Block<'a>, String> {
    let (name, data) = only(block, place, &BLOCKS)?;
    let inner = format!("{place}.{name}");
    let owner = match name {
        "toolUse" | "reasoningContent" | "citationsContent" => "assistant",
        "text" | "cachePoint" => role,
        _ => "user",
    };
    if owner != role {
        return Err(format!("The {name} block at {place} can only be in a message of the {owner} role."));
    }
    match name {
        "text" => check_text(data, place).map(|()| Block::Text),
        "toolUse" => {
            known(data, &inner, &["toolUseId", "name", "input", "type"])?;
            check_name(required_text(data, "name", &inner)?, &format!("{inner}.name"), "_-")?;
            if !data.get("input").is_some_and(Value::is_object) {
                return Err(format!("The value at {inner}.input must be a JSON object."));
            }
            tool_use_id(data, &inner).map(Block::ToolUse)
        }
        "toolResult" => check_result(data, &inner).map(Block::ToolResult),
        "cachePoint" => check_cache_point(data, place).map(|()| Block::CachePoint),
        "reasoningContent" => check_reasoning(data, &inner).map(|()| Block::Other),
        "document" => check_file(name, data, &inner).map(|()| Block::Document),
        _ => check_file(name, data, &inner).map(|()| Block::Other),
    }
}

pub(super) fn check_cache_point(point: &Value, place: &str) -> Result<(), String> {
    let place = format!("{place}.cachePoint");
    known(point, &place, &["type", "ttl"])?;
    one_of(point, "type", &place, &["default"])?;
    if point.get("ttl").is_some() { one_of(point, "ttl", &place, &["5m", "1h"]) } else { Ok(()) }
}

fn check_text(text: &Value, place: &str) -> Result<(), String> {
    match text.as_str().map(str::trim) {
        None => Err(format!("Expected a string at {place}.text.")),
        Some("") => Err(format!(
            "The text field in the ContentBlock object at {place} is blank. Add text to the text field, and try again."
        )),
        Some(_) => Ok(()),
    }
}

fn tool_use_id<'a>(data: &'a Value, place: &str) -> Result<&'a str, String> {
    let id = required_text(data, "toolUseId", place)?;
    check_name(id, &format!("{place}.toolUseId"), "_.:-")?;
    Ok(id)
}

fn check_result<'a>(result: &'a Value, place: &str) -> Result<&'a str, String> {
    known(result, place, &["toolUseId", "content", "status", "type"])?;
    if !result.get("content").is_some_and(Value::is_array) {
        return Err(format!(
            "Value at '{place}.content' failed to satisfy constraint: Member must not be null"
        ));
    }
    if result.get("status").is_some() {
        one_of(result, "status", place, &["success", "error"])?;
    }
    if result.get("status").is_some_and(|status| status == "error") && content(result).is_empty() {
        return Err(format!("The content field at {place} cannot be empty when status value is error."));
    }
    for (number, block) in content(result).iter().enumerate() {
        let place = format!("{place}.content.{number}");
        match only(block, &place, &RESULTS)? {
            ("json", json) if json.is_object() => {}
            ("json", _) => return Err(format!("The value at {place}.json must be a JSON object.")),
            ("text", text) => check_text(text, &place)?,
            (name, data) => check_file(name, data, &format!("{place}.{name}"))?,
        }
    }
    tool_use_id(result, place)
}

fn check_reasoning(reasoning: &Value, place: &str) -> Result<(), String> {
    match only(reasoning, place, &["reasoningText", "redactedContent"])? {
        ("reasoningText", text) => {
            let place = format!("{place}.reasoningText");
            known(text, &place, &["text", "signature"])?;
            required_text(text, "text", &place).map(|_| ())
        }
        (_, data) => check_bytes(data, place),
    }
}

/// Pictures, documents and the like.
fn check_file(name: &str, data: &Value, place: &str) -> Result<(), String> {
    let (fields, formats): (&[&str], &[&str]) = match name {
        "image" => (&["format", "source"], &IMAGES),
        "video" => (&["format", "source"], &VIDEOS),
        "audio" => (&["format", "source"], &AUDIOS),
        "document" => (&["format", "name", "source", "context", "citations"], &DOCUMENTS),
        _ => return if data.is_object() { Ok(()) } else { Err(format!("Expected an object at {place}.")) },
    };
    known(data, place, fields)?;
    if name != "document" || data.get("format").is_some() {
        one_of(data, "format", place, formats)?;
    }
    if name == "document" {
        check_document_name(required_text(data, "name", place)?, place)?;
    }
    let source = data.get("source");
    let source = source.ok_or_else(|| {
        format!("Value at '{place}.source' failed to satisfy constraint: Member must not be null")
    })?;
    let sources: &[&str] = if name == "document" {
        &["bytes", "s3Location", "text", "content"]
    } else {
        &["bytes", "s3Location"]
    };
    let place = format!("{place}.source");
    match only(source, &place, sources)? {
        ("bytes", bytes) => check_bytes(bytes, &place),
        ("s3Location", location) => {
            known(location, &place, &["uri", "bucketOwner"])?;
            match required_text(location, "uri", &place)?.starts_with("s3://") {
                true => Ok(()),
                false => Err(format!("The value at {place}.s3Location.uri must start with s3://.")),
            }
        }
        ("content", _) => {
            for (number, block) in items(source, "content", &place)?.iter().enumerate() {
                only(block, &format!("{place}.content.{number}"), &["text"])?;
            }
            Ok(())
        }
        (_, text) => check_text(text, &place),
    }
}

fn check_document_name(name: &str, place: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || " -()[]".contains(c);
    if (1..=200).contains(&name.len()) && name.chars().all(good) && !name.contains("  ") {
        return Ok(());
    }
    Err(format!(
        "The document file name at {place}.name can only contain alphanumeric characters, whitespace characters, hyphens, \
         parentheses, and square brackets. The name can't contain more than one consecutive whitespace character."
    ))
}

/// Bytes are base64 in the usual alphabet, filled up.
fn check_bytes(bytes: &Value, place: &str) -> Result<(), String> {
    let is_base64 = |text: &str| {
        let digits = text.trim_end_matches('=');
        let filling = text.len() - digits.len();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
        !digits.is_empty() && text.len().is_multiple_of(4) && filling <= 2 && digits.chars().all(good)
    };
    match bytes.as_str() {
        Some(text) if is_base64(text) => Ok(()),
        _ => Err(format!("The bytes at {place} are no base64.")),
    }
}
