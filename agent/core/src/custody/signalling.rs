//! Custody signals on their way: answers that wait are put together, many in one signed bundle for each custodian
//! (CCSDS 734.6-O-1 §4.2).
//!
//! Nothing can be lost in between: an answer goes in the transaction that stores the signal with it, and a signal is
//! stored, offered and carried like any bundle, administrative records first.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::{BundleFlags, CustodySignal, Eid};
use bytes::Bytes;

use crate::agent::Agent;
use crate::contact::Contact;
use crate::input::ContactId;
use crate::receiving::Origin;
use crate::store::{BundleFacts, Disposition, Number, Owed, PayloadPlace, StoreError, WriteTxn};
use crate::time::{NodeTime, Now};

/// How long an answer waits for others that go with it.
const GATHERED_MS: u64 = 500;
/// So many answers wait no longer.
const GATHERED_MAX: usize = 1024;
/// Answers that are put into signals in one step.
const SIGNALLED_PER_STEP: usize = 4096;
/// How long after a full store the next try comes.
const NO_ROOM_PAUSE_MS: u64 = 60_000;
/// A signal lives as long as the longest-lived bundle that it is about, but no shorter than this, and no longer than that.
const LIFETIME_MS_MIN: u64 = 3_600_000;
const LIFETIME_MS_MAX: u64 = 30 * 86_400_000;

/// Numbers by sequence.
type Numbers = BTreeMap<u64, BTreeSet<u64>>;

/// What one custodian is to be told.
#[derive(Debug, Default)]
struct Telling {
    accepted: Numbers,
    refused: Numbers,
    deadline: NodeTime,
    rows: Vec<Owed>,
}

impl Telling {
    fn add(&mut self, owed: Owed) {
        let numbers = match owed.disposition {
            Disposition::Accepted => &mut self.accepted,
            Disposition::Refused => &mut self.refused,
        };
        numbers.entry(owed.issued.sequence).or_default().insert(owed.issued.number);
        self.deadline = self.deadline.max(owed.deadline);
        self.rows.push(owed);
    }
}

impl Agent {
    /// An answer waits.
    pub(crate) fn signal_soon(&mut self, now: Now) {
        let due = if self.custody.owed >= GATHERED_MAX { now.node } else { now.node.after_ms(GATHERED_MS) };
        self.custody.due = Some(self.custody.due.map_or(due, |other| other.min(due)));
    }

    /// Makes signals of the answers that wait, once it is time.
    pub(crate) fn signal_custodians(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        if self.custody.due.is_none_or(|due| due > now.node) {
            return Ok(());
        }
        let owed = store.view().owed(SIGNALLED_PER_STEP)?;
        let more = owed.len() == SIGNALLED_PER_STEP;
        self.custody.due = more.then_some(now.node);
        self.custody.owed = if more { self.custody.owed.saturating_sub(owed.len()) } else { 0 };
        let mut tellings: BTreeMap<Eid, Telling> = BTreeMap::new();
        for owed in owed {
            if owed.deadline <= now.node {
                store.settle_owed(&owed)?;
            } else {
                tellings.entry(owed.custodian.clone()).or_default().add(owed);
            }
        }
        for (custodian, telling) in tellings {
            self.tell_custodian(now, custodian, &telling, store)?;
        }
        Ok(())
    }

    /// Records that this node made for a neighbor whose contact is open need nobody else to carry them.
    pub(crate) fn goes_straight(&self, contact: &Contact, facts: &BundleFacts) -> bool {
        if !facts.is_administrative || !facts.source.node_id().is_some_and(|node| self.is_self(&node)) {
            return false;
        }
        let destination = facts.destination.node_id();
        let is_at = |contact: &Contact| {
            contact.authenticated().is_some_and(|node| Some(node) == destination.as_ref())
        };
        !is_at(contact) && self.contacts.values().any(is_at)
    }

    /// Such a record has served its purpose once its destination has it.
    pub(crate) fn signal_arrived(
        &mut self,
        id: ContactId,
        number: Number,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let neighbor = self.contacts.get(&id).and_then(Contact::authenticated);
        let Some(facts) = store.view().facts(number)? else { return Ok(()) };
        let is_ours = facts.source.node_id().is_some_and(|node| self.is_self(&node));
        if facts.is_administrative
            && is_ours
            && neighbor.is_some()
            && facts.destination.node_id().as_ref() == neighbor
        {
            self.discard(number, store)?;
        }
        Ok(())
    }

    fn tell_custodian(
        &mut self,
        now: Now,
        custodian: Eid,
        telling: &Telling,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        let lifetime_ms = telling.deadline.since_ms(now.node).clamp(LIFETIME_MS_MIN, LIFETIME_MS_MAX);
        let record = CustodySignal::about(&telling.accepted, &telling.refused).record(&self.config.profile);
        let mut draft = self.draft(custodian, lifetime_ms, Self::take_timestamp(now, store)?);
        draft.flags |= BundleFlags::ADMINISTRATIVE_RECORD;
        let bundle = draft
            .sign(&self.config.profile, &self.config.key, Bytes::from(record.encode()))
            .expect("a signal of bounded size in a bundle of our own making");
        let place = (PayloadPlace::Inline, Origin::Signal);
        if self.originate(now, &bundle, place, store)?.is_err() {
            self.custody.owed += telling.rows.len();
            self.custody.due = Some(now.node.after_ms(NO_ROOM_PAUSE_MS));
            return Ok(());
        }
        telling.rows.iter().try_for_each(|owed| store.settle_owed(owed))
    }
}
