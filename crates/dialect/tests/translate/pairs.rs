//! Every pair of a client's and a provider's dialect, with requests, answers and streams that pairs share: `data/<dialect>/<case>.<what>`.
//! What the translations make of them stands in `data/<client>_<provider>/<case>.txt`, with the usage that is metered.
//!
//! A stream of Converse's is kept as one line of JSON for each message, `{"<name of the event>":<payload>}`, and is framed here. Clouds
//! that serve Anthropic's API get the files of that.

use crate::support::{LIMIT, answer_options, cut, options, run};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use weirgate_dialect::Dialect::{
    self, Anthropic, Cohere, Converse, Gemini, Invoke, OpenAi, RawPredict, Responses,
};
use weirgate_dialect::answer::Reader;
use weirgate_dialect::event_stream;
use weirgate_dialect::framing::Framer;
use weirgate_dialect::sse;
use weirgate_dialect::translate::{self, Answer, AnswerOptions, Error, Options, Unsupported};

/// The cases that every dialect has a request, an answer and a stream of.
pub(crate) const CASES: [&str; 3] = ["text", "tools", "reasoning"];

/// A client and a provider, with a model of the provider's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) client: Dialect,
    pub(crate) provider: Dialect,
    model: &'static str,
}

pub(crate) static PAIRS: LazyLock<Vec<Pair>> = LazyLock::new(|| {
    let clients = Dialect::ALL.into_iter().filter(|dialect| dialect.chat().is_some());
    let pairs = clients.flat_map(|client| {
        let pair = move |provider| Pair { client, provider, model: model(provider) };
        Dialect::ALL.into_iter().filter(move |provider| *provider != client).map(pair)
    });
    pairs.collect()
});

fn model(provider: Dialect) -> &'static str {
    match provider {
        OpenAi | Responses => "gpt-5.1",
        Anthropic => "claude-sonnet-4-5",
        Gemini => "gemini-2.5-flash",
        Converse | Invoke => "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        Cohere => "command-a-reasoning-08-2025",
        RawPredict => "claude-sonnet-4-5@20250929",
    }
}

fn name(dialect: Dialect) -> &'static str {
    match dialect {
        OpenAi => "chat",
        Anthropic => "messages",
        other => other.as_str(),
    }
}

fn data(folder: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder).join(file)
}

/// What a dialect's file holds.
fn read(dialect: Dialect, file: &str) -> String {
    let path = data(name(dialect.bodies()), file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A client's request.
pub(crate) fn request(client: Dialect, case: &str) -> String {
    read(client, &format!("{case}.request.json"))
}

/// A provider's plain answer.
pub(crate) fn plain(provider: Dialect, case: &str) -> String {
    read(provider, &format!("{case}.answer.json"))
}

/// The events of a provider's stream that are JSON.
pub(crate) fn events(provider: Dialect, case: &str) -> Vec<Value> {
    if provider == Converse {
        let text = read(provider, &format!("{case}.stream.jsonl"));
        return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    }
    let text = read(provider, &format!("{case}.stream.sse"));
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

/// The bytes of a stream of these events.
pub(crate) fn framed(provider: Dialect, events: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        match provider {
            Converse => {
                for (name, payload) in event.as_object().into_iter().flatten() {
                    let write = match name.ends_with("Exception") {
                        true => event_stream::write_exception,
                        false => event_stream::write_event,
                    };
                    write(&mut out, name, payload.to_string().as_bytes()).unwrap();
                }
            }
            Invoke => {
                let chunk = json!({"bytes": BASE64_STANDARD.encode(event.to_string()), "p": "abc"});
                event_stream::write_event(&mut out, "chunk", chunk.to_string().as_bytes()).unwrap();
            }
            _ => out.extend_from_slice(format!("data: {event}\n\n").as_bytes()),
        }
    }
    out
}

/// A provider's stream, as it comes.
pub(crate) fn stream(provider: Dialect, case: &str) -> Vec<u8> {
    match provider {
        Converse | Invoke => framed(provider, &events(provider, case)),
        _ => read(provider, &format!("{case}.stream.sse")).into_bytes(),
    }
}

/// A client's stream as it is kept in files.
pub(crate) fn readable(client: Dialect, stream: &[u8]) -> String {
    if client != Converse {
        return String::from_utf8(stream.to_vec()).unwrap();
    }
    let mut lines = String::new();
    let mut framer = Framer::new(client, LIMIT);
    let framed = framer.push(stream, |raw| {
        let message = event_stream::parse(raw).unwrap();
        let name = message.text(":event-type").or(message.text(":exception-type")).unwrap();
        let payload: Value = serde_json::from_slice(message.payload).unwrap();
        writeln!(lines, "{}", json!({ name: payload })).unwrap();
    });
    assert!(framed.is_ok() && framer.pending().is_empty());
    lines
}

impl Pair {
    pub(crate) fn request(
        &self,
        body: &[u8],
        unsupported: Unsupported,
        stream: bool,
    ) -> Result<translate::Request, Error> {
        let options = Options { model: self.model, unsupported, stream, ..options() };
        translate::request(self.client, self.provider, body, &options)
    }

    /// What the client gets of these chunks before an error, if one comes, and whether it is whole.
    pub(crate) fn answer(&self, is_stream: bool, chunks: &[&[u8]]) -> (Vec<u8>, Option<Error>, bool) {
        let options = AnswerOptions {
            id: "0123456789abcdef".to_owned(),
            served: self.model.to_owned(),
            ..answer_options(is_stream)
        };
        let answer = Answer::new(self.client, self.provider, options).unwrap();
        let kind = match (is_stream, self.client) {
            (false, _) => "application/json",
            (true, Converse) => "application/vnd.amazon.eventstream",
            (true, _) => "text/event-stream",
        };
        assert_eq!(answer.content_type(), kind);
        run(answer, chunks)
    }

    fn expect(&self, case: &str, text: &str) {
        let path = data(&format!("{}_{}", name(self.client), name(self.provider)), &format!("{case}.txt"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
    }
}

fn pretty(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

/// What is metered of an answer in this dialect.
fn metered(dialect: Dialect, whole: Option<&str>, stream: &[u8]) -> Reader {
    let mut reader = Reader::new(dialect);
    match whole {
        Some(body) => reader.body(body.as_bytes()),
        None => {
            let framed = Framer::new(dialect, LIMIT).push(stream, |event| _ = reader.event(event));
            assert!(framed.is_ok());
        }
    }
    assert!(reader.is_complete() && reader.usage_is_final() && !reader.has_unread_parts(), "{dialect}");
    reader
}

/// That the client's meter reads what the provider's does; where no client speaks the provider's dialect there is none.
fn usage(pair: &Pair, case: &str, client: &Reader, provider: impl FnOnce(Dialect) -> Reader) -> String {
    let usage = client.usage().unwrap();
    assert!(usage.total_output() > 0, "{pair:?}: {case}");
    let known = pair.provider.bodies();
    if known.chat().is_some() {
        let provider = provider(known);
        let totals = |reader: &Reader| {
            let usage = reader.usage().unwrap();
            // Gemini's API does not tell what was written to a cache.
            let written = (usage.cache_write, usage.cache_write_1h);
            let written = if pair.client == Gemini { (0, 0) } else { written };
            (usage.total_input(), usage.total_output(), usage.cache_read, written)
        };
        assert_eq!(totals(client), totals(&provider), "{pair:?}: {case}");
        assert_eq!(client.tier(), provider.tier(), "{pair:?}: {case}");
        // The arguments of calls are a text in one form and JSON in another, and empty ones are nothing in some. Gemini's calls are
        // counted with what stands around them.
        let bare = |text: &str| text.split_whitespace().collect::<String>().replace("{}", "");
        if case != "tools" || (pair.client != Gemini && known != Gemini) {
            assert_eq!(bare(client.output.kept()), bare(provider.output.kept()), "{pair:?}: {case}");
        }
    }
    let mut counters: Map<String, Value> = serde_json::from_value(json!(usage)).unwrap();
    counters.retain(|_, count| *count != json!(0));
    serde_json::to_string(&counters).unwrap()
}

#[test]
fn what_is_translated_is_as_it_stands_in_the_files() {
    // What Vertex AI gets differs from what Bedrock gets by its head alone, which its own tests show.
    for pair in PAIRS.iter().filter(|pair| pair.provider != RawPredict) {
        for case in CASES {
            let mut text = String::new();
            let request =
                pair.request(request(pair.client, case).as_bytes(), Unsupported::Drop, false).unwrap();
            writeln!(text, "# request\n{}\n# left out", pretty(&request.body)).unwrap();
            request.dropped.iter().for_each(|path| writeln!(text, "{path}").unwrap());

            let body = plain(pair.provider, case);
            let (out, error, complete) = pair.answer(false, &[body.as_bytes()]);
            assert!(error.is_none() && complete, "{pair:?}: {case}: {error:?}");
            let answer = pretty(&out);
            let client = metered(pair.client, Some(&answer), b"");
            let used = usage(pair, case, &client, |dialect| metered(dialect, Some(&body), b""));
            writeln!(text, "# answer\n{answer}\n# its usage\n{used}").unwrap();

            let raw = stream(pair.provider, case);
            let (out, error, complete) = pair.answer(true, &[&raw]);
            assert!(error.is_none() && complete, "{pair:?}: {case}: {error:?}");
            for size in [1, 7, 100] {
                assert_eq!(pair.answer(true, &cut(&raw, &[size])).0, out, "{pair:?}: {case} by {size}");
            }
            let client = metered(pair.client, None, &out);
            let bodies = pair.provider.bodies();
            let used = usage(pair, case, &client, |dialect| metered(dialect, None, &stream(bodies, case)));
            writeln!(text, "# stream\n{}\n# its usage\n{used}", readable(pair.client, &out).trim_end())
                .unwrap();
            pair.expect(case, &text);
        }
        let (out, error, complete) = pair.answer(true, &[&stream(pair.provider, "failed")]);
        assert!(error.is_none() && !complete, "{pair:?}: {error:?}");
        pair.expect("failed", &format!("# stream\n{}\n", readable(pair.client, &out).trim_end()));
    }
}

#[test]
fn a_client_is_streamed_to_as_it_asks() {
    for pair in PAIRS.iter() {
        let in_path = matches!(pair.client, Gemini | Converse);
        for stream in [true, false] {
            let mut body: Value = serde_json::from_str(&request(pair.client, "text")).unwrap();
            if !in_path {
                body["stream"] = stream.into();
            }
            let request =
                pair.request(body.to_string().as_bytes(), Unsupported::Drop, in_path && stream).unwrap();
            assert_eq!(request.stream, stream, "{pair:?}");
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            let is_told = !matches!(pair.provider, Gemini | Converse | Invoke);
            assert_eq!(body.get("stream") == Some(&json!(true)), stream && is_told, "{pair:?}");
        }
    }
}

/// Bedrock may put any provider's events into its framing.
#[test]
fn wrapped_streams_say_what_they_wrap() {
    for client in [OpenAi, Converse] {
        let plain = Pair { client, provider: Anthropic, model: "" };
        let wrapped = framed(Invoke, &events(Anthropic, "tools"));
        let expected = plain.answer(true, &[&stream(Anthropic, "tools")]);
        assert!(expected.2);
        assert_eq!(plain.answer(true, &[&wrapped]), expected);
    }
}

/// The data of the client's last event.
pub(crate) fn last(client: Dialect, out: &[u8]) -> Value {
    let text = readable(client, out);
    if client == Converse {
        return serde_json::from_str(text.lines().last().unwrap()).unwrap();
    }
    let last = text.split_terminator("\n\n").last().unwrap();
    serde_json::from_slice(&sse::parse(last.as_bytes()).data).unwrap()
}
