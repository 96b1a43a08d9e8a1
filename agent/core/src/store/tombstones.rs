//! Ids of bundles that are gone and are not to come back, with an index by when they can be forgotten, in hours.

use bundle_format::BundleId;

use crate::store::bundles::IdRow;
use crate::store::record::Writer;
use crate::store::tables::misshapen;
use crate::store::{StoreError, Table, View, WriteTxn};
use crate::time::NodeTime;

const HOUR_MS: u64 = 3_600_000;

/// Ordered by hour only, so that ids buried together lie together whatever their own deadlines were.
pub(crate) fn key(until: NodeTime, id: &BundleId) -> Vec<u8> {
    let hour = u32::try_from(until.as_ms() / HOUR_MS).unwrap_or(u32::MAX);
    Writer::with_capacity(20).u32(hour).octets(id.as_bytes()).done()
}

pub(crate) fn id_at(key: &[u8]) -> Result<BundleId, StoreError> {
    key.last_chunk::<16>()
        .map(|id| BundleId::from_bytes(*id))
        .ok_or_else(|| misshapen(Table::Tombstones, key))
}

impl View<'_> {
    /// Until when an id is remembered as gone; `None` if it is not.
    pub fn gone_until(&self, id: &BundleId) -> Result<Option<NodeTime>, StoreError> {
        Ok(match self.id_row(id)? {
            Some(IdRow::Gone { until, .. }) => Some(until),
            _ => None,
        })
    }

    /// Keys of tombstones, or of ids that leave the set, from hours that are over.
    pub(crate) fn outlived(
        &self,
        table: Table,
        now: NodeTime,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let hour = (now.as_ms() / HOUR_MS).min(u64::from(u32::MAX));
        let mut outlived = Vec::new();
        for row in self.rows(table, b"")?.take(limit) {
            let (key, _) = row?;
            let until = key.first_chunk::<4>().ok_or_else(|| misshapen(table, key))?;
            if u64::from(u32::from_be_bytes(*until)) >= hour {
                break;
            }
            outlived.push(key.to_vec());
        }
        Ok(outlived)
    }
}

impl WriteTxn<'_> {
    /// Forgets at most `limit` ids whose time is over; whether some may be left.
    pub fn purge_tombstones(&mut self, now: NodeTime, limit: usize) -> Result<bool, StoreError> {
        let outlived = self.view().outlived(Table::Tombstones, now, limit)?;
        let is_full = outlived.len() == limit;
        self.forget_tombstones(outlived)?;
        Ok(is_full)
    }

    /// Forgets at most `limit` of the ids that are remembered beyond `most`, those first whose time is over soonest, and takes them
    /// out of the set; whether some may be left.
    pub fn forget_tombstones_beyond(&mut self, most: u64, limit: usize) -> Result<bool, StoreError> {
        let excess = self.view().len(Table::Tombstones)?.saturating_sub(most);
        let count = usize::try_from(excess).unwrap_or(limit).min(limit);
        let first = self.view().rows(Table::Tombstones, b"")?.take(count);
        let keys: Vec<Vec<u8>> = first.map(|row| Ok(row?.0.to_vec())).collect::<Result<_, StoreError>>()?;
        self.forget_tombstones(keys)?;
        Ok(count == limit)
    }

    fn forget_tombstones(&mut self, keys: Vec<Vec<u8>>) -> Result<(), StoreError> {
        for key in keys {
            let id = id_at(&key)?;
            if let Some(IdRow::Gone { .. }) = self.view().id_row(&id)? {
                self.put_id(&id, None)?;
            }
            self.delete(Table::Tombstones, &key)?;
        }
        Ok(())
    }
}
