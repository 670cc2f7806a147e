//! Tables of prices: one JSON object a model.

use super::entry::{Entry, Given};
use super::import;
use crate::config::document::unknown;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A table of prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// When the prices were looked up, as `2026-01-31`; empty: not known.
    pub date: String,
    /// Where they are from.
    pub sources: Vec<String>,
    /// What each model costs, by its provider's name.
    pub models: BTreeMap<String, Entry>,
}

/// A model of a table.
#[derive(Serialize, Deserialize)]
struct Line {
    model: String,
    #[serde(flatten)]
    entry: Entry,
}

const UNIT: &str = "US dollars a million tokens; request: US dollars a call";

impl Table {
    /// Reads a table in our form or LiteLLM's map, whichever it is.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Shape<'a> {
            #[serde(borrow)]
            models: Option<&'a RawValue>,
            #[serde(default)]
            date: String,
            #[serde(default)]
            sources: Vec<String>,
        }
        let ours = serde_json::from_str::<Shape<'_>>(text).map_err(|error| error.to_string())?;
        let Some(lines) = ours.models.filter(|models| models.get().starts_with('[')) else {
            return import::litellm(text);
        };
        let lines: Vec<&RawValue> = serde_json::from_str(lines.get()).map_err(|error| error.to_string())?;
        let mut models = BTreeMap::new();
        for (number, line) in lines.into_iter().enumerate() {
            let name = |error| format!("models[{number}]: {error}");
            let Line { model, entry } = read_line(line.get()).map_err(name)?;
            if models.contains_key(&model) {
                return Err(format!("models[{number}]: \"{model}\" stands there twice"));
            }
            models.insert(model, entry);
        }
        Ok(Self { date: ours.date, sources: ours.sources, models })
    }

    /// The table as JSON, a line a model.
    pub fn json(&self) -> String {
        let lines = self.models.iter();
        let lines = lines.map(|(model, entry)| json(&Line { model: model.clone(), entry: entry.clone() }));
        format!(
            "{{\n  \"unit\": {},\n  \"date\": {},\n  \"sources\": [{}\n  ],\n  \"models\": [{}\n  ]\n}}\n",
            json(&UNIT),
            json(&self.date),
            list(self.sources.iter().map(json)),
            list(lines),
        )
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.map(|item| format!("\n    {item}")).collect::<Vec<_>>().join(",")
}

/// Reads a model. Serde's flattened structs let unknown fields pass, and a misspelt price would be none.
fn read_line(json: &str) -> Result<Line, String> {
    const LINE: [&str; 6] =
        ["model", "batch_percent", "request", "max_output_tokens", "tiers", "long_context"];
    const LONG: [&str; 2] = ["above", "tiers"];
    let value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    known_fields(&value, &LINE)?;
    for long in value.get("long_context").and_then(Value::as_array).into_iter().flatten() {
        known_fields(long, &LONG)?;
    }
    let line: Line = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if line.entry.rates.input.is_none() || line.entry.rates.output.is_none() {
        return Err(format!("the price of \"{}\" needs input and output", line.model));
    }
    Ok(line)
}

fn known_fields(value: &Value, others: &[&str]) -> Result<(), String> {
    let mut given = Given::default();
    let rates = given.named().map(|(name, _)| name);
    let known = |field: &&String| rates.contains(&field.as_str()) || others.contains(&field.as_str());
    match value.as_object().and_then(|fields| fields.keys().find(|field| !known(field))) {
        Some(field) => Err(unknown("field", field, rates.iter().chain(others).copied())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{"date": "2026-01-31", "sources": ["https://example.com/pricing"], "models": [
        {"model": "small", "input": "0.10", "output": "0.40", "batch_percent": 40},
        {"model": "rerank", "input": "0", "output": "0", "request": "0.002"}]}"#;

    #[test]
    fn a_table_is_written_as_it_is_read() {
        let table = Table::read(TABLE).unwrap();
        assert_eq!(table.models["rerank"].price().request, 2_000);
        assert_eq!(Table::read(&table.json()).unwrap(), table);
        assert!(table.json().contains(
            "\n    {\"model\":\"small\",\"input\":\"0.1\",\"output\":\"0.4\",\"batch_percent\":40}\n"
        ));
    }

    #[test]
    fn what_is_wrong_with_a_table_is_named() {
        for (right, wrong, says) in [
            (r#""input": "0.10""#, r#""inptu": "0.10""#, "did you mean \"input\"?"),
            (r#""input": "0.10""#, r#""input": 0.10"#, "models[0]"),
            (r#""input": "0.10", "#, "", "needs input and output"),
            ("rerank", "small", "stands there twice"),
            (r#""batch_percent": 40"#, r#""long_context": [{"over": 1}]"#, "unknown field \"over\""),
            (r#""batch_percent": 40"#, r#""tiers": {"flex": {"inputs": "1"}}"#, "inputs"),
            ("]}", "", "EOF"),
        ] {
            let error = Table::read(&TABLE.replacen(right, wrong, 1)).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
    }

    const BUILT_IN: &str = include_str!("prices.json");

    #[test]
    fn the_built_in_table_is_readable_and_written_as_we_write_it() {
        let table = Table::read(BUILT_IN).unwrap();
        assert!(table.models.len() > 200);
        assert!(!table.date.is_empty() && !table.sources.is_empty());
        assert_eq!(table.json(), BUILT_IN);
        for (model, entry) in &table.models {
            let rates = entry.price().base.standard;
            let priced = rates.input > 0 || entry.request.is_some();
            // Nobody charges more for what is read from a cache than for what is not.
            assert!(priced && rates.cache_read <= rates.input, "{model}");
        }
    }

    #[test]
    fn no_price_of_the_built_in_table_is_a_floating_point_number() {
        fn walk(value: &Value) {
            match value {
                Value::Number(number) => assert!(number.is_u64(), "{number}"),
                Value::Array(items) => items.iter().for_each(walk),
                Value::Object(fields) => fields.values().for_each(walk),
                Value::Null | Value::Bool(_) | Value::String(_) => {}
            }
        }
        walk(&serde_json::from_str(BUILT_IN).unwrap());
    }

    /// Looked up by hand. A refreshed table that says otherwise is right or wrong: somebody has to see.
    #[test]
    fn known_prices_are_in_the_built_in_table() {
        let table = Table::read(BUILT_IN).unwrap();
        for (model, expected) in [
            // input, cache_read, cache_write, cache_write_1h, output
            ("gpt-4o", [2_500_000, 1_250_000, 2_500_000, 2_500_000, 10_000_000]),
            ("gpt-4o-mini", [150_000, 75_000, 150_000, 150_000, 600_000]),
            ("gpt-4.1", [2_000_000, 500_000, 2_000_000, 2_000_000, 8_000_000]),
            ("gpt-4.1-mini", [400_000, 100_000, 400_000, 400_000, 1_600_000]),
            ("gpt-4.1-nano", [100_000, 25_000, 100_000, 100_000, 400_000]),
            ("gpt-5", [1_250_000, 125_000, 1_250_000, 1_250_000, 10_000_000]),
            ("gpt-5-mini", [250_000, 25_000, 250_000, 250_000, 2_000_000]),
            ("gpt-5-nano", [50_000, 5_000, 50_000, 50_000, 400_000]),
            ("o3", [2_000_000, 500_000, 2_000_000, 2_000_000, 8_000_000]),
            ("o4-mini", [1_100_000, 275_000, 1_100_000, 1_100_000, 4_400_000]),
            ("gpt-4-turbo", [10_000_000, 10_000_000, 10_000_000, 10_000_000, 30_000_000]),
            ("gpt-4", [30_000_000, 30_000_000, 30_000_000, 30_000_000, 60_000_000]),
            ("gpt-3.5-turbo", [500_000, 500_000, 500_000, 500_000, 1_500_000]),
            ("text-embedding-3-small", [20_000, 20_000, 20_000, 20_000, 0]),
            ("text-embedding-3-large", [130_000, 130_000, 130_000, 130_000, 0]),
            ("claude-opus-4-1", [15_000_000, 1_500_000, 18_750_000, 30_000_000, 75_000_000]),
            ("claude-opus-4-5", [5_000_000, 500_000, 6_250_000, 10_000_000, 25_000_000]),
            ("claude-sonnet-4", [3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000]),
            ("claude-sonnet-4-5", [3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000]),
            ("claude-sonnet-4-6", [3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000]),
            ("claude-haiku-4-5", [1_000_000, 100_000, 1_250_000, 2_000_000, 5_000_000]),
            ("claude-3-5-haiku", [800_000, 80_000, 1_000_000, 1_600_000, 4_000_000]),
            ("gemini-2.5-pro", [1_250_000, 125_000, 1_250_000, 1_250_000, 10_000_000]),
            ("gemini-2.5-flash", [300_000, 30_000, 300_000, 300_000, 2_500_000]),
        ] {
            let rates = table.models[model].price().base.standard;
            let found =
                [rates.input, rates.cache_read, rates.cache_write, rates.cache_write_1h, rates.output];
            assert_eq!(found, expected, "{model}");
        }
        let price = |model: &str| table.models[model].price();
        assert_eq!(price("gpt-realtime").base.standard.audio_output, 64_000_000);
        assert_eq!(price("gpt-image-1").base.standard.image_output, 40_000_000);
        assert_eq!(price("gpt-5").base.tiers["priority"].output, 20_000_000);
        assert_eq!(price("gemini-2.5-pro").long[0].above, 200_000);
        assert_eq!(price("gemini-2.5-pro").long[0].standard.cache_read, 250_000);
        assert_eq!(price("rerank-v3.5").request, 2_000);
        assert_eq!(price("claude-sonnet-4-5").max_output_tokens, Some(64_000));
    }
}
