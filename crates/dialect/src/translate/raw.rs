//! JSON that is taken apart only as deep as a translation needs.
//!
//! A prompt may be megabytes, and most of it arrives at the provider as it came. So objects and arrays are opened
//! one level at a time and what is inside stays text. Besides the speed this is exact: a number, an escape or an
//! unknown field is copied byte by byte, never read and written again.

use super::{Error, Kind};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// A string that borrows from the input where it has no escapes.
#[derive(serde::Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// A name and a value that is text still.
pub(crate) type Field<'a> = (Cow<'a, str>, &'a RawValue);

/// An object whose values are text still.
#[derive(Debug, Default)]
pub(crate) struct Object<'a> {
    fields: Vec<Field<'a>>,
}

impl<'a> Object<'a> {
    /// Opens a value, if it is an object.
    pub(crate) fn open(value: &'a RawValue) -> Option<Self> {
        if !value.get().starts_with('{') {
            return None;
        }
        serde_json::from_str(value.get()).ok()
    }

    /// An object of these fields.
    pub(crate) fn from_fields(fields: Vec<Field<'a>>) -> Self {
        let mut object = Self { fields };
        object.drop_repeated();
        object
    }

    /// Removes a field with its name.
    pub(crate) fn take_entry(&mut self, name: &str) -> Option<Field<'a>> {
        let at = self.fields.iter().position(|(key, _)| key == name)?;
        Some(self.fields.remove(at))
    }

    /// Removes a field. One that is `null` is removed too, and counts as missing: so the vendors have it.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.take_entry(name)?;
        Some(value).filter(|value| value.get() != "null")
    }

    /// The field, if it is there and not `null`.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.fields.iter().find(|(key, _)| key == name)?;
        Some(*value).filter(|value| value.get() != "null")
    }

    /// Removes fields that the writer writes itself. The input may have them too, in a place where they mean
    /// nothing, and of two fields of one name most parsers take the last.
    pub(crate) fn remove(&mut self, names: &[&str]) {
        self.fields.retain(|(name, _)| !names.contains(&name.as_ref()));
    }

    /// The fields that are left.
    pub(crate) fn into_fields(self) -> Vec<Field<'a>> {
        self.fields
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Writes the fields that are left and not `null`, each as `,"name":value`.
    pub(crate) fn write_rest(&self, out: &mut Vec<u8>) {
        for (name, value) in self.fields.iter().filter(|(_, value)| value.get() != "null") {
            out.push(b',');
            write_string(out, name);
            out.push(b':');
            write_raw(out, value);
        }
    }

    /// Of fields of the same name the last one counts, as in most parsers.
    fn drop_repeated(&mut self) {
        if !self.may_repeat() {
            return;
        }
        let mut last = HashMap::with_capacity(self.fields.len());
        for (at, (name, _)) in self.fields.iter().enumerate() {
            last.insert(name.clone(), at);
        }
        if last.len() < self.fields.len() {
            let mut at = 0;
            self.fields.retain(|(name, _)| {
                at += 1;
                last.get(name) == Some(&(at - 1))
            });
        }
    }

    fn may_repeat(&self) -> bool {
        const COMPARE_EACH: usize = 16;
        if self.fields.len() > COMPARE_EACH {
            return true;
        }
        let mut rest = self.fields.as_slice();
        while let Some(((name, _), tail)) = rest.split_first() {
            if tail.iter().any(|(other, _)| other == name) {
                return true;
            }
            rest = tail;
        }
        false
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object::default();
                while let Some((Text(name), value)) = map.next_entry()? {
                    object.fields.push((name, value));
                }
                object.drop_repeated();
                Ok(object)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// Opens an array, if the value is one.
pub(crate) fn array(value: &RawValue) -> Option<Vec<&RawValue>> {
    if !value.get().starts_with('[') {
        return None;
    }
    serde_json::from_str(value.get()).ok()
}

/// Whether the value is a string.
pub(crate) fn is_string(value: &RawValue) -> bool {
    value.get().starts_with('"')
}

/// The string, if the value is one and is Unicode (a lone surrogate is not).
pub(crate) fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    if !is_string(value) {
        return None;
    }
    serde_json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0)
}

/// The number, if the value is one.
pub(crate) fn number(value: &RawValue) -> Option<f64> {
    serde_json::from_str(value.get()).ok()
}

/// Writes a value as it came.
pub(crate) fn write_raw(out: &mut Vec<u8>, value: &RawValue) {
    out.extend_from_slice(value.get().as_bytes());
}

/// Writes a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing to a vector cannot fail, nor can a string be no JSON.
    let _ = serde_json::to_writer(out, text);
}

/// Writes `"name":"text"`.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &str, text: &str) {
    write_string(out, name);
    out.push(b':');
    write_string(out, text);
}

/// Writes what stands between brackets, with commas.
pub(crate) fn write_list<T>(out: &mut Vec<u8>, list: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (number, item) in list.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Opens a request's body.
///
/// # Errors
/// It is no JSON, or no object.
pub(crate) fn open_body(body: &[u8]) -> Result<Object<'_>, Error> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let (before, _) = body.split_at_checked(error.valid_up_to()).unwrap_or((body, &[]));
        let last_line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        Kind::InvalidJson {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: last_line.len() + 1,
            reason: "it is not UTF-8".to_owned(),
        }
    })?;
    serde_json::from_str(text).map_err(|error| {
        if error.is_data() {
            return Error::invalid("", "an object is expected");
        }
        let (line, column) = (error.line(), error.column());
        let reason = error.to_string();
        let place = format!(" at line {line} column {column}");
        let reason = reason.strip_suffix(&place).unwrap_or(&reason).to_owned();
        Kind::InvalidJson { line, column, reason }.into()
    })
}

/// Takes a boolean.
///
/// # Errors
/// The field is something else.
pub(crate) fn flag(fields: &mut Object<'_>, name: &str) -> Result<Option<bool>, Error> {
    match fields.take(name).map(RawValue::get) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Error::invalid(name, "a boolean is expected")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(json: &str, taken: &[&str]) -> String {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let mut object = Object::open(raw).unwrap();
        for name in taken {
            object.take(name);
        }
        let mut out = Vec::new();
        object.write_rest(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_not_taken_is_copied_byte_by_byte() {
        let json = r#"{"a": 1, "b":1.50e3, "c" : "\u00e9\/", "d":[ 12345678901234567890123 ], "e\n":false, "f":null}"#;
        assert_eq!(
            rest(json, &["a"]),
            r#","b":1.50e3,"c":"\u00e9\/","d":[ 12345678901234567890123 ],"e\n":false"#
        );
    }

    #[test]
    fn of_repeated_fields_the_last_counts() {
        assert_eq!(rest(r#"{"a":1,"b":2,"a":3}"#, &[]), r#","b":2,"a":3"#);
        assert_eq!(rest(r#"{"a":1,"b":2,"\u0061":3}"#, &["a"]), r#","b":2"#);
        let many: String = (0..50).map(|n| format!(r#""{}":{n},"#, n % 40)).collect();
        assert_eq!(rest(&format!("{{{many}\"z\":0}}"), &[]).matches(':').count(), 41);
    }

    #[test]
    fn null_is_missing() {
        let raw: &RawValue = serde_json::from_str(r#"{"a":null}"#).unwrap();
        let mut object = Object::open(raw).unwrap();
        assert!(object.get("a").is_none() && object.take("a").is_none() && object.is_empty());
    }
}
