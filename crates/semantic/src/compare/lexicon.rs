//! The closed word lists that features and vetoes read.

use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// Word lists in English, German, French and Spanish. All words are lower-case.
#[derive(Debug, Deserialize)]
pub(crate) struct Lexicon {
    /// Months, days, spelled numbers and units, each with the name of its class.
    pub(crate) classes: HashMap<String, String>,
    /// Words that turn a meaning round.
    pub(crate) negative: HashSet<String>,
    /// Words that do so in one language only.
    pub(crate) negative_by_language: HashMap<String, HashSet<String>>,
    /// Words that carry no content.
    pub(crate) function: HashSet<String>,
    /// A few frequent words of each language, to tell the languages apart.
    pub(crate) language: HashMap<String, HashSet<String>>,
    /// Prepositions of origin.
    pub(crate) from: HashMap<String, HashSet<String>>,
    /// Prepositions of destination.
    pub(crate) to: HashMap<String, HashSet<String>>,
    /// Prepositions that give the following word its part.
    pub(crate) markers: HashSet<String>,
    /// Signs that are read as words.
    pub(crate) symbols: HashMap<char, String>,
    /// Those markers after which an exchange of two words is another question.
    pub(crate) exchange: HashSet<String>,
    /// Question words and auxiliaries that open a question.
    pub(crate) asks: HashSet<String>,
}
