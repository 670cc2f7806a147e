//! The time over which a limit counts.
//!
//! All arithmetic is over whole microseconds since 1970 and whole amounts, and is the same in every store.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many slots a sliding window is cut into. A slot leaves the window as a whole, so a sliding limit is at most one slot
/// stricter than it says, and never laxer.
pub const SLOTS: u64 = 60;

/// The largest amount of a token bucket, so that a store whose numbers are doubles computes as exactly as one with integers.
pub const BUCKET_AMOUNT: u64 = u32::MAX as u64;

/// The time over which a limit counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// From one boundary of the calendar to the next.
    Calendar(Unit, Zone),
    /// At every moment the time that has just passed.
    Sliding(Duration),
    /// A token bucket, by the generic cell rate algorithm (ITU-T I.371): the amount flows back evenly over this time.
    Bucket(Duration),
}

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A minute of the clock.
    Minute,
    /// An hour of the clock.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// Three months, from January, April, July or October.
    Quarter,
    /// A year.
    Year,
    /// All time: never whole again.
    Total,
}

/// A time zone, known by its name in the IANA database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone(Option<TimeZone>);

impl std::hash::Hash for Zone {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Zone {
    /// The zone of this name, such as `Europe/Berlin`.
    pub fn find(name: &str) -> Option<Self> {
        if name == "UTC" {
            return Some(Self(None));
        }
        TimeZone::get(name).ok().map(|zone| Self(Some(zone)))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.as_ref().and_then(TimeZone::iana_name).unwrap_or("UTC")
    }

    fn zone(&self) -> TimeZone {
        self.0.clone().unwrap_or(TimeZone::UTC)
    }
}

impl Unit {
    const ALL: [(&'static str, Self); 8] = [
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
        ("quarter", Self::Quarter),
        ("year", Self::Year),
        ("total", Self::Total),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit)| *unit == self).map_or("total", |(name, _)| name)
    }

    /// The unit of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit)
    }

    /// The window in which a moment lies, from its start to its end, in microseconds since 1970. One that never ends ends at
    /// `u64::MAX`.
    pub fn bounds(self, zone: &Zone, now_us: u64) -> (u64, u64) {
        const SECOND: u64 = 1_000_000;
        match self {
            Self::Total => (0, u64::MAX),
            // Zones differ by whole minutes, so a minute is the same everywhere.
            Self::Minute => aligned(now_us, 60 * SECOND),
            Self::Day if zone.0.is_none() => aligned(now_us, 86_400 * SECOND),
            Self::Hour if zone.0.is_none() => aligned(now_us, 3_600 * SECOND),
            _ => self.civil_bounds(zone, now_us).unwrap_or((0, u64::MAX)),
        }
    }

    fn civil_bounds(self, zone: &Zone, now_us: u64) -> Option<(u64, u64)> {
        let now = Timestamp::from_microsecond(i64::try_from(now_us).ok()?).ok()?.to_zoned(zone.zone());
        let (first, span) = match self {
            Self::Hour => {
                const HOUR: i64 = 3_600_000_000;
                // An hour of the clock, also where the clock is set back, be it by half an hour.
                let offset = i64::from(now.offset().seconds()) * 1_000_000;
                let into = i64::try_from(now_us).ok()?.checked_add(offset)?.rem_euclid(HOUR);
                let start = now_us.checked_add_signed(-into)?;
                return Some((start, start.checked_add_signed(HOUR)?));
            }
            Self::Week => {
                let back = i64::from(now.weekday().to_monday_zero_offset());
                (now.date().checked_sub(back.days()).ok()?, 1.week())
            }
            Self::Month => (now.date().first_of_month(), 1.month()),
            Self::Quarter => {
                let month = (now.month() - 1) / 3 * 3 + 1;
                (jiff::civil::Date::new(now.year(), month, 1).ok()?, 3.months())
            }
            Self::Year => (now.date().first_of_year(), 1.year()),
            _ => (now.date(), 1.day()),
        };
        let boundary = |date: jiff::civil::Date| micros(&date.to_zoned(zone.zone()).ok()?);
        Some((boundary(first)?, boundary(first.checked_add(span).ok()?)?))
    }
}

fn aligned(now_us: u64, length: u64) -> (u64, u64) {
    let start = now_us - now_us % length;
    (start, start + length)
}

fn micros(time: &Zoned) -> Option<u64> {
    u64::try_from(time.timestamp().as_microsecond()).ok()
}

/// The microseconds since 1970 of a time.
pub fn to_us(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// The time of these microseconds since 1970.
pub fn from_us(us: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(us)
}

/// The microseconds of a length of time.
pub fn length_us(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// The length of a slot of a sliding window, in microseconds.
pub fn slot_us(length: Duration) -> u64 {
    length_us(length).div_ceil(SLOTS).max(1)
}

/// The microseconds in which an amount flows back into a bucket, rounded up. `u64::MAX` for a bucket that holds nothing.
pub fn refill_us(amount: u64, limit: u64, period: Duration) -> u64 {
    if limit == 0 {
        return u64::MAX;
    }
    let product = u128::from(amount) * u128::from(length_us(period));
    u64::try_from(product.div_ceil(u128::from(limit))).unwrap_or(u64::MAX)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calendar(unit, zone) if zone.0.is_none() => f.write_str(unit.as_str()),
            Self::Calendar(unit, zone) => write!(f, "{} {}", unit.as_str(), zone.name()),
            Self::Sliding(length) => write!(f, "sliding {}", short(*length)),
            Self::Bucket(length) => write!(f, "bucket {}", short(*length)),
        }
    }
}

impl FromStr for Window {
    type Err = String;

    /// Reads `month`, `day Europe/Berlin`, `sliding 1h` or `bucket 1m`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) =
            text.split_once(' ').map_or((text, None), |(kind, rest)| (kind, Some(rest.trim())));
        if let Some(unit) = Unit::parse(kind) {
            let zone = rest.unwrap_or("UTC");
            let zone = Zone::find(zone).ok_or_else(|| format!("there is no time zone \"{zone}\""))?;
            return Ok(Self::Calendar(unit, zone));
        }
        let length = rest
            .and_then(crate::config::duration)
            .filter(|length| (Duration::from_secs(1)..=Duration::from_secs(366 * 86_400)).contains(length));
        match (kind, length) {
            ("sliding", Some(length)) => Ok(Self::Sliding(length)),
            ("bucket", Some(length)) => Ok(Self::Bucket(length)),
            ("sliding" | "bucket", None) => {
                Err(format!("\"{text}\" needs a time of 1s to 366d, as in \"{kind} 1m\""))
            }
            _ => Err(format!(
                "\"{text}\" is no window: minute, hour, day, week, month, quarter, year or total, \"sliding 1h\" or \
                 \"bucket 1m\""
            )),
        }
    }
}

impl Serialize for Window {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

fn short(length: Duration) -> String {
    let millis = length.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> u64 {
        to_us(text.parse::<Timestamp>().unwrap().into())
    }

    fn bounds(window: &str, now: &str) -> (u64, u64) {
        match window.parse().unwrap() {
            Window::Calendar(unit, zone) => unit.bounds(&zone, at(now)),
            other => panic!("{other} is no calendar window"),
        }
    }

    #[test]
    fn calendar_windows_begin_and_end_where_the_calendar_does() {
        let now = "2026-11-21T13:45:10Z"; // A Saturday.
        for (window, start, end) in [
            ("minute", "2026-11-21T13:45:00Z", "2026-11-21T13:46:00Z"),
            ("hour", "2026-11-21T13:00:00Z", "2026-11-21T14:00:00Z"),
            ("day", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"),
            ("week", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("month", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("quarter", "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("year", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("hour Asia/Kolkata", "2026-11-21T13:30:00Z", "2026-11-21T14:30:00Z"),
            ("day America/New_York", "2026-11-21T05:00:00Z", "2026-11-22T05:00:00Z"),
            ("month Europe/Berlin", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z"),
        ] {
            assert_eq!(bounds(window, now), (at(start), at(end)), "{window}");
        }
        assert_eq!(bounds("total", now), (0, u64::MAX));
    }

    #[test]
    fn a_day_on_which_the_clock_changes_has_23_or_25_hours() {
        let hours = |now| {
            let (start, end) = bounds("day Europe/Berlin", now);
            (end - start) / 3_600_000_000
        };
        assert_eq!(hours("2026-03-29T12:00:00Z"), 23);
        assert_eq!(hours("2026-10-25T12:00:00Z"), 25);
    }

    #[test]
    fn a_moment_is_in_its_hour_also_when_the_clock_changes() {
        // Lord Howe Island sets its clock back by half an hour, Berlin by a whole one.
        for zone in ["Australia/Lord_Howe", "Europe/Berlin"] {
            let window = format!("hour {zone}");
            for quarter in 0..4 * 24 * 366 {
                let now = at("2026-01-01T00:00:00Z") + quarter * 900_000_000;
                let Window::Calendar(unit, zone) = window.parse().unwrap() else { unreachable!() };
                let (start, end) = unit.bounds(&zone, now);
                assert!(start <= now && now < end && end - start == 3_600_000_000, "{window} {now}");
            }
        }
    }

    #[test]
    fn windows_are_read_as_they_are_written() {
        for text in ["month", "day Europe/Berlin", "sliding 1h", "bucket 90s", "bucket 1500ms"] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), text);
        }
        for bad in ["fortnight", "day Mars", "sliding", "bucket 1", "sliding 400d", ""] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bucket_refills_by_whole_microseconds_and_never_early() {
        assert_eq!(refill_us(1, 7, Duration::from_secs(60)), 8_571_429);
        assert_eq!(refill_us(7, 7, Duration::from_secs(60)), 60_000_000);
        assert_eq!(refill_us(1, 0, Duration::from_secs(60)), u64::MAX);
    }
}
