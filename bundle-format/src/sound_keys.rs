//! Keys that have been found sound: whether a point has the group's prime order costs more to find out than a signature,
//! and one node's key comes with every bundle of that node.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ed25519_dalek::VerifyingKey;

use crate::key::{KeyError, PublicKey};

/// Most keys that are remembered: more than a node has correspondents, in less than half a megabyte.
const KEYS_MAX: usize = 1024;

/// Remembers which keys are sound, for all clones of one value. What it remembers changes the time that a verification
/// takes, never its verdict, so any two values are equal.
#[derive(Clone, Default)]
pub struct SoundKeys(Arc<Mutex<BTreeMap<[u8; 32], VerifyingKey>>>);

impl SoundKeys {
    /// What [`PublicKey::from_bytes`] says, and the key as signatures are verified with it.
    pub(crate) fn check(&self, octets: &[u8; 32]) -> Result<(PublicKey, VerifyingKey), KeyError> {
        // Each entry is complete when it is inserted, so a panic elsewhere spoils nothing.
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(octets).copied();
        if let Some(verifying) = remembered {
            return Ok((PublicKey::found_sound(*octets), verifying));
        }
        let (key, verifying) = PublicKey::checked(octets)?;
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever floods the node with keys makes it forget, which is no worse than never to have known.
        if keys.len() >= KEYS_MAX {
            keys.clear();
        }
        keys.insert(*octets, verifying);
        Ok((key, verifying))
    }
}

impl PartialEq for SoundKeys {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for SoundKeys {}

impl std::fmt::Debug for SoundKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SoundKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::NodeKey;

    #[test]
    fn a_remembered_key_gets_the_same_answer_and_memory_stays_bounded() {
        let keys = SoundKeys::default();
        let sound = NodeKey::from_seed([1; 32]).public();
        assert_eq!(keys.check(sound.as_bytes()), PublicKey::checked(sound.as_bytes()));
        assert_eq!(keys.clone().check(sound.as_bytes()), PublicKey::checked(sound.as_bytes()));
        let weak: [u8; 32] = std::array::from_fn(|index| u8::from(index == 0));
        assert_eq!(keys.check(&weak), Err(KeyError::Weak));
        assert_eq!(keys.check(&weak), Err(KeyError::Weak));
        let verifying = keys.check(sound.as_bytes()).unwrap().1;
        for number in 0..KEYS_MAX {
            let mut octets = [0; 32];
            octets[..8].copy_from_slice(&(number as u64).to_le_bytes());
            keys.0.lock().unwrap().insert(octets, verifying);
        }
        keys.check(NodeKey::from_seed([2; 32]).public().as_bytes()).unwrap();
        assert_eq!(keys.0.lock().unwrap().len(), 1);
    }
}
