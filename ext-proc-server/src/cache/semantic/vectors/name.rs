//! What an embedder is called in a store that several may use.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// How much of an embedder's own name is kept, for people to read.
const LEGIBLE: usize = 20;

/// A name for an embedder that no other has: small letters, digits and underscores, at most 29.
pub(super) fn name(kind: &str) -> String {
    let legible = kind.chars().map(|character| match character.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9') => letter,
        _ => '_',
    });
    let mut name: String = legible.take(LEGIBLE).collect();
    name.push('_');
    for byte in Sha256::digest(kind.as_bytes()).iter().take(4) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legible_and_differ() {
        assert_eq!(name("BGE-small"), "bge_small_9c44a2b9");
        assert_ne!(name("a b"), name("a_b"));
        let long = name(&"openai/text-embedding-3-large".repeat(9));
        assert_eq!(long.len(), 29);
        assert!(long.starts_with("openai_text_embeddin_"), "{long}");
        assert_eq!(name("").len(), 9);
    }
}
