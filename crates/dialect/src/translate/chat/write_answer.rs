//! An answer for a client.

use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::translate::AnswerOptions;
use crate::translate::neutral::{Event, Stop, Text, WriteAnswer};
use crate::translate::raw::{self, Object};
use crate::usage::Usage;
use std::collections::BTreeMap;

/// What a stream is told with where its provider does not say how it failed.
const STREAM_FAILED: u16 = 500;

/// What writes the form that the client has asked for.
pub(in crate::translate) fn writer(options: &AnswerOptions) -> Box<dyn WriteAnswer> {
    if options.is_stream() {
        Box::new(Stream::new(options.clone()))
    } else {
        Box::new(Whole::new(options.clone()))
    }
}

/// Writes an event stream.
#[derive(Debug)]
struct Stream {
    options: AnswerOptions,
    /// What each chunk begins with.
    head: Vec<u8>,
    /// Choices that have said something, and what is numbered in them.
    choices: BTreeMap<u32, Numbers>,
    usage: Option<Usage>,
    ended: bool,
}

#[derive(Debug, Default)]
struct Numbers {
    /// The block of thinking that is open.
    thinking: Option<usize>,
    thinking_blocks: usize,
    citations: usize,
    /// Calls whose arguments have not begun: clients parse them, and nothing is no JSON.
    bare_calls: Vec<u32>,
    any_call: bool,
}

impl Stream {
    fn new(options: AnswerOptions) -> Self {
        let mut head = b"data: {".to_vec();
        write_head(&mut head, None, None, "chat.completion.chunk", &options);
        Self { options, head, choices: BTreeMap::new(), usage: None, ended: false }
    }

    /// Writes a chunk around a delta, given as the inside of a JSON object.
    fn chunk(&self, choice: u32, out: &mut Vec<u8>, write_delta: impl FnOnce(&mut Vec<u8>)) {
        self.begin(choice, out);
        write_delta(out);
        out.extend_from_slice(br#"},"logprobs":null,"finish_reason":null}]"#);
        self.end_chunk(out);
    }

    fn begin(&self, choice: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(format!(r#","choices":[{{"index":{choice},"delta":{{"#).as_bytes());
    }

    fn end_chunk(&self, out: &mut Vec<u8>) {
        if self.options.include_usage {
            out.extend_from_slice(br#","usage":null"#);
        }
        out.extend_from_slice(b"}\n\n");
    }

    /// The numbers of a choice, whose role is told before anything else.
    fn choice(&mut self, choice: u32, out: &mut Vec<u8>) -> &mut Numbers {
        if !self.choices.contains_key(&choice) {
            self.chunk(choice, out, |out| {
                out.extend_from_slice(br#""role":"assistant","content":"","refusal":null"#);
            });
        }
        self.choices.entry(choice).or_default()
    }

    fn text(&mut self, choice: u32, field: &str, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.choice(choice, out).thinking = None;
        self.chunk(choice, out, |out| {
            raw::write_string(out, field);
            out.push(b':');
            text.write(out);
        });
    }

    /// Writes a piece of a block of thinking. Clients that gather pieces by their number have the whole block, to be sent back.
    fn thinking(&mut self, choice: u32, kind: &str, field: &str, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let numbers = self.choice(choice, out);
        let (block, begins) = match numbers.thinking {
            Some(block) if kind == "thinking" => (block, false),
            _ => {
                numbers.thinking_blocks += 1;
                (numbers.thinking_blocks - 1, true)
            }
        };
        // What follows a signature needs another.
        numbers.thinking = Some(block).filter(|_| field == "thinking");
        self.chunk(choice, out, |out| {
            if field == "thinking" {
                out.extend_from_slice(br#""reasoning_content":"#);
                text.write(out);
                out.push(b',');
            }
            out.extend_from_slice(format!(r#""thinking_blocks":[{{"index":{block},"#).as_bytes());
            if begins {
                raw::write_field(out, "type", kind);
                out.push(b',');
            }
            if begins && field == "signature" {
                out.extend_from_slice(br#""thinking":"","#);
            }
            raw::write_string(out, field);
            out.push(b':');
            text.write(out);
            out.extend_from_slice(b"}]");
        });
    }

    fn call(&mut self, choice: u32, call: u32, id: &Text<'_>, name: &Text<'_>, out: &mut Vec<u8>) {
        let numbers = self.choice(choice, out);
        numbers.bare_calls.push(call);
        (numbers.any_call, numbers.thinking) = (true, None);
        self.chunk(choice, out, |out| {
            out.extend_from_slice(format!(r#""tool_calls":[{{"index":{call},"id":"#).as_bytes());
            id.write(out);
            out.extend_from_slice(br#","type":"function","function":{"name":"#);
            name.write(out);
            out.extend_from_slice(br#","arguments":""}}]"#);
        });
    }

    fn arguments(&mut self, choice: u32, call: u32, json: &Text<'_>, out: &mut Vec<u8>) {
        if json.is_empty() {
            return;
        }
        self.choice(choice, out).bare_calls.retain(|bare| *bare != call);
        self.chunk(choice, out, |out| {
            out.extend_from_slice(
                format!(r#""tool_calls":[{{"index":{call},"function":{{"arguments":"#).as_bytes(),
            );
            json.write(out);
            out.extend_from_slice(b"}}]");
        });
    }

    fn stop(&mut self, choice: u32, stop: Stop, sequence: Option<&Text<'_>>, out: &mut Vec<u8>) {
        let numbers = self.choice(choice, out);
        let any_call = numbers.any_call;
        for call in std::mem::take(&mut numbers.bare_calls) {
            self.arguments(choice, call, &"{}".into(), out);
        }
        self.begin(choice, out);
        out.extend_from_slice(br#"},"logprobs":null,"#);
        write_stop(out, stop, sequence, any_call);
        out.extend_from_slice(b"}]");
        self.end_chunk(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        if let Some(usage) = self.usage.as_ref().filter(|_| self.options.include_usage) {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(br#","choices":[],"usage":"#);
            write_usage(out, usage);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl WriteAnswer for Stream {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, model } => {
                self.head = b"data: {".to_vec();
                write_head(
                    &mut self.head,
                    id.as_ref(),
                    model.as_ref(),
                    "chat.completion.chunk",
                    &self.options,
                );
            }
            Event::Text { choice, text } => self.text(choice, "content", &text, out),
            Event::Refusal { choice, text } => self.text(choice, "refusal", &text, out),
            Event::Thinking { choice, text } => self.thinking(choice, "thinking", "thinking", &text, out),
            Event::Signature { choice, signature } => {
                self.thinking(choice, "thinking", "signature", &signature, out);
            }
            Event::SealedThinking { choice, data } => {
                self.thinking(choice, "redacted_thinking", "data", &data, out);
            }
            Event::Call { choice, call, id, name } => self.call(choice, call, &id, &name, out),
            Event::Arguments { choice, call, json } => self.arguments(choice, call, &json, out),
            Event::Citation { choice, citation } => {
                let numbers = self.choice(choice, out);
                let number = numbers.citations;
                numbers.citations += 1;
                let mut citation = Object::open(citation).unwrap_or_default();
                citation.take("index");
                self.chunk(choice, out, |out| {
                    out.extend_from_slice(format!(r#""citations":[{{"index":{number}"#).as_bytes());
                    citation.write_rest(out);
                    out.extend_from_slice(b"}]");
                });
            }
            Event::Logprobs { choice, logprobs } => {
                self.choice(choice, out);
                self.begin(choice, out);
                out.extend_from_slice(br#"},"logprobs":"#);
                raw::write_raw(out, logprobs);
                out.extend_from_slice(br#","finish_reason":null}]"#);
                self.end_chunk(out);
            }
            Event::Stop { choice, stop, sequence } => self.stop(choice, stop, sequence.as_ref(), out),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Tier(tier) => write_tier(&mut self.head, &tier),
            Event::Failed { status, error, text } => {
                self.ended = true;
                let status = if status < 400 { STREAM_FAILED } else { status };
                out.extend_from_slice(b"data: ");
                write_failure(out, status, error, text);
                out.extend_from_slice(b"\n\n");
            }
            Event::End => self.end(out),
        }
    }
}

/// Writes a plain answer.
#[derive(Debug)]
struct Whole {
    options: AnswerOptions,
    head: Vec<u8>,
    choices: BTreeMap<u32, Message>,
    usage: Option<Usage>,
    tier: Option<String>,
}

/// What one choice says. Texts are the insides of JSON strings, lists those of JSON arrays.
#[derive(Debug, Default)]
struct Message {
    text: Vec<u8>,
    refusal: Vec<u8>,
    reasoning: Vec<u8>,
    thinking_blocks: Vec<Vec<u8>>,
    /// The last block of thinking, which may still grow.
    thinking: Option<(Vec<u8>, Vec<u8>)>,
    calls: BTreeMap<u32, Call>,
    citations: Vec<u8>,
    logprobs: Vec<u8>,
    stop: Option<(Stop, Option<String>)>,
}

#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    json: String,
}

impl Whole {
    fn new(options: AnswerOptions) -> Self {
        Self { options, head: Vec::new(), choices: BTreeMap::new(), usage: None, tier: None }
    }

    fn choice(&mut self, choice: u32) -> &mut Message {
        self.choices.entry(choice).or_default()
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#","choices":["#);
        for (at, (number, message)) in self.choices.iter_mut().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(format!(r#"{{"index":{number},"message":"#).as_bytes());
            message.write(out);
            out.extend_from_slice(br#","logprobs":"#);
            out.extend_from_slice(if message.logprobs.is_empty() { b"null" } else { &message.logprobs });
            out.push(b',');
            let (stop, sequence) = message.stop.take().unwrap_or((Stop::End, None));
            let sequence = sequence.as_deref().map(Text::from);
            write_stop(out, stop, sequence.as_ref(), !message.calls.is_empty());
            out.push(b'}');
        }
        out.push(b']');
        if let Some(tier) = &self.tier {
            write_tier(out, &tier.as_str().into());
        }
        if let Some(usage) = &self.usage {
            out.extend_from_slice(br#","usage":"#);
            write_usage(out, usage);
        }
        out.push(b'}');
    }
}

impl Message {
    fn close_thinking(&mut self) {
        if let Some((text, signature)) = self.thinking.take() {
            let mut block = br#"{"type":"thinking","thinking":""#.to_vec();
            block.extend_from_slice(&text);
            block.push(b'"');
            if !signature.is_empty() {
                block.extend_from_slice(br#","signature":""#);
                block.extend_from_slice(&signature);
                block.push(b'"');
            }
            block.push(b'}');
            self.thinking_blocks.push(block);
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        self.close_thinking();
        out.extend_from_slice(br#"{"role":"assistant","content":"#);
        if self.text.is_empty() && (!self.calls.is_empty() || !self.refusal.is_empty()) {
            out.extend_from_slice(b"null");
        } else {
            quoted(out, &self.text);
        }
        out.extend_from_slice(br#","refusal":"#);
        if self.refusal.is_empty() {
            out.extend_from_slice(b"null");
        } else {
            quoted(out, &self.refusal);
        }
        if !self.reasoning.is_empty() {
            out.extend_from_slice(br#","reasoning_content":"#);
            quoted(out, &self.reasoning);
        }
        if !self.thinking_blocks.is_empty() {
            out.extend_from_slice(br#","thinking_blocks":["#);
            out.extend_from_slice(&self.thinking_blocks.join(&b','));
            out.push(b']');
        }
        for (at, call) in self.calls.values().enumerate() {
            out.extend_from_slice(if at == 0 { br#","tool_calls":["#.as_slice() } else { b"," });
            out.push(b'{');
            raw::write_field(out, "id", &call.id);
            out.extend_from_slice(br#","type":"function","function":{"#);
            raw::write_field(out, "name", &call.name);
            out.push(b',');
            raw::write_field(out, "arguments", if call.json.is_empty() { "{}" } else { &call.json });
            out.extend_from_slice(b"}}");
        }
        if !self.calls.is_empty() {
            out.push(b']');
        }
        if !self.citations.is_empty() {
            out.extend_from_slice(br#","citations":["#);
            out.extend_from_slice(&self.citations);
            out.push(b']');
        }
        out.push(b'}');
    }
}

impl WriteAnswer for Whole {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model } => {
                self.head = b"{".to_vec();
                write_head(&mut self.head, id.as_ref(), model.as_ref(), "chat.completion", &self.options);
            }
            Event::Text { choice, text } => text.write_inside(&mut self.choice(choice).text),
            Event::Refusal { choice, text } => text.write_inside(&mut self.choice(choice).refusal),
            Event::Thinking { choice, text } => {
                let message = self.choice(choice);
                text.write_inside(&mut message.reasoning);
                if message.thinking.as_ref().is_some_and(|(_, signature)| !signature.is_empty()) {
                    message.close_thinking();
                }
                text.write_inside(&mut message.thinking.get_or_insert_default().0);
            }
            Event::Signature { choice, signature } => {
                signature.write_inside(&mut self.choice(choice).thinking.get_or_insert_default().1);
            }
            Event::SealedThinking { choice, data } => {
                let message = self.choice(choice);
                message.close_thinking();
                let mut block = br#"{"type":"redacted_thinking","data":"#.to_vec();
                data.write(&mut block);
                block.push(b'}');
                message.thinking_blocks.push(block);
            }
            Event::Call { choice, call, id, name } => {
                let (id, name) = (id.decode().into_owned(), name.decode().into_owned());
                self.choice(choice).calls.insert(call, Call { id, name, json: String::new() });
            }
            Event::Arguments { choice, call, json } => {
                if let Some(call) = self.choice(choice).calls.get_mut(&call) {
                    call.json.push_str(&json.decode());
                }
            }
            Event::Citation { choice, citation } => {
                let citations = &mut self.choice(choice).citations;
                if !citations.is_empty() {
                    citations.push(b',');
                }
                raw::write_raw(citations, citation);
            }
            Event::Logprobs { choice, logprobs } => {
                self.choice(choice).logprobs = logprobs.get().as_bytes().to_vec();
            }
            Event::Stop { choice, stop, sequence } => {
                self.choice(choice).stop = Some((stop, sequence.map(|text| text.decode().into_owned())));
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Tier(tier) => self.tier = Some(tier.decode().into_owned()),
            Event::Failed { status, error, text } => write_failure(out, status, error, text),
            Event::End => {
                if !self.head.is_empty() {
                    self.write(out);
                }
            }
        }
    }
}

fn quoted(out: &mut Vec<u8>, inside: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(inside);
    out.push(b'"');
}

/// The fields that an answer and each chunk of one begin with.
fn write_head(
    out: &mut Vec<u8>,
    id: Option<&Text<'_>>,
    model: Option<&Text<'_>>,
    object: &str,
    options: &AnswerOptions,
) {
    out.extend_from_slice(br#""id":"#);
    id.unwrap_or(&"".into()).write(out);
    out.push(b',');
    raw::write_field(out, "object", object);
    out.extend_from_slice(format!(r#","created":{},"model":"#, options.created).as_bytes());
    match model {
        Some(model) if options.model.is_empty() => model.write(out),
        _ => raw::write_string(out, &options.model),
    }
}

fn write_tier(out: &mut Vec<u8>, tier: &Text<'_>) {
    out.extend_from_slice(br#","service_tier":"#);
    match tier.decode().as_ref() {
        "standard" => raw::write_string(out, "default"),
        _ => tier.write(out),
    }
}

fn write_stop(out: &mut Vec<u8>, stop: Stop, sequence: Option<&Text<'_>>, any_call: bool) {
    let reason = match stop {
        // Gemini says so of answers that call tools.
        Stop::End if any_call => "tool_calls",
        // A pause of a server tool is nothing that this API has.
        Stop::End | Stop::Sequence | Stop::Paused => "stop",
        Stop::Length => "length",
        Stop::Calls => "tool_calls",
        Stop::Refused => "content_filter",
    };
    raw::write_field(out, "finish_reason", reason);
    if let Some(sequence) = sequence {
        out.extend_from_slice(br#","stop_sequence":"#);
        sequence.write(out);
    }
}

/// OpenAI's totals hold their parts.
fn write_usage(out: &mut Vec<u8>, usage: &Usage) {
    let (input, output) = (usage.total_input(), usage.total_output());
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    let usage = serde_json::json!({
        "prompt_tokens": input,
        "completion_tokens": output,
        "total_tokens": input.saturating_add(output),
        "prompt_tokens_details": details(
            ("cached_tokens", usage.cache_read),
            &[
                ("cache_creation_tokens", written),
                ("audio_tokens", usage.audio_input),
                ("image_tokens", usage.image_input),
            ],
        ),
        "completion_tokens_details": details(
            ("reasoning_tokens", usage.reasoning),
            &[("audio_tokens", usage.audio_output), ("image_tokens", usage.image_output)],
        ),
    });
    out.extend_from_slice(usage.to_string().as_bytes());
}

/// The first counter always, the others where there is something to count.
fn details(first: (&str, u64), others: &[(&str, u64)]) -> serde_json::Value {
    let others = others.iter().filter(|(_, tokens)| *tokens > 0);
    std::iter::once(&first)
        .chain(others)
        .map(|(name, tokens)| ((*name).to_owned(), (*tokens).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Writes this API's envelope around what the provider says of its failure.
fn write_failure(out: &mut Vec<u8>, status: u16, mut error: Object<'_>, text: Option<Text<'_>>) {
    let kind = ErrorKind::from_status(status);
    let message = error.take("message").filter(|message| raw::is_string(message));
    let Some(message) = message else {
        let text = text.map(|text| text.decode().trim().to_owned()).filter(|text| !text.is_empty());
        let text = text.unwrap_or_else(|| format!("the provider answered with status {status}"));
        let error = ClientError::new(kind, "provider_error", text);
        return out.extend_from_slice(error.body(Dialect::OpenAi).as_bytes());
    };
    let own_type = error.take("type").or_else(|| error.take("status")).filter(|kind| raw::is_string(kind));
    out.extend_from_slice(br#"{"error":{"message":"#);
    raw::write_raw(out, message);
    out.extend_from_slice(br#","type":"#);
    match own_type {
        Some(kind) => raw::write_raw(out, kind),
        None => raw::write_string(out, "provider_error"),
    }
    for name in ["param", "code"] {
        out.push(b',');
        raw::write_string(out, name);
        out.push(b':');
        out.extend_from_slice(error.take(name).map_or("null", serde_json::value::RawValue::get).as_bytes());
    }
    error.write_rest(out);
    out.extend_from_slice(b"}}");
}
