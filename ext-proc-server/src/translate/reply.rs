//! translate's messages to Envoy.

use crate::decide::set_header;
use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyMutation, BodyResponse, CommonResponse, HeaderMutation, HeadersResponse, ImmediateResponse,
    ProcessingResponse, body_mutation::Mutation, processing_response::Response,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use weirgate_dialect::Dialect;
use weirgate_dialect::error::ClientError;

/// Sets one header of the request and removes another.
pub(super) fn headers(set: HeaderValueOption, remove: &str) -> ProcessingResponse {
    let mutation = HeaderMutation { set_headers: vec![set], remove_headers: vec![remove.to_owned()] };
    let response = CommonResponse { header_mutation: Some(mutation), ..CommonResponse::default() };
    respond(Response::RequestHeaders(HeadersResponse { response: Some(response) }))
}

/// Replaces the request's body and sets a header.
pub(super) fn body(bytes: Vec<u8>, set: HeaderValueOption) -> ProcessingResponse {
    let response = CommonResponse {
        header_mutation: Some(HeaderMutation { set_headers: vec![set], ..HeaderMutation::default() }),
        body_mutation: Some(BodyMutation { mutation: Some(Mutation::Body(bytes)) }),
        ..CommonResponse::default()
    };
    respond(Response::RequestBody(BodyResponse { response: Some(response) }))
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

fn respond(response: Response) -> ProcessingResponse {
    ProcessingResponse { response: Some(response), ..ProcessingResponse::default() }
}
