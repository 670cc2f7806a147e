//! Gemini's generateContent: credentials, errors, requests read and answers written.
//!
//! Reference: <https://ai.google.dev/api/generate-content>. The real API also takes `snake_case` names
//! and single values where a list belongs; the mock wants what the reference shows.

mod check;
mod schema;
mod turns;
mod write;

use std::borrow::Cow;

use hyper::HeaderMap;
use serde_json::{Map, Value, json};

use crate::answer::{Ask, ToolChoice, count_words};

pub(crate) use check::{check_count, check_generate, counted};
pub(crate) use write::{Framing, Head, error_event, write_stream, write_whole};

/// The header that carries the key.
const KEY_HEADER: &str = "x-goog-api-key";

/// The model and the method that a path names, as in `/v1beta/models/MODEL:METHOD`.
pub(crate) fn target(path: &str) -> Option<(&str, &str)> {
    path.rsplit_once("/models/")?.1.rsplit_once(':')
}

/// The key presented as `x-goog-api-key`; a bearer token would have to be one of OAuth.
pub(crate) fn key(headers: &HeaderMap) -> Option<&str> {
    headers.get(KEY_HEADER)?.to_str().ok().filter(|key| !key.is_empty())
}

/// Whether the client presents its key as only Gemini's clients do.
pub(crate) fn is_client(headers: &HeaderMap) -> bool {
    headers.contains_key(KEY_HEADER)
}

/// An error body as Gemini writes it.
pub(crate) fn error_body(status: u16, message: &str) -> Vec<u8> {
    let word = match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        400..=498 => "INVALID_ARGUMENT",
        500 => "INTERNAL",
        _ => "UNKNOWN",
    };
    let error = json!({"error": {"code": status, "message": message, "status": word}});
    format!("{error:#}\n").into_bytes()
}

/// A request with the names of its fields as the reference has them. The API takes those in `snake_case` too, which Google's own SDK
/// sends in places. What stands in arguments, results and among the properties of a schema are the application's own names.
pub(crate) fn camel(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(camel),
        Value::Object(fields) => {
            for (name, mut value) in std::mem::take(fields) {
                let name = if is_own(&name) { name } else { camel_case(&name) };
                match name.as_str() {
                    "args"
                    | "response"
                    | "parametersJsonSchema"
                    | "responseJsonSchema"
                    | "_responseJsonSchema" => {}
                    "properties" => {
                        value
                            .as_object_mut()
                            .into_iter()
                            .flat_map(|all| all.iter_mut())
                            .for_each(|(_, one)| camel(one));
                    }
                    _ => camel(&mut value),
                }
                fields.insert(name, value);
            }
        }
        _ => {}
    }
}

fn is_own(name: &str) -> bool {
    name.starts_with('_')
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut camel, word| {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
        camel
    })
}

/// Reads what a request asks for; [`check_generate`] has accepted it.
pub(crate) fn read<'a>(body: &'a Value, model: &'a str) -> Ask<'a> {
    let contents = body.get("contents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let system_tokens =
        field(body, "systemInstruction").map_or(0, |content| 3 + count_words(&text_of(content)));
    let content_tokens: u64 = contents.iter().map(|content| 3 + count_words(&text_of(content))).sum();
    let tools: Vec<_> = declarations(body)
        .filter_map(|function| {
            let schema = field(function, "parameters").or_else(|| field(function, "parametersJsonSchema"));
            Some((function.get("name")?.as_str()?, schema.unwrap_or(&Value::Null)))
        })
        .collect();
    let calling = body.pointer("/toolConfig/functionCallingConfig");
    let tool_choice = match calling.and_then(|calling| calling.get("mode")).and_then(Value::as_str) {
        Some("NONE") => ToolChoice::Never,
        Some("ANY") => match calling.and_then(|calling| calling.pointer("/allowedFunctionNames/0")) {
            Some(name) => ToolChoice::Named(name.as_str().unwrap_or_default().to_owned()),
            None => ToolChoice::Required,
        },
        _ => ToolChoice::Auto,
    };
    let config = field(body, "generationConfig").unwrap_or(&Value::Null);
    let json_schema = match config.get("responseMimeType").and_then(Value::as_str) {
        Some("application/json") => {
            let names = ["responseSchema", "responseJsonSchema", "_responseJsonSchema"];
            Some(names.iter().find_map(|name| field(config, name)).unwrap_or(&Value::Null))
        }
        _ => None,
    };
    Ask {
        dialect: "gemini",
        model,
        last_user_text: contents.last().and_then(own_words),
        prompt_tokens: system_tokens + content_tokens + 10 * tools.len() as u64,
        tools,
        tool_choice,
        max_tokens: config.get("maxOutputTokens").and_then(Value::as_u64),
        json_schema: json_schema.map(Cow::Borrowed),
    }
}

/// The list of models.
pub(crate) fn models() -> Value {
    let model = |name: &&str| {
        json!({
            "name": format!("models/{name}"),
            "version": "001",
            "displayName": name,
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        })
    };
    let names = ["gemini-3-pro-preview", "gemini-2.5-pro", "gemini-2.5-flash"];
    json!({"models": names.iter().map(model).collect::<Vec<_>>()})
}

/// Whether a model signs its thoughts and insists on getting the signatures back.
fn signs_thoughts(model: &str) -> bool {
    model.starts_with("gemini-3")
}

/// A field's value; `null` says the same as nothing.
fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

/// The functions declared in all tools.
fn declarations(body: &Value) -> impl Iterator<Item = &Value> {
    let tools = body.get("tools").and_then(Value::as_array).into_iter().flatten();
    tools.filter_map(|tool| tool.get("functionDeclarations")?.as_array()).flatten()
}

fn parts(content: &Value) -> &[Value] {
    content.get("parts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The text of a user's content, unless it brings function results.
fn own_words(content: &Value) -> Option<String> {
    let brings_results = parts(content).iter().any(|part| field(part, "functionResponse").is_some());
    let is_user = field(content, "role").is_none_or(|role| role == "user");
    (is_user && !brings_results).then(|| text_of(content))
}

/// All text in a content, function results included.
fn text_of(content: &Value) -> String {
    let texts: Vec<_> = parts(content)
        .iter()
        .filter_map(|part| match part.get("text").and_then(Value::as_str) {
            Some(text) => Some(text.to_owned()),
            None => part.pointer("/functionResponse/response").map(Value::to_string),
        })
        .collect();
    texts.join(" ")
}

// The words of Google's JSON reader for what it cannot map to its messages.

/// `value` as an object that has no other fields than `names`.
fn known<'a>(
    value: &'a Value,
    place: &str,
    kind: &str,
    names: &[&str],
) -> Result<&'a Map<String, Value>, String> {
    let fields = value.as_object().ok_or_else(|| wrong_message(place, kind, value))?;
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(unknown(name, place)),
        None => Ok(fields),
    }
}

fn unknown(name: &str, place: &str) -> String {
    let place = if place.is_empty() { String::new() } else { format!(" at '{place}'") };
    format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.")
}

fn wrong_type(place: &str, kind: &str, value: &Value) -> String {
    format!("Invalid value at '{place}' ({kind}), {value}")
}

fn wrong_message(place: &str, kind: &str, value: &Value) -> String {
    wrong_type(place, &format!("type.googleapis.com/google.ai.generativelanguage.v1beta.{kind}"), value)
}

/// A list; nothing counts as an empty one.
fn list<'a>(value: &'a Value, name: &str, place: &str, kind: &str) -> Result<&'a [Value], String> {
    match field(value, name) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(other) => Err(wrong_message(place, kind, other)),
    }
}

fn string<'a>(value: &'a Value, name: &str, place: &str) -> Result<Option<&'a str>, String> {
    match field(value, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong_type(&format!("{place}.{}", snake(name)), "TYPE_STRING", other)),
    }
}

/// What the API says of a request that could be read but breaks a rule.
fn broken_rule(place: &str, rule: &str) -> String {
    format!("* GenerateContentRequest.{place}: {rule}\n")
}

/// The name of a field as error messages have it.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
