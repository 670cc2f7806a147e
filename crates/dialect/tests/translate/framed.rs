//! Pairs with Amazon's Converse, whose streams are binary, and with Cohere. Files as in the other pairs; a stream of Converse's is kept
//! as one line of JSON for each message, `{"<name of the event>":<payload>}`, and is framed here.

use crate::support::{LIMIT, answer_options, cut, options};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use weirgate_dialect::Dialect::{self, Anthropic, Cohere, Converse, OpenAi};
use weirgate_dialect::event_stream::{self, Framer};
use weirgate_dialect::translate::{self, Answer, Error, Options};

/// The client and the provider, with a model of its own.
pub(crate) const PAIRS: [(Dialect, Dialect, &str); 5] = [
    (OpenAi, Converse, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (Anthropic, Converse, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (Converse, OpenAi, "gpt-5.1"),
    (Converse, Anthropic, "claude-sonnet-4-5"),
    (OpenAi, Cohere, "command-a-03-2025"),
];

pub(crate) fn name(dialect: Dialect) -> &'static str {
    match dialect {
        OpenAi => "chat",
        Anthropic => "messages",
        Converse => "converse",
        Cohere => "cohere",
        other => panic!("{other} has no files here"),
    }
}

pub(crate) fn file(from: Dialect, to: Dialect, file: &str) -> PathBuf {
    let folder = format!("tests/data/{}_{}", name(from), name(to));
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file)
}

fn expect(path: &Path, bytes: &[u8]) {
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path, bytes).unwrap();
    }
    let expected = std::fs::read(path).unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&expected), "{}", path.display());
}

fn pretty(json: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(json).unwrap();
    (serde_json::to_string_pretty(&value).unwrap() + "\n").into_bytes()
}

/// Frames the lines of a file.
pub(crate) fn frame(lines: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines.lines() {
        let event: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        for (name, payload) in event {
            let payload = payload.to_string();
            if name.ends_with("Exception") {
                event_stream::write_exception(&mut out, &name, payload.as_bytes()).unwrap();
            } else {
                event_stream::write_event(&mut out, &name, payload.as_bytes()).unwrap();
            }
        }
    }
    out
}

/// The lines of a framed stream.
pub(crate) fn lines(stream: &[u8]) -> String {
    let mut lines = String::new();
    let mut framer = Framer::new(LIMIT);
    framer
        .push(stream, |raw| {
            let message = event_stream::parse(raw).unwrap();
            let name = message.text(":event-type").or(message.text(":exception-type")).unwrap();
            let payload: Value = serde_json::from_slice(message.payload).unwrap();
            lines += &format!("{}\n", json!({ name: payload }));
        })
        .unwrap();
    assert!(framer.pending().is_empty());
    lines
}

pub(crate) fn answer(
    from: Dialect,
    to: Dialect,
    stream: bool,
    chunks: &[&[u8]],
) -> Result<(Vec<u8>, bool), Error> {
    let mut answer = Answer::new(from, to, answer_options(stream))?;
    let kind = match (stream, from) {
        (false, _) => "application/json",
        (true, Converse) => "application/vnd.amazon.eventstream",
        (true, _) => "text/event-stream",
    };
    assert_eq!(answer.content_type(), kind);
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend(answer.push(chunk)?);
    }
    out.extend(answer.finish()?);
    Ok((out, answer.is_complete()))
}

#[test]
fn requests() {
    for (from, to, model) in PAIRS {
        for case in ["text", "tools"] {
            let body = std::fs::read(file(from, to, &format!("{case}.request.{}.json", name(from)))).unwrap();
            let options = Options { model, stream: case == "tools", ..options() };
            let request = translate::request(from, to, &body, &options).unwrap();
            assert_eq!(request.stream, case == "tools", "{from} to {to}");
            expect(&file(from, to, &format!("{case}.request.{}.json", name(to))), &pretty(&request.body));
            let dropped: String = request.dropped.iter().map(|path| path.clone() + "\n").collect();
            expect(&file(from, to, &format!("{case}.dropped.txt")), dropped.as_bytes());
        }
    }
}

#[test]
fn answers() {
    for (from, to, _) in PAIRS {
        for case in ["text", "tools"] {
            let body = std::fs::read(file(from, to, &format!("{case}.answer.{}.json", name(to)))).unwrap();
            let (out, complete) = answer(from, to, false, &[&body]).unwrap();
            assert!(complete);
            expect(&file(from, to, &format!("{case}.answer.{}.json", name(from))), &pretty(&out));
        }
    }
}

#[test]
fn streams() {
    let end = |dialect| if dialect == Converse { "jsonl" } else { "sse" };
    for (from, to, _) in PAIRS {
        for case in ["text", "tools", "failed"] {
            let path = file(from, to, &format!("{case}.stream.{}.{}", name(to), end(to)));
            let body = std::fs::read_to_string(path).unwrap();
            let body = if to == Converse { frame(&body) } else { body.into_bytes() };
            let (out, complete) = answer(from, to, true, &[&body]).unwrap();
            assert_eq!(complete, case != "failed", "{from} from {to}: {case}");
            let text = if from == Converse { lines(&out) } else { String::from_utf8(out.clone()).unwrap() };
            expect(&file(from, to, &format!("{case}.stream.{}.{}", name(from), end(from))), text.as_bytes());
            for size in [1, 7, 100] {
                assert_eq!(answer(from, to, true, &cut(&body, &[size])).unwrap().0, out, "{case} by {size}");
            }
        }
    }
}

/// Models of Anthropic's behind a call of their own API: each message holds an event of theirs.
#[test]
fn wrapped_streams_say_what_they_wrap() {
    let sse = std::fs::read_to_string(file(Converse, Anthropic, "tools.stream.messages.sse")).unwrap();
    let mut wrapped = Vec::new();
    for data in sse.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let chunk = json!({"bytes": base64(data.as_bytes()), "p": "abc"}).to_string();
        event_stream::write_event(&mut wrapped, "chunk", chunk.as_bytes()).unwrap();
    }
    for from in [OpenAi, Converse] {
        let plain = answer(from, Anthropic, true, &[sse.as_bytes()]).unwrap();
        assert!(plain.1);
        assert_eq!(answer(from, Anthropic, true, &[&wrapped]).unwrap(), plain);
        assert_eq!(answer(from, Anthropic, true, &cut(&wrapped, &[5])).unwrap(), plain);
        let (out, complete) = answer(from, Anthropic, true, &[&wrapped[..wrapped.len() - 1]]).unwrap();
        assert!(!complete && out.windows(19).any(|part| part == b"ended in its middle"));
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let packed = group.iter().fold(0_usize, |packed, byte| packed << 8 | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = char::from(LETTERS[packed >> (18 - 6 * place) & 63]);
            text.push(if place > group.len() { '=' } else { letter });
        }
    }
    text
}
