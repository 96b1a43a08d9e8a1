//! Opening a store: look at the file first, then map it, then see whether it is ours and whether it went back in time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use heed::{Env, EnvFlags, EnvOpenOptions, WithoutTls};

use crate::store::ballast::Ballast;
use crate::store::examination::sound;
use crate::store::meta_pages::{self, FileState};
use crate::store::settings::{self, FORMAT_VERSION, Settings};
use crate::store::space;
use crate::store::table::DATABASES_MAX;
use crate::store::tables::Tables;
use crate::store::transaction::{ReadTxn, WriteTxn};
use crate::store::witness::{self, Progress, Witness};
use crate::store::{StoreError, Table};

const DATA_FILE: &str = "data.mdb";
/// Readers at the same time: the API's connections, the links that copy payloads out, the tools. LMDB's own default.
const READERS_MAX: u32 = 126;
/// A map is a multiple of this, which is a multiple of every page size.
const MAP_STEP_OCTETS: u64 = 1 << 20;
/// The smallest map that is of any use: all tables, the reserve, and some bundles.
const MAP_OCTETS_MIN: u64 = 1 << 20;
/// The map to start with where addresses are scarce.
const MAP_OCTETS_32_BIT: u64 = 1 << 30;
/// The map where addresses are plenty is at least this, so that a store may outgrow the disk that it was made on.
const MAP_OCTETS_64_BIT: u64 = 64 << 30;

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// What was committed survives a power cut.
    #[default]
    Synced,
    /// For simulations only: a power cut loses the whole store. Nothing is flushed, and neither witness nor
    /// ballast is kept.
    Unsynced,
}

/// How a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreOptions {
    /// The size of the map, rounded up to 1 MiB: what the file can grow to before [`Store::grow`]. `None`: the size of the file system,
    /// and at least 64 GiB (the file grows only as it is filled); 1 GiB on 32-bit.
    pub map_octets: Option<u64>,
    /// Whether a commit waits for the disk.
    pub durability: Durability,
}

/// An open store. One writer and any number of readers; closing waits for nothing and loses nothing.
#[derive(Debug)]
pub struct Store {
    pub(crate) env: Env<WithoutTls>,
    pub(crate) tables: Tables,
    pub(crate) folder: PathBuf,
    witness: Option<Witness>,
    ballast: Option<Ballast>,
    rolled_back: bool,
}

impl Store {
    /// Opens the store in `folder`, or makes one. Scans nothing.
    ///
    /// The file is examined before it is mapped, so that a file that is cut off, foreign or from another machine is an error
    /// and never a crash. A new store has epoch 1 and incarnation 0: draw one before the first sequence number is taken.
    pub fn open(folder: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        fs::create_dir_all(folder)?;
        let data = folder.join(DATA_FILE);
        let state = meta_pages::examine(&data)?;
        if state == FileState::Blank {
            remove_blank(folder, &data)?;
        }
        let mut store = Self::map(folder, options)?;
        store.begin_or_recognize()?;
        if state != FileState::Sound {
            make_durable(folder)?;
        }
        Ok(store)
    }

    fn map(folder: &Path, options: &StoreOptions) -> Result<Self, StoreError> {
        let env = open_env(folder, options)?;
        env.clear_stale_readers()?;
        let tables = Tables::open(&env)?;
        let (witness, ballast) = match options.durability {
            Durability::Synced => (Some(Witness::open(folder)?), Some(Ballast::new(folder))),
            Durability::Unsynced => (None, None),
        };
        Ok(Self { env, tables, folder: folder.to_owned(), witness, ballast, rolled_back: false })
    }

    /// Writes the settings of a new store, or checks the format of one that is there and whether it went back. Where the
    /// settings are damaged the store can be read and dumped, and no write transaction begins.
    fn begin_or_recognize(&mut self) -> Result<(), StoreError> {
        let txn = self.env.read_txn()?;
        let epoch = match sound(self.tables.get(&txn, Table::Settings, settings::KEY))? {
            Some(Some(body)) => {
                let found = Settings::version(body).unwrap_or_default();
                if found != FORMAT_VERSION {
                    return Err(StoreError::WrongFormat {
                        what: "store format",
                        found,
                        expected: FORMAT_VERSION,
                    });
                }
                Settings::decode(body).map(|settings| settings.epoch)
            }
            Some(None) => {
                drop(txn);
                Some(self.begin()?)
            }
            None => None,
        };
        if let Some((witness, epoch)) = self.witness.as_ref().zip(epoch) {
            let here = Progress { epoch, transaction: self.env.info().last_txn_id as u64 };
            self.rolled_back = witness.found > here || witness.is_copy;
        }
        Ok(())
    }

    fn begin(&self) -> Result<u64, StoreError> {
        let new = Settings::of_a_new_store();
        let mut txn = self.env.write_txn()?;
        self.tables.put(&mut txn, Table::Settings, settings::KEY, &new.encode())?;
        txn.commit()?;
        Ok(new.epoch)
    }

    /// Whether this store is older than one that was here, or a copy that may be: a backup was put back, or the disk lost what it had
    /// said was flushed.
    /// Raise the epoch and draw a new incarnation before anything else is done with it.
    pub fn rolled_back(&self) -> bool {
        self.rolled_back
    }

    /// Begins to read the store as it is now. Close it soon: pages that it may see cannot be reused.
    pub fn read(&self) -> Result<ReadTxn<'_>, StoreError> {
        Ok(ReadTxn::new(self.env.read_txn()?, &self.tables))
    }

    /// Begins to write; waits while another transaction does. Nothing is kept unless it is committed.
    pub fn write(&self) -> Result<WriteTxn<'_>, StoreError> {
        WriteTxn::begin(self)
    }

    /// The size of the map, in octets.
    pub fn map_octets(&self) -> u64 {
        self.env.info().map_size as u64
    }

    /// Doubles the map, and gives its new size. The driver calls it when a transaction failed with `Full` for the map;
    /// that nobody reads or writes meanwhile is certain because the store is borrowed mutably.
    pub fn grow(&mut self) -> Result<u64, StoreError> {
        let octets = map_size(self.map_octets().saturating_mul(2))?;
        #[expect(unsafe_code, reason = "LMDB's map can be resized only while no transaction is open")]
        // SAFETY: every transaction borrows this store, which is borrowed mutably here, so none is open in this process.
        unsafe {
            self.env.resize(octets)?;
        }
        Ok(self.map_octets())
    }

    pub(crate) fn committed(&self, epoch: u64, transaction: u64) {
        if let Some(witness) = &self.witness {
            witness.committed(Progress { epoch, transaction });
        }
    }

    pub(crate) fn trim_ballast(&self, free_on_disk: u64) {
        if let Some(ballast) = &self.ballast {
            ballast.trim(free_on_disk);
        }
    }

    pub(crate) fn witnessed_epoch(&self) -> u64 {
        self.witness.as_ref().map_or(0, |witness| witness.found.epoch)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(witness) = &self.witness {
            witness.write();
        }
    }
}

fn open_env(folder: &Path, options: &StoreOptions) -> Result<Env<WithoutTls>, StoreError> {
    let octets = match options.map_octets {
        Some(octets) => octets.max(MAP_OCTETS_MIN),
        None if usize::BITS < 64 => MAP_OCTETS_32_BIT,
        None => space::disk_octets(folder)?.max(MAP_OCTETS_64_BIT),
    };
    let mut env = EnvOpenOptions::new().read_txn_without_tls();
    env.map_size(map_size(octets)?).max_dbs(DATABASES_MAX).max_readers(READERS_MAX);
    #[expect(unsafe_code, reason = "LMDB maps a file, which no type can watch over")]
    // SAFETY: the file was examined and is long enough for every page in use; nothing but LMDB writes to it while it is
    // open, since the home's lock and heed's register of open environments keep others out; no flag that lifts LMDB's own
    // locking is set, and the one that lifts flushing endangers only what a simulation keeps.
    unsafe {
        if options.durability == Durability::Unsynced {
            env.flags(EnvFlags::NO_SYNC);
        }
        Ok(env.open(folder)?)
    }
}

fn map_size(octets: u64) -> Result<usize, StoreError> {
    let rounded = octets.div_ceil(MAP_STEP_OCTETS).saturating_mul(MAP_STEP_OCTETS);
    usize::try_from(rounded).map_err(|_| {
        io::Error::new(io::ErrorKind::OutOfMemory, "this machine cannot address a larger store").into()
    })
}

/// LMDB would not take a file of zeros. Where a store was at work before, it is more than a beginning that was cut short.
fn remove_blank(folder: &Path, data: &Path) -> Result<(), StoreError> {
    if witness::exists(folder) {
        return Err(StoreError::NotOurs {
            path: data.to_owned(),
            what: "its content was overwritten with zeros",
        });
    }
    Ok(fs::remove_file(data)?)
}

/// LMDB flushes its file but not the folder that names it.
fn make_durable(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)?.sync_all()?;
    if let Some(parent) = folder.canonicalize()?.parent() {
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}
