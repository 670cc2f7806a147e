//! A text in its JSON form or in none.

use crate::translate::raw;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A text. One that came as a JSON string is written as it came.
#[derive(Clone, Debug)]
pub(in crate::translate) enum Text<'a> {
    /// A JSON string, with its quotes.
    Json(&'a RawValue),
    /// What the text says.
    Plain(Cow<'a, str>),
}

impl<'a> Text<'a> {
    /// The text, if the value is a string.
    pub(in crate::translate) fn read(value: &'a RawValue) -> Option<Self> {
        raw::is_string(value).then_some(Self::Json(value))
    }

    /// What the text says. What is no Unicode (a lone surrogate) is replaced.
    pub(in crate::translate) fn decode(&self) -> Cow<'_, str> {
        match self {
            Self::Json(value) => raw::string(value).unwrap_or(Cow::Borrowed("\u{fffd}")),
            Self::Plain(text) => Cow::Borrowed(text),
        }
    }

    /// Whether it has no character.
    pub(in crate::translate) fn is_empty(&self) -> bool {
        match self {
            Self::Json(value) => value.get() == "\"\"",
            Self::Plain(text) => text.is_empty(),
        }
    }

    /// How long it is as it came, in bytes.
    pub(in crate::translate) fn len(&self) -> usize {
        match self {
            Self::Json(value) => value.get().len(),
            Self::Plain(text) => text.len(),
        }
    }

    /// Whether it is white space alone, or nothing.
    pub(in crate::translate) fn is_blank(&self) -> bool {
        if let Self::Json(value) = self {
            // Most texts say something at their beginning, which saves to decode them.
            let mut bytes = value.get().trim_matches('"').bytes().skip_while(|byte| *byte == b' ');
            if bytes.next().is_some_and(|byte| byte.is_ascii_graphic() && byte != b'\\') {
                return false;
            }
        }
        self.decode().trim().is_empty()
    }

    /// Writes it as a JSON string.
    pub(in crate::translate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Json(value) => raw::write_raw(out, value),
            Self::Plain(text) => raw::write_string(out, text),
        }
    }

    /// Writes it as the inside of a JSON string, to be put together with others.
    pub(in crate::translate) fn write_inside(&self, out: &mut Vec<u8>) {
        match self {
            Self::Json(value) => {
                let inside = value.get().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                out.extend_from_slice(inside.unwrap_or_default().as_bytes());
            }
            Self::Plain(text) => {
                let mut json = Vec::with_capacity(text.len() + 2);
                raw::write_string(&mut json, text);
                let inside = json.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
                out.extend_from_slice(inside.unwrap_or_default());
            }
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::Plain(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self::Plain(Cow::Owned(text))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.decode() == other.decode()
    }
}
