//! Bundles that wait for an application at a local endpoint, in the order in which they came.

use bundle_format::Eid;

use crate::store::bundles::endpoint_key;
use crate::store::facts::{behind, number_at};
use crate::store::{Number, Retention, StoreError, Table, View, WriteTxn};

impl View<'_> {
    /// The bundle that waits at an endpoint next behind `after`.
    pub fn queued(&self, endpoint: &Eid, after: Option<Number>) -> Result<Option<Number>, StoreError> {
        let Some(endpoint) = self.endpoint(endpoint)? else { return Ok(None) };
        let start = after.map(|number| endpoint_key(endpoint, number));
        let prefix = endpoint.to_be_bytes();
        let mut rows = self.rows_from(Table::Queue, &prefix, behind(start.as_ref().map(|key| &key[..])))?;
        rows.next().map(|row| number_at(Table::Queue, row?.0)).transpose()
    }

    /// How many bundles wait at an endpoint. Counts them.
    pub fn queue_len(&self, endpoint: &Eid) -> Result<u64, StoreError> {
        let Some(endpoint) = self.endpoint(endpoint)? else { return Ok(0) };
        self.rows(Table::Queue, &endpoint.to_be_bytes())?.try_fold(0, |count, row| row.map(|_| count + 1))
    }
}

impl WriteTxn<'_> {
    /// Lets a bundle wait at its destination. It stays in the queue until it is dequeued or discarded.
    pub fn enqueue(&mut self, endpoint: &Eid, number: Number) -> Result<(), StoreError> {
        let Some(facts) = self.view().facts(number)? else { return Ok(()) };
        assert!(facts.destination == *endpoint, "a bundle waits at its own destination");
        self.put(Table::Queue, &endpoint_key(facts.destination_number, number), b"")?;
        self.settle_evictability(number)
    }

    /// An application has taken a bundle; whether it waited there.
    pub fn dequeue(&mut self, endpoint: &Eid, number: Number) -> Result<bool, StoreError> {
        let Some(endpoint) = self.view().endpoint(endpoint)? else { return Ok(false) };
        let waited = self.delete(Table::Queue, &endpoint_key(endpoint, number))?;
        self.settle_evictability(number)?;
        Ok(waited)
    }

    /// Nobody waits for an endpoint's bundles any more.
    pub fn clear_queue(&mut self, endpoint: &Eid) -> Result<(), StoreError> {
        let mut next = self.view().queued(endpoint, None)?;
        while let Some(number) = next {
            self.dequeue(endpoint, number)?;
            next = self.view().queued(endpoint, Some(number))?;
        }
        Ok(())
    }

    /// Says why a bundle is kept.
    pub fn set_retention(&mut self, number: Number, retention: Retention) -> Result<(), StoreError> {
        self.change_facts(number, |facts| facts.retention = retention)
    }

    /// Notes that a bundle's destination has it.
    pub fn mark_delivered(&mut self, number: Number) -> Result<(), StoreError> {
        self.change_facts(number, |facts| facts.delivered = true)
    }
}
