//! A client's request.

use crate::translate::Error;
use crate::translate::neutral::{
    Choice, Effort, Format, Part, PartKind, Place, Reasoning, Request, Role, Setting, Source, Text, Tool,
    Turn, Want,
};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a field is in the neutral form.
type Means<'a> = fn(&'a RawValue) -> Want<'a>;

/// The list of turns in paths.
const MESSAGES: &str = "messages";

/// Fields that only Anthropic's API has and that shape the answer.
const OWN: [(&str, &str); 4] = [
    ("mcp_servers", "its API connects to no MCP servers in this way"),
    ("container", "it is kept at Anthropic"),
    ("context_management", "its API edits no context"),
    ("inference_geo", "it is a place of Anthropic's"),
];

/// The same, but they change nothing in what is answered.
const OWN_LABELS: [&str; 2] = ["speed", "cache_control"];

/// Reads the body of `POST /v1/messages`.
///
/// # Errors
/// The body is no JSON, or not what the API defines.
pub(in crate::translate) fn read(body: &[u8]) -> Result<Request<'_>, Error> {
    let mut fields = raw::open_body(body)?;
    let mut request = Request { include_usage: true, ..Request::default() };
    request.model = match fields.take("model") {
        Some(model) => {
            Some(Text::read(model).ok_or_else(|| Error::invalid("model", "a string is expected"))?)
        }
        None => None,
    };
    request.stream = raw::flag(&mut fields, "stream")?.unwrap_or(false);
    if let Some(system) = fields.take("system") {
        request.turns.push(system_turn(system)?);
    }
    let Some(messages) = fields.take("messages").and_then(raw::array) else {
        return Err(Error::invalid("messages", "an array is expected"));
    };
    for (number, message) in messages.into_iter().enumerate() {
        request.turns.push(turn(number, message)?);
    }
    if let Some(tools) = fields.take("tools") {
        request.tools = read_tools(tools)?;
    }
    if let Some(choice) = fields.take("tool_choice") {
        (request.choice, request.parallel_calls) = read_choice(choice)?;
    }
    request.settings = settings(&mut fields)?;
    request.rest = fields;
    Ok(request)
}

fn settings<'a>(fields: &mut Object<'a>) -> Result<Vec<Setting<'a>>, Error> {
    let mut settings = Vec::new();
    let mut add = |path, want| settings.push(Setting { path, want });
    if let Some(tokens) = fields.take("max_tokens") {
        let tokens = tokens.get().parse();
        add(
            "max_tokens",
            Want::MaxTokens(tokens.map_err(|_| Error::invalid("max_tokens", "a whole number is expected"))?),
        );
    }
    let numbers: [(_, Means<'a>); 3] =
        [("temperature", Want::Temperature), ("top_p", Want::TopP), ("top_k", Want::TopK)];
    for (name, want) in numbers {
        if let Some(value) = fields.take(name) {
            raw::number(value).ok_or_else(|| Error::invalid(name, "a number is expected"))?;
            add(name, want(value));
        }
    }
    if let Some(stop) = fields.take("stop_sequences") {
        let list =
            raw::array(stop).and_then(|list| list.into_iter().map(Text::read).collect::<Option<Vec<_>>>());
        let list = list.ok_or_else(|| Error::invalid("stop_sequences", "an array of strings is expected"))?;
        if !list.is_empty() {
            add("stop_sequences", Want::Stop(list));
        }
    }
    let mut metadata = fields.take("metadata").and_then(Object::open).unwrap_or_default();
    if let Some(user) = metadata.take("user_id").and_then(Text::read) {
        add("metadata.user_id", Want::User(user));
    }
    if !metadata.is_empty() {
        add("metadata", Want::OwnLabel);
    }
    // OpenAI's words and Anthropic's differ; both may go on.
    if let Some(tier) =
        fields.take("service_tier").and_then(Text::read).filter(|tier| tier.decode() != "auto")
    {
        add("service_tier", Want::Tier(tier));
    }
    let mut output = fields.take("output_config").and_then(Object::open).unwrap_or_default();
    let effort = output.take("effort").and_then(raw::string);
    if let Some(reasoning) = reasoning(fields.take("thinking"), effort.as_deref())? {
        add("thinking", Want::Reasoning(reasoning));
    }
    // `output_format` is the name that the field had while it was in beta.
    let format = output.take("format").or_else(|| fields.take("output_format"));
    if let Some(schema) = format.and_then(Object::open).and_then(|mut format| format.take("schema")) {
        let format = Format::Schema { schema, name: None, description: None, strict: Some(true) };
        add("output_config.format", Want::Format(format));
    }
    if !output.is_empty() {
        add("output_config", Want::Own { what: "its API has no such field" });
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
    Ok(settings)
}

fn reasoning<'a>(
    thinking: Option<&'a RawValue>,
    effort: Option<&str>,
) -> Result<Option<Reasoning<'a>>, Error> {
    let effort = effort.and_then(Effort::parse);
    let Some(thinking) = thinking else {
        return Ok(effort.map(|effort| Reasoning { effort: Some(effort), ..Reasoning::default() }));
    };
    let mut thinking = Object::open(thinking).unwrap_or_default();
    let kind = thinking.take("type").and_then(raw::string);
    let mut reasoning = Reasoning { effort, ..Reasoning::default() };
    match kind.as_deref() {
        Some("enabled") => {
            let budget = thinking.take("budget_tokens").and_then(|tokens| tokens.get().parse().ok());
            let expected = || Error::invalid("thinking.budget_tokens", "a whole number is expected");
            reasoning.budget = Some(budget.ok_or_else(expected)?);
            reasoning.shown = Some("auto".into());
        }
        Some("adaptive") => {
            reasoning.adaptive = true;
            reasoning.shown = Some("auto".into());
        }
        Some("disabled") => reasoning.off = true,
        _ => {
            return Err(Error::invalid("thinking.type", "one of enabled, adaptive and disabled is expected"));
        }
    }
    Ok(Some(reasoning))
}

fn system_turn(system: &RawValue) -> Result<Turn<'_>, Error> {
    let place = Place { turns: "system", ..Place::default() };
    let parts = content(system, place, "")?;
    Ok(Turn { role: Role::System, place, name: None, parts, rest: Object::default() })
}

fn turn(number: usize, message: &RawValue) -> Result<Turn<'_>, Error> {
    let place = Place { turns: MESSAGES, turn: Some(number), ..Place::default() };
    let Some(mut message) = Object::open(message) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let role = match message.take("role").and_then(raw::string).as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        // Newer models take instructions in the middle of a conversation.
        Some("system") => Role::System,
        _ => return Err(Error::invalid(place.field("role"), "user or assistant is expected")),
    };
    let Some(value) = message.take("content") else {
        return Err(Error::invalid(place.field("content"), "a string or an array is expected"));
    };
    let parts = content(value, place, "content")?;
    Ok(Turn { role, place, name: None, parts, rest: message })
}

/// Reads a string, or a list of blocks.
fn content<'a>(value: &'a RawValue, place: Place, list: &'static str) -> Result<Vec<Part<'a>>, Error> {
    if let Some(text) = Text::read(value) {
        let part = Part { kind: PartKind::Text(text), place, cache: None, rest: Object::default() };
        return Ok(if is_empty(&part) { Vec::new() } else { vec![part] });
    }
    let Some(blocks) = raw::array(value) else {
        let path = if list.is_empty() { place.to_string() } else { place.field(list) };
        return Err(Error::invalid(path, "a string or an array is expected"));
    };
    let mut parts = Vec::with_capacity(blocks.len());
    for (number, block) in blocks.into_iter().enumerate() {
        let place = match place.part {
            Some(_) => Place { within: Some(number), ..place },
            None => Place { parts: list, part: Some(number), ..place },
        };
        parts.push(part(block, place)?);
    }
    Ok(parts)
}

fn is_empty(part: &Part<'_>) -> bool {
    matches!(&part.kind, PartKind::Text(text) if text.is_empty())
}

fn part(block: &RawValue, place: Place) -> Result<Part<'_>, Error> {
    let Some(mut fields) = Object::open(block) else {
        return Err(Error::invalid(place.to_string(), "an object is expected"));
    };
    let Some(kind) = fields.take("type").and_then(raw::string) else {
        return Err(Error::invalid(place.field("type"), "a string is expected"));
    };
    let cache = fields.take("cache_control");
    let kind = match kind.as_ref() {
        "text" => {
            // Where a text of the model's came from; its API takes it back, no other does.
            fields.take("citations");
            PartKind::Text(need(&mut fields, "text", place)?)
        }
        "image" => PartKind::Image { source: source(&mut fields, place)?, detail: None },
        "document" => {
            let title = fields.take("title").and_then(Text::read);
            fields.remove(&["context", "citations"]);
            PartKind::Document { source: source(&mut fields, place)?, title }
        }
        "thinking" => PartKind::Thinking {
            text: need(&mut fields, "thinking", place)?,
            signature: fields.take("signature").and_then(Text::read),
        },
        "redacted_thinking" => PartKind::SealedThinking(need(&mut fields, "data", place)?),
        "tool_use" => {
            let (id, name) = (need(&mut fields, "id", place)?, need(&mut fields, "name", place)?);
            let input = fields.take("input").map_or("{}", RawValue::get);
            if !input.starts_with('{') {
                return Err(Error::invalid(place.field("input"), "an object is expected"));
            }
            fields.remove(&["caller"]);
            PartKind::Call { id, name, arguments: Cow::Borrowed(input) }
        }
        "tool_result" => {
            let id = need(&mut fields, "tool_use_id", place)?;
            let is_error = raw::flag(&mut fields, "is_error")?.unwrap_or(false);
            let parts = match fields.take("content") {
                Some(value) => content(value, place, "content")?,
                None => Vec::new(),
            };
            PartKind::Result { id, parts, is_error }
        }
        "search_result"
        | "server_tool_use"
        | "web_search_tool_result"
        | "web_fetch_tool_result"
        | "container_upload"
        | "mcp_tool_use"
        | "mcp_tool_result"
        | "tool_reference"
        | "compaction" => PartKind::Own { what: Cow::Owned(kind.into_owned()) },
        kind if kind.ends_with("code_execution_tool_result") || kind.ends_with("tool_search_tool_result") => {
            PartKind::Own { what: Cow::Owned(kind.to_owned()) }
        }
        _ => PartKind::Unknown(block),
    };
    Ok(Part { kind, place, cache, rest: fields })
}

fn need<'a>(fields: &mut Object<'a>, name: &str, place: Place) -> Result<Text<'a>, Error> {
    let missing = || Error::invalid(place.field(name), "a string is expected");
    fields.take(name).and_then(Text::read).ok_or_else(missing)
}

fn source<'a>(fields: &mut Object<'a>, place: Place) -> Result<Source<'a>, Error> {
    let expected = |field: &str| Error::invalid(place.field(field), "a string is expected");
    let mut source = fields.take("source").and_then(Object::open).unwrap_or_default();
    let kind = source.take("type").and_then(raw::string).ok_or_else(|| expected("source.type"))?;
    let mut text = |name: &str| source.take(name).and_then(Text::read);
    match kind.as_ref() {
        "base64" => {
            let media_type = text("media_type").ok_or_else(|| expected("source.media_type"))?;
            let data = text("data").ok_or_else(|| expected("source.data"))?;
            Ok(Source::Base64 { media_type: Cow::Owned(media_type.decode().to_ascii_lowercase()), data })
        }
        "url" => Ok(Source::Url(text("url").ok_or_else(|| expected("source.url"))?)),
        "text" => Ok(Source::Text(text("data").ok_or_else(|| expected("source.data"))?)),
        "file" => Ok(Source::File(text("file_id").ok_or_else(|| expected("source.file_id"))?)),
        _ => Err(Error::unsupported(place.field("source.type"), "only base64, url, text and file are")),
    }
}

fn read_tools(tools: &RawValue) -> Result<Vec<Tool<'_>>, Error> {
    let Some(list) = raw::array(tools) else { return Err(Error::invalid("tools", "an array is expected")) };
    list.into_iter().enumerate().map(|(number, tool)| read_tool(number, tool)).collect()
}

fn read_tool(number: usize, value: &RawValue) -> Result<Tool<'_>, Error> {
    let path = |field: &str| format!("tools[{number}]{field}");
    let Some(mut tool) = Object::open(value) else {
        return Err(Error::invalid(path(""), "an object is expected"));
    };
    // Tools that Anthropic runs have a type with a date, such as `web_search_20250305`.
    if let Some(kind) = tool.take("type").and_then(raw::string).filter(|kind| kind != "custom") {
        return Ok(Tool::Hosted { kind, value });
    }
    let Some(name) = tool.take("name").and_then(Text::read) else {
        return Err(Error::invalid(path(".name"), "a string is expected"));
    };
    let strict = tool.take("strict").map(|strict| strict.get() == "true");
    let (description, schema) = (tool.take("description").and_then(Text::read), tool.take("input_schema"));
    let cache = tool.take("cache_control");
    // How Anthropic finds and shows a tool, which changes nothing in what it is.
    tool.remove(&["eager_input_streaming", "defer_loading", "allowed_callers", "input_examples"]);
    Ok(Tool::Function { name, description, schema, strict, cache, rest: tool })
}

/// A choice, and whether several tools may be called.
type Chosen<'a> = (Option<Choice<'a>>, Option<bool>);

fn read_choice(value: &RawValue) -> Result<Chosen<'_>, Error> {
    let mut choice = Object::open(value).unwrap_or_default();
    let parallel = raw::flag(&mut choice, "disable_parallel_tool_use")?.map(|disabled| !disabled);
    let kind = choice.take("type").and_then(raw::string);
    let choice = match kind.as_deref() {
        Some("auto") => Choice::Auto,
        Some("any") => Choice::Any,
        Some("none") => Choice::None,
        Some("tool") => {
            let name = choice.take("name").and_then(Text::read);
            Choice::Tool(name.ok_or_else(|| Error::invalid("tool_choice.name", "a string is expected"))?)
        }
        _ => return Err(Error::invalid("tool_choice.type", "one of auto, any, tool and none is expected")),
    };
    Ok((Some(choice), parallel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn with(fields: Value) -> Vec<u8> {
        let mut body =
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        body.to_string().into_bytes()
    }

    fn kinds(content: Value) -> String {
        let body = with(json!({"messages": [{"role": "user", "content": content}]}));
        format!("{:?}", read(&body).unwrap().turns[0].parts)
    }

    fn fault(fields: Value) -> String {
        read(&with(fields)).unwrap_err().to_string()
    }

    #[test]
    fn every_field_is_read_or_kept() {
        let body = with(json!({
            "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
            "stream": true, "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop_sequences": ["END"],
            "metadata": {"user_id": "u"}, "service_tier": "standard_only",
            "thinking": {"type": "enabled", "budget_tokens": 2000},
            "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}},
            "mcp_servers": [], "a_field_of_next_year": 12345678901234567890123u128 as f64,
        }));
        let request = read(&body).unwrap();
        assert!(request.stream && request.include_usage);
        assert_eq!(
            request.turns.iter().map(|turn| turn.role).collect::<Vec<_>>(),
            [Role::System, Role::User]
        );
        assert!(request.turns[0].parts[0].cache.is_some());
        let paths: Vec<&str> = request.settings.iter().map(|setting| setting.path).collect();
        assert_eq!(
            paths,
            [
                "max_tokens",
                "temperature",
                "top_p",
                "top_k",
                "stop_sequences",
                "metadata.user_id",
                "service_tier",
                "thinking",
                "output_config.format",
                "mcp_servers"
            ]
        );
        assert_eq!(request.max_tokens(), Some(9));
        let reasoning = request.settings.iter().find_map(|setting| match &setting.want {
            Want::Reasoning(reasoning) => Some(reasoning),
            _ => None,
        });
        let reasoning = reasoning.unwrap();
        assert_eq!((reasoning.budget, reasoning.effort), (Some(2000), Some(Effort::High)));
        let mut rest = Vec::new();
        request.rest.write_rest(&mut rest);
        assert!(rest.starts_with(b",\"a_field_of_next_year\":"));
    }

    #[test]
    fn blocks_are_told_apart() {
        let image = json!({"type": "base64", "media_type": "IMAGE/png", "data": "AA=="});
        let parts = kinds(json!([
            {"type": "text", "text": "a", "citations": []},
            {"type": "image", "source": image},
            {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}, "title": "b"},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
            {"type": "tool_result", "tool_use_id": "t", "is_error": true, "content": [{"type": "text", "text": "no"}]},
            {"type": "search_result", "source": "s", "title": "t", "content": []},
            {"type": "of_next_year", "x": 1},
        ]));
        for part in [
            "Text(Json(RawValue(\"a\")))",
            "media_type: \"image/png\"",
            "Document { source: Url",
            "source: Text(",
            "source: File(",
            "is_error: true",
            "Own { what: \"search_result\" }",
            "Unknown(RawValue({\"type\":\"of_next_year\",\"x\":1}))",
        ] {
            assert!(parts.contains(part), "{part} in {parts}");
        }
    }

    #[test]
    fn calls_and_thinking_come_back_as_they_were_given() {
        let body = with(json!({"messages": [{"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1.50}},
        ]}]}));
        let parts = format!("{:?}", read(&body).unwrap().turns[0].parts);
        assert!(parts.contains("signature: Some("), "{parts}");
        assert!(parts.contains("SealedThinking("), "{parts}");
        assert!(parts.contains("arguments: \"{\\\"a\\\":1.5}\""), "{parts}");
    }

    #[test]
    fn tools_and_choices_are_read() {
        let body = with(json!({
            "tools": [
                {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": true},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        }));
        let request = read(&body).unwrap();
        assert!(matches!(&request.tools[0], Tool::Function { strict: Some(true), .. }));
        assert!(matches!(&request.tools[1], Tool::Hosted { kind, .. } if kind == "web_search_20250305"));
        assert!(matches!(&request.choice, Some(Choice::Tool(name)) if name.decode() == "f"));
        assert_eq!(request.parallel_calls, Some(false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (fields, text) in [
            (json!({"messages": {}}), "messages is invalid"),
            (json!({"messages": [1]}), "messages[0] is invalid"),
            (json!({"messages": [{"role": "tool", "content": "x"}]}), "messages[0].role"),
            (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
            (
                json!({"messages": [{"role": "user", "content": [{"text": "x"}]}]}),
                "messages[0].content[0].type",
            ),
            (
                json!({"messages": [{"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text"}]}]}]}),
                "messages[0].content[0].content[0].text",
            ),
            (json!({"system": 1}), "system is invalid"),
            (json!({"system": [{"type": "image"}]}), "system[0].source.type"),
            (json!({"stream": "yes"}), "stream is invalid"),
            (json!({"max_tokens": "many"}), "max_tokens is invalid"),
            (json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
            (json!({"tools": [{"description": "x"}]}), "tools[0].name"),
            (json!({"tool_choice": {"type": "tool"}}), "tool_choice.name"),
        ] {
            let fault = fault(fields.clone());
            assert!(fault.contains(text), "{fields}: {fault}");
        }
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_give_a_request_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
