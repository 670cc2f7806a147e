//! Plausible JSON for a JSON schema.

use serde_json::{Map, Value, json};

/// Schemas nested deeper than this are answered with `null`; a schema may refer to itself.
const DEPTH: usize = 8;

/// A value that a model might give for `schema`; `name` is the field it is for.
pub(crate) fn sample(schema: &Value, name: &str) -> Value {
    Sampler { root: schema }.value(schema, name, DEPTH)
}

struct Sampler<'a> {
    /// What references start from.
    root: &'a Value,
}

impl Sampler<'_> {
    fn value(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let Some(depth) = depth.checked_sub(1) else { return Value::Null };
        if let Some(fixed) = schema.get("const").or_else(|| schema.get("enum")?.get(0)) {
            return fixed.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(|reference| self.resolve(reference)) {
            return self.value(target, name, depth);
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            if let Some(first) = schema.get(choice).and_then(|choices| choices.get(0)) {
                return self.value(first, name, depth);
            }
        }
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().find_map(Value::as_str),
            Some(kind) => kind.as_str(),
            None => schema.get("properties").map(|_| "object"),
        };
        // Gemini's schemas may write types in capitals.
        match kind.map(str::to_ascii_lowercase).as_deref() {
            Some("object") => self.object(schema, depth),
            Some("array") => match schema.get("items") {
                Some(items) => json!([self.value(items, name, depth)]),
                None => json!([]),
            },
            Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(1)),
            Some("number") => schema.get("minimum").cloned().unwrap_or(json!(1.5)),
            Some("boolean") => json!(true),
            Some("null") => Value::Null,
            _ => json!(word_for(name)),
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return json!({});
        };
        let fields: Map<String, Value> = properties
            .iter()
            .map(|(name, property)| (name.clone(), self.value(property, name, depth)))
            .collect();
        Value::Object(fields)
    }

    fn resolve(&self, reference: &Value) -> Option<&Value> {
        self.root.pointer(reference.as_str()?.strip_prefix('#')?)
    }
}

fn word_for(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let known: [(&str, &str); 6] = [
        ("city", "Paris"),
        ("location", "Paris"),
        ("country", "France"),
        ("date", "2026-01-15"),
        ("unit", "celsius"),
        ("url", "https://example.com/"),
    ];
    known.iter().find(|(part, _)| name.contains(part)).map_or("example", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_get_values_of_their_type() {
        let schema = json!({
            "type": "object",
            "$defs": {"day": {"type": "string", "enum": ["today", "tomorrow"]}},
            "properties": {
                "location": {"type": "string"},
                "unit": {"enum": ["fahrenheit", "celsius"]},
                "days": {"type": "array", "items": {"$ref": "#/$defs/day"}},
                "count": {"type": ["integer", "null"], "minimum": 3},
            }
        });
        assert_eq!(
            sample(&schema, ""),
            json!({"location": "Paris", "unit": "fahrenheit", "days": ["today"], "count": 3})
        );
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let schema = json!({"properties": {"child": {"$ref": "#"}}});
        assert!(sample(&schema, "").to_string().len() < 200);
    }
}
