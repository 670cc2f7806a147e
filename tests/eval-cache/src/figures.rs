//! Rates at thresholds.

use serde::Serialize;

/// What one lookup would be answered with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) score: f64,
    pub(crate) right: bool,
}

/// What a threshold does.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Operating {
    pub(crate) threshold: f64,
    /// Answers a lookup.
    pub(crate) hit_rate: f64,
    /// Wrong answers a lookup.
    pub(crate) wrong_rate: f64,
}

/// What a threshold does, for each score as a threshold, the highest first.
pub(crate) fn curve(answers: &[Answer], lookups: usize) -> Vec<Operating> {
    let mut sorted = answers.to_vec();
    sorted.sort_by(|one, other| other.score.total_cmp(&one.score));
    let lookups = lookups.max(1) as f64;
    let (mut given, mut wrong) = (0.0, 0.0);
    let same_score = sorted.chunk_by(|one, other| one.score == other.score);
    let points = same_score.filter_map(|together| {
        given += together.len() as f64;
        wrong += together.iter().filter(|answer| !answer.right).count() as f64;
        let threshold = together.first()?.score;
        Some(Operating { threshold, hit_rate: given / lookups, wrong_rate: wrong / lookups })
    });
    points.collect()
}

/// The threshold with the most answers of which at most so many a lookup are wrong.
pub(crate) fn best(answers: &[Answer], lookups: usize, most_wrong: f64) -> Operating {
    let mut within = curve(answers, lookups).into_iter().filter(|point| point.wrong_rate <= most_wrong);
    within.next_back().unwrap_or(Operating { threshold: f64::MAX, hit_rate: 0.0, wrong_rate: 0.0 })
}

/// What this threshold does.
pub(crate) fn at(answers: &[Answer], lookups: usize, threshold: f64) -> Operating {
    let given = curve(answers, lookups).into_iter().take_while(|point| point.threshold >= threshold);
    Operating { threshold, ..given.last().unwrap_or(Operating { threshold, hit_rate: 0.0, wrong_rate: 0.0 }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_all_lookups_and_equal_scores_together() {
        let answer = |score, right| Answer { score, right };
        let answers = [answer(0.9, true), answer(0.8, false), answer(0.8, true), answer(0.5, false)];
        let rates = |figures: Operating| (figures.hit_rate, figures.wrong_rate);
        assert_eq!(rates(at(&answers, 8, 0.8)), (0.375, 0.125));
        assert_eq!(rates(at(&answers, 8, 0.95)), (0.0, 0.0));
        assert_eq!(rates(best(&answers, 8, 0.1)), (0.125, 0.0));
        assert_eq!(rates(best(&answers, 8, 0.2)), (0.375, 0.125));
        assert_eq!(best(&answers, 8, 1.0).threshold, 0.5);
    }
}
