//! Contacts over a line, in virtual time.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that goes wrong shall panic")]

mod carrying;
mod coming;
mod world;
