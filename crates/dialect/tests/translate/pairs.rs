//! Requests and answers of pairs of dialects, each in a folder of its own that is named after the client's and the provider's:
//! `data/<client>_<provider>/<name>.<what>.<dialect>`. Whatever stands there in the form of the one is translated to the other.

use crate::support::{LIMIT, answer_options, cut, options};
use serde_json::Value;
use std::path::{Path, PathBuf};
use weirgate_dialect::Dialect;
use weirgate_dialect::answer::Reader;
use weirgate_dialect::sse::Framer;
use weirgate_dialect::translate::{self, Answer, Options};

/// A pair, with the names that its dialects have in files, and a model of the provider's.
pub(crate) struct Pair {
    pub(crate) client: (&'static str, Dialect),
    pub(crate) provider: (&'static str, Dialect),
    model: &'static str,
}

const CHAT: (&str, Dialect) = ("chat", Dialect::OpenAi);
const MESSAGES: (&str, Dialect) = ("messages", Dialect::Anthropic);
const RESPONSES: (&str, Dialect) = ("responses", Dialect::Responses);

pub(crate) const PAIRS: [Pair; 4] = [
    Pair { client: RESPONSES, provider: CHAT, model: "gpt-5.1" },
    Pair { client: RESPONSES, provider: MESSAGES, model: "claude-sonnet-4-5" },
    Pair { client: CHAT, provider: RESPONSES, model: "gpt-5.1" },
    Pair { client: MESSAGES, provider: RESPONSES, model: "gpt-5.1" },
];

impl Pair {
    fn folder(&self) -> PathBuf {
        let name = format!("{}_{}", self.client.0, self.provider.0);
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
    }

    /// The names of the files that end so, with what they hold.
    pub(crate) fn files(&self, end: &str) -> Vec<(String, Vec<u8>)> {
        let names = std::fs::read_dir(self.folder()).unwrap().map(|file| file.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        let mut names: Vec<String> =
            names.filter_map(|name| name.strip_suffix(end).map(str::to_owned)).collect();
        names.sort_unstable();
        assert!(!names.is_empty(), "{} has no {end}", self.folder().display());
        names
            .into_iter()
            .map(|name| (name.clone(), std::fs::read(self.folder().join(name + end)).unwrap()))
            .collect()
    }

    pub(crate) fn request(&self, body: &[u8]) -> Result<translate::Request, translate::Error> {
        let options = Options { model: self.model, ..options() };
        translate::request(self.client.1, self.provider.1, body, &options)
    }

    /// What the client gets of these chunks, and whether it is whole.
    pub(crate) fn answer(
        &self,
        is_event_stream: bool,
        chunks: &[&[u8]],
    ) -> Result<(Vec<u8>, bool), translate::Error> {
        let mut answer = Answer::new(self.client.1, self.provider.1, answer_options(is_event_stream))?;
        let mut out = Vec::new();
        for chunk in chunks {
            out.extend(answer.push(chunk)?);
        }
        out.extend(answer.finish()?);
        Ok((out, answer.is_complete()))
    }

    fn expect(&self, name: &str, bytes: &[u8]) {
        let path = self.folder().join(name);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, bytes).unwrap();
        }
        let expected = std::fs::read(&path).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(bytes), String::from_utf8_lossy(&expected), "{}", path.display());
    }
}

fn pretty(json: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(json).unwrap();
    (serde_json::to_string_pretty(&value).unwrap() + "\n").into_bytes()
}

#[test]
fn requests() {
    for pair in PAIRS {
        for (name, body) in pair.files(&format!(".request.{}.json", pair.client.0)) {
            let request = pair.request(&body).unwrap();
            pair.expect(&format!("{name}.request.{}.json", pair.provider.0), &pretty(&request.body));
            let dropped: String = request.dropped.iter().map(|path| path.clone() + "\n").collect();
            pair.expect(&format!("{name}.dropped.txt"), dropped.as_bytes());
        }
    }
}

#[test]
fn answers() {
    for pair in PAIRS {
        for (name, body) in pair.files(&format!(".answer.{}.json", pair.provider.0)) {
            let (out, complete) = pair.answer(false, &[&body]).unwrap();
            assert!(complete, "{name}");
            pair.expect(&format!("{name}.answer.{}.json", pair.client.0), &pretty(&out));
        }
    }
}

#[test]
fn streams() {
    for pair in PAIRS {
        for (name, body) in pair.files(&format!(".stream.{}.sse", pair.provider.0)) {
            let (out, complete) = pair.answer(true, &[&body]).unwrap();
            assert_eq!(complete, !name.starts_with("failed"), "{name}");
            pair.expect(&format!("{name}.stream.{}.sse", pair.client.0), &out);
            for size in [1, 7, 100] {
                assert_eq!(pair.answer(true, &cut(&body, &[size])).unwrap().0, out, "{name} by {size}");
            }
        }
    }
}

/// What is metered of an answer is the same in both dialects.
#[test]
fn usage_and_texts_are_the_same_for_the_client() {
    for pair in PAIRS {
        let readers = || (Reader::new(pair.provider.1), Reader::new(pair.client.1));
        for (name, body) in pair.files(&format!(".answer.{}.json", pair.provider.0)) {
            let (mut provider, mut client) = readers();
            provider.body(&body);
            client.body(&pair.answer(false, &[&body]).unwrap().0);
            assert_same(&name, &provider, &client);
        }
        for (name, body) in pair.files(&format!(".stream.{}.sse", pair.provider.0)) {
            if name.starts_with("failed") {
                continue;
            }
            let (mut provider, mut client) = readers();
            Framer::new(LIMIT).push(&body, |event| _ = provider.event(event)).unwrap();
            let out = pair.answer(true, &[&body]).unwrap().0;
            Framer::new(LIMIT).push(&out, |event| _ = client.event(event)).unwrap();
            assert!(client.is_complete() && client.usage_is_final(), "{name}");
            assert_same(&name, &provider, &client);
        }
    }
}

fn assert_same(name: &str, provider: &Reader, client: &Reader) {
    assert!(client.usage().is_some_and(|usage| usage.total_output() > 0), "{name}");
    let totals = |reader: &Reader| {
        reader.usage().map(|usage| (usage.total_input(), usage.total_output(), usage.cache_read))
    };
    assert_eq!(totals(client), totals(provider), "{name}");
    assert_eq!(client.tier(), provider.tier(), "{name}");
    assert!(!client.has_unread_parts() && !provider.has_unread_parts(), "{name}");
    // The arguments of calls are a text in one form and JSON in another, and empty ones are nothing in some.
    let bare = |text: &str| text.split_whitespace().collect::<String>().replace("{}", "");
    assert_eq!(bare(client.output.kept()), bare(provider.output.kept()), "{name}");
}
