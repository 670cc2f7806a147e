//! The verifier: vetoes, then fitted trees.

use super::lexicon::Lexicon;
use super::neighbourhood::Neighbourhood;
use super::pair;
use super::text::Text;
use super::trees::Trees;
use super::veto::{Veto, vetoes};
use crate::Error;
use serde::Deserialize;

/// How many of the nearest questions are judged.
pub const JUDGED: usize = 5;
/// How many of the nearest questions the verifier looks at: where many crowd round a lookup, the nearest is less surely the right one.
pub const NEAREST: usize = 8;

/// What was fitted for all-MiniLM-L6-v2.
const FITTED: &str = include_str!("../../data/verifier.json");

/// A kept question that is near to a lookup.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The question.
    pub text: &'a str,
    /// Its embedding, of length one.
    pub vector: &'a [f32],
    /// The cosine of the angle between it and the lookup's.
    pub similarity: f32,
}

/// What the verifier says of a candidate.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// How surely both ask the same, as log-odds.
    Score(f64),
    /// A difference forbids to take them for the same.
    Vetoed(Vec<Veto>),
    /// They are too far apart to be looked at.
    Far,
}

#[derive(Debug, Deserialize)]
struct File {
    lexicon: Lexicon,
    features: Vec<String>,
    trees: Trees,
    threshold: f64,
    least_cosine: f32,
}

/// Two longer texts with a smaller cosine do not say the same.
const AGREEING: f32 = 0.9;
/// The odds at a threshold of the cosine, as a logarithm: about the wrong answers that the fitted threshold allows.
const ODDS: f64 = 2.5;
/// By how much they grow from there to a cosine of 1.
const ODDS_TO_ONE: f64 = 3.0;

/// Compares questions by vetoes, and then by fitted trees or by their cosine alone.
#[derive(Debug)]
pub struct Verifier {
    data: File,
    least_cosine: Option<f32>,
}

impl Verifier {
    /// The one that was fitted for all-MiniLM-L6-v2.
    ///
    /// # Errors
    /// Its data are damaged.
    pub fn fitted() -> Result<Self, Error> {
        Self::from_json(FITTED)
    }

    /// One of these data, in the form that `fit/` writes.
    ///
    /// # Errors
    /// They are of another form.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let file: File = serde_json::from_str(text).map_err(|error| Error::Verifier(error.to_string()))?;
        file.trees.check(file.features.len())?;
        Ok(Self { data: file, least_cosine: None })
    }

    /// One for embeddings that the trees were not fitted for: vetoes, and a least cosine.
    ///
    /// # Errors
    /// The data of the vetoes are damaged.
    pub fn by_cosine(least: f32) -> Result<Self, Error> {
        Ok(Self { least_cosine: Some(least), ..Self::fitted()? })
    }

    /// Reads a question once for any number of comparisons.
    #[must_use]
    pub fn read(&self, text: &str) -> Text {
        Text::new(text, &self.data.lexicon)
    }

    /// The score from which an answer is given.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        if self.least_cosine.is_some() { ODDS } else { self.data.threshold }
    }

    /// What is to be said of each of the nearest questions, [`JUDGED`] at most. `near`: at most [`NEAREST`], the nearest first.
    #[must_use]
    pub fn judge(&self, lookup: &Text, near: &[Candidate<'_>]) -> Vec<Verdict> {
        let neighbourhood = Neighbourhood::of(near);
        let judge = |(place, kept): (usize, &Candidate<'_>)| {
            let cosine = neighbourhood.cosine(place);
            if cosine < self.data.least_cosine {
                return Verdict::Far;
            }
            let kept = self.read(kept.text);
            let found = vetoes(&kept, lookup, cosine, |marker| self.data.lexicon.exchange.contains(marker));
            if !found.is_empty() {
                return Verdict::Vetoed(found);
            }
            if let Some(least) = self.least_cosine {
                let above = f64::from((cosine - least) / (1.0 - least).max(f32::EPSILON));
                return Verdict::Score(ODDS + ODDS_TO_ONE * above);
            }
            let mut features = pair::features(&kept, lookup, cosine);
            neighbourhood.features(place, &mut features);
            Verdict::Score(self.data.trees.score(&features))
        };
        near.iter().take(JUDGED).enumerate().map(judge).collect()
    }

    /// The place of the question that a lookup most surely asks too, and its score; `None`: none can be taken for it.
    #[must_use]
    pub fn best(&self, lookup: &Text, near: &[Candidate<'_>]) -> Option<(usize, f64)> {
        let scores =
            self.judge(lookup, near).into_iter().enumerate().filter_map(|(place, verdict)| match verdict {
                Verdict::Score(score) => Some((place, score)),
                Verdict::Vetoed(_) | Verdict::Far => None,
            });
        // Of equal scores the nearer question wins.
        scores.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// Whether two answers say about the same: they are near, have the same numbers, and neither denies the other. Fewer vetoes hold
    /// here than between questions, for longer texts say one thing in many orders.
    #[must_use]
    pub fn agree(&self, one: &str, other: &str, cosine: f32) -> bool {
        let (one, other) = (self.read(one), self.read(other));
        cosine >= AGREEING && one.numbers == other.numbers && one.negations % 2 == other.negations % 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `fit/` makes of a pair; the trees were fitted on that.
    #[derive(Deserialize)]
    struct Made {
        a: String,
        b: String,
        cosine: f32,
        features: Vec<f32>,
        vetoes: Vec<String>,
    }

    #[test]
    fn makes_the_features_and_vetoes_that_were_fitted_on() {
        let verifier = Verifier::fitted().unwrap();
        let made: Vec<Made> = serde_json::from_str(include_str!("../../fit/made.json")).unwrap();
        for Made { a, b, cosine, features, vetoes: expected } in made {
            let (one, other) = (verifier.read(&a), verifier.read(&b));
            let found = pair::features(&one, &other, cosine);
            assert_eq!(found.len(), features.len());
            let far = found.iter().zip(&features).position(|(x, y)| (x - y).abs() > 1e-5);
            assert_eq!(
                far.and_then(|i| verifier.data.features.get(i)),
                None,
                "{a} | {b}: {found:?} {features:?}"
            );
            let mut found: Vec<String> =
                vetoes(&one, &other, cosine, |m| verifier.data.lexicon.exchange.contains(m))
                    .iter()
                    .map(|veto| format!("{veto:?}").to_lowercase())
                    .collect();
            found.sort();
            assert_eq!(found, expected, "{a} | {b}");
        }
    }
}
