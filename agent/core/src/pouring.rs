//! Going on with large bundles of which a neighbor has the beginning (`docs/sync.md`, "Large bundles"): the sending side.
//!
//! A neighbor that asks for it gets the payload from the octet that it names on, in Parts, a window's worth at a time beside
//! other bundles. The layer answers for each Part; where one does not get through the rest is left alone until the
//! neighbor asks again. That it has the whole it says itself: an answered Part is not yet a bundle.

use bundle_format::BundleId;

use crate::agent::Agent;
use crate::contact::{Contact, InFlight};
use crate::input::{ContactId, SendOutcome};
use crate::message::{ContactMessage, PART_OCTETS_MAX, Part, Resume};
use crate::output::Notice;
use crate::reporting::Assertion;
use crate::store::{Number, Presence, StoreError, View, WriteTxn};
use crate::time::Now;

/// Parts that may be under way to one neighbor at a time: 1 MiB, more than fits on a fast satellite link.
pub(crate) const PARTS_MAX: usize = 64;
/// Bundles that one neighbor may ask to go on with at a time: as many as it keeps of.
const POURS_MAX: usize = 64;

/// A payload on its way to a neighbor, from some octet on.
#[derive(Debug)]
pub(crate) struct Pour {
    pub(crate) number: Number,
    id: BundleId,
    /// The next octet to be sent.
    next: u64,
    total: u64,
    in_flight: usize,
}

impl Agent {
    /// A neighbor asks for the rest of a bundle, or says that it has all of it.
    pub(crate) fn resume_received(
        &mut self,
        now: Now,
        contact: ContactId,
        resume: Resume,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(to) = self.contacts.get_mut(&contact) else { return Ok(()) };
        if to.authenticated().is_none() {
            return Ok(());
        }
        let Some(Presence::Held(number)) = store.view().find(&resume.id)? else { return Ok(()) };
        let Some(facts) = store.view().facts(number)? else { return Ok(()) };
        if resume.offset >= facts.payload_octets {
            return self.is_there_whole(now, contact, (number, resume.id), store);
        }
        if resume.offset == 0 {
            to.pours.retain(|pour| pour.number != number);
        } else if let Some(pour) = to.pours.iter_mut().find(|pour| pour.number == number) {
            // The layer will answer for what is under way; until then nothing is known to be lost.
            if pour.in_flight == 0 {
                pour.next = resume.offset;
            }
        }
        if to.pours.len() >= POURS_MAX || to.is_in_flight(number) {
            return Ok(());
        }
        let total = facts.payload_octets;
        let is_for_it = self.contacts.get(&contact).is_some_and(|to| self.wanted_by(to, &facts.destination));
        if let Some(to) = self.contacts.get_mut(&contact).filter(|_| is_for_it) {
            to.pending.remove(&(facts.rank(), number));
            if resume.offset == 0 {
                to.settled.remove(&number);
                to.send_whole((facts.rank(), number));
            } else {
                to.offered.remove(&number);
                to.pours.push(Pour { number, id: resume.id, next: resume.offset, total, in_flight: 0 });
            }
        }
        Ok(())
    }

    /// The neighbor has all of a bundle that it was offered, or was sent in Parts.
    fn is_there_whole(
        &mut self,
        now: Now,
        contact: ContactId,
        (number, id): (Number, BundleId),
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(to) = self.contacts.get_mut(&contact) else { return Ok(()) };
        let at = to.pours.iter().position(|pour| pour.number == number && pour.next == pour.total);
        if at.is_none() && to.offered.remove(&number).is_none() {
            return Ok(());
        }
        let neighbor = to.authenticated().cloned();
        Self::note_held(to, number, store)?;
        self.tell(Notice::Carried { id, neighbor });
        self.custody_of_parts(now, contact, number, store)?;
        let Some(at) = at else { return Ok(()) };
        self.contacts.get_mut(&contact).map(|to| to.pours.remove(at));
        self.report_stored(now, number, Assertion::Forwarded, store)
    }

    /// Fills the window of Parts of a contact.
    pub(crate) fn pour(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        while let Some(contact) = self.contacts.get_mut(&id)
            && contact.paused_until.is_none()
            && contact.parts_in_flight() < PARTS_MAX
        {
            let most = part_octets_max(contact);
            let Some(pour) = contact.pours.iter_mut().find(|pour| pour.next < pour.total) else { break };
            let Some(part) = pour.part(most, store.view())? else {
                let gone = pour.number;
                contact.pours.retain(|pour| pour.number != gone);
                continue;
            };
            pour.next += part.octets.len() as u64;
            pour.in_flight += 1;
            let flight = InFlight::Part { number: pour.number };
            self.launch_message(now, (id, flight), &ContactMessage::Part(part), store)?;
        }
        Ok(())
    }

    /// The layer answered for a Part.
    pub(crate) fn part_settled(&mut self, contact: ContactId, number: Number, outcome: SendOutcome) {
        let Some(contact) = self.contacts.get_mut(&contact) else { return };
        let Some(pour) = contact.pours.iter_mut().find(|pour| pour.number == number) else { return };
        pour.in_flight = pour.in_flight.saturating_sub(1);
        // Where nobody learns what arrives, the neighbor asks again from where it got to.
        if !matches!(outcome, SendOutcome::Sent | SendOutcome::AlreadyThere | SendOutcome::Left) {
            contact.pours.retain(|pour| pour.number != number);
        }
    }
}

impl Pour {
    /// The next Part; `None` if the bundle is gone.
    fn part(&self, most: usize, view: View<'_>) -> Result<Option<Part>, StoreError> {
        let octets = view.payload_octets_from(self.number, self.next, most)?;
        let octets = octets.filter(|octets| !octets.is_empty());
        Ok(octets.map(|octets| Part { id: self.id, offset: self.next, total: self.total, octets }))
    }
}

/// Octets of a payload that a Part for this neighbor may have.
fn part_octets_max(contact: &Contact) -> usize {
    contact.message_octets_max().saturating_sub(Part::AROUND_OCTETS_MAX).clamp(1, PART_OCTETS_MAX)
}
