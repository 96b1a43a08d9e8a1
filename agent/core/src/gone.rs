//! Ids that are in the set of one of two neighbors, but cannot be had from it: their bundles went before their time
//! (`docs/sync.md`, "What is gone").
//!
//! Who has such an id says so, once. The other counts it in from then on when it compares with this neighbor, and with nobody else,
//! so that the difference costs nothing again. A neighbor that lies about what is gone hides bundles from nobody but itself.

use std::collections::BTreeMap;

use bundle_format::{BundleId, Eid};

use crate::agent::Agent;
use crate::contact::Contact;
use crate::input::ContactId;
use crate::message::{ContactMessage, Departed, GONE_MAX, GONE_OCTETS, Gone, short_id};
use crate::sketch::Prefix;
use crate::store::{StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// Ids that are remembered of one neighbor: a few hundred KiB of them.
const REMEMBERED_MAX: usize = 8192;
/// Neighbors of which something is remembered.
const NEIGHBORS_MAX: usize = 16;
/// No id stays in a set for longer, whatever a neighbor says: ten years.
const SECONDS_MAX: u64 = 10 * 366 * 86_400;

/// What neighbors said to be gone; forgotten with the process.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    of: BTreeMap<Eid, Absent>,
}

/// What one neighbor said.
#[derive(Debug, Default)]
struct Absent {
    /// What was compared then.
    interest: [u8; 8],
    /// Until when each counts.
    ids: BTreeMap<BundleId, NodeTime>,
}

impl Remembered {
    /// Counts in what a neighbor has no more.
    pub(crate) fn count_in(
        &mut self,
        (neighbor, interest): (&Eid, [u8; 8]),
        cells: &mut Prefix,
        (now, view): (NodeTime, View<'_>),
    ) -> Result<(), StoreError> {
        let Some(absent) = self.of.get_mut(neighbor) else { return Ok(()) };
        if absent.interest != interest {
            self.of.remove(neighbor);
            return Ok(());
        }
        absent.ids.retain(|_, until| *until > now);
        for id in absent.ids.keys() {
            // What came from elsewhere since is counted already.
            if !view.is_in_set(id)? {
                cells.insert(id);
            }
        }
        Ok(())
    }

    fn note(&mut self, (neighbor, interest): (&Eid, [u8; 8]), id: BundleId, until: NodeTime) {
        let absent = self.of.entry(neighbor.clone()).or_default();
        if absent.interest != interest {
            *absent = Absent { interest, ids: BTreeMap::new() };
        }
        if absent.ids.len() < REMEMBERED_MAX {
            absent.ids.insert(id, until);
        }
    }

    fn has_room_for(&self, neighbor: &Eid) -> bool {
        self.of.len() < NEIGHBORS_MAX || self.of.contains_key(neighbor)
    }

    /// The neighbor has no id any more that begins like this.
    fn forget(&mut self, neighbor: &Eid, short: [u8; 8]) {
        let beginning = (u128::from(u64::from_be_bytes(short)) << 64).to_be_bytes();
        if let Some(absent) = self.of.get_mut(neighbor)
            && let Some((id, _)) = absent.ids.range(BundleId::from_bytes(beginning)..).next()
            && short_id(id) == short
        {
            let id = *id;
            absent.ids.remove(&id);
        }
    }
}

impl Agent {
    /// Tells a neighbor what it would ask for in vain, as far as messages may be under way.
    pub(crate) fn say_gone(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        while let Some(contact) = self.contacts.get_mut(&id)
            && contact.may_say_more()
            && !contact.exchanges.gone.is_empty()
        {
            let most = (contact.message_octets_max() / GONE_OCTETS).clamp(1, GONE_MAX);
            let mut gone = Gone::default();
            while gone.items.len() < most
                && let Some(id) = contact.exchanges.gone.pop_first()
            {
                if let Some(leaves) = store.view().leaves_set(&id)? {
                    let seconds_left = leaves.since_ms(now.node).div_ceil(1000);
                    gone.items.push(Departed { id, seconds_left });
                }
            }
            if !gone.items.is_empty() {
                self.send_message(now, id, &ContactMessage::Gone(gone), store)?;
            }
        }
        Ok(())
    }

    /// A neighbor tells what is not to be had from it.
    pub(crate) fn gone_received(
        &mut self,
        now: Now,
        id: ContactId,
        gone: &Gone,
        view: View<'_>,
    ) -> Result<(), StoreError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Some(neighbor) = contact.authenticated().cloned() else { return Ok(()) };
        let Some(interest) = contact.exchanges.interest else { return Ok(()) };
        for item in &gone.items {
            contact.exchanges.lacking.forget(&item.id);
        }
        if !self.gone.has_room_for(&neighbor) {
            let in_contact = |other: &Eid| {
                self.contacts.values().filter_map(Contact::authenticated).any(|name| name == other)
            };
            self.gone.of.retain(|other, _| in_contact(other));
        }
        for item in &gone.items {
            if self.gone.has_room_for(&neighbor) && !view.is_in_set(&item.id)? {
                let until = now.node.after_ms(item.seconds_left.min(SECONDS_MAX) * 1000);
                self.gone.note((&neighbor, interest), item.id, until);
            }
        }
        Ok(())
    }

    /// A neighbor said that something is gone, and does not know of it any more.
    pub(crate) fn no_longer_gone(&mut self, contact: &Contact, short: [u8; 8]) {
        if let Some(neighbor) = contact.authenticated() {
            self.gone.forget(neighbor, short);
        }
    }
}
