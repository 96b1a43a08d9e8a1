//! Gone: ids that the sender has in its set, but whose bundles it has no more (`docs/sync.md`, "What is gone").

use bundle_format::BundleId;
use minicbor::{Decoder, Encoder};

use super::part::decode_whole_id;
use super::{Encoded, Unintelligible, VERSION};

/// Most ids in one message: 7 KiB of them.
pub(crate) const GONE_MAX: usize = 256;
/// Octets of one of them, at most; the few around all of them are within what is allowed for framing.
pub(crate) const GONE_OCTETS: usize = 1 + 17 + 9;

/// An id whose bundle went before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Departed {
    pub(crate) id: BundleId,
    /// How long it stays in the sender's set.
    pub(crate) seconds_left: u64,
}

/// Ids of bundles that are not to be had from the sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) items: Vec<Departed>,
}

impl Gone {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(3)?.u64(VERSION)?.u8(13)?.array(self.items.len() as u64)?;
        for item in &self.items {
            encoder.array(2)?.bytes(item.id.as_bytes())?.u64(item.seconds_left)?;
        }
        Ok(encoder)
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let count = decoder.array()?.ok_or(Unintelligible)?;
        if count > GONE_MAX as u64 {
            return Err(Unintelligible);
        }
        let item = |_| {
            if decoder.array()? != Some(2) {
                return Err(Unintelligible);
            }
            Ok(Departed { id: decode_whole_id(decoder)?, seconds_left: decoder.u64()? })
        };
        Ok(Self { items: (0..count).map(item).collect::<Result<_, Unintelligible>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::ContactMessage;

    #[test]
    fn the_octets_are_those_of_the_specification() {
        let id = BundleId::from_bytes(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let message = ContactMessage::Gone(Gone { items: vec![Departed { id, seconds_left: 86_400 }] });
        let octets =
            message.encode().iter().fold(String::new(), |text, octet| text + &format!("{octet:02x}"));
        assert_eq!(octets, "83010d818250000102030405060708090a0b0c0d0e0f1a00015180");
    }

    #[test]
    fn more_than_fits_is_unintelligible() {
        let item = Departed { id: BundleId::from_bytes([1; 16]), seconds_left: 1 };
        let message = ContactMessage::Gone(Gone { items: vec![item; GONE_MAX + 1] });
        assert_eq!(ContactMessage::decode(&message.encode()), Err(Unintelligible));
    }
}
