//! What tokens cost, in whole micro-dollars.
//!
//! Prices are micro-dollars a million tokens, which is a vendor's dollar price times a million: no rounding happens before
//! the cost of a whole request is known, and then it is rounded up, once.
//!
//! * [`Price`] is one model's price, made ready for arithmetic; [`entry::Entry`] is the same as people write it.
//! * [`table`] reads and writes tables, [`import`] reads LiteLLM's map.
//! * [`Prices`] is what is in force: prices of the configuration file over a price file over the built-in table.

pub mod entry;
pub mod import;
mod live;
pub mod table;

pub use live::{Found, Prices, Source, UnknownPrice};

use std::collections::BTreeMap;
use weirgate_dialect::usage::Usage;

/// The tiers that cost a percentage of the standard price where a model has no prices of its own for them.
const SLOWER_TIERS: [&str; 2] = ["batch", "flex"];

/// The tier by which a client leaves the choice to its account.
const ANY_TIER: &str = "auto";

/// What tokens of each kind cost, in micro-dollars a million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Input that no cache covered.
    pub input: u64,
    /// Visible output.
    pub output: u64,
    /// Input read from the prompt cache.
    pub cache_read: u64,
    /// Input written to the prompt cache for five minutes.
    pub cache_write: u64,
    /// Input written to the prompt cache for an hour.
    pub cache_write_1h: u64,
    /// Output spent on reasoning.
    pub reasoning: u64,
    /// Sound in the input.
    pub audio_input: u64,
    /// Sound in the output.
    pub audio_output: u64,
    /// Pictures in the input.
    pub image_input: u64,
    /// Pictures in the output.
    pub image_output: u64,
}

impl Rates {
    /// Rates where input costs the same however it came, and so does output.
    pub fn of(input: u64, output: u64) -> Self {
        Self {
            input,
            output,
            cache_read: input,
            cache_write: input,
            cache_write_1h: input,
            reasoning: output,
            audio_input: input,
            audio_output: output,
            image_input: input,
            image_output: output,
        }
    }

    /// Millionths of a micro-dollar.
    fn cost(&self, usage: &Usage) -> u128 {
        let parts = [
            (usage.input, self.input),
            (usage.cache_read, self.cache_read),
            (usage.cache_write, self.cache_write),
            (usage.cache_write_1h, self.cache_write_1h),
            (usage.audio_input, self.audio_input),
            (usage.image_input, self.image_input),
            (usage.output, self.output),
            (usage.reasoning, self.reasoning),
            (usage.audio_output, self.audio_output),
            (usage.image_output, self.image_output),
        ];
        let products = parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price));
        products.fold(0, u128::saturating_add)
    }

    /// The dearest that so many tokens can be, in millionths of a micro-dollar.
    fn upper_bound(&self, input: u64, output: u64) -> u128 {
        let dearest_input = self
            .input
            .max(self.cache_read)
            .max(self.cache_write)
            .max(self.cache_write_1h)
            .max(self.audio_input)
            .max(self.image_input);
        let dearest_output = self.output.max(self.reasoning).max(self.audio_output).max(self.image_output);
        let product = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        product(input, dearest_input).saturating_add(product(output, dearest_output))
    }
}

/// What a request costs whose input has a certain length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Band {
    /// It is for requests with more tokens of input than this.
    pub above: u64,
    /// The standard service tier.
    pub standard: Rates,
    /// Other service tiers, by the provider's name of them.
    pub tiers: BTreeMap<String, Rates>,
}

impl Band {
    fn rates(&self, tier: &str) -> &Rates {
        self.tiers.get(tier).unwrap_or(&self.standard)
    }

    /// The rates that a request for this tier may come to. A provider may serve a request at the standard tier when the one
    /// asked for has no room, and with `auto` at any.
    fn may_apply<'a>(&'a self, tier: &'a str) -> impl Iterator<Item = &'a Rates> {
        let asked = self.tiers.iter().filter(move |(name, _)| tier == ANY_TIER || *name == tier);
        std::iter::once(&self.standard).chain(asked.map(|(_, rates)| rates))
    }
}

/// The price of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// What a request of any length costs unless one of `long` applies.
    pub base: Band,
    /// What longer requests cost, all their tokens; the shortest first.
    pub long: Vec<Band>,
    /// What a call costs before any token, in micro-dollars.
    pub request: u64,
    /// The most tokens that the model can generate for one answer, if that is known.
    pub max_output_tokens: Option<u64>,
}

impl Price {
    /// A price whose parts follow from input and output, both in micro-dollars a million tokens: cached input costs as much
    /// as any other, reasoning as much as output, the tiers `batch` and `flex` half.
    pub fn of(input: u64, output: u64) -> Self {
        entry::Entry::of(input, output).price()
    }

    /// The cost of a request in micro-dollars, rounded up. `tier` is the service tier that the provider names in its answer;
    /// one without prices of its own, also the empty one, is the standard tier.
    pub fn cost(&self, usage: &Usage, tier: &str) -> u64 {
        let input = usage.total_input();
        let long = self.long.iter().rev().find(|band| input > band.above);
        self.micros(long.unwrap_or(&self.base).rates(tier).cost(usage))
    }

    /// What a call costs more, in micro-dollars, that the provider bills as so many.
    pub fn more_calls(&self, calls: u64) -> u64 {
        self.request.saturating_mul(calls.saturating_sub(1))
    }

    /// The most that a request of this many tokens can cost, in micro-dollars: every token the dearest that it can be, at
    /// the dearest of the tiers that may apply. `tier` is the service tier that the client asks for; empty: none.
    pub fn upper_bound(&self, input: u64, output: u64, tier: &str) -> u64 {
        // A shorter request may be the dearer one, so every band that is in reach counts.
        let bands = self.long.iter().filter(|band| input > band.above).chain([&self.base]);
        let rates = bands.flat_map(|band| band.may_apply(tier));
        self.micros(rates.map(|rates| rates.upper_bound(input, output)).max().unwrap_or(0))
    }

    /// Rounds up to micro-dollars and adds what the call itself costs.
    fn micros(&self, millionths: u128) -> u64 {
        let micros = millionths.div_ceil(1_000_000).saturating_add(u128::from(self.request));
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::entry::{Dollars, Entry, Given, Long};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_counter_has_its_own_price() {
        let rates = Rates {
            input: 3_000_000,
            cache_read: 300_000,
            cache_write: 3_750_000,
            cache_write_1h: 6_000_000,
            output: 15_000_000,
            reasoning: 15_000_000,
            audio_input: 40_000_000,
            audio_output: 80_000_000,
            image_input: 5_000_000,
            image_output: 50_000_000,
        };
        let price =
            Price { base: Band { standard: rates, ..Band::default() }, request: 7, ..Price::default() };
        let usage = Usage {
            input: 100,
            cache_read: 1000,
            cache_write: 200,
            cache_write_1h: 10,
            output: 40,
            reasoning: 60,
            audio_input: 3,
            audio_output: 2,
            image_input: 4,
            image_output: 1,
        };
        // 300 + 300 + 750 + 60 + 600 + 900 + 120 + 160 + 20 + 50 micro-dollars, and the call's own 7
        assert_eq!(price.cost(&usage, ""), 3267);
    }

    #[test]
    fn slower_tiers_cost_a_percentage_of_the_standard_one() {
        let price = Entry { batch_percent: Some(40), ..Entry::of(3_000_000, 15_000_000) }.price();
        let usage = Usage { input: 1000, output: 100, ..Usage::default() };
        assert_eq!(price.cost(&usage, ""), 4500);
        assert_eq!(price.cost(&usage, "batch"), 1800);
        assert_eq!(price.cost(&usage, "flex"), 1800);
        assert_eq!(price.cost(&usage, "a-tier-of-tomorrow"), 4500);
    }

    #[test]
    fn a_long_request_costs_more_for_all_its_tokens() {
        let long = Long {
            above: 200_000,
            rates: Given {
                input: Some(Dollars(2_500_000)),
                output: Some(Dollars(15_000_000)),
                ..Given::default()
            },
            ..Long::default()
        };
        let price = Entry { long_context: vec![long], ..Entry::of(1_250_000, 10_000_000) }.price();
        let cost =
            |input, cache_read| price.cost(&Usage { input, cache_read, output: 10, ..Usage::default() }, "");
        assert_eq!(cost(200_000, 0), 250_000 + 100);
        // What was read from the cache counts for the length.
        assert_eq!(cost(200_000, 1), 500_003 + 150);
        // A tier without prices of its own for long requests keeps its share.
        let batch = price.cost(&Usage { input: 300_000, ..Usage::default() }, "batch");
        assert_eq!(batch, 375_000);
    }

    #[test]
    fn a_reservation_counts_every_token_as_the_dearest() {
        let price = Entry {
            rates: Given { cache_write_1h: Some(Dollars(6_000_000)), ..Given::of(3_000_000, 15_000_000) },
            tiers: [("priority".to_owned(), Given::of(6_000_000, 30_000_000))].into(),
            ..Entry::default()
        }
        .price();
        assert_eq!(price.upper_bound(1000, 10, ""), 6_000 + 150);
        // The share between the prices of the tiers is kept for what is cached, too.
        assert_eq!(price.upper_bound(1000, 10, "priority"), 12_000 + 300);
        assert_eq!(price.upper_bound(1000, 10, "auto"), 12_000 + 300);
        // The provider may have no room at the cheaper tier.
        assert_eq!(price.upper_bound(1000, 10, "flex"), 6_000 + 150);
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
        let usage = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
        assert_eq!(price.cost(&usage, ""), u64::MAX);
        assert_eq!(price.upper_bound(u64::MAX, u64::MAX, "auto"), u64::MAX);
    }

    fn rates() -> impl Strategy<Value = Rates> {
        prop::array::uniform10(0u64..100_000_000).prop_map(|prices| {
            let [input, output, cache_read, cache_write, cache_write_1h, reasoning, a, b, c, d] = prices;
            Rates {
                input,
                output,
                cache_read,
                cache_write,
                cache_write_1h,
                reasoning,
                audio_input: a,
                audio_output: b,
                image_input: c,
                image_output: d,
            }
        })
    }

    fn band() -> impl Strategy<Value = Band> {
        let tier = prop::sample::select(vec!["batch", "flex", "priority"]).prop_map(str::to_owned);
        (0u64..2000, rates(), prop::collection::btree_map(tier, rates(), 0..3))
            .prop_map(|(above, standard, tiers)| Band { above, standard, tiers })
    }

    fn price() -> impl Strategy<Value = Price> {
        (band(), prop::collection::vec(band(), 0..3), 0u64..100).prop_map(|(base, mut long, request)| {
            long.sort_by_key(|band| band.above);
            Price { base, long, request, max_output_tokens: None }
        })
    }

    proptest! {
        #[test]
        fn no_request_costs_more_than_was_reserved(
            price in price(),
            counters in prop::array::uniform10(0u64..500),
            (more_input, more_output) in (0u64..1000, 0u64..1000),
            tier in prop::sample::select(vec!["", "batch", "flex", "priority", "auto", "other"]),
            served in prop::sample::select(vec!["", "batch", "flex", "priority", "other"]),
        ) {
            let [input, output, cache_read, cache_write, cache_write_1h, reasoning, a, b, c, d] = counters;
            let usage = Usage {
                input, output, cache_read, cache_write, cache_write_1h, reasoning,
                audio_input: a, audio_output: b, image_input: c, image_output: d,
            };
            let bound = price.upper_bound(
                usage.total_input() + more_input,
                usage.total_output() + more_output,
                tier,
            );
            prop_assert!(price.cost(&usage, tier) <= bound);
            prop_assert!(price.cost(&usage, "") <= bound);
            if tier == "auto" {
                prop_assert!(price.cost(&usage, served) <= bound);
            }
        }
    }
}
