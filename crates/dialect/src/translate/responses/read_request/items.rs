//! The items of a conversation.

use super::part;
use crate::translate::neutral::{Part, PartKind, Place, Role, Source, Text, Turn};
use crate::translate::raw::{self, Object};
use crate::translate::responses::signature;
use crate::translate::{Error, openai};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The list of items in paths.
const INPUT: &str = "input";

/// Items that only OpenAI's API has: those of tools that it runs or defines itself, and names of items that it keeps.
const OWN: [&str; 25] = [
    "item_reference",
    "compaction",
    "compaction_trigger",
    "configuration_update",
    "additional_tools",
    "program",
    "program_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "web_search_call",
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
];

/// What those end with that are not the model's: it may have said more before and after one of its own.
const ANSWERED: [&str; 2] = ["_output", "_response"];

/// Fields of items that say where they come from, which no other API has a use for.
const ORIGIN: [&str; 5] = ["status", "phase", "caller", "namespace", "async"];

/// How Anthropic marks up to where a prompt is kept; OpenAI's own marks say the same.
const CACHE_MARK: &str = r#"{"type":"ephemeral"}"#;

/// Reads a text of the user's, or a list of items.
pub(super) fn read<'a>(input: &'a RawValue, turns: &mut Vec<Turn<'a>>) -> Result<(), Error> {
    let place = Place { turns: INPUT, ..Place::default() };
    if let Some(text) = Text::read(input) {
        let parts = vec![part(PartKind::Text(text), place)];
        turns.push(Turn { role: Role::User, place, name: None, parts, rest: Object::default() });
        return Ok(());
    }
    let Some(items) = raw::array(input) else {
        return Err(Error::invalid(INPUT, "a string or an array is expected"));
    };
    for (number, item) in items.into_iter().enumerate() {
        add(read_item(item, Place { turn: Some(number), ..place })?, turns);
    }
    Ok(())
}

/// Adds what the model says to the turn before, if that is its own too.
fn add<'a>(turn: Turn<'a>, turns: &mut Vec<Turn<'a>>) {
    let is_models = |turn: &&mut Turn<'_>| turn.role == Role::Assistant;
    match turns.last_mut().filter(is_models) {
        Some(last) if turn.role == Role::Assistant => {
            last.parts.extend(turn.parts);
            let mut fields = std::mem::take(&mut last.rest).into_fields();
            fields.append(&mut turn.rest.into_fields());
            last.rest = Object::from_fields(fields);
        }
        _ => turns.push(turn),
    }
}

fn read_item(value: &RawValue, place: Place) -> Result<Turn<'_>, Error> {
    let Some(mut item) = Object::open(value) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    item.remove(&ORIGIN);
    // OpenAI's SDK adds it to calls that it has parsed.
    item.remove(&["parsed_arguments"]);
    let kind = item.take("type").and_then(raw::string);
    let (role, kind) = match kind.as_deref() {
        Some("message") | None => return message(item, place),
        Some("function_call") => (Role::Assistant, call(&mut item, place)?),
        Some("function_call_output") => (Role::User, result(&mut item, place)?),
        Some("reasoning") => (Role::Assistant, reasoning(&mut item)),
        Some(kind) if OWN.contains(&kind) || kind.starts_with("tool_search_") => {
            let role =
                if ANSWERED.iter().any(|end| kind.ends_with(end)) { Role::User } else { Role::Assistant };
            (role, PartKind::Own { what: Cow::Owned(kind.to_owned()) })
        }
        Some(_) => (Role::User, PartKind::Unknown(value)),
    };
    let cache = cache(&mut item);
    item.take("id");
    let parts = vec![Part { kind, place, cache, rest: item }];
    Ok(Turn { role, place, name: None, parts, rest: Object::default() })
}

fn message(mut item: Object<'_>, place: Place) -> Result<Turn<'_>, Error> {
    item.take("id");
    let Some(role) = item.take("role").and_then(raw::string) else {
        return Err(Error::invalid(place.field("role"), "a string is expected"));
    };
    let role = match role.as_ref() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => {
            let expected = "one of system, developer, user and assistant is expected";
            return Err(Error::invalid(place.field("role"), expected));
        }
    };
    let Some(content) = item.take("content") else {
        return Err(Error::invalid(place.field("content"), "a string or an array is expected"));
    };
    let parts = read_content(content, place, "content")?;
    Ok(Turn { role, place, name: None, parts, rest: item })
}

/// Reads a string, or a list of parts in the field of that name.
fn read_content<'a>(value: &'a RawValue, place: Place, list: &'static str) -> Result<Vec<Part<'a>>, Error> {
    if let Some(text) = Text::read(value) {
        return Ok(vec![part(PartKind::Text(text), place)]);
    }
    let Some(parts) = raw::array(value) else {
        return Err(Error::invalid(place.field(list), "a string or an array is expected"));
    };
    let place = |number| Place { parts: list, part: Some(number), ..place };
    parts.into_iter().enumerate().map(|(number, value)| read_part(value, place(number))).collect()
}

fn read_part(value: &RawValue, place: Place) -> Result<Part<'_>, Error> {
    let Some(mut fields) = Object::open(value) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let Some(kind) = fields.take("type").and_then(raw::string) else {
        return Err(Error::invalid(place.field("type"), "a string is expected"));
    };
    let missing = |field: &str| Error::invalid(place.field(field), "a string is expected");
    let cache = cache(&mut fields);
    let mut text = |name: &str| fields.take(name).and_then(Text::read);
    let mut inside = "";
    let kind = match kind.as_ref() {
        "input_text" | "output_text" => {
            let kind = PartKind::Text(text("text").ok_or_else(|| missing("text"))?);
            // What answers carry but requests do not, and what OpenAI's SDK adds to them.
            fields.remove(&["annotations", "logprobs", "parsed"]);
            kind
        }
        "refusal" => PartKind::Refusal(text("refusal").ok_or_else(|| missing("refusal"))?),
        "input_image" => {
            let detail = text("detail").filter(|detail| detail.decode() != "auto");
            let source;
            (source, inside) = match (text("image_url"), text("file_id")) {
                (Some(url), _) => (openai::source(url), "image_url"),
                (None, Some(id)) => (Source::File(id), "file_id"),
                (None, None) => return Err(missing("image_url")),
            };
            PartKind::Image { source, detail }
        }
        "input_file" => {
            let title = text("filename");
            let source;
            (source, inside) = match (text("file_data"), text("file_url"), text("file_id")) {
                (Some(data), _, _) => (openai::source(data), "file_data"),
                (None, Some(url), _) => (Source::Url(url), "file_url"),
                (None, None, Some(id)) => (Source::File(id), "file_id"),
                (None, None, None) => return Err(missing("file_data")),
            };
            // How closely a page is looked at is for the provider to choose.
            fields.take("detail");
            PartKind::Document { source, title }
        }
        "input_audio" => {
            let mut audio = fields.take("input_audio").and_then(Object::open).unwrap_or_default();
            let mut text = |name: &str| audio.take(name).and_then(Text::read);
            let (format, data) = (text("format"), text("data"));
            inside = "input_audio";
            PartKind::Audio {
                format: format.ok_or_else(|| missing("input_audio.format"))?,
                data: data.ok_or_else(|| missing("input_audio.data"))?,
            }
        }
        _ => PartKind::Unknown(value),
    };
    Ok(Part { kind, place: Place { inside, ..place }, cache, rest: fields })
}

fn call<'a>(item: &mut Object<'a>, place: Place) -> Result<PartKind<'a>, Error> {
    let mut need = |name: &str| {
        let text = item.take(name).and_then(Text::read);
        text.ok_or_else(|| Error::invalid(place.field(name), "a string is expected"))
    };
    let (id, name) = (need("call_id")?, need("name")?);
    let Some(arguments) = openai::arguments(item.take("arguments")) else {
        let reason = "a string that holds a JSON object is expected";
        return Err(Error::unsupported(place.field("arguments"), reason));
    };
    Ok(PartKind::Call { id, name, arguments })
}

fn result<'a>(item: &mut Object<'a>, place: Place) -> Result<PartKind<'a>, Error> {
    let Some(id) = item.take("call_id").and_then(Text::read) else {
        return Err(Error::invalid(place.field("call_id"), "a string is expected"));
    };
    // That of the tool, which the call has too.
    item.take("name");
    let Some(output) = item.take("output") else {
        return Err(Error::invalid(place.field("output"), "a string or an array is expected"));
    };
    Ok(PartKind::Result { id, parts: read_content(output, place, "output")?, is_error: false })
}

/// Reads what was thought: the summary that the client was shown, or else the whole of it, which some servers show.
fn reasoning<'a>(item: &mut Object<'a>) -> PartKind<'a> {
    let mut texts = |name: &str| -> Vec<Text<'a>> {
        let parts = item.take(name).and_then(raw::array).unwrap_or_default();
        parts.into_iter().filter_map(|part| Text::read(Object::open(part)?.take("text")?)).collect()
    };
    let (summary, content) = (texts("summary"), texts("content"));
    let mut texts = if summary.is_empty() { content } else { summary };
    let text = match texts.len() {
        0 | 1 => texts.pop().unwrap_or_else(|| "".into()),
        _ => texts.iter().map(Text::decode).collect::<Vec<_>>().join("\n\n").into(),
    };
    let encrypted = item.take("encrypted_content").and_then(Text::read).filter(|text| !text.is_empty());
    let id = item.take("id").and_then(Text::read);
    signature::read(id.as_ref(), text, encrypted)
}

/// A mark for the prompt cache: OpenAI's, or Anthropic's as other gateways take it.
fn cache<'a>(fields: &mut Object<'a>) -> Option<&'a RawValue> {
    let own = fields.take("cache_control");
    let mark = fields.take("prompt_cache_breakpoint");
    own.or_else(|| mark.and_then(|_| serde_json::from_str(CACHE_MARK).ok()))
}
