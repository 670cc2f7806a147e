//! Differences that no similarity outweighs.

use super::pair::{inverted, shared_order};
use super::scan::stem;
use super::text::{LANGUAGES, Text};

/// Why one text's answer must not be served for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Veto {
    /// Other numbers, versions or written dates.
    Number,
    /// Another month, day, spelled quantity or unit.
    Class,
    /// One is the negative of the other.
    Negation,
    /// A name in one that the other does not have.
    Name,
    /// The same frame of function words around other content.
    Substitution,
    /// Another identifier, path, call or flag.
    Code,
    /// Other operators, or other letters of a script of which no word is known.
    Symbol,
    /// Asked in another language.
    Language,
    /// From and to, before and after, or the two sides of a comparison are exchanged.
    Direction,
    /// The same words, but two of them changed places.
    Order,
}

/// Every veto that holds between two texts; empty if none does.
pub(crate) fn vetoes(a: &Text, b: &Text, cos: f32, exchange: impl Fn(&str) -> bool) -> Vec<Veto> {
    let found = [
        (a.numbers != b.numbers, Veto::Number),
        (a.classes != b.classes, Veto::Class),
        (a.negations % 2 != b.negations % 2, Veto::Negation),
        (names_differ(a, b), Veto::Name),
        (cos < SUBSTITUTE && substituted(a, b), Veto::Substitution),
        (a.code != b.code, Veto::Code),
        (a.symbols != b.symbols, Veto::Symbol),
        (other_language(a, b), Veto::Language),
        (roles_differ(a, b) || exchanged(a, b, exchange), Veto::Direction),
        (swapped(a, b) || turned(a, b) || names_inverted(a, b), Veto::Order),
    ];
    found.into_iter().filter_map(|(holds, veto)| holds.then_some(veto)).collect()
}

/// Above this cosine a word in another's place is as a rule a spelling or a synonym of it.
const SUBSTITUTE: f32 = 0.96;

/// German writes every noun with a capital, so there a name counts only against another name.
fn names_differ(a: &Text, b: &Text) -> bool {
    let only_a = a.capitals.iter().any(|w| !b.word_set.contains(w));
    let only_b = b.capitals.iter().any(|w| !a.word_set.contains(w));
    let german = [a, b].iter().any(|t| LANGUAGES.get(t.language) == Some(&"de"));
    (only_a && only_b) || ((only_a || only_b) && !german)
}

fn substituted(a: &Text, b: &Text) -> bool {
    a.function_words == b.function_words
        && a.content_set.difference(&b.content_set).next().is_some()
        && b.content_set.difference(&a.content_set).next().is_some()
}

/// Each text has more of its own language's words than the other text has.
fn other_language(a: &Text, b: &Text) -> bool {
    let hits = |t: &Text, language: usize| t.language_hits.get(language).copied().unwrap_or(0);
    a.language != b.language
        && hits(a, a.language) > 0
        && hits(b, b.language) > 0
        && hits(a, b.language) < hits(b, b.language)
        && hits(b, a.language) < hits(a, a.language)
}

fn roles_differ(a: &Text, b: &Text) -> bool {
    a.roles.iter().any(|(word, role)| b.roles.get(word).is_some_and(|other| other != role))
}

/// After one preposition stands x here and y there, and each text has the other word elsewhere.
fn exchanged(a: &Text, b: &Text, exchange: impl Fn(&str) -> bool) -> bool {
    let marker = |t: &Text, w: &str| t.markers.get(w).cloned().unwrap_or_default();
    let both: Vec<&String> = a.content_set.intersection(&b.content_set).collect();
    both.iter().any(|x| {
        let m = marker(a, x);
        exchange(&m)
            && marker(b, x) != m
            && both.iter().any(|y| y != x && marker(b, y) == m && marker(a, y) != m)
    })
}

/// The same words, the function words in the same order, the content words not.
fn swapped(a: &Text, b: &Text) -> bool {
    let sorted = |t: &Text| {
        let mut c = t.content.clone();
        c.sort();
        c
    };
    a.content != b.content && a.function_words == b.function_words && sorted(a) == sorted(b)
}

fn names_inverted(a: &Text, b: &Text) -> bool {
    let name = |w: &str| a.capitals.iter().chain(&b.capitals).any(|c| stem(c) == w);
    inverted(a, b).iter().any(|(x, y)| name(x) && name(y))
}

/// Three shared content words stand in exactly the reverse order: two changed places round a third.
fn turned(a: &Text, b: &Text) -> bool {
    let shared = shared_order(&a.content, &b.content);
    let moved = inverted(a, b);
    let place = |w: &str| shared.iter().position(|(x, _)| *x == w);
    let at = |i: usize| shared.get(i).map(|(_, p)| *p);
    moved.iter().any(|(x, y)| {
        let (Some(i), Some(k)) = (place(x), place(y)) else { return false };
        (i + 1..k).any(|j| at(i) > at(j) && at(j) > at(k))
    })
}
