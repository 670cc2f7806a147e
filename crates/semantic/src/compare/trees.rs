//! Boosted regression trees, read as data.

use crate::Error;
use serde::Deserialize;

/// One tree: inner nodes in four rows of equal length, then the leaves. A child below zero is leaf `-1 - child`.
#[derive(Debug, Deserialize)]
struct Tree {
    feature: Vec<usize>,
    threshold: Vec<f64>,
    left: Vec<i32>,
    right: Vec<i32>,
    leaf: Vec<f64>,
}

impl Tree {
    fn value(&self, x: &[f32]) -> f64 {
        let mut node = if self.feature.is_empty() { -1 } else { 0 };
        // Children come after their parent, so a walk ends within as many steps as there are nodes.
        for _ in 0..=self.feature.len() {
            if node < 0 {
                break;
            }
            let at = usize::try_from(node).unwrap_or(0);
            let value = self.feature.get(at).and_then(|f| x.get(*f)).copied().unwrap_or(0.0);
            let goes_left = self.threshold.get(at).is_some_and(|t| f64::from(value) <= *t);
            let children = if goes_left { &self.left } else { &self.right };
            node = children.get(at).copied().unwrap_or(-1);
        }
        usize::try_from(-1 - node).ok().and_then(|i| self.leaf.get(i)).copied().unwrap_or(0.0)
    }

    fn is_sound(&self, features: usize) -> bool {
        let n = self.feature.len();
        let child = |i: usize, c: i32| match usize::try_from(c) {
            Ok(next) => next > i && next < n,
            Err(_) => usize::try_from(-1 - c).is_ok_and(|l| l < self.leaf.len()),
        };
        [self.threshold.len(), self.left.len(), self.right.len()].iter().all(|l| *l == n)
            && !self.leaf.is_empty()
            && self.feature.iter().all(|f| *f < features)
            && self.left.iter().chain(&self.right).zip((0..n).chain(0..n)).all(|(c, i)| child(i, *c))
    }
}

/// A sum of trees; larger means more surely the same.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Trees(Vec<Tree>);

impl Trees {
    /// Refuses trees that could not be walked, so that a damaged file is found at load and not at a lookup.
    pub(crate) fn check(&self, features: usize) -> Result<(), Error> {
        match self.0.iter().position(|t| !t.is_sound(features)) {
            Some(i) => Err(Error::Verifier(format!("tree {i} is damaged"))),
            None => Ok(()),
        }
    }

    pub(crate) fn score(&self, x: &[f32]) -> f64 {
        self.0.iter().map(|t| t.value(x)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_a_tree_and_refuses_a_damaged_one() {
        let tree = |left: &str| {
            let text = format!(
                r#"[{{"feature":[0],"threshold":[0.5],"left":[{left}],"right":[-2],"leaf":[1.0,2.0]}}]"#
            );
            serde_json::from_str::<Trees>(&text).unwrap()
        };
        assert_eq!(tree("-1").score(&[0.5]), 1.0);
        assert_eq!(tree("-1").score(&[0.6]), 2.0);
        assert!(tree("-1").check(1).is_ok());
        assert!(tree("0").check(1).is_err());
        assert!(tree("-3").check(1).is_err());
    }
}
