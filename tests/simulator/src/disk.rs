//! Where stores lie: in memory where the machine has a file system for that.

use std::path::Path;

use agent_core::store::{Durability, Store, StoreError, StoreOptions};
use tempfile::TempDir;

/// A file system in memory, on Linux.
const IN_MEMORY: &str = "/dev/shm";
/// The map of a store here; its file grows only as it is filled.
const MAP_OCTETS: u64 = 256 << 20;

/// A folder for one world, gone with it.
pub(crate) fn folder() -> std::io::Result<TempDir> {
    let builder = || tempfile::Builder::new();
    match builder().prefix("packmule-world-").tempdir_in(IN_MEMORY) {
        Ok(folder) => Ok(folder),
        Err(_) => builder().prefix("packmule-world-").tempdir(),
    }
}

/// Makes all the room there is for a store that was kept small.
pub(crate) fn grow(store: &mut Store) -> Result<(), StoreError> {
    while store.map_octets() < MAP_OCTETS {
        store.grow()?;
    }
    Ok(())
}

/// Opens a node's store, or makes it. A power cut is an agent that is dropped, so no commit has to wait for a disk.
pub(crate) fn open(folder: &Path, incarnation: u32, map_octets: Option<u64>) -> Result<Store, StoreError> {
    let options =
        StoreOptions { map_octets: Some(map_octets.unwrap_or(MAP_OCTETS)), durability: Durability::Unsynced };
    let store = Store::open(folder, &options)?;
    if store.read()?.view().settings()?.incarnation == 0 {
        let mut txn = store.write()?;
        txn.new_incarnation(incarnation);
        txn.commit()?;
    }
    Ok(store)
}
