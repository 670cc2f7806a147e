//! An answer for a client.

mod whole;

use crate::translate::neutral::{Event, Stop, Text, Used, WriteAnswer};
use crate::translate::openai::write_failure;
use crate::translate::raw::{self, Object};
use crate::translate::{AnswerOptions, failure};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use whole::Whole;

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
    /// As JSON; empty until there is some.
    usage: Vec<u8>,
    ended: bool,
}

/// Whether a citation is of OpenAI's own form, which has a place in its API.
fn is_annotation(citation: &Object<'_>) -> bool {
    citation.get("url_citation").is_some()
}

#[derive(Debug, Default)]
struct Numbers {
    /// The block of thinking that is open.
    thinking: Option<usize>,
    thinking_blocks: usize,
    annotations: usize,
    citations: usize,
    /// Calls whose arguments have not begun: clients parse them, and nothing is no JSON.
    bare_calls: Vec<u32>,
    any_call: bool,
}

impl Stream {
    fn new(options: AnswerOptions) -> Self {
        let mut head = b"data: {".to_vec();
        write_head(&mut head, None, None, "chat.completion.chunk", &options);
        Self { options, head, choices: BTreeMap::new(), usage: Vec::new(), ended: false }
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
        let numbers = self.choice(choice, out);
        if text.is_empty() {
            return;
        }
        numbers.thinking = None;
        self.chunk(choice, out, |out| {
            raw::write_string(out, field);
            out.push(b':');
            text.write(out);
        });
    }

    /// Writes a piece of a block of thinking. Clients that gather pieces by their number have the whole block, to be sent back.
    fn thinking(&mut self, choice: u32, kind: &str, field: &str, text: &Text<'_>, out: &mut Vec<u8>) {
        let numbers = self.choice(choice, out);
        let (block, begins) = match numbers.thinking {
            Some(_) if text.is_empty() => return,
            Some(block) if kind == "thinking" => (block, false),
            _ => {
                numbers.thinking_blocks += 1;
                (numbers.thinking_blocks - 1, true)
            }
        };
        // What follows a signature needs another.
        numbers.thinking = Some(block).filter(|_| field == "thinking");
        self.chunk(choice, out, |out| {
            if field == "thinking" && !text.is_empty() {
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
        if !self.usage.is_empty() {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(br#","choices":[],"usage":"#);
            out.extend_from_slice(&self.usage);
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
            Event::Start { id, model, rest: _ } => {
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
                let mut citation = Object::open(citation).unwrap_or_default();
                citation.take("index");
                let numbers = self.choice(choice, out);
                let (list, next) = match is_annotation(&citation) {
                    true => ("annotations", &mut numbers.annotations),
                    false => ("citations", &mut numbers.citations),
                };
                let number = *next;
                *next += 1;
                self.chunk(choice, out, |out| {
                    out.extend_from_slice(format!(r#""{list}":[{{"index":{number}"#).as_bytes());
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
            Event::Usage(used) => {
                self.usage.clear();
                if self.options.include_usage {
                    write_usage(&mut self.usage, used);
                }
            }
            Event::Tier(tier) => write_tier(&mut self.head, &tier),
            Event::Failed { status, error, text, rest } => {
                self.ended = true;
                out.extend_from_slice(b"data: ");
                write_failure(out, failure::status(status), error, text, rest);
                out.extend_from_slice(b"\n\n");
            }
            Event::End => self.end(out),
        }
    }
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

/// OpenAI's totals hold their parts. What only the provider counts keeps its name.
fn write_usage(out: &mut Vec<u8>, used: Used<'_>) {
    let Used { tokens, counts_reasoning, counts_cache_writes, cache_creation, mut rest } = used;
    let (input, output) = (tokens.total_input(), tokens.total_output());
    let written = tokens.cache_write.saturating_add(tokens.cache_write_1h);
    let total = input.saturating_add(output);
    out.extend_from_slice(
        format!(r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total}"#)
            .as_bytes(),
    );
    write_details(
        out,
        "prompt_tokens_details",
        [
            ("cached_tokens", tokens.cache_read, true),
            ("cache_creation_tokens", written, counts_cache_writes),
            ("audio_tokens", tokens.audio_input, false),
            ("image_tokens", tokens.image_input, false),
        ],
        cache_creation,
    );
    write_details(
        out,
        "completion_tokens_details",
        [
            ("reasoning_tokens", tokens.reasoning, counts_reasoning),
            ("audio_tokens", tokens.audio_output, false),
            ("image_tokens", tokens.image_output, false),
        ],
        None,
    );
    rest.remove(&[
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    ]);
    rest.write_rest(out);
    out.push(b'}');
}

/// Writes the counters that count something, or that are named whatever they count.
fn write_details<const N: usize>(
    out: &mut Vec<u8>,
    name: &str,
    counters: [(&str, u64, bool); N],
    cache_creation: Option<&RawValue>,
) {
    let counters = counters.into_iter().filter(|(_, tokens, always)| *always || *tokens > 0);
    let mut inside: Vec<String> = counters.map(|(name, tokens, _)| format!("\"{name}\":{tokens}")).collect();
    // For how long the written tokens are kept, which decides their price.
    inside.extend(cache_creation.map(|creation| format!("\"cache_creation\":{}", creation.get())));
    if !inside.is_empty() {
        out.extend_from_slice(format!(",\"{name}\":{{{}}}", inside.join(",")).as_bytes());
    }
}
