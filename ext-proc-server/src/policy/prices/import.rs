//! LiteLLM's map of prices, `model_prices_and_context_window.json`.
//!
//! Its prices are JSON numbers of dollars a token, such as `2.5e-06`. They are read from their text: a micro-dollar a million
//! tokens is the twelfth decimal, and what stands behind it comes from the floating point of those who wrote the map
//! (`1.3200000000000002e-07`) and is rounded off.
//!
//! Source: <https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json>.

use super::entry::{Dollars, Entry, Given, Long};
use super::table::Table;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Where the map is published.
pub const SOURCE: &str = "https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json";

/// The map's entry that explains the others.
const SAMPLE: &str = "sample_spec";

/// Vendors of models of their own. Where several providers offer a model under one name, its vendor's price goes first.
const VENDORS: [&str; 9] =
    ["gemini", "mistral", "codestral", "deepseek", "xai", "cohere", "moonshot", "zai", "minimax"];

/// Service tiers: the end of the map's names of prices, and our name of the tier.
const TIERS: [(&str, &str); 4] =
    [("_batches", "batch"), ("_flex", "flex"), ("_priority", "priority"), ("_ultrafast", "ultrafast")];

/// The map's names of rates, in the order of [`Given::named`].
const RATES: [&str; 10] = [
    "input_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "cache_creation_input_token_cost_above_1hr",
    "input_cost_per_audio_token",
    "input_cost_per_image_token",
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
    "output_cost_per_audio_token",
    "output_cost_per_image_token",
];

/// Prices of calls.
const CALLS: [&str; 2] = ["input_cost_per_request", "input_cost_per_query"];

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Reads the map. Models are called as their providers call them: `gemini/gemini-2.5-pro` is `gemini-2.5-pro`. Of several
/// providers that offer a model under one name, the one that the map names without prefix goes first, then the model's
/// vendor, then the dearest. Models without a price by token or by call, and those whose prices are all zero, are left out.
///
/// # Errors
/// The text is no JSON object of objects, or holds no price.
pub fn litellm(text: &str) -> Result<Table, String> {
    let mut found: BTreeMap<String, (u8, u128, Entry)> = BTreeMap::new();
    for (key, fields) in map(text)? {
        let Some(entry) = entry(&fields) else { continue };
        let (prefix, name) = split(&key, &fields);
        let place = match prefix {
            None => 2,
            Some(prefix) if VENDORS.contains(&prefix) => 1,
            Some(_) => 0,
        };
        let price = entry.price().base.standard;
        let dear = u128::from(price.input) + u128::from(price.output);
        let better = found.get(name).is_none_or(|(other, cost, _)| (place, dear) > (*other, *cost));
        if better {
            found.insert(name.to_owned(), (place, dear, entry));
        }
    }
    if found.is_empty() {
        return Err("neither a table with models nor LiteLLM's map: no price is in it".to_owned());
    }
    let models = found.into_iter().map(|(name, (_, _, entry))| (name, entry)).collect();
    Ok(Table { sources: vec![SOURCE.to_owned()], models, ..Table::default() })
}

/// Reads only the models of a list: one a line by the map's name, and with `= NAME` behind it under that name. Empty lines
/// and what follows `#` are left out. The sources that the map names for them become the table's.
///
/// # Errors
/// The text is no JSON object of objects, or names of the list that have no price in it.
pub fn chosen(text: &str, list: &str) -> Result<Table, String> {
    let map = map(text)?;
    let mut table = Table { sources: vec![SOURCE.to_owned()], ..Table::default() };
    let mut sources = BTreeSet::new();
    let mut missing = Vec::new();
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    for line in lines.filter(|line| !line.is_empty()) {
        let (key, name) = match line.split_once('=') {
            Some((key, name)) => (key.trim(), Some(name.trim())),
            None => (line, None),
        };
        let Some((fields, entry)) = map.get(key).and_then(|fields| Some((fields, entry(fields)?))) else {
            missing.push(key);
            continue;
        };
        let name = name.unwrap_or_else(|| split(key, fields).1);
        if let Some(source) = text_of(fields, "source") {
            sources.insert(source);
        }
        table.models.insert(name.to_owned(), entry);
    }
    if !missing.is_empty() {
        return Err(format!("no price in the map: {}", missing.join(", ")));
    }
    table.sources.extend(sources);
    Ok(table)
}

fn map(text: &str) -> Result<BTreeMap<String, Fields<'_>>, String> {
    let entries: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let models = entries.into_iter().filter(|(key, raw)| key != SAMPLE && raw.get().starts_with('{'));
    models
        .map(|(key, raw)| match serde_json::from_str(raw.get()) {
            Ok(fields) => Ok((key, fields)),
            Err(error) => Err(format!("{key}: {error}")),
        })
        .collect()
}

/// A name of the map as its provider's prefix, if it has one, and the provider's own name.
fn split<'k>(key: &'k str, fields: &Fields<'_>) -> (Option<&'k str>, &'k str) {
    let provider = text_of(fields, "litellm_provider").unwrap_or_default();
    match key.split_once('/') {
        Some((prefix, name)) if provider.starts_with(prefix) => (Some(prefix), name),
        _ => (None, key),
    }
}

fn text_of(fields: &Fields<'_>, name: &str) -> Option<String> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// The price of one model; none if it is not priced by token or by call.
fn entry(fields: &Fields<'_>) -> Option<Entry> {
    let amount = |name: &str, decimals: i32| decimal(fields.get(name)?.get(), decimals).map(Dollars);
    let given = |above: &str, tier: &str| {
        let mut given = Given::default();
        for ((_, rate), name) in given.named().into_iter().zip(RATES) {
            *rate = amount(&format!("{name}{above}{tier}"), 12);
        }
        given
    };
    let tiers = |above: &str| -> BTreeMap<String, Given> {
        let named = TIERS.iter().map(|(end, tier)| ((*tier).to_owned(), given(above, end)));
        named.filter(|(_, given)| !given.is_empty()).collect()
    };
    let mut rates = given("", "");
    let calls: Vec<u64> =
        CALLS.iter().filter_map(|name| amount(name, 6)).map(|Dollars(micros)| micros).collect();
    let request = calls.iter().copied().max().filter(|micros| *micros > 0).map(Dollars);
    // A zero stands for a free model, for a price that nobody has entered, and for one by the picture or the second. To
    // take it for free would leave budgets open.
    let zero = rates.named().iter().all(|(_, rate)| rate.is_none_or(|Dollars(micros)| micros == 0));
    if zero && request.is_none() {
        return None;
    }
    rates.input = rates.input.or(Some(Dollars(0)));
    // A model that makes only pictures or sound has no price for text.
    rates.output = rates.output.or(rates.image_output).or(rates.audio_output).or(Some(Dollars(0)));
    let above: BTreeSet<u64> = fields.keys().filter_map(|name| threshold(name)).collect();
    let long = above.into_iter().filter_map(|thousands| {
        let above = format!("_above_{thousands}k_tokens");
        let long = Long { above: thousands * 1000, rates: given(&above, ""), tiers: tiers(&above) };
        (!long.rates.is_empty() || !long.tiers.is_empty()).then_some(long)
    });
    let mut entry = Entry {
        rates,
        request,
        max_output_tokens: fields.get("max_output_tokens").and_then(|raw| decimal(raw.get(), 0)),
        tiers: tiers(""),
        long_context: long.collect(),
        ..Entry::default()
    };
    entry.long_context.extend(ranges(fields));
    entry.shorten();
    Some(entry)
}

/// The number of thousands in a name such as `input_cost_per_token_above_200k_tokens`.
fn threshold(name: &str) -> Option<u64> {
    let (_, rest) = name.rsplit_once("_above_")?;
    rest.split_once("k_tokens")?.0.parse().ok()
}

/// The other way in which the map writes prices of long requests: a list of ranges. The first is the base.
fn ranges(fields: &Fields<'_>) -> Vec<Long> {
    let list = fields.get("tiered_pricing").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let list: Vec<Fields<'_>> = list.unwrap_or_default();
    let range = |fields: &Fields<'_>| {
        let range: Vec<&RawValue> = serde_json::from_str(fields.get("range")?.get()).ok()?;
        let above = decimal(range.first()?.get(), 0).filter(|above| *above > 0)?;
        let mut rates = Given::default();
        for ((_, rate), name) in rates.named().into_iter().zip(RATES) {
            *rate = fields.get(name).and_then(|raw| decimal(raw.get(), 12)).map(Dollars);
        }
        Some(Long { above, rates, tiers: BTreeMap::new() })
    };
    list.iter().filter_map(range).collect()
}

/// A JSON number times ten to the power of `decimals`, rounded to the nearest whole number. Its text is read: a number that
/// went through floating point would not be the one that was written.
fn decimal(text: &str, decimals: i32) -> Option<u64> {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: u128 = digits.parse().ok()?;
    let exponent: i32 = exponent.parse().ok()?;
    let power = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(decimals)?;
    let scale = 10u128.checked_pow(power.unsigned_abs());
    let value = match scale {
        Some(scale) if power >= 0 => digits.checked_mul(scale)?,
        Some(scale) => digits.checked_add(scale / 2)? / scale,
        None if power < 0 || digits == 0 => 0,
        None => return None,
    };
    u64::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = r#"{
        "sample_spec": {"input_cost_per_token": 0.0, "max_output_tokens": "a text"},
        "gpt-x": {"litellm_provider": "openai", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05,
            "cache_read_input_token_cost": 1.25e-06, "input_cost_per_token_batches": 1.25e-06,
            "output_cost_per_token_batches": 5e-06, "input_cost_per_token_priority": 4.25e-06,
            "output_cost_per_token_priority": 1.7e-05, "max_output_tokens": 16384, "source": "https://example.com"},
        "gemini/long": {"litellm_provider": "gemini", "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05,
            "input_cost_per_token_above_200k_tokens": 2.5e-06, "output_cost_per_token_above_200k_tokens": 1.5e-05,
            "input_cost_per_token_above_200k_tokens_priority": 4.5e-06, "input_cost_per_audio_token": 1e-06},
        "vertex_ai/long": {"litellm_provider": "vertex_ai-language-models", "input_cost_per_token": 9e-06, "output_cost_per_token": 9e-05},
        "claude-x": {"litellm_provider": "anthropic", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05,
            "cache_creation_input_token_cost": 3.75e-06, "cache_creation_input_token_cost_above_1hr": 6e-06},
        "one/small": {"litellm_provider": "one", "input_cost_per_token": 1.3200000000000002e-07, "output_cost_per_token": 0},
        "two/small": {"litellm_provider": "two", "input_cost_per_token": 1e-07, "output_cost_per_token": 0},
        "qwen": {"litellm_provider": "dashscope", "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07, "tiered_pricing": [
            {"range": [0, 256000.0], "input_cost_per_token": 5e-08, "output_cost_per_token": 4e-07},
            {"range": [256000.0, 1e6], "input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06}]},
        "rerank": {"litellm_provider": "cohere", "input_cost_per_token": 0.0, "input_cost_per_query": 0.002},
        "painter": {"litellm_provider": "openai", "output_cost_per_image": 0.04, "input_cost_per_token": 0},
        "listener": {"litellm_provider": "openai", "input_cost_per_second": 0.0001}}"#;

    #[test]
    fn the_map_becomes_a_table() {
        let table = litellm(MAP).unwrap();
        let names: Vec<&str> = table.models.keys().map(String::as_str).collect();
        assert_eq!(names, ["claude-x", "gpt-x", "long", "qwen", "rerank", "small"]);
        let gpt = table.models["gpt-x"].price();
        assert_eq!((gpt.base.standard.input, gpt.base.standard.cache_read), (2_500_000, 1_250_000));
        assert_eq!(gpt.base.tiers["priority"].output, 17_000_000);
        assert_eq!(gpt.max_output_tokens, Some(16_384));
        let long = table.models["long"].price();
        assert_eq!((long.base.standard.input, long.base.standard.audio_input), (1_250_000, 1_000_000));
        assert_eq!((long.long[0].above, long.long[0].standard.output), (200_000, 15_000_000));
        assert_eq!(long.long[0].tiers["priority"].input, 4_500_000);
        assert_eq!(table.models["claude-x"].price().base.standard.cache_write_1h, 6_000_000);
        assert_eq!(table.models["small"].price().base.standard.input, 132_000, "the dearer of two");
        assert_eq!(table.models["qwen"].price().long[0].standard.input, 250_000);
        assert_eq!(table.models["rerank"].price().request, 2_000);
        // Which form a file has is seen by its shape.
        assert_eq!(Table::read(MAP).unwrap(), table);
        assert_eq!(Table::read(&table.json()).unwrap().models, table.models);
    }

    #[test]
    fn a_list_chooses_and_names() {
        let table = chosen(MAP, "# ours\n\ngpt-x\nvertex_ai/long = long-at-google\n").unwrap();
        assert_eq!(table.models.keys().collect::<Vec<_>>(), ["gpt-x", "long-at-google"]);
        assert_eq!(table.models["long-at-google"].rates.input, Some(Dollars(9_000_000)));
        assert_eq!(table.sources, [SOURCE, "https://example.com"]);
        assert_eq!(chosen(MAP, "gpt-y\npainter").unwrap_err(), "no price in the map: gpt-y, painter");
    }

    #[test]
    fn what_is_no_map_is_an_error() {
        for text in ["", "[]", "{}", r#"{"a": 1}"#, r#"{"models": {}}"#] {
            assert!(Table::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_read_from_their_text() {
        for (text, micros) in [
            ("2.5e-06", 2_500_000),
            ("1.3200000000000002e-07", 132_000),
            ("0.0000006", 600_000),
            ("1E-12", 1),
            ("4.9e-13", 0),
            ("0", 0),
            ("3.75e-08", 37_500),
            ("1e-400", 0),
            ("1.5000020000000002e-05", 15_000_020),
        ] {
            assert_eq!(decimal(text, 12), Some(micros), "{text}");
        }
        for text in ["-1", "\"1\"", "{}", "1e400", "null", "1e"] {
            assert_eq!(decimal(text, 12), None, "{text}");
        }
    }
}
