//! What tokens cost, in whole micro-dollars.
//!
//! Prices are micro-dollars a million tokens, which is a vendor's dollar price times a million: no rounding happens before
//! the cost of a whole request is known, and then it is rounded up, once.

use crate::money::micros;
use serde::Deserialize;
use std::collections::HashMap;
use weirgate_dialect::usage::Usage;

/// Prices of one model, in micro-dollars a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Input that no cache covered.
    pub input: u64,
    /// Input read from the prompt cache.
    pub cache_read: u64,
    /// Input written to the prompt cache for five minutes.
    pub cache_write: u64,
    /// Input written to the prompt cache for an hour.
    pub cache_write_1h: u64,
    /// Visible output.
    pub output: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
    /// What a batch request costs, in per cent of the above.
    pub batch_percent: u64,
}

impl Price {
    /// A price whose parts follow from input and output: cached input costs as much as any other, reasoning as much as
    /// output.
    pub fn of(input: u64, output: u64) -> Self {
        Self {
            input,
            cache_read: input,
            cache_write: input,
            cache_write_1h: input,
            output,
            reasoning: output,
            batch_percent: 50,
        }
    }

    /// The cost of a request in micro-dollars, rounded up. `tier` is the provider's service tier.
    pub fn cost(&self, usage: &Usage, tier: &str) -> u64 {
        let parts = [
            (usage.input, self.input),
            (usage.cache_read, self.cache_read),
            (usage.cache_write, self.cache_write),
            (usage.cache_write_1h, self.cache_write_1h),
            (usage.output, self.output),
            (usage.reasoning, self.reasoning),
        ];
        let products = parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price));
        let sum = products.fold(0, u128::saturating_add);
        // Both vendors bill their slower tiers alike.
        let percent = if matches!(tier, "batch" | "flex") { self.batch_percent } else { 100 };
        let micros = sum.saturating_mul(u128::from(percent)).div_ceil(100 * 1_000_000);
        u64::try_from(micros).unwrap_or(u64::MAX)
    }

    /// The most that a request of this size can cost: every input token written to the cache or not, every output token
    /// at the dearer of its two prices.
    pub fn upper_bound(&self, input: u64, output: u64) -> u64 {
        let dearest = Self {
            input: self.input.max(self.cache_write),
            output: self.output.max(self.reasoning),
            ..*self
        };
        dearest.cost(&Usage { input, output, ..Usage::default() }, "")
    }
}

/// Prices of all models that are known.
#[derive(Clone, Debug, Default)]
pub struct Prices(HashMap<String, Price>);

/// One line of the built-in table, dollars a million tokens.
#[derive(Deserialize)]
struct Listed {
    model: String,
    input: String,
    output: String,
    cache_read: Option<String>,
    cache_write: Option<String>,
    cache_write_1h: Option<String>,
}

impl Prices {
    /// The prices that come with Weirgate: `prices.json`, which names its sources.
    pub fn builtin() -> Self {
        #[derive(Deserialize)]
        struct Table {
            models: Vec<Listed>,
        }
        // A test holds the table readable; without it every model would be unpriced, which budgets refuse.
        let table = serde_json::from_str(include_str!("prices.json")).unwrap_or(Table { models: Vec::new() });
        let read = |text: &Option<String>, default| text.as_deref().and_then(micros).unwrap_or(default);
        let prices = table.models.iter().filter_map(|listed| {
            let (input, output) = (micros(&listed.input)?, micros(&listed.output)?);
            let price = Price {
                cache_read: read(&listed.cache_read, input),
                cache_write: read(&listed.cache_write, input),
                cache_write_1h: read(&listed.cache_write_1h, input),
                ..Price::of(input, output)
            };
            Some((listed.model.clone(), price))
        });
        Self(prices.collect())
    }

    /// Sets the price of a model.
    pub fn set(&mut self, model: &str, price: Price) {
        self.0.insert(model.to_owned(), price);
    }

    /// The models that have a price.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The price of a model by its provider's name; a dated name such as `gpt-4o-2024-08-06` has its model's price.
    pub fn get(&self, model: &str) -> Option<Price> {
        if let Some(price) = self.0.get(model) {
            return Some(*price);
        }
        let undated = model.find("-20").and_then(|at| model.get(..at))?;
        self.0.get(undated).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_table_is_readable() {
        let prices = Prices::builtin();
        let price = prices.get("gpt-4o-2024-08-06").unwrap();
        assert_eq!((price.input, price.cache_read, price.output), (2_500_000, 1_250_000, 10_000_000));
        let claude = prices.get("claude-sonnet-4-5").unwrap();
        assert_eq!((claude.cache_write, claude.cache_write_1h), (3_750_000, 6_000_000));
        assert_eq!(prices.get("no-such-model"), None);
    }

    #[test]
    fn every_counter_has_its_own_price() {
        let price = Price {
            input: 3_000_000,
            cache_read: 300_000,
            cache_write: 3_750_000,
            cache_write_1h: 6_000_000,
            output: 15_000_000,
            reasoning: 15_000_000,
            batch_percent: 50,
        };
        let usage = Usage {
            input: 100,
            cache_read: 1000,
            cache_write: 200,
            cache_write_1h: 10,
            output: 40,
            reasoning: 60,
        };
        // 300 + 300 + 750 + 60 + 600 + 900 micro-dollars
        assert_eq!(price.cost(&usage, ""), 2910);
        assert_eq!(price.cost(&usage, "batch"), 1455);
    }

    #[test]
    fn a_fraction_of_a_micro_dollar_is_rounded_up_once() {
        let price = Price::of(150_000, 600_000);
        assert_eq!(price.cost(&Usage { input: 1, output: 1, ..Usage::default() }, ""), 1);
        assert_eq!(price.cost(&Usage::default(), ""), 0);
    }

    #[test]
    fn amounts_that_no_integer_holds_saturate() {
        let price = Price::of(u64::MAX, u64::MAX);
        assert_eq!(
            price.cost(&Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() }, ""),
            u64::MAX
        );
    }
}
