//! The store: every bundle that the node holds and all that must survive a crash, in one LMDB file.
//!
//! The driver lends the agent a [`WriteTxn`] for a step and commits it before anything is said about it; readers copy what they need out
//! of a short [`ReadTxn`]. Both give a [`View`], which has all the reads. What the file holds octet by octet is in `docs/store.md`.
//!
//! Invariants: every record carries a checksum, verified whenever it is read; every index can be derived from the facts
//! about bundles (`check` proves it, `repair` rebuilds); a [`Number`] is never given out twice; what a committed
//! transaction wrote is durable.

mod ballast;
mod bundles;
mod check;
mod custody;
mod delivered;
mod dump;
mod dump_item;
mod endpoints;
mod error;
mod eviction;
mod examination;
mod expiry;
mod facts;
mod finding;
mod hearings;
mod held;
mod identities;
mod insertion;
mod load;
mod membership;
mod meta_pages;
mod neighbors;
mod opening;
mod page_tree;
mod partials;
mod partition;
mod payloads;
mod peers;
mod publications;
mod quarantine;
mod queues;
mod record;
mod records;
mod removal;
mod repair;
mod set_log;
mod settings;
mod space;
mod subscriptions;
mod table;
mod tables;
mod tombstones;
mod transaction;
mod trust;
mod usage;
mod witness;

#[cfg(test)]
pub(crate) use bundles::IdRow;
pub use bundles::{Presence, StoredBundle};
pub use check::Progress;
pub use custody::{Custodian, Disposition, Issued, Owed, Taker};
pub use delivered::DeliveredRun;
pub use dump::Dumped;
pub use error::{Room, StoreError};
pub(crate) use eviction::Among;
pub use eviction::Worth;
pub use facts::{BundleFacts, Retention};
pub use finding::{FINDINGS_MAX, Fault, Finding};
pub use hearings::Hearing;
pub use insertion::{NewRecord, PayloadPlace, Standing};
pub use load::Loaded;
#[cfg(test)]
pub(crate) use membership::Membership;
pub use neighbors::{NeighborContact, NeighborRecord};
pub use opening::{Durability, Store, StoreOptions};
pub use partials::{Partial, PartialRecord, PrimaryHash};
pub use partition::Partition;
pub use payloads::CHUNK_OCTETS;
pub use publications::Publication;
pub use records::{RecordKey, RecordPlace, RecordRow};
pub use removal::Tombstone;
pub use repair::Repaired;
pub(crate) use set_log::{CHECKPOINT_CHANGES, SetChange};
pub use settings::{FORMAT_VERSION, Settings};
pub use table::Table;
pub use transaction::{ReadTxn, View, WriteTxn};
pub use trust::TrustEntry;
pub use usage::Usage;

/// A bundle's number in this store: it grows with every bundle that becomes visible and is never used twice. Payloads
/// that are being staged have numbers of the same series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(u64);

impl Number {
    /// The number with this value, as somebody wrote it down.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Its value.
    pub fn value(self) -> u64 {
        self.0
    }

    pub(crate) fn key(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
