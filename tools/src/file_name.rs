//! Names of received files: as they were sent, made safe for any file system that they may land on.
//!
//! The sender chooses the name, so it is hostile until proven otherwise: `../../.ssh/authorized_keys`, `-rf`, `con.txt`
//! and escape sequences have all been tried on somebody. What comes out is one component, never hidden, never an
//! option, of at most [`OCTETS_MAX`] octets.

use crate::printable::is_deceptive;

/// The longest name that common file systems take.
pub(crate) const OCTETS_MAX: usize = 255;
/// Names that Windows and FAT drivers keep for devices, with any extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// A name as sent, made safe; `fallback` where nothing of it is left.
pub(crate) fn safe(sent: &str, fallback: &str) -> String {
    let replaced: String = sent
        .chars()
        .filter(|&c| !is_deceptive(c))
        .map(|c| if matches!(c, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*') { '_' } else { c })
        .collect();
    // Windows drops dots and spaces at the end, so that two names would become one.
    let trimmed = replaced.trim_start().trim_end_matches([' ', '.']);
    let name = match trimmed.chars().next() {
        None => return fallback.to_owned(),
        // Hidden files and options.
        Some('.' | '-' | '~') => format!("_{}", trimmed.trim_start_matches(['.', '-', '~'])),
        Some(_) if is_device(trimmed) => format!("_{trimmed}"),
        Some(_) => trimmed.to_owned(),
    };
    if name.chars().all(|c| c == '_') { fallback.to_owned() } else { shortened(&name, "") }
}

/// The name of a file of ours as it is sent: without what no bundle may carry. Nothing where nothing is left.
pub(crate) fn sendable(name: &std::ffi::OsStr) -> Option<String> {
    let name: String =
        name.to_string_lossy().chars().filter(|&c| !c.is_control() && !matches!(c, '/' | '\\')).collect();
    if matches!(name.as_str(), "" | "." | "..") { None } else { Some(shortened(&name, "")) }
}

/// The `n`-th name for a file that is called `name`: `report.pdf`, `report-2.pdf`, `report-3.pdf`.
pub(crate) fn numbered(name: &str, n: u32) -> String {
    if n <= 1 { name.to_owned() } else { shortened(name, &format!("-{n}")) }
}

/// `name` with `mark` before its extension, cut in its stem where it would be too long.
fn shortened(name: &str, mark: &str) -> String {
    let (stem, extension) = match name.rfind('.') {
        // A longer "extension" is part of the name.
        Some(dot) if dot > 0 && name.len() - dot <= 16 => name.split_at(dot),
        _ => (name, ""),
    };
    let room = OCTETS_MAX - extension.len() - mark.len();
    let mut end = stem.len().min(room);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let (stem, _) = stem.split_at(end);
    format!("{stem}{mark}{extension}")
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let is_port = |prefix: &str| {
        let digits =
            stem.get(..3).filter(|start| start.eq_ignore_ascii_case(prefix)).and_then(|_| stem.get(3..));
        digits.is_some_and(|rest| {
            let mut chars = rest.chars();
            matches!((chars.next(), chars.next()), (Some('0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}'), None))
        })
    };
    DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device)) || is_port("COM") || is_port("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in
            ["report.pdf", "Größe 2.txt", "a", "x.tar.gz", "診療所.pdf", "console.log", "common", "lpt10"]
        {
            assert_eq!(safe(name, "id"), name);
        }
    }

    #[test]
    fn names_cannot_leave_their_folder() {
        for (sent, name) in [
            ("../../etc/passwd", "__.._etc_passwd"),
            ("/etc/passwd", "_etc_passwd"),
            ("..\\..\\boot.ini", "__.._boot.ini"),
            ("C:\\x", "C__x"),
        ] {
            let made = safe(sent, "id");
            assert_eq!(made, name);
            assert!(!made.contains(['/', '\\']) && !made.starts_with('.'));
        }
    }

    #[test]
    fn names_are_neither_hidden_nor_options() {
        for (sent, name) in
            [(".bashrc", "_bashrc"), ("-rf", "_rf"), ("--", "id"), ("~root", "_root"), ("...a", "_a")]
        {
            assert_eq!(safe(sent, "id"), name);
        }
    }

    #[test]
    fn nothing_left_means_the_fallback() {
        for sent in ["", ".", "..", "   ", "\u{1b}\u{7}", "///", "\u{202e}"] {
            assert_eq!(safe(sent, "id"), "id", "{sent:?}");
        }
    }

    #[test]
    fn names_of_devices_are_changed() {
        for (sent, name) in [
            ("CON", "_CON"),
            ("con.txt", "_con.txt"),
            ("Lpt1.tar.gz", "_Lpt1.tar.gz"),
            ("COM\u{b9}", "_COM\u{b9}"),
            ("nul .x", "_nul .x"),
            ("conin$", "_conin$"),
        ] {
            assert_eq!(safe(sent, "id"), name);
        }
    }

    #[test]
    fn ends_that_windows_drops_are_dropped() {
        assert_eq!(safe("report.pdf. .", "id"), "report.pdf");
    }

    #[test]
    fn long_names_are_cut_before_their_extension() {
        let long = format!("{}.pdf", "ü".repeat(300));
        let name = safe(&long, "id");
        assert!(name.len() <= OCTETS_MAX && name.ends_with("ü.pdf"), "{name}");
        let second = numbered(&name, 22);
        assert!(second.len() <= OCTETS_MAX && second.ends_with("ü-22.pdf"), "{second}");
        assert_eq!(safe(&format!("a.{}", "x".repeat(400)), "id").len(), OCTETS_MAX);
    }

    #[test]
    fn a_name_is_sent_as_it_is_as_far_as_bundles_allow() {
        for (name, sent) in [(".bashrc", Some(".bashrc")), ("a\\b\nc", Some("abc")), ("\u{7}", None)] {
            assert_eq!(sendable(name.as_ref()).as_deref(), sent);
        }
    }

    #[test]
    fn the_number_stands_before_the_extension() {
        assert_eq!(numbered("report.pdf", 2), "report-2.pdf");
        assert_eq!(numbered("report", 3), "report-3");
        assert_eq!(numbered("report.pdf", 1), "report.pdf");
    }
}
