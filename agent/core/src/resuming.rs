//! Going on with large bundles of which the beginning is here (`docs/sync.md`, "Large bundles"): the receiving side.
//!
//! A neighbor that offers such a bundle is asked to go on where it is. One neighbor at a time fills a partial, in order:
//! octets that do not follow those that are here, or that nobody asked for, are ignored. A silence is answered by asking again,
//! then by asking another neighbor. What is whole is checked from the store, off the writer's thread, and comes in by the door
//! like any other bundle; what turns out to be none is thrown away, and taken from one neighbor alone the next time.

use bundle_format::{BundleId, CheckedBundle, SignatureVerdict};

use crate::agent::Agent;
use crate::input::ContactId;
use crate::message::{ContactMessage, Part, Resume};
use crate::output::{Notice, Output};
use crate::partials::{Filling, Stream};
use crate::receiving::{Arrival, Origin};
use crate::refusal::Refusal;
use crate::store::{Number, PayloadPlace, PrimaryHash, StoreError, WriteTxn};
use crate::time::{NodeTime, Now};

/// How long a neighbor may be silent before it is asked again, and how often it is where another could be asked instead.
const PATIENCE_MS: u64 = 30_000;
const ASKED_MAX: u8 = 3;
/// How soon to ask again after octets came that do not follow those that are here: some before them were lost.
const GAP_PATIENCE_MS: u64 = 1_000;
/// How exactly it is noted when octets came last.
const MOVED_NOTED_MS: u64 = 60_000;

/// How a large bundle that a neighbor offers is to come here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continuation {
    /// By an ordinary transfer from this neighbor.
    Whole,
    /// A part of it is here, and more is on its way; or this neighbor is not to be asked.
    UnderWay,
}

impl Agent {
    /// A neighbor offers a large bundle that is wanted. If a part of it is here, the neighbor is asked to go on with it, or
    /// remembered for later.
    pub(crate) fn continue_offered(
        &mut self,
        now: Now,
        contact: ContactId,
        (id, hash): (BundleId, PrimaryHash),
        store: &mut WriteTxn<'_>,
    ) -> Result<Continuation, StoreError> {
        let neighbor = self.contacts.get(&contact).and_then(|contact| contact.authenticated());
        if neighbor.is_some_and(|neighbor| self.shelf.is_liar(hash, neighbor)) {
            return Ok(Continuation::UnderWay);
        }
        let Some(kept) = self.shelf.partials.get_mut(&hash) else { return Ok(Continuation::Whole) };
        if kept.filling != Filling::Nobody {
            kept.note_other(contact, id);
            return Ok(Continuation::UnderWay);
        }
        if kept.record.alone.is_some() && kept.record.alone.as_ref() != neighbor {
            return Ok(Continuation::Whole);
        }
        if kept.record.wanted != Some(id) {
            kept.record.wanted = Some(id);
            store.put_partial(hash, &kept.record)?;
        }
        self.ask_to_go_on(now, hash, (contact, id), store)?;
        Ok(Continuation::UnderWay)
    }

    fn ask_to_go_on(
        &mut self,
        now: Now,
        hash: PrimaryHash,
        (contact, id): (ContactId, BundleId),
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(kept) = self.shelf.partials.get_mut(&hash) else { return Ok(()) };
        let asked = match kept.filling {
            Filling::Parts(stream) if stream.contact == contact => stream.asked,
            _ => 0,
        };
        let again = now.node.after_ms(PATIENCE_MS);
        kept.filling = Filling::Parts(Stream { contact, id, again, asked: asked.saturating_add(1) });
        let resume = Resume { id, offset: kept.octets };
        self.send_message(now, contact, &ContactMessage::Resume(resume), store)
    }

    /// Octets of a large bundle came. All that were not asked for, or do not follow those that are here, are ignored.
    pub(crate) fn part_received(
        &mut self,
        now: Now,
        contact: ContactId,
        part: &Part,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let is_asked = |filling| matches!(filling, Filling::Parts(Stream { contact: of, id, .. }) if of == contact && id == part.id);
        let mut partials = self.shelf.partials.iter_mut();
        let Some((hash, kept)) = partials.find(|(_, kept)| is_asked(kept.filling)) else { return Ok(()) };
        let Filling::Parts(stream) = &mut kept.filling else { return Ok(()) };
        if part.total != kept.record.head.payload_octets() || part.offset != kept.octets {
            if part.offset > kept.octets {
                stream.again = stream.again.min(now.node.after_ms(GAP_PATIENCE_MS));
            }
            return Ok(());
        }
        if !store.has_room_for(part.octets.len() as u64) {
            kept.filling = Filling::Nobody;
            return Ok(());
        }
        if !store.extend_staging(kept.record.staging, part.offset, &part.octets)? {
            // What is here of it cannot be read back.
            let hash = *hash;
            self.drop_partial(hash, store)?;
            return self.want_whole(now, contact, part.id, store);
        }
        kept.octets += part.octets.len() as u64;
        (stream.again, stream.asked) = (now.node.after_ms(PATIENCE_MS), 0);
        if now.node.since_ms(kept.record.moved) >= MOVED_NOTED_MS {
            kept.record.moved = now.node;
            store.put_partial(*hash, &kept.record)?;
        }
        if kept.is_whole() {
            let hash = *hash;
            self.prove(hash, Some(contact));
        }
        Ok(())
    }

    /// Has a partial that is whole checked.
    fn prove(&mut self, hash: PrimaryHash, contact: Option<ContactId>) {
        let Some(kept) = self.shelf.partials.get_mut(&hash) else { return };
        kept.filling = Filling::Proving(contact);
        let (number, head) = (kept.record.staging, kept.record.head.clone());
        self.emit(Output::Prove { number, head });
    }

    /// Goes on with a partial that nobody fills any more: by checking it, or by asking the next neighbor that has it.
    pub(crate) fn go_on_with(
        &mut self,
        now: Now,
        hash: PrimaryHash,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(kept) = self.shelf.partials.get_mut(&hash) else { return Ok(()) };
        if kept.is_whole() {
            self.prove(hash, None);
            return Ok(());
        }
        while let Some(kept) = self.shelf.partials.get_mut(&hash)
            && kept.filling == Filling::Nobody
            && !kept.others.is_empty()
        {
            let (contact, id) = kept.others.remove(0);
            if self.continue_offered(now, contact, (id, hash), store)? == Continuation::Whole {
                self.want_whole(now, contact, id, store)?;
            }
        }
        Ok(())
    }

    /// Goes on with what is due about partials, and lets those of expired bundles go.
    pub(crate) fn drive_partials(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let due = |at: NodeTime| at <= now.node;
        let partials = self.shelf.partials.iter();
        let late: Vec<PrimaryHash> =
            partials.filter(|(_, kept)| kept.due().is_some_and(due)).map(|(hash, _)| *hash).collect();
        for hash in late {
            let Some(kept) = self.shelf.partials.get_mut(&hash) else { continue };
            match kept.filling {
                Filling::Nobody | Filling::Parts(_) if due(kept.record.deadline) => {
                    self.drop_partial(hash, store)?;
                }
                Filling::Parts(stream) if stream.asked < ASKED_MAX || kept.others.is_empty() => {
                    self.ask_to_go_on(now, hash, (stream.contact, stream.id), store)?;
                }
                Filling::Parts(_) | Filling::Nobody => {
                    kept.filling = Filling::Nobody;
                    self.go_on_with(now, hash, store)?;
                }
                Filling::Transfer | Filling::Proving(_) => {}
            }
        }
        Ok(())
    }

    /// When `drive_partials` has something to do.
    pub(crate) fn next_partial_due(&self) -> Option<NodeTime> {
        self.shelf.partials.values().filter_map(crate::partials::Kept::due).min()
    }

    /// A contact is gone: what it filled is filled by others.
    pub(crate) fn partials_lost_contact(
        &mut self,
        now: Now,
        contact: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let mut left = Vec::new();
        for (hash, kept) in &mut self.shelf.partials {
            kept.others.retain(|(other, _)| *other != contact);
            if matches!(kept.filling, Filling::Parts(stream) if stream.contact == contact) {
                kept.filling = Filling::Nobody;
                left.push(*hash);
            }
        }
        for hash in left {
            self.go_on_with(now, hash, store)?;
        }
        Ok(())
    }

    /// A partial that was whole has been checked; `None` if its octets are no bundle.
    pub(crate) fn partial_proved(
        &mut self,
        now: Now,
        number: Number,
        bundle: Option<&CheckedBundle>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some((hash, Filling::Proving(contact))) = self.shelf.staged_at(number) else { return Ok(()) };
        let Some(kept) = self.shelf.partials.get(&hash) else { return Ok(()) };
        let genuine = bundle.filter(|bundle| match kept.record.wanted {
            Some(id) => bundle.id() == id,
            // Nobody said what the whole is to be: only its signature can.
            None => matches!(bundle.signature(), SignatureVerdict::Valid(_)),
        });
        let Some(bundle) = genuine else { return self.spoil(now, hash, store) };
        let dormant_ms = now.node.since_ms(kept.record.begun).saturating_add(kept.record.dormant_ms);
        let holder = contact
            .and_then(|contact| self.contacts.get(&contact))
            .and_then(|contact| contact.authenticated().cloned());
        let origin = Origin::Elsewhere;
        let arrival = Arrival {
            bundle,
            payload: PayloadPlace::Staged(number),
            contact,
            holder,
            dormant_ms,
            way: "",
            origin,
        };
        let is_here = matches!(self.receive(now, &arrival, store)?, Ok(_) | Err(Refusal::Duplicate));
        match contact.filter(|_| is_here) {
            Some(contact) => {
                let resume = Resume { id: bundle.id(), offset: bundle.head().payload_octets() };
                self.send_message(now, contact, &ContactMessage::Resume(resume), store)
            }
            None => Ok(()),
        }
    }

    /// What came is not the bundle: it is thrown away, and taken again from one neighbor alone.
    fn spoil(&mut self, now: Now, hash: PrimaryHash, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(kept) = self.shelf.partials.get_mut(&hash) else { return Ok(()) };
        let source = kept.record.head.primary().source.clone();
        let (alone, wanted) = (kept.record.alone.take(), kept.record.wanted);
        let mut others = std::mem::take(&mut kept.others);
        if let (Filling::Proving(Some(contact)), Some(id)) = (kept.filling, wanted) {
            others.push((contact, id));
        }
        self.tell(Notice::PartialSpoiled { source });
        self.shelf.note_spoiled(hash, alone);
        self.drop_partial(hash, store)?;
        for (contact, id) in others {
            let neighbor = self.contacts.get(&contact).and_then(|contact| contact.authenticated());
            if neighbor.is_some_and(|neighbor| !self.shelf.is_liar(hash, neighbor)) {
                return self.want_whole(now, contact, id, store);
            }
        }
        Ok(())
    }

    /// Asks a neighbor for a bundle from its first octet on.
    fn want_whole(
        &mut self,
        now: Now,
        contact: ContactId,
        id: BundleId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let resume = Resume { id, offset: 0 };
        self.send_message(now, contact, &ContactMessage::Resume(resume), store)
    }
}
