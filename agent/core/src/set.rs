//! The cells of the set that is reconciled with neighbors, in memory, kept up with every change (`docs/sync.md`, "The set").
//!
//! `Agent::open` reads them from the store's checkpoint and log, and scans nothing. Where these are lost, the index of ids is counted
//! in steps. The ids of small partitions are read when they are compared or left out; the cells of large ones are counted once, and kept.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::BundleId;

use crate::agent::Agent;
use crate::kept::Kept;
use crate::sketch::{CELLS_MAX, Prefix};
use crate::store::{CHECKPOINT_CHANGES, Partition, SetChange, StoreError, View, WriteTxn};

/// A partition with more ids than this has cells of its own, half a mebibyte; those of a smaller one are read in a millisecond.
const READ_MAX: usize = 1024;
/// Ids that are read for one comparison, of all partitions. Lists serve better beyond.
const READ_IN_ALL_MAX: usize = 16_384;
/// Partitions with cells of their own.
const PARTS_MAX: usize = 8;

/// Which part of its set a node compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// All of it but these partitions.
    AllBut(BTreeSet<Partition>),
    /// What is in these.
    Only(BTreeSet<Partition>),
}

/// What is known of the cells of a part of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellsOf {
    /// All of them.
    Known(Prefix),
    /// They are being counted: ask again after the next step.
    Counting,
    /// The part is made up of too much: lists serve better.
    TooMany,
}

/// The set's cells, as far as they are known.
#[derive(Debug)]
pub struct ReconciledSet {
    whole: Kept,
    parts: BTreeMap<Partition, Part>,
    /// How often parts were asked for.
    uses: u64,
}

/// A large partition.
#[derive(Debug)]
struct Part {
    kept: Kept,
    last_use: u64,
}

/// Whether a partition is compared or left out.
#[derive(Debug, Clone, Copy)]
enum Sign {
    Plus,
    Minus,
}

impl Sign {
    fn merge_ids(self, ids: &[BundleId], cells: &mut Prefix) {
        for id in ids {
            match self {
                Self::Plus => cells.insert(id),
                Self::Minus => cells.remove(id),
            }
        }
    }

    fn merge(self, part: &Prefix, cells: &mut Prefix) {
        match self {
            Self::Plus => cells.combine(part),
            Self::Minus => cells.subtract(part),
        }
    }
}

impl ReconciledSet {
    /// The set as it is in the store; reads the checkpoint and the log behind it.
    pub fn open(view: View<'_>) -> Result<Self, StoreError> {
        let whole = view.set_cells()?.map_or_else(|| Kept::uncounted(None), Kept::counted);
        Ok(Self { whole, parts: BTreeMap::new(), uses: 0 })
    }

    /// The first cells of all of it, once they are known.
    pub fn whole(&self) -> Option<&Prefix> {
        self.whole.cells()
    }

    /// The first cells of the part of the set that is compared. Reads no more than a few thousand ids, whatever there is.
    pub fn cells_of(&mut self, compared: &Compared, view: View<'_>) -> Result<CellsOf, StoreError> {
        let Some(whole) = self.whole.cells() else { return Ok(CellsOf::Counting) };
        let (mut cells, partitions, sign) = match compared {
            Compared::AllBut(partitions) => (whole.clone(), partitions, Sign::Minus),
            Compared::Only(partitions) => (Prefix::new(CELLS_MAX), partitions, Sign::Plus),
        };
        self.uses += 1;
        let (mut large, mut left) = (0, READ_IN_ALL_MAX);
        let mut is_counting = false;
        for partition in partitions {
            if !self.parts.contains_key(partition) {
                let ids = view.members(*partition, READ_MAX + 1)?;
                let Some(rest) = left.checked_sub(ids.len()) else { return Ok(CellsOf::TooMany) };
                left = rest;
                if ids.len() <= READ_MAX {
                    sign.merge_ids(&ids, &mut cells);
                    continue;
                }
            }
            large += 1;
            if large > PARTS_MAX {
                return Ok(CellsOf::TooMany);
            }
            match self.part(*partition) {
                Some(part) => sign.merge(part, &mut cells),
                None => is_counting = true,
            }
        }
        Ok(if is_counting { CellsOf::Counting } else { CellsOf::Known(cells) })
    }

    /// The cells of a large partition; begins to count them where they are not known, if there is room for that now.
    fn part(&mut self, partition: Partition) -> Option<&Prefix> {
        if !self.parts.contains_key(&partition) {
            if self.parts.len() >= PARTS_MAX {
                let known = self.parts.iter().filter(|(_, part)| part.kept.cells().is_some());
                let unused = known.filter(|(_, part)| part.last_use < self.uses);
                let oldest = unused.min_by_key(|(_, part)| part.last_use).map(|(partition, _)| *partition);
                self.parts.remove(&oldest?);
            }
            let part = Part { kept: Kept::uncounted(Some(partition)), last_use: 0 };
            self.parts.insert(partition, part);
        }
        let part = self.parts.get_mut(&partition)?;
        part.last_use = self.uses;
        part.kept.cells()
    }

    fn apply(&mut self, changes: &[SetChange]) {
        for change in changes {
            self.whole.apply(change);
            self.parts.values_mut().for_each(|part| part.kept.apply(change));
        }
    }

    /// Goes on with counting, or writes a checkpoint if it is time; whether more is left to do at once.
    fn go_on(&mut self, store: &mut WriteTxn<'_>) -> Result<bool, StoreError> {
        let (is_known, changes) = store.cells_on_disk();
        match self.whole.cells() {
            Some(_) if !is_known => {
                self.whole = Kept::uncounted(None);
                self.parts.clear();
            }
            Some(cells) if changes >= CHECKPOINT_CHANGES => store.checkpoint_cells(cells)?,
            Some(_) => {}
            None => {
                self.whole.count(store.view())?;
                self.whole.cells().map_or(Ok(()), |cells| store.checkpoint_cells(cells))?;
            }
        }
        let uncounted = self.parts.values_mut().find(|part| part.kept.cells().is_none());
        uncounted.map_or(Ok(()), |part| part.kept.count(store.view()))?;
        let mut kept = self.parts.values().map(|part| &part.kept).chain([&self.whole]);
        Ok(kept.any(|kept| kept.cells().is_none()))
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
        join_in(0, numbers, txn);
    }

    fn join_in(partition: u8, numbers: impl Iterator<Item = u64>, txn: &mut WriteTxn<'_>) {
        let leaves = NodeTime::from_ms(1_000);
        let member = Some(Membership { leaves, partition: Partition::from_bytes([partition; 8]) });
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
            assert_eq!(set.whole(), None, "they are not known before");
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

    /// The set as a transaction has it that is under way.
    fn opened_in(txn: &mut WriteTxn<'_>) -> ReconciledSet {
        txn.take_set_changes();
        ReconciledSet::open(txn.view()).unwrap()
    }

    fn only(names: impl IntoIterator<Item = u8>) -> Compared {
        Compared::Only(names.into_iter().map(|name| Partition::from_bytes([name; 8])).collect())
    }

    #[test]
    fn a_large_partition_is_counted_in_steps_while_it_changes_and_then_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut txn = store.write().unwrap();
        join_in(1, 0..10_000, &mut txn);
        join_in(2, 50_000..50_100, &mut txn);
        let mut set = opened_in(&mut txn);
        let mut steps = 0;
        while set.cells_of(&only([1, 2]), txn.view()).unwrap() == CellsOf::Counting {
            join_in(1, 20_000 + steps..20_001 + steps, &mut txn);
            join_in(2, 60_000 + steps..60_001 + steps, &mut txn);
            txn.put_id(&id(steps), None).unwrap();
            steps += 1;
            step(&mut set, &mut txn);
        }
        assert_eq!(steps, 3);
        let small = (50_000..50_100).chain(60_000..60_003);
        let both = cells_of((3..10_000).chain(20_000..20_003).chain(small.clone()));
        assert_eq!(set.cells_of(&only([1, 2]), txn.view()).unwrap(), CellsOf::Known(both));

        let rest = Compared::AllBut([Partition::from_bytes([1; 8])].into());
        join_in(1, 30_000..30_001, &mut txn);
        step(&mut set, &mut txn);
        assert_eq!(set.cells_of(&rest, txn.view()).unwrap(), CellsOf::Known(cells_of(small)));
    }

    #[test]
    fn large_partitions_take_turns_where_there_are_many() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let mut txn = store.write().unwrap();
        for name in 0..9_u8 {
            let first = u64::from(name) * 2_000;
            join_in(name, first..first + 1_100, &mut txn);
        }
        let mut set = opened_in(&mut txn);
        assert_eq!(set.cells_of(&only(0..9), txn.view()).unwrap(), CellsOf::TooMany);
        for name in [0, 1, 2, 3, 4, 5, 6, 7, 8, 0] {
            let mut asked = 0;
            while set.cells_of(&only([name]), txn.view()).unwrap() == CellsOf::Counting {
                asked += 1;
                assert!(asked < 100, "partition {name} is never counted");
                step(&mut set, &mut txn);
            }
            let first = u64::from(name) * 2_000;
            let expected = CellsOf::Known(cells_of(first..first + 1_100));
            assert_eq!(set.cells_of(&only([name]), txn.view()).unwrap(), expected);
            assert!(set.parts.len() <= PARTS_MAX);
        }
    }
}
