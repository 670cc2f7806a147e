//! Telling a failure in the envelope of OpenAI's APIs.

use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use crate::translate::failure;
use crate::translate::neutral::Text;
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// Writes the envelope around what the provider says of its failure.
pub(in crate::translate) fn write_failure(
    out: &mut Vec<u8>,
    status: u16,
    mut error: Object<'_>,
    text: Option<Text<'_>>,
    mut rest: Object<'_>,
) {
    let message = error.take("message").filter(|message| raw::is_string(message));
    let Some(message) = message else {
        let text = text.map(|text| text.decode().trim().to_owned()).unwrap_or_default();
        let kind = ErrorKind::from_status(status);
        let error = ClientError::new(kind, "provider_error", failure::message(status, text));
        return out.extend_from_slice(error.body(Dialect::OpenAi).as_bytes());
    };
    let own_type = error.take("type").or_else(|| error.take("status")).filter(|kind| raw::is_string(kind));
    out.extend_from_slice(br#"{"error":{"message":"#);
    raw::write_raw(out, message);
    out.extend_from_slice(br#","type":"#);
    match own_type {
        Some(kind) => raw::write_raw(out, kind),
        None => raw::write_string(out, "provider_error"),
    }
    for name in ["param", "code"] {
        out.push(b',');
        raw::write_string(out, name);
        out.push(b':');
        out.extend_from_slice(error.take(name).map_or("null", RawValue::get).as_bytes());
    }
    error.write_rest(out);
    out.push(b'}');
    rest.remove(&["error"]);
    rest.write_rest(out);
    out.push(b'}');
}
