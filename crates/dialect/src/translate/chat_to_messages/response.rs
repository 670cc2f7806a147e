//! The answer in one piece.

use super::finish_reason;
use super::usage::Usage;
use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::translate::raw::{self, Object};
use crate::translate::{AnswerOptions, Error};
use serde_json::value::RawValue;

/// As much of an error that is not JSON as a client is shown.
const MOST_ERROR_TEXT: usize = 1000;

/// Translates an answer, or an error that is one.
pub(in crate::translate) fn translate(
    body: &[u8],
    options: &AnswerOptions,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let text = String::from_utf8_lossy(body);
    let Ok(fields) = serde_json::from_str::<Object<'_>>(&text) else {
        if options.status < 400 {
            return Err(Error::invalid_answer("a JSON object is expected"));
        }
        write_error_text(out, options.status, &text);
        return Ok(());
    };
    let is_error = fields.get("type").is_some_and(|kind| kind.get() == "\"error\"");
    if options.status >= 400 || is_error {
        write_error(out, options.status, fields);
        return Ok(());
    }
    write_message(out, fields, options)
}

/// What the content blocks come to.
#[derive(Default)]
struct Content<'a> {
    /// Insides of JSON strings, and of arrays.
    text: Vec<u8>,
    reasoning: Vec<u8>,
    thinking_blocks: Vec<&'a RawValue>,
    tool_calls: Vec<u8>,
    citations: Vec<&'a RawValue>,
}

impl<'a> Content<'a> {
    /// Takes in a block. Those of server tools have no place in a chat completion: the text that they led to has.
    fn add(&mut self, value: &'a RawValue) -> Option<()> {
        let mut block = Object::open(value)?;
        let kind = block.take("type").and_then(raw::string)?;
        match kind.as_ref() {
            "text" => {
                self.text.extend_from_slice(inside(block.take("text")?)?);
                self.citations.extend(block.take("citations").and_then(raw::array).unwrap_or_default());
            }
            "thinking" => {
                self.reasoning.extend_from_slice(inside(block.take("thinking")?)?);
                self.thinking_blocks.push(value);
            }
            "redacted_thinking" => self.thinking_blocks.push(value),
            "tool_use" => {
                if !self.tool_calls.is_empty() {
                    self.tool_calls.push(b',');
                }
                self.tool_calls.extend_from_slice(br#"{"id":"#);
                raw::write_raw(&mut self.tool_calls, block.take("id")?);
                self.tool_calls.extend_from_slice(br#","type":"function","function":{"name":"#);
                raw::write_raw(&mut self.tool_calls, block.take("name")?);
                self.tool_calls.extend_from_slice(br#","arguments":"#);
                raw::write_string(&mut self.tool_calls, block.take("input").map_or("{}", RawValue::get));
                self.tool_calls.extend_from_slice(b"}}");
            }
            _ => {}
        }
        Some(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"role":"assistant","content":"#);
        if self.text.is_empty() && !self.tool_calls.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            out.push(b'"');
            out.extend_from_slice(&self.text);
            out.push(b'"');
        }
        out.extend_from_slice(br#","refusal":null"#);
        if !self.reasoning.is_empty() {
            out.extend_from_slice(br#","reasoning_content":""#);
            out.extend_from_slice(&self.reasoning);
            out.push(b'"');
        }
        write_list(out, "thinking_blocks", &self.thinking_blocks);
        if !self.tool_calls.is_empty() {
            out.extend_from_slice(br#","tool_calls":["#);
            out.extend_from_slice(&self.tool_calls);
            out.push(b']');
        }
        write_list(out, "citations", &self.citations);
        out.push(b'}');
    }
}

fn write_list(out: &mut Vec<u8>, name: &str, list: &[&RawValue]) {
    if let Some((first, others)) = list.split_first() {
        out.push(b',');
        raw::write_string(out, name);
        out.extend_from_slice(b":[");
        raw::write_raw(out, first);
        for value in others {
            out.push(b',');
            raw::write_raw(out, value);
        }
        out.push(b']');
    }
}

/// A JSON string without its quotes.
fn inside(value: &RawValue) -> Option<&[u8]> {
    value.get().strip_prefix('"')?.strip_suffix('"').map(str::as_bytes)
}

fn write_message(out: &mut Vec<u8>, mut fields: Object<'_>, options: &AnswerOptions) -> Result<(), Error> {
    let Some(blocks) = fields.take("content").and_then(raw::array) else {
        return Err(Error::invalid_answer("content blocks are expected"));
    };
    let mut content = Content::default();
    for block in blocks {
        if content.add(block).is_none() {
            return Err(Error::invalid_answer("a content block lacks what its type demands"));
        }
    }
    let mut usage = Usage::default();
    if let Some(block) = fields.take("usage") {
        usage.update(block);
    }
    let stop_reason = fields.take("stop_reason").and_then(raw::string);
    let stop_sequence = fields.take("stop_sequence");
    fields.take("type");
    fields.take("role");

    out.push(b'{');
    write_head(out, fields.take("id"), fields.take("model"), "chat.completion", options);
    out.extend_from_slice(br#","choices":[{"index":0,"message":"#);
    content.write(out);
    out.extend_from_slice(br#","logprobs":null,"#);
    raw::write_field(out, "finish_reason", finish_reason(stop_reason.as_deref().unwrap_or_default()));
    if let Some(stop_sequence) = stop_sequence {
        out.extend_from_slice(br#","stop_sequence":"#);
        raw::write_raw(out, stop_sequence);
    }
    out.extend_from_slice(b"}]");
    if let Some(tier) = usage.service_tier() {
        out.push(b',');
        raw::write_field(out, "service_tier", tier);
    }
    if !usage.is_empty() {
        out.extend_from_slice(br#","usage":"#);
        out.extend_from_slice(usage.to_chat().to_string().as_bytes());
    }
    for name in ["object", "created", "choices", "service_tier"] {
        fields.take(name);
    }
    fields.write_rest(out);
    out.push(b'}');
    Ok(())
}

/// Writes the fields that an answer and each chunk of one begin with.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    id: Option<&RawValue>,
    model: Option<&RawValue>,
    object: &str,
    options: &AnswerOptions,
) {
    out.extend_from_slice(br#""id":"#);
    match id {
        Some(id) => raw::write_raw(out, id),
        None => raw::write_string(out, ""),
    }
    out.push(b',');
    raw::write_field(out, "object", object);
    out.extend_from_slice(format!(r#","created":{},"model":"#, options.created).as_bytes());
    match model {
        Some(model) if options.model.is_empty() => raw::write_raw(out, model),
        _ => raw::write_string(out, &options.model),
    }
}

/// Writes OpenAI's envelope around the message and the type that the provider gave.
pub(super) fn write_error(out: &mut Vec<u8>, status: u16, mut fields: Object<'_>) {
    fields.take("type");
    let mut error = fields.take("error").and_then(Object::open).unwrap_or_default();
    let (Some(message), Some(kind)) = (error.take("message"), error.take("type")) else {
        // Not Anthropic's: something on the way to it answers in a form of its own.
        let message = fields.take("message").or_else(|| fields.take("Message")).and_then(raw::string);
        write_error_text(out, status, &message.unwrap_or_default());
        return;
    };
    out.extend_from_slice(br#"{"error":{"message":"#);
    raw::write_raw(out, message);
    out.extend_from_slice(br#","type":"#);
    raw::write_raw(out, kind);
    for name in ["param", "code"] {
        out.push(b',');
        raw::write_string(out, name);
        out.push(b':');
        match error.take(name) {
            Some(value) => raw::write_raw(out, value),
            None => out.extend_from_slice(b"null"),
        }
    }
    error.write_rest(out);
    out.push(b'}');
    fields.write_rest(out);
    out.push(b'}');
}

fn write_error_text(out: &mut Vec<u8>, status: u16, text: &str) {
    let text = text.trim();
    let shown: String = text.chars().take(MOST_ERROR_TEXT).collect();
    let message =
        if shown.is_empty() { format!("the provider answered with status {status}") } else { shown };
    let error = ClientError::new(ErrorKind::from_status(status), "provider_error", message);
    out.extend_from_slice(error.body(Dialect::OpenAi).as_bytes());
}
