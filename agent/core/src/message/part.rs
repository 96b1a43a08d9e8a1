//! Resume and Part: a large bundle of which the beginning is here goes on where it was (`docs/sync.md`, "Large bundles").

use bundle_format::BundleId;
use bytes::Bytes;
use minicbor::{Decoder, Encoder};

use super::{Encoded, Unintelligible, VERSION};

/// Most octets of a payload in one Part: what a contact that breaks off loses at most, at a cost of 1 % for the rest of the
/// message.
pub(crate) const PART_OCTETS_MAX: usize = 16 << 10;

/// Send the payload of this bundle from this octet on; or, where that is its end: the whole is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) id: BundleId,
    pub(crate) offset: u64,
}

/// Octets of the payload of a bundle that the receiver has asked to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) id: BundleId,
    pub(crate) offset: u64,
    /// Octets of the payload in all.
    pub(crate) total: u64,
    pub(crate) octets: Bytes,
}

impl Resume {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(4)?.u64(VERSION)?.u8(8)?.bytes(self.id.as_bytes())?.u64(self.offset)
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        Ok(Self { id: decode_whole_id(decoder)?, offset: decoder.u64()? })
    }
}

impl Part {
    /// Octets of a Part besides those of the payload, at most: five heads of at most 9 octets, and the id.
    pub(crate) const AROUND_OCTETS_MAX: usize = 3 + 17 + 9 + 9 + 5;

    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(6)?.u64(VERSION)?.u8(9)?.bytes(self.id.as_bytes())?;
        encoder.u64(self.offset)?.u64(self.total)?.bytes(&self.octets)
    }

    /// Also checks that there are octets, no more than fit, and that they lie within the payload.
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let (id, offset) = (decode_whole_id(decoder)?, decoder.u64()?);
        let (total, octets) = (decoder.u64()?, decoder.bytes()?);
        let end = offset.checked_add(octets.len() as u64);
        let is_within = end.is_some_and(|end| end <= total);
        if octets.is_empty() || octets.len() > PART_OCTETS_MAX || !is_within {
            return Err(Unintelligible);
        }
        Ok(Self { id, offset, total, octets: Bytes::copy_from_slice(octets) })
    }
}

pub(super) fn decode_whole_id(decoder: &mut Decoder<'_>) -> Result<BundleId, Unintelligible> {
    Ok(BundleId::from_bytes(decoder.bytes()?.try_into().map_err(|_| Unintelligible)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ContactMessage;

    fn octets_of(message: &ContactMessage) -> String {
        message.encode().iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
    }

    fn id() -> BundleId {
        BundleId::from_bytes(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")
    }

    #[test]
    fn the_octets_are_those_of_the_specification() {
        let resume = ContactMessage::Resume(Resume { id: id(), offset: 200_000 });
        assert_eq!(octets_of(&resume), "84010850000102030405060708090a0b0c0d0e0f1a00030d40");
        let part =
            Part { id: id(), offset: 200_000, total: 1 << 20, octets: Bytes::from_static(b"packmule") };
        let expected = "86010950000102030405060708090a0b0c0d0e0f1a00030d401a00100000487061636b6d756c65";
        assert_eq!(octets_of(&ContactMessage::Part(part)), expected);
    }

    #[test]
    fn what_lies_beyond_the_payload_or_is_too_much_or_nothing_is_unintelligible() {
        let parts = [
            Part { id: id(), offset: 10, total: 12, octets: vec![0; 3].into() },
            Part { id: id(), offset: u64::MAX, total: u64::MAX, octets: vec![0; 1].into() },
            Part { id: id(), offset: 0, total: 12, octets: Bytes::new() },
            Part { id: id(), offset: 0, total: 1 << 20, octets: vec![0; PART_OCTETS_MAX + 1].into() },
        ];
        for part in parts {
            assert_eq!(ContactMessage::decode(&ContactMessage::Part(part).encode()), Err(Unintelligible));
        }
    }
}
