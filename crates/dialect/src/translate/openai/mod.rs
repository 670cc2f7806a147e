//! What OpenAI's two APIs, chat completions and responses, have in common.

mod failure;
mod files;
mod model;

pub(super) use failure::write_failure;
pub(super) use files::{OWN_FILE, document_name, is_web_url, source, write_url};
pub(super) use model::{Wish, effort, thinks};

use super::raw;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What a schema is called that its client gave no name.
pub(super) const SCHEMA_NAME: &str = "answer";

/// The JSON object that a call's arguments hold. A call without arguments has an empty one.
pub(super) fn arguments(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let Some(value) = value else { return Some(Cow::Borrowed("{}")) };
    if value.get().starts_with('{') {
        // Not OpenAI's form, but clients send it, and there is one way to read it.
        return Some(Cow::Borrowed(value.get()));
    }
    let text = raw::string(value)?;
    let object = text.trim();
    if object.is_empty() {
        return Some(Cow::Borrowed("{}"));
    }
    let is_object = object.starts_with('{') && serde_json::from_str::<&RawValue>(object).is_ok();
    is_object.then(|| Cow::Owned(object.to_owned()))
}
