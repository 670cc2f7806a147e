//! Failures of providers: what all dialects have in common in reading and in telling them.

use super::neutral::{Event, Text};
use super::raw::{self, Object};
use serde_json::value::RawValue;

/// The status of a failure that has none.
pub(super) const FAILED: u16 = 500;

/// As much of an error that is not JSON as a client is shown.
const MOST_TEXT: usize = 1000;

/// Reads the body of an answer whose status says that it is an error.
pub(super) fn read(body: &str, status: u16) -> Event<'_> {
    let body = body.trim();
    let value = serde_json::from_str::<&RawValue>(body).ok();
    // Gemini's servers put it into a list.
    let value = value.map(|value| raw::array(value).and_then(|list| list.first().copied()).unwrap_or(value));
    let Some(mut fields) = value.and_then(Object::open) else {
        return with_text(status, shown(body, status));
    };
    if let Some(error) = fields.get("error").and_then(Object::open).filter(|error| !error.is_empty()) {
        fields.remove(&["error", "type"]);
        return beside(of(Some(status), error), fields);
    }
    let text = |name: &str| fields.get(name).and_then(Text::read).filter(|text| !text.is_empty());
    // So older versions of vLLM have it.
    let is_bare = fields.get("object").or(fields.get("code")).is_some();
    if is_bare && text("message").is_some() {
        return of(Some(status), fields);
    }
    // Something on the way to the provider answers in a form of its own.
    let message = ["error", "message", "Message", "detail"].into_iter().find_map(text);
    with_text(status, message.unwrap_or_else(|| shown(body, status)))
}

/// A failure by the fields of its error, which name the status where HTTP's tells nothing.
pub(super) fn of(status: Option<u16>, error: Object<'_>) -> Event<'_> {
    let code = error.get("code").and_then(raw::number).filter(|code| (400.0..600.0).contains(code));
    let status = status.or(code.map(|code| code as u16)).unwrap_or(FAILED);
    Event::Failed { status, error, text: None, rest: Object::default() }
}

/// A failure by a text.
pub(super) fn with_text(status: u16, text: Text<'_>) -> Event<'_> {
    Event::Failed { status, error: Object::default(), text: Some(text), rest: Object::default() }
}

/// The same failure, with what stands beside its error.
pub(super) fn beside<'a>(failure: Event<'a>, rest: Object<'a>) -> Event<'a> {
    match failure {
        Event::Failed { status, error, text, .. } => Event::Failed { status, error, text, rest },
        other => other,
    }
}

/// What of a text is shown to a client.
pub(super) fn shown(text: &str, status: u16) -> Text<'static> {
    message(status, text.chars().take(MOST_TEXT).collect()).into()
}

/// The text for a client, or one that names the status where there is none.
pub(super) fn message(status: u16, text: String) -> String {
    if text.trim().is_empty() { format!("the provider answered with status {status}") } else { text }
}

/// A status that says that something failed.
pub(super) fn status(status: u16) -> u16 {
    if status < 400 { FAILED } else { status }
}
