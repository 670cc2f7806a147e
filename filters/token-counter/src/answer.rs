//! The answer: its usage, whoever counted it.

use crate::request::Prompt;
use weirgate_contract::handover::{CountSource, Counted};
use weirgate_contract::{filter_state, response_header};
use weirgate_dialect::Dialect;
use weirgate_dialect::answer::{EventKind, Reader, Text};
use weirgate_dialect::framing::{self, EVENT_BYTES, Framer, Unreadable};
use weirgate_dialect::usage::Usage;
use weirgate_filter_host::Host;
use weirgate_tokens::encoding::Encoding;
use weirgate_tokens::family::Counting;

/// The longest plain body that is looked into.
const BODY_BYTES: usize = 8 << 20;

/// One answer on its way to the client.
#[derive(Debug)]
pub(crate) struct Answer {
    reader: Reader,
    shape: Shape,
    /// Whether something was answered that costs money.
    success: bool,
    /// A part of it was not looked into.
    unread: bool,
}

#[derive(Debug)]
enum Shape {
    /// A stream. `strip`: take out the usage that we asked for.
    Events { framer: Framer, strip: bool },
    /// One JSON body, collected.
    Json(Vec<u8>),
    /// Something that is not read, or no longer.
    Opaque,
}

impl Answer {
    /// Takes the answer's headers.
    pub(crate) fn begin(host: &dyn Host, dialect: Dialect, prompt: Option<&Prompt>) -> Self {
        let dialect = prompt.map_or(dialect, |prompt| prompt.dialect);
        let success = host.response_header(":status").is_some_and(|status| status.starts_with('2'));
        let kind = host.response_header("content-type").unwrap_or_default().to_ascii_lowercase();
        let encoding = host.response_header("content-encoding");
        let plain = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"));
        let shape = match kind.as_str() {
            _ if !success || !plain => Shape::Opaque,
            kind if framing::is_stream(kind) => {
                let strip = prompt.is_some_and(|prompt| prompt.usage_is_ours);
                if strip {
                    host.set_response_header("content-length", None);
                }
                Shape::Events { framer: Framer::new(dialect, EVENT_BYTES), strip }
            }
            kind if kind.contains("json") => Shape::Json(Vec::new()),
            _ => Shape::Opaque,
        };
        let unread = matches!(shape, Shape::Opaque);
        let mut reader = Reader::new(dialect);
        if let (Dialect::Converse, Some((input, output))) = (dialect, invoked(host)) {
            reader.invoke_head(input, output);
        }
        Self { reader, shape, success, unread }
    }

    /// Takes the next part of the body, and the last if `end`.
    pub(crate) fn body(&mut self, host: &dyn Host, end: bool) {
        match &mut self.shape {
            Shape::Events { framer, strip } => {
                let chunk = host.response_body();
                let read = if *strip {
                    strip_usage(host, &chunk, framer, &mut self.reader, end)
                } else {
                    framer.push(&chunk, |raw| {
                        self.reader.event(raw);
                    })
                };
                if read.is_err() {
                    self.unread = true;
                    self.shape = Shape::Opaque;
                }
            }
            Shape::Json(collected) => {
                let chunk = host.response_body();
                if collected.len() + chunk.len() > BODY_BYTES {
                    self.unread = true;
                    self.shape = Shape::Opaque;
                } else {
                    collected.extend_from_slice(&chunk);
                }
            }
            Shape::Opaque => {}
        }
        if end {
            self.end_of_body();
        }
    }

    /// The body is over.
    pub(crate) fn end_of_body(&mut self) {
        match std::mem::replace(&mut self.shape, Shape::Opaque) {
            // A last event without its blank line is read all the same: it was sent.
            Shape::Events { mut framer, .. } => {
                let rest = framer.finish();
                if !rest.is_empty() {
                    self.reader.event(&rest);
                }
            }
            Shape::Json(collected) => self.reader.body(&collected),
            Shape::Opaque => {}
        }
    }

    fn counted(&self, prompt: Option<&Prompt>) -> Counted {
        let reported = self.reader.usage();
        let complete = self.reader.is_complete();
        let (usage, source) = match (reported, prompt) {
            _ if !self.success => (Usage::default(), CountSource::Nothing),
            (Some(usage), _) if self.is_told(prompt, &usage) => (usage, CountSource::Provider),
            // What was read is less than what was sent: the reservation is the better guess.
            (_, Some(_)) if self.unread || self.is_cut_short() || self.reader.has_unread_parts() => {
                (Usage::default(), CountSource::Reserved)
            }
            (reported, Some(prompt)) => (self.own_count(prompt, reported), CountSource::Counted),
            (Some(usage), None) if usage != Usage::default() => (usage, CountSource::Provider),
            // A call that nobody here can count: what was reserved for it, which is nothing without a model.
            (_, None) => {
                let output = count(&self.reader.output, Counting::exact(Encoding::O200k));
                (Usage { output, ..Usage::default() }, CountSource::Reserved)
            }
        };
        let tier = self.reader.tier().unwrap_or_default().to_owned();
        let searches = self.reader.searches();
        Counted { usage, searches, source, tier, complete, finished: self.reader.is_finished() }
    }

    /// Whether the client left in the middle of a plain answer, all of which had been generated by then.
    fn is_cut_short(&self) -> bool {
        matches!(self.shape, Shape::Json(_))
    }

    /// Whether this usage is the provider's last word on the whole answer. Nothing used for a chat is what stands there where a
    /// provider of another dialect has told nothing that could be read.
    fn is_told(&self, prompt: Option<&Prompt>, usage: &Usage) -> bool {
        // A ranking may be billed by searches alone.
        let is_nothing = *usage == Usage::default() && self.reader.searches() == 0;
        let is_empty = prompt.map_or(is_nothing, |prompt| {
            !prompt.is_text && {
                let has_output = self.reader.output.bytes() + self.reader.reasoning.bytes() > 0;
                (prompt.tokens > 0 && usage.total_input() == 0) || (has_output && usage.total_output() == 0)
            }
        });
        self.reader.usage_is_final() && self.reader.is_complete() && !is_empty
    }

    /// What passed, counted here; input as the provider told it if it got so far.
    fn own_count(&self, prompt: &Prompt, reported: Option<Usage>) -> Usage {
        let generated = |text: &Text| prompt.answers.generated(count(text, prompt.counting));
        let (output, reasoning) = (generated(&self.reader.output), generated(&self.reader.reasoning));
        match reported {
            // Some providers repeat their usage in every chunk, from 0 on.
            Some(usage) => Usage {
                input: if usage.total_input() == 0 { prompt.tokens } else { usage.input },
                output: output.max(usage.output),
                reasoning: reasoning.max(usage.reasoning),
                ..usage
            },
            None => Usage { input: prompt.tokens, output, reasoning, ..Usage::default() },
        }
    }
}

/// What Bedrock says in the head of an answer that a model has used, in tokens of input and output, where it is called in its own form.
fn invoked(host: &dyn Host) -> Option<(u64, u64)> {
    let count = |name| host.response_header(name)?.parse().ok();
    Some((count("x-amzn-bedrock-input-token-count")?, count("x-amzn-bedrock-output-token-count")?))
}

/// Whether decide answered from its cache. A provider that says so of its own answer is charged as reserved.
pub(crate) fn is_cached(host: &dyn Host) -> bool {
    host.response_header(response_header::CACHE_ENTRY).is_some()
}

/// Tells record what the request used.
pub(crate) fn tell_record(host: &dyn Host, prompt: Option<&Prompt>, answer: Option<&Answer>) {
    let counted = match answer {
        Some(answer) => answer.counted(prompt),
        // No answer came. If the prompt got as far as a provider, it may have generated anything.
        None => Counted { source: CountSource::Reserved, ..Counted::default() },
    };
    if let Ok(json) = serde_json::to_vec(&counted) {
        host.set_filter_state(filter_state::USAGE, &json);
    }
}

/// Reads the events of a chunk and leaves out the usage that the client did not ask for. Bytes of an event that is not
/// complete are held back until it is.
fn strip_usage(
    host: &dyn Host,
    chunk: &[u8],
    framer: &mut Framer,
    reader: &mut Reader,
    end: bool,
) -> Result<(), Unreadable> {
    let held = framer.pending().len();
    let mut out = Vec::with_capacity(chunk.len());
    let mut delivered = 0;
    let read = framer.push(chunk, |raw| {
        delivered += raw.len();
        if reader.event(raw) == EventKind::Other {
            out.extend_from_slice(raw);
        }
    });
    if read.is_err() {
        // From here on the bytes pass as they come, those held back first.
        if delivered == 0 {
            out.extend_from_slice(framer.pending().get(..held).unwrap_or_default());
        }
        out.extend_from_slice(chunk.get(delivered.saturating_sub(held)..).unwrap_or_default());
    } else if end {
        let rest = framer.finish();
        reader.event(&rest);
        out.extend_from_slice(&rest);
    }
    if out != chunk {
        host.set_response_body(&out);
    }
    read
}

fn count(text: &Text, counting: Counting) -> u64 {
    let kept = text.kept();
    let tokens = counting.count(kept);
    if kept.len() as u64 == text.bytes() || kept.is_empty() {
        return tokens;
    }
    (tokens as f64 * text.bytes() as f64 / kept.len() as f64).ceil() as u64
}

#[cfg(test)]
mod tests {
    use crate::TokenCounter;
    use proptest::prelude::*;
    use weirgate_contract::handover::{CountSource, Counted};
    use weirgate_filter_host::fake::{FakeHost, filter};
    use weirgate_filter_host::{Filter, Host};

    const SSE: &[(&str, &str)] = &[(":status", "200"), ("content-type", "text/event-stream")];
    const STREAM: &str = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Gr\u{fc}\u{df} Gott\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\n",
        "data: [DONE]\n\n",
    );

    fn request(body: &str) -> (TokenCounter, FakeHost) {
        let mut counter: TokenCounter = filter(r#"{"include_usage":true}"#).unwrap();
        let stream = [("x-weirgate-model", "gpt-4o"), ("x-weirgate-stream", "1")];
        let host = FakeHost::request("POST", "/v1/chat/completions", &stream).with_body(body);
        host.run_request(&mut counter);
        (counter, host)
    }

    fn counted(host: &FakeHost) -> Counted {
        serde_json::from_str(&host.filter_state.borrow()["weirgate_usage"]).unwrap()
    }

    /// Runs a stream cut into chunks; returns what the client gets and what record is told.
    fn run(body: &str, chunks: &[&[u8]]) -> (String, Counted) {
        let (mut counter, host) = request(body);
        let out = host.run_response(&mut counter, SSE, chunks);
        counter.on_end(&host);
        (String::from_utf8(out).unwrap(), counted(&host))
    }

    const PLAIN: &str =
        r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hello world"}]}"#;
    const ASKED: &str =
        r#"{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;

    #[test]
    fn the_prompt_is_counted_and_usage_asked_for() {
        let (_, host) = request(PLAIN);
        assert_eq!(host.request_header("x-weirgate-input-tokens").as_deref(), Some("9"));
        assert!(
            host.body().starts_with(r#"{"stream_options":{"include_usage":true},"model""#),
            "{}",
            host.body()
        );
        assert_eq!(host.request_header("content-length"), Some(host.body().len().to_string()));
    }

    #[test]
    fn all_values_of_a_header_and_the_query_shape_an_answer() {
        let asked = |path: &str, headers: &[(&str, &str)]| {
            let mut counter: TokenCounter = filter(r#"{"fingerprint":true}"#).unwrap();
            let host = FakeHost::request("POST", path, headers).with_body(ASKED);
            host.run_request(&mut counter);
            host.request_header("x-weirgate-asked").unwrap()
        };
        let path = "/v1/chat/completions";
        let one = asked(path, &[("openai-beta", "x")]);
        assert_eq!(one, asked(path, &[("openai-beta", "x"), ("accept", "*/*")]));
        for (path, headers) in [
            (path, &[("openai-beta", "x"), ("openai-beta", "y")][..]),
            (path, &[("openai-beta", "x"), ("openai-project", "p")]),
            ("/v1/chat/completions?api-version=2", &[("openai-beta", "x")]),
        ] {
            assert_ne!(one, asked(path, headers), "{path} {headers:?}");
        }
    }

    #[test]
    fn the_extra_usage_chunk_is_kept_from_clients_that_did_not_ask() {
        let (out, counted) = run(PLAIN, &[STREAM.as_bytes()]);
        assert!(!out.contains("\"choices\":[]"), "{out}");
        assert!(out.ends_with("data: [DONE]\n\n"));
        assert_eq!((counted.usage.input, counted.usage.output), (9, 4));
        assert_eq!((counted.source, counted.complete), (CountSource::Provider, true));
        let (out, _) = run(ASKED, &[STREAM.as_bytes()]);
        assert_eq!(out, STREAM);
    }

    #[test]
    fn a_stream_left_early_is_charged_for_what_was_sent() {
        let (mut counter, host) = request(PLAIN);
        let cut = STREAM.find("data: {\"choices\":[{\"index\":0,\"delta\":{},").unwrap();
        host.response_headers
            .borrow_mut()
            .extend(SSE.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        counter.on_response_headers(&host, false);
        *host.response_body.borrow_mut() = STREAM.as_bytes()[..cut].to_vec();
        counter.on_response_body(&host, false);
        counter.on_end(&host);
        let counted = counted(&host);
        assert_eq!((counted.source, counted.complete), (CountSource::Counted, false));
        assert_eq!(counted.usage.input, 9);
        assert!(counted.usage.output > 0);
    }

    #[test]
    fn a_usage_of_0_in_the_first_chunk_is_not_the_last_word() {
        let (mut counter, host) = request(PLAIN);
        host.response_headers
            .borrow_mut()
            .extend(SSE.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        counter.on_response_headers(&host, false);
        let chunk = r#"data: {"choices":[{"delta":{"content":"some words"}}],"usage":{"prompt_tokens":9,"completion_tokens":0}}"#;
        *host.response_body.borrow_mut() = format!("{chunk}\n\n").into_bytes();
        counter.on_response_body(&host, false);
        counter.on_end(&host);
        assert_eq!(counted(&host).usage.output, 2);
    }

    #[test]
    fn a_plain_answer_left_early_costs_what_was_reserved() {
        let (mut counter, host) = request(PLAIN);
        let json = [(":status", "200"), ("content-type", "application/json")];
        host.response_headers.borrow_mut().extend(json.map(|(n, v)| (n.to_owned(), v.to_owned())));
        counter.on_response_headers(&host, false);
        *host.response_body.borrow_mut() = br#"{"choices":[{"message":{"content":"the whole text"#.to_vec();
        counter.on_response_body(&host, false);
        counter.on_end(&host);
        assert_eq!(counted(&host).source, CountSource::Reserved);
    }

    #[test]
    fn a_provider_that_reports_nothing_is_counted() {
        let without: String =
            STREAM.split_inclusive("\n\n").filter(|event| !event.contains("prompt_tokens")).collect();
        let (out, counted) = run(PLAIN, &[without.as_bytes()]);
        assert_eq!(out, without);
        assert_eq!((counted.source, counted.complete), (CountSource::Counted, true));
    }

    #[test]
    fn a_failed_answer_costs_nothing_and_none_at_all_what_was_reserved() {
        let (mut counter, host) = request(PLAIN);
        host.run_response(
            &mut counter,
            &[(":status", "503"), ("content-type", "application/json")],
            &[b"{}"],
        );
        counter.on_end(&host);
        assert_eq!(counted(&host).source, CountSource::Nothing);
        let (mut counter, host) = request(PLAIN);
        counter.on_end(&host);
        assert_eq!(counted(&host).source, CountSource::Reserved);
    }

    fn plain(path: &str, headers: &[(&str, &str)], request: &str, answer: &str) -> Counted {
        let mut counter: TokenCounter = filter("").unwrap();
        let model = [("x-weirgate-model", "gpt-4o")];
        let host = FakeHost::request("POST", path, &[&model, headers].concat()).with_body(request);
        host.run_request(&mut counter);
        let json = [(":status", "200"), ("content-type", "application/json")];
        host.run_response(&mut counter, &json, &[answer.as_bytes()]);
        counter.on_end(&host);
        counted(&host)
    }

    #[test]
    fn usage_that_cannot_be_read_was_charged_as_0() {
        let (chat, completion) = ("/v1/chat/completions", "/v1/completions");
        let completes = [("x-weirgate-operation", "completions")];
        let request = r#"{"messages":[{"role":"user","content":"hello world"}],"prompt":"hello world"}"#;
        for odd in ["-1", "2.5", "1e30", "9007199254740993"] {
            let answer = |choice: &str| {
                format!(
                    r#"{{"choices":[{choice}],"usage":{{"prompt_tokens":{odd},"completion_tokens":{odd}}}}}"#
                )
            };
            let counted = plain(chat, &[], request, &answer(r#"{"message":{"content":"some words"}}"#));
            assert_eq!((counted.usage.input, counted.usage.output), (9, 2), "{odd}");
            assert_eq!((counted.source, counted.complete), (CountSource::Counted, true));
            let counted = plain(completion, &completes, request, &answer(r#"{"text":"some words"}"#));
            assert_eq!((counted.usage.input, counted.usage.output), (2, 2), "{odd}");
        }
        // Of a call that nobody here can count, as it was reserved.
        let other = [("x-weirgate-operation", "passthrough")];
        let counted = plain("/v1/images", &other, "{}", r#"{"data":[],"usage":{"input_tokens":-1}}"#);
        assert_eq!(counted.source, CountSource::Reserved);
    }

    #[test]
    fn the_zeros_that_a_translation_writes_for_no_usage_were_charged_as_such() {
        let request = r#"{"max_tokens":9,"messages":[{"role":"user","content":"hello world"}]}"#;
        let answer = |input: u64, output: u64| {
            format!(
                r#"{{"type":"message","content":[{{"type":"text","text":"some words"}}],"usage":{{"input_tokens":{input},"output_tokens":{output}}}}}"#
            )
        };
        let counted = |input, output| {
            let counted = plain("/v1/messages", &[], request, &answer(input, output));
            (counted.source, counted.usage.input, counted.usage.output)
        };
        assert_eq!(counted(0, 0), (CountSource::Counted, 9, 2));
        assert_eq!(counted(7, 0), (CountSource::Counted, 7, 2));
        assert_eq!(counted(0, 3), (CountSource::Counted, 9, 3));
        assert_eq!(counted(7, 3), (CountSource::Provider, 7, 3));
    }

    #[test]
    fn a_model_that_bedrock_calls_in_its_own_form_is_charged_by_the_head_of_its_answer() {
        let mut counter: TokenCounter = filter("").unwrap();
        let named = [("x-weirgate-operation", "passthrough"), ("x-weirgate-dialect", "converse")];
        let host = FakeHost::request("POST", "/model/amazon.titan/invoke", &named).with_body("{}");
        host.run_request(&mut counter);
        let head = [
            (":status", "200"),
            ("content-type", "application/json"),
            ("x-amzn-bedrock-input-token-count", "9"),
            ("x-amzn-bedrock-output-token-count", "4"),
        ];
        host.run_response(&mut counter, &head, &[br#"{"results":[]}"#]);
        counter.on_end(&host);
        let counted = counted(&host);
        assert_eq!(
            (counted.source, counted.usage.input, counted.usage.output),
            (CountSource::Provider, 9, 4)
        );
    }

    #[test]
    fn answers_of_best_of_that_are_not_returned_were_not_counted() {
        let headers = [("x-weirgate-operation", "completions")];
        let output = |fields: &str, usage: &str| {
            let request = format!(r#"{{"prompt":"hello"{fields}}}"#);
            let answer = format!(
                r#"{{"choices":[{{"index":0,"text":"some words"}},{{"index":1,"text":"more words"}}]{usage}}}"#
            );
            plain("/v1/completions", &headers, &request, &answer).usage.output
        };
        let returned = output(r#","n":2"#, "");
        assert!(returned > 0);
        assert_eq!(output(r#","n":2,"best_of":6"#, ""), 3 * returned);
        let usage = r#","usage":{"prompt_tokens":1,"completion_tokens":7}"#;
        assert_eq!(output(r#","n":2,"best_of":6"#, usage), 7);
    }

    #[test]
    fn an_event_that_is_translated_was_too_long_to_be_counted() {
        let words = "word ".repeat(1 << 20);
        let event =
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{words}\"}}}}]}}\n\n");
        let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\n";
        let stream = format!("{event}{usage}data: [DONE]\n\n");
        let chunks: Vec<&[u8]> = stream.as_bytes().chunks(16 << 10).collect();
        let (out, counted) = run(PLAIN, &chunks);
        assert!(out == format!("{event}data: [DONE]\n\n"));
        assert_eq!((counted.source, counted.usage.output), (CountSource::Provider, 4));
    }

    #[test]
    fn an_event_over_the_limit_passes_unread_and_unharmed() {
        let long = format!("data: {}", "x".repeat(super::EVENT_BYTES));
        let stream = format!("data: {{\"choices\":[]}}\n\n{long}\n\ndata: [DONE]\n\n");
        for size in [1 << 20, 100_000, stream.len()] {
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            let (out, _) = run(PLAIN, &chunks);
            assert!(out == stream, "chunks of {size}: {} of {} bytes", out.len(), stream.len());
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_output_and_usage(cuts in prop::collection::vec(0..STREAM.len(), 0..40)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &STREAM.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(run(PLAIN, &chunks), run(PLAIN, &[STREAM.as_bytes()]));
        }
    }
}
