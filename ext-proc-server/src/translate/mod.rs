//! translate: rewrites one attempt's request from the client's dialect to the provider's. A filter in Envoy rewrites the answer.
//!
//! It stands in a provider's upstream chain and knows this attempt alone: what to translate comes in the gRPC metadata
//! that Envoy's configuration sets, the rest from the messages of this one stream.

use crate::decide::{find, set_header};
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::{HttpHeaders, ProcessingRequest, ProcessingResponse};
use serde::de::DeserializeOwned;
use tonic::metadata::MetadataMap;
use weirgate_contract::filter_config::provider_path;
use weirgate_contract::handover::{Decision, RequestHead, Translated};
use weirgate_contract::{request_header, translate_metadata as about};
use weirgate_dialect::error::ClientError;
use weirgate_dialect::translate::{self, Options, Unsupported, embeddings};
use weirgate_dialect::{Dialect, Operation, endpoint};

mod max_output;
mod reply;

/// What Envoy's configuration says of this provider.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Job {
    from: Dialect,
    to: Dialect,
    path: String,
    model: String,
    older_cap_field: bool,
    unsupported: Unsupported,
}

impl Job {
    /// Reads the job; `None` if this is no translating filter.
    fn read(metadata: &MetadataMap) -> Option<Self> {
        let get = |key| metadata.get(key).and_then(|value| value.to_str().ok());
        Some(Self {
            from: Dialect::parse(get(about::FROM)?)?,
            to: Dialect::parse(get(about::TO)?)?,
            path: get(about::PATH).unwrap_or_default().to_owned(),
            model: get(about::MODEL).unwrap_or_default().to_owned(),
            older_cap_field: get(about::CAP_FIELD) == Some("max_tokens"),
            unsupported: get(about::UNSUPPORTED).and_then(unsupported).unwrap_or(Unsupported::Reject),
        })
    }
}

fn unsupported(word: &str) -> Option<Unsupported> {
    match word {
        "drop" => Some(Unsupported::Drop),
        "reject" => Some(Unsupported::Reject),
        _ => None,
    }
}

/// A value of the metadata that is JSON. It may hold what a client has named, in any script.
fn json<T: DeserializeOwned>(metadata: &MetadataMap, key: &str) -> Option<T> {
    serde_json::from_slice(metadata.get(key)?.as_encoded_bytes()).ok()
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    job: Job,
    /// What decide reserved for a request without a cap.
    output_cap: Option<u64>,
    /// The model that the client names.
    asked: String,
    /// Whether texts are to be embedded.
    embeds: bool,
    /// Whether it asks for a stream.
    stream: bool,
    /// What the client's header of betas says, where the provider takes that in the body.
    betas: String,
    has_ended: bool,
}

impl Attempt {
    /// Reads what is to be done from the metadata of a stream; `None` if this is no translating filter.
    pub(crate) fn read(metadata: &MetadataMap) -> Option<Self> {
        let mut job = Job::read(metadata)?;
        let head: Option<RequestHead> = json(metadata, about::REQUEST);
        let decision: Option<Decision> = json(metadata, about::DECISION);
        let embeds = head.as_ref().is_some_and(|head| head.operation == Operation::Embeddings);
        if let Some(wanted) = head.as_ref().and_then(|head| unsupported(&head.unsupported_fields)) {
            job.unsupported = wanted;
        }
        let (asked, stream) = head.map(|head| (head.model, head.stream)).unwrap_or_default();
        Some(Self {
            job,
            output_cap: decision.and_then(|decision| decision.output_cap),
            asked,
            embeds,
            // Vectors come as one body, whatever the client asks for.
            stream: stream && !embeds,
            betas: String::new(),
            has_ended: false,
        })
    }

    /// Whether there is nothing more to say.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Answers one message of Envoy.
    pub(crate) fn answer(&mut self, message: ProcessingRequest) -> Option<ProcessingResponse> {
        match message.request? {
            Request::RequestHeaders(headers) => Some(self.headers(&headers)),
            Request::RequestBody(body) => {
                self.has_ended = true;
                Some(self.body(&body.body).unwrap_or_else(|error| reply::refuse(self.job.from, &error)))
            }
            _ => None,
        }
    }

    fn headers(&mut self, request: &HttpHeaders) -> ProcessingResponse {
        self.betas = find(request, request_header::ANTHROPIC_BETA).unwrap_or_default().into_owned();
        let Job { to, path, model, .. } = &self.job;
        // The provider may have no name of its own for it.
        let model = if model.is_empty() { &self.asked } else { model };
        let embeds = if self.embeds { endpoint::embeddings(*to, model) } else { None };
        let path = provider_path(path, &embeds.unwrap_or_else(|| endpoint::chat(*to, model, self.stream)));
        // The length is that of the client's body; Envoy refuses a changed body under it.
        reply::headers(set_header(":path", &path), "content-length")
    }

    fn body(&self, body: &[u8]) -> Result<ProcessingResponse, ClientError> {
        let Job { from, to, model, unsupported, .. } = &self.job;
        let limit = max_output::tokens(model);
        // Anthropic refuses a limit that is over the model's own.
        let over = |cap: u64| if to.bodies() == Dialect::Anthropic { cap.min(u64::from(limit)) } else { cap };
        let in_path = matches!(from, Dialect::Gemini | Dialect::Converse);
        let options = Options {
            // A body that names no model has none to keep.
            model: if model.is_empty() && in_path { &self.asked } else { model },
            unsupported: *unsupported,
            default_max_tokens: limit,
            output_cap: self.output_cap.map(over),
            older_cap_field: self.job.older_cap_field,
            stream: self.stream,
            betas: &self.betas,
        };
        let (body, translated) = if self.embeds {
            let embeddings::Request { body, dropped, wanted } = embeddings::request(*to, body, &options)?;
            let dropped = header_list(&dropped);
            (body, Translated { dropped, vectors: Some(wanted), ..Translated::default() })
        } else {
            let request = translate::request(*from, *to, body, &options)?;
            let (dropped, include_usage) = (header_list(&request.dropped), request.include_usage);
            (request.body, Translated { dropped, include_usage, vectors: None })
        };
        let translated = serde_json::to_string(&translated).unwrap_or_default();
        Ok(reply::body(body, set_header(request_header::TRANSLATED, &translated)))
    }
}

/// How many bytes answering a message goes over.
pub(crate) fn work(message: &ProcessingRequest) -> usize {
    match &message.request {
        Some(Request::RequestBody(body)) => body.body.len(),
        _ => 0,
    }
}

/// Names of fields, some of which the client chose, as a header may hold them: printable and short.
fn header_list(fields: &[String]) -> String {
    const NAME: usize = 64;
    const ALL: usize = 1024;
    let mut list = String::new();
    for field in fields {
        let plain =
            |character: char| if character.is_ascii_graphic() && character != ',' { character } else { '?' };
        let name: String = field.chars().take(NAME).map(plain).collect();
        if list.len() + name.len() >= ALL {
            list.push_str(",...");
            break;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&name);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(entries: &[(&'static str, &'static str)]) -> Option<Job> {
        let mut metadata = MetadataMap::new();
        for (key, value) in entries {
            metadata.insert(*key, value.parse().unwrap());
        }
        Job::read(&metadata)
    }

    #[test]
    fn names_of_dropped_fields_cannot_break_a_header() {
        let fields = ["metadata.a\r\nset-cookie: x".to_owned(), "seed".to_owned()];
        assert_eq!(header_list(&fields), "metadata.a??set-cookie:?x,seed");
        let many = vec!["x".repeat(100_000); 40];
        assert!(header_list(&many).len() < 1100);
    }

    #[test]
    fn the_job_stands_in_the_metadata_and_a_call_without_one_is_decides() {
        assert_eq!(job(&[]), None);
        let job =
            job(&[(about::FROM, "openai"), (about::TO, "anthropic"), (about::UNSUPPORTED, "drop")]).unwrap();
        assert_eq!((job.to, job.unsupported), (Dialect::Anthropic, Unsupported::Drop));
    }

    #[test]
    fn what_the_listener_found_out_comes_with_the_stream() {
        let mut metadata = MetadataMap::new();
        for (key, value) in [(about::FROM, "openai"), (about::TO, "gemini")] {
            metadata.insert(key, value.parse().unwrap());
        }
        let without = Attempt::read(&metadata).unwrap();
        assert_eq!((without.output_cap, without.asked.as_str(), without.stream), (None, "", false));
        let head =
            r#"{"id":"1","dialect":"openai","operation":"chat_completions","model":"模型","stream":true}"#;
        metadata.insert(about::REQUEST, head.as_bytes().try_into().unwrap());
        metadata.insert(about::DECISION, r#"{"id":"1","output_cap":7}"#.parse().unwrap());
        let attempt = Attempt::read(&metadata).unwrap();
        assert_eq!((attempt.output_cap, attempt.asked.as_str(), attempt.stream), (Some(7), "模型", true));
        metadata.insert(
            about::REQUEST,
            head.replace("chat_completions", "embeddings").as_bytes().try_into().unwrap(),
        );
        assert!(!Attempt::read(&metadata).unwrap().stream, "vectors are never streamed");
        // What Envoy writes where there is nothing.
        metadata.insert(about::DECISION, "-".parse().unwrap());
        assert_eq!(Attempt::read(&metadata).unwrap().output_cap, None);
    }
}
