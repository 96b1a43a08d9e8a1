//! Sketches of sets of bundle ids: Rateless Invertible Bloom Lookup Tables (Yang, Gilad and Alizadeh, SIGCOMM 2024), made
//! exact in integers by `docs/sync.md`.
//!
//! A set has an endless sequence of cells ([`Prefix`] keeps the first of them). Cells of two sets, subtracted, are the cells
//! of their difference, and about 1.4 of them for each difference are enough to read the differences off ([`Decoder`]).
//! Pure: no store, no time. `reconciling` exchanges cells with neighbors.

mod cell;
mod decoder;
mod mapping;
mod prefix;
mod wire;

pub use cell::Cell;
pub use decoder::{Decoder, Difference, Outcome};
pub use prefix::Prefix;
pub use wire::{MalformedCells, decode_cells, encode_cells};

/// Most cells that two nodes exchange, and that a node keeps of its whole set: enough for some 12,000 differences, in half a
/// megabyte. Sorted lists serve better beyond.
pub const CELLS_MAX: usize = 16_384;
