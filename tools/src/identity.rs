//! The line by which nodes are introduced to each other: `dtn://clinic-3/ ed25519:<key with a checksum>`.

use bundle_format::{Eid, PublicKey};

use crate::endpoint;
use crate::failure::Failure;
use crate::printable::printable;

/// The line of a node.
pub(crate) fn line(node: &Eid, key: &PublicKey) -> String {
    format!("{node} {key}")
}

/// Reads a line, whole or cut at its space by a shell.
pub(crate) fn parse(words: &[String]) -> Result<(Eid, PublicKey), Failure> {
    let line = words.join(" ");
    let parts: Vec<&str> = line.split_whitespace().collect();
    let [node, key] = parts.as_slice() else {
        return Err(Failure::usage(format!("'{}' is not a node with its key", printable(&line)))
            .hint("give the whole line that 'packmule id' prints on the other machine, in quotes"));
    };
    let key = key.parse().map_err(|error| {
        Failure::usage(format!("'{}' is not a key: {error}", printable(key)))
            .hint("copy the line that 'packmule id' prints on the other machine once more, whole")
    })?;
    Ok((endpoint::node(node)?, key))
}

#[cfg(test)]
mod tests {
    use bundle_format::NodeKey;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        vec![line.to_owned()]
    }

    #[test]
    fn a_line_is_read_back_whole_or_in_two_words() {
        let key = NodeKey::from_seed([7; 32]).public();
        let node = endpoint::node("clinic-3").unwrap();
        let line = line(&node, &key);
        assert_eq!(parse(&words(&line)).unwrap(), (node.clone(), key));
        let two: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(parse(&two).unwrap(), (node, key));
    }

    #[test]
    fn a_misread_letter_is_noticed() {
        let key = NodeKey::from_seed([7; 32]).public().to_string();
        let letters: Vec<char> = key.chars().collect();
        for place in "ed25519:".len()..letters.len() {
            let mut wrong = letters.clone();
            wrong[place] = if wrong[place] == 'a' { 'b' } else { 'a' };
            let text: String = wrong.iter().collect();
            assert!(parse(&words(&format!("hub {text}"))).is_err(), "{text}");
        }
    }

    #[test]
    fn half_a_line_is_a_usage_error() {
        for line in ["", "dtn://hub/", "dtn://hub/ ed25519:", "a b c"] {
            assert!(parse(&words(line)).is_err(), "{line}");
        }
    }
}
