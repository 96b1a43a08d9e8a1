//! Bundles and messages on their way to a neighbor (RFC 9171 §5.4): a window's worth at a time, best first.

use bundle_format::{BundleFlags, BundleId, Head, NewBundle};
use bytes::Bytes;

use crate::agent::Agent;
use crate::contact::{Contact, InFlight, Rank, lane_of};
use crate::input::{ContactId, SendOutcome, TransferId};
use crate::message::ContactMessage;
use crate::output::{Lane, NotTaken, Notice, Output, Parcel, ParcelPayload, Standing};
use crate::reporting::Assertion;
use crate::store::{StoreError, StoredBundle, WriteTxn};
use crate::time::{NodeTime, Now};

/// A contact message is of no use after this: longer than any step may take on a slow link.
const MESSAGE_LIFETIME_MS: u64 = 3_600_000;
/// How long a neighbor without room is left alone.
const NO_ROOM_PAUSE_MS: u64 = 60_000;
/// How long after a failed transfer the next try may come.
const FAILED_PAUSE_MS: u64 = 5_000;

impl Agent {
    /// Sends a contact message: a bundle of its own that is never stored. A Hello is signed; the others say nothing
    /// that a signature would have to protect beyond this contact.
    pub(crate) fn send_message(
        &mut self,
        now: Now,
        id: ContactId,
        message: &ContactMessage,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if !contact.may_say_more() {
            return Ok(());
        }
        self.launch_message(now, (id, InFlight::Message), message, store)
    }

    /// Sends a contact message for whose number under way somebody else cares.
    pub(crate) fn launch_message(
        &mut self,
        now: Now,
        (id, flight): (ContactId, InFlight),
        message: &ContactMessage,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let lane = match flight {
            InFlight::Part { .. } => Lane::Ordinary,
            InFlight::Message | InFlight::Bundle { .. } => Lane::Express,
        };
        let transfer = contact.launch(flight);
        let draft = NewBundle {
            hop_limit: Some(1),
            ..self.draft(
                self.contact_endpoint.clone(),
                MESSAGE_LIFETIME_MS,
                Self::take_timestamp(now, store)?,
            )
        };
        let payload = Bytes::from(message.encode());
        let bundle = match message {
            ContactMessage::Hello(_) => draft.sign(&self.config.profile, &self.config.key, payload.clone()),
            _ => draft.unsigned(&self.config.profile, payload.clone()),
        }
        .expect("a message of bounded size in a bundle of our own making");
        let head = bundle.head().bytes().clone();
        let (payload, tail) = (ParcelPayload::Inline(payload), bundle.tail().clone());
        let parcel = Parcel { head, payload, tail, lane };
        self.emit(Output::Send { contact: id, transfer, parcel });
        Ok(())
    }

    /// What every bundle made here has in common.
    pub(crate) fn draft(
        &self,
        destination: bundle_format::Eid,
        lifetime_ms: u64,
        creation: bundle_format::CreationTimestamp,
    ) -> NewBundle {
        NewBundle {
            destination,
            source: self.config.node.clone(),
            report_to: bundle_format::Eid::Null,
            creation,
            lifetime_ms,
            flags: BundleFlags::MUST_NOT_FRAGMENT,
            age_ms: Some(0),
            hop_limit: Some(self.config.hop_limit),
            metadata: None,
        }
    }

    /// Fills the window of a contact.
    pub(crate) fn pump(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        if contact.paused_until.is_some_and(|until| until <= now.node) {
            contact.paused_until = None;
        }
        while contact.paused_until.is_none()
            && let Some(rank) = contact.pending.first().copied()
            && contact.has_window(lane_of(rank))
        {
            contact.pending.pop_first();
            // What waited may have been deleted, delivered or taken by another way since.
            if self.offerable(&contact, rank.1, store.view())?.is_none() {
                continue;
            }
            if Self::is_offered_first(&mut contact, rank, store.view())? {
                continue;
            }
            if let Some((bundle, parcel)) = self.parcel(now, &mut contact, rank, store)? {
                let transfer = contact.launch(InFlight::Bundle { rank, id: bundle, octets: parcel.octets() });
                contact.custody.launched(transfer, now.node);
                self.emit(Output::Send { contact: id, transfer, parcel });
            } else {
                contact.settled.insert(rank.1);
            }
        }
        self.contacts.insert(id, contact);
        Ok(())
    }

    /// The bundle as this neighbor is to see it: previous node, age and hop count rewritten (§5.4 step 4).
    fn parcel(
        &mut self,
        now: Now,
        contact: &mut Contact,
        rank: Rank,
        store: &mut WriteTxn<'_>,
    ) -> Result<Option<(BundleId, Parcel)>, StoreError> {
        let Some(stored) = store.view().bundle(rank.1)? else { return Ok(None) };
        if stored.deadline <= now.node {
            return Ok(None);
        }
        let Ok(head) = Head::parse(stored.head.clone()) else { return Ok(None) };
        // An age is kept up where there is one; a bundle with a creation time needs none (§4.4.2).
        let age = head.bundle_age_ms().map(|_| age_ms(now, &stored));
        let custody = self.custody_on_hop(contact, &stored, store)?;
        let Ok(head) = head.forwarded_under(&self.config.node, age, &self.config.profile, &custody) else {
            return Ok(None);
        };
        let payload = match &stored.inline_payload {
            Some(octets) => ParcelPayload::Inline(octets.clone()),
            None => ParcelPayload::Stored { number: rank.1, octets: stored.payload_octets },
        };
        let (head, tail) = (head.bytes().clone(), stored.tail.clone());
        let parcel = Parcel { head, payload, tail, lane: lane_of(rank) };
        Ok((parcel.octets() <= contact.transfer_mru).then_some((stored.id, parcel)))
    }

    /// A neighbor answered for something that we sent.
    pub(crate) fn send_settled(
        &mut self,
        now: Now,
        (id, transfer): (ContactId, TransferId),
        outcome: SendOutcome,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let (rank, bundle) = match contact.land(transfer) {
            Some(InFlight::Bundle { rank, id, .. }) => (rank, id),
            Some(InFlight::Part { number }) => {
                self.part_settled(id, number, outcome);
                return Ok(());
            }
            Some(InFlight::Message) | None => return Ok(()),
        };
        contact.custody.landed(transfer, now.node);
        match outcome {
            SendOutcome::Sent | SendOutcome::AlreadyThere => {
                if contact.standing == Some(Standing::Foreign) {
                    contact.settled.insert(rank.1);
                }
                let neighbor = contact.authenticated().or(contact.declared.as_ref()).cloned();
                Self::note_held(contact, rank.1, store)?;
                contact.custody.arm(now.node, self.dice.roll());
                self.tell(Notice::Carried { id: bundle, neighbor });
                if outcome == SendOutcome::Sent {
                    self.report_stored(now, rank.1, Assertion::Forwarded, store)?;
                }
                self.signal_arrived(id, rank.1, store)?;
            }
            // Nothing is known of it: only this contact need not send it again.
            SendOutcome::Left => {
                contact.settled.insert(rank.1);
                contact.custody.arm(now.node, self.dice.roll());
            }
            SendOutcome::NoRoom => {
                let again = Some(now.node.after_ms(NO_ROOM_PAUSE_MS));
                self.not_taken(id, (rank, bundle), NotTaken::NoRoom, again);
            }
            SendOutcome::Failed => {
                let again = Some(now.node.after_ms(FAILED_PAUSE_MS));
                self.not_taken(id, (rank, bundle), NotTaken::Failed, again);
            }
            SendOutcome::NotAcceptable => self.not_taken(id, (rank, bundle), NotTaken::NotAcceptable, None),
        }
        Ok(())
    }

    /// A bundle did not go: the contact tries again after a pause, or not at all.
    fn not_taken(
        &mut self,
        id: ContactId,
        (rank, bundle): (Rank, BundleId),
        why: NotTaken,
        again: Option<NodeTime>,
    ) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        if again.is_some() {
            contact.queue(rank);
            contact.paused_until = again;
        } else {
            contact.settled.insert(rank.1);
        }
        let neighbor = contact.authenticated().or(contact.declared.as_ref()).cloned();
        self.tell(Notice::NotTaken { id: bundle, neighbor, why, again });
    }
}

/// How old a stored bundle is now, in milliseconds (RFC 9171 §4.4.2): its age on arrival and its time here.
pub(crate) fn age_ms(now: Now, stored: &StoredBundle) -> u64 {
    stored.age_at_reception_ms.saturating_add(now.node.since_ms(stored.received))
}
