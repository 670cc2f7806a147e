//! Periods of the UTC calendar.

use crate::config::Period;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::time::{Duration, SystemTime};

/// A day of the UTC calendar; written as `2026-11-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The day of a time.
pub fn day(time: SystemTime) -> Date {
    Date(civil(time).date())
}

fn civil(time: SystemTime) -> jiff::civil::DateTime {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    TimeZone::UTC.to_datetime(timestamp)
}

/// The number of a period: two times of the same period have the same.
pub(super) fn period_number(period: Period, time: SystemTime) -> i64 {
    let date = civil(time).date();
    match period {
        Period::Total => 0,
        Period::Month => i64::from(date.year()) * 12 + i64::from(date.month()),
        Period::Day => (i64::from(date.year()) * 12 + i64::from(date.month())) * 31 + i64::from(date.day()),
    }
}

/// How long it is until a period ends; `None` if it never does.
pub(super) fn until_end(period: Period, time: SystemTime) -> Option<Duration> {
    let now = civil(time);
    let next = match period {
        Period::Total => return None,
        Period::Day => now.date().tomorrow().ok()?,
        Period::Month => now.date().last_of_month().tomorrow().ok()?,
    };
    let left = next.to_datetime(jiff::civil::Time::midnight()).duration_since(now);
    Duration::try_from(left).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        text.parse::<Timestamp>().unwrap().into()
    }

    #[test]
    fn periods_end_with_their_calendar_unit() {
        let noon = at("2026-11-30T12:00:00Z");
        assert_eq!(until_end(Period::Day, noon), Some(Duration::from_secs(12 * 3600)));
        assert_eq!(until_end(Period::Month, noon), Some(Duration::from_secs(12 * 3600)));
        assert_eq!(until_end(Period::Total, noon), None);
        assert_ne!(
            period_number(Period::Month, noon),
            period_number(Period::Month, at("2026-12-01T00:00:00Z"))
        );
        assert_eq!(day(noon).to_string(), "2026-11-30");
    }
}
