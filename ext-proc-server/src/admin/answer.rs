//! What the admin API answers: JSON, CSV, and one shape of errors.

use crate::directory::refusal::{Reason, Refusal};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// The one shape of an error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorDetail,
}

/// What is wrong.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorDetail {
    /// A stable word for programs.
    code: &'static str,
    /// A sentence for people.
    message: String,
    /// The field or the parameter to blame, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// The status of each reason.
pub(super) fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::Malformed => StatusCode::BAD_REQUEST,
        Reason::Unauthenticated => StatusCode::UNAUTHORIZED,
        Reason::Forbidden => StatusCode::FORBIDDEN,
        Reason::NotFound => StatusCode::NOT_FOUND,
        Reason::Method => StatusCode::METHOD_NOT_ALLOWED,
        Reason::Conflict => StatusCode::CONFLICT,
        Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Reason::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Reason::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// An error.
pub(super) fn refuse(refusal: &Refusal) -> Response {
    let Refusal { reason, code, field, message } = refusal.clone();
    let body = ErrorBody { error: ErrorDetail { code, message, field } };
    let mut response = json(status(reason), &body);
    let headers = response.headers_mut();
    if reason == Reason::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weirgate\""));
    }
    if reason == Reason::Unavailable {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// JSON. What is answered may hold a key, so nobody is to keep it.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => (status, json_text(text)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A text that is JSON already.
pub(super) fn json_text(text: String) -> Response {
    typed("application/json", text)
}

/// Rows for a spreadsheet.
pub(super) fn csv(text: String) -> Response {
    typed("text/csv; charset=utf-8", text)
}

fn typed(content_type: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")], text).into_response()
}
