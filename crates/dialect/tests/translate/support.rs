//! Files, default options and short calls.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use weirgate_dialect::Dialect::{Anthropic, OpenAi};
use weirgate_dialect::translate::{self, Answer, AnswerOptions, Error, Options, Unsupported};

pub(crate) const LIMIT: usize = 1 << 20;

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openai_anthropic").join(name)
}

pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(data(name)).unwrap()
}

/// Compares with a file, which holds JSON indented for the reader.
pub(crate) fn expect_json(name: &str, value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap() + "\n";
    expect(name, text.as_bytes());
}

pub(crate) fn expect(name: &str, bytes: &[u8]) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(data(name), bytes).unwrap();
    }
    assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&read(name)), "{name}");
}

pub(crate) fn options() -> Options<'static> {
    Options {
        model: "",
        unsupported: Unsupported::Reject,
        default_max_tokens: 4096,
        output_cap: None,
        older_cap_field: false,
        betas: "",
        stream: false,
    }
}

pub(crate) fn answer_options(is_event_stream: bool) -> AnswerOptions {
    AnswerOptions {
        status: 200,
        is_event_stream,
        include_usage: true,
        created: 1_760_000_000,
        model: String::new(),
        id: String::new(),
        served: String::new(),
        limit: LIMIT,
    }
}

pub(crate) fn answer(options: &AnswerOptions, chunks: &[&[u8]]) -> (Vec<u8>, Option<Error>, bool) {
    run(Answer::new(OpenAi, Anthropic, options.clone()).unwrap(), chunks)
}

/// What the client gets of these chunks before an error, if one comes, and whether it is whole.
pub(crate) fn run(mut answer: Answer, chunks: &[&[u8]]) -> (Vec<u8>, Option<Error>, bool) {
    let mut out = Vec::new();
    for chunk in chunks {
        match answer.push(chunk) {
            Ok(bytes) => out.extend(bytes),
            Err(error) => return (out, Some(error), answer.is_complete()),
        }
    }
    match answer.finish() {
        Ok(bytes) => out.extend(bytes),
        Err(error) => return (out, Some(error), answer.is_complete()),
    }
    (out, None, answer.is_complete())
}

pub(crate) fn whole(options: &AnswerOptions, bytes: &[u8]) -> Vec<u8> {
    let (out, error, _) = answer(options, &[bytes]);
    assert_eq!(error, None);
    out
}

pub(crate) fn request(body: &Value, unsupported: Unsupported) -> Result<(Value, Vec<String>), Error> {
    let options = Options { unsupported, ..options() };
    let request = translate::request(OpenAi, Anthropic, body.to_string().as_bytes(), &options)?;
    Ok((serde_json::from_slice(&request.body).unwrap(), request.dropped))
}

/// A request with these fields besides the ones that must be there.
pub(crate) fn with(fields: Value) -> Value {
    let mut body = json!({"model": "claude-sonnet-4-6", "messages": [{"role": "user", "content": "q"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

pub(crate) fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, tail) = rest.split_at((*size).min(rest.len()));
        chunks.push(chunk);
        rest = tail;
    }
    chunks
}
