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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ContactMessage;

    fn octets_of(message: &ContactMessage) -> String {
        message.encode().iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
    }

    #[test]
    fn the_octets_are_those_of_the_specification() {
        let id = BundleId::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let hash = PrimaryHash::from_bytes(std::array::from_fn(|at| u8::try_from(at + 16).unwrap()));
        let offer = ContactMessage::Offer(vec![Offered { id, octets: 70_000, hash: Some(hash) }]);
        let expected =
            "830106818350000102030405060708090a0b0c0d0e0f1a0001117050101112131415161718191a1b1c1d1e1f";
        assert_eq!(octets_of(&offer), expected);
        let want = ContactMessage::Want(Want { ids: vec![short_id(&id)] });
        assert_eq!(octets_of(&want), "830107480001020304050607");
    }

    #[test]
    fn more_than_fits_is_unintelligible() {
        let item = Offered { id: BundleId::from_bytes([1; 16]), octets: 1, hash: None };
        let offer = ContactMessage::Offer(vec![item; OFFERED_MAX + 1]);
        assert_eq!(ContactMessage::decode(&offer.encode()), Err(Unintelligible));
        let want = ContactMessage::Want(Want { ids: vec![[1; 8]; OFFERED_MAX + 1] });
        assert_eq!(ContactMessage::decode(&want.encode()), Err(Unintelligible));
    }
}
