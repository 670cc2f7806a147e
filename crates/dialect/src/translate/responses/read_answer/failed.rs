//! Failures that come with a good status.

use crate::translate::failure::{self, FAILED};
use crate::translate::neutral::{Event, Text};
use crate::translate::raw::{self, Object};

/// Reads an event, or an answer, that says that something failed.
pub(super) fn read(mut fields: Object<'_>) -> Event<'_> {
    let error = match fields.take("error") {
        Some(error) => match (Object::open(error), Text::read(error)) {
            (Some(error), _) => error,
            (None, Some(text)) => return failure::with_text(FAILED, text),
            (None, None) => Object::default(),
        },
        // An event of a failure is the error itself.
        None => {
            fields.remove(&["type", "sequence_number"]);
            if fields.get("message").is_none() {
                return failure::with_text(FAILED, failure::shown("", FAILED));
            }
            fields
        }
    };
    failure::of(Some(status(&error)), error)
}

/// The status that HTTP would have had.
fn status(error: &Object<'_>) -> u16 {
    let word = |name: &str| error.get(name).and_then(raw::string).unwrap_or_default();
    match word("code").as_ref() {
        "rate_limit_exceeded" | "insufficient_quota" => return 429,
        "invalid_prompt" | "context_length_exceeded" => return 400,
        "server_error" | "vector_store_timeout" => return FAILED,
        code if code.contains("image") => return 400,
        _ => {}
    }
    let number = error.get("code").and_then(raw::number).filter(|code| (400.0..600.0).contains(code));
    if let Some(number) = number {
        return number as u16;
    }
    match word("type").as_ref() {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "permission_error" => 403,
        "not_found_error" => 404,
        "rate_limit_error" | "insufficient_quota" | "tokens" | "requests" => 429,
        _ => FAILED,
    }
}
