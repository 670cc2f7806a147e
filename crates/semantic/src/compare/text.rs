//! What is kept of one text for comparing it with another.

use super::lexicon::Lexicon;
use super::scan;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The languages the lexicon knows, the first wins a tie.
pub(crate) const LANGUAGES: [&str; 4] = ["en", "de", "fr", "es"];

/// The part a word plays after a preposition of origin or destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    From,
    To,
}

/// One text, read once: its words and their classes.
#[derive(Debug, Clone)]
pub struct Text {
    pub(crate) words: Vec<String>,
    pub(crate) word_set: HashSet<String>,
    pub(crate) function_words: Vec<String>,
    pub(crate) content: Vec<String>,
    pub(crate) content_set: BTreeSet<String>,
    pub(crate) trigrams: HashSet<[char; 3]>,
    pub(crate) bigrams: HashSet<(String, String)>,
    pub(crate) numbers: Vec<String>,
    pub(crate) classes: BTreeSet<String>,
    pub(crate) negations: usize,
    pub(crate) capitals: HashSet<String>,
    pub(crate) code: HashSet<String>,
    /// Operators, and letters and digits that the word lists know nothing of, in their order.
    pub(crate) symbols: Vec<char>,
    pub(crate) roles: HashMap<String, Role>,
    pub(crate) markers: HashMap<String, String>,
    /// The place of the text's language in [`LANGUAGES`].
    pub(crate) language: usize,
    pub(crate) language_hits: [usize; 4],
    pub(crate) ask: Option<String>,
}

/// An operator, or a letter or digit of another script than Latin.
fn is_symbol(c: char) -> bool {
    const LATIN: char = '\u{24f}';
    let latin_with_accents = matches!(c, '\u{1e00}'..='\u{1eff}');
    "+*/=<>^~|\\".contains(c)
        || matches!(c, '\u{2190}'..='\u{22ff}')
        || (c.is_alphanumeric() && c > LATIN && !latin_with_accents)
}

/// Words that are also common verbs, adjectives or nouns: dates only when written as a name.
fn ambiguous(word: &str) -> bool {
    matches!(word, "may" | "march" | "mars" | "second")
}

impl Text {
    /// Reads a text.
    pub(crate) fn new(text: &str, lexicon: &Lexicon) -> Self {
        let spaced: String = text
            .chars()
            .map(|c| lexicon.symbols.get(&c).map_or_else(|| c.to_string(), |name| format!(" {name} ")))
            .collect();
        let raw = scan::words(&spaced);
        let words: Vec<String> = raw
            .iter()
            .map(|r| {
                let word = r.to_lowercase().replace('’', "'");
                match word.strip_suffix("'s") {
                    Some(owner) if !lexicon.function.contains(&word) && !lexicon.negative.contains(&word) => {
                        owner.to_owned()
                    }
                    _ => word,
                }
            })
            .collect();
        let named: Vec<bool> = raw
            .iter()
            .enumerate()
            .map(|(i, r)| i > 0 && r.chars().next().is_some_and(char::is_uppercase))
            .collect();

        let language_hits = LANGUAGES.map(|l| {
            lexicon.language.get(l).map_or(0, |known| words.iter().filter(|w| known.contains(*w)).count())
        });
        let most = language_hits.iter().copied().max().unwrap_or(0);
        let language = if most > 0 { language_hits.iter().position(|n| *n == most).unwrap_or(0) } else { 0 };
        let code_of_language = LANGUAGES.get(language).copied().unwrap_or("en");

        let is_function = |w: &String| lexicon.function.contains(w);
        let content: Vec<String> = words.iter().filter(|w| !is_function(w)).map(|w| scan::stem(w)).collect();
        let (numbers, classes) = numbers_and_classes(text, &words, &named, lexicon);
        let here = lexicon.negative_by_language.get(code_of_language);
        // "no" is Spanish for "not" and stands in both lists; it must count once.
        let spanish = code_of_language == "es";
        let negations = words
            .iter()
            .filter(|w| {
                (lexicon.negative.contains(*w) && !(spanish && *w == "no"))
                    || here.is_some_and(|h| h.contains(*w)) && spanish
                    || w.ends_with("n't")
            })
            .count();
        let symbols = text.chars().filter(|c| is_symbol(*c) && !lexicon.symbols.contains_key(c)).collect();
        let capitals = words
            .iter()
            .zip(&named)
            .filter(|(w, n)| **n && !is_function(w))
            .map(|(w, _)| w.clone())
            .collect();
        let empty = HashSet::new();
        let from = lexicon.from.get(code_of_language).unwrap_or(&empty);
        let to = lexicon.to.get(code_of_language).unwrap_or(&empty);
        let mut roles = HashMap::new();
        let mut markers = HashMap::new();
        for (i, w) in words.iter().enumerate() {
            let role = if from.contains(w) { Some(Role::From) } else { to.contains(w).then_some(Role::To) };
            if let Some(role) = role
                && let Some(y) = words.iter().skip(i + 1).take(3).find(|y| !is_function(y))
            {
                roles.entry(scan::stem(y)).or_insert(role);
            }
            if !is_function(w) {
                let before = words.iter().take(i).rev().take(2);
                let marker = before
                    .take_while(|y| lexicon.markers.contains(*y) || is_function(y))
                    .find(|y| lexicon.markers.contains(*y))
                    .map_or("", |m| if m == "into" { "to" } else { m });
                markers.entry(scan::stem(w)).or_insert_with(|| marker.to_owned());
            }
        }
        let padded: Vec<char> = format!(" {} ", words.join(" ")).chars().collect();
        let mut bigrams = HashSet::new();
        let mut last = "^".to_owned();
        for w in words.iter().cloned().chain(std::iter::once("$".to_owned())) {
            bigrams.insert((std::mem::replace(&mut last, w.clone()), w));
        }
        Self {
            word_set: words.iter().cloned().collect(),
            function_words: words.iter().filter(|w| is_function(w)).cloned().collect(),
            content_set: content.iter().cloned().collect(),
            trigrams: padded.windows(3).filter_map(|w| <[char; 3]>::try_from(w).ok()).collect(),
            code: scan::code(text).map(str::to_owned).collect(),
            ask: words.iter().find(|w| lexicon.asks.contains(*w)).cloned(),
            words,
            content,
            bigrams,
            numbers,
            classes,
            negations,
            capitals,
            symbols,
            roles,
            markers,
            language,
            language_hits,
        }
    }
}

fn numbers_and_classes(
    text: &str,
    words: &[String],
    named: &[bool],
    lexicon: &Lexicon,
) -> (Vec<String>, BTreeSet<String>) {
    let mut numbers = scan::numbers(text);
    let mut classes = BTreeSet::new();
    let mut after_number = false;
    for (w, named) in words.iter().zip(named) {
        let class = lexicon.classes.get(w).filter(|_| *named || !ambiguous(w));
        match class {
            // "one" is an article or a pronoun more often than a number.
            Some(c) if c == "n1" => {}
            Some(c) if c.starts_with('n') => numbers.extend(c.strip_prefix('n').map(str::to_owned)),
            Some(c) => {
                classes.insert(c.clone());
            }
            None => {}
        }
        if after_number && matches!(w.as_str(), "c" | "f" | "g" | "m" | "l" | "k" | "h") {
            classes.insert(format!("unit:{w}"));
        }
        after_number = w.chars().all(|c| c.is_ascii_digit());
    }
    numbers.sort();
    (numbers, classes)
}
