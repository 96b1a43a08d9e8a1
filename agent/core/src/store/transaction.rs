//! Transactions, and the view that both kinds give: all reads are methods of [`View`], in the file of what they read.

use std::ops::Bound;

use heed::{RoTxn, RwTxn, WithoutTls};

use crate::store::set_log::{SetChange, SetChanges};
use crate::store::settings::{self, Settings};
use crate::store::space::{Allowance, FileUse, free_on_disk, is_disk_full};
use crate::store::tables::{Rows, Tables, misshapen};
use crate::store::{Room, Store, StoreError, Table};

/// A look at the store as it was when this began.
pub struct ReadTxn<'s> {
    txn: RoTxn<'s, WithoutTls>,
    tables: &'s Tables,
}

impl<'s> ReadTxn<'s> {
    pub(crate) fn new(txn: RoTxn<'s, WithoutTls>, tables: &'s Tables) -> Self {
        Self { txn, tables }
    }

    /// What can be read.
    pub fn view(&self) -> View<'_> {
        View { txn: &self.txn, tables: self.tables, settings: None, unlogged: &[] }
    }
}

impl std::fmt::Debug for ReadTxn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadTxn").field("id", &self.txn.id()).finish_non_exhaustive()
    }
}

/// Changes that are kept together or not at all. Dropping it keeps nothing.
pub struct WriteTxn<'s> {
    txn: RwTxn<'s>,
    store: &'s Store,
    settings: Settings,
    settings_changed: bool,
    allowance: Allowance,
    set_changes: SetChanges,
}

impl<'s> WriteTxn<'s> {
    pub(crate) fn begin(store: &'s Store) -> Result<Self, StoreError> {
        let txn = store.env.write_txn()?;
        let body = store.tables.get(&txn, Table::Settings, settings::KEY)?;
        let settings =
            body.and_then(Settings::decode).ok_or_else(|| misshapen(Table::Settings, settings::KEY))?;
        let free = free_on_disk(&store.folder)?;
        store.trim_ballast(free);
        let allowance = Allowance::new(file_use(store, &txn)?, free);
        Ok(Self {
            txn,
            store,
            settings,
            settings_changed: false,
            allowance,
            set_changes: SetChanges::default(),
        })
    }

    /// What can be read, with the changes of this transaction.
    pub fn view(&self) -> View<'_> {
        let unlogged = self.set_changes.unlogged();
        View { txn: &self.txn, tables: &self.store.tables, settings: Some(&self.settings), unlogged }
    }

    /// Makes the changes durable. When this returns, a power cut cannot undo them.
    pub fn commit(mut self) -> Result<(), StoreError> {
        self.log_set_changes()?;
        if self.settings_changed {
            let body = self.settings.encode();
            self.put(Table::Settings, settings::KEY, &body)?;
        }
        let store = self.store;
        self.txn.commit().map_err(|error| match StoreError::from(error) {
            StoreError::Io(_) if is_disk_full(&store.folder) => StoreError::Full { room: Room::Disk },
            other => other,
        })?;
        // LMDB writes nothing, and gives the number out again, for a transaction that changed nothing.
        store.committed(self.settings.epoch, store.env.info().last_txn_id as u64);
        Ok(())
    }

    /// Whether a bundle of this many octets could be stored, with the reserve left that deletions need.
    pub fn has_room_for(&self, octets: u64) -> bool {
        self.allowance.covers(octets)
    }

    pub(crate) fn take_room(&mut self, octets: u64) -> Result<(), StoreError> {
        self.allowance.take(octets)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn settings_mut(&mut self) -> &mut Settings {
        self.settings_changed = true;
        &mut self.settings
    }

    pub(crate) fn set_changes_mut(&mut self) -> &mut SetChanges {
        &mut self.set_changes
    }

    pub(crate) fn witnessed_epoch(&self) -> u64 {
        self.store.witnessed_epoch()
    }

    pub(crate) fn put(&mut self, table: Table, key: &[u8], body: &[u8]) -> Result<(), StoreError> {
        self.store.tables.put(&mut self.txn, table, key, body)
    }

    pub(crate) fn append(&mut self, table: Table, key: &[u8], body: &[u8]) -> Result<(), StoreError> {
        self.store.tables.append(&mut self.txn, table, key, body)
    }

    pub(crate) fn delete(&mut self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        self.store.tables.delete(&mut self.txn, table, key)
    }
}

impl std::fmt::Debug for WriteTxn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteTxn").field("id", &self.txn.id()).finish_non_exhaustive()
    }
}

/// Two meta pages, and a few for the tree of trees and the list of free pages.
const OTHER_PAGES: u64 = 16;

fn file_use(store: &Store, txn: &RwTxn<'_>) -> Result<FileUse, StoreError> {
    let info = store.env.info();
    let page = u64::from(store.env.unnamed_database_stat().page_size);
    let used = store.tables.pages(txn)?.saturating_add(OTHER_PAGES);
    let high_water = (info.last_page_number as u64).saturating_add(1);
    Ok(FileUse { map: info.map_size as u64, high_water: high_water * page, used: used * page })
}

/// All that can be read in a transaction. Cheap to copy; lives no longer than the transaction.
#[derive(Clone, Copy)]
pub struct View<'t> {
    txn: &'t RoTxn<'t>,
    tables: &'t Tables,
    pub(crate) settings: Option<&'t Settings>,
    /// What this transaction did to the set, and is not in the log yet.
    pub(crate) unlogged: &'t [SetChange],
}

impl<'t> View<'t> {
    pub(crate) fn get(&self, table: Table, key: &[u8]) -> Result<Option<&'t [u8]>, StoreError> {
        self.tables.get(self.txn, table, key)
    }

    pub(crate) fn has(&self, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        self.tables.has(self.txn, table, key)
    }

    /// Rows whose key begins with `prefix`.
    pub(crate) fn rows(&self, table: Table, prefix: &[u8]) -> Result<Rows<'t>, StoreError> {
        self.tables.rows(self.txn, table, prefix, Bound::Unbounded)
    }

    /// Rows whose key begins with `prefix`, from `start` on.
    pub(crate) fn rows_from(
        &self,
        table: Table,
        prefix: &[u8],
        start: Bound<&[u8]>,
    ) -> Result<Rows<'t>, StoreError> {
        self.tables.rows(self.txn, table, prefix, start)
    }

    pub(crate) fn len(&self, table: Table) -> Result<u64, StoreError> {
        self.tables.len(self.txn, table)
    }
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("id", &self.txn.id()).finish_non_exhaustive()
    }
}
