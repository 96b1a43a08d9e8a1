//! The cells of the set on disk: a checkpoint, and a log of what came and went since, so that a start neither scans the store nor
//! loses what a crash cut off. `docs/store.md` has the records.
//!
//! The agent keeps the cells in memory and writes the checkpoint; the log is written with each commit, whoever changed the set.
//! Where the cells are lost (damage, or a log that grew too long without an agent) that is noted, and the agent counts the set anew.

use bundle_format::BundleId;

use crate::sketch::{CELLS_MAX, Cell, Prefix};
use crate::store::examination::sound;
use crate::store::facts::{behind, number_at};
use crate::store::record::{Reader, Writer};
use crate::store::{Partition, StoreError, Table, View, WriteTxn};

/// Changes in the log after which the agent writes a checkpoint, which is half a mebibyte.
pub(crate) const CHECKPOINT_CHANGES: u64 = 8192;
/// Changes in the log after which it is given up: reading it would take longer than one wants to wait for a start.
const LOG_CHANGES_MAX: u64 = 65_536;
/// Changes in a row of the log: within the 64 KiB that a value may have.
const CHANGES_PER_ROW: usize = 2048;
const CELLS_PER_BLOCK: usize = 1024;

/// What the settings say about the cells on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellsState {
    /// Whether checkpoint and log together are the set.
    pub(crate) is_known: bool,
    /// The last row of the log that the checkpoint covers. 0: the checkpoint is that of the empty set, and is not written.
    pub(crate) covered: u64,
    /// The last row of the log.
    pub(crate) last: u64,
    /// Changes in the rows between.
    pub(crate) changes: u64,
}

impl CellsState {
    pub(crate) const EMPTY: Self = Self { is_known: true, covered: 0, last: 0, changes: 0 };
}

/// An id that came into the set, or left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetChange {
    pub(crate) id: BundleId,
    pub(crate) partition: Partition,
    pub(crate) step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Left,
    Joined,
}

impl SetChange {
    /// Does to cells what was done to the set.
    pub(crate) fn apply(&self, cells: &mut Prefix) {
        match self.step {
            Step::Joined => cells.insert(&self.id),
            Step::Left => cells.remove(&self.id),
        }
    }

    fn encode(self, row: Writer) -> Writer {
        row.u8(self.step as u8).octets(self.id.as_bytes()).octets(self.partition.as_bytes())
    }

    fn decode(fields: &mut Reader<'_>) -> Option<Self> {
        let step = match fields.u8()? {
            0 => Step::Left,
            1 => Step::Joined,
            _ => return None,
        };
        let id = BundleId::from_bytes(fields.array()?);
        Some(Self { id, partition: Partition::from_bytes(fields.array()?), step })
    }
}

/// What a transaction did to the set.
#[derive(Debug, Default)]
pub(crate) struct SetChanges {
    changes: Vec<SetChange>,
    /// How many of them the agent has seen.
    taken: usize,
    /// How many are in the checkpoint that this transaction wrote.
    covered: usize,
}

impl SetChanges {
    pub(crate) fn unlogged(&self) -> &[SetChange] {
        self.changes.get(self.covered..).unwrap_or_default()
    }
}

/// The changes of a row of the log.
pub(crate) fn decode_log(body: &[u8]) -> Option<Vec<SetChange>> {
    let mut fields = Reader::new(body);
    let mut changes = Vec::new();
    while fields.end().is_none() {
        changes.push(SetChange::decode(&mut fields)?);
    }
    Some(changes)
}

/// The cells of a block of a checkpoint, if it is of the one that covers so much.
fn decode_block(body: &[u8], covered: u64, cells: &mut Vec<Cell>) -> Option<()> {
    let mut fields = Reader::new(body);
    if fields.u64()? != covered {
        return None;
    }
    while fields.end().is_none() {
        cells.push(Cell {
            sum: u128::from_be_bytes(fields.array()?),
            checksum: fields.u64()?,
            count: fields.u64()?.cast_signed(),
        });
    }
    Some(())
}

impl View<'_> {
    /// The cells of the set as they are on disk, and in this transaction; `None` if they are lost. Reads the checkpoint and the log behind
    /// it, whatever the store holds.
    pub fn set_cells(&self) -> Result<Option<Prefix>, StoreError> {
        let Some(state) = sound(self.settings())?.map(|settings| settings.cells) else { return Ok(None) };
        if !state.is_known {
            return Ok(None);
        }
        let Some(mut cells) = self.checkpoint(state.covered)? else { return Ok(None) };
        let mut expected = state.covered;
        for row in self.rows_from(Table::SetLog, b"", behind(Some(&expected.to_be_bytes())))? {
            let Some((key, body)) = sound(row)? else { return Ok(None) };
            let (Ok(number), Some(changes)) = (number_at(Table::SetLog, key), decode_log(body)) else {
                return Ok(None);
            };
            expected += 1;
            if number.value() != expected {
                return Ok(None);
            }
            for change in &changes {
                change.apply(&mut cells);
            }
        }
        if expected != state.last {
            return Ok(None);
        }
        self.unlogged.iter().for_each(|change| change.apply(&mut cells));
        Ok(Some(cells))
    }

    fn checkpoint(&self, covered: u64) -> Result<Option<Prefix>, StoreError> {
        if covered == 0 {
            return Ok(Some(Prefix::new(CELLS_MAX)));
        }
        let mut cells = Vec::with_capacity(CELLS_MAX);
        for row in self.rows(Table::SetCells, b"")? {
            let Some((_, body)) = sound(row)? else { return Ok(None) };
            if cells.len() >= CELLS_MAX || decode_block(body, covered, &mut cells).is_none() {
                return Ok(None);
            }
        }
        Ok((cells.len() == CELLS_MAX).then(|| Prefix::from_cells(cells)))
    }

    /// The cells of the set, from the index of ids: reads all of it.
    pub(crate) fn recounted_cells(&self) -> Result<Prefix, StoreError> {
        let mut cells = Prefix::new(CELLS_MAX);
        let mut after = None;
        loop {
            let piece = self.set_piece(after, CHANGES_PER_ROW)?;
            piece.members.iter().for_each(|(id, _)| cells.insert(id));
            if piece.rows < CHANGES_PER_ROW {
                return Ok(cells);
            }
            after = piece.last;
        }
    }

    /// Whether the cells on disk are those of the set. Cells that are known to be lost are no fault: the agent counts anew.
    pub(crate) fn are_cells_true(&self) -> Result<bool, StoreError> {
        let is_known = sound(self.settings())?.is_some_and(|settings| settings.cells.is_known);
        Ok(!is_known || self.set_cells()? == Some(self.recounted_cells()?))
    }
}

impl WriteTxn<'_> {
    /// Notes in which partition of the set an id was before, and is now.
    pub(crate) fn note_change(&mut self, id: &BundleId, before: Option<Partition>, after: Option<Partition>) {
        if before == after {
            return;
        }
        let changes = &mut self.set_changes_mut().changes;
        if let Some(partition) = before {
            changes.push(SetChange { id: *id, partition, step: Step::Left });
        }
        if let Some(partition) = after {
            changes.push(SetChange { id: *id, partition, step: Step::Joined });
        }
    }

    /// What came into the set and left it since this was called last in this transaction.
    pub(crate) fn take_set_changes(&mut self) -> Vec<SetChange> {
        let all = self.set_changes_mut();
        let new = all.changes.get(all.taken..).unwrap_or_default().to_vec();
        all.taken = all.changes.len();
        new
    }

    /// Whether the cells on disk are those of the set, and how many changes the log has that the checkpoint does not cover.
    pub(crate) fn cells_on_disk(&self) -> (bool, u64) {
        let state = self.settings().cells;
        (state.is_known, state.changes)
    }

    /// The cells on disk are no longer those of the set.
    pub(crate) fn forget_cells(&mut self) {
        self.settings_mut().cells.is_known = false;
    }

    /// Writes a checkpoint: the cells of the set with all changes that were taken. The log before it goes.
    pub(crate) fn checkpoint_cells(&mut self, cells: &Prefix) -> Result<(), StoreError> {
        for table in [Table::SetLog, Table::SetCells] {
            for key in self.view().keys_from(table, None, usize::MAX)? {
                self.delete(table, &key)?;
            }
        }
        let covered = self.settings().cells.last + 1;
        for (block, cells) in (0_u32..).zip(cells.cells().chunks(CELLS_PER_BLOCK)) {
            let mut body = Writer::with_capacity(8 + 32 * CELLS_PER_BLOCK).u64(covered);
            for cell in cells {
                body =
                    body.octets(&cell.sum.to_be_bytes()).u64(cell.checksum).u64(cell.count.cast_unsigned());
            }
            self.put(Table::SetCells, &block.to_be_bytes(), &body.done())?;
        }
        self.settings_mut().cells = CellsState { is_known: true, covered, last: covered, changes: 0 };
        let changes = self.set_changes_mut();
        changes.covered = changes.taken;
        Ok(())
    }

    /// Writes what this transaction did to the set into the log, before it is committed.
    pub(crate) fn log_set_changes(&mut self) -> Result<(), StoreError> {
        let changes = self.set_changes_mut().unlogged().to_vec();
        if changes.is_empty() || !self.settings().cells.is_known {
            return Ok(());
        }
        let mut state = self.settings().cells;
        state.changes += changes.len() as u64;
        if state.changes > LOG_CHANGES_MAX {
            self.forget_cells();
            return Ok(());
        }
        for changes in changes.chunks(CHANGES_PER_ROW) {
            state.last += 1;
            let row = changes
                .iter()
                .fold(Writer::with_capacity(25 * changes.len()), |row, change| change.encode(row));
            self.put(Table::SetLog, &state.last.to_be_bytes(), &row.done())?;
        }
        self.settings_mut().cells = state;
        Ok(())
    }
}
