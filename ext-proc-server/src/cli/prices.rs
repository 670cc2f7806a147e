//! `weirgate prices`: what is in force, and tables from LiteLLM's map.

use clap::Subcommand;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};
use weirgate::config::{Config, environment, load};
use weirgate::policy::prices::entry::Dollars;
use weirgate::policy::prices::table::Table;
use weirgate::policy::prices::{Found, Price, Prices, Rates, UnknownPrice, import};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Makes a table of prices from LiteLLM's model_prices_and_context_window.json.
    Import {
        /// The map; `-` is the standard input.
        #[arg(value_name = "FILE")]
        map: PathBuf,
        /// Where to write the table, rather than to the standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// A list of the models to take, one name of the map a line; `NAME = OTHER` takes it under another name.
        #[arg(long, value_name = "FILE")]
        only: Option<PathBuf>,
        /// A table whose models stay where the map has none of their name.
        #[arg(long, value_name = "FILE")]
        keep: Option<PathBuf>,
        /// The day of the map, written into the table.
        #[arg(long, value_name = "YYYY-MM-DD", default_value = "")]
        date: String,
    },
    /// Shows the prices in force, in dollars a million tokens.
    List {
        /// One model, with everything that is known of its price.
        model: Option<String>,
        /// The configuration file; without one the prices that come with Weirgate are shown.
        #[arg(short, long, env = "WEIRGATE_CONFIG")]
        config: Option<PathBuf>,
    },
}

/// Does what was asked for.
pub(crate) fn run(verb: Verb) -> Result<(), String> {
    match verb {
        Verb::Import { map, out, only, keep, date } => {
            let path = map;
            let map = text(&path)?;
            let table = match only {
                Some(list) => import::chosen(&map, &text(&list)?),
                None => import::litellm(&map),
            };
            let mut table = table.map_err(|error| format!("{}: {error}", path.display()))?;
            table.date = date;
            if let Some(path) = keep {
                keep_rest(&mut table, &text(&path)?)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
            }
            match out {
                Some(path) => std::fs::write(&path, table.json())
                    .map_err(|error| format!("cannot write {}: {error}", path.display())),
                None => super::print(table.json()),
            }
        }
        Verb::List { model, config } => {
            let prices = config.map_or_else(|| Ok(Prices::builtin()), |path| prices(&path))?;
            super::print(model.map_or_else(|| Ok(list(&prices)), |model| one(&prices, &model))?)
        }
    }
}

fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => std::fs::read_to_string(path).map(|read| text = read),
    };
    read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(text)
}

fn keep_rest(table: &mut Table, other: &str) -> Result<(), String> {
    let other = Table::read(other)?;
    for (model, entry) in other.models {
        table.models.entry(model).or_insert(entry);
    }
    for source in other.sources {
        if !table.sources.contains(&source) {
            table.sources.push(source);
        }
    }
    Ok(())
}

fn prices(path: &Path) -> Result<Prices, String> {
    let config = load(path, &environment::Process);
    let config = config.map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect();
        format!("the configuration is not valid\n{}", lines.join("\n"))
    });
    config.map(|Config { prices, .. }| prices)
}

/// A line a model, with the rates that most requests meet.
fn list(prices: &Prices) -> String {
    let mut out = format!(
        "{:<50} {:>9} {:>9} {:>10} {:>11} {:>9}  {}\n",
        "MODEL", "INPUT", "OUTPUT", "CACHE_READ", "CACHE_WRITE", "REQUEST", "FROM"
    );
    for (model, price, source) in prices.list() {
        let Rates { input, output, cache_read, cache_write, .. } = price.base.standard;
        let [input, output, cache_read, cache_write, request] =
            [input, output, cache_read, cache_write, price.request].map(Dollars);
        let _ = writeln!(
            out,
            "{model:<50} {input:>9} {output:>9} {cache_read:>10} {cache_write:>11} {request:>9}  {}",
            source.as_str()
        );
    }
    let _ = writeln!(out, "{:<50} {}", "any other", unknown(prices.unknown()));
    out
}

fn unknown(policy: &UnknownPrice) -> String {
    match policy {
        UnknownPrice::Refuse => "refused to keys with a budget".to_owned(),
        UnknownPrice::Zero => "free".to_owned(),
        UnknownPrice::Default(price) => {
            let Rates { input, output, .. } = price.base.standard;
            format!("input {}, output {}", Dollars(input), Dollars(output))
        }
    }
}

/// Everything that is known of one price.
fn one(prices: &Prices, model: &str) -> Result<String, String> {
    let (price, from) = match prices.find(model) {
        Found::Known(price) => (price, prices.source(model).map_or("", |(_, source)| source.as_str())),
        Found::Default(price) => (price, "unknown_price"),
        Found::Zero | Found::Unknown => {
            return Err(format!("no price of \"{model}\" is known: {}", unknown(prices.unknown())));
        }
    };
    let mut out = format!("{model} ({from}), dollars a million tokens\n");
    if price.request > 0 {
        let _ = writeln!(out, "a call costs {}", Dollars(price.request));
    }
    if let Some(tokens) = price.max_output_tokens {
        let _ = writeln!(out, "an answer has at most {tokens} tokens");
    }
    out.push_str(&rates(&price));
    Ok(out)
}

/// A kind of token by its name, and its rate.
type Kind = (&'static str, fn(&Rates) -> u64);

/// A table with a row for each kind of token and a column for each tier.
fn rates(price: &Price) -> String {
    let mut out = String::new();
    for band in std::iter::once(&price.base).chain(&price.long) {
        let mut columns = vec![("standard", band.standard)];
        columns.extend(band.tiers.iter().map(|(tier, rates)| (tier.as_str(), *rates)));
        let title = if band.above > 0 { format!("above {}", band.above) } else { String::new() };
        let _ = write!(out, "\n{title:<16}");
        for (tier, _) in &columns {
            let _ = write!(out, "{tier:>12}");
        }
        out.push('\n');
        let kinds: [Kind; 10] = [
            ("input", |rates| rates.input),
            ("cache_read", |rates| rates.cache_read),
            ("cache_write", |rates| rates.cache_write),
            ("cache_write_1h", |rates| rates.cache_write_1h),
            ("audio_input", |rates| rates.audio_input),
            ("image_input", |rates| rates.image_input),
            ("output", |rates| rates.output),
            ("reasoning", |rates| rates.reasoning),
            ("audio_output", |rates| rates.audio_output),
            ("image_output", |rates| rates.image_output),
        ];
        for (kind, rate) in kinds {
            let _ = write!(out, "{kind:<16}");
            for (_, rates) in &columns {
                let _ = write!(out, "{:>12}", Dollars(rate(rates)));
            }
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_shown_with_every_tier_and_length() {
        let shown = one(&Prices::builtin(), "gemini-2.5-pro").unwrap();
        assert!(shown.starts_with("gemini-2.5-pro (built in)"), "{shown}");
        for says in ["an answer has at most", "priority", "above 200000", "0.125"] {
            assert!(shown.contains(says), "{says}: {shown}");
        }
        let error = one(&Prices::builtin(), "no-such-model").unwrap_err();
        assert!(error.contains("refused to keys with a budget"), "{error}");
    }

    #[test]
    fn models_that_the_map_no_longer_has_stay() {
        let map = r#"{"new": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}}"#;
        let mut table = import::litellm(map).unwrap();
        let old = r#"{"sources": ["by hand"], "models": [{"model": "old", "input": "1", "output": "2"},
            {"model": "new", "input": "9", "output": "9"}]}"#;
        keep_rest(&mut table, old).unwrap();
        assert_eq!(table.models.keys().collect::<Vec<_>>(), ["new", "old"]);
        assert_eq!(table.models["new"].rates.input, Some(Dollars(1_000_000)));
        assert_eq!(table.sources, [import::SOURCE, "by hand"]);
    }
}
