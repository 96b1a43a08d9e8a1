//! One session against scripted octets of its neighbor, on a clock that the test sets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod node;
mod opening;
mod receiving;
mod sending;
mod sloppy;
mod termination;
mod upkeep;
