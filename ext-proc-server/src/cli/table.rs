//! Tables for people, of JSON for programs.

use serde_json::Value;

/// A table with a row for each item and a column for each of these fields. `a.b` is the field `b` of the field `a`.
pub(crate) fn table(items: &[Value], columns: &[&str]) -> String {
    let head = columns.iter().map(|column| column.rsplit('.').next().unwrap_or(column).to_uppercase());
    let mut rows: Vec<Vec<String>> = vec![head.collect()];
    rows.extend(items.iter().map(|item| columns.iter().map(|column| cell(item, column)).collect()));
    let widths: Vec<usize> = (0..columns.len())
        .map(|column| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn cell(item: &Value, column: &str) -> String {
    let value = item.pointer(&format!("/{}", column.replace('.', "/")));
    value.map(plain).unwrap_or_default()
}

/// A value as a person writes it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    }
}

/// Texts of others must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let items = [
            json!({"name": "a", "models": ["x", "y"], "of": {"team": "red"}}),
            json!({"name": "longer", "of": {}}),
        ];
        assert_eq!(
            table(&items, &["name", "models", "of.team"]),
            "NAME    MODELS  TEAM\na       x,y     red\nlonger\n"
        );
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(plain(&json!("\u{1b}[2Ja")), "?[2Ja");
    }
}
