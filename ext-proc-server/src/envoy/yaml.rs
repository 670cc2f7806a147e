//! JSON values as YAML text, for people to read.

use serde_json::Value;
use std::fmt::Write;

/// Writes a value as YAML in block style.
pub(super) fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0, false);
    out
}

/// Writes a value at an indentation. `inline`: the cursor stands behind `- `, so the first field needs no indentation.
fn write(out: &mut String, value: &Value, indent: usize, inline: bool) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (key, value)) in fields.iter().enumerate() {
                if index > 0 || !inline {
                    let _ = write!(out, "{:indent$}", "");
                }
                let _ = write!(out, "{}:", scalar(key));
                child(out, value, indent + 2);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let _ = write!(out, "{:indent$}- ", "");
                if is_block(item) {
                    write(out, item, indent + 2, true);
                } else {
                    let _ = writeln!(out, "{}", flow(item));
                }
            }
        }
        other => {
            let _ = writeln!(out, "{:indent$}{}", "", flow(other));
        }
    }
}

fn child(out: &mut String, value: &Value, indent: usize) {
    if is_block(value) {
        out.push('\n');
        // A list under a key stands at the key's own column.
        let indent = if value.is_array() { indent - 2 } else { indent };
        write(out, value, indent, false);
    } else {
        let _ = writeln!(out, " {}", flow(value));
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A string, quoted unless it can only be read as that string. JSON's quoting is valid YAML.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "_-./@*+=".contains(character))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back_the_same() {
        let value = json!({"a": [{"b": 1, "c": {"d": []}}, "x: y", ["z"]], "e": {}, "@type": "no", "f": "line\nbreak", "g": "5s"});
        let text = to_string(&value);
        assert!(text.starts_with("a:\n- b: 1\n  c:\n    d: []\n- \"x: y\"\n"), "{text}");
        assert!(text.contains("\"@type\": \"no\"") && text.contains("g: \"5s\""), "{text}");
        let node = crate::config::document::parse(&text);
        assert!(node.is_ok(), "{text}");
    }
}
