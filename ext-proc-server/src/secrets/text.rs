//! What a key may be.

use weirgate_contract::filter_config::SecretText;

/// The longest key, in bytes. What Envoy takes as headers is about as much.
pub(super) const MOST: usize = 48 << 10;

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    Empty,
    TooLong,
    NoHeader,
}

impl std::fmt::Display for NoKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong => write!(f, "it is longer than {MOST} bytes"),
            Self::NoHeader => f.write_str("it holds more than one line, or what no header can hold"),
        }
    }
}

/// A key, without the white space around it.
pub(super) fn key(text: &str) -> Result<SecretText, NoKey> {
    let key = text.trim();
    if key.is_empty() {
        return Err(NoKey::Empty);
    }
    if key.len() > MOST {
        return Err(NoKey::TooLong);
    }
    if !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(NoKey::NoHeader);
    }
    Ok(SecretText::new(key.to_owned()))
}
