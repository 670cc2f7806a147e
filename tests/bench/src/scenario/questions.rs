//! Questions and embeddings that are made up. The same number always gives the same, so none has to be kept to be known.
//!
//! Embedders put questions of one topic near to each other. So do these: a topic has a direction, and each of its questions a direction of
//! its own beside it.

use weirgate_semantic::embed::normalize;

/// As all-MiniLM-L6-v2 gives them.
const DIMENSIONS: usize = 384;
/// How far a question is from its topic. The cosine of two of a topic is about 0.73, so that the verifier looks at both.
const ASIDE: f32 = 0.6;
/// How far a question is from the same in other words. The cosine of the two is about 0.96.
const REPHRASED: f32 = 0.3;

/// They all ask for the same.
const OPENINGS: [&str; 12] = [
    "How do I",
    "How can I",
    "How does one",
    "How would you",
    "How can I best",
    "Tell me how to",
    "Could you show me how to",
    "Can you explain how to",
    "What is the best way to",
    "What is a good way to",
    "Is there a simple way to",
    "Please describe how to",
];
const VERBS: [&str; 15] = [
    "repair", "clean", "paint", "move", "sell", "insure", "store", "test", "weigh", "draw", "rent", "lift",
    "restore", "borrow", "describe",
];
const ADJECTIVES: [&str; 16] = [
    "old", "new", "small", "large", "wooden", "heavy", "cheap", "broken", "green", "rusty", "foreign",
    "used", "wet", "folding", "narrow", "noisy",
];
const NOUNS: [&str; 20] = [
    "bicycle", "piano", "boat", "kitchen", "ladder", "camera", "garden", "printer", "violin", "wardrobe",
    "window", "tent", "engine", "mirror", "shower", "carpet", "scooter", "fence", "oven", "tractor",
];
const ENDINGS: [&str; 16] = [
    "before winter",
    "at home",
    "without tools",
    "in one day",
    "on a small budget",
    "for a friend",
    "with my children",
    "after a long trip",
    "in a rented flat",
    "without any experience",
    "while it is raining",
    "during the summer holidays",
    "with help from a neighbour",
    "so that it lasts",
    "before the guests arrive",
    "without making a mess",
];
const TAILS: [&str; 4] = ["", "", " and what should I avoid", " and which mistakes are common"];
/// Topics: what is done with what.
const TOPICS: u64 = (VERBS.len() * NOUNS.len()) as u64;

/// A question of 8 to 20 words.
pub(super) fn text(number: u64) -> String {
    written(number, 0)
}

/// The same in other words.
pub(super) fn rephrased_text(number: u64) -> String {
    written(number, 1)
}

/// Its embedding.
pub(super) fn embedding(number: u64) -> Vec<f32> {
    beside(&direction(number % TOPICS), ASIDE, 1 << 50 | number)
}

/// That of the same in other words.
pub(super) fn rephrased_embedding(number: u64) -> Vec<f32> {
    beside(&embedding(number), REPHRASED, 1 << 51 | number)
}

/// A question whose opening is so many places after its own.
fn written(number: u64, after: u64) -> String {
    let topic = number % TOPICS;
    let (verb, noun) = (topic / NOUNS.len() as u64, topic % NOUNS.len() as u64);
    let mut own = Random(1 << 52 | number);
    let opening = own.next().wrapping_add(after);
    format!(
        "{} {} the {} {} {}{}?",
        chosen(&OPENINGS, opening),
        chosen(&VERBS, verb),
        chosen(&ADJECTIVES, own.next()),
        chosen(&NOUNS, noun),
        chosen(&ENDINGS, own.next()),
        chosen(&TAILS, own.next()),
    )
}

fn chosen(all: &[&'static str], number: u64) -> &'static str {
    let place = number % all.len().max(1) as u64;
    all.get(place as usize).copied().unwrap_or_default()
}

/// A vector of length one that is about so far from one of length one, in a direction of its own.
fn beside(vector: &[f32], distance: f32, seed: u64) -> Vec<f32> {
    let mut moved = direction(seed);
    moved.iter_mut().zip(vector).for_each(|(own, x)| *own = x + distance * *own);
    normalize(&mut moved);
    moved
}

/// A vector of length one, in no relation to those of other seeds.
fn direction(seed: u64) -> Vec<f32> {
    let mut random = Random(seed);
    let mut vector: Vec<f32> =
        (0..DIMENSIONS).map(|_| (random.next() >> 40) as f32 / (1 << 23) as f32 - 1.0).collect();
    normalize(&mut vector);
    vector
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weirgate_semantic::embed::cosine;

    #[test]
    fn questions_have_the_usual_length() {
        for number in 0..2_000 {
            for question in [text(number), rephrased_text(number)] {
                let words = question.split(' ').count();
                assert!((8..=20).contains(&words), "{question}");
            }
        }
        let bytes: usize = (0..2_000).map(|number| text(number).len()).sum();
        assert!((50..=75).contains(&(bytes / 2_000)), "{}", bytes / 2_000);
    }

    #[test]
    fn a_rephrased_question_is_the_nearest() {
        let near = |one: &[f32], other: &[f32], wanted: f32| (cosine(one, other) - wanted).abs() < 0.15;
        for number in 0..50 {
            assert_ne!(text(number), rephrased_text(number));
            let own = embedding(number);
            assert!(near(&own, &rephrased_embedding(number), 0.96));
            assert!(near(&own, &embedding(number + TOPICS), 0.73));
            assert!(near(&own, &embedding(number + 1), 0.0), "{number}");
        }
    }
}
