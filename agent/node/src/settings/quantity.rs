//! Sizes and durations as people write them in `config.toml`: `"4 GiB"`, `"30d"`.

/// Octets from a number with a unit: `B`, decimal `kB MB GB TB`, binary `KiB MiB GiB TiB`. `None` for anything else
/// and for more than fits.
pub(super) fn octets(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Milliseconds from a number with a unit: `s`, `m`, `h`, `d`, `w`. `None` for anything else and for more than fits.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, value) in
            [("0 B", 0), ("4 GiB", 4 << 30), ("64MiB", 64 << 20), ("1 kB", 1000), ("2 tb", 2_000_000_000_000)]
        {
            assert_eq!(octets(text), Some(value), "{text}");
        }
        for text in ["", "4", "GiB", "-1 GiB", "1.5 GiB", "4 GiBs", "99999999999 TiB", "4 G"] {
            assert_eq!(octets(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, value) in [("90s", 90_000), ("5 m", 300_000), ("30d", 2_592_000_000), ("1w", 604_800_000)]
        {
            assert_eq!(duration_ms(text), Some(value), "{text}");
        }
        for text in ["", "30", "d", "-1d", "1y", "99999999999999999999d", "9999999999999999d"] {
            assert_eq!(duration_ms(text), None, "{text}");
        }
    }
}
