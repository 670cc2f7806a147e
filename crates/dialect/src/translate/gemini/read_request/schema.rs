//! Schemas as Google writes them.
//!
//! They are those of `OpenAPI` 3.0 with the names of types in capitals, and a few words of Google's own. Every other API takes JSON
//! schemas. Source: <https://ai.google.dev/api/caching#Schema>.

use crate::translate::gemini::snake_case;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Words that say nothing in a JSON schema.
const GOOGLES: [&str; 4] = ["propertyOrdering", "property_ordering", "nullable", "example"];

/// Words whose values in a JSON schema are numbers. Google's clients write them as strings, as all numbers of 64 bits.
const NUMBERS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];

/// The body with its schemas as JSON schemas. One that has none, or is no JSON, is as it was.
pub(in crate::translate) fn with_plain_schemas(body: &[u8]) -> Cow<'_, [u8]> {
    // Most requests have no schema, and then nothing is read.
    let has = |word: &[u8]| body.windows(word.len()).any(|window| window == word);
    if !has(b"\"parameters\"") && !has(b"\"responseSchema\"") && !has(b"\"response_schema\"") {
        return Cow::Borrowed(body);
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else { return Cow::Borrowed(body) };
    for tool in fields.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        for name in ["functionDeclarations", "function_declarations"] {
            for function in tool.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
                if let Some(schema) = function.get_mut("parameters") {
                    plain(schema);
                }
            }
        }
    }
    for config in ["generationConfig", "generation_config"] {
        for schema in ["responseSchema", "response_schema"] {
            if let Some(schema) = fields.get_mut(config).and_then(|config| config.get_mut(schema)) {
                plain(schema);
            }
        }
    }
    serde_json::to_vec(&fields).map_or(Cow::Borrowed(body), Cow::Owned)
}

/// Makes a schema a JSON schema. (How deep it may be the parser has bounded.)
fn plain(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    let nullable = fields.get("nullable") == Some(&Value::Bool(true));
    if let Some(Value::String(kind)) = fields.get_mut("type") {
        kind.make_ascii_lowercase();
    }
    if fields.get("type").and_then(Value::as_str) == Some("type_unspecified") {
        fields.shift_remove("type");
    }
    if let (true, Some(kind)) = (nullable, fields.get_mut("type")) {
        *kind = Value::Array(vec![kind.take(), "null".into()]);
    }
    if let (true, Some(Value::Array(values))) = (nullable, fields.get_mut("enum")) {
        values.push(Value::Null);
    }
    // Of an enumeration this is all that it says.
    if fields.get("format").and_then(Value::as_str) == Some("enum") {
        fields.shift_remove("format");
    }
    GOOGLES.iter().for_each(|word| drop(fields.shift_remove(*word)));
    for word in NUMBERS {
        for name in [word.to_owned(), snake_case(word)] {
            rename_number(fields, &name, word);
        }
    }
    if let Some(options) = fields.shift_remove("any_of") {
        fields.insert("anyOf".to_owned(), options);
    }
    for name in ["properties", "$defs", "defs"] {
        for (_, property) in fields.get_mut(name).and_then(Value::as_object_mut).into_iter().flatten() {
            plain(property);
        }
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(name) {
            plain(inner);
        }
    }
    for name in ["anyOf", "prefixItems"] {
        fields.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().for_each(plain);
    }
}

fn rename_number(fields: &mut Map<String, Value>, from: &str, to: &str) {
    let Some(value) = fields.shift_remove(from) else { return };
    let number = value.as_str().and_then(|text| text.parse::<u64>().ok());
    fields.insert(to.to_owned(), number.map_or(value, Value::from));
}
