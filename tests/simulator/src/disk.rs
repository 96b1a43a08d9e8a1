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

/// The store's file, and where its backup lies.
const DATA: &str = "data.mdb";
const BACKUP: &str = "backup.mdb";

/// Copies a store; between two transactions its file is whole.
pub(crate) fn save(folder: &Path) -> std::io::Result<()> {
    std::fs::copy(folder.join(DATA), folder.join(BACKUP)).map(|_| ())
}

/// Puts the copy in the place of a store that is closed.
pub(crate) fn put_back(folder: &Path) -> std::io::Result<()> {
    std::fs::copy(folder.join(BACKUP), folder.join(DATA)).map(|_| ())
}

/// What the real node does with a store that went back in time (`agent-node`'s `engine`); answers the new incarnation.
pub(crate) fn begin_anew(store: &Store, seed: [u8; 32]) -> Result<u32, StoreError> {
    let [a, b, c, d, ..] = seed;
    let incarnation = u32::from_be_bytes([a, b, c, d]).max(1);
    let mut txn = store.write()?;
    txn.raise_epoch();
    txn.new_incarnation(incarnation);
    txn.commit()?;
    Ok(incarnation)
}
