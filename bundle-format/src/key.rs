//! Ed25519 keys: the secret one of a node, and public ones with a text form that shows typing errors.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign_byupdate};
use ed25519_dalek::{Sha512, SignatureError, Signer, SigningKey, VerifyingKey};
use thiserror::Error;

const PREFIX: &str = "ed25519:";
/// Keeps the checksum apart from every other use of BLAKE3.
const CHECKSUM_CONTEXT: &str = "packmule 2026-11 checksum of a public key's text";
const CHECKSUM_OCTETS: usize = 3;

/// A public key that can be trusted to have one owner: its point is canonically encoded and of the prime order, so
/// that no signature verifies under two of them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// Why octets or text are not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text does not begin with `ed25519:`, or has another length or other characters than a key's text.
    #[error("a public key looks like ed25519: followed by 56 letters and digits from 2 to 7")]
    Text,
    /// The text has the right form but its checksum does not fit: a typing error.
    #[error("this public key has a typing error: its check characters do not match")]
    Mistyped,
    /// The octets are no point of the curve in its only proper encoding.
    #[error("these octets are not an Ed25519 public key")]
    NotAPoint,
    /// The point is of small or mixed order: no honest key is.
    #[error("this public key is weak: anybody could have signatures that seem to be by it")]
    Weak,
}

impl PublicKey {
    /// Checks that 32 octets are a sound key.
    pub fn from_bytes(octets: &[u8; 32]) -> Result<Self, KeyError> {
        Self::checked(octets).map(|(key, _)| key)
    }

    /// The key whose octets [`PublicKey::as_bytes`] gave. For what was checked once and is kept where a checksum guards it:
    /// to check a key costs more than to verify a signature.
    pub fn from_checked_bytes(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The same, with the key as signatures are verified with it.
    pub(crate) fn checked(octets: &[u8; 32]) -> Result<(Self, VerifyingKey), KeyError> {
        let key = VerifyingKey::from_bytes(octets).map_err(|_| KeyError::NotAPoint)?;
        let point = key.to_edwards();
        if point.compress().to_bytes() != *octets {
            return Err(KeyError::NotAPoint);
        }
        if point.is_small_order() || !point.is_torsion_free() {
            return Err(KeyError::Weak);
        }
        Ok((Self(*octets), key))
    }

    /// A key that [`Self::checked`] has found sound before.
    pub(crate) fn found_sound(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// The 32 octets of RFC 8032 §5.1.5.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn checksum(&self) -> [u8; CHECKSUM_OCTETS] {
        let [a, b, c, ..] = blake3::derive_key(CHECKSUM_CONTEXT, &self.0);
        [a, b, c]
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = [&self.0[..], &self.checksum()].concat();
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&octets).to_ascii_lowercase())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.strip_prefix(PREFIX).ok_or(KeyError::Text)?.to_ascii_uppercase();
        let octets = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| KeyError::Text)?;
        let (key, checksum) = octets.split_first_chunk::<32>().ok_or(KeyError::Text)?;
        if checksum.len() != CHECKSUM_OCTETS {
            return Err(KeyError::Text);
        }
        if Self(*key).checksum() != *checksum {
            return Err(KeyError::Mistyped);
        }
        Self::from_bytes(key)
    }
}

/// A node's secret key. Wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct NodeKey(SigningKey);

impl NodeKey {
    /// The key that 32 random octets make (RFC 8032 §5.1.5).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The octets that this key was made from: whoever has them can sign as the node.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// An Ed25519 signature over `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// An Ed25519 signature over what `message` feeds to a hash. It is called twice and must feed the same both times:
    /// the caller checks that, and discards the signature if not.
    pub(crate) fn sign_streamed(
        &self,
        message: impl Fn(&mut Sha512) -> Result<(), SignatureError>,
    ) -> Result<[u8; 64], SignatureError> {
        let expanded = ExpandedSecretKey::from(&self.0.to_bytes());
        raw_sign_byupdate::<Sha512, _>(&expanded, message, &self.0.verifying_key())
            .map(|made| made.to_bytes())
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey(secret of {})", self.public())
    }
}
