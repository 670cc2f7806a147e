//! Whatever comes in: no panic, no output that is not JSON, and no difference between ways to cut it.

use crate::support::{answer, answer_options, cut, options, read, with};
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt;
use weirgate_dialect::Dialect::{Anthropic, OpenAi};
use weirgate_dialect::translate::{self, AnswerOptions, Options, Unsupported};

/// Pieces of requests and answers, so that random ones get somewhere.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 34] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "1e9",
        "\"",
        "\\",
        "\n\n",
        "\r\n",
        "data: ",
        "event: ",
        "\"type\":",
        "\"messages\":",
        "\"role\":",
        "\"content\":",
        "\"user\"",
        "\"assistant\"",
        "\"tool\"",
        "\"tool_calls\":",
        "\"function\":",
        "\"arguments\":",
        "\"delta\":",
        "\"text_delta\"",
        "\"index\":",
        "\"message_start\"",
        "\"content_block_start\"",
        "\"content_block_delta\"",
        "\"usage\":",
        "\"stop\":",
        "\"{}\"",
    ];
    let word = prop::sample::select(WORDS.as_slice()).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 0..8);
    prop::collection::vec(prop_oneof![8 => word, 1 => bytes], 0..60).prop_map(|parts| parts.concat())
}

const NAMES: [&str; 80] = [
    "toolUse",
    "toolUseId",
    "toolResult",
    "toolSpec",
    "inputSchema",
    "json",
    "toolConfig",
    "toolChoice",
    "inferenceConfig",
    "additionalModelRequestFields",
    "reasoningContent",
    "cachePoint",
    "bytes",
    "contentBlockIndex",
    "start",
    "stopReason",
    "tool_plan",
    "tokens",
    "type",
    "role",
    "content",
    "messages",
    "model",
    "text",
    "image_url",
    "url",
    "file",
    "file_data",
    "tools",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "tool_call_id",
    "stop",
    "metadata",
    "response_format",
    "delta",
    "index",
    "content_block",
    "usage",
    "thinking_blocks",
    "input",
    "message",
    "error",
    "stop_reason",
    "reasoning_effort",
    "system",
    "tool_choice",
    "output_config",
    "stop_sequences",
    "source",
    "tool_use_id",
    "thinking",
    "signature",
    "citation",
    "cache_control",
    "choices",
    "finish_reason",
    "output",
    "output_index",
    "content_index",
    "summary_index",
    "item",
    "part",
    "response",
    "summary",
    "encrypted_content",
    "call_id",
    "parameters",
    "instructions",
    "annotation",
    "annotations",
    "logprobs",
    "refusal",
    "status",
    "include",
    "reasoning",
    "incomplete_details",
];

/// Valid JSON with the fields of a request or an event at random places.
pub(crate) fn document() -> impl Strategy<Value = Value> {
    const STRINGS: [&str; 38] = [
        "",
        " ",
        "user",
        "assistant",
        "system",
        "tool",
        "text",
        "image_url",
        "file",
        "thinking",
        "tool_use",
        "function",
        "{\"a\":1}",
        "data:image/png;base64,AA",
        "https://a",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "text_delta",
        "high",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "input_text",
        "input_image",
        "output_text",
        "url_citation",
        "openai:rs_1:gA",
        "response.created",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.function_call_arguments.delta",
        "response.completed",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(STRINGS.as_slice()).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(NAMES.as_slice()), inner), 0..8).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

/// Changes to a document: at the node of that number, a field is put in or the whole is replaced.
pub(crate) fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, Option<String>, Value)>> {
    let name = prop::option::of(prop::sample::select(NAMES.as_slice()).prop_map(str::to_owned));
    prop::collection::vec((any::<prop::sample::Index>(), name, document()), 1..6)
}

pub(crate) fn change(document: &mut Value, changes: &[(prop::sample::Index, Option<String>, Value)]) {
    for (index, name, value) in changes {
        let at = index.index(count(document));
        let node = node(document, &mut { at }).unwrap();
        match (node, name) {
            (Value::Object(fields), Some(name)) => {
                fields.insert(name.clone(), value.clone());
            }
            (node, _) => *node = value.clone(),
        }
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

fn node<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(list) => list.iter_mut().find_map(|value| node(value, left)),
        Value::Object(fields) => fields.values_mut().find_map(|value| node(value, left)),
        _ => None,
    }
}

fn parse(file: &str) -> Value {
    serde_json::from_slice(&read(file)).unwrap()
}

/// JSON in which no object has two fields of one name: a second one could hide what the first says.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated fields")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, _)) = map.next_entry::<String, Self>()? {
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom(format!("{name} is there twice")));
            }
        }
        Ok(self)
    }
}

pub(crate) fn strict(json: &[u8]) -> Result<(), TestCaseError> {
    let result = serde_json::from_slice::<Strict>(json).map(|_| ());
    result.map_err(|error| TestCaseError::fail(format!("{error}: {}", String::from_utf8_lossy(json))))
}

proptest! {
    #[test]
    fn any_split_gives_the_same_output(
        name in prop::sample::select(vec!["text", "tools", "overloaded"]),
        sizes in prop::collection::vec(1usize..200, 1..40),
    ) {
        let input = read(&format!("{name}.stream.messages.sse"));
        let expected = answer(&answer_options(true), &[&input]);
        prop_assert_eq!(answer(&answer_options(true), &cut(&input, &sizes)), expected);
    }

    #[test]
    fn any_bytes_give_the_same_however_they_are_cut(
        input in fragments(),
        sizes in prop::collection::vec(1usize..9, 1..20),
        is_event_stream: bool,
        status in prop::sample::select(vec![200u16, 500]),
    ) {
        let options = AnswerOptions { status, ..answer_options(is_event_stream) };
        let expected = answer(&options, &[&input]);
        prop_assert_eq!(answer(&options, &cut(&input, &sizes)), expected);
    }

    #[test]
    fn any_bytes_are_a_request_or_an_error(body in fragments()) {
        let _ = translate::request(OpenAi, Anthropic, &body, &options());
    }

    #[test]
    fn a_request_that_is_translated_is_json(body in document(), messages in prop::collection::vec(document(), 0..3)) {
        let mut body = with(if body.is_object() { body } else { json!({}) });
        if body.get("messages").is_none_or(|value| !value.is_array()) {
            body["messages"] = messages.into();
        }
        for unsupported in [Unsupported::Reject, Unsupported::Drop] {
            let options = Options { unsupported, ..options() };
            if let Ok(request) = translate::request(OpenAi, Anthropic, body.to_string().as_bytes(), &options) {
                strict(&request.body)?;
            }
        }
    }

    #[test]
    fn any_event_makes_chunks_of_json(events in prop::collection::vec(document(), 0..6)) {
        let input: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let (out, _, _) = answer(&answer_options(true), &[input.as_bytes()]);
        for event in String::from_utf8(out).unwrap().split_terminator("\n\n") {
            let data = event.strip_prefix("data: ").unwrap();
            if data != "[DONE]" {
                strict(data.as_bytes())?;
            }
        }
    }

    #[test]
    fn any_answer_is_json(body in document(), status in prop::sample::select(vec![200u16, 400, 529])) {
        let options = AnswerOptions { status, ..answer_options(false) };
        let (out, error, _) = answer(&options, &[body.to_string().as_bytes()]);
        if error.is_none() {
            strict(&out)?;
        }
    }

    #[test]
    fn a_changed_request_is_json(
        name in prop::sample::select(vec!["tools", "structured", "reasoning"]),
        changes in changes(),
    ) {
        let mut body = parse(&format!("{name}.request.chat.json"));
        change(&mut body, &changes);
        for unsupported in [Unsupported::Reject, Unsupported::Drop] {
            let options = Options { unsupported, ..options() };
            if let Ok(request) = translate::request(OpenAi, Anthropic, body.to_string().as_bytes(), &options) {
                strict(&request.body)?;
            }
        }
    }

    #[test]
    fn a_changed_answer_is_json(
        name in prop::sample::select(vec!["text.answer", "tools.answer", "overloaded.error"]),
        changes in changes(),
    ) {
        let mut body = parse(&format!("{name}.messages.json"));
        change(&mut body, &changes);
        let (out, error, _) = answer(&answer_options(false), &[body.to_string().as_bytes()]);
        if error.is_none() {
            strict(&out)?;
        }
    }

    #[test]
    fn a_changed_stream_is_chunks_of_json(changes in changes()) {
        let text = String::from_utf8(read("tools.stream.messages.sse")).unwrap();
        let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let mut events: Value = events.map(|data| serde_json::from_str::<Value>(data).unwrap()).collect();
        change(&mut events, &changes);
        let events = events.as_array().into_iter().flatten();
        let input: String = events.map(|event| format!("data: {event}\n\n")).collect();
        let (out, _, _) = answer(&answer_options(true), &[input.as_bytes()]);
        for event in String::from_utf8(out).unwrap().split_terminator("\n\n") {
            let data = event.strip_prefix("data: ").unwrap();
            if data != "[DONE]" {
                strict(data.as_bytes())?;
            }
        }
    }
}
