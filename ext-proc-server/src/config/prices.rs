//! Prices that the file gives, and the file with prices that it names.

use super::document::{Fields, Node, Value};
use super::values::Reader;
use crate::policy::prices::entry::{Dollars, Entry, Given, Long};
use crate::policy::prices::{Prices, UnknownPrice};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

impl Reader<'_> {
    /// Reads everything that the file says of prices.
    pub(super) fn prices(&self, fields: &mut Fields<'_>) -> Prices {
        let problems = &self.problems;
        let mut prices = Prices::builtin();
        if let Some(node) = fields.get("price_file")
            && let Some(path) = self.text(node)
            && let Err(error) = prices.set_file(Path::new(&path))
        {
            problems.add(node, error);
        }
        for (name, node) in fields.named("prices", problems) {
            prices.set(name, self.price(node).price());
        }
        if let Some(node) = fields.get("unknown_price") {
            prices.set_unknown(self.unknown_price(node).unwrap_or_default());
        }
        prices
    }

    fn unknown_price(&self, node: &Node) -> Option<UnknownPrice> {
        if let Value::Map(_) = node.value {
            return Some(UnknownPrice::Default(Arc::new(self.price(node).price())));
        }
        let zero = self.choice(node, &[("refuse", false), ("zero", true)])?;
        Some(if zero { UnknownPrice::Zero } else { UnknownPrice::Refuse })
    }

    fn price(&self, node: &Node) -> Entry {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let entry = Entry {
            rates: self.rates(&mut fields),
            batch_percent: fields.get("batch_percent").and_then(|node| self.count(node)),
            request: fields.get("request").and_then(|node| self.dollars(node)).map(Dollars),
            max_output_tokens: fields.get("max_output_tokens").and_then(|node| self.count(node)),
            tiers: self.tiers(&mut fields),
            long_context: fields.list("long_context", problems).iter().map(|node| self.long(node)).collect(),
        };
        let incomplete = fields.lacks("input") || fields.lacks("output");
        fields.finish(problems);
        if incomplete {
            problems.add(node, "a price needs input and output, in dollars a million tokens");
        }
        entry
    }

    fn rates(&self, fields: &mut Fields<'_>) -> Given {
        let mut given = Given::default();
        for (name, rate) in given.named() {
            *rate = fields.get(name).and_then(|node| self.dollars(node)).map(Dollars);
        }
        given
    }

    fn tiers(&self, fields: &mut Fields<'_>) -> BTreeMap<String, Given> {
        let tiers = fields.named("tiers", &self.problems).iter().map(|(name, node)| {
            let mut fields = Fields::of(node, &self.problems);
            let rates = self.rates(&mut fields);
            fields.finish(&self.problems);
            (name.clone(), rates)
        });
        tiers.collect()
    }

    fn long(&self, node: &Node) -> Long {
        let mut fields = Fields::of(node, &self.problems);
        let above = fields.need("above", &self.problems).and_then(|node| self.count(node));
        let long = Long {
            above: above.unwrap_or(0),
            rates: self.rates(&mut fields),
            tiers: self.tiers(&mut fields),
        };
        fields.finish(&self.problems);
        long
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, read};
    use crate::policy::prices::{Found, Source};
    use std::collections::BTreeMap;

    fn config(prices: &str) -> Result<Config, Vec<String>> {
        let text = format!(
            "providers:\n  a: {{dialect: openai}}\nkeys:\n  - {{name: k, key: a-key-of-some-length}}\n{prices}"
        );
        let problems = |problems: Vec<_>| problems.iter().map(ToString::to_string).collect();
        read(&text, &BTreeMap::new()).map_err(problems)
    }

    #[test]
    fn a_price_has_every_field_of_the_table() {
        let config = config(
            "prices:
  mine:
    input: 2
    output: 10
    cache_read: 0.20
    audio_input: 40
    request: 0.01
    max_output_tokens: 8_000
    batch_percent: 60
    tiers: {priority: {input: 4, output: 20}}
    long_context:
      - {above: 200_000, input: 4, output: 15, tiers: {priority: {input: 7}}}
",
        )
        .unwrap();
        let price = config.prices.get("mine").unwrap();
        assert_eq!(price.base.standard.cache_read, 200_000);
        assert_eq!(price.base.standard.audio_input, 40_000_000);
        assert_eq!((price.request, price.max_output_tokens), (10_000, Some(8_000)));
        assert_eq!(price.base.tiers["batch"].input, 1_200_000);
        assert_eq!(price.base.tiers["priority"].cache_read, 400_000);
        assert_eq!((price.long[0].above, price.long[0].tiers["priority"].input), (200_000, 7_000_000));
    }

    #[test]
    fn models_without_a_price_meet_the_policy_of_the_file() {
        let found = |text: &str| config(text).unwrap().prices.find("no-such-model");
        assert_eq!(found(""), Found::Unknown);
        assert_eq!(found("unknown_price: refuse\n"), Found::Unknown);
        assert_eq!(found("unknown_price: zero\n"), Found::Zero);
        let default = found("unknown_price: {input: 3, output: 15}\n");
        assert_eq!(default.price().unwrap().base.standard.output, 15_000_000);
        assert!(matches!(default, Found::Default(_)));
    }

    #[test]
    fn a_price_file_goes_between_the_file_and_the_built_in_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.json");
        let map = r#"{"gpt-4o": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
            "o3": {"input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}"#;
        std::fs::write(&path, map).unwrap();
        let text = format!("price_file: {}\nprices:\n  o3: {{input: 9, output: 9}}\n", path.display());
        let prices = config(&text).unwrap().prices;
        let source = |model| prices.source(model).map(|(_, source)| source);
        assert_eq!(source("o3"), Some(Source::Configuration));
        assert_eq!(source("gpt-4o"), Some(Source::File));
        assert_eq!(source("gpt-4.1"), Some(Source::BuiltIn));
    }

    #[test]
    fn what_is_wrong_with_prices_is_reported() {
        let problems = config(
            "price_file: /no/such/file.json
unknown_price: zerro
prices:
  a: {input: 1}
  b: {input: 1, output: 1, cach_read: 1}
  c: {input: 1, output: 1, long_context: [{input: 2}]}
",
        )
        .unwrap_err();
        for says in [
            "price_file: cannot read /no/such/file.json",
            "did you mean \"zero\"?",
            "prices.a: a price needs input and output",
            "did you mean \"cache_read\"?",
            "prices.c.long_context[0]: above is missing",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(says)), "{says}: {problems:#?}");
        }
        assert_eq!(problems.len(), 5, "{problems:#?}");
    }
}
