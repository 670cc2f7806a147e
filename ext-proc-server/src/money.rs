//! Money, in whole micro-dollars.

/// A decimal number of dollars in micro-dollars, without a detour over floating point.
pub(crate) fn micros(text: &str) -> Option<u64> {
    let text = text.strip_prefix('$').unwrap_or(text);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

/// Micro-dollars as a decimal number of dollars, without zeros at its end.
pub(crate) fn dollars(micros: u64) -> String {
    let dollars = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    dollars.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_exactly() {
        assert_eq!(micros("2.50"), Some(2_500_000));
        assert_eq!(micros("0.1"), Some(100_000));
        assert_eq!(micros("$3"), Some(3_000_000));
        assert_eq!(micros("0.000001"), Some(1));
        for bad in ["", "-1", "1e3", "0.0000001", "1.2.3", ".5"] {
            assert_eq!(micros(bad), None, "{bad}");
        }
    }
}
