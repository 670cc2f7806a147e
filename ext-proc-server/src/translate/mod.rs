//! translate: rewrites one attempt's bodies between the client's dialect and the provider's.
//!
//! It stands in a provider's upstream chain and knows this attempt alone: what to translate comes in the gRPC metadata
//! that Envoy's configuration sets, the rest from the messages of this one stream.

use crate::decide::{find, set_header};
use crate::handover;
use crate::translate::reply::{body, headers, refuse};
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    HttpBody, HttpHeaders, ProcessingRequest, ProcessingResponse,
};
use envoy_types::pb::google::protobuf::Struct;
use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::metadata::MetadataMap;
use weirgate_contract::filter_config::provider_path;
use weirgate_contract::handover::{Decision, RequestHead};
use weirgate_contract::{response_header, translate_metadata as about};
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::translate::{self, Answer, AnswerOptions, Options, Unsupported};
use weirgate_dialect::{Dialect, endpoint, framing};

mod max_output;
mod reply;

/// The largest plain answer that is collected, in bytes.
pub(crate) const ANSWER_BYTES: usize = 32 << 20;

/// What Envoy's configuration says of this provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    from: Dialect,
    to: Dialect,
    path: String,
    model: String,
    older_cap_field: bool,
    unsupported: Unsupported,
}

impl Job {
    /// Reads the job; `None` if this is no translating filter.
    pub(crate) fn read(metadata: &MetadataMap) -> Option<Self> {
        let get = |key| metadata.get(key).and_then(|value| value.to_str().ok());
        Some(Self {
            from: Dialect::parse(get(about::FROM)?)?,
            to: Dialect::parse(get(about::TO)?)?,
            path: get(about::PATH).unwrap_or_default().to_owned(),
            model: get(about::MODEL).unwrap_or_default().to_owned(),
            older_cap_field: get(about::CAP_FIELD) == Some("max_tokens"),
            unsupported: match get(about::UNSUPPORTED) {
                Some("drop") => Unsupported::Drop,
                _ => Unsupported::Reject,
            },
        })
    }
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    job: Job,
    /// What decide reserved for a request without a cap.
    output_cap: Option<u64>,
    /// The id of the request.
    id: String,
    /// The model that the client names.
    asked: String,
    /// Whether it asks for a stream.
    stream: bool,
    include_usage: bool,
    dropped: Vec<String>,
    answer: Option<Answer>,
    /// What the client gets in place of an answer that cannot be read.
    replacement: Option<Vec<u8>>,
    /// The answer went wrong in its middle, and the client was told.
    failed: bool,
}

impl Attempt {
    pub(crate) fn new(job: Job) -> Self {
        Self {
            job,
            output_cap: None,
            id: String::new(),
            asked: String::new(),
            stream: false,
            include_usage: false,
            dropped: Vec::new(),
            answer: None,
            replacement: None,
            failed: false,
        }
    }

    /// Answers one message of Envoy.
    pub(crate) fn answer(&mut self, message: ProcessingRequest) -> Option<ProcessingResponse> {
        match message.request? {
            Request::RequestHeaders(_) => Some(self.request_headers(&message.attributes)),
            Request::RequestBody(body) => Some(self.request_body(&body)),
            Request::ResponseHeaders(headers) => Some(self.response_headers(&headers)),
            Request::ResponseBody(body) => Some(self.response_body(&body)),
            Request::RequestTrailers(_) => Some(reply::request_trailers()),
            Request::ResponseTrailers(_) => Some(reply::response_trailers()),
        }
    }

    /// What the listener's filters found out does not stand in headers here: an attempt before this one has removed them.
    fn request_headers(&mut self, attributes: &HashMap<String, Struct>) -> ProcessingResponse {
        if let Some(head) = handover::attribute::<RequestHead>(attributes, handover::REQUEST) {
            (self.id, self.asked, self.stream) = (head.id, head.model, head.stream);
        }
        let decision = handover::attribute::<Decision>(attributes, handover::DECISION);
        self.output_cap = decision.and_then(|decision| decision.output_cap);
        let Job { to, path, model, .. } = &self.job;
        // The provider may have no name of its own for it.
        let model = if model.is_empty() { &self.asked } else { model };
        let path = provider_path(path, &endpoint::chat(*to, model, self.stream));
        // The length is that of the client's body; Envoy refuses a changed body under it.
        headers(true, vec![set_header(":path", &path)], &["content-length"])
    }

    fn request_body(&mut self, request: &HttpBody) -> ProcessingResponse {
        let Job { from, to, model, unsupported, .. } = &self.job;
        let limit = max_output::tokens(model);
        // Anthropic refuses a limit that is over the model's own.
        let over = |cap: u64| if *to == Dialect::Anthropic { cap.min(u64::from(limit)) } else { cap };
        let in_path = matches!(from, Dialect::Gemini | Dialect::Converse);
        let options = Options {
            // A body that names no model has none to keep.
            model: if model.is_empty() && in_path { &self.asked } else { model },
            unsupported: *unsupported,
            default_max_tokens: limit,
            output_cap: self.output_cap.map(over),
            older_cap_field: self.job.older_cap_field,
            stream: self.stream,
        };
        match translate::request(*from, *to, &request.body, &options) {
            Ok(translated) => {
                self.include_usage = translated.include_usage;
                self.dropped = translated.dropped;
                body(true, translated.body)
            }
            Err(error) => refuse(*from, &ClientError::from(error)),
        }
    }

    fn response_headers(&mut self, response: &HttpHeaders) -> ProcessingResponse {
        let get = |name: &str| find(response, name);
        let kind = get("content-type").unwrap_or_default().to_ascii_lowercase();
        let is_event_stream = framing::is_stream(&kind);
        let status = get(":status").and_then(|status| status.parse().ok()).unwrap_or(200);
        if status >= 400 && !kind.contains("json") {
            // An error page holds nothing to translate; provider-select puts an error in its place.
            return headers(false, Vec::new(), &[]);
        }
        let encoding = get("content-encoding").unwrap_or_default();
        let plain = encoding.is_empty() || encoding.eq_ignore_ascii_case("identity");
        if !plain || !(is_event_stream || kind.contains("json")) {
            return self.replace_answer(&unreadable());
        }
        let options = AnswerOptions {
            status,
            is_event_stream,
            include_usage: self.include_usage,
            created: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            model: String::new(),
            id: self.id.clone(),
            served: if self.job.model.is_empty() { self.asked.clone() } else { self.job.model.clone() },
            limit: ANSWER_BYTES,
        };
        let answer = match Answer::new(self.job.from, self.job.to, options) {
            Ok(answer) => answer,
            Err(error) => return self.replace_answer(&ClientError::from(error)),
        };
        let mut set = vec![set_header("content-type", answer.content_type())];
        if !self.dropped.is_empty() {
            set.push(set_header(response_header::DROPPED, &header_list(&self.dropped)));
        }
        self.answer = Some(answer);
        headers(false, set, &["content-length", "content-encoding"])
    }

    /// Puts an error in the place of an answer of which no byte has gone to the client, so the status can say it. (A reply of
    /// this filter's own, from the answer's side of an upstream chain, makes Envoy 1.40 crash.)
    fn replace_answer(&mut self, error: &ClientError) -> ProcessingResponse {
        tracing::warn!(code = error.code, "a provider's answer could not be translated");
        self.replacement = Some(error.body(self.job.from).into_bytes());
        let set = vec![
            set_header(":status", &error.status().to_string()),
            set_header("content-type", "application/json"),
        ];
        headers(false, set, &["content-length", "content-encoding"])
    }

    fn response_body(&mut self, chunk: &HttpBody) -> ProcessingResponse {
        if let Some(replacement) = &mut self.replacement {
            let out = if chunk.end_of_stream { std::mem::take(replacement) } else { Vec::new() };
            return body(false, out);
        }
        let Some(answer) = &mut self.answer else { return reply::unchanged_body() };
        if self.failed {
            return body(false, Vec::new());
        }
        let mut out = Vec::new();
        let mut result = answer.push(&chunk.body).map(|bytes| out = bytes);
        if result.is_ok() && chunk.end_of_stream {
            result = answer.finish().map(|bytes| out.extend(bytes));
        }
        let Err(error) = result else { return body(false, out) };
        self.failed = true;
        let error = ClientError::from(error);
        tracing::warn!(code = error.code, "a provider's answer could not be translated");
        let from = self.job.from;
        let is_stream = answer.is_event_stream();
        let told =
            if is_stream { translate::failure_event(from, &error) } else { error.body(from).into_bytes() };
        out.extend(told);
        body(false, out)
    }
}

fn unreadable() -> ClientError {
    ClientError::new(
        ErrorKind::BadGateway,
        "invalid_answer",
        "the provider's answer is in no form that can be read",
    )
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
}
