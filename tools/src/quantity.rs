//! Durations, sizes and times as people type and read them.

use std::time::Duration;

use jiff::Timestamp;

/// The largest duration that is taken: longer than any bundle lives, short enough for every clock.
const DURATION_MS_MAX: u64 = 100 * 365 * DAY_MS;
const DAY_MS: u64 = 86_400_000;

/// A duration from numbers with units: `30d`, `1h30m`, `500ms`. Units: `ms`, `s`, `m`, `h`, `d`, `w`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("'{text}' is not a duration; write a number with a unit: 90s, 5m, 12h, 30d or 1w");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(fault());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| fault())?;
        let part = number.checked_mul(unit_ms(unit).ok_or_else(fault)?);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(fault)?;
        rest = after.trim_start();
    }
    if total > DURATION_MS_MAX {
        return Err(format!("'{text}' is longer than a hundred years"));
    }
    Ok(Duration::from_millis(total))
}

fn unit_ms(unit: &str) -> Option<u64> {
    Some(match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        "w" => 7 * DAY_MS,
        _ => return None,
    })
}

/// A size for people: three digits and a binary unit.
pub(crate) fn size(octets: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if octets < 1024 {
        return format!("{octets} B");
    }
    // In hundredths of the unit, so that no floating point is needed.
    let mut hundredths = u128::from(octets) * 100;
    let mut name = "B";
    for unit in UNITS {
        hundredths /= 1024;
        name = unit;
        if hundredths < 102_400 {
            break;
        }
    }
    let (whole, part) = (hundredths / 100, hundredths % 100);
    match whole {
        0..10 => format!("{whole}.{part:02} {name}"),
        10..100 => format!("{whole}.{} {name}", part / 10),
        _ => format!("{whole} {name}"),
    }
}

/// How long ago or how long still, for people: the two largest units.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86_400 if minutes == 0 => format!("{hours} h"),
        3600..86_400 => format!("{hours} h {minutes} min"),
        // Far away, the nearest day will do.
        864_000.. => format!("{} d", (seconds + 43_200) / 86_400),
        _ if hours == 0 => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A short duration with its fractions, for measured times.
pub(crate) fn stopwatch(duration: Duration) -> String {
    if duration < Duration::from_secs(60) {
        format!("{:.2} s", duration.as_secs_f64())
    } else {
        span(duration)
    }
}

/// RFC 3339 of milliseconds since 1970; nothing where the calendar ends before.
pub(crate) fn rfc3339(unix_ms: u64) -> Option<String> {
    let ms = i64::try_from(unix_ms).ok()?;
    Some(Timestamp::from_millisecond(ms).ok()?.to_string())
}

/// "1 bundle", "2 bundles".
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, ms) in [
            ("30d", 30 * DAY_MS),
            ("1h30m", 5_400_000),
            ("2 w", 14 * DAY_MS),
            ("500ms", 500),
            ("1d 12h", DAY_MS + 43_200_000),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told() {
        for text in ["", "30", "d", "-1d", "1y", "1.5h", "1h30", "999999999999999999999d", "200000w"] {
            assert!(duration(text).unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn sizes_have_three_digits() {
        for (octets, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (20 << 20, "20.0 MiB"),
            (999 << 20, "999 MiB"),
            (1023 << 20, "1023 MiB"),
            (1 << 30, "1.00 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(octets), text);
        }
    }

    #[test]
    fn spans_have_two_units_at_most() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min"),
            (5400, "1 h 30 min"),
            (90_000, "1 d 1 h"),
            (999_999, "12 d"),
            (2_591_999, "30 d"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(rfc3339(946_684_800_123).as_deref(), Some("2000-01-01T00:00:00.123Z"));
        assert_eq!(rfc3339(u64::MAX), None);
    }
}
