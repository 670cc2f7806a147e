//! What every store of vectors does: the same tests over all of them, on real servers.
//!
//! The servers are those that `tests/setup.sh` puts into `.tools`; `WEIRGATE_REDIS_SEARCH_SERVER` and `WEIRGATE_POSTGRES_SERVER` name
//! others.

mod postgres;
mod redis;
mod servers;

use super::*;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use servers::{Of, Server};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How far a similarity may be off.
const NEARLY: f32 = 2e-3;
/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3_600);
/// Of the vectors of these tests.
const DIMENSIONS: usize = 16;

fn hex(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.into_iter().map(|number| number / length).collect()
}

/// A vector that is the same for the same seed, and in no relation to others.
fn vector(seed: u64, dimensions: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed >> 40) as f32 / (1 << 23) as f32) - 1.0
    };
    unit((0..dimensions).map(|_| next()).collect())
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

fn point(group: &str, key: &str, vector: Vec<f32>) -> Point {
    Point { group: hex(group), key: hex(key), text: format!("text of {key}"), vector }
}

async fn texts(store: &dyn Vectors, group: &str, vector: &[f32], count: usize) -> Vec<String> {
    let found = store.nearest(&hex(group), vector, count).await.unwrap();
    found.into_iter().map(|neighbour| neighbour.text).collect()
}

/// Asks until the answer is as wanted.
async fn until<T: std::fmt::Debug>(mut ask: impl AsyncFnMut() -> T, wanted: impl Fn(&T) -> bool) {
    let began = Instant::now();
    loop {
        let answer = ask().await;
        if wanted(&answer) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "still {answer:?}");
        tokio::task::yield_now().await;
    }
}

async fn the_nearest_come_first(store: &dyn Vectors) {
    let wanted = vector(1, DIMENSIONS);
    let points: Vec<Point> =
        (0..60).map(|seed| point("near", &format!("near {seed}"), vector(100 + seed, DIMENSIONS))).collect();
    for point in &points {
        store.put(point.clone()).await.unwrap();
    }
    let mut right: Vec<f32> = points.iter().map(|point| cosine(&wanted, &point.vector)).collect();
    right.sort_by(|one, other| other.total_cmp(one));
    let found = store.nearest(&hex("near"), &wanted, 7).await.unwrap();
    assert_eq!(found.len(), 7);
    for (neighbour, right) in found.iter().zip(right) {
        assert!((neighbour.similarity - right).abs() < NEARLY, "{} {right}", neighbour.similarity);
        let kept = points.iter().find(|point| point.key == neighbour.key).unwrap();
        assert_eq!(kept.text, neighbour.text);
        assert_eq!(kept.vector.len(), neighbour.vector.len());
        for (one, other) in kept.vector.iter().zip(&neighbour.vector) {
            assert!((one - other).abs() < NEARLY, "{one} {other}");
        }
        assert!((cosine(&wanted, &kept.vector) - neighbour.similarity).abs() < NEARLY);
    }
    let itself = store.nearest(&hex("near"), &points[30].vector, 1).await.unwrap();
    assert_eq!(itself[0].key, points[30].key);
    assert!((itself[0].similarity - 1.0).abs() < NEARLY);
    let opposite: Vec<f32> = itself[0].vector.iter().map(|number| -number).collect();
    let farthest = store.nearest(&hex("near"), &opposite, 60).await.unwrap();
    assert!((farthest[59].similarity + 1.0).abs() < NEARLY);
    assert_eq!(store.nearest(&hex("near"), &wanted, 0).await.unwrap(), []);
}

/// Random points in random groups, some in place of others, some forgotten: what is found is what a map holds.
async fn groups_never_mix(store: &dyn Vectors) {
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let step = (0..5u8, 0..24u8, 0..u64::MAX, proptest::bool::weighted(0.2));
    let steps = proptest::collection::vec(step, 1..40);
    for case in 0..12 {
        let mut kept = BTreeMap::new();
        let steps = steps.new_tree(&mut runner).unwrap().current();
        for &(group, key, seed, forget) in &steps {
            let (group, key) = (format!("random {case} {group}"), format!("random {case} {key}"));
            if forget {
                store.forget(&hex(&group), &hex(&key)).await.unwrap();
                kept.remove(&hex(&key));
            } else {
                let point = point(&group, &key, vector(seed, DIMENSIONS));
                store.put(point.clone()).await.unwrap();
                kept.insert(point.key.clone(), point);
            }
        }
        for group in (0..5).map(|group| hex(&format!("random {case} {group}"))) {
            let wanted = vector(case, DIMENSIONS);
            // More than there are.
            let found = store.nearest(&group, &wanted, 50).await.unwrap();
            let mut keys: Vec<&String> = found.iter().map(|neighbour| &neighbour.key).collect();
            keys.sort();
            let right: Vec<&String> =
                kept.values().filter(|point| point.group == group).map(|point| &point.key).collect();
            assert_eq!(keys, right, "case {case}: {steps:?}");
            assert!(found.is_sorted_by(|one, other| one.similarity >= other.similarity));
            for neighbour in found {
                let right = cosine(&wanted, &kept[&neighbour.key].vector);
                assert!((neighbour.similarity - right).abs() < NEARLY, "case {case}: {steps:?}");
            }
        }
    }
}

async fn a_key_has_one_point(store: &dyn Vectors) {
    let (one, other) = (vector(2, DIMENSIONS), vector(3, DIMENSIONS));
    store.put(point("replaced", "replaced", one.clone())).await.unwrap();
    let second =
        Point { text: "second".to_owned(), ..point("replaced elsewhere", "replaced", other.clone()) };
    store.put(second).await.unwrap();
    assert_eq!(texts(store, "replaced", &one, 5).await, [""; 0]);
    assert_eq!(texts(store, "replaced elsewhere", &other, 5).await, ["second"]);
    let third = Point { text: "third".to_owned(), ..point("replaced elsewhere", "replaced", one.clone()) };
    store.put(third).await.unwrap();
    let found = store.nearest(&hex("replaced elsewhere"), &one, 5).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].text, "third");
    assert!((found[0].similarity - 1.0).abs() < NEARLY);
}

async fn what_is_forgotten_is_gone(store: &dyn Vectors) {
    let near = vector(4, DIMENSIONS);
    for key in ["forgotten", "remembered"] {
        store.put(point("forgetting", key, near.clone())).await.unwrap();
    }
    store.forget(&hex("forgetting"), &hex("forgotten")).await.unwrap();
    store.forget(&hex("forgetting"), &hex("never there")).await.unwrap();
    store.forget(&hex("no such group"), &hex("never there")).await.unwrap();
    assert_eq!(texts(store, "forgetting", &near, 5).await, ["text of remembered"]);
}

async fn a_group_that_nobody_has_is_empty(store: &dyn Vectors) {
    assert_eq!(store.nearest(&hex("nobody's"), &vector(5, DIMENSIONS), 3).await.unwrap(), []);
    // Groups that look like numbers, or like others.
    for group in ["0123456789", "1e5", "123e45", "00", "0", "abc", "ab"] {
        let point = Point { group: group.to_owned(), ..point("", group, vector(6, DIMENSIONS)) };
        store.put(point).await.unwrap();
    }
    for group in ["0123456789", "1e5", "123e45", "00", "0", "abc", "ab"] {
        let found = store.nearest(group, &vector(6, DIMENSIONS), 9).await.unwrap();
        let keys: Vec<&String> = found.iter().map(|neighbour| &neighbour.key).collect();
        assert_eq!(keys, [&hex(group)], "{group}");
    }
}

async fn texts_come_back_as_they_were(store: &dyn Vectors) {
    let long = "Wie viele Ä? ".repeat(5_000);
    let all = ["", " ", "Grüße, 世界 🦀\n\t\"'\\%_{}$1;--", "\u{1}\u{7f}\u{200b}\u{feff}", "distance", &long];
    for (index, text) in all.into_iter().enumerate() {
        let group = format!("texts {index}");
        let point = Point { text: text.to_owned(), ..point(&group, &group, vector(7, DIMENSIONS)) };
        store.put(point).await.unwrap();
        assert_eq!(texts(store, &group, &vector(7, DIMENSIONS), 2).await, [text]);
    }
    // Not every store can keep the character that ends texts elsewhere, but none is to fail for it.
    let point = Point { text: "a\0b".to_owned(), ..point("nul", "nul", vector(7, DIMENSIONS)) };
    store.put(point).await.unwrap();
    assert_eq!(texts(store, "nul", &vector(7, DIMENSIONS), 2).await[0].len().min(3), 3);
}

async fn many_may_ask_at_once(store: &dyn Vectors) {
    let asked = (0..64u64).map(|seed| async move {
        let (group, vector) = (format!("at once {}", seed % 4), vector(1_000 + seed, DIMENSIONS));
        let point = point(&group, &format!("at once {seed}"), vector.clone());
        store.put(point.clone()).await.unwrap();
        let found = store.nearest(&point.group, &vector, 1).await.unwrap();
        assert_eq!(found[0].key, point.key);
    });
    futures_util::future::join_all(asked).await;
    for group in 0..4 {
        assert_eq!(texts(store, &format!("at once {group}"), &vector(8, DIMENSIONS), 99).await.len(), 16);
    }
}

/// What every store does.
async fn all(store: &dyn Vectors) {
    the_nearest_come_first(store).await;
    groups_never_mix(store).await;
    a_key_has_one_point(store).await;
    what_is_forgotten_is_gone(store).await;
    a_group_that_nobody_has_is_empty(store).await;
    texts_come_back_as_they_were(store).await;
    many_may_ask_at_once(store).await;
}

/// What a store does that keeps nothing for longer than a millisecond.
async fn what_is_too_old_is_gone(brief: &dyn Vectors) {
    for seed in 0..20 {
        brief.put(point("brief", &format!("brief {seed}"), vector(seed, DIMENSIONS))).await.unwrap();
    }
    until(
        async || brief.nearest(&hex("brief"), &vector(9, DIMENSIONS), 30).await.unwrap(),
        |found| found.is_empty(),
    )
    .await;
}

/// What a store does whose server has gone.
async fn errors_come_at_once(store: &dyn Vectors) {
    let began = Instant::now();
    store.nearest(&hex("away"), &vector(1, DIMENSIONS), 1).await.unwrap_err();
    store.put(point("away", "away", vector(1, DIMENSIONS))).await.unwrap_err();
    store.forget(&hex("away"), &hex("away")).await.unwrap_err();
    assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_memory_store_does_what_every_store_does() {
    all(&Memory::open(1 << 24, HOUR, None).unwrap()).await;
    what_is_too_old_is_gone(&Memory::open(1 << 24, Duration::from_millis(1), None).unwrap()).await;
}
