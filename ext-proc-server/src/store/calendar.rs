//! Days of the UTC calendar.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// A day of the UTC calendar; written as `2026-11-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(jiff::civil::Date);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The library also reads other forms, which people would then have to know.
        let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date = text.parse().ok().filter(|_| plain);
        date.map(Self).ok_or_else(|| format!("\"{text}\" is not a day such as 2026-11-21"))
    }
}

impl Date {
    /// The first day that there is.
    pub const FIRST: Self = Self(jiff::civil::Date::MIN);
    /// The last.
    pub const LAST: Self = Self(jiff::civil::Date::MAX);

    /// The first day of its month.
    #[must_use]
    pub fn month(self) -> Self {
        Self(self.0.first_of_month())
    }
}

/// The day of a time.
pub fn day(time: SystemTime) -> Date {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
    Date(TimeZone::UTC.to_datetime(timestamp).date())
}
