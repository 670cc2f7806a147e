//! Counts the tokens of prompts and answers.
//!
//! The prompt's count goes to decide in a header, before the request is routed. The answer's usage goes to record as
//! filter state, at the end, however the request ended: what the provider reported, or our own count of what passed
//! when it reported nothing or the client left early.

mod answer;
mod request;

use answer::Answer;
use std::collections::BTreeMap;
use std::rc::Rc;
use weirgate_contract::filter_config::{self, Tokenizer};
use weirgate_contract::request_header;
use weirgate_dialect::{Dialect, Operation};
use weirgate_filter_host::{Filter, Flow, Host, dialect_of, is_probe, prompt_dialect, sign_probe};
use weirgate_tokens::encoding::Encoding;
use weirgate_tokens::family::{self, Counting};

weirgate_filter_host::export_filter!(TokenCounter);

/// The configuration made ready.
#[derive(Debug)]
pub struct Shared {
    models: BTreeMap<String, Counting>,
    include_usage: bool,
    /// Whether decide is told what a request asks for, and with that, whether it may answer itself.
    fingerprint: bool,
    question: bool,
}

impl Shared {
    fn counting(&self, model: &str) -> Counting {
        self.models.get(model).copied().unwrap_or_else(|| family::counting(model))
    }
}

/// The filter for one request.
#[derive(Debug)]
pub struct TokenCounter {
    shared: Rc<Shared>,
    /// The dialect of a call without a prompt that is known, for the usage in its answer.
    dialect: Dialect,
    prompt: Option<request::Prompt>,
    /// The call asks only how many tokens a prompt has, and they are not counted yet.
    counts: bool,
    answer: Option<Answer>,
    /// The answer comes from decide's cache, and nobody asks what it used.
    cached: bool,
}

impl Filter for TokenCounter {
    type Config = filter_config::TokenCounter;
    type Shared = Shared;

    fn configure(config: Self::Config) -> Result<Shared, String> {
        let models: BTreeMap<_, _> =
            config.models.into_iter().map(|(model, tokenizer)| (model, counting(tokenizer))).collect();
        Ok(Shared {
            models,
            include_usage: config.include_usage,
            fingerprint: config.fingerprint,
            question: config.question,
        })
    }

    /// Builds the encodings' tables, which take a tenth of a second and about 50 MiB each.
    fn warm_up(shared: &Shared) {
        Encoding::O200k.preload();
        if shared.models.values().any(|counting| counting.encoding == Encoding::Cl100k) {
            Encoding::Cl100k.preload();
        }
    }

    fn new(shared: Rc<Shared>) -> Self {
        Self { shared, dialect: Dialect::OpenAi, prompt: None, counts: false, answer: None, cached: false }
    }

    fn on_request_headers(&mut self, host: &dyn Host, end: bool) -> Flow {
        if is_probe(host) {
            sign_probe(host, "token-counter");
        }
        self.dialect = dialect_of(host);
        let operation = host.request_header(request_header::OPERATION);
        self.prompt = match operation.as_deref().and_then(Operation::parse) {
            Some(Operation::Completions) => Some(request::Prompt::of_completion()),
            _ => prompt_dialect(host).map(request::Prompt::of_chat),
        };
        self.counts = operation.as_deref() == Some(Operation::CountTokens.as_str());
        let needs_body = self.prompt.is_some() || self.counts;
        if needs_body && !end { Flow::Hold } else { Flow::Continue }
    }

    fn on_request_body(&mut self, host: &dyn Host, end: bool) -> Flow {
        match &mut self.prompt {
            Some(_) if !end => Flow::Hold,
            Some(prompt) => prompt.count(host, &self.shared),
            None if !self.counts => Flow::Continue,
            None if !end => Flow::Hold,
            None => {
                self.counts = false;
                request::tell_count(host, self.dialect, &self.shared);
                Flow::Continue
            }
        }
    }

    fn on_response_headers(&mut self, host: &dyn Host, end: bool) -> Flow {
        if self.shared.fingerprint && answer::is_cached(host) && !self.strips() {
            self.cached = true;
            return Flow::Continue;
        }
        let mut answer = Answer::begin(host, self.dialect, self.prompt.as_ref());
        if end {
            answer.end_of_body();
        }
        self.answer = Some(answer);
        Flow::Continue
    }

    fn on_response_body(&mut self, host: &dyn Host, end: bool) -> Flow {
        if let Some(answer) = &mut self.answer {
            answer.body(host, end);
        }
        Flow::Continue
    }

    fn on_end(&mut self, host: &dyn Host) {
        if self.cached {
            return;
        }
        answer::tell_record(host, self.prompt.as_ref(), self.answer.as_ref());
    }
}

impl TokenCounter {
    /// Whether something has to be taken out of the answer.
    fn strips(&self) -> bool {
        self.prompt.as_ref().is_some_and(|prompt| prompt.usage_is_ours)
    }
}

fn counting(tokenizer: Tokenizer) -> Counting {
    match tokenizer {
        Tokenizer::O200k => Counting::exact(Encoding::O200k),
        Tokenizer::Cl100k => Counting::exact(Encoding::Cl100k),
        Tokenizer::Estimate(factor) => Counting::estimate(factor),
    }
}
