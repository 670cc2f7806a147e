//! Days of the UTC calendar.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::time::SystemTime;

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
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    Date(TimeZone::UTC.to_datetime(timestamp).date())
}
