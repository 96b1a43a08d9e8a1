//! What a node does with octets from a link: parses and checks them as it would any input from outside, asks the cheap
//! questions first, and brings a large payload into the store piece by piece.

use agent_core::cards::cards_group;
use agent_core::config::Config;
use agent_core::contact_endpoint;
use agent_core::deliveries::deliveries_group;
use agent_core::input::{ContactId, Input, SendOutcome, Ticket, TransferId, Way};
use agent_core::output::Parcel;
use agent_core::refusal::Refusal;
use agent_core::request::Order;
use agent_core::store::{CHUNK_OCTETS, Number, PayloadPlace};
use bundle_format::{
    BundleReader, CheckedBundle, CreationTimestamp, Head, Limits, Malformed, Profile, PublicKey,
};
use bytes::{Bytes, BytesMut};

use crate::applications::STAGED_FROM_OCTETS;
use crate::contact::Cargo;
use crate::ledger::OrderNumber;
use crate::node::{Received, Staging};
use crate::plan::NodeIndex;
use crate::sabotage::Sabotage;
use crate::scenario::Kind;
use crate::settlement;
use crate::violation::Violation;
use crate::world::World;

/// Octets of one segment on a link.
const SEGMENT_OCTETS: usize = 16 << 10;

/// A bundle that came whole and was checked.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) bundle: CheckedBundle,
    pub(crate) payload: Bytes,
}

impl World {
    pub(crate) fn parcel_arrives(
        &mut self,
        contact: ContactId,
        transfer: TransferId,
        octets: &Bytes,
    ) -> Result<(), Violation> {
        let Some(side) = self.contacts.live(contact) else { return Ok(()) };
        let node = side.node;
        match read(octets) {
            Err(malformed) => {
                self.note(format_args!("{node} cannot read {contact}.{transfer}: {malformed}"));
                let again = self.dice.happens(5_000);
                let outcome = if again { SendOutcome::Failed } else { SendOutcome::NotAcceptable };
                self.answer(contact, transfer, outcome);
                Ok(())
            }
            Ok(arrived) if self.foreign(node).is_some() => {
                let outcome = self.foreign_parcel_arrived((node, contact), &arrived)?;
                self.answer(contact, transfer, outcome);
                Ok(())
            }
            Ok(arrived) => self.bundle_arrived(node, (contact, transfer), arrived),
        }
    }

    fn bundle_arrived(
        &mut self,
        node: NodeIndex,
        (contact, transfer): (ContactId, TransferId),
        arrived: Arrived,
    ) -> Result<(), Violation> {
        let head = arrived.bundle.head();
        let is_message = head.primary().destination == contact_endpoint();
        let received = self.received_of(node, &arrived.bundle);
        if self.sabotage == Sabotage::ArrivalsAreThrownAway && !is_message {
            self.answer(contact, transfer, SendOutcome::Sent);
            return Ok(());
        }
        let refusal = self.considered(node, head)?;
        let Some(running) = self.running(node) else { return Ok(()) };
        running.received.insert((contact, transfer), received);
        if let Some(refusal) = refusal {
            return self.refused(node, (contact, transfer), &refusal);
        }
        self.take_in(node, (contact, transfer), arrived);
        Ok(())
    }

    /// What a node is to remember of a bundle that came to it.
    pub(crate) fn received_of(&self, node: NodeIndex, bundle: &CheckedBundle) -> Received {
        let head = bundle.head();
        let destination = &head.primary().destination;
        let is_message = *destination == contact_endpoint();
        // Records that a node made are its to drop again, once those have them whom they are for.
        let (source, this) = (&head.primary().source, Some(settlement::node_id(node)));
        let is_record_for_it =
            head.is_administrative_record() && (destination.node_id() == this || source.node_id() == this);
        // What nodes publish of themselves goes when something newer comes.
        let is_replaceable = [cards_group(), deliveries_group()].contains(destination);
        let order = self.ledger.order_of(&head.primary().source);
        Received {
            id: bundle.id(),
            order,
            genuine: self.is_genuine(order, bundle.signer()),
            passing: is_message || is_record_for_it || is_replaceable,
        }
    }

    /// Whether a bundle is signed as its source signs. Disturbed signatures are invalid, or none at all.
    pub(crate) fn is_genuine(&self, order: Option<OrderNumber>, signer: Option<PublicKey>) -> bool {
        let signs =
            order.is_none_or(|order| self.scenario.kind(self.ledger.order(order).from) != Kind::Foreign);
        signs == signer.is_some()
    }

    /// The questions that the head alone can answer. A driver may ask them, and may leave them to the agent.
    fn considered(&mut self, node: NodeIndex, head: &Head) -> Result<Option<Refusal>, Violation> {
        let now = self.now;
        if self.dice.happens(5_000) {
            return Ok(None);
        }
        let Some(ours) = self.ours(node) else { return Ok(None) };
        let (config, now) = (ours.config.clone(), ours.clock.now(now));
        Ok(self.look(node, |view| agent_core::admission::consider(&config, view, now, head))?.flatten())
    }

    fn take_in(&mut self, node: NodeIndex, (contact, transfer): (ContactId, TransferId), arrived: Arrived) {
        let at = self.now + self.reaction();
        let Arrived { bundle, payload } = arrived;
        if payload.len() < STAGED_FROM_OCTETS {
            let bundle = Box::new(bundle);
            self.give(
                node,
                Input::BundleReceived { contact, transfer, bundle, payload: PayloadPlace::Inline },
            );
        } else if let Some(running) = self.running(node) {
            running.stage(Staging { contact, transfer, bundle: Box::new(bundle), payload });
            self.wake(node, at);
        }
    }

    /// There is room for a large payload: it goes there piece by piece, and the bundle last. Unless the contact is gone.
    pub(crate) fn staging_ready(&mut self, node: NodeIndex, ticket: Ticket, number: Number) {
        let at = self.now + self.reaction();
        let Some(staging) = self.running(node).and_then(|running| running.staging.remove(&ticket)) else {
            return;
        };
        let Staging { contact, transfer, bundle, payload } = staging;
        let is_open = self.contacts.side(contact).is_some();
        let Some(running) = self.running(node) else { return };
        if is_open {
            running.put_chunks(number, &payload);
            let payload = PayloadPlace::Staged(number);
            running.put(Input::BundleReceived { contact, transfer, bundle, payload });
        } else {
            running.put(Input::StagingAbandoned { number });
        }
        self.wake(node, at);
    }
}

impl World {
    /// A large bundle came in parts: it is read back and checked.
    pub(crate) fn partial_to_prove(
        &mut self,
        node: NodeIndex,
        number: Number,
        head: &Head,
    ) -> Result<(), Violation> {
        let pieces =
            u32::try_from(head.payload_octets().div_ceil(CHUNK_OCTETS as u64)).expect("a large bundle");
        let read =
            self.look(node, |view| (0..pieces).map(|index| view.staged_chunk(number, index)).collect())?;
        let Some(read): Option<Vec<Option<Bytes>>> = read else { return Ok(()) };
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        let octets = std::iter::once(head.bytes().clone()).chain(read.into_iter().flatten());
        let came = octets.into_iter().all(|octets| reader.push(octets).is_ok());
        let bundle = came.then(|| reader.finish_without_tail().ok()).flatten().map(Box::new);
        self.give(node, Input::PartialProved { number, bundle });
        Ok(())
    }

    /// The wire of a contact is cut while a bundle is on it: what came of a large one stays.
    pub(crate) fn broken_off(&mut self, contact: ContactId, octets: &Bytes) {
        let Some(node) = self.contacts.live(contact).map(|side| side.node) else { return };
        if self.foreign(node).is_some() {
            return;
        }
        let came = octets.slice(..self.dice.index(octets.len().max(1)));
        let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
        if let Ok(octets) = reader.push(came)
            && let Some(head) = reader.head().cloned()
        {
            self.give(
                node,
                Input::TransferBroken { way: Way::Contact(contact), head, staging: None, octets },
            );
        }
    }
}

/// The head of a bundle that was sent by one of us.
pub(crate) fn head_of(octets: &Bytes) -> Option<Head> {
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    reader.push(octets.clone()).ok()?;
    reader.head().cloned()
}

/// What a parcel of one of us carries.
pub(crate) fn cargo_of(parcel: &Parcel) -> Cargo {
    match Head::parse(parcel.head.clone()) {
        Ok(head) if head.primary().destination == contact_endpoint() => Cargo::Message,
        _ => Cargo::Bundle,
    }
}

/// A large bundle that an application sends, signed over a payload that is staged.
pub(crate) fn signed_over(
    config: &Config,
    wish: &Order,
    (creation, age_ms): (CreationTimestamp, u64),
    payload: &Bytes,
) -> CheckedBundle {
    let mut draft = wish.bundle(config, creation);
    draft.age_ms = Some(age_ms);
    draft.sign(&config.profile, &config.key, payload.clone()).expect("an order of bounded size")
}

/// Reads octets of unknown origin as they come from a link, a segment at a time.
fn read(octets: &Bytes) -> Result<Arrived, Malformed> {
    let mut reader = BundleReader::new(&Limits::default(), &Profile::default());
    let mut payload = BytesMut::new();
    for start in (0..octets.len()).step_by(SEGMENT_OCTETS) {
        let segment = octets.slice(start..(start + SEGMENT_OCTETS).min(octets.len()));
        payload.extend_from_slice(&reader.push(segment)?);
    }
    let payload = payload.freeze();
    let is_small = payload.len() < STAGED_FROM_OCTETS;
    let bundle = if is_small { reader.finish_with_payload(payload.clone())? } else { reader.finish()? };
    Ok(Arrived { bundle, payload })
}
