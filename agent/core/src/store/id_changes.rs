//! What changed in the index of ids during a transaction. The agent keeps cells of the set of ids in memory
//! (`crate::set`); whatever comes into the index or leaves it, by whichever procedure, is noted here and nowhere else.

use bundle_format::BundleId;

use crate::store::bundles::IdRow;
use crate::store::{StoreError, Table, View, WriteTxn};
use crate::time::NodeTime;

/// An id whose row changed: what the row said before, and what it says now. `None`: there was, or is, none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdChange {
    pub(crate) id: BundleId,
    pub(crate) before: Option<IdRow>,
    pub(crate) after: Option<IdRow>,
}

/// The changes of a transaction.
#[derive(Debug, Default)]
pub(crate) struct IdChanges {
    pub(crate) changes: Vec<IdChange>,
    /// A row that could not be read was overwritten: the set is to be counted anew.
    pub(crate) unknown: bool,
}

impl View<'_> {
    /// Rows of the index of ids in their order, those behind `after`. A damaged one is left out.
    pub(crate) fn id_rows_from(
        &self,
        after: Option<BundleId>,
        limit: usize,
    ) -> Result<Vec<(BundleId, IdRow)>, StoreError> {
        let start = after.as_ref().map(|id| id.as_bytes().as_slice());
        let mut found = Vec::with_capacity(limit);
        for row in self.rows_from(Table::Ids, b"", crate::store::facts::behind(start))? {
            match row {
                Ok((key, body)) => {
                    if let (Ok(id), Ok(row)) = (<[u8; 16]>::try_from(key), IdRow::decode(key, body)) {
                        found.push((BundleId::from_bytes(id), row));
                    }
                }
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    /// Ids that are remembered as gone until the hour of `until` or before, behind a given one in the order of hour and id.
    pub(crate) fn tombstones_through(
        &self,
        (after, until): ((NodeTime, BundleId), NodeTime),
        limit: usize,
    ) -> Result<Vec<(NodeTime, BundleId)>, StoreError> {
        let after = crate::store::tombstones::key(after.0, &after.1);
        let last = crate::store::tombstones::key(until, &BundleId::from_bytes([u8::MAX; 16]));
        let mut found = Vec::new();
        for row in
            self.rows_from(Table::Tombstones, b"", crate::store::facts::behind(Some(&after)))?.take(limit)
        {
            let (key, _) = row?;
            if key > last.as_slice() {
                break;
            }
            found.push((crate::store::tombstones::hour_at(key)?, crate::store::tombstones::id_at(key)?));
        }
        Ok(found)
    }
}

impl WriteTxn<'_> {
    /// The changes since this was called last.
    pub(crate) fn take_id_changes(&mut self) -> IdChanges {
        std::mem::take(self.id_changes_mut())
    }

    /// Notes that the row of an id is about to say something else.
    pub(crate) fn note_id_change(&mut self, key: &[u8], body: Option<&[u8]>) -> Result<(), StoreError> {
        let Some(id) = key.try_into().ok().map(BundleId::from_bytes) else { return Ok(()) };
        let after = body.map(|body| IdRow::decode(key, body)).transpose()?;
        match self.view().id_row(&id) {
            Ok(before) => self.id_changes_mut().changes.push(IdChange { id, before, after }),
            Err(StoreError::Damaged { .. }) => self.id_changes_mut().unknown = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
