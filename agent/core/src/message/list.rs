//! Sorted lists of ids in ranges, and the request for them: how two nodes compare what they hold, where nothing better is
//! to be had (`docs/contact.md`).

use bundle_format::BundleId;
use minicbor::{Decoder, Encoder};

use super::{Encoded, Unintelligible, VERSION, decode_id, encode_id};

/// Most ids in one list: 64 KiB of them.
pub(crate) const LISTED_MAX: usize = 4096;

/// Every id that the sender has after `after`, up to and including `last`; up to the end where `last` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) after: Option<BundleId>,
    pub(crate) last: Option<BundleId>,
    pub(crate) ids: Vec<BundleId>,
}

impl List {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(5)?.u64(VERSION)?.u8(2)?;
        encode_id(encoder, self.after)?;
        encode_id(encoder, self.last)?;
        let ids: Vec<u8> = self.ids.iter().flat_map(|id| *id.as_bytes()).collect();
        encoder.bytes(&ids)
    }

    /// Also checks what makes a list usable: ids strictly ascending and inside its bounds.
    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let (after, last) = (decode_id(decoder)?, decode_id(decoder)?);
        let octets = decoder.bytes()?;
        let (chunks, rest) = octets.as_chunks::<16>();
        if !rest.is_empty() || chunks.len() > LISTED_MAX {
            return Err(Unintelligible);
        }
        let ids: Vec<BundleId> = chunks.iter().map(|octets| BundleId::from_bytes(*octets)).collect();
        let bounds_hold = ids.is_sorted_by(|a, b| a < b)
            && ids.first().is_none_or(|first| after.is_none_or(|after| after < *first))
            && ids.last().is_none_or(|end| last.is_none_or(|last| *end <= last))
            && last.is_none_or(|last| after.is_none_or(|after| after < last));
        if bounds_hold { Ok(Self { after, last, ids }) } else { Err(Unintelligible) }
    }
}

pub(super) fn encode_list_request(
    encoder: &mut Encoder<Vec<u8>>,
    after: Option<BundleId>,
    most: usize,
) -> Encoded<'_> {
    encoder.array(4)?.u64(VERSION)?.u8(1)?;
    encode_id(encoder, after)?;
    encoder.u64(most as u64)
}
