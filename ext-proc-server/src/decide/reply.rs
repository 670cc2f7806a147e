//! decide's message to Envoy.

use super::Follow;
use super::standing::Told;
use crate::cache::replay::{Answer, Body};
use crate::policy::plan::Plan;
use envoy_types::pb::envoy::config::core::v3::{HeaderMap, HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::ProcessingMode;
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::processing_mode::{
    BodySendMode, HeaderSendMode,
};
use envoy_types::pb::envoy::service::ext_proc::v3::body_mutation::Mutation;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyMutation, BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, HttpHeaders,
    ImmediateResponse, ProcessingResponse, StreamedBodyResponse, StreamedImmediateResponse, TrailersResponse,
    processing_response::Response, streamed_immediate_response::Response as Part,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::{Duration as ProtoDuration, ListValue, Struct, Value, value::Kind};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use weirgate_contract::handover::Decision;
use weirgate_contract::{metadata, response_header};
use weirgate_dialect::Dialect;
use weirgate_dialect::error::ClientError;

/// Lets Envoy go on as if nobody had been asked.
pub(super) fn nothing() -> ProcessingResponse {
    respond(Response::RequestHeaders(HeadersResponse { response: None }), None)
}

/// Sends the request to the clusters of the plan.
pub(super) fn route(
    plan: &Plan<'_>,
    decision: &Decision,
    told: &Told,
    follow: Option<&Follow>,
) -> ProcessingResponse {
    let retries = plan.order.len().saturating_sub(1).to_string();
    let headers = vec![set_header("x-envoy-max-retries", &retries)];
    let response = CommonResponse {
        // The route was chosen before decide spoke; the new one takes the clusters from the metadata.
        clear_route_cache: true,
        header_mutation: Some(HeaderMutation { set_headers: headers, ..HeaderMutation::default() }),
        ..CommonResponse::default()
    };
    let groups = plan.order.iter().map(|cluster| {
        object([
            ("name", text(cluster)),
            ("clusters", list([object([("cluster_name", text(cluster)), ("weight", number(1.0))])])),
        ])
    });
    let routing = object([(metadata::PRIORITY_GROUPS, list(groups))]);
    let fields_told = [(metadata::ROUTING_NAMESPACE, routing), told_record(decision, told)];
    let mut reply = respond(
        Response::RequestHeaders(HeadersResponse { response: Some(response) }),
        Some(fields(fields_told)),
    );
    reply.mode_override = follow.map(|follow| {
        let (body, trailers) = match follow {
            // Only in this mode may the service end an answer before its provider does.
            Follow::Meter(..) => (BodySendMode::FullDuplexStreamed, HeaderSendMode::Send),
            Follow::Keep(_) => (BodySendMode::Streamed, HeaderSendMode::Skip),
            // Only in this mode may it change headers when it knows the body.
            Follow::Whole(_) => (BodySendMode::Buffered, HeaderSendMode::Skip),
        };
        ProcessingMode {
            response_header_mode: HeaderSendMode::Send.into(),
            response_body_mode: body.into(),
            response_trailer_mode: trailers.into(),
            ..ProcessingMode::default()
        }
    });
    reply
}

/// Lets the head of an answer pass.
pub(super) fn continue_response() -> ProcessingResponse {
    respond(Response::ResponseHeaders(HeadersResponse { response: None }), None)
}

/// Lets a part of an answer pass, or a whole one with one more header.
pub(super) fn pass_body(header: Option<(&str, &str)>) -> ProcessingResponse {
    let set_headers = header.map(|(name, value)| set_header(name, value)).into_iter().collect();
    let header_mutation = Some(HeaderMutation { set_headers, ..HeaderMutation::default() });
    let response = CommonResponse { header_mutation, ..CommonResponse::default() };
    respond(Response::ResponseBody(BodyResponse { response: Some(response) }), None)
}

/// Asks Envoy to wait so long.
pub(crate) fn patience(limit: Duration) -> ProcessingResponse {
    let seconds = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    ProcessingResponse {
        override_message_timeout: Some(ProtoDuration { seconds, nanos: 0 }),
        ..ProcessingResponse::default()
    }
}

/// Answers from the cache, at once. It must have been recorded.
pub(super) fn cached(answer: Answer, told: &Told) -> ProcessingResponse {
    let headers = cached_headers(&answer).into_iter().chain(told_headers(told)).collect();
    let body = match answer.body {
        Body::Whole(body) => body,
        Body::Paced(events) => events.concat(),
    };
    immediate(200, headers, body, "cached", (metadata::NAMESPACE, object([(metadata::RECORDED, text("1"))])))
}

/// Answers from the cache with one part after another: the messages in their order.
pub(super) fn paced(answer: Answer, decision: &Decision, told: &Told) -> Vec<ProcessingResponse> {
    let mut headers: Vec<HeaderValue> = vec![header(":status", "200")];
    let others = cached_headers(&answer).into_iter().chain(told_headers(told));
    headers.extend(others.filter_map(|option| option.header));
    let events = match answer.body {
        Body::Whole(body) => vec![body],
        Body::Paced(events) => events,
    };
    let streamed = |part| {
        let part = StreamedImmediateResponse { response: Some(part) };
        respond(Response::StreamedImmediateResponse(part), None)
    };
    let head = HttpHeaders { headers: Some(HeaderMap { headers }), ..HttpHeaders::default() };
    let mut head = streamed(Part::HeadersResponse(head));
    head.dynamic_metadata = Some(fields([told_record(decision, &Told::new())]));
    let last = events.len().saturating_sub(1);
    let parts = events.into_iter().enumerate().map(|(number, event)| {
        let end_of_stream = number == last;
        streamed(Part::BodyResponse(StreamedBodyResponse {
            body: event,
            end_of_stream,
            ..StreamedBodyResponse::default()
        }))
    });
    std::iter::once(head).chain(parts).collect()
}

fn cached_headers(answer: &Answer) -> Vec<HeaderValueOption> {
    let kind = set_header("content-type", answer.content_type);
    let others = answer.headers.iter().map(|(name, value)| set_header(name, value));
    std::iter::once(kind).chain(others).collect()
}

/// Lets the trailers of an answer pass.
pub(super) fn response_trailers() -> ProcessingResponse {
    respond(Response::ResponseTrailers(TrailersResponse { header_mutation: None }), None)
}

/// A part of an answer that is followed. `cut`: it is ended here, and record has to know.
pub(super) fn stream(body: Vec<u8>, end_of_stream: bool, cut: bool) -> ProcessingResponse {
    let streamed = StreamedBodyResponse { body, end_of_stream, ..StreamedBodyResponse::default() };
    let mutation = BodyMutation { mutation: Some(Mutation::StreamedResponse(streamed)) };
    let response = CommonResponse { body_mutation: Some(mutation), ..CommonResponse::default() };
    let told = cut.then(|| fields([(metadata::NAMESPACE, object([(metadata::CUT, text("1"))]))]));
    respond(Response::ResponseBody(BodyResponse { response: Some(response) }), told)
}

/// Answers with an error.
pub(super) fn refuse(
    dialect: Dialect,
    status: u16,
    error: &ClientError,
    decision: &Decision,
    told: &Told,
) -> ProcessingResponse {
    let mut headers = vec![set_header("content-type", "application/json")];
    if let Some(seconds) = error.retry_after {
        headers.push(set_header("retry-after", &seconds.to_string()));
    }
    headers.extend(told_headers(told));
    immediate(status, headers, error.body(dialect), error.code, told_record(decision, &Told::new()))
}

/// Answers with the list of models, in the client's shape.
pub(super) fn models<'a>(
    dialect: Dialect,
    names: impl Iterator<Item = &'a str>,
    decision: &Decision,
) -> ProcessingResponse {
    let data: Vec<_> = names.map(|name| described(dialect, name)).collect();
    let body = match dialect {
        Dialect::Gemini => json!({"models": data}),
        Dialect::Anthropic => {
            let ends = |model: Option<&serde_json::Value>| model.and_then(|model| model.get("id")).cloned();
            json!({"first_id": ends(data.first()), "last_id": ends(data.last()), "has_more": false, "data": data})
        }
        _ => json!({"object": "list", "data": data}),
    };
    let headers = vec![set_header("content-type", "application/json")];
    immediate(200, headers, body.to_string(), "models", told_record(decision, &Told::new()))
}

/// Answers with one model.
pub(super) fn model(dialect: Dialect, name: &str, decision: &Decision) -> ProcessingResponse {
    let headers = vec![set_header("content-type", "application/json")];
    let body = described(dialect, name).to_string();
    immediate(200, headers, body, "models", told_record(decision, &Told::new()))
}

fn described(dialect: Dialect, name: &str) -> serde_json::Value {
    match dialect {
        Dialect::Gemini => json!({
            "name": format!("models/{name}"),
            "displayName": name,
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        }),
        Dialect::Anthropic => {
            json!({"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"})
        }
        _ => json!({"id": name, "object": "model", "created": 0, "owned_by": "weirgate"}),
    }
}

/// Answers how many tokens a prompt has, in the client's shape.
pub(super) fn tokens(dialect: Dialect, tokens: u64, decision: &Decision) -> ProcessingResponse {
    let body = match dialect {
        Dialect::Gemini => json!({
            "totalTokens": tokens,
            // What of them stands for pictures, nobody here tells apart.
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
        }),
        Dialect::Responses => json!({"object": "response.input_tokens", "input_tokens": tokens}),
        _ => json!({"input_tokens": tokens}),
    };
    let headers = vec![set_header("content-type", "application/json")];
    immediate(200, headers, body.to_string(), "tokens", told_record(decision, &Told::new()))
}

/// Answers a probe with the filters that saw it.
pub(super) fn probe(chain: &str) -> ProcessingResponse {
    let headers = vec![set_header("content-type", "text/plain")];
    let note = told_record(&Decision::default(), &Told::new());
    immediate(200, headers, chain.to_owned(), "probe", note)
}

/// `note`: what record is to know.
fn immediate(
    status: u16,
    headers: Vec<HeaderValueOption>,
    body: impl Into<Vec<u8>>,
    details: &str,
    note: (&'static str, Value),
) -> ProcessingResponse {
    let response = ImmediateResponse {
        status: Some(HttpStatus { code: i32::from(status) }),
        headers: Some(HeaderMutation { set_headers: headers, ..HeaderMutation::default() }),
        body: body.into(),
        details: details.to_owned(),
        ..ImmediateResponse::default()
    };
    respond(Response::ImmediateResponse(response), Some(fields([note])))
}

/// What a client is told of its limits, as headers of an answer that is given here. To answers of providers Envoy adds them, from
/// the metadata.
fn told_headers(told: &Told) -> impl Iterator<Item = HeaderValueOption> {
    told.iter().filter_map(|(key, value)| {
        let (name, _) = response_header::TOLD.iter().find(|(_, of)| of == key)?;
        Some(set_header(name, value))
    })
}

fn respond(response: Response, dynamic_metadata: Option<Struct>) -> ProcessingResponse {
    ProcessingResponse { response: Some(response), dynamic_metadata, ..ProcessingResponse::default() }
}

fn told_record(decision: &Decision, told: &Told) -> (&'static str, Value) {
    // A struct of strings and numbers always has a JSON form.
    let json = serde_json::to_string(decision).unwrap_or_default();
    let mut told =
        told.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect::<HashMap<_, _>>();
    told.insert(metadata::DECISION.to_owned(), text(&json));
    (metadata::NAMESPACE, Value { kind: Some(Kind::StructValue(Struct { fields: told })) })
}

pub(crate) fn set_header(name: &str, value: &str) -> HeaderValueOption {
    use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
    HeaderValueOption {
        header: Some(header(name, value)),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

fn header(name: &str, value: &str) -> HeaderValue {
    HeaderValue { key: name.to_owned(), raw_value: value.as_bytes().to_vec(), ..HeaderValue::default() }
}

fn fields<const N: usize>(entries: [(&str, Value); N]) -> Struct {
    Struct { fields: entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect() }
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value { kind: Some(Kind::StructValue(fields(entries))) }
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value { kind: Some(Kind::ListValue(ListValue { values: values.into_iter().collect() })) }
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn number(number: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(number)) }
}
