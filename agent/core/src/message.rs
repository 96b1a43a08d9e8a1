//! What neighbors say to each other while a contact is open: payloads of bundles to [`contact_endpoint`], with a hop
//! limit of 1, that are never stored. `docs/contact.md` specifies them.
//!
//! Each kind has a file here; `hello.rs` and `listing.rs` of the agent act upon them. Every count is bounded here, before
//! anything is kept.

mod cells;
mod custody;
mod gone;
mod hello;
mod list;
mod offer;
mod part;
mod vicinity;

use bundle_format::{BundleId, Eid};
use minicbor::{Decoder, Encoder};
use thiserror::Error;

pub(crate) use cells::{Cells, More, Summary};
pub(crate) use custody::{CUSTODY_ITEMS_MAX, CustodyQuery, CustodyRefusals, Queried, Reason};
pub(crate) use gone::{Departed, GONE_MAX, GONE_OCTETS, Gone};
pub(crate) use hello::{GROUPS_MAX, Hello};
pub(crate) use list::{LISTED_MAX, List};
pub(crate) use offer::{OFFERED_MAX, Offered, Want, short_id};
pub(crate) use part::{PART_OCTETS_MAX, Part, Resume};
pub(crate) use vicinity::{NodeHash, VICINITY_MAX, Vicinity, node_hash};

/// The version that begins every contact message.
const VERSION: u64 = 1;
/// The largest contact message, as a bundle: a Hello with many groups, and room to spare.
pub(crate) const MESSAGE_OCTETS_MAX: u64 = 1 << 20;

/// Where contact messages go: the group of whoever is at the other end of this contact.
pub fn contact_endpoint() -> Eid {
    Eid::dtn("packmule", "~contact").expect("a valid constant")
}

/// The octets in which this version writes what it reads in a contact message, or `None` where it reads nothing: what may be
/// asked of a decoder from outside (`tests/fuzz`).
pub fn contact_message_again(payload: &[u8]) -> Option<Vec<u8>> {
    ContactMessage::decode(payload).ok().map(|message| message.encode())
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
    Summary(Summary),
    Cells(Cells),
    More(More),
    Offer(Vec<Offered>),
    Want(Want),
    Resume(Resume),
    Part(Part),
    CustodyRefusals(CustodyRefusals),
    CustodyQuery(CustodyQuery),
    Vicinity(Vicinity),
    Gone(Gone),
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

pub(crate) type Encoded<'e> =
    Result<&'e mut Encoder<Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>>;

impl ContactMessage {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        match self {
            Self::Hello(hello) => hello.encode(&mut encoder),
            Self::ListRequest { after, most } => list::encode_list_request(&mut encoder, *after, *most),
            Self::List(list) => list.encode(&mut encoder),
            Self::Summary(summary) => summary.encode(&mut encoder),
            Self::Cells(cells) => cells.encode(&mut encoder),
            Self::More(more) => more.encode(&mut encoder),
            Self::Offer(items) => offer::encode_offer(&mut encoder, items),
            Self::Want(want) => want.encode(&mut encoder),
            Self::Resume(resume) => resume.encode(&mut encoder),
            Self::Part(part) => part.encode(&mut encoder),
            Self::CustodyRefusals(refusals) => refusals.encode(&mut encoder),
            Self::CustodyQuery(query) => query.encode(&mut encoder),
            Self::Vicinity(vicinity) => vicinity.encode(&mut encoder),
            Self::Gone(gone) => gone.encode(&mut encoder),
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
            (3, 7) => Self::Summary(Summary::decode(&mut decoder)?),
            (4, 5) => Self::Cells(Cells::decode(&mut decoder)?),
            (5, 4) => Self::More(More::decode(&mut decoder)?),
            (6, 3) => Self::Offer(offer::decode_offer(&mut decoder)?),
            (7, 3) => Self::Want(Want::decode(&mut decoder)?),
            (8, 4) => Self::Resume(Resume::decode(&mut decoder)?),
            (9, 6) => Self::Part(Part::decode(&mut decoder)?),
            (10, 4) => Self::CustodyRefusals(CustodyRefusals::decode(&mut decoder)?),
            (11, 3) => Self::Vicinity(Vicinity::decode(&mut decoder)?),
            (12, 4) => Self::CustodyQuery(CustodyQuery::decode(&mut decoder)?),
            (13, 3) => Self::Gone(Gone::decode(&mut decoder)?),
            _ => return Err(Unintelligible),
        };
        if decoder.position() == octets.len() { Ok(message) } else { Err(Unintelligible) }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PrimaryHash;

    fn id(octet: u8) -> BundleId {
        BundleId::from_bytes([octet; 16])
    }

    fn messages() -> Vec<ContactMessage> {
        let cell = crate::sketch::Cell { sum: 1 << 100, checksum: 2, count: 66_000 };
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
            ContactMessage::Summary(Summary { interest: [4; 8], asks: false, cell }),
            ContactMessage::Cells(Cells { size: 100_000, from: 1, run: vec![cell, cell] }),
            ContactMessage::More(More { from: 25, most: 1000 }),
            ContactMessage::Offer(vec![
                Offered { id: id(7), octets: 70_000, hash: Some(PrimaryHash::from_bytes([8; 16])) },
                Offered { id: id(9), octets: 100, hash: None },
            ]),
            ContactMessage::Want(Want { ids: vec![[7; 8], [8; 8]] }),
            ContactMessage::Resume(Resume { id: id(7), offset: 200_000 }),
            ContactMessage::Part(Part { id: id(7), offset: 1, total: 70_000, octets: vec![1, 2, 3].into() }),
            ContactMessage::CustodyRefusals(CustodyRefusals {
                sequence: 7,
                items: vec![
                    (1, Reason::NotHere),
                    (2, Reason::Gone),
                    (3, Reason::Policy),
                    (4, Reason::Other(9)),
                ],
            }),
            ContactMessage::CustodyQuery(CustodyQuery {
                sequence: u64::MAX,
                items: vec![Queried { number: 1, id: id(4), yours: true }],
            }),
            ContactMessage::Vicinity(Vicinity { nodes: [[3; 8], [4; 8]].into() }),
            ContactMessage::Gone(Gone { items: vec![Departed { id: id(5), seconds_left: 70_000 }] }),
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
