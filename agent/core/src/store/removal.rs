//! Discarding a bundle: its octets go, its id may stay.

use bundle_format::BundleId;

use crate::store::bundles::{IdRow, endpoint_key};
use crate::store::facts::BundleFacts;
use crate::store::membership::Membership;
use crate::store::payloads::chunk_count;
use crate::store::{Number, Partition, Retention, StoreError, Table, WriteTxn, expiry, identities};
use crate::time::NodeTime;

/// Whether the id of a discarded bundle is remembered, so that the bundle does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstone {
    /// Until then, and in the set that is reconciled with neighbors as long as the bundle would not have expired: it went before
    /// its time, and nobody is to offer it again.
    InSetUntil(NodeTime),
    /// Until then, on the node's own scale; the memory is taken back within the hour that follows.
    Until(NodeTime),
    /// Not at all: the bundle may be received again.
    None,
}

impl WriteTxn<'_> {
    /// Discards a bundle, with its place in every queue and index; whether it was here.
    pub fn remove(&mut self, number: Number, tombstone: Tombstone) -> Result<bool, StoreError> {
        let Some(facts) = self.view().facts(number)? else { return Ok(false) };
        self.remove_known(&facts, tombstone)?;
        Ok(true)
    }

    pub(crate) fn remove_known(
        &mut self,
        facts: &BundleFacts,
        tombstone: Tombstone,
    ) -> Result<(), StoreError> {
        let key = facts.number.key();
        self.forget_evictability(facts)?;
        self.delete(Table::Facts, &key)?;
        self.delete(Table::Contents, &key)?;
        if let Some(payload) = facts.payload {
            self.delete(Table::Payloads, &payload.key())?;
            self.abandon_chunks(payload, chunk_count(facts.payload_octets))?;
        }
        self.delete(Table::Identities, &identities::key(facts))?;
        self.delete(Table::Expiry, &expiry::key(facts.deadline, facts.number))?;
        let at_destination = endpoint_key(facts.destination_number, facts.number);
        self.delete(Table::Destinations, &at_destination)?;
        self.delete(Table::Queue, &at_destination)?;
        self.unlist_record(facts)?;
        self.forget_holders(facts.number)?;
        if facts.retention.contains(Retention::CUSTODY) {
            self.forget_issued(facts.number)?;
        }
        self.bury(facts, tombstone)?;
        self.discharge(facts)?;
        self.release_endpoint(facts.source_number, &facts.source)?;
        self.release_endpoint(facts.destination_number, &facts.destination)
    }

    /// Remembers the id of a bundle that is not to come in, though it never was here.
    pub fn remember_gone(&mut self, id: &BundleId, tombstone: Tombstone) -> Result<(), StoreError> {
        match (self.view().find(id)?, tombstone) {
            (None, Tombstone::Until(until)) => self.put_id(id, Some(IdRow::Gone { until, member: None })),
            _ => Ok(()),
        }
    }

    fn bury(&mut self, facts: &BundleFacts, tombstone: Tombstone) -> Result<(), StoreError> {
        let partition = Partition::of(&facts.destination);
        let row = match tombstone {
            Tombstone::InSetUntil(until) => {
                let leaves = facts.deadline.min(until);
                Some(IdRow::Gone { until, member: Some(Membership { leaves, partition }) })
            }
            Tombstone::Until(until) => Some(IdRow::Gone { until, member: None }),
            Tombstone::None => None,
        };
        self.put_id(&facts.id, row)
    }
}
