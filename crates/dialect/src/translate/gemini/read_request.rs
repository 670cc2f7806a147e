//! A client's request.

mod config;
mod parts;
mod schema;
mod tools;

#[cfg(test)]
mod tests;

pub(in crate::translate) use schema::with_plain_schemas;

use crate::translate::Error;
use crate::translate::neutral::{Place, Request, Role, Setting, Turn, Want};
use crate::translate::raw::{self, Object};
use parts::Calls;
use serde_json::value::RawValue;

/// The list of turns in paths.
const CONTENTS: &str = "contents";
/// The list of parts in paths.
const PARTS: &str = "parts";

/// Reads the body of `POST …/models/{model}:generateContent`, whose schemas are those of JSON ([`with_plain_schemas`]). The path says
/// which model is asked, and whether for a `stream`.
///
/// # Errors
/// The body is no JSON, or not what the API defines.
pub(in crate::translate) fn read(body: &[u8], stream: bool) -> Result<Request<'_>, Error> {
    let mut fields = raw::open_body(body)?;
    // The path names the model; some clients repeat it here.
    fields.take("model");
    let mut request = Request { stream, include_usage: true, ..Request::default() };
    if let Some(system) = take(&mut fields, "systemInstruction") {
        request.turns.push(system_turn(system)?);
    }
    read_contents(take(&mut fields, CONTENTS), &mut request)?;
    if let Some(list) = take(&mut fields, "tools") {
        request.tools = tools::read(list, &mut request.settings)?;
    }
    if let Some(config) = take(&mut fields, "toolConfig") {
        request.choice = tools::read_choice(config, &mut request.settings)?;
    }
    if let Some(config) = take(&mut fields, "generationConfig") {
        request.settings.extend(config::read(config)?);
    }
    if let Some(safety) = take(&mut fields, "safetySettings") {
        request.settings.push(safety_setting(safety));
    }
    if take(&mut fields, "cachedContent").is_some() {
        let what = "what is cached is kept at Google";
        request.settings.push(Setting { path: "cachedContent", want: Want::Own { what } });
    }
    if let Some(labels) = take(&mut fields, "labels") {
        request.settings.push(Setting { path: "labels", want: Want::Labels(labels) });
    }
    request.rest = fields;
    Ok(request)
}

/// Takes a field by either of its names: Google's servers read both.
fn take<'a>(fields: &mut Object<'a>, name: &str) -> Option<&'a RawValue> {
    let snake = super::snake_case(name);
    let other = if snake == name { None } else { fields.take(&snake) };
    fields.take(name).or(other)
}

/// To filter less is a wish that others hold by themselves; to filter more is not.
fn safety_setting<'a>(settings: &'a RawValue) -> Setting<'a> {
    let is_open = |setting: &'a RawValue| {
        let threshold =
            Object::open(setting).and_then(|mut setting| setting.take("threshold")).and_then(raw::string);
        matches!(threshold.as_deref(), Some("BLOCK_NONE" | "OFF" | "HARM_BLOCK_THRESHOLD_UNSPECIFIED"))
    };
    let all_open = raw::array(settings).is_some_and(|list| list.into_iter().all(is_open));
    let want = if all_open { Want::OwnLabel } else { Want::Own { what: "its API has no safety settings" } };
    Setting { path: "safetySettings", want }
}

/// A text, or a content with parts.
fn system_turn(system: &RawValue) -> Result<Turn<'_>, Error> {
    let place = Place { turns: "systemInstruction", ..Place::default() };
    let (_, parts, rest) = content(system, place, &mut Calls::default())?;
    Ok(Turn { role: Role::System, place, name: None, parts, rest })
}

fn read_contents<'a>(contents: Option<&'a RawValue>, request: &mut Request<'a>) -> Result<(), Error> {
    let expected = || Error::invalid(CONTENTS, "an array is expected");
    let contents = contents.ok_or_else(expected)?;
    // One content need not stand in a list.
    let list = match raw::array(contents) {
        Some(list) => list,
        None if raw::is_string(contents) || contents.get().starts_with('{') => vec![contents],
        None => return Err(expected()),
    };
    let mut calls = Calls::default();
    for (number, value) in list.into_iter().enumerate() {
        let place = Place { turns: CONTENTS, turn: Some(number), ..Place::default() };
        calls.begin_turn(number);
        let (role, parts, rest) = content(value, place, &mut calls)?;
        // A client that keeps a stream keeps each of its pieces as a content.
        match request.turns.last_mut() {
            Some(last) if last.role == role && role == Role::Assistant && rest.is_empty() => {
                parts.into_iter().for_each(|part| parts::push(&mut last.parts, part));
            }
            _ => request.turns.push(Turn { role, place, name: None, parts, rest }),
        }
    }
    Ok(())
}

type Content<'a> = (Role, Vec<crate::translate::neutral::Part<'a>>, Object<'a>);

fn content<'a>(value: &'a RawValue, place: Place, calls: &mut Calls<'a>) -> Result<Content<'a>, Error> {
    if raw::is_string(value) {
        return Ok((Role::User, parts::text(value, place), Object::default()));
    }
    let Some(mut fields) = Object::open(value) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let role = match fields.take("role").and_then(raw::string).as_deref() {
        // Results of functions were once said by `function`.
        None | Some("user" | "function" | "tool" | "") => Role::User,
        Some("model") => Role::Assistant,
        Some("system") => Role::System,
        _ => return Err(Error::invalid(place.field("role"), "user or model is expected")),
    };
    let list = match fields.take(PARTS) {
        Some(list) => raw::array(list).unwrap_or_else(|| vec![list]),
        None => Vec::new(),
    };
    let mut found = Vec::with_capacity(list.len());
    for (number, part) in list.into_iter().enumerate() {
        let place = Place { parts: PARTS, part: Some(number), ..place };
        if let Some(part) = parts::read(part, place, calls)? {
            parts::push(&mut found, part);
        }
    }
    Ok((role, found, fields))
}
