//! Making the store whole again: what is damaged goes, what can be derived is derived again.
//!
//! First the facts, row by row: a bundle with damaged octets is quarantined, a row that is missing or wrong is written. Then every
//! other table: a row that nothing accounts for is deleted. Totals are counted anew. Each piece may be a transaction of its own.

use bundle_format::{BundleId, Eid};

use crate::store::bundles::{IdRow, endpoint_key};
use crate::store::check::Totals;
use crate::store::facts::{behind, number_at};
use crate::store::{Fault, NeighborRecord, Number, Progress, Store, StoreError, Table, View, WriteTxn};

/// What a repair did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repaired {
    /// Bundles that were taken out because their octets or facts were damaged; neighbors may offer them again.
    pub quarantined: u64,
    /// Rows that were written, corrected or deleted.
    pub rows: u64,
}

/// Rows that are looked at in one piece.
const PIECE_ROWS: usize = 1024;

/// Where a repair goes on.
#[derive(Debug, Default)]
struct Cursor {
    /// The table's place in the order.
    table: usize,
    after: Option<Vec<u8>>,
}

impl Store {
    /// Repairs in transactions of a bounded size. Nothing else may write meanwhile.
    pub fn repair(&self, progress: &mut dyn FnMut(Progress)) -> Result<Repaired, StoreError> {
        let mut repaired = Repaired::default();
        let mut cursor = Cursor::default();
        let mut rows = 0_u64;
        while let Some(table) = Table::ALL.get(cursor.table).copied() {
            let mut txn = self.write()?;
            rows = rows.saturating_add(txn.repair_piece(&mut cursor, &mut repaired)?);
            txn.commit()?;
            progress(Progress { table, rows, of: rows });
        }
        Ok(repaired)
    }
}

impl WriteTxn<'_> {
    /// Repairs all in this transaction, which holds every changed page in memory until it is committed; for a large store in a
    /// bad state use [`Store::repair`].
    pub fn repair(&mut self) -> Result<Repaired, StoreError> {
        let mut repaired = Repaired::default();
        let mut cursor = Cursor::default();
        while cursor.table < Table::ALL.len() {
            self.repair_piece(&mut cursor, &mut repaired)?;
        }
        Ok(repaired)
    }

    /// Repairs the next piece, and moves the cursor behind it. Gives the number of rows that it looked at.
    fn repair_piece(&mut self, cursor: &mut Cursor, repaired: &mut Repaired) -> Result<u64, StoreError> {
        let Some(table) = Table::ALL.get(cursor.table).copied() else { return Ok(0) };
        if table == Table::Usage {
            self.recount(repaired)?;
            self.restore_cells(repaired)?;
            *cursor = Cursor { table: cursor.table + 1, after: None };
            return Ok(0);
        }
        let keys = self.view().keys_from(table, cursor.after.as_deref(), PIECE_ROWS)?;
        for key in &keys {
            if table == Table::Facts {
                self.repair_bundle(key, repaired)?;
            } else {
                self.repair_row(table, key, repaired)?;
            }
        }
        match keys.last() {
            Some(last) if keys.len() == PIECE_ROWS => cursor.after = Some(last.clone()),
            _ => *cursor = Cursor { table: cursor.table + 1, after: None },
        }
        Ok(keys.len() as u64)
    }

    fn repair_bundle(&mut self, key: &[u8], repaired: &mut Repaired) -> Result<(), StoreError> {
        let Ok(number) = number_at(Table::Facts, key) else {
            repaired.rows += u64::from(self.delete(Table::Facts, key)?);
            return Ok(());
        };
        let findings = self.view().examine_bundle(number)?;
        if findings.is_empty() {
            return Ok(());
        }
        let lost = findings
            .iter()
            .any(|finding| matches!(finding.table, Table::Facts | Table::Contents | Table::Chunks));
        if lost {
            self.quarantine(number)?;
            repaired.quarantined += 1;
            return Ok(());
        }
        repaired.rows += findings.len() as u64;
        self.derive_again(number)
    }

    /// Writes every row that derives from a bundle's facts.
    fn derive_again(&mut self, number: Number) -> Result<(), StoreError> {
        let Some(mut facts) = self.view().facts(number)? else { return Ok(()) };
        let queued = endpoint_key(facts.destination_number, number);
        let was_queued = self.view().has(Table::Queue, &queued)?;
        facts.source_number = self.settle_endpoint(facts.source_number, &facts.source)?;
        facts.destination_number = self.settle_endpoint(facts.destination_number, &facts.destination)?;
        facts.node_number = self.settle_endpoint(facts.node_number, &facts.charged_node())?;
        self.put(Table::Facts, &number.key(), &facts.encode())?;
        self.write_indexes(&facts)?;
        if let Some(payload) = facts.payload {
            self.put(Table::Payloads, &payload.key(), &number.key())?;
        }
        if was_queued {
            self.put(Table::Queue, &endpoint_key(facts.destination_number, number), b"")?;
        }
        self.write_evictability(&facts)
    }

    /// The number of an endpoint: the one that the list has, or the one that the facts have if the list has none.
    fn settle_endpoint(&mut self, number: u32, eid: &Eid) -> Result<u32, StoreError> {
        match self.view().endpoint(eid) {
            Ok(Some(listed)) => Ok(listed),
            Ok(None) | Err(StoreError::Damaged { .. }) => {
                self.put_endpoint(number, eid)?;
                Ok(number)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes a row that is damaged or that nothing accounts for; what can be put right is.
    fn repair_row(&mut self, table: Table, key: &[u8], repaired: &mut Repaired) -> Result<(), StoreError> {
        let fault = match self.view().get(table, key) {
            Ok(Some(body)) => self.view().examine_row(table, key, body),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let is_sound = match fault {
            Ok(None) => return Ok(()),
            Ok(Some(fault)) => fault != Fault::Damaged,
            Err(StoreError::Damaged { .. }) => false,
            Err(error) => return Err(error),
        };
        repaired.rows += 1;
        match table {
            Table::Ids if is_sound && self.restore_tombstone(key)? => Ok(()),
            Table::Ids => self.forget_id(key),
            Table::Neighbors if is_sound => self.restore_neighbor(key),
            // A bundle that waits for nobody any more may go.
            Table::Queue => {
                self.delete(table, key)?;
                number_at(table, key).map_or(Ok(()), |number| self.settle_evictability(number))
            }
            _ => self.delete(table, key).map(drop),
        }
    }

    /// An id that is remembered as gone stays so: its row among the tombstones is written again.
    fn restore_tombstone(&mut self, key: &[u8]) -> Result<bool, StoreError> {
        let Some(id) = key.try_into().ok().map(BundleId::from_bytes) else { return Ok(false) };
        let Some(row @ IdRow::Gone { .. }) = self.view().id_row(&id)? else { return Ok(false) };
        self.put_id(&id, Some(row))?;
        Ok(true)
    }

    /// An id that nothing accounts for goes, with all that follows from its row.
    fn forget_id(&mut self, key: &[u8]) -> Result<(), StoreError> {
        match key.try_into() {
            Ok(id) => self.put_id(&BundleId::from_bytes(id), None),
            Err(_) => self.delete(Table::Ids, key).map(drop),
        }
    }

    /// A neighbor has the number that the list of endpoints has for it.
    fn restore_neighbor(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let record = self.view().get(Table::Neighbors, key)?.and_then(NeighborRecord::decode);
        let Some(mut record) = record else { return Ok(()) };
        record.number = self.settle_endpoint(record.number, &record.node)?;
        self.put_neighbor(&record)
    }

    /// Counts the set anew where its cells are wrong. Comes when all ids are as they should be.
    fn restore_cells(&mut self, repaired: &mut Repaired) -> Result<(), StoreError> {
        let cells = self.view().recounted_cells()?;
        if self.settings().cells.is_known && self.view().set_cells()?.as_ref() == Some(&cells) {
            return Ok(());
        }
        repaired.rows += 1;
        self.take_set_changes();
        self.checkpoint_cells(&cells)
    }

    /// Writes totals and usage anew where they are wrong.
    fn recount(&mut self, repaired: &mut Repaired) -> Result<(), StoreError> {
        let Totals { total, unvouched, by_endpoint } = self.view().totals()?;
        if (self.settings().total, self.settings().unvouched) != (total, unvouched) {
            let settings = self.settings_mut();
            (settings.total, settings.unvouched) = (total, unvouched);
            repaired.rows += 1;
        }
        for key in self.view().keys_from(Table::Usage, None, usize::MAX)? {
            let node = key.as_slice().try_into().map(u32::from_be_bytes);
            if !node.is_ok_and(|node| by_endpoint.contains_key(&node)) {
                self.delete(Table::Usage, &key)?;
                repaired.rows += 1;
            }
        }
        for (node, usage) in by_endpoint {
            let right = matches!(self.view().usage_of_number(node), Ok(found) if found == usage);
            if !right {
                self.put(Table::Usage, &node.to_be_bytes(), &usage.encode())?;
                repaired.rows += 1;
            }
        }
        Ok(())
    }
}

impl View<'_> {
    /// Keys of a table in their order, of sound and of damaged rows.
    pub(crate) fn keys_from(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        self.rows_from(table, b"", behind(after))?
            .take(limit)
            .map(|row| match row {
                Ok((key, _)) => Ok(key.to_vec()),
                Err(StoreError::Damaged { key, .. }) => Ok(key),
                Err(error) => Err(error),
            })
            .collect()
    }
}
