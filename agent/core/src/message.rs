//! What neighbors say to each other while a contact is open: payloads of bundles to [`contact_endpoint`], with a hop
//! limit of 1, that are never stored. `docs/contact.md` specifies them.
//!
//! `hello.rs` and `listing.rs` act upon them. Every count is bounded here, before anything is kept.

use bundle_format::{BundleId, Eid};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use thiserror::Error;

/// The version that begins every contact message.
const VERSION: u64 = 1;
/// A Hello names at most this many groups; a node with more asks for everything.
pub(crate) const GROUPS_MAX: u64 = 1024;
/// A Hello names at most this many further node IDs.
const ALSO_MAX: u64 = 8;
/// The largest contact message, as a bundle: a Hello with many groups, and room to spare.
pub(crate) const MESSAGE_OCTETS_MAX: u64 = 1 << 20;
/// Most ids in one list: 64 KiB of them.
pub(crate) const LISTED_MAX: usize = 4096;

/// Where contact messages go: the group of whoever is at the other end of this contact.
pub fn contact_endpoint() -> Eid {
    Eid::dtn("packmule", "~contact").expect("a valid constant")
}

/// A message between the two nodes of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ContactMessage {
    Hello(Hello),
    /// Tell which bundles you have, in the order of their ids, after this one.
    ListRequest {
        after: Option<BundleId>,
        most: usize,
    },
    List(List),
}

/// Who is there. The bundle that carries it is signed: its source is the node, its signer the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Fresh for each contact.
    pub(crate) nonce: [u8; 16],
    /// The nonce of the Hello that this one answers: proof that the signer is there now.
    pub(crate) answer: Option<[u8; 16]>,
    /// The sender's store epoch: a new one means that what it was known to have may be gone.
    pub(crate) epoch: u64,
    /// Whether it wants everything.
    pub(crate) wants_all: bool,
    /// The groups that it wants, where it does not want everything.
    pub(crate) groups: Vec<Eid>,
    /// Other node IDs of the sender.
    pub(crate) also: Vec<Eid>,
}

/// Every id that the sender has after `after`, up to and including `last`; up to the end where `last` is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) after: Option<BundleId>,
    pub(crate) last: Option<BundleId>,
    pub(crate) ids: Vec<BundleId>,
}

/// The payload is no contact message that this version knows.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not a contact message of version {VERSION}")]
pub(crate) struct Unintelligible;

impl From<minicbor::decode::Error> for Unintelligible {
    fn from(_: minicbor::decode::Error) -> Self {
        Self
    }
}

type Encoded<'e> = Result<&'e mut Encoder<Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>>;

impl ContactMessage {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        match self {
            Self::Hello(hello) => hello.encode(&mut encoder),
            Self::ListRequest { after, most } => encode_list_request(&mut encoder, *after, *most),
            Self::List(list) => list.encode(&mut encoder),
        }
        .expect("writing to a vector cannot fail");
        encoder.into_writer()
    }

    pub(crate) fn decode(octets: &[u8]) -> Result<Self, Unintelligible> {
        let mut decoder = Decoder::new(octets);
        let length = decoder.array()?.ok_or(Unintelligible)?;
        if decoder.u64()? != VERSION {
            return Err(Unintelligible);
        }
        let message = match (decoder.u64()?, length) {
            (0, 8) => Self::Hello(Hello::decode(&mut decoder)?),
            (1, 4) => Self::ListRequest {
                after: decode_id(&mut decoder)?,
                most: usize::try_from(decoder.u64()?).unwrap_or(LISTED_MAX).clamp(1, LISTED_MAX),
            },
            (2, 5) => Self::List(List::decode(&mut decoder)?),
            _ => return Err(Unintelligible),
        };
        if decoder.position() == octets.len() { Ok(message) } else { Err(Unintelligible) }
    }
}

impl Hello {
    fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(8)?.u64(VERSION)?.u8(0)?.bytes(&self.nonce)?;
        encoder.bytes(self.answer.as_ref().map_or(&[][..], |nonce| nonce))?.u64(self.epoch)?;
        encoder.u8(u8::from(self.wants_all))?;
        encode_eids(encoder, &self.groups)?;
        encode_eids(encoder, &self.also)
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        Ok(Self {
            nonce: decoder.bytes()?.try_into().map_err(|_| Unintelligible)?,
            answer: match decoder.bytes()? {
                [] => None,
                nonce => Some(nonce.try_into().map_err(|_| Unintelligible)?),
            },
            epoch: decoder.u64()?,
            wants_all: decoder.u64()? == 1,
            groups: decode_eids(decoder, GROUPS_MAX)?,
            also: decode_eids(decoder, ALSO_MAX)?,
        })
    }
}

impl List {
    fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(5)?.u64(VERSION)?.u8(2)?;
        encode_id(encoder, self.after)?;
        encode_id(encoder, self.last)?;
        let ids: Vec<u8> = self.ids.iter().flat_map(|id| *id.as_bytes()).collect();
        encoder.bytes(&ids)
    }

    /// Also checks what makes a list usable: ids strictly ascending and inside its bounds.
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
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

fn encode_list_request(encoder: &mut Encoder<Vec<u8>>, after: Option<BundleId>, most: usize) -> Encoded<'_> {
    encoder.array(4)?.u64(VERSION)?.u8(1)?;
    encode_id(encoder, after)?;
    encoder.u64(most as u64)
}

fn encode_id(encoder: &mut Encoder<Vec<u8>>, id: Option<BundleId>) -> Encoded<'_> {
    encoder.bytes(id.as_ref().map_or(&[][..], |id| id.as_bytes()))
}

fn decode_id(decoder: &mut Decoder<'_>) -> Result<Option<BundleId>, Unintelligible> {
    match decoder.bytes()? {
        [] => Ok(None),
        octets => Ok(Some(BundleId::from_bytes(octets.try_into().map_err(|_| Unintelligible)?))),
    }
}

fn encode_eids<'e>(encoder: &'e mut Encoder<Vec<u8>>, eids: &[Eid]) -> Encoded<'e> {
    encoder.array(eids.len() as u64)?;
    for eid in eids {
        encoder.bytes(&eid.to_cbor())?;
    }
    Ok(encoder)
}

fn decode_eids(decoder: &mut Decoder<'_>, most: u64) -> Result<Vec<Eid>, Unintelligible> {
    let count = decoder.array()?.ok_or(Unintelligible)?;
    if count > most {
        return Err(Unintelligible);
    }
    let mut eids = Vec::new();
    for _ in 0..count {
        if decoder.datatype()? != Type::Bytes {
            return Err(Unintelligible);
        }
        eids.push(Eid::from_cbor(decoder.bytes()?).map_err(|_| Unintelligible)?);
    }
    Ok(eids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(octet: u8) -> BundleId {
        BundleId::from_bytes([octet; 16])
    }

    fn messages() -> Vec<ContactMessage> {
        vec![
            ContactMessage::Hello(Hello {
                nonce: [1; 16],
                answer: None,
                epoch: 7,
                wants_all: false,
                groups: vec![Eid::dtn("all", "~updates").unwrap()],
                also: vec![Eid::ipn(0, 5, 0)],
            }),
            ContactMessage::Hello(Hello {
                nonce: [1; 16],
                answer: Some([2; 16]),
                epoch: u64::MAX,
                wants_all: true,
                groups: vec![],
                also: vec![],
            }),
            ContactMessage::ListRequest { after: None, most: 4096 },
            ContactMessage::ListRequest { after: Some(id(9)), most: 1 },
            ContactMessage::List(List { after: Some(id(1)), last: Some(id(3)), ids: vec![id(2), id(3)] }),
            ContactMessage::List(List { after: None, last: None, ids: vec![] }),
        ]
    }

    #[test]
    fn messages_come_back_as_they_went() {
        for message in messages() {
            assert_eq!(ContactMessage::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn cut_or_extended_messages_are_unintelligible() {
        for message in messages() {
            let octets = message.encode();
            for end in 0..octets.len() {
                assert_eq!(ContactMessage::decode(&octets[..end]), Err(Unintelligible));
            }
            assert_eq!(ContactMessage::decode(&[&octets[..], &[0]].concat()), Err(Unintelligible));
        }
    }

    #[test]
    fn a_list_outside_its_bounds_or_out_of_order_is_unintelligible() {
        let lists = [
            List { after: Some(id(2)), last: None, ids: vec![id(2)] },
            List { after: None, last: Some(id(2)), ids: vec![id(3)] },
            List { after: None, last: None, ids: vec![id(3), id(2)] },
            List { after: None, last: None, ids: vec![id(3), id(3)] },
            List { after: Some(id(3)), last: Some(id(3)), ids: vec![] },
        ];
        for list in lists {
            assert_eq!(ContactMessage::decode(&ContactMessage::List(list).encode()), Err(Unintelligible));
        }
    }

    #[test]
    fn a_request_for_more_than_fits_is_cut_to_what_fits() {
        let octets = ContactMessage::ListRequest { after: None, most: usize::MAX }.encode();
        assert_eq!(
            ContactMessage::decode(&octets),
            Ok(ContactMessage::ListRequest { after: None, most: LISTED_MAX })
        );
    }
}
