//! The features of a pair of texts. Every one is the same when the texts change places.

use super::text::Text;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// The features in the order the trees were fitted on.
pub(crate) fn features(a: &Text, b: &Text, cos: f32) -> Vec<f32> {
    let mut f = Features(vec![cos]);
    f.one(dice(&a.word_set, &b.word_set));
    f.one(dice(&a.bigrams, &b.bigrams));
    f.one(dice(&a.trigrams, &b.trigrams));
    order(a, b, &mut f);
    let (only_a, only_b) =
        (a.content_set.difference(&b.content_set).count(), b.content_set.difference(&a.content_set).count());
    let both = a.content_set.intersection(&b.content_set).count();
    f.two(count(only_a), count(only_b));
    let all = a.content_set.len() + b.content_set.len();
    f.one(if all == 0 { 1.0 } else { 2.0 * count(both) / count(all) });
    f.truth(a.content == b.content);
    f.one(count(both));
    f.one(count(inverted(a, b).len()));
    f.truth(a.numbers == b.numbers);
    f.truth(a.classes == b.classes);
    f.one(count(a.negations.abs_diff(b.negations)));
    let off: HashSet<&String> = a
        .capitals
        .iter()
        .filter(|w| !b.word_set.contains(*w))
        .chain(b.capitals.iter().filter(|w| !a.word_set.contains(*w)))
        .collect();
    f.one(count(off.len()));
    f.one(count(a.capitals.union(&b.capitals).count()));
    f.truth(a.code == b.code);
    f.truth(a.ask == b.ask);
    f.truth(a.words.first() == b.words.first());
    f.truth(a.words.last() == b.words.last());
    f.two(count(a.words.len()), count(b.words.len()));
    f.one(count(a.words.len().abs_diff(b.words.len())));
    // How much there is that could differ and does not: pairs with other numbers, classes and so on are vetoed.
    f.one(count(a.numbers.len().min(b.numbers.len())));
    f.one(count(a.classes.len().min(b.classes.len())));
    f.one(count(a.negations.min(b.negations)));
    f.one(count(a.roles.keys().filter(|word| b.roles.contains_key(*word)).count()));
    f.0
}

/// Pairs of shared content words in another order, less those that kept their prepositions.
pub(crate) fn inverted<'a>(a: &'a Text, b: &Text) -> Vec<(&'a str, &'a str)> {
    let shared = shared_order(&a.content, &b.content);
    let marker = |t: &Text, w: &str| t.markers.get(w).cloned().unwrap_or_default();
    let mut out = Vec::new();
    for (i, (x, at_x)) in shared.iter().enumerate() {
        for (y, at_y) in shared.iter().skip(i + 1) {
            if at_x > at_y {
                let (ax, ay) = (marker(a, x), marker(a, y));
                let kept = ax == marker(b, x) && ay == marker(b, y) && !(ax.is_empty() && ay.is_empty());
                if !kept {
                    out.push((*x, *y));
                }
            }
        }
    }
    out
}

struct Features(Vec<f32>);

impl Features {
    fn one(&mut self, x: f32) {
        self.0.push(x);
    }
    fn truth(&mut self, x: bool) {
        self.one(if x { 1.0 } else { 0.0 });
    }
    /// Two values that belong to the one and the other text: the smaller first, so that order is forgotten.
    fn two(&mut self, x: f32, y: f32) {
        self.one(x.min(y));
        self.one(x.max(y));
    }
}

/// A count as a number; counts here are far below what a float holds exactly.
fn count(n: usize) -> f32 {
    n as f32
}

fn dice<T: Eq + Hash>(x: &HashSet<T>, y: &HashSet<T>) -> f32 {
    let all = x.len() + y.len();
    if all == 0 { 1.0 } else { 2.0 * count(x.intersection(y).count()) / count(all) }
}

/// The shared words in the order of the first text, each with its first place in the second.
pub(crate) fn shared_order<'a>(a: &'a [String], b: &[String]) -> Vec<(&'a str, usize)> {
    let mut place: HashMap<&str, usize> = HashMap::new();
    for (i, w) in b.iter().enumerate() {
        place.entry(w).or_insert(i);
    }
    let mut seen = HashSet::new();
    a.iter()
        .filter_map(|w| place.get(w.as_str()).map(|i| (w.as_str(), *i)))
        .filter(|(w, _)| seen.insert(*w))
        .collect()
}

fn order(a: &Text, b: &Text, f: &mut Features) {
    let shared = shared_order(&a.words, &b.words);
    let n = shared.len();
    let turned = shared
        .iter()
        .enumerate()
        .map(|(i, (_, x))| shared.iter().skip(i + 1).filter(|(_, y)| x > y).count())
        .sum::<usize>();
    let pairs = (n * n.saturating_sub(1) / 2).max(1);
    f.one(count(turned) / count(pairs));
    f.one(count(turned));
}
