//! A client's request.

mod tools;

use crate::translate::Error;
use crate::translate::neutral::{
    Effort, Format, Part, PartKind, Place, Reasoning, Request, Role, Setting, Source, Text, Turn, Want,
};
use crate::translate::openai;
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Whether a value asks for nothing that would not hold without it.
type AsksForNothing = fn(&RawValue) -> bool;
/// What a field is in the neutral form.
type Means<'a> = fn(&'a RawValue) -> Want<'a>;

/// Fields with a meaning of their own, which are copied where they have a place.
fn plain<'a>() -> [(&'static str, AsksForNothing, Means<'a>); 20] {
    [
        ("temperature", |_| false, Want::Temperature),
        ("top_p", |_| false, Want::TopP),
        ("n", |value| value.get() == "1", Want::Choices),
        ("seed", |_| false, Want::Seed),
        ("presence_penalty", is_zero, Want::PresencePenalty),
        ("frequency_penalty", is_zero, Want::FrequencyPenalty),
        ("logit_bias", is_empty, Want::LogitBias),
        ("prediction", |_| false, Want::Prediction),
        ("modalities", is_text_only, Want::Modalities),
        ("web_search_options", |_| false, Want::WebSearch),
        ("store", |value| value.get() == "false", Want::Store),
        ("prompt_cache_key", |_| false, |_| Want::CacheHint),
        ("prompt_cache_retention", |_| false, |_| Want::CacheHint),
        ("audio", |_| false, |_| Want::Own { what: "it gives no audio" }),
        ("functions", is_empty, |_| Want::Own { what: "use tools" }),
        (
            "function_call",
            |value| matches!(value.get(), "\"none\"" | "\"auto\""),
            |_| Want::Own { what: "use tool_choice" },
        ),
        ("moderation", |_| false, |_| Want::Own { what: "its API has no such field" }),
        (
            "verbosity",
            |value| value.get() == "\"medium\"",
            |value| Text::read(value).map_or(Want::OwnLabel, Want::Verbosity),
        ),
        (
            "service_tier",
            |value| value.get() == "\"auto\"",
            |value| Text::read(value).map_or(Want::OwnLabel, Want::Tier),
        ),
        ("top_logprobs", is_zero, |_| Want::Own { what: "it needs logprobs" }),
    ]
}

/// Reads the body of `POST /v1/chat/completions`.
///
/// # Errors
/// The body is no JSON, or not what the API defines.
pub(in crate::translate) fn read(body: &[u8]) -> Result<Request<'_>, Error> {
    let mut fields = raw::open_body(body)?;
    let mut request = Request::default();
    if let Some(model) = fields.take("model") {
        request.model =
            Some(Text::read(model).ok_or_else(|| Error::invalid("model", "a string is expected"))?);
    }
    request.stream = raw::flag(&mut fields, "stream")?.unwrap_or(false);
    let mut options = fields.take("stream_options").and_then(Object::open).unwrap_or_default();
    request.include_usage = options.take("include_usage").is_some_and(|value| value.get() == "true");
    request.settings = settings(&mut fields)?;
    if let Some(tools) = fields.take("tools") {
        request.tools = tools::read(tools)?;
    }
    request.parallel_calls = raw::flag(&mut fields, "parallel_tool_calls")?;
    if let Some(choice) = fields.take("tool_choice") {
        request.choice = tools::read_choice(choice, &mut request)?;
    }
    let Some(messages) = fields.take("messages").and_then(raw::array) else {
        return Err(Error::invalid("messages", "an array is expected"));
    };
    for (number, message) in messages.into_iter().enumerate() {
        request.turns.push(turn(number, message)?);
    }
    request.rest = fields;
    Ok(request)
}

fn settings<'a>(fields: &mut Object<'a>) -> Result<Vec<Setting<'a>>, Error> {
    let mut settings = Vec::new();
    // `max_tokens` is the older name.
    let older = fields.take("max_tokens").map(|value| ("max_tokens", value));
    let newer = fields.take("max_completion_tokens").map(|value| ("max_completion_tokens", value));
    if let Some((path, value)) = newer.or(older) {
        let tokens = value.get().parse().map_err(|_| Error::invalid(path, "a whole number is expected"))?;
        settings.push(Setting { path, want: Want::MaxTokens(tokens) });
    }
    if fields.take("logprobs").is_some_and(|value| value.get() == "true") {
        let top = fields.take("top_logprobs").filter(|value| !is_zero(value));
        settings.push(Setting { path: "logprobs", want: Want::Logprobs { top } });
    }
    for (path, asks_for_nothing, means) in plain() {
        let value = fields.take(path).filter(|value| !asks_for_nothing(value));
        if let Some(value) = value {
            if path == "temperature" && raw::number(value).is_none() {
                return Err(Error::invalid(path, "a number is expected"));
            }
            settings.push(Setting { path, want: means(value) });
        }
    }
    if let Some(stop) = fields.take("stop") {
        let expected = || Error::invalid("stop", "a string or an array of strings is expected");
        let list = if raw::is_string(stop) { vec![stop] } else { raw::array(stop).ok_or_else(expected)? };
        let list: Option<Vec<_>> = list.into_iter().map(Text::read).collect();
        let list = list.ok_or_else(expected)?;
        if !list.is_empty() {
            settings.push(Setting { path: "stop", want: Want::Stop(list) });
        }
    }
    if let Some(format) = fields.take("response_format") {
        let want = read_format(format)?;
        let is_format = matches!(want, Some(Want::Format(_)));
        let path = if is_format { "response_format" } else { "response_format.type" };
        settings.extend(want.map(|want| Setting { path, want }));
    }
    if let Some(effort) = fields.take("reasoning_effort").and_then(raw::string) {
        let off = effort == "none";
        let reasoning = Reasoning { off, effort: Effort::parse(&effort), ..Reasoning::default() };
        settings.push(Setting { path: "reasoning_effort", want: Want::Reasoning(reasoning) });
    }
    users(fields, &mut settings);
    Ok(settings)
}

/// Whom the request is for: by the newest name, or as Anthropic's clients say it among the labels.
fn users<'a>(fields: &mut Object<'a>, settings: &mut Vec<Setting<'a>>) {
    let labels = fields.take("metadata");
    let by_label = labels.and_then(Object::open).and_then(|mut labels| labels.take("user_id"));
    let names = [("safety_identifier", fields.take("safety_identifier")), ("user", fields.take("user"))];
    let named = names.into_iter().find_map(|(path, value)| Some((path, value.and_then(Text::read)?)));
    let user = by_label.and_then(Text::read).map(|user| ("metadata.user_id", user)).or(named);
    if let Some((path, user)) = user {
        settings.push(Setting { path, want: Want::User(user) });
    }
    let others = labels.and_then(Object::open).is_some_and(|mut labels| {
        labels.take_entry("user_id");
        !labels.is_empty()
    });
    if let Some(labels) = labels.filter(|_| others) {
        settings.push(Setting { path: "metadata", want: Want::Labels(labels) });
    }
}

fn read_format(value: &RawValue) -> Result<Option<Want<'_>>, Error> {
    let mut format = Object::open(value).unwrap_or_default();
    let Some(kind) = format.take("type").and_then(raw::string) else {
        return Err(Error::invalid("response_format.type", "a string is expected"));
    };
    match kind.as_ref() {
        "text" => Ok(None),
        "json_object" => Ok(Some(Want::Format(Format::Json))),
        "json_schema" => {
            let mut schema = format.take("json_schema").and_then(Object::open).unwrap_or_default();
            let (name, description) = (schema.take("name"), schema.take("description"));
            let strict = schema.take("strict").map(|strict| strict.get() == "true");
            let Some(schema) = schema.take("schema") else {
                return Err(Error::invalid("response_format.json_schema.schema", "an object is expected"));
            };
            let (name, description) = (name.and_then(Text::read), description.and_then(Text::read));
            Ok(Some(Want::Format(Format::Schema { schema, name, description, strict })))
        }
        _ => Ok(Some(Want::Own { what: "JSON and text can be asked for" })),
    }
}

fn turn(number: usize, message: &RawValue) -> Result<Turn<'_>, Error> {
    let place = Place { turns: "messages", turn: Some(number), ..Place::default() };
    let Some(mut message) = Object::open(message) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let Some(role) = message.take("role").and_then(raw::string) else {
        return Err(Error::invalid(place.field("role"), "a string is expected"));
    };
    // That of a tool's message is the tool's, which the call has too.
    let name = message.take("name").and_then(Text::read).filter(|_| role != "tool");
    let (role, parts) = match role.as_ref() {
        "system" | "developer" => (Role::System, need_content(&mut message, place)?),
        "user" => (Role::User, need_content(&mut message, place)?),
        "assistant" => (Role::Assistant, assistant(&mut message, place)?),
        "tool" => (Role::User, vec![result(&mut message, place)?]),
        "function" => {
            let reason = "function messages name no call; use tool messages";
            return Err(Error::unsupported(place.field("role"), reason));
        }
        _ => {
            let expected = "one of system, developer, user, assistant and tool is expected";
            return Err(Error::invalid(place.field("role"), expected));
        }
    };
    Ok(Turn { role, place, name, parts, rest: message })
}

fn new<'a>(kind: PartKind<'a>, place: Place) -> Part<'a> {
    Part { kind, place, cache: None, rest: Object::default() }
}

fn assistant<'a>(message: &mut Object<'a>, place: Place) -> Result<Vec<Part<'a>>, Error> {
    let mut parts = thinking(message, place)?;
    // What answers carry but requests do not, and what OpenAI's SDK and LiteLLM's client add to them.
    message.remove(&["annotations", "citations", "parsed", "provider_specific_fields"]);
    for name in ["audio", "function_call"] {
        if message.take(name).is_some() {
            parts.push(new(PartKind::Own { what: Cow::Borrowed(name) }, Place { inside: name, ..place }));
        }
    }
    if let Some(content) = message.take("content") {
        parts.extend(read_content(content, message, place)?);
    }
    if let Some(refusal) = message.take("refusal").and_then(Text::read) {
        parts.push(new(PartKind::Refusal(refusal), place));
    }
    for (number, call) in
        message.take("tool_calls").and_then(raw::array).unwrap_or_default().into_iter().enumerate()
    {
        parts.push(read_call(call, Place { parts: "tool_calls", part: Some(number), ..place })?);
    }
    Ok(parts)
}

/// Thinking as other gateways and servers carry it: signed blocks of Anthropic's, or text alone.
fn thinking<'a>(message: &mut Object<'a>, place: Place) -> Result<Vec<Part<'a>>, Error> {
    let blocks = message.take("thinking_blocks").and_then(raw::array).unwrap_or_default();
    let mut parts = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        let place = Place { parts: "thinking_blocks", part: Some(number), ..place };
        let mut block = Object::open(block).unwrap_or_default();
        let mut text = |name: &str| block.take(name).and_then(Text::read);
        let kind = match (text("type"), text("thinking"), text("data")) {
            (Some(kind), Some(thinking), _) if kind.decode() == "thinking" => {
                PartKind::Thinking { text: thinking, signature: text("signature") }
            }
            (Some(kind), _, Some(data)) if kind.decode() == "redacted_thinking" => {
                PartKind::SealedThinking(data)
            }
            _ => return Err(Error::invalid(place.to_string(), "a block of thinking is expected")),
        };
        // The number that streamed ones have.
        block.take("index");
        parts.push(Part { kind, place, cache: block.take("cache_control"), rest: block });
    }
    for name in ["reasoning_content", "reasoning"] {
        let text = message.take(name).and_then(Text::read).filter(|text| !text.is_empty());
        if let Some(text) = text.filter(|_| parts.is_empty()) {
            let place = Place { inside: name, ..place };
            parts.push(new(PartKind::Thinking { text, signature: None }, place));
        }
    }
    if message.take("reasoning_details").is_some() && parts.is_empty() {
        let place = Place { inside: "reasoning_details", ..place };
        parts.push(new(PartKind::Thinking { text: "".into(), signature: None }, place));
    }
    Ok(parts)
}

fn read_call(value: &RawValue, place: Place) -> Result<Part<'_>, Error> {
    let Some(mut call) = Object::open(value) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let kind = call.take("type").and_then(raw::string);
    if let Some(kind) = kind.filter(|kind| kind != "function") {
        return Err(Error::unsupported(place.field(&kind), "only function calls are"));
    }
    let Some(id) = call.take("id").and_then(Text::read) else {
        return Err(Error::invalid(place.field("id"), "a string is expected"));
    };
    let mut function = call.take("function").and_then(Object::open).unwrap_or_default();
    let Some(name) = function.take("name").and_then(Text::read) else {
        return Err(Error::invalid(place.field("function.name"), "a string is expected"));
    };
    let Some(arguments) = openai::arguments(function.take("arguments")) else {
        let reason = "a string that holds a JSON object is expected";
        return Err(Error::unsupported(place.field("function.arguments"), reason));
    };
    call.remove(&["index", "provider_specific_fields"]);
    let cache = call.take("cache_control");
    Ok(Part { kind: PartKind::Call { id, name, arguments }, place, cache, rest: call })
}

/// The message of a tool.
fn result<'a>(message: &mut Object<'a>, place: Place) -> Result<Part<'a>, Error> {
    let Some(id) = message.take("tool_call_id").and_then(Text::read) else {
        return Err(Error::invalid(place.field("tool_call_id"), "a string is expected"));
    };
    // On a tool's message it marks the result, not the text within.
    let cache = message.take("cache_control");
    let parts = need_content(message, place)?;
    let rest = std::mem::take(message);
    Ok(Part { kind: PartKind::Result { id, parts, is_error: false }, place, cache, rest })
}

fn need_content<'a>(message: &mut Object<'a>, place: Place) -> Result<Vec<Part<'a>>, Error> {
    let Some(content) = message.take("content") else {
        return Err(Error::invalid(place.field("content"), "a string or an array is expected"));
    };
    read_content(content, message, place)
}

/// Reads a string, or a list of parts.
fn read_content<'a>(
    content: &'a RawValue,
    message: &mut Object<'a>,
    place: Place,
) -> Result<Vec<Part<'a>>, Error> {
    if let Some(text) = Text::read(content) {
        // A string has no place for a cache mark of its own, so clients put it on the message.
        let cache = message.take("cache_control");
        return Ok(vec![Part { cache, ..new(PartKind::Text(text), place) }]);
    }
    let Some(parts) = raw::array(content) else {
        return Err(Error::invalid(place.field("content"), "a string or an array is expected"));
    };
    let place = |number| Place { parts: "content", part: Some(number), ..place };
    parts.into_iter().enumerate().map(|(number, value)| part(value, place(number))).collect()
}

fn part(value: &RawValue, place: Place) -> Result<Part<'_>, Error> {
    let Some(mut fields) = Object::open(value) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let Some(kind) = fields.take("type").and_then(raw::string) else {
        return Err(Error::invalid(place.field("type"), "a string is expected"));
    };
    let missing = |field: &str| Error::invalid(place.field(field), "a string is expected");
    let cache = fields.take("cache_control");
    let mut inside = "";
    let kind = match kind.as_ref() {
        "text" => PartKind::Text(fields.take("text").and_then(Text::read).ok_or_else(|| missing("text"))?),
        "refusal" => {
            PartKind::Refusal(fields.take("refusal").and_then(Text::read).ok_or_else(|| missing("refusal"))?)
        }
        "image_url" => {
            let mut image = fields.take("image_url").and_then(Object::open).unwrap_or_default();
            let url = image.take("url").and_then(Text::read).ok_or_else(|| missing("image_url.url"))?;
            let detail = image.take("detail").and_then(Text::read).filter(|detail| detail.decode() != "auto");
            inside = "image_url.url";
            PartKind::Image { source: openai::source(url), detail }
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
        "file" => {
            let mut file = fields.take("file").and_then(Object::open).unwrap_or_default();
            let mut text = |name: &str| file.take(name).and_then(Text::read);
            let (title, data, id) = (text("filename"), text("file_data"), text("file_id"));
            let source;
            (source, inside) = match (data, id) {
                (Some(data), _) => (openai::source(data), "file.file_data"),
                (None, Some(id)) => (Source::File(id), "file.file_id"),
                (None, None) => return Err(missing("file.file_data")),
            };
            PartKind::Document { source, title }
        }
        _ => PartKind::Unknown(value),
    };
    Ok(Part { kind, place: Place { inside, ..place }, cache, rest: fields })
}

fn is_empty(value: &RawValue) -> bool {
    Object::open(value).is_some_and(|object| object.is_empty())
        || raw::array(value).is_some_and(|list| list.is_empty())
}

fn is_zero(value: &RawValue) -> bool {
    raw::number(value) == Some(0.0)
}

fn is_text_only(value: &RawValue) -> bool {
    raw::array(value).is_some_and(|list| list.iter().all(|kind| kind.get() == "\"text\""))
}
