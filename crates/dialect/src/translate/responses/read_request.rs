//! A client's request.

mod items;
mod settings;
mod tools;

#[cfg(test)]
mod tests;

use crate::translate::Error;
use crate::translate::neutral::{Part, PartKind, Place, Request, Role, Text, Turn};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// Fields by which a request names what the provider has kept, so that it may say nothing itself.
const KEPT: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// Reads the body of `POST /v1/responses`.
///
/// # Errors
/// The body is no JSON, or not what the API defines.
pub(in crate::translate) fn read(body: &[u8]) -> Result<Request<'_>, Error> {
    let mut fields = raw::open_body(body)?;
    // Its streams always tell the usage.
    let mut request = Request { include_usage: true, ..Request::default() };
    if let Some(model) = fields.take("model") {
        request.model =
            Some(Text::read(model).ok_or_else(|| Error::invalid("model", "a string is expected"))?);
    }
    request.stream = raw::flag(&mut fields, "stream")?.unwrap_or(false);
    // It says how the stream is padded, and nothing else.
    fields.take("stream_options");
    if let Some(instructions) = fields.take("instructions") {
        request.turns.push(read_instructions(instructions)?);
    }
    let may_lack_input = KEPT.iter().any(|name| fields.get(name).is_some());
    match fields.take("input") {
        Some(input) => items::read(input, &mut request.turns)?,
        None if may_lack_input => {}
        None => return Err(Error::invalid("input", "a string or an array is expected")),
    }
    request.settings = settings::read(&mut fields)?;
    if let Some(list) = fields.take("tools") {
        request.tools = tools::read(list, &mut request.settings)?;
    }
    request.parallel_calls = raw::flag(&mut fields, "parallel_tool_calls")?;
    if let Some(choice) = fields.take("tool_choice") {
        request.choice = tools::read_choice(choice, &mut request.settings)?;
    }
    request.rest = fields;
    Ok(request)
}

fn read_instructions(value: &RawValue) -> Result<Turn<'_>, Error> {
    let place = Place { turns: "instructions", ..Place::default() };
    let text = Text::read(value).ok_or_else(|| Error::invalid("instructions", "a string is expected"))?;
    let parts = vec![part(PartKind::Text(text), place)];
    Ok(Turn { role: Role::System, place, name: None, parts, rest: Object::default() })
}

fn part<'a>(kind: PartKind<'a>, place: Place) -> Part<'a> {
    Part { kind, place, cache: None, rest: Object::default() }
}
