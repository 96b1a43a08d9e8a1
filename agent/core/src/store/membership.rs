//! Which ids are in the set that is reconciled with neighbors (`docs/sync.md`, "The set"): those of bundles that are here, and of
//! those that went before their time, until that time is over.
//!
//! Invariant: [`WriteTxn::put_id`] is the only way to change the index of ids outside of repairs. It keeps all indexes that derive from
//! it, and notes what came into the set and what left it.

use bundle_format::BundleId;

use crate::store::bundles::IdRow;
use crate::store::facts::behind;
use crate::store::record::Writer;
use crate::store::tables::misshapen;
use crate::store::{Number, Partition, StoreError, Table, View, WriteTxn, tombstones};
use crate::time::NodeTime;

/// What keeps the id of a bundle in the set after the bundle went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    /// When the bundle would have expired: the id leaves the set within the hour that follows.
    pub(crate) leaves: NodeTime,
    pub(crate) partition: Partition,
}

/// Stands in the index of partitions where a bundle that is gone has no number.
const NO_NUMBER: Number = Number::new(u64::MAX);

/// The key of an id in the index of partitions: bundles that are here in the order of their numbers, then those that are gone.
pub(crate) fn member_key(partition: Partition, number: Option<Number>, id: &BundleId) -> Vec<u8> {
    Writer::with_capacity(32)
        .octets(partition.as_bytes())
        .octets(&number.unwrap_or(NO_NUMBER).key())
        .octets(id.as_bytes())
        .done()
}

/// The number in a key of that index; [`NO_NUMBER`] where the bundle is gone.
fn number_of_member(key: &[u8]) -> Result<Number, StoreError> {
    let number = key.get(8..16).and_then(|octets| octets.try_into().ok());
    number.map(|octets| Number::new(u64::from_be_bytes(octets))).ok_or_else(|| misshapen(Table::Members, key))
}

impl IdRow {
    /// The partition of an id that is in the set.
    pub(crate) fn partition(self) -> Option<Partition> {
        match self {
            Self::Held { partition, .. } => Some(partition),
            Self::Gone { member, .. } => member.map(|member| member.partition),
        }
    }

    /// Every row that follows from this one.
    pub(crate) fn index_rows(self, id: &BundleId) -> Vec<(Table, Vec<u8>)> {
        match self {
            Self::Held { number, partition } => {
                vec![(Table::Members, member_key(partition, Some(number), id))]
            }
            Self::Gone { until, member } => {
                let mut rows = vec![(Table::Tombstones, tombstones::key(until, id))];
                if let Some(Membership { leaves, partition }) = member {
                    rows.push((Table::Departures, tombstones::key(leaves, id)));
                    rows.push((Table::Members, member_key(partition, None, id)));
                }
                rows
            }
        }
    }
}

impl View<'_> {
    /// Whether an id is in the set.
    pub fn is_in_set(&self, id: &BundleId) -> Result<bool, StoreError> {
        Ok(self.id_row(id)?.is_some_and(|row| row.partition().is_some()))
    }

    /// Ids in the set in their order, those behind `after`, with the numbers of those whose bundles are here.
    pub fn set_from(
        &self,
        after: Option<BundleId>,
        limit: usize,
    ) -> Result<Vec<(BundleId, Option<Number>)>, StoreError> {
        let start = after.as_ref().map(|id| id.as_bytes().as_slice());
        let mut found = Vec::with_capacity(limit.min(4096));
        for row in self.rows_from(Table::Ids, b"", behind(start))? {
            if found.len() == limit {
                break;
            }
            let (key, body) = row?;
            let id = key.try_into().map_err(|_| misshapen(Table::Ids, key))?;
            match IdRow::decode(key, body)? {
                IdRow::Held { number, .. } => found.push((BundleId::from_bytes(id), Some(number))),
                IdRow::Gone { member: Some(_), .. } => found.push((BundleId::from_bytes(id), None)),
                IdRow::Gone { member: None, .. } => {}
            }
        }
        Ok(found)
    }

    /// The id in the set that begins with these octets, with the number of its bundle if that is here.
    pub(crate) fn set_member(
        &self,
        beginning: [u8; 8],
    ) -> Result<Option<(BundleId, Option<Number>)>, StoreError> {
        for row in self.rows(Table::Ids, &beginning)? {
            let (key, body) = row?;
            let id = key.try_into().map(BundleId::from_bytes).map_err(|_| misshapen(Table::Ids, key))?;
            match IdRow::decode(key, body)? {
                IdRow::Held { number, .. } => return Ok(Some((id, Some(number)))),
                IdRow::Gone { member: Some(_), .. } => return Ok(Some((id, None))),
                IdRow::Gone { member: None, .. } => {}
            }
        }
        Ok(None)
    }

    /// When an id leaves the set whose bundle went before its time.
    pub(crate) fn leaves_set(&self, id: &BundleId) -> Result<Option<NodeTime>, StoreError> {
        Ok(match self.id_row(id)? {
            Some(IdRow::Gone { member: Some(member), .. }) => Some(member.leaves),
            _ => None,
        })
    }

    /// Ids of a partition, at most so many: bundles that are here first, in the order of their numbers.
    pub fn members(&self, partition: Partition, limit: usize) -> Result<Vec<BundleId>, StoreError> {
        self.rows(Table::Members, partition.as_bytes())?
            .take(limit)
            .map(|row| tombstones::id_at(row?.0))
            .collect()
    }

    /// Numbers of the bundles of a partition that are here, those behind `after`.
    pub fn numbers_in(
        &self,
        partition: Partition,
        after: Option<Number>,
        limit: usize,
    ) -> Result<Vec<Number>, StoreError> {
        let start = member_key(partition, after, &BundleId::from_bytes([u8::MAX; 16]));
        let start = after.is_some().then_some(start.as_slice());
        let mut numbers = Vec::new();
        for row in self.rows_from(Table::Members, partition.as_bytes(), behind(start))?.take(limit) {
            match number_of_member(row?.0)? {
                NO_NUMBER => break,
                number => numbers.push(number),
            }
        }
        Ok(numbers)
    }

    /// The first partition behind `after` that something in the set belongs to.
    pub fn next_partition(&self, after: Option<Partition>) -> Result<Option<Partition>, StoreError> {
        let last = after.map(|after| member_key(after, None, &BundleId::from_bytes([u8::MAX; 16])));
        let row = self.rows_from(Table::Members, b"", behind(last.as_deref()))?.next();
        let Some((key, _)) = row.transpose()? else { return Ok(None) };
        let partition = key.first_chunk().ok_or_else(|| misshapen(Table::Members, key))?;
        Ok(Some(Partition::from_bytes(*partition)))
    }

    /// The first rows of the index of ids behind `after`: how many there were, the last of them, and those in the set. One that
    /// is damaged is left out.
    pub(crate) fn set_piece(&self, after: Option<BundleId>, limit: usize) -> Result<SetPiece, StoreError> {
        let start = after.as_ref().map(|id| id.as_bytes().as_slice());
        let mut piece = SetPiece::default();
        for row in self.rows_from(Table::Ids, b"", behind(start))?.take(limit) {
            piece.rows += 1;
            let row = row.and_then(|(key, body)| Ok((key.to_vec(), Some(IdRow::decode(key, body)?))));
            let (key, row) = match row {
                Err(StoreError::Damaged { key, .. }) => (key, None),
                other => other?,
            };
            let Some(id) = key.as_slice().try_into().ok().map(BundleId::from_bytes) else { continue };
            piece.last = Some(id);
            if let Some(partition) = row.and_then(IdRow::partition) {
                piece.members.push((id, partition));
            }
        }
        Ok(piece)
    }

    /// Whether every row that follows from the row of an id is there.
    pub(crate) fn is_indexed(&self, id: &BundleId, row: IdRow) -> Result<bool, StoreError> {
        for (table, key) in row.index_rows(id) {
            if !self.has(table, &key)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the row of an id says that there is to be this row in an index.
    pub(crate) fn is_index_row_true(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        let id = tombstones::id_at(key)?;
        let rows = match self.id_row(&id) {
            Ok(row) => row.map(|row| row.index_rows(&id)).unwrap_or_default(),
            Err(StoreError::Damaged { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(rows.iter().any(|(expected, at)| *expected == table && at == key))
    }
}

/// A piece of the index of ids.
#[derive(Debug, Default)]
pub(crate) struct SetPiece {
    pub(crate) rows: usize,
    pub(crate) last: Option<BundleId>,
    /// With the partitions that they are in.
    pub(crate) members: Vec<(BundleId, Partition)>,
}

impl WriteTxn<'_> {
    /// Changes what is known about an id, with everything that follows from it. `None`: nothing is known any more.
    pub(crate) fn put_id(&mut self, id: &BundleId, row: Option<IdRow>) -> Result<(), StoreError> {
        let before = match self.view().id_row(id) {
            Err(StoreError::Damaged { .. }) => {
                // Whether it was in the set is not known: the set is counted anew.
                self.forget_cells();
                None
            }
            before => before?,
        };
        for (table, key) in before.map(|before| before.index_rows(id)).unwrap_or_default() {
            self.delete(table, &key)?;
        }
        match row {
            Some(row) => self.put(Table::Ids, id.as_bytes(), &row.encode())?,
            None => drop(self.delete(Table::Ids, id.as_bytes())?),
        }
        for (table, key) in row.map(|row| row.index_rows(id)).unwrap_or_default() {
            self.put(table, &key, b"")?;
        }
        self.note_change(id, before.and_then(IdRow::partition), row.and_then(IdRow::partition));
        Ok(())
    }

    /// Takes at most `limit` ids out of the set whose bundles would have expired by now; whether some may be left.
    pub fn purge_departures(&mut self, now: NodeTime, limit: usize) -> Result<bool, StoreError> {
        let over = self.view().outlived(Table::Departures, now, limit)?;
        for key in &over {
            let id = tombstones::id_at(key)?;
            if let Some(IdRow::Gone { until, member: Some(_) }) = self.view().id_row(&id)? {
                self.put_id(&id, Some(IdRow::Gone { until, member: None }))?;
            }
            self.delete(Table::Departures, key)?;
        }
        Ok(over.len() == limit)
    }
}
