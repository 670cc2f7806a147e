//! Percentiles over all samples; nothing is bucketed.

use std::time::Duration;

/// Durations, kept one by one.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    nanos: Vec<u64>,
    sorted: bool,
}

impl Samples {
    /// Adds one duration.
    pub fn push(&mut self, duration: Duration) {
        self.nanos.push(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        self.sorted = false;
    }

    /// Adds all durations of another set.
    pub fn extend(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
        self.sorted = false;
    }

    /// The number of durations.
    pub fn len(&self) -> usize {
        self.nanos.len()
    }

    /// Whether there is no duration.
    pub fn is_empty(&self) -> bool {
        self.nanos.is_empty()
    }

    /// The smallest duration that at least `percent` of all do not exceed (nearest rank), in
    /// milliseconds; `None` if there are none.
    pub fn percentile_ms(&mut self, percent: f64) -> Option<f64> {
        if !self.sorted {
            self.nanos.sort_unstable();
            self.sorted = true;
        }
        let last = self.nanos.len().checked_sub(1)?;
        let rank = (percent / 100.0 * self.nanos.len() as f64).ceil() as usize;
        let nanos = self.nanos.get(rank.saturating_sub(1).min(last))?;
        Some(*nanos as f64 / 1e6)
    }

    /// The longest duration in milliseconds.
    pub fn max_ms(&mut self) -> Option<f64> {
        self.percentile_ms(100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(millis: impl IntoIterator<Item = u64>) -> Samples {
        let mut samples = Samples::default();
        millis.into_iter().for_each(|millis| samples.push(Duration::from_millis(millis)));
        samples
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut hundred = samples((1..=100).rev());
        assert_eq!(hundred.percentile_ms(50.0), Some(50.0));
        assert_eq!(hundred.percentile_ms(99.0), Some(99.0));
        assert_eq!(hundred.max_ms(), Some(100.0));
        assert_eq!(hundred.percentile_ms(0.0), Some(1.0));
        let mut five = samples([5, 1, 4, 2, 3]);
        assert_eq!(five.percentile_ms(50.0), Some(3.0));
        assert_eq!(five.percentile_ms(99.0), Some(5.0));
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Samples::default().percentile_ms(50.0), None);
    }

    #[test]
    fn what_is_added_later_counts() {
        let mut all = samples([10]);
        assert_eq!(all.max_ms(), Some(10.0));
        all.extend(samples([30, 20]));
        assert_eq!(all.max_ms(), Some(30.0));
        assert_eq!(all.len(), 3);
    }
}
