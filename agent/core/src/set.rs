//! The cells of the set that is reconciled with neighbors, in memory, kept up with every change (`docs/sync.md`, "The set").
//!
//! `Agent::open` reads them from the store's checkpoint and log, and scans nothing. Where these are lost, the index of ids is counted
//! in steps; until that is done there is no prefix, and neighbors compare lists.

use bundle_format::BundleId;

use crate::agent::Agent;
use crate::sketch::{CELLS_MAX, Prefix};
use crate::store::{CHECKPOINT_CHANGES, Partition, SetChange, StoreError, View, WriteTxn};

/// Rows of the index of ids counted in one step: a few milliseconds.
const COUNTED_PER_STEP: usize = 4096;
/// Ids of wanted partitions that are read to make a prefix: some ten milliseconds. Lists serve better beyond.
const SCANNED_MAX: usize = 8192;
/// Cells of what was read: enough for all ids in it to be different.
const SCANNED_CELLS: usize = CELLS_MAX;

/// Which part of its set a node compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interest {
    /// All of it.
    Everything,
    /// What is in these partitions; each is named once.
    Partitions(Vec<Partition>),
}

/// The set's cells, as far as they are known.
#[derive(Debug)]
pub struct ReconciledSet {
    cells: Prefix,
    counted: Counted,
}

/// How far the index of ids was gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// Up to and including this id.
    UpTo(Option<BundleId>),
    Whole,
}

impl ReconciledSet {
    /// The set as it is in the store; reads the checkpoint and the log behind it.
    pub fn open(view: View<'_>) -> Result<Self, StoreError> {
        Ok(match view.set_cells()? {
            Some(cells) => Self { cells, counted: Counted::Whole },
            None => Self::uncounted(),
        })
    }

    fn uncounted() -> Self {
        Self { cells: Prefix::new(CELLS_MAX), counted: Counted::UpTo(None) }
    }

    /// The first cells of all of it, once they are known.
    pub fn whole(&self) -> Option<&Prefix> {
        (self.counted == Counted::Whole).then_some(&self.cells)
    }

    /// The first cells of the part of the set that is of interest; `None` where lists are to be compared: the set is not counted yet,
    /// or a part that is not all of it has too many ids to read.
    pub fn prefix_for(&self, interest: &Interest, view: View<'_>) -> Result<Option<Prefix>, StoreError> {
        let partitions = match interest {
            Interest::Everything => {
                return Ok(self.whole().cloned());
            }
            Interest::Partitions(partitions) => partitions,
        };
        let mut prefix = Prefix::new(SCANNED_CELLS);
        let mut left = SCANNED_MAX;
        for partition in partitions {
            let ids = view.members(*partition, left + 1)?;
            let Some(rest) = left.checked_sub(ids.len()) else { return Ok(None) };
            left = rest;
            for id in &ids {
                prefix.insert(id);
            }
        }
        Ok(Some(prefix))
    }

    fn apply(&mut self, changes: &[SetChange]) {
        for change in changes {
            let is_counted = match self.counted {
                Counted::UpTo(last) => last.is_some_and(|last| change.id <= last),
                Counted::Whole => true,
            };
            if is_counted {
                change.apply(&mut self.cells);
            }
        }
    }

    /// Goes on with counting, or writes a checkpoint if it is time; whether more is left to do at once.
    fn go_on(&mut self, store: &mut WriteTxn<'_>) -> Result<bool, StoreError> {
        let (is_known, changes) = store.cells_on_disk();
        match self.counted {
            Counted::Whole if !is_known => *self = Self::uncounted(),
            Counted::Whole if changes >= CHECKPOINT_CHANGES => store.checkpoint_cells(&self.cells)?,
            Counted::Whole => {}
            Counted::UpTo(after) => self.count(after, store)?,
        }
        Ok(self.counted != Counted::Whole)
    }

    fn count(&mut self, after: Option<BundleId>, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let piece = store.view().set_piece(after, COUNTED_PER_STEP)?;
        piece.members.iter().for_each(|id| self.cells.insert(id));
        if piece.rows == COUNTED_PER_STEP {
            self.counted = Counted::UpTo(piece.last.or(after));
            return Ok(());
        }
        self.counted = Counted::Whole;
        store.checkpoint_cells(&self.cells)
    }
}

impl Agent {
    /// Takes over into the cells what was done to the set.
    pub(crate) fn keep_set(&mut self, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        self.set.apply(&store.take_set_changes());
        self.unfinished |= self.set.go_on(store)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, IdRow, Membership, Store, StoreOptions};
    use crate::time::NodeTime;

    fn id(number: u64) -> BundleId {
        let hash = blake3::hash(&number.to_be_bytes());
        BundleId::from_bytes(*hash.as_bytes().first_chunk().unwrap())
    }

    fn cells_of(numbers: impl Iterator<Item = u64>) -> Prefix {
        let mut cells = Prefix::new(CELLS_MAX);
        numbers.for_each(|number| cells.insert(&id(number)));
        cells
    }

    fn open(folder: &std::path::Path) -> Store {
        let options = StoreOptions { map_octets: Some(1 << 28), durability: Durability::Unsynced };
        Store::open(folder, &options).unwrap()
    }

    /// Ids of bundles that are gone before their time: the cheapest members of the set.
    fn join(numbers: impl Iterator<Item = u64>, txn: &mut WriteTxn<'_>) {
        let leaves = NodeTime::from_ms(1_000);
        let member = Some(Membership { leaves, partition: Partition::from_bytes([0; 8]) });
        let row = IdRow::Gone { until: leaves, member };
        numbers.for_each(|number| txn.put_id(&id(number), Some(row)).unwrap());
    }

    fn step(set: &mut ReconciledSet, txn: &mut WriteTxn<'_>) -> bool {
        set.apply(&txn.take_set_changes());
        set.go_on(txn).unwrap()
    }

    #[test]
    fn the_log_becomes_a_checkpoint_when_it_has_grown() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut set = ReconciledSet::open(store.read().unwrap().view()).unwrap();
        for piece in 0..10_u64 {
            let mut txn = store.write().unwrap();
            join(piece * 1_000..(piece + 1) * 1_000, &mut txn);
            assert!(!step(&mut set, &mut txn));
            // What comes behind the checkpoint, in the transaction that writes it, is in the log.
            join(100_000 + piece..100_001 + piece, &mut txn);
            set.apply(&txn.take_set_changes());
            txn.commit().unwrap();
            let expected = cells_of((0..(piece + 1) * 1_000).chain(100_000..=100_000 + piece));
            let txn = store.read().unwrap();
            assert_eq!(txn.view().set_cells().unwrap(), Some(expected));
            assert!(txn.view().settings().unwrap().cells.changes <= CHECKPOINT_CHANGES + 1_001);
        }
        assert!(store.read().unwrap().view().settings().unwrap().cells.covered > 0);
        assert_eq!(store.read().unwrap().view().check(&mut |_| {}).unwrap(), []);
    }

    #[test]
    fn a_set_whose_cells_are_lost_is_counted_in_steps_while_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut txn = store.write().unwrap();
        join(0..10_000, &mut txn);
        txn.forget_cells();
        txn.commit().unwrap();
        let mut set = ReconciledSet::open(store.read().unwrap().view()).unwrap();
        let mut steps = 0;
        loop {
            assert_eq!(set.whole(), None, "lists are compared meanwhile");
            let mut txn = store.write().unwrap();
            join(20_000 + steps..20_001 + steps, &mut txn);
            txn.put_id(&id(steps), None).unwrap();
            steps += 1;
            let is_unfinished = step(&mut set, &mut txn);
            txn.commit().unwrap();
            if !is_unfinished {
                break;
            }
        }
        assert_eq!(steps, 3);
        let expected = Some(cells_of((3..10_000).chain(20_000..20_003)));
        assert_eq!(set.whole().cloned(), expected);
        assert_eq!(store.read().unwrap().view().set_cells().unwrap(), expected);
        assert_eq!(store.read().unwrap().view().check(&mut |_| {}).unwrap(), []);
    }

    #[test]
    fn a_log_that_nobody_reads_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        for piece in 0..3_u64 {
            let mut txn = store.write().unwrap();
            join(piece * 30_000..(piece + 1) * 30_000, &mut txn);
            txn.commit().unwrap();
        }
        let txn = store.read().unwrap();
        assert_eq!(txn.view().set_cells().unwrap(), None);
        assert_eq!(txn.view().check(&mut |_| {}).unwrap(), [], "that is no damage");
    }

    #[test]
    fn a_part_with_too_many_ids_is_compared_by_lists() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut txn = store.write().unwrap();
        join(0..SCANNED_MAX as u64, &mut txn);
        let set = ReconciledSet::open(txn.view()).unwrap();
        let interest = Interest::Partitions(vec![Partition::from_bytes([0; 8])]);
        let expected = cells_of(0..SCANNED_MAX as u64);
        assert_eq!(set.prefix_for(&interest, txn.view()).unwrap(), Some(expected));
        join(50_000..50_001, &mut txn);
        assert_eq!(set.prefix_for(&interest, txn.view()).unwrap(), None);
    }
}
