//! What this node's applications have taken, for its record of deliveries (`docs/records.md`): runs of sequence numbers, each until
//! the last of its bundles would have expired.
//!
//! A run's key has its first number complemented, so that the run that a number belongs to is the first row at or behind it.

use std::ops::Bound;

use bundle_format::{DtnTime, Eid};

use crate::runs::Series;
use crate::store::endpoints::name_key;
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{StoreError, Table, View, WriteTxn};
use crate::time::NodeTime;

/// Bundles in a row that were delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveredRun {
    /// The endpoint at which they were taken.
    pub destination: Eid,
    /// Whose they are.
    pub series: Series,
    /// The first and the last sequence number.
    pub run: (u64, u64),
    /// When the last of them would have expired.
    pub until: NodeTime,
}

impl DeliveredRun {
    fn prefix(&self) -> Vec<u8> {
        Writer::with_capacity(49)
            .octets(&name_key(&self.destination.to_cbor()))
            .octets(&name_key(&self.series.source.to_cbor()))
            .u8(u8::from(self.series.time.is_some()))
            .u64(self.series.time.map_or(0, |time| time.0))
            .done()
    }

    fn key(&self) -> Vec<u8> {
        key(&self.prefix(), self.run.0)
    }

    fn encode(&self) -> Vec<u8> {
        Writer::with_capacity(96)
            .u64(self.run.0)
            .u64(self.run.1)
            .u64(self.until.as_ms())
            .u8(u8::from(self.series.time.is_some()))
            .u64(self.series.time.map_or(0, |time| time.0))
            .counted(&self.destination.to_cbor())
            .counted(&self.series.source.to_cbor())
            .done()
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let run = (fields.u64()?, fields.u64()?);
        let until = NodeTime::from_ms(fields.u64()?);
        let (has_time, time) = (fields.u8()? != 0, DtnTime(fields.u64()?));
        let destination = Eid::from_cbor(fields.counted()?).ok()?;
        let source = Eid::from_cbor(fields.counted()?).ok()?;
        fields.end()?;
        Some(Self { destination, series: Series { source, time: has_time.then_some(time) }, run, until })
    }
}

fn key(prefix: &[u8], first: u64) -> Vec<u8> {
    Writer::with_capacity(prefix.len() + 8).octets(prefix).u64(!first).done()
}

impl View<'_> {
    /// All runs, in no order that means anything.
    pub fn delivered_runs(&self) -> Result<Vec<DeliveredRun>, StoreError> {
        let rows = self.rows(Table::Delivered, b"")?;
        rows.map(|row| {
            let (key, body) = row?;
            DeliveredRun::decode(body).ok_or_else(|| misshapen(Table::Delivered, key))
        })
        .collect()
    }

    /// Whether an application here has taken a bundle, as far as that is still listed.
    pub fn was_taken(&self, destination: &Eid, series: &Series, sequence: u64) -> Result<bool, StoreError> {
        let run = (sequence, sequence);
        let (destination, series) = (destination.clone(), series.clone());
        let taken = DeliveredRun { destination, series, run, until: NodeTime::default() };
        let before = self.run_before(&taken.prefix(), sequence)?;
        Ok(before.is_some_and(|before| before.run.1 >= sequence))
    }

    /// The run that begins at or before a number.
    fn run_before(&self, prefix: &[u8], sequence: u64) -> Result<Option<DeliveredRun>, StoreError> {
        let start = key(prefix, sequence);
        let mut rows = self.rows_from(Table::Delivered, prefix, Bound::Included(&start))?;
        let Some(row) = rows.next() else { return Ok(None) };
        let (key, body) = row?;
        DeliveredRun::decode(body).map(Some).ok_or_else(|| misshapen(Table::Delivered, key))
    }
}

impl WriteTxn<'_> {
    /// An application has taken a bundle, or several in a row: they join the runs that they touch.
    pub fn note_delivered(&mut self, taken: DeliveredRun) -> Result<(), StoreError> {
        let (prefix, mut joined) = (taken.prefix(), taken);
        if let Some(before) = self.view().run_before(&prefix, joined.run.0)?
            && before.run.1.saturating_add(1) >= joined.run.0
        {
            self.delete(Table::Delivered, &before.key())?;
            joined.run = (before.run.0, joined.run.1.max(before.run.1));
            joined.until = joined.until.max(before.until);
        }
        while let Some(next) = self.view().run_before(&prefix, joined.run.1.saturating_add(1))?
            && next.run.0 > joined.run.0
        {
            self.delete(Table::Delivered, &next.key())?;
            joined.run.1 = joined.run.1.max(next.run.1);
            joined.until = joined.until.max(next.until);
        }
        self.put(Table::Delivered, &joined.key(), &joined.encode())
    }

    /// Forgets a run.
    pub fn forget_delivered(&mut self, run: &DeliveredRun) -> Result<(), StoreError> {
        self.delete(Table::Delivered, &run.key()).map(drop)
    }
}
