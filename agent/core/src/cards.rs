//! Node cards: what a node says of itself to all others (`docs/records.md`, section 4).

use bundle_format::{DtnTime, Eid};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use crate::message::{Encoded, Unintelligible};
use crate::routing::Interest;
use crate::runs::Runs;

/// The record's name in its group.
pub(crate) const NAME: &str = "card";
/// Most octets of what a card made here lists as held.
pub(crate) const HELD_OCTETS_MAX: usize = 8 << 10;
/// Most groups that a card names; a node with more says that it carries everything.
pub(crate) const GROUPS_MAX: usize = 256;

const VERSION: u64 = 1;
const ADDRESSES_MAX: u64 = 32;
const TEXT_OCTETS_MAX: usize = 256;

/// The group of all who keep node cards.
pub fn cards_group() -> Eid {
    Eid::dtn("packmule", "~cards").expect("a valid constant")
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Card {
    /// Its software, for people.
    pub software: String,
    /// Whether it carries everything, for everybody.
    pub carries_all: bool,
    /// Groups that it is a member of.
    pub groups: Vec<Eid>,
    /// Further node IDs of the node.
    pub also: Vec<Eid>,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// The time of day when it was made, on a node whose clock can be trusted.
    pub clock: Option<DtnTime>,
    /// Whether `held` lists all that the node holds.
    pub is_complete: bool,
    /// What it holds, records and administrative records aside.
    pub held: Runs,
}

impl Card {
    /// Whether bundles to a destination are meant for the node whose card this is, or carried by it.
    pub fn wants(&self, node: &Eid, destination: &Eid) -> bool {
        self.interest(node, destination) > Interest::None
    }

    /// What the node whose card this is has to do with a destination.
    pub fn interest(&self, node: &Eid, destination: &Eid) -> Interest {
        let is_member = match destination.node_id() {
            Some(wanted) => wanted == *node || self.also.contains(&wanted),
            None => self.groups.contains(destination),
        };
        match (is_member, self.carries_all) {
            (true, _) => Interest::Member,
            (false, true) => Interest::Carrier,
            (false, false) => Interest::None,
        }
    }

    /// `[1, software, carries all, groups, also, addresses, clock or null, complete, held]`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        self.write(&mut encoder).expect("writing to a vector cannot fail");
        encoder.into_writer()
    }

    fn write<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(9)?.u64(VERSION)?.str(&self.software)?.bool(self.carries_all)?;
        for eids in [&self.groups, &self.also] {
            encoder.array(eids.len() as u64)?;
            for eid in eids {
                encoder.bytes(&eid.to_cbor())?;
            }
        }
        encoder.array(self.addresses.len() as u64)?;
        for address in &self.addresses {
            encoder.str(address)?;
        }
        match self.clock {
            Some(clock) => encoder.u64(clock.0)?,
            None => encoder.null()?,
        };
        self.held.encode(encoder.bool(self.is_complete)?)
    }

    /// Reads a card. Elements behind those that this version knows are passed over.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, Unintelligible> {
        let mut decoder = Decoder::new(octets);
        if decoder.array()?.is_none_or(|elements| elements < 9) || decoder.u64()? != VERSION {
            return Err(Unintelligible);
        }
        Ok(Self {
            software: text(&mut decoder)?,
            carries_all: decoder.bool()?,
            groups: eids(&mut decoder)?,
            also: eids(&mut decoder)?,
            addresses: addresses(&mut decoder)?,
            clock: clock(&mut decoder)?,
            is_complete: decoder.bool()?,
            held: Runs::decode(&mut decoder)?,
        })
    }
}

fn text(decoder: &mut Decoder<'_>) -> Result<String, Unintelligible> {
    let text = decoder.str()?;
    if text.len() > TEXT_OCTETS_MAX { Err(Unintelligible) } else { Ok(text.to_owned()) }
}

fn eids(decoder: &mut Decoder<'_>) -> Result<Vec<Eid>, Unintelligible> {
    let count = decoder.array()?.filter(|count| *count <= GROUPS_MAX as u64).ok_or(Unintelligible)?;
    (0..count).map(|_| Eid::from_cbor(decoder.bytes()?).map_err(|_| Unintelligible)).collect()
}

fn addresses(decoder: &mut Decoder<'_>) -> Result<Vec<String>, Unintelligible> {
    let count = decoder.array()?.filter(|count| *count <= ADDRESSES_MAX).ok_or(Unintelligible)?;
    (0..count).map(|_| text(decoder)).collect()
}

fn clock(decoder: &mut Decoder<'_>) -> Result<Option<DtnTime>, Unintelligible> {
    if decoder.datatype()? == Type::Null {
        decoder.null()?;
        return Ok(None);
    }
    Ok(Some(DtnTime(decoder.u64()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Series;

    fn card() -> Card {
        let mut held = Runs::default();
        let source = "dtn://a/".parse().unwrap();
        held.insert(Series { source, time: None }, (7 << 32) + 5, (7 << 32) + 9);
        Card {
            software: "packmule 0.1.0".to_owned(),
            carries_all: false,
            groups: vec!["dtn://all/~news".parse().unwrap()],
            also: vec![Eid::ipn(0, 5, 0)],
            addresses: vec!["tcp://192.0.2.7:4556".to_owned()],
            clock: Some(DtnTime(800_000_000_000)),
            is_complete: true,
            held,
        }
    }

    #[test]
    fn a_card_comes_back_as_it_went_and_cut_ones_do_not() {
        let octets = card().encode();
        assert_eq!(Card::decode(&octets), Ok(card()));
        for end in 0..octets.len() {
            assert_eq!(Card::decode(&octets[..end]), Err(Unintelligible));
        }
    }

    #[test]
    fn a_card_says_who_is_to_have_a_bundle() {
        let node = "dtn://b/".parse().unwrap();
        for (destination, wanted) in [
            ("dtn://all/~news", true),
            ("dtn://all/~other", false),
            ("dtn://b/inbox", true),
            ("ipn:5.1", true),
            ("dtn://c/inbox", false),
        ] {
            let destination = destination.parse().unwrap();
            assert_eq!(card().wants(&node, &destination), wanted, "{destination}");
            assert!(Card { carries_all: true, ..card() }.wants(&node, &destination));
        }
    }
}
