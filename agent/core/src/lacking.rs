//! What an exchange found a neighbor to have and us to lack: it is asked for, some hundred bundles at a time, and from one neighbor at a time.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::BundleId;

use crate::agent::Agent;
use crate::input::ContactId;
use crate::message::{ContactMessage, OFFERED_MAX, Want, short_id};
use crate::store::{StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// Bundles that one neighbor is asked for at a time.
const AWAITED_MAX: usize = 512;
/// How long one that was asked for may take before it is asked for again, here or elsewhere; doubled each time.
const AWAITED_MS: u64 = 60_000;
/// How often it is asked for.
const ASKED_MAX: u8 = 3;
/// When to look again for bundles that another neighbor was asked for.
const ELSEWHERE_MS: u64 = 5_000;
/// Octets of a Want besides its ids.
const WANT_AROUND: usize = 6;

/// What one neighbor has and we lack.
#[derive(Debug, Default)]
pub(crate) struct Lacking {
    /// Not asked for yet.
    ids: BTreeSet<BundleId>,
    /// Asked for.
    awaited: BTreeMap<BundleId, Awaited>,
    /// When to look again whether others were asked in vain.
    look_again: Option<NodeTime>,
}

#[derive(Debug, Clone, Copy)]
struct Awaited {
    again: NodeTime,
    asked: u8,
}

impl Agent {
    /// Asks a neighbor for bundles that it has, as many as may be awaited at a time.
    pub(crate) fn ask_for_lacking(
        &mut self,
        now: Now,
        id: ContactId,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        let is_asked_elsewhere = |id: &BundleId| {
            self.contacts.values().any(|other| other.exchanges.lacking.is_expected(id, now.node))
        };
        let fitting = contact.message_octets_max().saturating_sub(WANT_AROUND) / size_of::<[u8; 8]>();
        let mut wants = Vec::new();
        while contact.messages_in_flight() + wants.len() < crate::contact::MESSAGES_MAX {
            let most = fitting.clamp(1, OFFERED_MAX);
            let ids = contact.exchanges.lacking.take_due(now.node, most, is_asked_elsewhere);
            if ids.is_empty() {
                break;
            }
            wants.push(Want { ids: ids.iter().map(short_id).collect() });
        }
        self.contacts.insert(id, contact);
        for want in wants {
            self.send_message(now, id, &ContactMessage::Want(want), store)?;
        }
        Ok(())
    }

    /// A bundle is here: nobody need be asked for it.
    pub(crate) fn no_longer_lacking(&mut self, id: &BundleId) {
        for contact in self.contacts.values_mut() {
            contact.exchanges.lacking.forget(id);
        }
    }

    /// A neighbor asks for a bundle that it learned of from an exchange: it is queued, or said to be gone.
    pub(crate) fn wanted_unoffered(
        &mut self,
        id: ContactId,
        short: [u8; 8],
        view: View<'_>,
    ) -> Result<(), StoreError> {
        let Some(mut contact) = self.contacts.remove(&id) else { return Ok(()) };
        let found = if contact.authenticated().is_some() { view.set_member(short)? } else { None };
        match found {
            Some((_, Some(number))) => {
                // It asks again for what has no place now.
                if contact.has_room()
                    && let Some(rank) = self.offerable(&contact, number, view)?
                {
                    contact.queue(rank);
                }
            }
            Some((gone, None)) => contact.exchanges.is_gone(gone),
            None => self.no_longer_gone(&contact, short),
        }
        self.contacts.insert(id, contact);
        Ok(())
    }
}

impl Lacking {
    /// Takes over what a new exchange found: it knows better than the last one.
    pub(crate) fn replace(&mut self, ids: BTreeSet<BundleId>) {
        self.ids = ids;
    }

    /// It is here, or not to be had.
    pub(crate) fn forget(&mut self, id: &BundleId) {
        self.ids.remove(id);
        self.awaited.remove(id);
    }

    fn is_expected(&self, id: &BundleId, now: NodeTime) -> bool {
        self.awaited.get(id).is_some_and(|awaited| awaited.asked == 1 && awaited.again > now)
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<NodeTime> {
        self.awaited.values().map(|awaited| awaited.again).chain(self.look_again).min()
    }

    /// Ids that are to be asked for now, in one message.
    fn take_due(
        &mut self,
        now: NodeTime,
        most: usize,
        is_asked_elsewhere: impl Fn(&BundleId) -> bool,
    ) -> Vec<BundleId> {
        self.awaited.retain(|_, awaited| awaited.again > now || awaited.asked < ASKED_MAX);
        let overdue = self.awaited.iter().filter(|(_, awaited)| awaited.again <= now);
        let mut ids: Vec<BundleId> = overdue.map(|(id, _)| *id).take(most).collect();
        let is_time = self.look_again.is_none_or(|at| at <= now);
        if is_time {
            self.look_again = None;
        }
        if is_time && self.awaited.len() <= AWAITED_MAX / 2 {
            let free = self.ids.iter().filter(|id| !is_asked_elsewhere(id));
            ids.extend(free.take(most.saturating_sub(ids.len())));
            self.look_again = (ids.is_empty() && !self.ids.is_empty()).then(|| now.after_ms(ELSEWHERE_MS));
        }
        for id in &ids {
            self.ids.remove(id);
            let awaited = self.awaited.entry(*id).or_insert(Awaited { again: now, asked: 0 });
            awaited.again = now.after_ms(AWAITED_MS << awaited.asked);
            awaited.asked += 1;
        }
        ids
    }
}
