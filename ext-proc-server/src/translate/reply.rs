//! translate's messages to Envoy.

use crate::decide::set_header;
use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::ProcessingMode;
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::processing_mode::{
    BodySendMode, HeaderSendMode,
};
use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyMutation, BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, ImmediateResponse,
    ProcessingResponse, TrailersResponse, body_mutation::Mutation, processing_response::Response,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use weirgate_dialect::Dialect;
use weirgate_dialect::error::ClientError;

/// Changes headers, of the request or of the answer.
pub(super) fn headers(request: bool, set: Vec<HeaderValueOption>, remove: &[&str]) -> ProcessingResponse {
    let remove_headers = remove.iter().map(|name| (*name).to_owned()).collect();
    let mutation = HeaderMutation { set_headers: set, remove_headers };
    let response = HeadersResponse {
        response: Some(CommonResponse { header_mutation: Some(mutation), ..CommonResponse::default() }),
    };
    respond(if request { Response::RequestHeaders(response) } else { Response::ResponseHeaders(response) })
}

/// Replaces a body, of the request or a chunk of the answer.
pub(super) fn body(request: bool, bytes: Vec<u8>) -> ProcessingResponse {
    let mutation = BodyMutation { mutation: Some(Mutation::Body(bytes)) };
    let response = BodyResponse {
        response: Some(CommonResponse { body_mutation: Some(mutation), ..CommonResponse::default() }),
    };
    respond(if request { Response::RequestBody(response) } else { Response::ResponseBody(response) })
}

/// Replaces the body of the request, and sets headers.
pub(super) fn body_with(bytes: Vec<u8>, set: Vec<HeaderValueOption>) -> ProcessingResponse {
    let response = CommonResponse {
        header_mutation: Some(HeaderMutation { set_headers: set, ..HeaderMutation::default() }),
        body_mutation: Some(BodyMutation { mutation: Some(Mutation::Body(bytes)) }),
        ..CommonResponse::default()
    };
    respond(Response::RequestBody(BodyResponse { response: Some(response) }))
}

/// Asks for the answer too.
pub(super) fn and_the_answer() -> ProcessingMode {
    ProcessingMode {
        request_body_mode: BodySendMode::Buffered.into(),
        response_header_mode: HeaderSendMode::Send.into(),
        response_body_mode: BodySendMode::Streamed.into(),
        response_trailer_mode: HeaderSendMode::Skip.into(),
        ..ProcessingMode::default()
    }
}

/// Lets a chunk of the answer pass as it is.
pub(super) fn unchanged_body() -> ProcessingResponse {
    respond(Response::ResponseBody(BodyResponse { response: None }))
}

/// Ends the request with an error. Envoy's router does not retry what a filter of an upstream chain answers, so this is the
/// answer even where another provider could take the request.
pub(super) fn refuse(dialect: Dialect, error: &ClientError) -> ProcessingResponse {
    let set = vec![set_header("content-type", "application/json")];
    respond(Response::ImmediateResponse(ImmediateResponse {
        status: Some(HttpStatus { code: i32::from(error.status()) }),
        headers: Some(HeaderMutation { set_headers: set, ..HeaderMutation::default() }),
        body: error.body(dialect).into_bytes(),
        details: error.code.to_owned(),
        ..ImmediateResponse::default()
    }))
}

pub(super) fn request_trailers() -> ProcessingResponse {
    respond(Response::RequestTrailers(TrailersResponse::default()))
}

pub(super) fn response_trailers() -> ProcessingResponse {
    respond(Response::ResponseTrailers(TrailersResponse::default()))
}

fn respond(response: Response) -> ProcessingResponse {
    ProcessingResponse { response: Some(response), ..ProcessingResponse::default() }
}
