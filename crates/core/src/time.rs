//! Wall-clock time as RFC 3339 text in UTC, without a calendar library.
//!
//! For stamps in records only; durations are measured with `std::time::Instant`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the present time, for example `2024-02-29T12:00:00Z`.
pub fn now_rfc3339() -> String {
    // A clock before 1970 is a broken clock: the stamp then says 1970 instead of failing a run.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    rfc3339(since.as_secs())
}

/// Writes seconds since 1970-01-01T00:00:00Z as RFC 3339.
///
/// # References
///
/// Howard Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
pub fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March, so that the leap day is the last day of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `date -u -d @N +%FT%TZ` (GNU coreutils 9).
    #[test]
    fn known_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_000_000_000, "2001-09-09T01:46:40Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn text_order_is_time_order() {
        let mut last = String::new();
        for day in 0..80_000_u64 {
            let text = rfc3339(day * 86_400 + 5);
            assert!(text > last, "{last} then {text}");
            last = text;
        }
        assert!(now_rfc3339() > rfc3339(1_700_000_000));
    }
}
