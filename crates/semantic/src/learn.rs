//! The threshold of one kept question, learned from what came of its answer.
//!
//! After Schroeder and others, "vCache: Verified Semantic Prompt Caching", 2025 (arXiv 2502.03771): how surely a kept answer is right is
//! taken for a logistic function of a score, whose place is the entry's own, is estimated from checked outcomes, and is taken from the
//! careful end of its confidence interval. An answer is given where it is wrong with a probability of a fixed bound at most.
//!
//! Two things differ. The score is not the cosine but the verifier's log-odds, so an entry of which nothing is known need not begin
//! with checks alone: it has the verifier's own threshold, fitted to keep the bound on average. And no answer is given at or below the
//! score of one that was wrong.

use serde::{Deserialize, Serialize};

/// How many outcomes of an entry are remembered.
const REMEMBERED: usize = 32;
/// How far entries differ from each other, in log-odds: the standard deviation of what is assumed before any outcome.
const SPREAD: f64 = 1.0;
/// The ends of a 95 % interval, in standard deviations.
const INTERVAL: f64 = 1.96;

/// What came of an answer that was, or could have been, given to another question.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The verifier's score of the two questions.
    pub score: f64,
    /// Whether it was the right answer.
    pub right: bool,
}

/// What is known of one entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outcomes(Vec<Checked>);

impl Outcomes {
    /// Takes note of one. The oldest is forgotten where there are too many.
    pub fn add(&mut self, checked: Checked) {
        if self.0.len() >= REMEMBERED {
            self.0.remove(0);
        }
        self.0.push(checked);
    }

    /// The score from which the entry's answer is given, where it is `fitted` for an entry of which nothing is known.
    #[must_use]
    pub fn threshold(&self, fitted: f64) -> f64 {
        let (shift, deviation) = self.shift();
        let learned = fitted + shift + INTERVAL * (deviation - SPREAD);
        let wrong = self.0.iter().filter(|checked| !checked.right).map(|checked| checked.score.next_up());
        wrong.fold(learned, f64::max)
    }

    /// By how much the entry's log-odds are lower than the verifier says, most likely, and how sure that is.
    fn shift(&self) -> (f64, f64) {
        // The logarithm of the likelihood is concave, so Newton's method finds its maximum.
        let precision = SPREAD.powi(-2);
        let mut shift = 0.0_f64;
        let mut curvature = precision;
        for _ in 0..20 {
            let mut slope = -precision * shift;
            curvature = precision;
            for checked in &self.0 {
                let right = logistic(checked.score - shift);
                slope += right - f64::from(u8::from(checked.right));
                curvature += right * (1.0 - right);
            }
            let step = slope / curvature;
            shift += step;
            if step.abs() < 1e-6 {
                break;
            }
        }
        (shift, curvature.sqrt().recip())
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(outcomes: &[(f64, bool)]) -> f64 {
        let mut known = Outcomes::default();
        outcomes.iter().for_each(|(score, right)| known.add(Checked { score: *score, right: *right }));
        known.threshold(2.5)
    }

    #[test]
    fn right_answers_lower_a_threshold_and_wrong_ones_raise_it() {
        assert_eq!(after(&[]), 2.5);
        assert!(after(&[(2.0, true)]) < 2.5);
        assert!(after(&[(2.0, true); 8]) < after(&[(2.0, true)]));
        assert!(after(&[(1.0, false)]) > 2.5 - 0.5);
        assert!(after(&[(2.4, false), (2.0, true)]) > after(&[(2.0, true)]));
    }

    #[test]
    fn what_was_wrong_once_is_not_given_again() {
        assert!(after(&[(6.0, false)]) > 6.0);
        assert!(after(&[(3.0, false), (3.0, true), (3.0, true)]) > 3.0);
    }

    /// Entries whose answers are as often right as the logistic function says, with shifts of their own: of what is given once outcomes
    /// are known, not more is wrong than at the fitted threshold.
    #[test]
    fn it_keeps_the_bound_where_entries_differ() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let fitted = 2.5;
        let (mut given, mut wrong) = (0.0, 0.0);
        for _ in 0..400 {
            // About normal: the sum of twelve even ones (Irwin and Hall).
            let shift = (0..12).map(|_| random()).sum::<f64>() - 6.0;
            let mut known = Outcomes::default();
            for number in 0..60 {
                let score = random() * 6.0;
                let right = random() < logistic(score - shift);
                if number >= 10 && score >= known.threshold(fitted) {
                    given += 1.0;
                    wrong += f64::from(u8::from(!right));
                }
                known.add(Checked { score, right });
            }
        }
        let bound = 1.0 - logistic(fitted);
        assert!(given > 2_000.0 && wrong / given <= bound, "{wrong} of {given}, bound {bound}");
    }
}
