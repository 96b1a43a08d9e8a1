//! The bundle id: 16 octets that name one bundle among all, by content.
//!
//! `BLAKE3(primary block ‖ BLAKE3(payload) ‖ signer's key, or nothing where nobody's signature is valid)`, the first 16
//! octets. Blocks that change on the way have no part in it.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use crate::key::PublicKey;

/// Names one bundle. Its text is 26 lower-case letters and digits (base32, RFC 4648 §6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleId([u8; 16]);

/// A text is not a bundle id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a bundle id has 26 letters and digits from 2 to 7")]
pub struct BundleIdError;

impl BundleId {
    /// The id with these octets.
    pub const fn from_bytes(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// Its octets.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn of(primary: &[u8], payload_hash: &[u8; 32], signer: Option<&PublicKey>) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(primary).update(payload_hash);
        if let Some(key) = signer {
            hasher.update(key.as_bytes());
        }
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        Self(id)
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BundleId {
    type Err = BundleIdError;

    fn from_str(text: &str) -> Result<Self, BundleIdError> {
        let octets = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| BundleIdError)?;
        octets.try_into().map(Self).map_err(|_| BundleIdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_in_either_case() {
        let id = BundleId::from_bytes(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\xfa\xfb\xfc\xfd\xfe\xff");
        let text = id.to_string();
        assert_eq!((text.len(), text.as_str()), (26, "aaaqeayeaudaocaj7l57z7p674"));
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        for wrong in
            ["", "aaaqeayeaudaocaj7l57z7p67", "aaaqeayeaudaocaj7l57z7p675", "aaaqeayeaudaocaj7l57z7p67!", "1"]
        {
            assert_eq!(wrong.parse::<BundleId>(), Err(BundleIdError));
        }
    }
}
