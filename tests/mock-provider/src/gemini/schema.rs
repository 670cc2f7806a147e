//! The checks of a schema: Gemini takes a part of OpenAPI's, not JSON Schema.

use serde_json::Value;

use super::{broken_rule, field, known, wrong_message, wrong_type};

const FIELDS: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
    "minimum",
    "maximum",
];

const TYPES: [&str; 7] = ["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

/// The first fault of a schema. A place has two names: the reader counts properties, the rules name them.
pub(super) fn check_schema(schema: &Value, place: &str, named: &str) -> Result<(), String> {
    known(schema, place, "Schema", &FIELDS)?;
    let kind = match field(schema, "type") {
        None => String::new(),
        Some(kind) => kind
            .as_str()
            .map(str::to_ascii_uppercase)
            .filter(|kind| TYPES.contains(&kind.as_str()))
            .ok_or_else(|| wrong_message(&format!("{place}.type"), "Type", kind))?,
    };
    let only_for = |name: &str, wanted: &str| match field(schema, name) {
        Some(_) if !kind.is_empty() && kind != wanted => {
            Err(broken_rule(&format!("{named}.{name}"), &format!("only allowed for {wanted} type")))
        }
        _ => Ok(()),
    };
    only_for("properties", "OBJECT")?;
    only_for("required", "OBJECT")?;
    only_for("enum", "STRING")?;
    only_for("items", "ARRAY")?;
    for name in ["enum", "required"] {
        for (index, value) in schema.get(name).and_then(Value::as_array).into_iter().flatten().enumerate() {
            if !value.is_string() {
                return Err(wrong_type(&format!("{place}.{name}[{index}]"), "TYPE_STRING", value));
            }
        }
    }
    let properties = field(schema, "properties").and_then(Value::as_object);
    for (index, (name, property)) in properties.into_iter().flatten().enumerate() {
        let place = format!("{place}.properties[{index}].value");
        check_schema(property, &place, &format!("{named}.properties[{name}]"))?;
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if !properties.is_some_and(|properties| properties.contains_key(name)) {
            return Err(broken_rule(&format!("{named}.required[{name}]"), "property is not defined"));
        }
    }
    match field(schema, "items") {
        Some(items) => check_schema(items, &format!("{place}.items"), &format!("{named}.items"))?,
        None if kind == "ARRAY" => return Err(broken_rule(&format!("{named}.items"), "missing field.")),
        None => {}
    }
    for (index, choice) in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten().enumerate() {
        check_schema(choice, &format!("{place}.any_of[{index}]"), &format!("{named}.any_of[{index}]"))?;
    }
    Ok(())
}
