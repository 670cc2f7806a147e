//! How the nearest cached texts stand to a lookup and to each other.
//!
//! Where many cached texts crowd round a lookup, the nearest one is less surely the right one.

use super::verifier::{Candidate, NEAREST};
use crate::embed::cosine;

/// A neighbour that is missing or farther counts as this near, so that a small cache looks like a sparse one.
const FLOOR: f32 = 0.5;

pub(crate) struct Neighbourhood {
    /// To the lookup, in falling order.
    cosines: Vec<f32>,
    /// Between the neighbours, row by row.
    between: Vec<Vec<f32>>,
}

impl Neighbourhood {
    pub(crate) fn of(near: &[Candidate<'_>]) -> Self {
        let near = || near.iter().take(NEAREST);
        Self {
            cosines: near().map(|found| found.similarity).collect(),
            between: near().map(|x| near().map(|y| cosine(x.vector, y.vector)).collect()).collect(),
        }
    }

    pub(crate) fn cosine(&self, k: usize) -> f32 {
        self.cosines.get(k).copied().unwrap_or(-1.0)
    }

    /// Appends the features of the neighbour at place `k`.
    pub(crate) fn features(&self, k: usize, out: &mut Vec<f32>) {
        let at = |i: usize| self.cosine(i).max(FLOOR);
        let all = || (0..NEAREST).map(at);
        for least in [0.95, 0.9, 0.8] {
            out.push(all().filter(|c| *c >= least).count() as f32);
        }
        let others = || (0..NEAREST).filter(move |j| *j != k);
        let own = at(k);
        out.push(own - others().map(at).fold(FLOOR, f32::max));
        out.push(at(1));
        out.push(at(4));
        out.push(at(0) - own);
        let to = |j: usize| {
            let known = self.between.get(k).and_then(|row| row.get(j));
            known.copied().unwrap_or(FLOOR).max(FLOOR)
        };
        out.push(others().map(to).fold(FLOOR, f32::max));
        out.push(others().filter(|j| at(*j) > 0.85).map(to).sum());
    }
}
