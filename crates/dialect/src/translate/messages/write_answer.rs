//! An answer for a client.

use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::translate::neutral::{Event, Stop, Text, WriteAnswer};
use crate::translate::raw::{self, Object};
use crate::translate::{AnswerOptions, failure};
use crate::usage::Usage;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

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
pub(in crate::translate) struct Stream {
    options: AnswerOptions,
    /// The number of the next block.
    next: usize,
    /// The block of text or thinking that is open.
    open: Option<Open>,
    /// Calls whose blocks are open, by their number.
    calls: BTreeMap<u32, OpenCall>,
    any_call: bool,
    usage: Usage,
    stop: Option<(Stop, Option<String>)>,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    kind: Kind,
    block: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

#[derive(Debug)]
struct OpenCall {
    block: usize,
    json: Balance,
}

impl Stream {
    pub(in crate::translate) fn new(options: AnswerOptions) -> Self {
        Self {
            options,
            next: 0,
            open: None,
            calls: BTreeMap::new(),
            any_call: false,
            usage: Usage::default(),
            stop: None,
            ended: false,
        }
    }

    fn start(&self, id: Option<&Text<'_>>, model: Option<&Text<'_>>, out: &mut Vec<u8>) {
        event(out, "message_start", |out| {
            out.extend_from_slice(br#","message":{"#);
            write_head(out, id, model, &self.options);
            out.extend_from_slice(br#","content":[],"stop_reason":null,"stop_sequence":null,"usage":"#);
            write_usage(out, &self.usage);
            out.push(b'}');
        });
    }

    /// The number of the open block of a kind, which is begun if need be.
    fn block(&mut self, kind: Kind, out: &mut Vec<u8>) -> usize {
        if let Some(open) = self.open.filter(|open| open.kind == kind) {
            return open.block;
        }
        self.close(out);
        let block = self.begin(out, |out| {
            out.extend_from_slice(match kind {
                Kind::Text => br#"{"type":"text","text":""}"#.as_slice(),
                Kind::Thinking => br#"{"type":"thinking","thinking":"","signature":""}"#,
            });
        });
        self.open = Some(Open { kind, block });
        block
    }

    fn begin(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let block = self.next;
        self.next += 1;
        event(out, "content_block_start", |out| {
            out.extend_from_slice(format!(r#","index":{block},"content_block":"#).as_bytes());
            write(out);
        });
        block
    }

    /// Closes what the next block follows: text and thinking, and calls whose arguments are whole. A provider may go on with
    /// those of others after it has begun another call.
    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some(open) = self.open.take() {
            stop_block(out, open.block);
        }
        self.calls.retain(|_, call| {
            let whole = call.json.is_whole();
            if whole {
                stop_block(out, call.block);
            }
            !whole
        });
    }

    fn delta(&mut self, kind: Kind, name: &str, field: &str, text: &Text<'_>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let block = self.block(kind, out);
        delta(out, block, name, |out| {
            out.push(b',');
            raw::write_string(out, field);
            out.push(b':');
            text.write(out);
        });
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.ended = true;
        self.close(out);
        for call in std::mem::take(&mut self.calls).into_values() {
            stop_block(out, call.block);
        }
        let (stop, sequence) = self.stop.take().unwrap_or((Stop::End, None));
        event(out, "message_delta", |out| {
            out.extend_from_slice(br#","delta":{"#);
            write_stop(out, stop, sequence.as_deref(), self.any_call);
            out.extend_from_slice(br#"},"usage":"#);
            write_usage(out, &self.usage);
        });
        event(out, "message_stop", |_| {});
    }
}

impl WriteAnswer for Stream {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        match event {
            Event::Start { id, model, rest: _ } => self.start(id.as_ref(), model.as_ref(), out),
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => {
                self.delta(Kind::Text, "text_delta", "text", &text, out);
            }
            Event::Thinking { choice: 0, text } => {
                self.delta(Kind::Thinking, "thinking_delta", "thinking", &text, out);
            }
            Event::Signature { choice: 0, signature } => {
                self.delta(Kind::Thinking, "signature_delta", "signature", &signature, out);
                // What is thought after it needs another.
                self.close(out);
            }
            Event::SealedThinking { choice: 0, data } => {
                self.close(out);
                let block = self.begin(out, |out| write_sealed(out, &data));
                stop_block(out, block);
            }
            Event::Call { choice: 0, call, id, name } => {
                self.close(out);
                self.any_call = true;
                let block = self.begin(out, |out| write_call(out, &id, &name, "{}"));
                self.calls.insert(call, OpenCall { block, json: Balance::default() });
            }
            Event::Arguments { choice: 0, call, json } => {
                let Some(call) = self.calls.get_mut(&call).filter(|_| !json.is_empty()) else { return };
                call.json.add(&json.decode());
                delta(out, call.block, "input_json_delta", |out| {
                    out.extend_from_slice(br#","partial_json":"#);
                    json.write(out);
                });
            }
            Event::Citation { choice: 0, citation } => {
                let block = self.block(Kind::Text, out);
                delta(out, block, "citations_delta", |out| {
                    out.extend_from_slice(br#","citation":"#);
                    write_citation(out, citation);
                });
            }
            Event::Stop { choice: 0, stop, sequence } => {
                self.stop = Some((stop, sequence.map(|text| text.decode().into_owned())));
            }
            Event::Usage(used) => self.usage = used.tokens,
            Event::Failed { status, error, text, rest: _ } => {
                self.ended = true;
                out.extend_from_slice(
                    client_error(failure::status(status), error, text).event(Dialect::Anthropic).as_bytes(),
                );
            }
            Event::End => self.end(out),
            // There is one choice here, and no place for the rest.
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thinking { .. }
            | Event::Signature { .. }
            | Event::SealedThinking { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Citation { .. }
            | Event::Stop { .. }
            | Event::Logprobs { .. }
            | Event::Tier(_) => {}
        }
    }
}

/// Writes a plain answer.
#[derive(Debug)]
pub(in crate::translate) struct Whole {
    options: AnswerOptions,
    head: Vec<u8>,
    blocks: Vec<Block>,
    any_call: bool,
    usage: Usage,
    stop: Option<(Stop, Option<String>)>,
}

/// A block that may still grow. Texts are the insides of JSON strings.
#[derive(Debug)]
enum Block {
    Text {
        text: Vec<u8>,
        citations: Vec<u8>,
    },
    Thinking {
        text: Vec<u8>,
        signature: Vec<u8>,
    },
    Call {
        call: u32,
        id: String,
        name: String,
        json: String,
    },
    /// One that is whole, as JSON.
    Done(Vec<u8>),
}

impl Whole {
    pub(in crate::translate) fn new(options: AnswerOptions) -> Self {
        Self {
            options,
            head: Vec::new(),
            blocks: Vec::new(),
            any_call: false,
            usage: Usage::default(),
            stop: None,
        }
    }

    fn add_text(&mut self, more: &Text<'_>) {
        if more.is_empty() {
            return;
        }
        if let Some(Block::Text { text, .. }) = self.blocks.last_mut() {
            return more.write_inside(text);
        }
        let mut text = Vec::new();
        more.write_inside(&mut text);
        self.blocks.push(Block::Text { text, citations: Vec::new() });
    }

    fn add_citation(&mut self, citation: &RawValue) {
        if let Some(Block::Text { citations, .. }) = self.blocks.last_mut() {
            if !citations.is_empty() {
                citations.push(b',');
            }
            write_citation(citations, citation);
        }
    }

    fn add_thinking(&mut self, more: &Text<'_>) {
        match self.blocks.last_mut() {
            // What is thought after a signature needs another.
            Some(Block::Thinking { text, signature }) if signature.is_empty() => more.write_inside(text),
            _ => {
                let mut text = Vec::new();
                more.write_inside(&mut text);
                self.blocks.push(Block::Thinking { text, signature: Vec::new() });
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(br#","content":["#);
        for (number, block) in self.blocks.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            block.write(out);
        }
        out.extend_from_slice(b"],");
        let (stop, sequence) =
            self.stop.as_ref().map_or((Stop::End, None), |(stop, text)| (*stop, text.as_deref()));
        write_stop(out, stop, sequence, self.any_call);
        out.extend_from_slice(br#","usage":"#);
        write_usage(out, &self.usage);
        out.push(b'}');
    }
}

impl Block {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text { text, citations } => {
                out.extend_from_slice(br#"{"type":"text","text":""#);
                out.extend_from_slice(text);
                out.push(b'"');
                if !citations.is_empty() {
                    out.extend_from_slice(br#","citations":["#);
                    out.extend_from_slice(citations);
                    out.push(b']');
                }
                out.push(b'}');
            }
            Self::Thinking { text, signature } => {
                out.extend_from_slice(br#"{"type":"thinking","thinking":""#);
                out.extend_from_slice(text);
                out.extend_from_slice(br#"","signature":""#);
                out.extend_from_slice(signature);
                out.extend_from_slice(br#""}"#);
            }
            Self::Call { id, name, json, .. } => {
                write_call(out, &id.as_str().into(), &name.as_str().into(), &input(json));
            }
            Self::Done(block) => out.extend_from_slice(block),
        }
    }
}

impl WriteAnswer for Whole {
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        match event {
            Event::Start { id, model, rest: _ } => {
                self.head.clear();
                self.head.push(b'{');
                write_head(&mut self.head, id.as_ref(), model.as_ref(), &self.options);
            }
            Event::Text { choice: 0, text } | Event::Refusal { choice: 0, text } => self.add_text(&text),
            Event::Thinking { choice: 0, text } => self.add_thinking(&text),
            Event::Signature { choice: 0, signature: more } => {
                if let Some(Block::Thinking { signature, .. }) = self.blocks.last_mut() {
                    more.write_inside(signature);
                }
            }
            Event::SealedThinking { choice: 0, data } => {
                let mut block = Vec::new();
                write_sealed(&mut block, &data);
                self.blocks.push(Block::Done(block));
            }
            Event::Call { choice: 0, call, id, name } => {
                self.any_call = true;
                let (id, name) = (id.decode().into_owned(), name.decode().into_owned());
                self.blocks.push(Block::Call { call, id, name, json: String::new() });
            }
            Event::Arguments { choice: 0, call: of, json: more } => {
                let calls = self.blocks.iter_mut().rev();
                let mut jsons = calls.filter_map(|block| match block {
                    Block::Call { call, json, .. } if *call == of => Some(json),
                    _ => None,
                });
                if let Some(json) = jsons.next() {
                    json.push_str(&more.decode());
                }
            }
            Event::Citation { choice: 0, citation } => self.add_citation(citation),
            Event::Stop { choice: 0, stop, sequence } => {
                self.stop = Some((stop, sequence.map(|text| text.decode().into_owned())));
            }
            Event::Usage(used) => self.usage = used.tokens,
            Event::Failed { status, error, text, rest: _ } => {
                out.extend_from_slice(client_error(status, error, text).body(Dialect::Anthropic).as_bytes());
            }
            Event::End => {
                if !self.head.is_empty() {
                    self.write(out);
                }
            }
            // There is one choice here, and no place for the rest.
            Event::Text { .. }
            | Event::Refusal { .. }
            | Event::Thinking { .. }
            | Event::Signature { .. }
            | Event::SealedThinking { .. }
            | Event::Call { .. }
            | Event::Arguments { .. }
            | Event::Citation { .. }
            | Event::Stop { .. }
            | Event::Logprobs { .. }
            | Event::Tier(_) => {}
        }
    }
}

/// Whether the pieces of a JSON text make a whole object, by its braces.
#[derive(Clone, Copy, Debug, Default)]
struct Balance {
    begun: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Balance {
    fn add(&mut self, json: &str) {
        for byte in json.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' => {
                    self.begun = true;
                    self.depth += 1;
                }
                b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_whole(self) -> bool {
        self.begun && self.depth == 0
    }
}

/// The input of a call, which has to be an object. Models that write no JSON are rare, and what they wrote is kept.
fn input(json: &str) -> String {
    let json = json.trim();
    if json.is_empty() {
        return "{}".to_owned();
    }
    if json.starts_with('{') && serde_json::from_str::<&RawValue>(json).is_ok() {
        return json.to_owned();
    }
    serde_json::json!({"arguments": json}).to_string()
}

fn event(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(format!("event: {name}\ndata: {{\"type\":\"{name}\"").as_bytes());
    write(out);
    out.extend_from_slice(b"}\n\n");
}

fn delta(out: &mut Vec<u8>, block: usize, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    event(out, "content_block_delta", |out| {
        out.extend_from_slice(format!(r#","index":{block},"delta":{{"type":"{name}""#).as_bytes());
        write(out);
        out.push(b'}');
    });
}

fn stop_block(out: &mut Vec<u8>, block: usize) {
    event(out, "content_block_stop", |out| out.extend_from_slice(format!(r#","index":{block}"#).as_bytes()));
}

/// The fields that a message begins with, without its opening brace.
fn write_head(out: &mut Vec<u8>, id: Option<&Text<'_>>, model: Option<&Text<'_>>, options: &AnswerOptions) {
    out.extend_from_slice(br#""id":"#);
    id.unwrap_or(&"".into()).write(out);
    out.extend_from_slice(br#","type":"message","role":"assistant","model":"#);
    match model {
        Some(model) if options.model.is_empty() => model.write(out),
        _ => raw::write_string(out, &options.model),
    }
}

fn write_call(out: &mut Vec<u8>, id: &Text<'_>, name: &Text<'_>, input: &str) {
    out.extend_from_slice(br#"{"type":"tool_use","id":"#);
    id.write(out);
    out.extend_from_slice(br#","name":"#);
    name.write(out);
    out.extend_from_slice(br#","input":"#);
    out.extend_from_slice(input.as_bytes());
    out.push(b'}');
}

fn write_sealed(out: &mut Vec<u8>, data: &Text<'_>) {
    out.extend_from_slice(br#"{"type":"redacted_thinking","data":"#);
    data.write(out);
    out.push(b'}');
}

/// OpenAI's citations of web pages become those of Anthropic's web search; others go as they came.
fn write_citation(out: &mut Vec<u8>, citation: &RawValue) {
    let mut fields = Object::open(citation).unwrap_or_default();
    let kind = fields.take("type").and_then(raw::string);
    let mut page = fields.take("url_citation").and_then(Object::open).unwrap_or_default();
    let (Some("url_citation"), Some(url)) = (kind.as_deref(), page.take("url")) else {
        return raw::write_raw(out, citation);
    };
    out.extend_from_slice(br#"{"type":"web_search_result_location","url":"#);
    raw::write_raw(out, url);
    out.extend_from_slice(br#","title":"#);
    out.extend_from_slice(page.take("title").map_or("null", RawValue::get).as_bytes());
    out.extend_from_slice(br#","cited_text":"","encrypted_index":""}"#);
}

fn write_stop(out: &mut Vec<u8>, stop: Stop, sequence: Option<&str>, any_call: bool) {
    let reason = match stop {
        // Some servers say so of answers that call tools.
        Stop::End if any_call => "tool_use",
        Stop::End => "end_turn",
        Stop::Sequence => "stop_sequence",
        Stop::Length => "max_tokens",
        Stop::Calls => "tool_use",
        Stop::Refused => "refusal",
        Stop::Paused => "pause_turn",
    };
    raw::write_field(out, "stop_reason", reason);
    out.extend_from_slice(br#","stop_sequence":"#);
    match sequence {
        Some(sequence) => raw::write_string(out, sequence),
        None => out.extend_from_slice(b"null"),
    }
}

/// Anthropic's counters of input are disjoint, and its output holds what was thought.
fn write_usage(out: &mut Vec<u8>, usage: &Usage) {
    let input = usage.input.saturating_add(usage.audio_input).saturating_add(usage.image_input);
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    let counters = format!(
        r#"{{"input_tokens":{input},"cache_creation_input_tokens":{written},"cache_read_input_tokens":{},"output_tokens":{}}}"#,
        usage.cache_read,
        usage.total_output(),
    );
    out.extend_from_slice(counters.as_bytes());
}

/// What the provider says of its failure, in the envelope of this API.
fn client_error(status: u16, mut error: Object<'_>, text: Option<Text<'_>>) -> ClientError {
    let message = error.take("message").and_then(raw::string).map(std::borrow::Cow::into_owned);
    let message = message.or_else(|| text.map(|text| text.decode().into_owned()));
    let message = failure::message(status, message.unwrap_or_default());
    ClientError::new(ErrorKind::from_status(status), "provider_error", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn options(is_event_stream: bool) -> AnswerOptions {
        AnswerOptions {
            status: 200,
            is_event_stream,
            include_usage: true,
            created: 0,
            model: String::new(),
            limit: 1 << 20,
        }
    }

    fn write(stream: bool, events: Vec<Event<'_>>) -> String {
        let mut writer = writer(&options(stream));
        let mut out = Vec::new();
        events.into_iter().for_each(|event| writer.event(event, &mut out));
        String::from_utf8(out).unwrap()
    }

    fn start<'a>() -> Event<'a> {
        Event::Start { id: Some("id".into()), model: Some("m".into()), rest: Object::default() }
    }

    fn text(text: &str) -> Event<'_> {
        Event::Text { choice: 0, text: text.into() }
    }

    fn call<'a>(call: u32, name: &'a str) -> Event<'a> {
        Event::Call { choice: 0, call, id: format!("c{call}").into(), name: name.into() }
    }

    fn arguments(call: u32, json: &str) -> Event<'_> {
        Event::Arguments { choice: 0, call, json: json.into() }
    }

    fn stop<'a>(stop: Stop) -> Event<'a> {
        Event::Stop { choice: 0, stop, sequence: None }
    }

    /// The names of a stream's events, with the numbers of their blocks.
    fn names(stream: &str) -> Vec<String> {
        let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| {
            let event: Value = serde_json::from_str(data).unwrap();
            let name = event["type"].as_str().unwrap().trim_start_matches("content_block_").to_owned();
            match event.get("index") {
                Some(index) => format!("{name} {index}"),
                None => name,
            }
        })
        .collect()
    }

    #[test]
    fn a_stream_has_a_block_for_each_kind() {
        let usage = Usage { input: 3, cache_read: 2, output: 4, reasoning: 1, ..Usage::default() };
        let events = || {
            vec![
                start(),
                Event::Thinking { choice: 0, text: "hm".into() },
                Event::Signature { choice: 0, signature: "s".into() },
                text("a"),
                text("\u{fc}\n"),
                call(0, "f"),
                arguments(0, "{\"x\""),
                arguments(0, ":1}"),
                stop(Stop::Calls),
                Event::Usage(usage.into()),
                Event::End,
            ]
        };
        let stream = write(true, events());
        assert_eq!(
            names(&stream),
            [
                "message_start",
                "start 0",
                "delta 0",
                "delta 0",
                "stop 0",
                "start 1",
                "delta 1",
                "delta 1",
                "stop 1",
                "start 2",
                "delta 2",
                "delta 2",
                "stop 2",
                "message_delta",
                "message_stop"
            ]
        );
        let whole: Value = serde_json::from_str(&write(false, events())).unwrap();
        assert_eq!(
            whole,
            json!({
                "id": "id", "type": "message", "role": "assistant", "model": "m",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "text", "text": "a\u{fc}\n"},
                    {"type": "tool_use", "id": "c0", "name": "f", "input": {"x": 1}},
                ],
                "stop_reason": "tool_use", "stop_sequence": null,
                "usage": {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 2, "output_tokens": 5},
            })
        );
    }

    #[test]
    fn calls_that_take_turns_keep_their_arguments_apart() {
        let events = || {
            vec![
                start(),
                call(0, "f"),
                arguments(0, "{\"a\":"),
                call(1, "g"),
                arguments(1, "{}"),
                arguments(0, "1}"),
                Event::End,
            ]
        };
        let stream = write(true, events());
        assert_eq!(
            names(&stream),
            [
                "message_start",
                "start 0",
                "delta 0",
                "start 1",
                "delta 1",
                "delta 0",
                "stop 0",
                "stop 1",
                "message_delta",
                "message_stop"
            ]
        );
        let whole: Value = serde_json::from_str(&write(false, events())).unwrap();
        assert_eq!(whole["content"][0]["input"], json!({"a": 1}));
        assert_eq!(whole["stop_reason"], "tool_use");
    }

    #[test]
    fn braces_in_texts_of_arguments_are_no_braces() {
        for (pieces, whole) in [
            (&["{\"a\":\"}\"", "}"][..], true),
            (&["{\"a\":\"}\""], false),
            (&["{\"a\":\"\\", "\"}\"}"], true),
            (&[""], false),
        ] {
            let mut balance = Balance::default();
            pieces.iter().for_each(|piece| balance.add(piece));
            assert_eq!(balance.is_whole(), whole, "{pieces:?}");
        }
    }

    #[test]
    fn arguments_that_are_no_object_are_kept() {
        let whole = |json: &str| -> Value {
            let events = vec![start(), call(0, "f"), arguments(0, json), Event::End];
            serde_json::from_str(&write(false, events)).unwrap()
        };
        assert_eq!(whole("")["content"][0]["input"], json!({}));
        assert_eq!(whole("oh {")["content"][0]["input"], json!({"arguments": "oh {"}));
    }

    #[test]
    fn a_failure_is_told_in_this_apis_envelope() {
        let failed = |status| {
            let error: &RawValue = serde_json::from_str(r#"{"message":"slow down","code":"x"}"#).unwrap();
            failure::of(Some(status), Object::open(error).unwrap())
        };
        let body: Value = serde_json::from_str(&write(false, vec![failed(429)])).unwrap();
        assert_eq!(
            body,
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}})
        );
        let stream = write(true, vec![start(), text("a"), failed(200), text("b")]);
        assert!(stream.contains("event: error\ndata: {\"type\":\"error\""), "{stream}");
        assert!(!stream.contains("\"b\""), "{stream}");
    }
}
