//! decide's message to Envoy.

use crate::policy::plan::Plan;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::ext_proc::v3::{
    CommonResponse, HeaderMutation, HeadersResponse, ImmediateResponse, ProcessingResponse,
    processing_response::Response,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};
use serde_json::json;
use weirgate_contract::handover::Decision;
use weirgate_contract::{metadata, request_header};
use weirgate_dialect::Dialect;
use weirgate_dialect::error::ClientError;

/// Lets Envoy go on as if nobody had been asked.
pub(super) fn nothing() -> ProcessingResponse {
    respond(Response::RequestHeaders(HeadersResponse { response: None }), None)
}

/// Sends the request to the clusters of the plan.
pub(super) fn route(plan: &Plan<'_>, decision: &Decision) -> ProcessingResponse {
    let retries = plan.order.len().saturating_sub(1).to_string();
    let mut headers = vec![set_header("x-envoy-max-retries", &retries)];
    if let Some(cap) = plan.output_cap {
        headers.push(set_header(request_header::OUTPUT_CAP, &cap.to_string()));
    }
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
    let told = [(metadata::ROUTING_NAMESPACE, routing), told_record(decision)];
    respond(Response::RequestHeaders(HeadersResponse { response: Some(response) }), Some(fields(told)))
}

/// Answers with an error.
pub(super) fn refuse(dialect: Dialect, error: &ClientError, decision: &Decision) -> ProcessingResponse {
    let mut headers = vec![set_header("content-type", "application/json")];
    if let Some(seconds) = error.retry_after {
        headers.push(set_header("retry-after", &seconds.to_string()));
    }
    immediate(error.status(), headers, error.body(dialect), error.code, decision)
}

/// Answers with the list of models, in the client's shape.
pub(super) fn models<'a>(
    dialect: Dialect,
    names: impl Iterator<Item = &'a str>,
    decision: &Decision,
) -> ProcessingResponse {
    let body = match dialect {
        Dialect::OpenAi | Dialect::Gemini => {
            let data: Vec<_> = names
                .map(|name| json!({"id": name, "object": "model", "created": 0, "owned_by": "weirgate"}))
                .collect();
            json!({"object": "list", "data": data})
        }
        Dialect::Anthropic => {
            let data: Vec<_> = names
                .map(|name| {
                    json!({"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"})
                })
                .collect();
            let ends = |model: Option<&serde_json::Value>| model.and_then(|model| model.get("id")).cloned();
            json!({"first_id": ends(data.first()), "last_id": ends(data.last()), "has_more": false, "data": data})
        }
    };
    let headers = vec![set_header("content-type", "application/json")];
    immediate(200, headers, body.to_string(), "models", decision)
}

/// Answers a probe with the filters that saw it.
pub(super) fn probe(chain: &str) -> ProcessingResponse {
    let headers = vec![set_header("content-type", "text/plain")];
    immediate(200, headers, chain.to_owned(), "probe", &Decision::default())
}

fn immediate(
    status: u16,
    headers: Vec<HeaderValueOption>,
    body: String,
    details: &str,
    decision: &Decision,
) -> ProcessingResponse {
    let response = ImmediateResponse {
        status: Some(HttpStatus { code: i32::from(status) }),
        headers: Some(HeaderMutation { set_headers: headers, ..HeaderMutation::default() }),
        body: body.into(),
        details: details.to_owned(),
        ..ImmediateResponse::default()
    };
    respond(Response::ImmediateResponse(response), Some(fields([told_record(decision)])))
}

fn respond(response: Response, dynamic_metadata: Option<Struct>) -> ProcessingResponse {
    ProcessingResponse { response: Some(response), dynamic_metadata, ..ProcessingResponse::default() }
}

fn told_record(decision: &Decision) -> (&'static str, Value) {
    // A struct of strings and numbers always has a JSON form.
    let json = serde_json::to_string(decision).unwrap_or_default();
    (metadata::NAMESPACE, object([(metadata::DECISION, text(&json))]))
}

pub(crate) fn set_header(name: &str, value: &str) -> HeaderValueOption {
    use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            raw_value: value.as_bytes().to_vec(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
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
