//! A foreign node that lies while there are faults: its sets, cells, wishes and offers are made up, its signals are in others' names, and it
//! says more than anybody wants to know. In some worlds it begins with another's name, and nobody trusts its key; in others all do.
//!
//! What is demanded of everybody else is no less for it. It never takes custody, so that nothing depends on it.

use std::collections::{BTreeMap, BTreeSet};

use agent_core::contact_endpoint;
use agent_core::input::ContactId;
use agent_core::output::{Lane, Parcel, ParcelPayload};
use bundle_format::{
    BundleFlags, CheckedBundle, CreationTimestamp, CustodySignal, DtnTime, Eid, NewBundle, Profile,
};
use bytes::Bytes;
use minicbor::Encoder;

use crate::dice::Dice;
use crate::plan::NodeIndex;
use crate::scenario::{Kind, Role};
use crate::settlement;
use crate::violation::Violation;
use crate::world::World;

/// Messages that it answers one with, at most.
const ANSWERS_MAX: u64 = 6;
/// Messages that it says in one contact, at most: a link is not to be busy for the rest of the world's time.
const SAID_MAX: u32 = 400;
/// It lives no longer than its contact.
const LIFETIME_MS: u64 = 3_600_000;

/// Whose word its lies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lies {
    /// Nobody trusts its key.
    AsStranger,
    /// All members trust its key.
    AsMember,
}

/// Makes liars of some foreign nodes.
pub(crate) fn choose(dice: &mut Dice, roles: &mut [Role]) {
    for role in roles.iter_mut().filter(|role| role.kind == Kind::Foreign) {
        role.lies = match dice.below(4) {
            0 => Some(Lies::AsStranger),
            1 => Some(Lies::AsMember),
            _ => None,
        };
    }
}

/// What it has said in its contacts.
#[derive(Debug, Default)]
pub(crate) struct Liar {
    said: BTreeMap<ContactId, u32>,
}

impl World {
    fn lies(&self, node: NodeIndex) -> Option<Lies> {
        self.scenario.role(node).lies.filter(|_| self.now < self.scenario.faults_end)
    }

    /// Whether nobody can know what it wants, so that it may be sent anything.
    pub(crate) fn wants_anything(&self, node: NodeIndex) -> bool {
        self.scenario.role(node).lies == Some(Lies::AsMember)
    }

    /// Whether the neighbor on a contact may be one that uses another's name. Who it was is not known any more where the contact is over.
    pub(crate) fn is_impostor_at(&self, contact: ContactId) -> bool {
        let is_impostor = |role: &Role| role.lies == Some(Lies::AsStranger);
        match self.contacts.side(contact) {
            Some(side) => is_impostor(self.scenario.role(side.neighbor)),
            None => self.scenario.roles.iter().any(is_impostor),
        }
    }

    /// It begins with somebody else's name.
    pub(crate) fn liar_begins(&mut self, node: NodeIndex, contact: ContactId) -> Result<(), Violation> {
        if self.lies(node) == Some(Lies::AsStranger) {
            let hello = hello(self.dice.roll(), None);
            self.lie(node, contact, (Some(0), hello))?;
        }
        Ok(())
    }

    /// A contact message came: it is answered with some lies.
    pub(crate) fn liar_hears(
        &mut self,
        node: NodeIndex,
        contact: ContactId,
        heard: &Bytes,
    ) -> Result<(), Violation> {
        let Some(lies) = self.lies(node) else { return Ok(()) };
        if let (Lies::AsMember, Some(nonce)) = (lies, nonce_of(heard)) {
            let hello = hello(self.dice.roll(), Some(nonce));
            self.lie(node, contact, (Some(node), hello))?;
        }
        for _ in 0..self.dice.below(ANSWERS_MAX) {
            let mut dice = self.dice.branch();
            let message = message(&mut dice, heard, self.inhabitants.len());
            self.lie(node, contact, (None, message))?;
        }
        if self.dice.happens(1_000) {
            let neighbor = self.contacts.side(contact).map(|side| side.neighbor);
            neighbor.map_or(Ok(()), |neighbor| self.forge_signal(node, contact, neighbor))?;
        }
        Ok(())
    }

    /// Says something, signed with its own key in the name of a node, or unsigned.
    fn lie(
        &mut self,
        node: NodeIndex,
        contact: ContactId,
        (signed_as, payload): (Option<NodeIndex>, Vec<u8>),
    ) -> Result<(), Violation> {
        let draft = self.draft(signed_as.unwrap_or(node), contact_endpoint());
        let key = settlement::key(&self.scenario, node);
        let bundle = match signed_as {
            Some(_) => draft.sign(&Profile::default(), &key, payload.into()),
            None => draft.unsigned(&Profile::default(), payload.into()),
        };
        self.say(node, contact, &bundle.expect("a bundle of bounded size"))
    }

    /// A custody signal of another node, which accepts everything; its own key signed it.
    fn forge_signal(&mut self, node: NodeIndex, contact: ContactId, to: NodeIndex) -> Result<(), Violation> {
        let numbers: BTreeSet<u64> = (0..64).collect();
        let sequences: BTreeMap<u64, BTreeSet<u64>> = (0..4).map(|id| (id, numbers.clone())).collect();
        let record = CustodySignal::about(&sequences, []).record(&Profile::default()).encode();
        let other = self.dice.index(self.inhabitants.len());
        let mut draft = self.draft(other, settlement::node_id(to));
        draft.flags |= BundleFlags::ADMINISTRATIVE_RECORD;
        let key = settlement::key(&self.scenario, node);
        if other == node {
            return Ok(());
        }
        let bundle = draft.sign(&Profile::default(), &key, record.into()).expect("a bundle of bounded size");
        self.say(node, contact, &bundle)
    }

    fn draft(&mut self, source: NodeIndex, destination: Eid) -> NewBundle {
        NewBundle {
            destination,
            source: settlement::node_id(source),
            report_to: Eid::Null,
            creation: CreationTimestamp { time: DtnTime::default(), sequence: self.dice.roll() },
            lifetime_ms: LIFETIME_MS,
            flags: BundleFlags::MUST_NOT_FRAGMENT,
            age_ms: Some(0),
            hop_limit: Some(1),
            metadata: None,
        }
    }

    fn say(&mut self, node: NodeIndex, contact: ContactId, bundle: &CheckedBundle) -> Result<(), Violation> {
        let Some(foreign) = self.foreign(node) else { return Ok(()) };
        let said = foreign.liar.said.entry(contact).or_default();
        *said += 1;
        if *said > SAID_MAX {
            return Ok(());
        }
        let transfer = foreign.next_transfer();
        let payload = ParcelPayload::Inline(bundle.payload().cloned().unwrap_or_default());
        let parcel = Parcel {
            head: bundle.head().bytes().clone(),
            payload,
            tail: bundle.tail().clone(),
            lane: Lane::Ordinary,
        };
        self.parcel_handed_over(contact, transfer, parcel)
    }
}

/// The nonce of a Hello (`docs/contact.md`): a byte string of 16 octets behind version and kind.
fn nonce_of(message: &Bytes) -> Option<[u8; 16]> {
    let nonce = message.strip_prefix(&[0x88, 1, 0, 0x50])?;
    nonce.first_chunk().copied()
}

fn octets<const N: usize>(dice: &mut Dice) -> [u8; N] {
    std::array::from_fn(|_| u8::try_from(dice.below(256)).expect("an octet"))
}

/// A Hello of a node that wants everything.
fn hello(roll: u64, answer: Option<[u8; 16]>) -> Vec<u8> {
    let nonce = u128::from(roll).to_be_bytes();
    encoded(|encoder| {
        encoder.array(8)?.u8(1)?.u8(0)?.bytes(&nonce)?;
        encoder.bytes(answer.as_ref().map_or(&[][..], |nonce| nonce))?.u64(roll)?.u8(1)?.array(0)?.array(0)
    })
}

type Encoded<'e> = Result<&'e mut Encoder<Vec<u8>>, minicbor::encode::Error<std::convert::Infallible>>;

fn encoded(fill: impl FnOnce(&mut Encoder<Vec<u8>>) -> Encoded<'_>) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    fill(&mut encoder).expect("writing to a vector cannot fail");
    encoder.into_writer()
}

/// Any contact message; some repeat the interest of the summary that was heard, so that they are looked at.
fn message(dice: &mut Dice, heard: &Bytes, nodes: usize) -> Vec<u8> {
    let interest = heard.strip_prefix(&[0x87, 1, 3, 0x48]).and_then(|rest| rest.first_chunk().copied());
    let interest: [u8; 8] = interest.unwrap_or_else(|| octets(dice));
    let (id, number) = (octets::<16>(dice), dice.below(100_000));
    match dice.below(11) {
        0 | 1 => encoded(|e| {
            e.array(7)?.u8(1)?.u8(3)?.bytes(&interest)?.u8(1)?.u64(number)?.bytes(&id)?.bytes(&id[..6])
        }),
        2 => {
            let cells: Vec<u8> = (0..24).flat_map(|_| [&octets::<22>(dice)[..], &[0]].concat()).collect();
            encoded(|e| e.array(5)?.u8(1)?.u8(4)?.u64(number)?.u8(1)?.bytes(&cells))
        }
        3 => encoded(|e| e.array(4)?.u8(1)?.u8(5)?.u8(1)?.u64(16_383)),
        4 => encoded(|e| {
            e.array(3)?.u8(1)?.u8(6)?.array(1)?.array(3)?.bytes(&id)?.u64(70_000 + number)?.bytes(&id)
        }),
        5 => {
            let ids: Vec<u8> = (0..256).flat_map(|_| octets::<8>(dice)).collect();
            encoded(|e| e.array(3)?.u8(1)?.u8(7)?.bytes(&ids))
        }
        6 => encoded(|e| e.array(4)?.u8(1)?.u8(8)?.bytes(&id)?.u64(number)),
        7 => encoded(|e| e.array(6)?.u8(1)?.u8(9)?.bytes(&id)?.u64(number)?.u64(number + 16)?.bytes(&id)),
        8 => {
            let hashes: BTreeSet<[u8; 8]> = (0..nodes).map(node_hash).collect();
            let hashes: Vec<u8> = hashes.into_iter().flatten().collect();
            encoded(|e| e.array(3)?.u8(1)?.u8(11)?.bytes(&hashes))
        }
        9 => encoded(|e| e.array(3)?.u8(1)?.u8(13)?.array(1)?.array(2)?.bytes(&id)?.u64(u64::MAX)),
        _ => octets::<40>(dice).to_vec(),
    }
}

/// How a vicinity calls a node (`docs/sync.md`).
fn node_hash(node: NodeIndex) -> [u8; 8] {
    let hash = blake3::hash(&settlement::node_id(node).to_cbor());
    hash.as_bytes().first_chunk().copied().expect("a hash is longer")
}
