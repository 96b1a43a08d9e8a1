//! Copies that nobody needs any more: a destination has said, in its record of deliveries, what its applications have taken
//! (`docs/records.md`, section 5).
//!
//! Only the word of the key that is trusted for a destination counts, and only about bundles to that destination. What is left to
//! look through is in the store until it is done, so that a crash forgets none of it.

use std::collections::VecDeque;
use std::sync::Arc;

use bundle_format::Eid;

use crate::agent::Agent;
use crate::cards::{self, cards_group};
use crate::deliveries::{self, Deliveries, deliveries_group};
use crate::output::Notice;
use crate::receiving::Arrival;
use crate::refusal::Refusal;
use crate::runs::Series;
use crate::store::{
    BundleFacts, Custodian, Hearing, Number, RecordKey, Retention, Standing, StoreError, View, WriteTxn,
};
use crate::time::Now;

/// Bundles looked at in one step.
const PURGED_PER_STEP: usize = 256;
/// Records of deliveries that are kept as values.
const READ_MAX: usize = 64;
/// Most octets of a record that is read.
const RECORD_OCTETS_MAX: u64 = 64 << 10;

/// Destinations whose delivered bundles are being looked for.
#[derive(Debug, Default)]
pub(crate) struct Purging {
    queue: VecDeque<Purge>,
    /// Records that were read, by destination, with the bundle that each was read from.
    read: std::collections::BTreeMap<Eid, (Number, Arc<Deliveries>)>,
}

#[derive(Debug)]
struct Purge {
    node: Eid,
    said: Arc<Deliveries>,
    endpoints: VecDeque<Eid>,
    after: Option<Number>,
}

impl Purging {
    pub(crate) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }
}

impl Agent {
    /// Goes on with what a crash or a restart interrupted.
    pub(crate) fn resume_purges(&mut self, view: View<'_>) -> Result<(), StoreError> {
        for node in view.purges()? {
            self.queue_purge(&node, view)?;
        }
        Ok(())
    }

    /// A record that is vouched for is here, and was not before; `way` is how it came.
    pub(crate) fn record_came(
        &mut self,
        now: Now,
        facts: &BundleFacts,
        way: &str,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        if facts.record.is_none() || facts.standing != Standing::Trusted {
            return Ok(());
        }
        let (Some(author), Some(signer)) = (facts.source.node_id(), &facts.signer) else { return Ok(()) };
        // Others of the same group are nothing that this version knows.
        let is_of = |name| {
            facts.record.map(|place| place.key)
                == Some(RecordKey::new(signer, &author, &facts.destination, name))
        };
        if !is_of(cards::NAME) && !is_of(deliveries::NAME) {
            return Ok(());
        }
        if facts.destination == cards_group() {
            store.put_hearing(&Hearing {
                node: author.clone(),
                card: facts.number,
                made: Some(facts.creation.time).filter(|time| time.0 != 0),
                came: now.node,
                came_utc: now.utc,
                way: way.to_owned(),
            })?;
        }
        if self.is_self(&author) {
            return self.own_record_came(now, facts, store);
        }
        if facts.destination == deliveries_group() {
            store.begin_purge(&author)?;
            self.queue_purge(&author, store.view())?;
        }
        Ok(())
    }

    fn queue_purge(&mut self, node: &Eid, view: View<'_>) -> Result<(), StoreError> {
        self.purging.queue.retain(|purge| purge.node != *node);
        let said = self.deliveries_of(node, view)?.unwrap_or_default();
        let endpoints = said.at.keys().cloned().collect();
        self.purging.queue.push_back(Purge { node: node.clone(), said, endpoints, after: None });
        Ok(())
    }

    /// Looks through some of the bundles to a destination that has said what was delivered.
    pub(crate) fn purge(&mut self, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(mut purge) = self.purging.queue.pop_front() else { return Ok(()) };
        let Some(endpoint) = purge.endpoints.front().cloned() else {
            return store.end_purge(&purge.node);
        };
        let page = store.view().bundles_for(&endpoint, purge.after, PURGED_PER_STEP)?;
        for number in &page {
            if let Some(facts) = store.view().facts(*number)?
                && purge.said.cover(&facts)
            {
                self.confirmed(&purge.node, &facts, store)?;
            }
        }
        purge.after = page.last().copied();
        if page.len() < PURGED_PER_STEP {
            purge.endpoints.pop_front();
            purge.after = None;
        }
        self.purging.queue.push_front(purge);
        Ok(())
    }

    /// A destination has a bundle. Its source keeps it, to be able to say so; all others drop their copies.
    fn confirmed(
        &mut self,
        by: &Eid,
        facts: &BundleFacts,
        store: &mut WriteTxn<'_>,
    ) -> Result<(), StoreError> {
        if facts.retention.contains(Retention::CUSTODY) {
            store.set_custody(facts.number, Custodian::NotUs)?;
        }
        if facts.source.node_id().is_some_and(|node| self.is_self(&node)) {
            if !facts.delivered {
                store.mark_delivered(facts.number)?;
                self.tell(Notice::Delivered { id: facts.id, by: by.clone() });
            }
            return Ok(());
        }
        self.discard(facts.number, store)
    }

    /// A bundle whose destination has had it is not taken in again: not at the destination itself either, should it have forgotten the id.
    pub(crate) fn already_delivered(
        &mut self,
        arrival: &Arrival<'_>,
        view: View<'_>,
    ) -> Result<Option<Refusal>, StoreError> {
        let primary = arrival.bundle.head().primary();
        let Some(node) = primary.destination.node_id() else { return Ok(None) };
        let signer = arrival.bundle.signer();
        let series = Series::of(&primary.source, primary.creation, signer.as_ref());
        let (destination, sequence) = (&primary.destination, primary.creation.sequence);
        let is_listed = if self.is_self(&node) {
            // Fragments of one bundle have its sequence number all.
            primary.fragment.is_none() && view.was_taken(destination, &series, sequence)?
        } else {
            let Some(said) = self.deliveries_of(&node, view)? else { return Ok(None) };
            said.at.get(destination).is_some_and(|runs| runs.contains(&series, sequence))
        };
        Ok(is_listed.then_some(Refusal::Delivered))
    }

    /// What a node says was delivered to it, by the key that is trusted for it.
    pub(crate) fn deliveries_of(
        &mut self,
        node: &Eid,
        view: View<'_>,
    ) -> Result<Option<Arc<Deliveries>>, StoreError> {
        let Some(trusted) = self.config.trusted_key(view, node)? else { return Ok(None) };
        let key = RecordKey::new(&trusted, node, &deliveries_group(), deliveries::NAME);
        let Some(row) = view.record(&key)? else { return Ok(None) };
        if let Some((number, said)) = self.purging.read.get(node)
            && *number == row.number
        {
            return Ok(Some(Arc::clone(said)));
        }
        let payload = match view.small_payload(row.number, RECORD_OCTETS_MAX) {
            Ok(payload) => payload.unwrap_or_default(),
            // Found, and taken out, where somebody asks for the bundle itself.
            Err(StoreError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let said = Arc::new(Deliveries::decode(&payload, node).unwrap_or_default());
        if self.purging.read.len() >= READ_MAX {
            self.purging.read.clear();
        }
        self.purging.read.insert(node.clone(), (row.number, Arc::clone(&said)));
        Ok(Some(said))
    }
}
