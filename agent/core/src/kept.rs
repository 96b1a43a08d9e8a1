//! Cells that are kept up with a set while they are still being counted: those of all of it, or of one partition (`set.rs`).
//!
//! The index of ids is gone through in its order. A change to an id that was passed is made to the cells; one behind will be met.

use bundle_format::BundleId;

use crate::sketch::{CELLS_MAX, Prefix};
use crate::store::{Partition, SetChange, StoreError, View};

/// Rows of the index of ids counted in one step: a few milliseconds.
pub(crate) const COUNTED_PER_STEP: usize = 4096;

/// The cells of a set, as far as they are known.
#[derive(Debug)]
pub(crate) struct Kept {
    /// `None`: of all of it.
    partition: Option<Partition>,
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

impl Kept {
    /// Cells that were counted before.
    pub(crate) fn counted(cells: Prefix) -> Self {
        Self { partition: None, cells, counted: Counted::Whole }
    }

    /// Cells that are to be counted.
    pub(crate) fn uncounted(partition: Option<Partition>) -> Self {
        Self { partition, cells: Prefix::new(CELLS_MAX), counted: Counted::UpTo(None) }
    }

    /// The cells, once they are known.
    pub(crate) fn cells(&self) -> Option<&Prefix> {
        (self.counted == Counted::Whole).then_some(&self.cells)
    }

    /// Does to the cells what was done to the set.
    pub(crate) fn apply(&mut self, change: &SetChange) {
        let is_counted = match self.counted {
            Counted::UpTo(last) => last.is_some_and(|last| change.id <= last),
            Counted::Whole => true,
        };
        if is_counted && self.partition.is_none_or(|partition| partition == change.partition) {
            change.apply(&mut self.cells);
        }
    }

    /// Goes on with counting. All changes of this transaction must have been applied.
    pub(crate) fn count(&mut self, view: View<'_>) -> Result<(), StoreError> {
        let Counted::UpTo(after) = self.counted else { return Ok(()) };
        let piece = view.set_piece(after, COUNTED_PER_STEP)?;
        for (id, partition) in &piece.members {
            if self.partition.is_none_or(|wanted| wanted == *partition) {
                self.cells.insert(id);
            }
        }
        self.counted =
            if piece.rows == COUNTED_PER_STEP { Counted::UpTo(piece.last.or(after)) } else { Counted::Whole };
        Ok(())
    }
}
