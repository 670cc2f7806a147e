//! A client's request.

mod blocks;
mod model_fields;
mod tools;

#[cfg(test)]
mod tests;

use crate::translate::Error;
use crate::translate::neutral::{Effort, Format, Place, Reasoning, Request, Role, Setting, Text, Turn, Want};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;
use std::cell::OnceCell;

/// What has to be kept beside the body while the request lives: a JSON schema, which the body holds as a text.
pub(in crate::translate) type Kept = OnceCell<Box<RawValue>>;

/// What a field is in the neutral form.
type Means<'a> = fn(&'a RawValue) -> Want<'a>;

/// The list of turns in paths.
const MESSAGES: &str = "messages";

/// Fields that only Bedrock has and that shape the answer.
const OWN: [(&str, &str); 2] = [
    ("guardrailConfig", "guardrails are kept at Amazon"),
    ("promptVariables", "prompts with variables are kept at Amazon"),
];

/// The same, but they change nothing in what is answered.
const OWN_LABELS: [&str; 2] = ["additionalModelResponseFieldPaths", "performanceConfig"];

/// Reads the body of `POST /model/{model}/converse` and `…/converse-stream`. `stream`: which of the two it is.
///
/// # Errors
/// The body is no JSON, or not what the API defines.
pub(in crate::translate) fn read<'a>(
    body: &'a [u8],
    stream: bool,
    kept: &'a Kept,
) -> Result<Request<'a>, Error> {
    let mut fields = raw::open_body(body)?;
    let mut request = Request { stream, include_usage: true, ..Request::default() };
    if let Some(system) = fields.take("system") {
        let place = Place { turns: "system", ..Place::default() };
        let parts = blocks::read(system, place, "")?;
        let turn = Turn { role: Role::System, place, name: None, parts, rest: Object::default() };
        request.turns.push(turn);
    }
    let Some(messages) = fields.take("messages").and_then(raw::array) else {
        return Err(Error::invalid("messages", "an array is expected"));
    };
    for (number, message) in messages.into_iter().enumerate() {
        request.turns.push(turn(number, message)?);
    }
    if let Some(config) = open(&mut fields, "toolConfig")? {
        tools::read(config, &mut request)?;
    }
    let mut settings = Vec::new();
    let mut reasoning = Reasoning::default();
    if let Some(config) = open(&mut fields, "inferenceConfig")? {
        inference(config, &mut settings)?;
    }
    let mut rest = Object::default();
    if let Some(more) = open(&mut fields, "additionalModelRequestFields")? {
        rest = model_fields::read(more, &mut settings, &mut reasoning)?;
    }
    if let Some(config) = open(&mut fields, "outputConfig")? {
        output(config, kept, &mut settings, &mut reasoning)?;
    }
    if reasoning.off || reasoning.adaptive || reasoning.effort.is_some() || reasoning.budget.is_some() {
        settings.push(Setting { path: "additionalModelRequestFields", want: Want::Reasoning(reasoning) });
    }
    labels(&mut fields, &mut settings);
    request.settings.append(&mut settings);
    // Those of the model's own API go where all fields go that the client's API does not define.
    let mut all = fields.into_fields();
    all.append(&mut rest.into_fields());
    request.rest = Object::from_fields(all);
    Ok(request)
}

/// Opens a field that is an object.
fn open<'a>(fields: &mut Object<'a>, name: &str) -> Result<Option<Object<'a>>, Error> {
    let expected = || Error::invalid(name, "an object is expected");
    fields.take(name).map(|value| Object::open(value).ok_or_else(expected)).transpose()
}

fn turn(number: usize, message: &RawValue) -> Result<Turn<'_>, Error> {
    let place = Place { turns: MESSAGES, turn: Some(number), ..Place::default() };
    let Some(mut message) = Object::open(message) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let role = match message.take("role").and_then(raw::string).as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        _ => return Err(Error::invalid(place.field("role"), "user or assistant is expected")),
    };
    let Some(content) = message.take("content") else {
        return Err(Error::invalid(place.field("content"), "an array is expected"));
    };
    let parts = blocks::read(content, place, "content")?;
    Ok(Turn { role, place, name: None, parts, rest: message })
}

fn inference<'a>(mut config: Object<'a>, settings: &mut Vec<Setting<'a>>) -> Result<(), Error> {
    let mut add = |path, want| settings.push(Setting { path, want });
    if let Some(tokens) = config.take("maxTokens") {
        let path = "inferenceConfig.maxTokens";
        let tokens = tokens.get().parse();
        add(path, Want::MaxTokens(tokens.map_err(|_| Error::invalid(path, "a whole number is expected"))?));
    }
    let numbers: [(_, _, Means<'a>); 2] = [
        ("temperature", "inferenceConfig.temperature", Want::Temperature),
        ("topP", "inferenceConfig.topP", Want::TopP),
    ];
    for (name, path, want) in numbers {
        if let Some(value) = config.take(name) {
            raw::number(value).ok_or_else(|| Error::invalid(path, "a number is expected"))?;
            add(path, want(value));
        }
    }
    if let Some(stop) = config.take("stopSequences") {
        let path = "inferenceConfig.stopSequences";
        let list =
            raw::array(stop).and_then(|list| list.into_iter().map(Text::read).collect::<Option<Vec<_>>>());
        let list = list.ok_or_else(|| Error::invalid(path, "an array of strings is expected"))?;
        if !list.is_empty() {
            add(path, Want::Stop(list));
        }
    }
    if !config.is_empty() {
        add("inferenceConfig", Want::Own { what: "its API has no such field" });
    }
    Ok(())
}

fn output<'a>(
    mut config: Object<'a>,
    kept: &'a Kept,
    settings: &mut Vec<Setting<'a>>,
    reasoning: &mut Reasoning<'a>,
) -> Result<(), Error> {
    let effort = config.take("effort").and_then(raw::string).and_then(|effort| Effort::parse(&effort));
    reasoning.effort = effort.or(reasoning.effort);
    let Some(mut format) = config.take("textFormat").and_then(Object::open) else { return Ok(()) };
    let path = "outputConfig.textFormat";
    let mut structure = format.take("structure").and_then(Object::open).unwrap_or_default();
    let mut schema = structure.take("jsonSchema").and_then(Object::open).unwrap_or_default();
    let text = schema.take("schema").and_then(raw::string);
    let parsed = text.and_then(|text| RawValue::from_string(text.into_owned()).ok());
    let parsed = parsed.filter(|schema| schema.get().starts_with('{'));
    let expected = "a JSON schema as a string is expected";
    let parsed =
        parsed.ok_or_else(|| Error::invalid(format!("{path}.structure.jsonSchema.schema"), expected))?;
    let mut text = |name: &str| schema.take(name).and_then(Text::read);
    let (name, description) = (text("name"), text("description"));
    let format =
        Format::Schema { schema: kept.get_or_init(|| parsed), name, description, strict: Some(true) };
    settings.push(Setting { path, want: Want::Format(format) });
    Ok(())
}

fn labels<'a>(fields: &mut Object<'a>, settings: &mut Vec<Setting<'a>>) {
    let mut add = |path, want| settings.push(Setting { path, want });
    if let Some(labels) = fields.take("requestMetadata") {
        add("requestMetadata", Want::Labels(labels));
    }
    let tier = fields.take("serviceTier").and_then(Object::open).and_then(|mut tier| tier.take("type"));
    match tier.and_then(raw::string).as_deref() {
        None | Some("default") => {}
        Some("reserved") => add("serviceTier", Want::OwnLabel),
        Some(_) => {
            if let Some(tier) = tier.and_then(Text::read) {
                add("serviceTier", Want::Tier(tier));
            }
        }
    }
    for (name, what) in OWN {
        if fields.take(name).is_some() {
            add(name, Want::Own { what });
        }
    }
    for name in OWN_LABELS {
        if fields.take(name).is_some() {
            add(name, Want::OwnLabel);
        }
    }
}
