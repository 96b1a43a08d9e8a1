//! One engine against segments that a test writes, on a clock that the test sets.

#![expect(clippy::indexing_slicing, reason = "a test that goes wrong shall panic")]

mod cancelling;
mod hostile;
mod receiving;
mod sending;
mod side;
