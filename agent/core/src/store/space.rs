//! Room: how much may still be written, with a reserve kept back so that deletions can always be committed.
//!
//! LMDB copies every page that it changes, so that a deletion needs free pages before it gives any back. New bundles
//! are refused while the reserve is still there.

use std::path::Path;

use crate::store::{Room, StoreError};

/// Kept free on the file system: more than the pages that a transaction of deletions copies, and little on any card.
const DISK_RESERVE_OCTETS: u64 = 16 << 20;
/// Kept free in the map, where it is large: a transaction that deletes 500 bundles copies less.
const MAP_RESERVE_OCTETS: u64 = 8 << 20;
/// The part of a small map that is kept free.
const MAP_RESERVE_PART: u64 = 8;

/// How much a transaction may still write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    octets: u64,
    limit: Room,
}

/// The file as it is when a transaction begins, in octets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileUse {
    pub(crate) map: u64,
    /// Up to the end of the last page that was ever in use.
    pub(crate) high_water: u64,
    /// In pages that hold something.
    pub(crate) used: u64,
}

impl Allowance {
    pub(crate) fn new(file: FileUse, free_on_disk: u64) -> Self {
        let reserve = MAP_RESERVE_OCTETS.min(file.map / MAP_RESERVE_PART);
        let free_within = file.high_water.saturating_sub(file.used);
        let in_map = file.map.saturating_sub(file.high_water);
        let on_disk = free_on_disk.saturating_sub(DISK_RESERVE_OCTETS);
        let limit = if on_disk < in_map { Room::Disk } else { Room::Map };
        let octets = free_within.saturating_add(in_map.min(on_disk)).saturating_sub(reserve);
        Self { octets, limit }
    }

    /// Whether there is room for a record with this many octets.
    pub(crate) fn covers(&self, octets: u64) -> bool {
        self.octets >= cost(octets)
    }

    /// Takes the room that a record needs.
    pub(crate) fn take(&mut self, octets: u64) -> Result<(), StoreError> {
        match self.octets.checked_sub(cost(octets)) {
            Some(left) => {
                self.octets = left;
                Ok(())
            }
            None => Err(StoreError::Full { room: self.limit }),
        }
    }
}

/// What a record costs with its rows in the indexes and the rounding to pages, generously.
fn cost(octets: u64) -> u64 {
    const INDEXES: u64 = 1024;
    octets.saturating_add(octets / 16).saturating_add(INDEXES)
}

/// Octets that the store may still grow by on its file system.
pub(crate) fn free_on_disk(folder: &Path) -> Result<u64, StoreError> {
    let disk = rustix::fs::statvfs(folder).map_err(std::io::Error::from)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether a failed write is explained by a full disk: LMDB reports a short write as an I/O error.
pub(crate) fn is_disk_full(folder: &Path) -> bool {
    free_on_disk(folder).is_ok_and(|octets| octets < DISK_RESERVE_OCTETS)
}

/// The size of the file system, in octets.
pub(crate) fn disk_octets(folder: &Path) -> Result<u64, StoreError> {
    let disk = rustix::fs::statvfs(folder).map_err(std::io::Error::from)?;
    Ok(disk.f_blocks.saturating_mul(disk.f_frsize))
}
