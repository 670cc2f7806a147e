//! Nearest neighbours in memory.
//!
//! Vectors are kept as whole numbers of 16 bits, which changes a cosine by less than a thousandth. Beside each stands a sketch: the
//! signs of its numbers, a bit each. In a large group the sketches that differ least from the lookup's are found first, which reads a
//! thirtieth of the bytes, and only those vectors are compared. For vectors whose cosine is c, on average arccos(c)/π of the bits differ
//! (Charikar, "Similarity estimation techniques from rounding algorithms", 2002), so what is near enough to be given is hardly ever
//! missed; and what is missed costs a call, not a wrong answer.

use crate::embed::normalize;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

/// Groups up to this size are searched without sketches.
const EXACT: usize = 1_000;
/// How many vectors of a large group are compared for each one that is wanted.
const COMPARED: usize = 16;
/// What a question takes beside its text and its numbers, about, in bytes.
const OVERHEAD: usize = 240;
/// What 1 is kept as.
const ONE: f32 = 32_767.0;

/// A question and its vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name, which no other has.
    pub key: Arc<str>,
    /// The question.
    pub text: Arc<str>,
    /// When it was kept, in milliseconds since 1970.
    pub created_ms: u64,
    /// Its numbers, each times 32,767.
    numbers: Box<[i16]>,
}

/// A question near to a lookup.
#[derive(Clone, Debug)]
pub struct Found {
    /// The question.
    pub item: Arc<Item>,
    /// The cosine of the angle between the two vectors.
    pub similarity: f32,
}

impl Item {
    /// A question with its vector, which is of length one.
    #[must_use]
    pub fn new(key: &str, text: &str, vector: &[f32], created_ms: u64) -> Self {
        // The limits hold for any vector of length one; rounding may go over by one.
        let numbers = vector.iter().map(|x| (x * ONE).round().clamp(-ONE, ONE) as i16).collect();
        Self::of(key, text, numbers, created_ms)
    }

    /// The same from the numbers that one had before.
    #[must_use]
    pub fn of(key: &str, text: &str, numbers: Vec<i16>, created_ms: u64) -> Self {
        Self { key: key.into(), text: text.into(), created_ms, numbers: numbers.into() }
    }

    /// Its vector, each number times 32,767.
    #[must_use]
    pub fn numbers(&self) -> &[i16] {
        &self.numbers
    }

    /// Its vector, to about four digits.
    #[must_use]
    pub fn vector(&self) -> Vec<f32> {
        let mut vector: Vec<f32> = self.numbers.iter().map(|x| f32::from(*x)).collect();
        normalize(&mut vector);
        vector
    }

    /// About what it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        // The key stands in two places.
        2 * self.key.len() + self.text.len() + self.numbers.len() * 2 + self.numbers.len() / 8 + OVERHEAD
    }

    fn similarity(&self, vector: &[f32]) -> f32 {
        let mut sums = [0.0_f32; 8];
        for (xs, ys) in self.numbers.chunks_exact(8).zip(vector.chunks_exact(8)) {
            for (sum, (x, y)) in sums.iter_mut().zip(xs.iter().zip(ys)) {
                *sum += f32::from(*x) * y;
            }
        }
        let rest = self.numbers.chunks_exact(8).remainder().iter().zip(vector.chunks_exact(8).remainder());
        (sums.iter().sum::<f32>() + rest.map(|(x, y)| f32::from(*x) * y).sum::<f32>()) / ONE
    }
}

/// What has to be equal for questions to be neighbours: they are only searched together.
#[derive(Debug, Default)]
struct Group {
    items: Vec<Arc<Item>>,
    /// The signs of each item's numbers, `words` words an item.
    sketches: Vec<u64>,
    words: usize,
}

impl Group {
    fn push(&mut self, item: Arc<Item>) {
        let numbers: Vec<f32> = item.numbers.iter().map(|x| f32::from(*x)).collect();
        let sketch = sketch(&numbers);
        self.words = sketch.len();
        self.sketches.extend(sketch);
        self.items.push(item);
    }

    /// Takes an item out: it, and the key of the one that has its place now.
    fn remove(&mut self, at: usize) -> Option<(Arc<Item>, Option<Arc<str>>)> {
        if at >= self.items.len() {
            return None;
        }
        let removed = self.items.swap_remove(at);
        // The last sketch takes the place of this one, as the last item has.
        let moved = self.sketches.split_off(self.sketches.len().saturating_sub(self.words));
        if let Some(place) = self.sketches.chunks_exact_mut(self.words.max(1)).nth(at) {
            place.copy_from_slice(&moved);
        }
        Some((removed, self.items.get(at).map(|item| item.key.clone())))
    }

    fn nearest(&self, vector: &[f32], count: usize) -> Vec<Found> {
        let compare = |item: &Arc<Item>| Found { item: item.clone(), similarity: item.similarity(vector) };
        let mut found: Vec<Found> = if self.items.len() <= EXACT {
            self.items.iter().map(compare).collect()
        } else {
            let places = self.like(vector, count.saturating_mul(COMPARED));
            places.into_iter().filter_map(|place| self.items.get(place)).map(compare).collect()
        };
        found.sort_by(|one, other| other.similarity.total_cmp(&one.similarity));
        found.truncate(count);
        found
    }

    /// The places of the items whose sketches differ least from that of a vector, in no order.
    fn like(&self, vector: &[f32], count: usize) -> Vec<usize> {
        let wanted = sketch(vector);
        if wanted.len() != self.words || self.words == 0 {
            return Vec::new();
        }
        // The most different of the best so far comes first.
        let mut best: BinaryHeap<(u32, usize)> = BinaryHeap::with_capacity(count + 1);
        let mut worst = u32::MAX;
        for (place, kept) in self.sketches.chunks_exact(self.words).enumerate() {
            let differ: u32 = kept.iter().zip(&wanted).map(|(x, y)| (x ^ y).count_ones()).sum();
            if differ < worst {
                best.push((differ, place));
                if best.len() > count {
                    best.pop();
                    worst = best.peek().map_or(u32::MAX, |(differ, _)| *differ);
                }
            }
        }
        best.into_iter().map(|(_, place)| place).collect()
    }
}

fn sketch(vector: &[f32]) -> Vec<u64> {
    let word = |part: &[f32]| part.iter().fold(0, |bits, x| bits << 1 | u64::from(*x > 0.0));
    vector.chunks(64).map(word).collect()
}

/// An index of at most so many bytes. The oldest questions go first.
#[derive(Debug)]
pub struct Index {
    max_bytes: usize,
    bytes: usize,
    groups: HashMap<Arc<str>, Group>,
    places: HashMap<Arc<str>, Place>,
    /// All that was put in, the oldest first. Some are there no more.
    order: VecDeque<Turn>,
    puts: u64,
}

/// Where a question is.
#[derive(Debug)]
struct Place {
    group: Arc<str>,
    at: usize,
    put: u64,
}

/// When a question goes.
#[derive(Debug)]
struct Turn {
    key: Arc<str>,
    put: u64,
    created_ms: u64,
}

impl Index {
    /// An empty one.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            bytes: 0,
            groups: HashMap::new(),
            places: HashMap::new(),
            order: VecDeque::new(),
            puts: 0,
        }
    }

    /// How many questions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// About what they take in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All questions, each with its group, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Item>)> {
        self.groups.iter().flat_map(|(name, group)| group.items.iter().map(move |item| (name, item)))
    }

    /// The nearest of a group, at most so many, the nearest first.
    #[must_use]
    pub fn nearest(&self, group: &str, vector: &[f32], count: usize) -> Vec<Found> {
        self.groups.get(group).map(|group| group.nearest(vector, count)).unwrap_or_default()
    }

    /// Keeps a question, in place of the one that has its key. One whose vector is longer or shorter than those of its group is not
    /// kept: it comes from another model.
    pub fn put(&mut self, group: &str, item: Arc<Item>) {
        self.forget(&item.key);
        let first = self.groups.get(group).and_then(|group| group.items.first());
        if item.numbers.is_empty() || first.is_some_and(|first| first.numbers.len() != item.numbers.len()) {
            return;
        }
        let name: Arc<str> = match self.groups.get_key_value(group) {
            Some((name, _)) => name.clone(),
            None => group.into(),
        };
        self.bytes += item.bytes();
        self.puts += 1;
        let (key, put, created_ms) = (item.key.clone(), self.puts, item.created_ms);
        let group = self.groups.entry(name.clone()).or_default();
        self.places.insert(key.clone(), Place { group: name, at: group.items.len(), put });
        group.push(item);
        self.order.push_back(Turn { key, put, created_ms });
        while self.bytes > self.max_bytes
            && let Some(turn) = self.order.pop_front()
        {
            self.take_leave(&turn);
        }
        // What was replaced or forgotten stands in the order until its turn comes.
        if self.order.len() > 2 * self.places.len() + 64 {
            let places = &self.places;
            self.order.retain(|turn| places.get(&turn.key).is_some_and(|place| place.put == turn.put));
        }
    }

    /// Forgets a question.
    pub fn forget(&mut self, key: &str) {
        let Some(place) = self.places.remove(key) else { return };
        let Some(group) = self.groups.get_mut(&place.group) else { return };
        if let Some((removed, moved)) = group.remove(place.at) {
            self.bytes = self.bytes.saturating_sub(removed.bytes());
            if let Some(moved) = moved.and_then(|key| self.places.get_mut(&key)) {
                moved.at = place.at;
            }
        }
        if group.items.is_empty() {
            self.groups.remove(&place.group);
        }
    }

    /// Forgets what was kept before this time.
    pub fn expire(&mut self, since_ms: u64) {
        while self.order.front().is_some_and(|turn| turn.created_ms < since_ms)
            && let Some(turn) = self.order.pop_front()
        {
            self.take_leave(&turn);
        }
    }

    /// Forgets a question whose turn it is, but not what has taken its place since.
    fn take_leave(&mut self, turn: &Turn) {
        if self.places.get(&turn.key).is_some_and(|place| place.put == turn.put) {
            self.forget(&turn.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::cosine;
    use proptest::prelude::*;

    /// Vectors round some centres, as questions lie round topics: always the same ones for a seed.
    fn clustered(seed: u64, count: usize, spread: f32) -> Vec<Vec<f32>> {
        let mut state = seed | 1;
        let mut random = move || {
            // Xorshift (Marsaglia, 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let centres: Vec<Vec<f32>> = (0..50).map(|_| (0..384).map(|_| random()).collect()).collect();
        (0..count)
            .map(|number| {
                let centre = &centres[number % centres.len()];
                let mut vector: Vec<f32> = centre.iter().map(|x| x + spread * random()).collect();
                normalize(&mut vector);
                vector
            })
            .collect()
    }

    fn filled(vectors: &[Vec<f32>]) -> Index {
        let mut index = Index::new(usize::MAX);
        for (number, vector) in vectors.iter().enumerate() {
            index.put("g", Arc::new(Item::new(&number.to_string(), "", vector, 0)));
        }
        index
    }

    #[test]
    fn a_large_group_gives_what_comparing_all_gives() {
        let vectors = clustered(7, 3_000, 0.6);
        let index = filled(&vectors);
        let (mut found, mut wanted) = (0, 0);
        for lookup in clustered(7, 50, 0.5) {
            let mut all: Vec<(f32, usize)> = vectors
                .iter()
                .enumerate()
                .map(|(number, vector)| (cosine(vector, &lookup), number))
                .collect();
            all.sort_by(|one, other| other.0.total_cmp(&one.0));
            let nearest = index.nearest("g", &lookup, 8);
            assert_eq!(nearest.len(), 8);
            for (similarity, number) in &all[..3] {
                wanted += 1;
                let hit = nearest.iter().find(|found| *found.item.key == *number.to_string());
                found += usize::from(hit.is_some_and(|hit| (hit.similarity - similarity).abs() < 1e-3));
            }
        }
        assert!(found * 100 >= wanted * 97, "{found} of {wanted}");
    }

    #[test]
    fn the_oldest_go_when_it_is_full_or_time() {
        let vectors = clustered(3, 40, 1.0);
        let item = |number: usize| Item::new(&number.to_string(), "text", &vectors[number], number as u64);
        let mut index = Index::new(10 * item(0).bytes());
        for number in 0..30 {
            index.put("g", Arc::new(item(number)));
            assert!(index.bytes() <= 10 * item(10).bytes());
        }
        let mut kept: Vec<String> = index.iter().map(|(_, item)| item.key.to_string()).collect();
        kept.sort();
        assert_eq!(kept.len(), 10 - usize::from(item(20).bytes() > item(0).bytes()));
        assert!(kept.iter().all(|key| key.parse::<usize>().unwrap() >= 20), "{kept:?}");
        index.expire(28);
        assert_eq!(index.len(), 2);
    }

    proptest! {
        /// Whatever is put in, replaced and forgotten: the index has what a map has, and no group finds another's.
        #[test]
        fn it_holds_what_a_map_holds(steps in proptest::collection::vec((0_usize..4, 0_usize..12, 0_usize..3), 1..120)) {
            let vectors = clustered(5, 12, 1.0);
            let mut index = Index::new(usize::MAX);
            let mut map = std::collections::BTreeMap::new();
            for (action, number, group) in steps {
                let key = number.to_string();
                if action == 0 {
                    index.forget(&key);
                    map.remove(&key);
                } else {
                    index.put(&group.to_string(), Arc::new(Item::new(&key, "", &vectors[number], 0)));
                    map.insert(key, group.to_string());
                }
                prop_assert_eq!(index.len(), map.len());
                let bytes: usize = index.iter().map(|(_, item)| item.bytes()).sum();
                prop_assert_eq!(index.bytes(), bytes);
                for group in ["0", "1", "2"] {
                    let found = index.nearest(group, &vectors[0], 20);
                    let mut keys: Vec<&str> = found.iter().map(|found| &*found.item.key).collect();
                    keys.sort_unstable();
                    let mut wanted: Vec<&str> = map.iter().filter(|(_, of)| *of == group).map(|(key, _)| key.as_str()).collect();
                    wanted.sort_unstable();
                    prop_assert_eq!(keys, wanted);
                }
            }
        }
    }
}
