//! A bundle whose octets have all been looked at: structure, CRCs, hash, signature.

use bytes::{Bytes, BytesMut};

use crate::crc::RunningCrc;
use crate::head::Head;
use crate::id::BundleId;
use crate::key::PublicKey;
use crate::malformed::{Fault, Malformed};
use crate::profile::Profile;
use crate::signature::{SignatureCheck, SignatureVerdict};

/// A checked bundle; only this crate can make one. Well-formed for certain; signed as [`Self::signature`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBundle {
    head: Head,
    tail: Bytes,
    payload: Option<Bytes>,
    payload_hash: [u8; 32],
    signature: SignatureVerdict,
    id: BundleId,
}

impl CheckedBundle {
    pub(crate) fn new(
        head: Head,
        tail: Bytes,
        payload: Option<Bytes>,
        (payload_hash, signature): ([u8; 32], SignatureVerdict),
    ) -> Self {
        let signer = match &signature {
            SignatureVerdict::Valid(key) => Some(key),
            _ => None,
        };
        let id = BundleId::of(head.primary_octets(), &payload_hash, signer);
        Self { head, tail, payload, payload_hash, signature, id }
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What follows the payload: its CRC, if it has one, and the end of the bundle.
    pub fn tail(&self) -> &Bytes {
        &self.tail
    }

    /// The payload, where it was kept in memory.
    pub fn payload(&self) -> Option<&Bytes> {
        self.payload.as_ref()
    }

    /// The bundle's id.
    pub fn id(&self) -> BundleId {
        self.id
    }

    /// BLAKE3 of the payload.
    pub fn payload_hash(&self) -> [u8; 32] {
        self.payload_hash
    }

    /// What is known of the signature.
    pub fn signature(&self) -> &SignatureVerdict {
        &self.signature
    }

    /// The key that signed the bundle, if its signature is valid.
    pub fn signer(&self) -> Option<PublicKey> {
        match self.signature {
            SignatureVerdict::Valid(key) => Some(key),
            _ => None,
        }
    }

    /// The whole bundle in one piece; `None` where the payload was not kept in memory.
    pub fn encode(&self) -> Option<Bytes> {
        let payload = self.payload.as_ref()?;
        let mut octets = BytesMut::with_capacity(self.head.bytes().len() + payload.len() + self.tail.len());
        octets.extend_from_slice(self.head.bytes());
        octets.extend_from_slice(payload);
        octets.extend_from_slice(&self.tail);
        Some(octets.freeze())
    }

    /// The length of the whole bundle in octets.
    pub fn octets(&self) -> u64 {
        self.head.bytes().len() as u64 + self.head.payload_octets() + self.tail.len() as u64
    }

    pub(crate) fn with_payload(self, payload: Bytes) -> Self {
        assert!(
            payload.len() as u64 == self.head.payload_octets()
                && *blake3::hash(&payload).as_bytes() == self.payload_hash,
            "the payload is the one that was checked"
        );
        Self { payload: Some(payload), ..self }
    }
}

/// Hash and signature of a payload that passes by.
pub(crate) struct PayloadCheck {
    hash: blake3::Hasher,
    signature: SignatureCheck,
}

impl PayloadCheck {
    pub(crate) fn begin(head: &Head, profile: &Profile) -> Self {
        Self { hash: blake3::Hasher::new(), signature: SignatureCheck::begin(head, profile) }
    }

    pub(crate) fn update(&mut self, octets: &[u8]) {
        self.hash.update(octets);
        self.signature.update(octets);
    }

    pub(crate) fn finish(self) -> ([u8; 32], SignatureVerdict) {
        (*self.hash.finalize().as_bytes(), self.signature.finish())
    }
}

/// The CRC of the payload block, with what the head has of that block.
pub(crate) fn payload_crc(head: &Head) -> RunningCrc {
    let mut crc = RunningCrc::new(head.payload_block().crc);
    crc.update(head.payload_block_start());
    crc
}

/// The tail of a bundle whose payload block has this CRC.
pub(crate) fn tail_of(crc: RunningCrc) -> Vec<u8> {
    let mut tail = crc.field();
    tail.push(crate::cbor::BREAK);
    tail
}

/// Why a tail, which begins at `offset`, is not the expected one.
pub(crate) fn compare_tail(found: &[u8], expected: &[u8], offset: u64) -> Result<(), Malformed> {
    let fault = match found {
        _ if found == expected => return Ok(()),
        _ if found.len() < expected.len() => Fault::Truncated,
        _ if found.starts_with(expected) => Fault::TrailingOctets,
        _ if found.get(expected.len() - 1) == Some(&crate::cbor::BREAK) => Fault::Crc,
        _ => Fault::Expected("the payload block's CRC, if it has one, and the end of the bundle"),
    };
    Err(Malformed::new(offset, fault))
}
