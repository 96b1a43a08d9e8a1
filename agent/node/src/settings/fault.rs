//! What can be wrong with a `config.toml`, told so that it can be put right.

use std::path::PathBuf;

use thiserror::Error;

/// A line of `config.toml` that cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}, line {line}: {fault}", file.display())]
pub struct ConfigError {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub fault: ConfigFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigFault {
    /// It is not TOML, or a value has the wrong kind.
    #[error("{0}")]
    Syntax(String),
    /// There is no such setting.
    #[error("there is no setting '{key}'{}", hint(nearest.as_deref(), allowed))]
    UnknownKey {
        /// As it was written.
        key: String,
        /// The setting that was probably meant.
        nearest: Option<&'static str>,
        /// All that there are at this place.
        allowed: &'static [&'static str],
    },
    /// The value is not one of those that the setting takes.
    #[error("{key} = {value:?} is not allowed: {allowed}")]
    Value {
        /// The setting.
        key: &'static str,
        /// As it was written.
        value: String,
        /// What it may be.
        allowed: String,
    },
}

fn hint(nearest: Option<&str>, allowed: &[&str]) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean '{nearest}'?"),
        None => format!("; there are {}", allowed.join(", ")),
    }
}

/// The allowed key that a misspelt one was most probably meant to be: at most a third of its letters differ.
pub(super) fn nearest(key: &str, allowed: &'static [&'static str]) -> Option<&'static str> {
    let distance_max = 1 + key.len() / 3;
    allowed
        .iter()
        .map(|candidate| (edit_distance(key, candidate), *candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, left out or exchanged (Levenshtein). Keys are short; longer ones are cut.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *cell;
            *cell = changed.min(left + 1).min(diagonal + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_letters() {
        for (a, b, distance) in
            [("", "", 0), ("a", "", 1), ("", "ab", 2), ("quta", "quota", 1), ("listne", "listen", 2)]
        {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
        }
    }
}
