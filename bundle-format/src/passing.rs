//! What is computed over the octets of a payload as they pass: the block's CRC, the hash, and the signature.
//!
//! Nearly all the work of checking a large bundle. [`crate::BundleReader`] does it where it is, unless its caller has
//! another thread for it.

use crate::checked::{PayloadCheck, payload_crc, tail_of};
use crate::crc::RunningCrc;
use crate::head::Head;
use crate::profile::Profile;
use crate::signature::SignatureVerdict;

/// A payload that passes by. Takes its octets in order, in any pieces.
pub struct PassingPayload {
    octets: u64,
    crc: RunningCrc,
    check: PayloadCheck,
}

impl PassingPayload {
    pub(crate) fn begin(head: &Head, profile: &Profile) -> Self {
        Self { octets: 0, crc: payload_crc(head), check: PayloadCheck::begin(head, profile) }
    }

    /// More octets of the payload.
    pub fn update(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        self.crc.update(octets);
        self.check.update(octets);
    }

    /// Octets that have passed.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    /// The tail that the bundle must have, and hash and verdict.
    pub(crate) fn finish(self) -> (Vec<u8>, ([u8; 32], SignatureVerdict)) {
        (tail_of(self.crc), self.check.finish())
    }
}

impl std::fmt::Debug for PassingPayload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PassingPayload").field("octets", &self.octets).finish_non_exhaustive()
    }
}
