//! What the disk can do to us. Every variant says what happened, to what, and what to do next.

use std::io;
use std::path::PathBuf;

use crate::store::{Number, Table};

/// The store could not do what it was asked: stop the step, drop its transaction, and look at the variant.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room, in the map or on the file system. Nothing of the transaction was kept.
    #[error(
        "the store is full: {room}. Delete bundles (that works on a full store), or make room on its file system"
    )]
    Full {
        /// What ran out.
        room: Room,
    },
    /// A record is not what was written: its checksum, or its shape, is wrong.
    #[error("a record of the store is damaged: {table}, key {}. {}", hex(key), way_out(*number))]
    Damaged {
        /// In which table.
        table: Table,
        /// Under which key.
        key: Vec<u8>,
        /// The bundle that it belongs to, where it is a bundle's own record. `WriteTxn::quarantine` takes it out, so that it can be received again.
        number: Option<Number>,
    },
    /// LMDB found its own structure broken.
    #[error(
        "the store's structure is broken ({what}). Save what can be read with `store dump`, and load it into a new store"
    )]
    Broken {
        /// In LMDB's words.
        what: String,
    },
    /// The file ends before its last page; to map it would crash the process.
    #[error(
        "{}: the file has {octets} octets, its content needs {needed}: it was cut off. Put a backup in its place, or move it away; \
         neighbors will offer the bundles again",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length.
        octets: u64,
        /// The length that its last page ends at.
        needed: u64,
    },
    /// The file is not an LMDB file, or its meta pages are gone.
    #[error("{}: this is no store of packmule's ({what}). Move it away, or name another folder", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file was written by an LMDB or a packmule with another format.
    #[error(
        "the store has {what} {found}, this program reads {expected}. Write a dump with the program that made the store \
         (`store dump`), and load it with this one (`store load`)"
    )]
    WrongFormat {
        /// Which format.
        what: &'static str,
        /// What the store has.
        found: u32,
        /// What this program reads.
        expected: u32,
    },
    /// The file was written on a machine with pages of another size.
    #[error(
        "the store has pages of {found} octets, and this machine's pages have {expected}. Write a dump on a machine like \
         the one that made it (`store dump`), and load it here (`store load`)"
    )]
    PageSize {
        /// What the store has.
        found: u32,
        /// What this machine has.
        expected: u32,
    },
    /// The file was written on a machine with another word size.
    #[error(
        "the store was made by a {found}-bit program, and this one has {expected} bits. Write a dump with such a program \
         (`store dump`), and load it here (`store load`)"
    )]
    WordSize {
        /// What the store has.
        found: u32,
        /// What this program has.
        expected: u32,
    },
    /// It is open already, in this program.
    #[error("the store is open already in this program; close it first")]
    Locked,
    /// `load` wants a store without bundles.
    #[error("the store has bundles in it; load a dump into a new one")]
    NotEmpty,
    /// A dump could not be read.
    #[error("the dump cannot be read after item {item}: {what}. What came before it was loaded")]
    BadDump {
        /// How many items were fine.
        item: u64,
        /// What is wrong with the next one.
        what: &'static str,
    },
    /// The stream that a dump goes to, or comes from, failed.
    #[error("the dump's file said: {0}")]
    Stream(#[source] io::Error),
    /// The operating system refused.
    #[error("the store's file system said: {0}. Check the disk, then start again")]
    Io(#[from] io::Error),
}

/// What ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The map: `Store::grow` makes it larger.
    Map,
    /// The file system.
    Disk,
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Map => "its map has no room left",
            Self::Disk => "its file system has no room left",
        })
    }
}

impl StoreError {
    /// The bundle whose own record is damaged: `WriteTxn::quarantine` it, and go on.
    pub fn damaged_bundle(&self) -> Option<Number> {
        match self {
            Self::Damaged { number, .. } => *number,
            _ => None,
        }
    }

    /// Whether there is no room: refuse new bundles, delete old ones.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

impl From<heed::Error> for StoreError {
    fn from(error: heed::Error) -> Self {
        match error {
            heed::Error::Mdb(heed::MdbError::MapFull) => Self::Full { room: Room::Map },
            heed::Error::Io(error) if error.kind() == io::ErrorKind::StorageFull => {
                Self::Full { room: Room::Disk }
            }
            heed::Error::Io(error) => Self::Io(error),
            heed::Error::EnvAlreadyOpened => Self::Locked,
            heed::Error::Mdb(error) => Self::Broken { what: error.to_string() },
            heed::Error::Encoding(error) | heed::Error::Decoding(error) => {
                Self::Broken { what: error.to_string() }
            }
        }
    }
}

fn hex(key: &[u8]) -> String {
    use std::fmt::Write;
    key.iter().fold(String::new(), |mut text, octet| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn way_out(number: Option<Number>) -> &'static str {
    match number {
        Some(_) => "The bundle is set aside, and neighbors that have it will offer it again",
        None => "`store check --repair` rebuilds it",
    }
}
