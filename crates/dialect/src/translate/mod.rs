//! Rewrites requests and answers from one dialect to another.
//!
//! A translation is a function of its input. It keeps nothing between two requests, and an [`Answer`] gives the
//! same bytes however the provider's bytes are cut into chunks.
//!
//! Nothing is lost without a word:
//!
//! * A field that means the same in both dialects is renamed.
//! * A field that neither the translator nor OpenAI's API knows is copied as it came, so that what only the provider
//!   defines (`top_k`, `cache_control`, `thinking`) can be used through the other dialect.
//! * A field that changes the answer and has no counterpart meets the [`Unsupported`] policy.
//! * A field that does not change the answer and has no counterpart (a label, a cache hint) is left out and
//!   reported in [`Request::dropped`], whatever the policy.
//! * A field that says what holds anyway (`n: 1`, `logprobs: false`, `null`) is left out without a report.

mod balance;
mod bedrock;
mod chat;
mod cohere;
mod converse;
pub mod delivery;
pub mod embeddings;
mod error;
mod failure;
mod fields;
mod gemini;
mod hosted;
mod marks;
mod messages;
mod neutral;
mod openai;
mod raw;
mod relay;
mod report;
mod responses;

pub use error::{Error, Kind};
pub use marks::{may_hold_marked, without_marked};
pub use relay::failure_event;

use crate::Dialect;
use hosted::Host;
use hosted::same::Same;
use neutral::ReadAnswer;
use relay::Relay;
use report::{Remarks, Report};

/// What becomes of a field that changes the answer but that the provider's API has no place for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsupported {
    /// The request is refused, and the error names the field.
    #[default]
    Reject,
    /// The field is left out and named in [`Request::dropped`].
    Drop,
}

/// What a request translation is told besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The provider's name of the model, to be put into the body. Empty: the body's own stays.
    pub model: &'a str,
    /// What becomes of fields that cannot be carried.
    pub unsupported: Unsupported,
    /// The output limit where the client sets none and the provider's API demands one.
    pub default_max_tokens: u32,
    /// The output limit that the gateway sets where the client sets none, whatever the provider's API demands.
    pub output_cap: Option<u64>,
    /// Whether a provider of OpenAI's dialect takes the output limit as `max_tokens`, as most servers but OpenAI's own do.
    pub older_cap_field: bool,
    /// Whether the client asks for a stream, in dialects in which its path says so and its body does not.
    pub stream: bool,
    /// What the client's header `anthropic-beta` says, for providers that take it in the body.
    pub betas: &'a str,
}

impl<'a> Options<'a> {
    /// The name for the provider, which is the client's where there is no other.
    fn model(&self, own: Option<neutral::Text<'a>>) -> Result<neutral::Text<'a>, Error> {
        match self.model {
            "" => own.ok_or_else(|| Error::invalid("model", "a string is expected")),
            model => Ok(model.into()),
        }
    }
}

/// A translated request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The body in the provider's dialect.
    pub body: Vec<u8>,
    /// Paths of the fields that were left out, as in `messages[0].name`. A long list is cut.
    pub dropped: Vec<String>,
    /// Whether the client asks for an event stream.
    pub stream: bool,
    /// Whether the client asks for a usage chunk at the end of the stream.
    pub include_usage: bool,
}

/// Whether requests of one dialect can be translated to another.
pub fn is_supported(from: Dialect, to: Dialect) -> bool {
    from.chat().is_some() && from != to
}

/// Translates a request from the client's dialect to the provider's.
///
/// # Errors
///
/// [`Error`] when the body is invalid, when it asks for what cannot be carried, or when there is no translation
/// between the two dialects.
pub fn request(from: Dialect, to: Dialect, body: &[u8], options: &Options<'_>) -> Result<Request, Error> {
    let no_pair = || Kind::NoPair { from, to }.into();
    if !is_supported(from, to) {
        return Err(no_pair());
    }
    if let Some(host) = same_bodies(from, to) {
        return hosted::write_request::same(body, host, options);
    }
    let kept = converse::read_request::Kept::new();
    let body =
        if from == Dialect::Gemini { gemini::read_request::with_plain_schemas(body) } else { body.into() };
    let body = body.as_ref();
    let mut read = match from {
        Dialect::OpenAi => chat::read_request::read(body),
        Dialect::Responses => responses::read_request::read(body),
        Dialect::Anthropic => messages::read_request::read(body),
        Dialect::Converse => converse::read_request::read(body, options.stream, &kept),
        Dialect::Gemini => gemini::read_request::read(body, options.stream),
        Dialect::Cohere | Dialect::Invoke | Dialect::RawPredict => Err(no_pair()),
    }?;
    if let (Some(cap), None) = (options.output_cap, read.max_tokens()) {
        read.settings.push(neutral::Setting { path: "max_tokens", want: neutral::Want::MaxTokens(cap) });
    }
    match to {
        Dialect::OpenAi => chat::write_request::write(read, options),
        Dialect::Responses => responses::write_request::write(read, options),
        Dialect::Anthropic => messages::write_request::write(read, options),
        Dialect::Gemini => gemini::write_request::write(read, options),
        Dialect::Converse => converse::write_request::write(read, options),
        Dialect::Cohere => cohere::write_request::write(read, options),
        Dialect::Invoke => hosted::write_request::write(read, Host::Bedrock, options),
        Dialect::RawPredict => hosted::write_request::write(read, Host::Vertex, options),
    }
}

/// The cloud that serves a client of Anthropic's the API that it speaks, so that there is nothing to translate.
fn same_bodies(from: Dialect, to: Dialect) -> Option<Host> {
    Host::of(to).filter(|_| from == Dialect::Anthropic)
}

/// What an answer translation is told besides the answer.
#[derive(Clone, Debug)]
pub struct AnswerOptions {
    /// The provider's HTTP status. From 400 on the body is read as an error.
    pub status: u16,
    /// Whether the provider answers with an event stream, as its content type says.
    pub is_event_stream: bool,
    /// Whether the client gets a usage chunk at the end of a stream; see [`Request::include_usage`].
    pub include_usage: bool,
    /// Unix time in seconds, to date the answer with.
    pub created: u64,
    /// The name of the model for the client to read. Empty: the provider's.
    pub model: String,
    /// Letters and digits to make an id of for an answer whose provider gives none.
    pub id: String,
    /// The provider's name of the model, for an answer that does not tell it.
    pub served: String,
    /// Bytes that may be collected: a whole answer, or one event of a stream.
    pub limit: usize,
}

impl AnswerOptions {
    /// Whether the client gets an event stream. An error is one JSON document.
    fn is_stream(&self) -> bool {
        self.is_event_stream && self.status < 400
    }
}

/// How an answer gets to the client.
#[derive(Debug)]
enum Way {
    Translated(Box<Relay>),
    Copied(Same),
}

/// Translates one answer from the provider's dialect to the client's.
#[derive(Debug)]
pub struct Answer {
    is_event_stream: bool,
    way: Way,
    /// An error that waits until the output before it has been handed out.
    failure: Option<Error>,
}

impl Answer {
    /// A translation of an answer by `to`, the provider's dialect, into `from`, the client's: the same pair, in
    /// the same order, as for the [`request`].
    ///
    /// # Errors
    ///
    /// [`Kind::NoPair`] when there is no translation between the two dialects.
    pub fn new(from: Dialect, to: Dialect, options: AnswerOptions) -> Result<Self, Error> {
        let no_pair = || Kind::NoPair { from, to }.into();
        if !is_supported(from, to) {
            return Err(no_pair());
        }
        let is_event_stream = options.is_stream();
        // An error is the cloud's, not Anthropic's.
        if options.status < 400 && same_bodies(from, to).is_some() {
            let way = Way::Copied(Same::new(is_event_stream, options.limit));
            return Ok(Self { is_event_stream, way, failure: None });
        }
        let reader: Box<dyn ReadAnswer> = match to {
            Dialect::OpenAi => Box::new(chat::read_answer::Reader::default()),
            Dialect::Responses => Box::new(responses::read_answer::Reader::default()),
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
                Box::new(messages::read_answer::Reader::default())
            }
            Dialect::Gemini => Box::new(gemini::read_answer::Reader::default()),
            Dialect::Converse => Box::new(converse::read_answer::Reader::default()),
            Dialect::Cohere => Box::new(cohere::read_answer::Reader::default()),
        };
        let writer = match from {
            Dialect::OpenAi => chat::write_answer::writer(&options),
            Dialect::Responses => responses::write_answer::writer(&options),
            Dialect::Anthropic => messages::write_answer::writer(&options),
            Dialect::Converse => converse::write_answer::writer(&options),
            Dialect::Gemini => gemini::write_answer::writer(&options),
            Dialect::Cohere | Dialect::Invoke | Dialect::RawPredict => return Err(no_pair()),
        };
        let way = Way::Translated(Box::new(Relay::new(from, reader, writer, &options)));
        Ok(Self { is_event_stream, way, failure: None })
    }

    /// Whether the output is an event stream, rather than one JSON document.
    pub fn is_event_stream(&self) -> bool {
        self.is_event_stream
    }

    /// The content type of the output for a client of this dialect.
    pub fn content_type(&self) -> &'static str {
        match &self.way {
            Way::Translated(relay) => relay.content_type(),
            Way::Copied(same) => same.content_type(),
        }
    }

    /// Whether the answer has come to its proper end. False after [`Answer::finish`] means that it was cut.
    pub fn is_complete(&self) -> bool {
        match &self.way {
            Way::Translated(relay) => relay.is_complete(),
            Way::Copied(same) => same.is_complete(),
        }
    }

    /// The status of the failure that the provider has told, where HTTP's may say that it is a success.
    pub fn failure(&self) -> Option<u16> {
        match &self.way {
            Way::Translated(relay) => relay.failure(),
            Way::Copied(_) => None,
        }
    }

    /// The fault that waits until what came before it has been handed out.
    pub fn fault(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Takes the next bytes of the provider and gives the bytes for the client that they make.
    ///
    /// # Errors
    ///
    /// [`Error`] when the provider's bytes are not what its API defines. Output that precedes the fault is
    /// handed out first; then every call fails.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<u8>, Error> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let mut out = Vec::new();
        let result = match &mut self.way {
            Way::Translated(relay) => relay.push(chunk, &mut out),
            Way::Copied(same) => same.push(chunk, &mut out),
        };
        self.hand_out(out, result)
    }

    /// Takes the end of the provider's bytes and gives the rest for the client.
    ///
    /// A stream that was cut gets no `[DONE]`, so that a client does not take it for whole.
    ///
    /// # Errors
    ///
    /// As [`Answer::push`].
    pub fn finish(&mut self) -> Result<Vec<u8>, Error> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let mut out = Vec::new();
        let result = match &mut self.way {
            Way::Translated(relay) => relay.finish(&mut out),
            Way::Copied(same) => same.finish(&mut out),
        };
        self.hand_out(out, result)
    }

    fn hand_out(&mut self, out: Vec<u8>, result: Result<(), Error>) -> Result<Vec<u8>, Error> {
        let Err(error) = result else { return Ok(out) };
        self.failure = Some(error.clone());
        if out.is_empty() { Err(error) } else { Ok(out) }
    }
}
