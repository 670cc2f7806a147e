//! A price as people and tables write it: what is not given follows from what is.

use super::{Band, Price, Rates, SLOWER_TIERS};
use crate::money::micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What `batch` and `flex` cost at most vendors, in per cent of the standard price.
const BATCH_PERCENT: u64 = 50;

/// An amount in micro-dollars, written as a decimal number of dollars in a text: a JSON number would pass through floating
/// point in most programs that touch the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dollars(pub u64);

impl std::fmt::Display for Dollars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, fraction) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if fraction == 0 {
            return f.pad(&whole.to_string());
        }
        f.pad(format!("{whole}.{fraction:06}").trim_end_matches('0'))
    }
}

impl Serialize for Dollars {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("\"{text}\" is not an amount such as 2.50"));
        micros(&text).map(Self).ok_or_else(wrong)
    }
}

/// Rates of which each may be missing, in dollars a million tokens. See [`Rates`] for what each is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Given {
    /// Input that no cache covered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Dollars>,
    /// Input read from the prompt cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Dollars>,
    /// Input written to the prompt cache for five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Dollars>,
    /// Input written to the prompt cache for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Dollars>,
    /// Sound in the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<Dollars>,
    /// Pictures in the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_input: Option<Dollars>,
    /// Visible output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Dollars>,
    /// Output spent on reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Dollars>,
    /// Sound in the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<Dollars>,
    /// Pictures in the output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_output: Option<Dollars>,
}

impl Given {
    /// Input and output, in micro-dollars a million tokens, and nothing else.
    pub fn of(input: u64, output: u64) -> Self {
        Self { input: Some(Dollars(input)), output: Some(Dollars(output)), ..Self::default() }
    }

    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The names under which rates are written: six of input, then four of output.
    pub fn named(&mut self) -> [(&'static str, &mut Option<Dollars>); 10] {
        [
            ("input", &mut self.input),
            ("cache_read", &mut self.cache_read),
            ("cache_write", &mut self.cache_write),
            ("cache_write_1h", &mut self.cache_write_1h),
            ("audio_input", &mut self.audio_input),
            ("image_input", &mut self.image_input),
            ("output", &mut self.output),
            ("reasoning", &mut self.reasoning),
            ("audio_output", &mut self.audio_output),
            ("image_output", &mut self.image_output),
        ]
    }

    /// The rates of the standard tier: what is not given costs what other input or output costs.
    fn standard(&self) -> Rates {
        let (input, output) = (micros_or(self.input, 0), micros_or(self.output, 0));
        let cache_write = micros_or(self.cache_write, input);
        Rates {
            input,
            output,
            cache_read: micros_or(self.cache_read, input),
            cache_write,
            // Who keeps it for an hour charges no less than for five minutes.
            cache_write_1h: micros_or(self.cache_write_1h, cache_write),
            reasoning: micros_or(self.reasoning, output),
            audio_input: micros_or(self.audio_input, input),
            audio_output: micros_or(self.audio_output, output),
            image_input: micros_or(self.image_input, input),
            image_output: micros_or(self.image_output, output),
        }
    }

    /// These rates where they are given; the others are those of `usual`, changed by as much as input or output is.
    fn over(mut self, usual: &Rates) -> Rates {
        let input = micros_or(self.input, usual.input);
        let output = micros_or(self.output, usual.output);
        let mut rates = *usual;
        for (kind, (rate, (_, given))) in rates.fields().into_iter().zip(self.named()).enumerate() {
            let (from, to) = if kind < 6 { (usual.input, input) } else { (usual.output, output) };
            *rate = micros_or(*given, scaled(*rate, from, to));
        }
        rates
    }
}

fn micros_or(given: Option<Dollars>, default: u64) -> u64 {
    given.map_or(default, |Dollars(micros)| micros)
}

/// A rate, changed by as much as another from `from` to `to`, rounded up.
fn scaled(rate: u64, from: u64, to: u64) -> u64 {
    match u128::from(from) {
        0 => rate.max(to),
        from => u64::try_from((u128::from(rate) * u128::from(to)).div_ceil(from)).unwrap_or(u64::MAX),
    }
}

impl Rates {
    /// The rates in the order of [`Given::named`].
    fn fields(&mut self) -> [&mut u64; 10] {
        [
            &mut self.input,
            &mut self.cache_read,
            &mut self.cache_write,
            &mut self.cache_write_1h,
            &mut self.audio_input,
            &mut self.image_input,
            &mut self.output,
            &mut self.reasoning,
            &mut self.audio_output,
            &mut self.image_output,
        ]
    }

    /// Every rate, changed by as much as the same rate from `from` to `to`.
    fn scaled(mut self, mut from: Self, mut to: Self) -> Self {
        for ((rate, from), to) in self.fields().into_iter().zip(from.fields()).zip(to.fields()) {
            *rate = scaled(*rate, *from, *to);
        }
        self
    }
}

/// The price of one model, as far as it is given. What is not given:
/// * cached, heard and seen input costs what other input costs, reasoning and other output what output costs;
/// * the tiers `batch` and `flex` cost `batch_percent` of the standard tier, other tiers as much;
/// * in a tier or a long context of which only some rates are given, the others change as much as input or output does;
/// * a tier costs long requests as many times the standard price as it costs others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The standard tier.
    #[serde(flatten)]
    pub rates: Given,
    /// What the tiers `batch` and `flex` cost, in per cent of the standard tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_percent: Option<u64>,
    /// What a call costs before any token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Dollars>,
    /// The most tokens that the model can generate for one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// Other tiers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, Given>,
    /// Requests with a long input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub long_context: Vec<Long>,
}

/// What requests with a long input cost, as far as it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Long {
    /// It is for requests with more tokens of input than this.
    pub above: u64,
    /// The standard tier.
    #[serde(flatten)]
    pub rates: Given,
    /// Other tiers, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, Given>,
}

impl Entry {
    /// Input and output, in micro-dollars a million tokens, and nothing else.
    pub fn of(input: u64, output: u64) -> Self {
        Self { rates: Given::of(input, output), ..Self::default() }
    }

    /// The price, with everything that follows from what is given.
    pub fn price(&self) -> Price {
        let standard = self.rates.standard();
        let percent = self.batch_percent.unwrap_or(BATCH_PERCENT);
        let slower = standard.scaled(Rates::of(100, 100), Rates::of(percent, percent));
        let usual = |tier: &str| if SLOWER_TIERS.contains(&tier) { slower } else { standard };
        let mut tiers: BTreeMap<String, Rates> =
            SLOWER_TIERS.iter().map(|tier| ((*tier).to_owned(), slower)).collect();
        tiers.extend(self.tiers.iter().map(|(tier, given)| (tier.clone(), given.over(&usual(tier)))));
        let base = Band { above: 0, standard, tiers };
        let mut long: Vec<Band> = self.long_context.iter().map(|long| long.band(&base)).collect();
        long.sort_by_key(|band| band.above);
        Price { base, long, request: micros_or(self.request, 0), max_output_tokens: self.max_output_tokens }
    }

    /// Leaves out what follows from the rest, so that a table is short.
    pub fn shorten(&mut self) {
        let price = self.price();
        let tiers: Vec<String> = self.tiers.keys().cloned().collect();
        for tier in &tiers {
            let without = |entry: &mut Self| {
                entry.tiers.remove(tier);
            };
            self.try_without(&price, without);
            for kind in 0..10 {
                self.try_without(&price, |entry| {
                    forget(entry.tiers.get_mut(tier), kind);
                });
            }
        }
        for index in 0..self.long_context.len() {
            for tier in &tiers {
                self.try_without(&price, |entry| {
                    if let Some(long) = entry.long_context.get_mut(index) {
                        long.tiers.remove(tier);
                    }
                });
                for kind in 0..10 {
                    self.try_without(&price, |entry| {
                        let long = entry.long_context.get_mut(index);
                        forget(long.and_then(|long| long.tiers.get_mut(tier)), kind);
                    });
                }
            }
            // Input and output stay: nobody should have to work them out.
            for kind in [1, 2, 3, 4, 5, 7, 8, 9] {
                self.try_without(&price, |entry| {
                    forget(entry.long_context.get_mut(index).map(|long| &mut long.rates), kind);
                });
            }
        }
        for kind in [1, 2, 3, 4, 5, 7, 8, 9] {
            self.try_without(&price, |entry| forget(Some(&mut entry.rates), kind));
        }
    }

    fn try_without(&mut self, price: &Price, forget: impl FnOnce(&mut Self)) {
        let mut shorter = self.clone();
        forget(&mut shorter);
        if shorter.price() == *price {
            *self = shorter;
        }
    }
}

/// Takes a rate out, by its place in [`Given::named`].
fn forget(given: Option<&mut Given>, kind: usize) {
    if let Some((_, rate)) = given.and_then(|given| given.named().into_iter().nth(kind)) {
        *rate = None;
    }
}

impl Long {
    fn band(&self, base: &Band) -> Band {
        let standard = self.rates.over(&base.standard);
        let names = base.tiers.keys().chain(self.tiers.keys());
        let tier = |name: &String| {
            let usual = standard.scaled(base.standard, *base.rates(name));
            let given = self.tiers.get(name).copied().unwrap_or_default();
            (name.clone(), given.over(&usual))
        };
        Band { above: self.above, standard, tiers: names.map(tier).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_written_as_they_are_read() {
        for text in ["2.5", "0.000001", "10", "0.075", "0"] {
            let read: Dollars = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            assert_eq!(read.to_string(), text);
        }
        assert!(serde_json::from_str::<Dollars>("2.5").is_err(), "a number is no exact amount");
        assert!(serde_json::from_str::<Dollars>("\"cheap\"").is_err());
    }

    #[test]
    fn what_is_not_given_follows() {
        let entry: Entry = serde_json::from_str(
            r#"{"input":"2","cache_read":"0.2","output":"10","cache_write":"2.5","tiers":{"priority":{"input":"4"}},
                "long_context":[{"above":200000,"input":"4","output":"15"}]}"#,
        )
        .unwrap();
        let price = entry.price();
        assert_eq!(price.base.standard.cache_write_1h, 2_500_000);
        assert_eq!(price.base.standard.audio_output, 10_000_000);
        let priority = price.base.tiers["priority"];
        assert_eq!((priority.cache_read, priority.output), (400_000, 10_000_000));
        assert_eq!(price.base.tiers["batch"].cache_read, 100_000);
        let long = &price.long[0];
        assert_eq!((long.standard.cache_read, long.standard.reasoning), (400_000, 15_000_000));
        assert_eq!((long.tiers["priority"].input, long.tiers["batch"].output), (8_000_000, 7_500_000));
    }

    #[test]
    fn an_entry_without_what_follows_means_the_same() {
        let full = r#"{"input":"2","cache_read":"0.2","cache_write":"2","output":"10","reasoning":"10",
            "tiers":{"batch":{"input":"1","cache_read":"0.2","output":"5"},"flex":{"input":"1","output":"5"},
                "priority":{"input":"4","cache_read":"0.4","output":"20"}},
            "long_context":[{"above":200000,"input":"4","cache_read":"0.4","output":"15",
                "tiers":{"priority":{"input":"8","cache_read":"0.8","output":"30"}}}]}"#;
        let mut entry: Entry = serde_json::from_str(full).unwrap();
        let price = entry.price();
        entry.shorten();
        assert_eq!(entry.price(), price);
        assert_eq!(
            serde_json::to_string(&entry).unwrap(),
            r#"{"input":"2","cache_read":"0.2","output":"10","tiers":{"batch":{"cache_read":"0.2"},"priority":{"input":"4","output":"20"}},"long_context":[{"above":200000,"input":"4","output":"15"}]}"#
        );
    }
}
