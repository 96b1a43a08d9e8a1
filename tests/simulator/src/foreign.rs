//! A node with another implementation: it says no Hello, signs nothing, takes what it is sent and forwards nothing.

use std::collections::{BTreeMap, BTreeSet};

use agent_core::input::{ContactId, SendOutcome, TransferId};
use agent_core::output::{Lane, Parcel, ParcelPayload};
use bundle_format::{BundleFlags, CreationTimestamp, DtnTime, Eid, NewBundle, Profile};
use bytes::Bytes;

use crate::ledger::{Ledger, OrderNumber, Taking};
use crate::liar::Liar;
use crate::plan::NodeIndex;
use crate::reception::Arrived;
use crate::settlement;
use crate::violation::{Rule, Violation};
use crate::world::World;

/// What such a node keeps.
#[derive(Debug)]
pub(crate) struct Foreign {
    /// What it has to send, until somebody takes it.
    outbox: BTreeSet<OrderNumber>,
    under_way: BTreeMap<(ContactId, TransferId), OrderNumber>,
    last_transfer: TransferId,
    pub(crate) liar: Liar,
}

impl Foreign {
    pub(crate) fn new() -> Self {
        Self { outbox: BTreeSet::new(), under_way: BTreeMap::new(), last_transfer: 0, liar: Liar::default() }
    }
}

impl Foreign {
    pub(crate) fn next_transfer(&mut self) -> TransferId {
        self.last_transfer += 1;
        self.last_transfer
    }
}

impl World {
    pub(crate) fn foreign_order_placed(&mut self, node: NodeIndex, order: OrderNumber) {
        self.ledger.asked(order, self.now);
        if let Some(foreign) = self.foreign(node) {
            foreign.outbox.insert(order);
        }
    }

    /// It offers everything that nobody has taken yet.
    pub(crate) fn foreign_contact_opened(
        &mut self,
        node: NodeIndex,
        contact: ContactId,
    ) -> Result<(), Violation> {
        let orders: Vec<OrderNumber> =
            self.foreign(node).map(|foreign| foreign.outbox.iter().copied().collect()).unwrap_or_default();
        for order in orders {
            if self.ledger.lifetime_ends(order) <= self.now {
                continue;
            }
            let parcel = self.foreign_parcel(node, order);
            let Some(foreign) = self.foreign(node) else { return Ok(()) };
            let transfer = foreign.next_transfer();
            foreign.under_way.insert((contact, transfer), order);
            self.parcel_handed_over(contact, transfer, parcel)?;
        }
        self.liar_begins(node, contact)
    }

    fn foreign_parcel(&self, node: NodeIndex, order: OrderNumber) -> Parcel {
        let placed = self.ledger.order(order);
        let payload = Bytes::from(self.ledger.payload(order));
        let source = settlement::node_id(node).with_demux(&Ledger::demux(order)).expect("a short demux");
        let draft = NewBundle {
            destination: settlement::endpoint(placed.to),
            source,
            report_to: Eid::Null,
            creation: CreationTimestamp { time: DtnTime::default(), sequence: order as u64 + 1 },
            lifetime_ms: placed.lifetime_ms,
            flags: BundleFlags::MUST_NOT_FRAGMENT,
            age_ms: Some(self.now - self.ledger.born(order)),
            hop_limit: None,
            metadata: None,
        };
        let bundle = draft.unsigned(&Profile::default(), payload.clone()).expect("a bundle of bounded size");
        Parcel {
            head: bundle.head().bytes().clone(),
            payload: ParcelPayload::Inline(payload),
            tail: bundle.tail().clone(),
            lane: Lane::Ordinary,
        }
    }

    pub(crate) fn foreign_transfer_settled(
        &mut self,
        node: NodeIndex,
        transfer: (ContactId, TransferId),
        outcome: SendOutcome,
    ) {
        // Nobody answers for an unsigned bundle: who has little room may let it go for another.
        let is_safe = self.contacts.side(transfer.0).is_some_and(|side| self.has_ample_room(side.neighbor));
        let Some(foreign) = self.foreign(node) else { return };
        let Some(order) = foreign.under_way.remove(&transfer) else { return };
        if is_safe && matches!(outcome, SendOutcome::Sent | SendOutcome::AlreadyThere) {
            foreign.outbox.remove(&order);
            self.ledger.taken_over(order);
        }
    }

    /// It takes whatever comes, and has no idea what a contact message is.
    pub(crate) fn foreign_parcel_arrived(
        &mut self,
        (node, contact): (NodeIndex, ContactId),
        arrived: &Arrived,
    ) -> Result<SendOutcome, Violation> {
        let head = arrived.bundle.head();
        let destination = head.primary().destination.clone();
        if destination == agent_core::contact_endpoint() {
            self.liar_hears(node, contact, &arrived.payload)?;
            return Ok(SendOutcome::Sent);
        }
        let is_for_it = destination.node_id() == Some(settlement::node_id(node))
            || self.scenario.role(node).groups.iter().any(|group| settlement::group(*group) == destination);
        if !is_for_it && self.wants_anything(node) {
            return Ok(SendOutcome::Sent);
        }
        if !is_for_it {
            let detail = format!("it is sent what is for {destination}");
            return Err(self.violation(Rule::OnlyWhatIsWanted, node, detail));
        }
        let Some(order) = self.ledger.order_of(&head.primary().source) else { return Ok(SendOutcome::Sent) };
        if !self.is_genuine(Some(order), arrived.bundle.signer()) {
            // A signed payload has no CRC: whoever checks no signature relies on the link to keep it whole.
            return Ok(SendOutcome::Failed);
        }
        if let Err((rule, detail)) = self.ledger.examine(order, arrived.bundle.id(), &arrived.payload) {
            return Err(self.violation(rule, node, detail));
        }
        self.ledger.take(node, (destination.to_string(), order), Taking::Done);
        Ok(SendOutcome::Sent)
    }
}
