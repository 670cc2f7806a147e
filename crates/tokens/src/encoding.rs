//! Counting text.

use crate::memo;
use std::sync::atomic::{AtomicBool, Ordering};
use tiktoken_rs::CoreBPE;

/// An encoding that is counted exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// GPT-4o and later.
    O200k,
    /// GPT-4, GPT-3.5, and the embedding models.
    Cl100k,
}

/// Whitespace in a row that is given to the encoder at once. The encoder's regular expression backtracks over
/// whitespace and gives up, with a panic, at about 1,000,000 characters.
const WHITESPACE_RUN: usize = 1 << 16;

/// Bytes of one prompt that are counted exactly. What is beyond is taken to be like what was counted, so that
/// one request cannot hold a worker thread for long.
pub const EXACT_BYTES: usize = 1 << 20;

impl Encoding {
    fn bpe(self) -> &'static CoreBPE {
        match self {
            Self::O200k => tiktoken_rs::o200k_base_singleton(),
            Self::Cl100k => tiktoken_rs::cl100k_base_singleton(),
        }
    }

    /// Builds the encoding's table, which takes a tenth of a second once, before the first request needs it.
    pub fn preload(self) {
        self.bpe();
        self.loaded().store(true, Ordering::Release);
    }

    /// Whether [`Encoding::preload`] is done, so that nobody waits for the table.
    pub fn is_preloaded(self) -> bool {
        self.loaded().load(Ordering::Acquire)
    }

    fn loaded(self) -> &'static AtomicBool {
        static O200K: AtomicBool = AtomicBool::new(false);
        static CL100K: AtomicBool = AtomicBool::new(false);
        match self {
            Self::O200k => &O200K,
            Self::Cl100k => &CL100K,
        }
    }

    /// The number of tokens in `text`.
    ///
    /// Special tokens are counted as the text they are written in: a client that writes `<|endoftext|>` sends
    /// seven tokens to the provider, not one.
    pub fn count(self, text: &str) -> usize {
        memo::counted(self, text, || self.count_anew(text))
    }

    pub(crate) fn count_anew(self, text: &str) -> usize {
        let bpe = self.bpe();
        let mut tokens = 0;
        let mut rest = text;
        while let Some((piece, after)) = split_at_long_whitespace(rest) {
            tokens += bpe.count_ordinary(piece);
            rest = after;
        }
        tokens + bpe.count_ordinary(rest)
    }
}

/// Splits behind the first [`WHITESPACE_RUN`] characters of whitespace in a row, if there are as many.
fn split_at_long_whitespace(text: &str) -> Option<(&str, &str)> {
    if text.len() < WHITESPACE_RUN {
        return None;
    }
    let mut run = 0;
    for (at, character) in text.char_indices() {
        if !character.is_whitespace() {
            run = 0;
            continue;
        }
        run += 1;
        if run == WHITESPACE_RUN {
            return text.split_at_checked(at + character.len_utf8());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    // Counts of OpenAI's own tiktoken 0.12 for the same texts.
    #[test]
    fn counts_are_those_of_openais_library() {
        for (text, o200k, cl100k) in [
            ("", 0, 0),
            ("hello world", 2, 2),
            ("tiktoken is great!", 6, 6),
            ("antidisestablishmentarianism", 6, 6),
            ("2 + 2 = 4", 7, 7),
            ("お誕生日おめでとう", 8, 9),
        ] {
            assert_eq!(Encoding::O200k.count(text), o200k, "{text}");
            assert_eq!(Encoding::Cl100k.count(text), cl100k, "{text}");
        }
    }

    #[test]
    fn special_tokens_are_plain_text() {
        assert!(Encoding::O200k.count("<|endoftext|>") > 1);
    }

    #[test]
    fn a_megabyte_of_spaces_does_not_panic() {
        for character in [" ", "\t", "\n", "\u{3000}"] {
            let text = character.repeat(1_200_000);
            assert!(Encoding::O200k.count(&text) > 1_000);
            assert!(Encoding::Cl100k.count(&format!("{text}x")) > 1_000);
        }
    }

    #[test]
    fn a_cut_in_whitespace_costs_at_most_a_token() {
        let text = format!("a{}b", " ".repeat(WHITESPACE_RUN + 100));
        let whole = Encoding::O200k.bpe().count_ordinary(&text);
        assert!(Encoding::O200k.count(&text).abs_diff(whole) <= 1);
    }
}
