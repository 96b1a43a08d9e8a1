//! Taking custody over, or refusing it: decided with the bundle, noted in the transaction that stores it.
//!
//! `receiving` asks for new bundles and for those that are here already, `asking` for bundles that a custodian asks about
//! by message. The answer is a row of the store; `signalling` makes signals of such rows.
//!
//! Two custodians may ask each other at the same time, or several in a circle. Whoever accepts takes back what it asked of
//! others before: of signals that cross, none relieves somebody who has just promised to answer.

use bundle_format::{BundleFlags, CustodyBlock, Eid, Head};

use crate::admission::Vouched;
use crate::agent::Agent;
use crate::custody::OWED_MAX;
use crate::receiving::{Arrival, Origin};
use crate::request::CustodyTransfer;
use crate::store::{
    Custodian, Disposition, Issued, Number, Owed, Presence, Standing, StoreError, View, WriteTxn,
};
use crate::time::{NodeTime, Now};

/// What becomes of custody when a bundle comes in.
#[derive(Debug)]
pub(crate) enum AtDoor {
    /// It is not ours to answer for, and what its head says of custody stays.
    Unchanged,
    /// It was made here, and is to be transferred.
    Begins,
    /// Its custodian is told that it was taken over, or was not.
    Asked(CustodyBlock, Disposition),
}

impl Agent {
    /// What a bundle that is about to be stored means for custody.
    pub(crate) fn custody_at_door(
        &self,
        arrival: &Arrival<'_>,
        vouched: Vouched,
        view: View<'_>,
    ) -> Result<AtDoor, StoreError> {
        let head = arrival.bundle.head();
        if arrival.origin == Origin::Ordered(CustodyTransfer::Wanted) {
            // Where nobody may take it over, custody would only keep everything from being evicted.
            let is_exchanged = self.config.custodians.as_ref().is_none_or(|only| !only.is_empty());
            let begins =
                is_exchanged && is_transferable(head) && !self.is_for_us(&head.primary().destination);
            return Ok(if begins { AtDoor::Begins } else { AtDoor::Unchanged });
        }
        let Some(block) = self.custody_asked(head, view)? else { return Ok(AtDoor::Unchanged) };
        let takes = vouched == Vouched::Trusted && self.transfers_with(&block.custodian);
        let disposition = if takes { Disposition::Accepted } else { Disposition::Refused };
        Ok(AtDoor::Asked(block, disposition))
    }

    /// The head to store: a custodian that is relieved is named no longer.
    pub(crate) fn head_at_door(&self, head: Head, custody: &AtDoor) -> Head {
        let AtDoor::Asked(_, Disposition::Accepted) = custody else { return head };
        let block_type = self.config.profile.custody_block_type;
        let blocks = head.blocks().iter().filter(|block| block.block_type == block_type);
        let numbers: Vec<u64> = blocks.map(|block| block.number).collect();
        head.without_blocks(&numbers)
    }

    /// Notes what was decided about a bundle that was stored in this transaction.
    pub(crate) fn settle_custody(
        &mut self,
        now: Now,
        number: Number,
        custody: &AtDoor,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        match custody {
            AtDoor::Unchanged => Ok(()),
            AtDoor::Begins => store.set_custody(number, Custodian::Us),
            AtDoor::Asked(block, disposition) => {
                let Some(facts) = store.view().facts(number)? else { return Ok(()) };
                if *disposition == Disposition::Accepted && !self.is_for_us(&facts.destination) {
                    store.set_custody(number, Custodian::Us)?;
                }
                self.owe(now, &answer(block, *disposition, facts.deadline), store)
            }
        }
    }

    /// A bundle that is here came again: what is held durably is taken over like what is new.
    pub(crate) fn custody_of_duplicate(
        &mut self,
        now: Now,
        arrival: &Arrival<'_>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(block) = self.custody_asked(arrival.bundle.head(), store.view())? else { return Ok(()) };
        let Some(Presence::Held(number)) = store.view().find(&arrival.bundle.id())? else { return Ok(()) };
        if let Some((disposition, deadline)) = self.take_over(number, &block.custodian, store)? {
            self.owe(now, &answer(&block, disposition, deadline), store)?;
        }
        Ok(())
    }

    /// Takes over a bundle that is here, or refuses to; with when it expires.
    pub(crate) fn take_over(
        &mut self,
        number: Number,
        custodian: &Eid,
        store: &mut WriteTxn<'_>,
    ) -> Result<Option<(Disposition, NodeTime)>, StoreError> {
        let Some(facts) = store.view().facts(number)? else { return Ok(None) };
        if facts.is_administrative || facts.fragment.is_some() {
            return Ok(None);
        }
        if facts.standing != Standing::Trusted || !self.transfers_with(custodian) {
            return Ok(Some((Disposition::Refused, facts.deadline)));
        }
        if !self.is_for_us(&facts.destination) {
            store.set_custody(number, Custodian::Us)?;
        }
        Ok(Some((Disposition::Accepted, facts.deadline)))
    }

    /// The custodian that asks us, where it is one that we would ever answer: its node is trusted, or a forged block would
    /// have us send signals to anybody.
    fn custody_asked(&self, head: &Head, view: View<'_>) -> Result<Option<CustodyBlock>, StoreError> {
        if !is_transferable(head) {
            return Ok(None);
        }
        let Some(block) = head.custody(&self.config.profile) else { return Ok(None) };
        let Some(node) = block.custodian.node_id().filter(|node| !self.is_self(node)) else {
            return Ok(None);
        };
        Ok(self.config.trusted_key(view, &node)?.is_some().then_some(block))
    }

    /// Whether policy lets custody pass between a node and this one, in either direction.
    pub(crate) fn transfers_with(&self, custodian: &Eid) -> bool {
        let Some(only) = &self.config.custodians else { return true };
        custodian.node_id().is_some_and(|node| only.contains(&node))
    }

    /// Whether this node is where a bundle was going: it takes it over and keeps no custody. A group goes on to others.
    pub(crate) fn is_for_us(&self, destination: &Eid) -> bool {
        destination.node_id().is_some_and(|node| self.is_self(&node))
    }

    /// Notes an answer, for the signal that will soon be made.
    pub(crate) fn owe(&mut self, now: Now, owed: &Owed, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        if self.custody.owed >= OWED_MAX {
            return Ok(());
        }
        store.owe(owed)?;
        self.custody.owed += 1;
        self.signal_soon(now);
        Ok(())
    }
}

/// Custody is for what people and programs send, whole: signals about signals would never end.
fn is_transferable(head: &Head) -> bool {
    let flags = head.primary().flags;
    flags.contains(BundleFlags::MUST_NOT_FRAGMENT)
        && head.primary().fragment.is_none()
        && !head.is_administrative_record()
}

fn answer(block: &CustodyBlock, disposition: Disposition, deadline: NodeTime) -> Owed {
    let issued = Issued { sequence: block.sequence, number: block.number };
    Owed { custodian: block.custodian.clone(), issued, disposition, deadline }
}
