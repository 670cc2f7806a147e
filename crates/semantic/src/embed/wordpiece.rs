//! BERT's uncased tokenizer: lower case, accents off, punctuation apart, then the longest known pieces.

use crate::Error;
use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// BERT's, which the sentence models made from it share.
const VOCABULARY: &str = include_str!("../../data/vocab.txt");

/// Words longer than this become the unknown token, as in the published tokenizer.
const LONGEST_WORD: usize = 100;

/// The vocabulary and the ids of the tokens with a meaning of their own.
#[derive(Debug)]
pub struct WordPiece {
    pieces: HashMap<String, u32>,
    unknown: u32,
    start: u32,
    end: u32,
}

impl WordPiece {
    /// The one of BERT without capitals.
    ///
    /// # Errors
    /// Its vocabulary is damaged.
    pub fn bert() -> Result<Self, Error> {
        Self::new(VOCABULARY)
    }

    /// How many tokens there are.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Reads the text of a `vocab.txt`: a piece a line, which has the number of its line.
    ///
    /// # Errors
    /// A token with a meaning of its own is missing.
    fn new(vocabulary: &str) -> Result<Self, Error> {
        let pieces: HashMap<String, u32> =
            vocabulary.lines().zip(0_u32..).map(|(line, number)| (line.to_owned(), number)).collect();
        let id = |name: &str| {
            pieces.get(name).copied().ok_or_else(|| Error::Model(format!("its vocabulary has no {name}")))
        };
        let (unknown, start, end) = (id("[UNK]")?, id("[CLS]")?, id("[SEP]")?);
        Ok(Self { pieces, unknown, start, end })
    }

    /// The tokens of a text between a start and an end token, `most` at most.
    #[must_use]
    pub fn encode(&self, text: &str, most: usize) -> Vec<u32> {
        let mut tokens = vec![self.start];
        for word in split(text) {
            if tokens.len() >= most {
                break;
            }
            self.pieces_of(&word, &mut tokens);
        }
        tokens.truncate(most.saturating_sub(1));
        tokens.push(self.end);
        tokens
    }

    /// Whether all of a text is read, in `most` tokens at most. Words that are not known all become one token, by which they cannot be
    /// told apart: so it is with most scripts but Latin.
    pub(super) fn reads_all(&self, text: &str, most: usize) -> bool {
        if strikes_through(text) {
            return false;
        }
        let tokens = self.encode(text, most + 1);
        tokens.len() <= most && !tokens.contains(&self.unknown)
    }

    /// One token between a start and an end token.
    pub(super) fn around(&self, token: u32) -> Vec<u32> {
        vec![self.start, token, self.end]
    }

    fn pieces_of(&self, word: &str, out: &mut Vec<u32>) {
        let before = out.len();
        if word.chars().count() > LONGEST_WORD {
            out.push(self.unknown);
            return;
        }
        let mut rest = word;
        while !rest.is_empty() {
            let inner = rest.len() < word.len();
            let found = rest.char_indices().map(|(i, c)| i + c.len_utf8()).rev().find_map(|end| {
                let (head, tail) = rest.split_at_checked(end)?;
                let id = if inner { self.pieces.get(&format!("##{head}")) } else { self.pieces.get(head) };
                id.map(|id| (*id, tail))
            });
            match found {
                Some((id, tail)) => {
                    out.push(id);
                    rest = tail;
                }
                None => {
                    // One piece that is not known makes the whole word unknown.
                    out.truncate(before);
                    out.push(self.unknown);
                    return;
                }
            }
        }
    }
}

fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let flush = |word: &mut String, words: &mut Vec<String>| {
        if !word.is_empty() {
            words.push(std::mem::take(word));
        }
    };
    let plain =
        text.chars().filter(|c| *c != '\0' && *c != '\u{fffd}' && (!c.is_control() || c.is_whitespace()));
    for c in plain.collect::<String>().nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        if c.is_whitespace() {
            flush(&mut word, &mut words);
        } else if stands_alone(c) {
            flush(&mut word, &mut words);
            words.push(c.to_string());
        } else {
            word.push(c);
        }
    }
    flush(&mut word, &mut words);
    words
}

/// Whether a text has a mark on what is no letter, as the stroke that makes "is in" (∈) "is not in" (∉). Marks are not read.
fn strikes_through(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let mut is_letter = false;
    text.nfd().any(|c| {
        let is_mark = is_combining_mark(c);
        let struck = is_mark && !is_letter;
        is_letter = c.is_alphabetic() || (is_mark && is_letter);
        struck
    })
}

/// Punctuation and ideographs are words of their own.
fn stands_alone(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c as u32, 0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
        || matches!(c as u32, 0xA1 | 0xA7 | 0xAB | 0xB6 | 0xB7 | 0xBB | 0xBF | 0x2010..=0x2027 | 0x2030..=0x205E | 0x3001..=0x3003 | 0x3008..=0x3011 | 0x3014..=0x301F | 0xFF01..=0xFF0F | 0xFF1A..=0xFF20 | 0x0964 | 0x0965)
            && c != '\u{2044}'
            && c != '\u{2052}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_accents_and_punctuation() {
        assert_eq!(split("Où est l'Été?"), ["ou", "est", "l", "'", "ete", "?"]);
    }

    #[test]
    fn texts_of_which_words_are_not_known_are_not_read() {
        let w = WordPiece::bert().unwrap();
        assert!(w.reads_all("May dogs eat chocolate?", 64) && w.reads_all("Où est l'Été?", 64));
        for text in
            ["狗可以吃巧克力吗？", "what does \u{72d7} mean", "does a\u{2209}B hold?", &"x".repeat(101)]
        {
            assert!(!w.reads_all(text, 64), "{text}");
        }
        assert!(!w.reads_all("one two three", 4));
    }

    #[test]
    fn takes_the_longest_pieces() {
        let w = WordPiece::new("[UNK]\n[CLS]\n[SEP]\nun\n##want\n##ed\nrun").unwrap();
        assert_eq!(w.encode("unwanted runx", 16), [1, 3, 4, 5, 0, 2]);
        assert_eq!(w.encode("unwanted runx", 4), [1, 3, 4, 2]);
    }
}
