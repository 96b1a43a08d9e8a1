//! Finding out what a neighbor lacks, where sketches do not help (`reconciling.rs`): it lists its ids in ranges, we go through ours beside them.
//!
//! Each side asks for the other's list and sends what it finds missing there, so that neither depends on the other's
//! honesty for more than its own completeness. Work is cut into steps of [`SIFTED_PER_STEP`] bundles.

use bundle_format::BundleId;

use crate::agent::Agent;
use crate::backlog::Backlog;
use crate::contact::{Contact, PENDING_MAX, Rank};
use crate::input::ContactId;
use crate::message::{ContactMessage, LISTED_MAX, List};
use crate::reconciliation::Reconciliation;
use crate::store::{Number, StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// Bundles looked at in one step: a few milliseconds of reads.
const SIFTED_PER_STEP: usize = 2048;
/// How long an answer to a list request may take before it is asked again.
const ANSWER_PATIENCE_MS: u64 = 30_000;
/// Requests without an answer before we look through our own store instead and let the neighbor refuse duplicates.
const ASKED_MAX: u8 = 3;

/// How far we know what the neighbor lacks.
#[derive(Debug)]
pub(crate) enum Listing {
    /// Nothing is being found out.
    Idle,
    /// Our part of a sketch is being counted.
    Counting,
    /// Sketches are exchanged.
    Reconciling(Box<Reconciliation>),
    /// The range after this id is asked for (again) at that time.
    Asking { after: Option<BundleId>, again: NodeTime, asked: u8 },
    /// Their list is here, and ours has been gone through up to `cursor`.
    Sifting { list: List, cursor: Option<BundleId> },
}

impl Listing {
    pub(crate) fn due(now: NodeTime) -> Self {
        Self::Asking { after: None, again: now, asked: 0 }
    }

    pub(crate) fn deadline(&self) -> Option<NodeTime> {
        match self {
            Self::Asking { again, .. } => Some(*again),
            Self::Reconciling(exchange) => Some(exchange.deadline()),
            _ => None,
        }
    }

    fn has_work(&self) -> bool {
        matches!(self, Self::Sifting { .. })
    }
}

impl Agent {
    /// Goes on with what is due on every contact: silence, lists, and what waits to be sent.
    pub(crate) fn drive_contacts(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        self.settle_silent_contacts(now);
        let ids: Vec<ContactId> = self.contacts.keys().copied().collect();
        let vicinity = self.vicinity();
        for id in ids {
            self.drive_vicinity(now, id, &vicinity, store)?;
            self.drive_exchange(now, id, store)?;
            self.ask_for_list(now, id, store)?;
            self.sift(id, store)?;
            self.ask_for_custody(now, id, store)?;
            self.pump(now, id, store)?;
            self.offer_due(now, id, store)?;
            self.pour(now, id, store)?;
            self.note_agreement(id, store)?;
        }
        Ok(())
    }

    fn ask_for_list(&mut self, now: Now, id: ContactId, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Listing::Asking { after, again, asked } = contact.listing else { return Ok(()) };
        if again > now.node {
            return Ok(());
        }
        if asked == ASKED_MAX {
            contact.exchanges.is_deaf = true;
            contact.listing = Listing::Idle;
            contact.backlog = Backlog::everything();
            return Ok(());
        }
        contact.listing =
            Listing::Asking { after, again: now.node.after_ms(ANSWER_PATIENCE_MS), asked: asked + 1 };
        self.send_message(now, id, &ContactMessage::ListRequest { after, most: LISTED_MAX }, store)
    }

    /// A neighbor asks what we have. Strangers do not learn it.
    pub(crate) fn list_requested(
        &mut self,
        now: Now,
        id: ContactId,
        (after, most): (Option<BundleId>, usize),
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if contact.authenticated().is_none() {
            return Ok(());
        }
        if after.is_none() {
            contact.neighbor_uses_lists(now.node);
        }
        let ids: Vec<BundleId> = store.view().set_from(after, most)?.into_iter().map(|(id, _)| id).collect();
        let last = if ids.len() < most { None } else { ids.last().copied() };
        self.send_message(now, id, &ContactMessage::List(List { after, last, ids }), store)
    }

    /// The list that we asked for. Any other is of no use and left alone.
    pub(crate) fn list_received(&mut self, id: ContactId, list: List) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        if let Listing::Asking { after, asked: 1.., .. } = contact.listing
            && after == list.after
        {
            let cursor = list.after;
            contact.listing = Listing::Sifting { list, cursor };
        }
    }

    fn sift(&mut self, id: ContactId, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        if contact.pending.len() < PENDING_MAX / 2 {
            let listing = std::mem::replace(&mut contact.listing, Listing::Idle);
            contact.listing = match listing {
                Listing::Sifting { list, cursor } => self.sift_list(&mut contact, list, cursor, store)?,
                other => other,
            };
            self.unfinished |= contact.listing.has_work();
        }
        self.work_off(&mut contact, store.view())?;
        self.contacts.insert(id, contact);
        Ok(())
    }

    fn sift_list(
        &self,
        contact: &mut Contact,
        list: List,
        cursor: Option<BundleId>,
        store: &mut WriteTxn<'_>,
    ) -> Result<Listing, StoreError> {
        let ours = store.view().set_from(cursor, SIFTED_PER_STEP)?;
        let reached_end = ours.len() < SIFTED_PER_STEP;
        let mut next = cursor;
        let mut past_range = false;
        for (id, number) in ours {
            if list.last.is_some_and(|last| id > last) {
                past_range = true;
                break;
            }
            next = Some(id);
            let Some(number) = number else { continue };
            if list.ids.binary_search(&id).is_ok() {
                Self::note_held(contact, number, store)?;
            } else if let Some(rank) = self.offerable(contact, number, store.view())? {
                contact.queue(rank);
            }
        }
        if !past_range && !reached_end {
            return Ok(Listing::Sifting { list, cursor: next });
        }
        Ok(match list.last {
            Some(last) => Listing::Asking { after: Some(last), again: NodeTime::default(), asked: 0 },
            None => Listing::Idle,
        })
    }

    /// What an authenticated neighbor has is remembered beyond the contact.
    pub(crate) fn note_held(
        contact: &Contact,
        number: Number,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        match contact.authenticated() {
            Some(neighbor) if !store.view().holds(neighbor, number)? => store.mark_held(neighbor, number),
            _ => Ok(()),
        }
    }

    /// Whether a stored bundle is to go to this neighbor, and in which place of the order.
    pub(crate) fn offerable(
        &self,
        contact: &Contact,
        number: Number,
        view: View<'_>,
    ) -> Result<Option<Rank>, StoreError> {
        if contact.settled.contains(&number)
            || contact.is_in_flight(number)
            || contact.offered.contains_key(&number)
        {
            return Ok(None);
        }
        let Some(facts) = view.facts(number)? else { return Ok(None) };
        if !self.config.is_for_others(&facts)
            || !self.wanted_by(contact, &facts.destination)
            || self.goes_straight(contact, &facts)
        {
            return Ok(None);
        }
        if let Some(neighbor) = contact.authenticated()
            && view.holds(neighbor, number)?
        {
            return Ok(None);
        }
        Ok(Some((facts.rank(), number)))
    }
}
