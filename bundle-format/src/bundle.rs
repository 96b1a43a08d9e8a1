//! A whole bundle in memory, in two steps: parsing is cheap and done at once, checking hash and signature is not.

use bytes::Bytes;

use crate::checked::{CheckedBundle, PayloadCheck, compare_tail, payload_crc, tail_of};
use crate::framing::Framing;
use crate::head::Head;
use crate::limits::{HEAD_OCTETS_MAX, Limits};
use crate::malformed::{Fault, Malformed};
use crate::profile::Profile;

/// A bundle whose structure and CRCs are right. Its signature has not been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    head: Head,
    payload: Bytes,
    tail: Bytes,
}

impl Bundle {
    /// Parses the octets of one bundle and nothing else. Copies nothing.
    pub fn parse(mut octets: Bytes, limits: &Limits) -> Result<Self, Malformed> {
        let whole = octets.len() as u64;
        if whole > limits.bundle_octets_max {
            return Err(Malformed::new(0, Fault::BundleTooLarge));
        }
        let start = octets.get(..octets.len().min(HEAD_OCTETS_MAX + 1)).unwrap_or_default();
        let Some(framed) = Framing::default().advance(start)? else {
            return Err(Malformed::new(whole, Fault::Truncated));
        };
        let head = Head::parse(octets.split_to(framed.head_octets))?;
        let payload_octets =
            usize::try_from(framed.payload_octets).ok().filter(|length| *length < octets.len());
        let Some(payload_octets) = payload_octets else {
            return Err(Malformed::new(whole, Fault::Truncated));
        };
        let payload = octets.split_to(payload_octets);
        let mut crc = payload_crc(&head);
        crc.update(&payload);
        compare_tail(&octets, &tail_of(crc), whole - octets.len() as u64)?;
        Ok(Self { head, payload, tail: octets })
    }

    /// The head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Computes the hash and verifies the signature: the costly part.
    pub fn check(self, profile: &Profile) -> CheckedBundle {
        let mut check = PayloadCheck::begin(&self.head, profile);
        check.update(&self.payload);
        CheckedBundle::new(self.head, self.tail, Some(self.payload), check.finish())
    }
}
