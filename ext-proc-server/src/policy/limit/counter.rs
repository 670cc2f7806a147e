//! Names of counters.
//!
//! A name begins with the id of its limit, `KIND:OWNER/LIMIT@MEASURE WINDOW`, or `limit:LIMIT@MEASURE WINDOW` where the limit is
//! nobody's. Behind it stands `|DIMENSION=VALUE` for each value that is counted by itself. Names and values may hold any sign, so
//! those that part them are percent-encoded, and no two limits or values ever share a counter.

use super::{Dimension, Limit};
use crate::policy::identity::hex;
use crate::store::Measure;
use crate::store::window::Window;
use sha2::{Digest, Sha256};

/// The longest value that stands in a name as it is, in bytes.
const VALUE_BYTES: usize = 256;
/// How many characters are shown of one that is longer, before its hash.
const SHOWN_CHARACTERS: usize = 64;
/// What stands between them. No percent-encoded sign looks like it.
const CUT: &str = "%~";

/// What the counters of a limit are called before any value. `owner` is the kind and the name of whose limit it is.
pub fn id(owner: Option<(&str, &str)>, limit: &Limit) -> String {
    let name = encode(&limit.name, "/");
    let over = counted_over(limit);
    match owner {
        Some((kind, owner)) => format!("{kind}:{}/{name}@{over}", encode(owner, "/")),
        None => format!("limit:{name}@{over}"),
    }
}

/// The part of a counter's name by which a limit that comes to count something else begins anew.
fn counted_over(limit: &Limit) -> String {
    match limit.measure {
        Measure::Concurrent => limit.measure.as_str().to_owned(),
        measure => match &limit.window {
            // What has flown back is told in time, which would mean another amount.
            Window::Bucket(_) => format!("{} {} of {}", measure.as_str(), limit.window, limit.amount),
            window => format!("{} {window}", measure.as_str()),
        },
    }
}

/// Adds a value that is counted by itself to a name.
pub(super) fn add_value(counter: &mut String, dimension: Dimension, value: &str) {
    counter.push('|');
    counter.push_str(dimension.as_str());
    counter.push('=');
    if value.len() <= VALUE_BYTES {
        counter.push_str(&encode(value, ""));
    } else {
        let shown: String = value.chars().take(SHOWN_CHARACTERS).collect();
        counter.push_str(&encode(&shown, ""));
        counter.push_str(CUT);
        counter.push_str(&hex(&Sha256::digest(value.as_bytes())));
    }
}

/// The id in the name of a counter.
pub fn id_of(counter: &str) -> &str {
    counter.split_once('|').map_or(counter, |(id, _)| id)
}

/// The values in the name of a counter, by the names of their dimensions. One that was too long is cut, and ends in its hash.
pub fn values(counter: &str) -> impl Iterator<Item = (&str, String)> {
    let parts = counter.split('|').skip(1).filter_map(|part| part.split_once('='));
    parts.map(|(dimension, value)| (dimension, decode(value)))
}

/// Percent-encodes the signs that part a name, those that cannot be seen, and `more`.
fn encode(text: &str, more: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_control() || "%|".contains(character) || more.contains(character) {
            encoded.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            encoded.push(character);
        }
    }
    encoded
}

/// What was encoded, all of which is ASCII.
fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.split_at_checked(2).and_then(|(code, rest)| {
            let code = u8::from_str_radix(code, 16).ok()?;
            Some((char::from(code), rest))
        });
        match code {
            Some((character, rest)) => {
                decoded.push(character);
                decoded.push_str(rest);
            }
            None => {
                decoded.push('%');
                decoded.push_str(part);
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn limit(name: &str) -> Limit {
        Limit::hard(name, Measure::Requests, 1, "day Europe/Berlin".parse().unwrap())
    }

    /// Texts of the signs that part names, and what looks like them encoded.
    fn nasty() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "a",
            "/",
            "@",
            "|",
            ":",
            "=",
            "%",
            "%7C",
            "%2F",
            "%~",
            "team=",
            "|team=",
            "@requests day",
            "\n",
            "é",
        ]);
        prop::collection::vec(part, 0..5).prop_map(|parts| parts.concat())
    }

    fn dimension() -> impl Strategy<Value = Dimension> {
        prop::sample::select(Dimension::ALL.map(|(_, dimension)| dimension).to_vec())
    }

    proptest! {
        #[test]
        fn a_counter_is_of_one_limit_and_one_list_of_values(
            named in prop::collection::vec(
                (prop::option::of(nasty()), nasty(), prop::collection::vec((dimension(), nasty()), 0..3)),
                2..6,
            ),
        ) {
            let mut seen = HashMap::new();
            for (owner, name, list) in named {
                let id = id(owner.as_deref().map(|owner| ("key", owner)), &limit(&name));
                let mut counter = id.clone();
                list.iter().for_each(|(dimension, value)| add_value(&mut counter, *dimension, value));
                prop_assert_eq!(id_of(&counter), &id);
                let read: Vec<_> = values(&counter).map(|(name, value)| (name.to_owned(), value)).collect();
                let written: Vec<_> =
                    list.iter().map(|(dimension, value)| (dimension.as_str().to_owned(), value.clone())).collect();
                prop_assert_eq!(read, written);
                let meant = (owner, name, list);
                let first = seen.entry(counter).or_insert_with(|| meant.clone());
                prop_assert_eq!(&*first, &meant);
            }
        }

        #[test]
        fn any_text_can_be_read(counter in ".{0,40}") {
            prop_assert!(values(&counter).count() <= counter.len());
        }
    }

    #[test]
    fn values_that_differ_at_their_far_end_have_counters_of_bounded_length_each() {
        let counter = |value: &str| {
            let mut counter = String::new();
            add_value(&mut counter, Dimension::EndUser, value);
            counter
        };
        let long = "|".repeat(70_000);
        let (one, other) = (counter(&format!("{long}a")), counter(&format!("{long}b")));
        assert_ne!(one, other);
        assert!(one.len() < 300, "{one}");
        // Nobody takes the counter of another by calling themselves what that is shown as.
        let shown = values(&one).next().unwrap().1;
        assert_ne!(counter(&shown), one);
    }
}
