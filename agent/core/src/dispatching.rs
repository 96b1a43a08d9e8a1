//! Where a stored bundle goes (RFC 9171 §5.3): to local endpoints, to every contact that lacks it, and away.

use bundle_format::{AdministrativeRecord, CheckedBundle, Eid, Head};

use crate::admission;
use crate::agent::Agent;
use crate::echo::is_echo_endpoint;
use crate::expiring::REMEMBERED_MS;
use crate::input::ContactId;
use crate::message::node_hash;
use crate::output::Notice;
use crate::reporting::Assertion;
use crate::store::{Custodian, Number, StoreError, Tombstone, WriteTxn};
use crate::time::Now;

impl Agent {
    /// Local delivery (§5.7): queues the bundle at its endpoint until the application has taken it. Administrative
    /// records to the node itself are acted upon at once, and what is to be echoed is; fragments wait for their fellows.
    pub(crate) fn deliver(
        &mut self,
        now: Now,
        number: Number,
        bundle: &CheckedBundle,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let primary = bundle.head().primary();
        let destination = primary.destination.clone();
        if !self.is_local(&destination) {
            return Ok(());
        }
        if primary.fragment.is_some() {
            return self.reassemble(now, bundle.head(), store);
        }
        if self.is_self(&destination) && bundle.head().is_administrative_record() {
            self.administrative_record_received(now, bundle, store)?;
            return self.discard(number, store);
        }
        if is_echo_endpoint(&destination) {
            self.report(now, bundle.head(), Assertion::Delivered, store)?;
            self.echo(now, bundle, store)?;
            return self.discard(number, store);
        }
        self.queue(&destination, number, store)?;
        self.report(now, bundle.head(), Assertion::Delivered, store)
    }

    /// Local delivery of a bundle that was here before its registration was.
    pub(crate) fn deliver_stored(
        &mut self,
        now: Now,
        number: Number,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(stored) = store.view().bundle(number)? else { return Ok(()) };
        let Ok(head) = Head::parse(stored.head.clone()) else { return Ok(()) };
        if !admission::is_deliverable(&self.config, store.view(), &stored)? {
            return Ok(());
        }
        if stored.fragment.is_some() {
            return self.reassemble(now, &head, store);
        }
        self.queue(&stored.destination, number, store)?;
        self.report(now, &head, Assertion::Delivered, store)
    }

    fn queue(&mut self, endpoint: &Eid, number: Number, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        store.enqueue(endpoint, number)?;
        self.tell(Notice::Deliverable { endpoint: endpoint.clone(), number });
        Ok(())
    }

    /// Custody signals relieve this node; a status report about a bundle made here is remembered with that bundle (RFC 9171
    /// §6.1.1).
    fn administrative_record_received(
        &mut self,
        now: Now,
        bundle: &CheckedBundle,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(payload) = bundle.payload() else { return Ok(()) };
        // Unknown or malformed records are ignored (RFC 9713 §2).
        let Ok(record) = AdministrativeRecord::decode(payload) else { return Ok(()) };
        if let Some(Ok(signal)) = record.custody_signal(&self.config.profile) {
            return self.custody_signal_received(now, bundle, &signal, store);
        }
        let AdministrativeRecord::StatusReport(report) = record else { return Ok(()) };
        if report.delivered.is_none() {
            return Ok(());
        }
        let by = bundle.head().primary().source.clone();
        for (number, id) in store.view().find_identity(&report.identity())? {
            let Some(stored) = store.view().facts(number)? else { continue };
            // Only the destination's own word counts, or any member's of a group.
            if stored.destination.node_id().is_none_or(|node| Some(node) == by.node_id()) {
                store.mark_delivered(number)?;
                if stored.destination.is_singleton() {
                    store.set_custody(number, Custodian::NotUs)?;
                }
                self.tell(Notice::Delivered { id, by: by.clone() });
            }
        }
        Ok(())
    }

    /// Offers a new bundle to every open contact but the one that brought it, and those that the node that brought it serves itself.
    pub(crate) fn offer_everywhere(
        &mut self,
        now: Now,
        (number, from): (Number, Option<ContactId>),
        store: &WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let bringer = from.and_then(|from| self.contacts.get(&from)?.authenticated().map(node_hash));
        let ids: Vec<ContactId> = self.contacts.keys().copied().filter(|id| Some(*id) != from).collect();
        for id in ids {
            let Some(mut contact) = self.contacts.remove(&id) else { continue };
            if let Some(rank) = self.offerable(&contact, number, store.view())? {
                let is_left = bringer.is_some_and(|bringer| self.is_left_to(now.node, &mut contact, bringer));
                if !is_left {
                    contact.enqueue(rank);
                }
            }
            self.contacts.insert(id, contact);
        }
        Ok(())
    }

    /// Takes a bundle out of the store and out of every contact's plans (§5.10, §5.11). Its id stays, so that it does not
    /// come back.
    pub(crate) fn discard(&mut self, number: Number, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(facts) = store.view().facts(number)? else { return Ok(()) };
        self.note_went(&facts, store)?;
        let until = facts.deadline.after_ms(REMEMBERED_MS);
        let went_early = facts.deadline > self.now;
        let tombstone = if went_early { Tombstone::InSetUntil(until) } else { Tombstone::Until(until) };
        store.remove(number, tombstone)?;
        self.discard_soon();
        for contact in self.contacts.values_mut() {
            contact.forget(number);
        }
        Ok(())
    }
}
