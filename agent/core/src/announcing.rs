//! Large bundles are offered before they are sent, so that none crosses that is here, on its way from elsewhere, or begun
//! (`docs/sync.md`, "Large bundles").
//!
//! The sender repeats an offer that was not answered as long as the contact lasts. The receiver asks one neighbor at a
//! time for the whole of a bundle (`Want`), or for the rest of one that it has a part of (`resuming.rs`). It answers whoever
//! offers something: the answer to a transfer would say as much.

use std::collections::BTreeMap;

use bundle_format::{BundleId, Head};

use crate::agent::Agent;
use crate::backlog;
use crate::contact::{Contact, Rank};
use crate::input::ContactId;
use crate::message::{ContactMessage, OFFERED_MAX, Offered, Resume, Want, short_id};
use crate::partials::LARGE_OCTETS;
use crate::resuming::Continuation;
use crate::store::{Number, Presence, PrimaryHash, StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// How long an offer may go unanswered before it is repeated; doubled each time.
const REPEATED_MS: u64 = 30_000;
/// It is repeated at least so often.
const REPEATED_MS_MAX: u64 = 3_600_000;
/// Octets of one bundle in an offer, at most; the few around all of them are within what is allowed for framing.
const OFFER_OCTETS: usize = 1 + 17 + 9 + 17;
/// Bundles that are asked for at a time, from all neighbors.
const ASKED_MAX: usize = 1024;
/// Contacts that are remembered to have a bundle, besides the one that was asked for it.
const OTHERS_MAX: usize = 8;
/// How long after it was asked for a bundle is asked for somewhere else, whatever the first neighbor does.
const ASKED_ELSEWHERE_MS: u64 = 600_000;

/// An offer that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    rank: Rank,
    id: BundleId,
    /// When it is made again.
    again: NodeTime,
    /// How often it was made.
    made: u32,
}

/// A bundle that a neighbor was asked for.
#[derive(Debug, Clone)]
pub(crate) struct AskedFor {
    contact: ContactId,
    item: Offered,
    until: NodeTime,
    /// Other contacts that offered it since.
    others: Vec<ContactId>,
}

impl Agent {
    /// Whether a bundle is to be offered to a neighbor before it is sent; if so, it is noted for the next offer.
    pub(crate) fn is_offered_first(
        contact: &mut Contact,
        rank: Rank,
        view: View<'_>,
    ) -> Result<bool, StoreError> {
        let Some(facts) = view.facts(rank.1)? else { return Ok(false) };
        if facts.payload_octets <= LARGE_OCTETS
            || contact.authenticated().is_none()
            || contact.asked.remove(&rank.1)
        {
            return Ok(false);
        }
        if contact.offered.len() >= backlog::OFFERED_MAX {
            contact.backlog.put_off_offer(rank.1);
        } else {
            let waiting = Waiting { rank, id: facts.id, again: NodeTime::default(), made: 0 };
            contact.offered.entry(rank.1).or_insert(waiting);
        }
        Ok(true)
    }

    /// Makes the offers that are due to a neighbor.
    pub(crate) fn offer_due(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if !contact.may_say_more() {
            return Ok(());
        }
        let offers_max = (contact.message_octets_max() / OFFER_OCTETS).clamp(1, OFFERED_MAX);
        let due = contact.offered.iter().filter(|(_, waiting)| waiting.again <= now.node);
        let due: Vec<Number> = due.map(|(number, _)| *number).take(offers_max).collect();
        let mut items = Vec::new();
        for number in due {
            let item = offered(number, store.view())?;
            match (item, contact.offered.get_mut(&number)) {
                (Some(item), Some(waiting)) => {
                    let after_ms = REPEATED_MS << waiting.made.min(16);
                    waiting.again = now.node.after_ms(after_ms.min(REPEATED_MS_MAX));
                    waiting.made += 1;
                    items.push(item);
                }
                _ => drop(contact.offered.remove(&number)),
            }
        }
        if items.is_empty() {
            Ok(())
        } else {
            self.send_message(now, id, &ContactMessage::Offer(items), store)
        }
    }

    /// A neighbor asks for bundles that it was offered.
    pub(crate) fn want_received(
        &mut self,
        id: ContactId,
        want: &Want,
        store: &WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let wanted: Vec<Waiting> = contact
            .offered
            .values()
            .filter(|waiting| want.ids.contains(&short_id(&waiting.id)))
            .copied()
            .collect();
        for Waiting { rank, .. } in &wanted {
            contact.send_whole(*rank);
        }
        for short in &want.ids {
            if !wanted.iter().any(|waiting| short_id(&waiting.id) == *short) {
                self.wanted_unoffered(id, *short, store.view())?;
            }
        }
        Ok(())
    }

    /// A neighbor offers bundles. What is here it is told so; what is not it is asked for, unless it comes from elsewhere.
    pub(crate) fn offer_received(
        &mut self,
        now: Now,
        contact: ContactId,
        items: &[Offered],
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let mut want = Want { ids: Vec::new() };
        for item in items {
            if self.is_to_be_asked_for(now, contact, item, store)? {
                want.ids.push(short_id(&item.id));
            }
        }
        if want.ids.is_empty() {
            return Ok(());
        }
        self.send_message(now, contact, &ContactMessage::Want(want), store)
    }

    fn is_to_be_asked_for(
        &mut self,
        now: Now,
        contact: ContactId,
        item: &Offered,
        store: &mut WriteTxn<'_>,
    ) -> Result<bool, StoreError> {
        if let Some(presence) = store.view().find(&item.id)? {
            if let (Presence::Held(number), Some(neighbor)) = (presence, self.contacts.get(&contact)) {
                Self::note_held(neighbor, number, store)?;
            }
            let resume = Resume { id: item.id, offset: item.octets };
            self.send_message(now, contact, &ContactMessage::Resume(resume), store)?;
            return Ok(false);
        }
        if item.octets > self.config.bundle_octets_max() {
            return Ok(false);
        }
        let hash = item.hash.unwrap_or(PrimaryHash::from_bytes([0; 16]));
        if let Some(asked) = self.asked_for.get_mut(&item.id)
            && asked.contact != contact
            && asked.until > now.node
        {
            if asked.others.len() < OTHERS_MAX && !asked.others.contains(&contact) {
                asked.others.push(contact);
            }
            return Ok(false);
        }
        if self.continue_offered(now, contact, (item.id, hash), store)? == Continuation::UnderWay {
            return Ok(false);
        }
        Ok(self.note_asked_for(now, contact, item))
    }

    /// Remembers whom a bundle was asked from; whether there was a place for it.
    fn note_asked_for(&mut self, now: Now, contact: ContactId, item: &Offered) -> bool {
        if self.asked_for.len() >= ASKED_MAX {
            self.asked_for.retain(|_, asked| asked.until > now.node);
        }
        let has_room = self.asked_for.len() < ASKED_MAX || self.asked_for.contains_key(&item.id);
        if has_room {
            let until = now.node.after_ms(ASKED_ELSEWHERE_MS);
            let asked = AskedFor { contact, item: *item, until, others: Vec::new() };
            self.asked_for.insert(item.id, asked);
        }
        has_room
    }

    /// Transfers that were asked for on a contact will not come, or not whole: all of them, or that of one bundle. Who else
    /// offered them is asked now.
    pub(crate) fn asked_in_vain(
        &mut self,
        now: Now,
        (contact, hash): (ContactId, Option<PrimaryHash>),
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let is_lost = |asked: &AskedFor| {
            asked.contact == contact && hash.is_none_or(|hash| asked.item.hash == Some(hash))
        };
        let lost: Vec<AskedFor> = self.asked_for.values().filter(|asked| is_lost(asked)).cloned().collect();
        let mut wants: BTreeMap<ContactId, Want> = BTreeMap::new();
        for AskedFor { item, others, .. } in lost {
            self.asked_for.remove(&item.id);
            for other in others {
                if self.contacts.contains_key(&other) && self.is_to_be_asked_for(now, other, &item, store)? {
                    wants.entry(other).or_default().ids.push(short_id(&item.id));
                }
            }
        }
        for (other, mut want) in wants {
            // The rest is offered again.
            want.ids.truncate(OFFERED_MAX);
            self.send_message(now, other, &ContactMessage::Want(want), store)?;
        }
        Ok(())
    }
}

impl Contact {
    /// A bundle that was offered is to be sent, whole.
    pub(crate) fn send_whole(&mut self, rank: Rank) {
        self.offered.remove(&rank.1);
        self.asked.insert(rank.1);
        self.queue(rank);
    }

    /// When the next offer is due, where one may be made.
    pub(crate) fn next_offer(&self) -> Option<NodeTime> {
        if !self.may_say_more() {
            return None;
        }
        self.offered.values().map(|waiting| waiting.again).min()
    }
}

/// A stored bundle, as it is offered; `None` if it is gone.
fn offered(number: Number, view: View<'_>) -> Result<Option<Offered>, StoreError> {
    let Some(stored) = view.bundle(number)? else { return Ok(None) };
    let Ok(head) = Head::parse(stored.head.clone()) else { return Ok(None) };
    Ok(Some(Offered { id: stored.id, octets: stored.octets(), hash: Some(PrimaryHash::of(&head)) }))
}
