//! Beginnings of large bundles whose transfers broke off, or that are torn on a drive: which are kept, for how long, and how many.
//!
//! What came stays, whoever sent it: head and payload so far are in the store (`store/partials.rs`), and any neighbor that has
//! the bundle may go on with it (`resuming.rs`). Nothing of it is believed before the whole was checked. Partials that
//! nobody fills give way, the oldest first, where there are too many or no room; a neighbor that nobody knows displaces none that
//! came from one that is known.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::{BundleId, Eid, Head};
use bytes::Bytes;

use crate::admission;
use crate::agent::Agent;
use crate::input::{ContactId, Way};
use crate::store::{Number, Partial, PartialRecord, PayloadPlace, PrimaryHash, StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// A bundle with a larger payload is large: it is offered before it is sent, and goes on where it was.
pub const LARGE_OCTETS: u64 = 64 << 10;
/// Less than this of a payload is not worth keeping: it is sent again in the time that it takes to talk about it.
pub const KEPT_OCTETS_MIN: u64 = 16 << 10;
/// Partials at a time. Each has its head in memory.
const PARTIALS_MAX: usize = 64;
/// Heads of our own have a few hundred octets. Partials of bundles with larger ones are not kept.
const KEPT_HEAD_OCTETS_MAX: usize = 4096;
/// Bundles of which neighbors sent octets that did not fit together, as far as that is remembered.
const SPOILED_MAX: usize = 64;
/// Contacts that are remembered to have a bundle, besides the one that fills its partial.
const OTHERS_MAX: usize = 8;

/// The partials of a node, as in the store, with what goes on about each.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) partials: BTreeMap<PrimaryHash, Kept>,
    /// Bundles whose parts did not fit together, with the neighbors that sent the whole of one wrongly. Each of them is
    /// taken from one neighbor alone.
    spoiled: BTreeMap<PrimaryHash, BTreeSet<Eid>>,
}

/// One partial.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) record: PartialRecord,
    /// Octets of its payload that are here; not kept up while a transfer fills it.
    pub(crate) octets: u64,
    pub(crate) filling: Filling,
    /// Other open contacts that offered it, with the id that they gave it.
    pub(crate) others: Vec<(ContactId, BundleId)>,
}

/// Who fills a partial now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    Nobody,
    /// An ordinary transfer, whose pieces come as inputs.
    Transfer,
    /// A neighbor that was asked to go on.
    Parts(Stream),
    /// It is whole, and is being checked; the contact is the one that completed it.
    Proving(Option<ContactId>),
}

/// Parts on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) contact: ContactId,
    pub(crate) id: BundleId,
    /// When silence is answered by asking again.
    pub(crate) again: NodeTime,
    /// Times that it was asked without an octet coming.
    pub(crate) asked: u8,
}

/// A transfer that broke off.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) way: Way,
    pub(crate) head: Head,
    /// Where the payload's first octets are staged, if they are.
    pub(crate) staging: Option<Number>,
    /// The octets behind those.
    pub(crate) octets: Bytes,
}

impl Shelf {
    pub(crate) fn open(store: View<'_>) -> Result<Self, StoreError> {
        let keep = |partial: Partial| {
            let (record, octets) = (partial.record, partial.octets);
            (partial.hash, Kept { record, octets, filling: Filling::Nobody, others: Vec::new() })
        };
        let partials = store.partials()?.into_iter().map(keep).collect();
        Ok(Self { partials, spoiled: BTreeMap::new() })
    }

    /// The partial that is staged under this number.
    pub(crate) fn staged_at(&self, number: Number) -> Option<(PrimaryHash, Filling)> {
        let mut partials = self.partials.iter();
        partials.find(|(_, kept)| kept.record.staging == number).map(|(hash, kept)| (*hash, kept.filling))
    }

    /// Whether a staging is a partial that no transfer may fill or claim: the transfer that did was given up when the store
    /// failed.
    pub(crate) fn is_out_of_hand(&self, number: Number) -> bool {
        let found = self.staged_at(number);
        found.is_some_and(|(_, filling)| matches!(filling, Filling::Nobody | Filling::Parts(_)))
    }

    /// Notes that what came from several neighbors, or from `alone`, was not the bundle.
    pub(crate) fn note_spoiled(&mut self, hash: PrimaryHash, alone: Option<Eid>) {
        if self.spoiled.len() >= SPOILED_MAX && !self.spoiled.contains_key(&hash) {
            self.spoiled.pop_first();
        }
        let liars = self.spoiled.entry(hash).or_default();
        if liars.len() < OTHERS_MAX {
            liars.extend(alone);
        }
    }

    pub(crate) fn is_spoiled(&self, hash: PrimaryHash) -> bool {
        self.spoiled.contains_key(&hash)
    }

    /// Whether this neighbor sent the whole of this bundle before, and it was not the bundle.
    pub(crate) fn is_liar(&self, hash: PrimaryHash, neighbor: &Eid) -> bool {
        self.spoiled.get(&hash).is_some_and(|liars| liars.contains(neighbor))
    }

    fn octets_in_all(&self, counted: impl Fn(&Kept) -> bool) -> u64 {
        let partials = self.partials.values().filter(|kept| counted(kept));
        partials.fold(0, |sum, kept| sum.saturating_add(kept.octets_in_all()))
    }

    /// The one that gives way first, of those that nobody fills.
    fn first_to_go(&self, may_go: impl Fn(&Kept) -> bool) -> Option<PrimaryHash> {
        let idle = self.partials.iter().filter(|(_, kept)| kept.filling == Filling::Nobody && may_go(kept));
        let oldest = idle.min_by_key(|(_, kept)| (kept.record.is_from_known, kept.record.moved));
        oldest.map(|(hash, _)| *hash)
    }
}

impl Kept {
    pub(crate) fn octets_in_all(&self) -> u64 {
        self.record.head.payload_octets()
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.octets == self.octets_in_all()
    }

    /// When something is to be done about it.
    pub(crate) fn due(&self) -> Option<NodeTime> {
        match self.filling {
            Filling::Nobody if self.is_whole() => Some(NodeTime::default()),
            Filling::Nobody => Some(self.record.deadline),
            Filling::Parts(stream) => Some(stream.again.min(self.record.deadline)),
            Filling::Transfer | Filling::Proving(_) => None,
        }
    }

    /// Notes that another contact has it too.
    pub(crate) fn note_other(&mut self, contact: ContactId, id: BundleId) {
        self.others.retain(|(other, _)| *other != contact);
        if self.others.len() < OTHERS_MAX {
            self.others.push((contact, id));
        }
    }
}

impl Agent {
    /// The payload of a large bundle begins to pass into the store. From now on a crash leaves what came.
    pub(crate) fn transfer_staged(
        &mut self,
        now: Now,
        (way, head): (Way, Head),
        number: Number,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let is_open = store.view().staging(number)?.is_some_and(|staging| !staging.abandoned);
        if !is_open || self.shelf.partials.contains_key(&PrimaryHash::of(&head)) {
            return Ok(());
        }
        self.shelve(now, (way, head), (number, Filling::Transfer), store).map(drop)
    }

    /// A transfer of a large bundle broke off. What came of it stays, unless more of it is here.
    pub(crate) fn transfer_broken(
        &mut self,
        now: Now,
        broken: Broken,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let (way, hash) = (broken.way, PrimaryHash::of(&broken.head));
        self.keep_broken(now, broken, store)?;
        match way.contact() {
            Some(contact) => self.asked_in_vain(now, (contact, Some(hash)), store),
            None => Ok(()),
        }
    }

    fn keep_broken(&mut self, now: Now, broken: Broken, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let hash = PrimaryHash::of(&broken.head);
        if let Some(kept) = self.shelf.partials.get(&hash)
            && Some(kept.record.staging) == broken.staging
        {
            return match kept.filling {
                Filling::Transfer => self.filling_ended(now, hash, &broken.octets, store),
                _ => Ok(()),
            };
        }
        if let Some(number) = broken.staging
            && store.view().staging(number)?.is_none_or(|staging| staging.abandoned)
        {
            // The bundle came whole by another way meanwhile, or there was no room.
            return Ok(());
        }
        let staged = broken.staging.map_or(Ok(0), |number| store.view().staged_octets(number))?;
        let here = staged.saturating_add(broken.octets.len() as u64);
        if !self.is_worth_keeping(now, &broken.head, here, store)? {
            return self.give_up_staging(broken.staging, store);
        }
        self.drop_partial(hash, store)?;
        let number = broken.staging.map_or_else(|| store.begin_staging(), Ok)?;
        store.extend_staging(number, staged, &broken.octets)?;
        let place = (number, Filling::Nobody);
        if !self.shelve(now, (broken.way, broken.head), place, store)? {
            self.give_up_staging(Some(number), store)?;
        }
        Ok(())
    }

    /// The transfer that filled a partial broke off.
    fn filling_ended(
        &mut self,
        now: Now,
        hash: PrimaryHash,
        rest: &[u8],
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(kept) = self.shelf.partials.get_mut(&hash) else { return Ok(()) };
        let staging = kept.record.staging;
        let staged = store.view().staged_octets(staging)?;
        if !rest.is_empty() && store.has_room_for(rest.len() as u64) {
            store.extend_staging(staging, staged, rest)?;
        }
        kept.octets = store.view().staged_octets(staging)?;
        kept.filling = Filling::Nobody;
        kept.record.moved = now.node;
        if kept.octets < KEPT_OCTETS_MIN {
            return self.drop_partial(hash, store);
        }
        store.put_partial(hash, &kept.record)?;
        self.go_on_with(now, hash, store)
    }

    /// Whether the first `here` octets of a payload are worth their room. The questions of the door are asked again: what
    /// will be refused in the end is not kept.
    fn is_worth_keeping(
        &self,
        now: Now,
        head: &Head,
        here: u64,
        store: &WriteTxn<'_>,
    ) -> Result<bool, StoreError> {
        let is_most = match self.shelf.partials.get(&PrimaryHash::of(head)) {
            Some(kept) => kept.filling == Filling::Nobody && kept.octets < here,
            None => true,
        };
        let octets = head.payload_octets();
        Ok(is_most
            && head.primary().destination != self.contact_endpoint
            && here >= KEPT_OCTETS_MIN
            && octets > LARGE_OCTETS
            && here <= octets
            && store.has_room_for(here)
            && admission::consider(&self.config, store.view(), now, head)?.is_none())
    }

    /// Makes a staging a partial; whether there is a place for it.
    fn shelve(
        &mut self,
        now: Now,
        (way, head): (Way, Head),
        (staging, filling): (Number, Filling),
        store: &mut WriteTxn<'_>,
    ) -> Result<bool, StoreError> {
        let hash = PrimaryHash::of(&head);
        let Some(deadline) = admission::deadline(&self.config, now, &head, way.dormant_ms()) else {
            return Ok(false);
        };
        let contact = way.contact().and_then(|contact| self.contacts.get(&contact));
        let neighbor = contact.and_then(|contact| contact.authenticated().cloned());
        let is_spoiled = self.shelf.is_spoiled(hash);
        if head.bytes().len() > KEPT_HEAD_OCTETS_MAX || (is_spoiled && neighbor.is_none()) {
            return Ok(false);
        }
        let record = PartialRecord {
            staging,
            begun: now.node,
            dormant_ms: way.dormant_ms(),
            moved: now.node,
            deadline,
            is_from_known: neighbor.is_some(),
            may_be_vouched: admission::may_be_vouched(&self.config, store.view(), &head)?,
            wanted: None,
            alone: neighbor.filter(|_| is_spoiled),
            head,
        };
        let octets = store.view().staged_octets(staging)?;
        let kept = Kept { record, octets, filling, others: Vec::new() };
        if !self.make_room_for(&kept, store)? {
            return Ok(false);
        }
        store.put_partial(hash, &kept.record)?;
        self.shelf.partials.insert(hash, kept);
        Ok(true)
    }

    /// Bundles and partials together stay within the quota, and those of strangers within theirs. What is not yet here of a
    /// partial counts too.
    fn make_room_for(&mut self, new: &Kept, store: &mut WriteTxn<'_>) -> Result<bool, StoreError> {
        let is_known = new.record.is_from_known;
        let is_strange = !new.record.may_be_vouched;
        let (usage, strange) = (store.view().usage()?.octets, store.view().unvouched_usage()?.octets);
        let room = self.config.quota_octets.saturating_sub(usage);
        let strangers_room = self.config.stranger_quota_octets.saturating_sub(strange);
        loop {
            let all = self.shelf.octets_in_all(|_| true).saturating_add(new.octets_in_all());
            let of_strangers = self.shelf.octets_in_all(|kept| !kept.record.may_be_vouched);
            let fits = self.shelf.partials.len() < PARTIALS_MAX && all <= room;
            let fits_strangers =
                !is_strange || of_strangers.saturating_add(new.octets_in_all()) <= strangers_room;
            if fits && fits_strangers {
                return Ok(true);
            }
            let goes = self.shelf.first_to_go(|kept| {
                (is_known || !kept.record.is_from_known) && (fits_strangers || !kept.record.may_be_vouched)
            });
            match goes {
                Some(hash) => self.drop_partial(hash, store)?,
                None => return Ok(false),
            }
        }
    }

    /// Throws a partial away.
    pub(crate) fn drop_partial(
        &mut self,
        hash: PrimaryHash,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(kept) = self.shelf.partials.remove(&hash) else { return Ok(()) };
        store.forget_partial(hash)?;
        self.give_up_staging(Some(kept.record.staging), store)
    }

    fn give_up_staging(
        &mut self,
        staging: Option<Number>,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        if let Some(number) = staging {
            store.abandon_staging(number)?;
            self.discard_soon();
        }
        Ok(())
    }

    /// A bundle is here whole, by whatever way: what was kept of it goes, but for what became the bundle's own.
    pub(crate) fn partial_superseded(
        &mut self,
        head: &Head,
        payload: PayloadPlace,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let hash = PrimaryHash::of(head);
        let Some(kept) = self.shelf.partials.get(&hash) else { return Ok(()) };
        if payload != PayloadPlace::Staged(kept.record.staging) {
            return self.drop_partial(hash, store);
        }
        self.shelf.partials.remove(&hash);
        store.forget_partial(hash)
    }

    /// A staging is given up by whoever filled it. `false` if it is not theirs to give up.
    pub(crate) fn partial_given_up(
        &mut self,
        number: Number,
        store: &mut WriteTxn<'_>,
    ) -> Result<bool, StoreError> {
        if self.shelf.is_out_of_hand(number) {
            return Ok(false);
        }
        if let Some((hash, _)) = self.shelf.staged_at(number) {
            self.shelf.partials.remove(&hash);
            store.forget_partial(hash)?;
        }
        Ok(true)
    }
}
