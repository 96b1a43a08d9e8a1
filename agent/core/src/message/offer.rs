//! Offer and Want: bundles are named before they are sent, and asked for (`docs/sync.md`, "Large bundles").

use bundle_format::BundleId;
use minicbor::{Decoder, Encoder};

use super::part::decode_whole_id;
use super::{Encoded, Unintelligible, VERSION};
use crate::store::PrimaryHash;

/// Most bundles in one Offer or Want: 10 KiB of them.
pub(crate) const OFFERED_MAX: usize = 256;
/// Octets of an id by which a bundle is asked for.
pub(crate) const SHORT_ID_OCTETS: usize = 8;

/// A bundle that the sender has and the receiver may want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) id: BundleId,
    /// Octets of the bundle in all.
    pub(crate) octets: u64,
    /// In large bundles: by what a beginning of it is found.
    pub(crate) hash: Option<PrimaryHash>,
}

/// The beginnings of the ids of bundles that were offered and are to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) ids: Vec<[u8; SHORT_ID_OCTETS]>,
}

/// The beginning of an id.
pub(crate) fn short_id(id: &BundleId) -> [u8; SHORT_ID_OCTETS] {
    *id.as_bytes().first_chunk().expect("an id is longer")
}

pub(super) fn encode_offer<'e>(encoder: &'e mut Encoder<Vec<u8>>, items: &[Offered]) -> Encoded<'e> {
    encoder.array(3)?.u64(VERSION)?.u8(6)?.array(items.len() as u64)?;
    for item in items {
        let hash = item.hash.as_ref().map_or(&[][..], |hash| hash.as_bytes());
        encoder.array(3)?.bytes(item.id.as_bytes())?.u64(item.octets)?.bytes(hash)?;
    }
    Ok(encoder)
}

pub(super) fn decode_offer(decoder: &mut Decoder<'_>) -> Result<Vec<Offered>, Unintelligible> {
    let count = decoder.array()?.ok_or(Unintelligible)?;
    if count > OFFERED_MAX as u64 {
        return Err(Unintelligible);
    }
    (0..count)
        .map(|_| {
            if decoder.array()? != Some(3) {
                return Err(Unintelligible);
            }
            let (id, octets) = (decode_whole_id(decoder)?, decoder.u64()?);
            let hash = match decoder.bytes()? {
                [] => None,
                hash => Some(PrimaryHash::from_bytes(hash.try_into().map_err(|_| Unintelligible)?)),
            };
            Ok(Offered { id, octets, hash })
        })
        .collect()
}

impl Want {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(3)?.u64(VERSION)?.u8(7)?.bytes(self.ids.as_flattened())
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let (ids, rest) = decoder.bytes()?.as_chunks::<SHORT_ID_OCTETS>();
        if !rest.is_empty() || ids.len() > OFFERED_MAX {
            return Err(Unintelligible);
        }
        Ok(Self { ids: ids.to_vec() })
    }
}
