//! Scalars with units, read exactly.

use super::document::{Node, Problems, Value, unknown};
use super::environment::Environment;
use crate::money;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads scalars of one file: resolves `${NAME}` and reports what is wrong.
pub(super) struct Reader<'e> {
    pub(super) problems: Problems,
    pub(super) environment: &'e dyn Environment,
}

impl Reader<'_> {
    /// A text with its references resolved.
    pub(super) fn text(&self, node: &Node) -> Option<String> {
        let Value::Scalar(raw) = &node.value else {
            self.problems.add(node, "must be a text");
            return None;
        };
        self.resolve(node, raw)
    }

    fn resolve(&self, node: &Node, raw: &str) -> Option<String> {
        let mut text = String::new();
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                self.problems.add(node, "a reference ${ has no closing brace");
                return None;
            };
            match self.environment.get(name) {
                Some(value) => text.push_str(&value),
                None => {
                    self.problems.add(node, format!("the environment variable {name} is not set"));
                    return None;
                }
            }
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }

    fn parsed<T>(&self, node: &Node, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(node)?;
        let value = parse(text.trim());
        if value.is_none() {
            self.problems.add(node, format!("\"{text}\" is not {expected}"));
        }
        value
    }

    pub(super) fn count(&self, node: &Node) -> Option<u64> {
        self.parsed(node, "a whole number", |text| text.replace('_', "").parse().ok())
    }

    /// A share in a hundred.
    pub(super) fn percent(&self, node: &Node, range: RangeInclusive<u8>) -> Option<u8> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.parsed(node, &wanted, |text| text.parse().ok().filter(|percent| range.contains(percent)))
    }

    pub(super) fn refusal_status(&self, node: &Node) -> Option<u16> {
        self.parsed(node, "a status from 400 to 499", |text| {
            text.parse().ok().filter(|status| (400..500).contains(status))
        })
    }

    pub(super) fn flag(&self, node: &Node) -> Option<bool> {
        self.choice(node, &[("true", true), ("false", false)])
    }

    pub(super) fn factor(&self, node: &Node) -> Option<f64> {
        self.parsed(node, "a factor between 0.1 and 10", |text| {
            text.parse().ok().filter(|factor| (0.1..=10.0).contains(factor))
        })
    }

    pub(super) fn duration(&self, node: &Node) -> Option<Duration> {
        self.parsed(node, "a duration such as 500ms, 30s, 5m or 1h", duration)
    }

    pub(super) fn bytes(&self, node: &Node) -> Option<u64> {
        self.parsed(node, "a size such as 512KiB or 32MiB", bytes)
    }

    /// Dollars, as micro-dollars.
    pub(super) fn dollars(&self, node: &Node) -> Option<u64> {
        let text = self.text(node)?;
        let amount = money::micros(&text.trim().replace('_', ""));
        if amount.is_none() {
            let commas = if text.contains(',') { ": write 1000 or 1_000, without commas" } else { "" };
            let expected = "an amount of dollars such as 12.50, with at most six decimals";
            self.problems.add(node, format!("\"{text}\" is not {expected}{commas}"));
        }
        amount
    }

    pub(super) fn choice<T: Copy>(&self, node: &Node, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(node)?;
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            self.problems.add(node, unknown("value", &text, choices.iter().map(|(name, _)| *name)));
        }
        found
    }
}

pub(crate) fn duration(text: &str) -> Option<Duration> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

fn bytes(text: &str) -> Option<u64> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!(bytes("32MiB"), Some(32 << 20));
        assert_eq!(bytes("12"), Some(12));
        assert_eq!(bytes("1MB"), None);
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("5"), None);
    }
}
