//! A volume on a drive, through the crate's public face: docked, damaged, pulled, hostile, full.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod compacted;
mod damage;
mod dock;
mod drive;
mod full;
mod hostile;
mod pulled;
