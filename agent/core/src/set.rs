//! The set that is reconciled with neighbors (`docs/sync.md`, "The set"): ids of bundles that are here, and of those that went before their
//! time, until that time is over, so that nobody offers them again. Its cells are kept in memory with every change.
//!
//! After a start the set is counted in steps, which takes about two seconds for a million bundles; changes meanwhile are
//! counted as well. Nothing of it is on the disk, so that it costs a memory card no writes. What left
//! the set is a matter of time only: `swept` says up to which hour of tombstones it was taken out.

use bundle_format::BundleId;

use crate::agent::Agent;
use crate::expiring::REMEMBERED_MS;
use crate::sketch::{CELLS_MAX, Prefix};
use crate::store::{IdChanges, IdRow, StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// Ids counted, or taken out, in one step: a few milliseconds.
const COUNTED_PER_STEP: usize = 4096;
const HOUR_MS: u64 = 3_600_000;
const LAST_ID: BundleId = BundleId::from_bytes([u8::MAX; 16]);

/// The set's cells, as far as they are known.
#[derive(Debug)]
pub(crate) struct SetInMemory {
    prefix: Prefix,
    counted: Counted,
    /// Tombstones up to this one, in the order of hour and id, are outside.
    swept: (NodeTime, BundleId),
}

/// How far the index of ids was gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// Up to and including this id.
    UpTo(Option<BundleId>),
    Whole,
}

impl SetInMemory {
    pub(crate) fn new(now: NodeTime) -> Self {
        Self { prefix: Prefix::new(CELLS_MAX), counted: Counted::UpTo(None), swept: (horizon(now), LAST_ID) }
    }

    /// The first cells of the set, once they are known.
    pub(crate) fn prefix(&self) -> Option<&Prefix> {
        (self.counted == Counted::Whole).then_some(&self.prefix)
    }

    /// Takes over what a transaction changed.
    pub(crate) fn apply(&mut self, changes: IdChanges, now: NodeTime) {
        if changes.unknown {
            *self = Self::new(now);
            return;
        }
        for change in changes.changes {
            if !self.has_counted(&change.id) {
                continue;
            }
            match (self.is_member(&change.id, change.before), self.is_member(&change.id, change.after)) {
                (false, true) => self.prefix.insert(&change.id),
                (true, false) => self.prefix.remove(&change.id),
                _ => {}
            }
        }
    }

    /// Goes on with counting, or with taking out whose time is over; whether more is left to do at once.
    pub(crate) fn go_on(&mut self, now: NodeTime, view: View<'_>) -> Result<bool, StoreError> {
        match self.counted {
            Counted::UpTo(after) => self.count(after, view),
            Counted::Whole if self.swept.0 < horizon(now) => self.sweep(now, view),
            Counted::Whole => Ok(false),
        }
    }

    fn count(&mut self, after: Option<BundleId>, view: View<'_>) -> Result<bool, StoreError> {
        let rows = view.id_rows_from(after, COUNTED_PER_STEP)?;
        for (id, row) in &rows {
            if self.is_member(id, Some(*row)) {
                self.prefix.insert(id);
            }
        }
        self.counted = match rows.last() {
            Some((last, _)) if rows.len() == COUNTED_PER_STEP => Counted::UpTo(Some(*last)),
            _ => Counted::Whole,
        };
        Ok(self.counted != Counted::Whole)
    }

    fn sweep(&mut self, now: NodeTime, view: View<'_>) -> Result<bool, StoreError> {
        let until = horizon(now);
        let over = view.tombstones_through((self.swept, until), COUNTED_PER_STEP)?;
        for (hour, id) in &over {
            if let Some(row) = view.id_row(id)?
                && self.is_member(id, Some(row))
            {
                self.swept = (*hour, *id);
                if !self.is_member(id, Some(row)) {
                    self.prefix.remove(id);
                }
            }
        }
        let is_over = over.len() < COUNTED_PER_STEP;
        self.swept = over.last().filter(|_| !is_over).copied().unwrap_or((until, LAST_ID));
        Ok(!is_over)
    }

    fn has_counted(&self, id: &BundleId) -> bool {
        match self.counted {
            Counted::UpTo(last) => last.is_some_and(|last| *id <= last),
            Counted::Whole => true,
        }
    }

    /// Whether a row means that its id is in the set.
    fn is_member(&self, id: &BundleId, row: Option<IdRow>) -> bool {
        match row {
            Some(IdRow::Held(_)) => true,
            Some(IdRow::Gone { until }) => (hour_of(until), *id) > self.swept,
            None => false,
        }
    }
}

impl Agent {
    /// Takes over what this step has changed, and goes on with counting.
    pub(crate) fn count_set(&mut self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        self.set.apply(store.take_id_changes(), now.node);
        self.unfinished |= self.set.go_on(now.node, store.view())?;
        Ok(())
    }
}

/// Tombstones that end in this hour or before belong to bundles whose time is over: each outlives its bundle by
/// [`REMEMBERED_MS`].
fn horizon(now: NodeTime) -> NodeTime {
    hour_of(now.after_ms(REMEMBERED_MS))
}

fn hour_of(time: NodeTime) -> NodeTime {
    NodeTime::from_ms(time.as_ms() / HOUR_MS * HOUR_MS)
}
