//! The text of a private key: the file `key` of a home, and what `packmule key export` prints (`docs/home.md`).
//!
//! Three lines: `packmule key 1`, the seed and a checksum in base32, and `# ` with the node's name for whoever finds
//! the paper. The checksum (CRC-32 of the seed) is against misreading, not against forgery.

use bundle_format::NodeKey;
use data_encoding::Specification;
use thiserror::Error;

const TITLE: &str = "packmule key 1";
const SEED_OCTETS: usize = 32;
/// A key file is never longer; anything else is not read to its end.
pub(crate) const KEY_TEXT_OCTETS_MAX: u64 = 4096;

/// The text is not a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyTextError {
    /// The first line is another one.
    #[error("it does not begin with the line '{TITLE}'")]
    Title,
    /// The second line is no base32 of the right length.
    #[error("its second line is not the base32 of a key")]
    Encoding,
    /// The checksum does not fit.
    #[error("its checksum is wrong: a letter was misread or the file is damaged")]
    Checksum,
}

/// The text of a key.
pub(crate) fn write(key: &NodeKey, name: &str) -> String {
    let seed = key.seed();
    let mut octets = seed.to_vec();
    octets.extend(crc32fast::hash(&seed).to_be_bytes());
    let comment: String = name.chars().filter(|c| !c.is_control()).collect();
    format!("{TITLE}\n{}\n# {comment}\n", base32().encode(&octets))
}

/// Reads [`write`] back. Lines that begin with `#` and empty lines may stand anywhere after the first.
pub(crate) fn read(text: &str) -> Result<NodeKey, KeyTextError> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    if lines.next() != Some(TITLE) {
        return Err(KeyTextError::Title);
    }
    let line = lines.next().ok_or(KeyTextError::Encoding)?.to_ascii_lowercase();
    let octets = base32().decode(line.as_bytes()).map_err(|_| KeyTextError::Encoding)?;
    let (seed, checksum) = octets.split_at_checked(SEED_OCTETS).ok_or(KeyTextError::Encoding)?;
    if checksum.len() != 4 || lines.next().is_some() {
        return Err(KeyTextError::Encoding);
    }
    if checksum != crc32fast::hash(seed).to_be_bytes() {
        return Err(KeyTextError::Checksum);
    }
    let seed: [u8; SEED_OCTETS] = seed.try_into().map_err(|_| KeyTextError::Encoding)?;
    Ok(NodeKey::from_seed(seed))
}

fn base32() -> data_encoding::Encoding {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification.encoding().expect("a valid alphabet")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> NodeKey {
        NodeKey::from_seed([7; 32])
    }

    #[test]
    fn a_key_comes_back_as_it_was_written() {
        let text = write(&key(), "dtn://clinic-3/");
        assert_eq!(text.lines().count(), 3);
        assert_eq!(read(&text).unwrap().public(), key().public());
        assert_eq!(
            read(&text.to_uppercase().replace("PACKMULE KEY", "packmule key")).unwrap().public(),
            key().public()
        );
    }

    #[test]
    fn a_misread_letter_is_noticed() {
        let text = write(&key(), "x");
        let (at, letter) = text.char_indices().nth(20).unwrap();
        let mut misread = text.clone();
        misread.replace_range(at..=at, if letter == 'a' { "b" } else { "a" });
        assert_eq!(read(&misread).unwrap_err(), KeyTextError::Checksum);
    }

    #[test]
    fn what_is_no_key_says_why() {
        for (text, error) in [
            ("", KeyTextError::Title),
            ("ssh-ed25519 AAAA", KeyTextError::Title),
            ("packmule key 2\naaaa", KeyTextError::Title),
            ("packmule key 1", KeyTextError::Encoding),
            ("packmule key 1\n!!!", KeyTextError::Encoding),
            ("packmule key 1\naaaaaaaa", KeyTextError::Encoding),
        ] {
            assert_eq!(read(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn a_name_cannot_add_lines() {
        assert_eq!(write(&key(), "a\nb\u{1b}[2J").lines().count(), 3);
    }
}
