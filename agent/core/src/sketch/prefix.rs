//! The first cells of a set, kept up with every id that comes or goes: about 2 · ln(cells) of them each time.

use bundle_format::BundleId;

use crate::sketch::Cell;
use crate::sketch::mapping::{self, Mapping};

/// The first cells of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    cells: Vec<Cell>,
}

impl Prefix {
    /// The first cells of the empty set.
    pub fn new(cells: usize) -> Self {
        Self { cells: vec![Cell::default(); cells] }
    }

    /// The cells that a prefix had.
    pub(crate) fn from_cells(cells: Vec<Cell>) -> Self {
        Self { cells }
    }

    /// An id comes into the set. It must not be in it.
    pub fn insert(&mut self, id: &BundleId) {
        self.each(id, Cell::insert);
    }

    /// An id leaves the set. It must be in it.
    pub fn remove(&mut self, id: &BundleId) {
        self.each(id, Cell::remove);
    }

    /// Another set, without an id in common, joins this one. Only as many cells are left as both had.
    pub fn combine(&mut self, other: &Self) {
        self.cells.truncate(other.cells.len());
        for (cell, other) in self.cells.iter_mut().zip(&other.cells) {
            *cell = cell.plus(*other);
        }
    }

    /// Part of this set leaves it. Only as many cells are left as both had.
    pub fn subtract(&mut self, part: &Self) {
        self.cells.truncate(part.cells.len());
        for (cell, part) in self.cells.iter_mut().zip(&part.cells) {
            *cell = cell.minus(*part);
        }
    }

    /// The cells, from index 0 on.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The first cell: every id is in it, so that it is the set's digest and its size.
    pub fn digest(&self) -> Cell {
        self.cells.first().copied().unwrap_or_default()
    }

    fn each(&mut self, id: &BundleId, change: impl Fn(&mut Cell, u128, u64)) {
        let hash = mapping::hash(id);
        let number = u128::from_be_bytes(*id.as_bytes());
        let mut mapping = Mapping::new(hash);
        while let Some(cell) =
            mapping.next_below(self.cells.len()).and_then(|index| self.cells.get_mut(index))
        {
            change(cell, number, hash);
        }
    }
}
