//! The tables: what each is keyed by, and the one way to read and write their rows.
//!
//! Keys are big-endian and fixed-size, so that LMDB's order of octets is the order that we mean. Small tables share
//! one LMDB database, each under its tag, so that a commit touches few pages. `docs/store.md` has every key and record.

use std::borrow::Cow;
use std::io::Write;
use std::ops::Bound;

use heed::types::Bytes as Octets;
use heed::{CommitOrAbort, Database, DatabaseOpener, Env, PutFlags, RoTxn, RwTxn, WithoutTls};

use crate::store::record::{CHECKSUM_OCTETS, checksum, verified};
use crate::store::{Number, StoreError};

/// A table of the store. The value is its tag, which is part of every checksum; tags are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Number → what is known about a bundle.
    Facts = 1,
    /// Number → head, tail, and a small payload.
    Contents = 2,
    /// Payload number ‖ index → a piece of a payload.
    Chunks = 3,
    /// Payload number → the bundle that it belongs to.
    Payloads = 4,
    /// Bundle id → its number, or until when it is remembered as gone.
    Ids = 5,
    /// Source ‖ creation ‖ fragment ‖ number → bundle id.
    Identities = 6,
    /// Deadline ‖ number.
    Expiry = 7,
    /// End of the memory ‖ bundle id.
    Tombstones = 8,
    /// Destination ‖ number.
    Destinations = 9,
    /// Endpoint ‖ number: bundles that wait for an application.
    Queue = 10,
    /// Hash of an EID → the short number that stands for it in other keys, and the EID.
    Endpoints = 11,
    /// Block of numbers ‖ neighbor → which of them the neighbor has.
    Held = 12,
    /// The one record of the store itself.
    Settings = 13,
    /// Node → how much of the store its bundles fill.
    Usage = 14,
    /// Hash of a node ID → the key trusted for it.
    Trust = 15,
    /// Hash of a URL → a peer to be called.
    Peers = 16,
    /// Hash of an EID → a group that this node is a member of.
    Subscriptions = 17,
    /// Hash of a node ID → what is known about a neighbor.
    Neighbors = 18,
    /// Payload number → how much of it is here, as long as it belongs to no bundle.
    Stagings = 19,
    /// Hash of a primary block → the beginning of a large bundle whose transfer broke off.
    Partials = 30,
    /// Number ‖ taker → the number that the bundle has in this node's custody.
    CustodyIssued = 40,
    /// Sequence id ‖ number in custody → the bundle's number.
    CustodyNumbers = 41,
    /// Custodian ‖ its sequence id ‖ its number → what it is still to be told.
    CustodyOwed = 42,
    /// Signer, author, group and name → the newest edition of a record.
    Records = 50,
    /// Hash of a node ID → when its card came last, and by which way.
    Hearings = 51,
    /// Endpoint, source and sequence number → bundles in a row that applications here have taken.
    Delivered = 52,
    /// Name of a record of this node → its last edition.
    Publications = 53,
    /// Hash of a node ID → a destination whose delivered bundles are being looked for.
    Purges = 54,
    /// Growing number → ids that came into the set of ids, or left it.
    SetLog = 60,
    /// Block → cells of the set, as they were at a row of the log.
    SetCells = 61,
    /// Hour ‖ bundle id: a bundle that is gone leaves the set.
    Departures = 62,
    /// Partition ‖ number ‖ bundle id: what is in the set.
    Members = 63,
    /// Worth ‖ number: bundles that may go when room is needed, the least valuable first.
    Eviction = 70,
}

impl Table {
    /// All of them, in the order of a repair: each behind those that it derives from.
    pub(crate) const ALL: [Self; 33] = [
        Self::Facts,
        Self::Contents,
        Self::Payloads,
        Self::Stagings,
        Self::Partials,
        Self::Chunks,
        Self::Tombstones,
        Self::Departures,
        Self::Members,
        Self::Ids,
        Self::SetLog,
        Self::SetCells,
        Self::Identities,
        Self::Expiry,
        Self::Destinations,
        Self::Queue,
        Self::Eviction,
        Self::Records,
        Self::Hearings,
        Self::Delivered,
        Self::Publications,
        Self::Purges,
        Self::Neighbors,
        Self::Held,
        Self::CustodyIssued,
        Self::CustodyNumbers,
        Self::CustodyOwed,
        Self::Trust,
        Self::Peers,
        Self::Subscriptions,
        Self::Settings,
        Self::Usage,
        Self::Endpoints,
    ];

    /// The LMDB database that holds it, by its place in [`DATABASES`].
    fn database(self) -> usize {
        match self {
            Self::Facts => 0,
            Self::Contents => 1,
            Self::Chunks => 2,
            Self::Payloads => 3,
            Self::Ids => 4,
            Self::Identities => 5,
            Self::Expiry => 6,
            Self::Tombstones => 7,
            Self::Destinations => 8,
            Self::Queue => 9,
            Self::Endpoints => 10,
            Self::Held => 11,
            Self::Settings
            | Self::Usage
            | Self::Trust
            | Self::Peers
            | Self::Subscriptions
            | Self::Neighbors
            | Self::Stagings
            | Self::Partials
            | Self::CustodyIssued
            | Self::CustodyNumbers
            | Self::CustodyOwed
            | Self::Records
            | Self::Hearings
            | Self::Delivered
            | Self::Publications
            | Self::Purges
            | Self::SetLog
            | Self::SetCells
            | Self::Departures
            | Self::Members
            | Self::Eviction => SHARED,
        }
    }

    /// Whether it shares its LMDB database with others.
    pub(crate) fn is_shared(self) -> bool {
        self.database() == SHARED
    }

    /// The bundle that a row belongs to, where the row is a bundle's own and says so in its key.
    fn owner(self, key: &[u8]) -> Option<Number> {
        match self {
            Self::Facts | Self::Contents => {
                key.try_into().ok().map(|number| Number::new(u64::from_be_bytes(number)))
            }
            _ => None,
        }
    }

    fn damaged(self, key: &[u8]) -> StoreError {
        StoreError::Damaged { table: self, key: key.to_vec(), number: self.owner(key) }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Facts => "facts about bundles",
            Self::Contents => "contents of bundles",
            Self::Chunks => "pieces of payloads",
            Self::Payloads => "list of payloads",
            Self::Ids => "index of ids",
            Self::Identities => "index of identities",
            Self::Expiry => "index of deadlines",
            Self::Tombstones => "index of tombstones",
            Self::Destinations => "index of destinations",
            Self::Queue => "queues of endpoints",
            Self::Endpoints => "list of endpoints",
            Self::Held => "what neighbors hold",
            Self::Settings => "settings",
            Self::Usage => "usage by node",
            Self::Trust => "trusted keys",
            Self::Peers => "peers",
            Self::Subscriptions => "subscriptions",
            Self::Neighbors => "neighbors",
            Self::Stagings => "payloads that are arriving",
            Self::Partials => "bundles of which a part is here",
            Self::CustodyIssued => "numbers given in custody",
            Self::CustodyNumbers => "index of numbers given in custody",
            Self::CustodyOwed => "answers to custodians",
            Self::Records => "index of records",
            Self::Hearings => "nodes that were heard of",
            Self::Delivered => "what applications have taken",
            Self::Publications => "what this node published",
            Self::Purges => "deliveries to act upon",
            Self::SetLog => "log of the set of ids",
            Self::SetCells => "cells of the set of ids",
            Self::Departures => "index of ids that leave the set",
            Self::Members => "index of the set by partition",
            Self::Eviction => "index of what may go",
        })
    }
}

/// The LMDB databases, by name.
const DATABASES: [&str; 13] = [
    "facts",
    "contents",
    "chunks",
    "payloads",
    "ids",
    "identities",
    "expiry",
    "tombstones",
    "destinations",
    "queue",
    "endpoints",
    "held",
    "node",
];
/// The place in [`DATABASES`] of the one that several small tables share.
const SHARED: usize = 12;

/// As many databases as LMDB is to keep open.
pub(crate) const DATABASES_MAX: u32 = 13;

type Raw = Database<'static, Octets, Octets>;

/// The open tables.
#[derive(Debug)]
pub(crate) struct Tables {
    databases: [Raw; 13],
}

impl Tables {
    /// Opens all tables, and makes those that are not there.
    pub(crate) fn open(env: &Env<WithoutTls>) -> Result<Self, StoreError> {
        let txn = env.write_txn()?;
        let made = env.create_databases_and_commit(txn, |opener, txn| {
            create(opener, txn).map(CommitOrAbort::<_, std::convert::Infallible>::Commit)
        })?;
        match made {
            CommitOrAbort::Commit(databases) => Ok(Self { databases }),
            CommitOrAbort::Abort(never) => match never {},
        }
    }

    fn raw(&self, table: Table) -> Raw {
        #[expect(clippy::indexing_slicing, reason = "`Table::database` names places of this array only")]
        self.databases[table.database()]
    }

    /// A record's fields, if it is there.
    pub(crate) fn get<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        table: Table,
        key: &[u8],
    ) -> Result<Option<&'t [u8]>, StoreError> {
        match self.raw(table).get(txn, &full_key(table, key))? {
            Some(value) => verified(table as u8, key, value).map(Some).ok_or_else(|| table.damaged(key)),
            None => Ok(None),
        }
    }

    /// Whether there is a record, sound or not.
    pub(crate) fn has(&self, txn: &RoTxn<'_>, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.raw(table).get(txn, &full_key(table, key))?.is_some())
    }

    pub(crate) fn put(
        &self,
        txn: &mut RwTxn<'_>,
        table: Table,
        key: &[u8],
        body: &[u8],
    ) -> Result<(), StoreError> {
        let sum = checksum(table as u8, key, body);
        // Written to where LMDB wants it: what is large is copied once.
        Ok(self.raw(table).put_reserved(txn, &full_key(table, key), body.len() + sum.len(), |value| {
            value.write_all(body)?;
            value.write_all(&sum)
        })?)
    }

    /// Like `put`, for a key behind all others of its database: LMDB fills its pages instead of splitting them.
    pub(crate) fn append(
        &self,
        txn: &mut RwTxn<'_>,
        table: Table,
        key: &[u8],
        body: &[u8],
    ) -> Result<(), StoreError> {
        let mut value = Vec::with_capacity(body.len() + CHECKSUM_OCTETS);
        value.extend_from_slice(body);
        value.extend_from_slice(&checksum(table as u8, key, body));
        Ok(self.raw(table).put_with_flags(txn, PutFlags::APPEND, &full_key(table, key), &value)?)
    }

    /// Deletes a record; whether it was there.
    pub(crate) fn delete(&self, txn: &mut RwTxn<'_>, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.raw(table).delete(txn, &full_key(table, key))?)
    }

    /// The records under keys that begin with `prefix`, from `start` on where it lies among them.
    pub(crate) fn rows<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        table: Table,
        prefix: &[u8],
        start: Bound<&[u8]>,
    ) -> Result<Rows<'t>, StoreError> {
        let prefix = full_key(table, prefix);
        let start = start.map(|key| full_key(table, key));
        let start = match &start {
            // LMDB knows no empty key.
            Bound::Unbounded if prefix.is_empty() => Bound::Unbounded,
            Bound::Unbounded => Bound::Included(prefix.as_ref()),
            other => other.as_ref().map(AsRef::as_ref),
        };
        let end = successor(&prefix);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.raw(table).range(txn, &(start, end))?;
        Ok(Rows { table, range })
    }

    /// How many rows a table has; the tables of the shared database count together.
    pub(crate) fn len(&self, txn: &RoTxn<'_>, table: Table) -> Result<u64, StoreError> {
        Ok(self.raw(table).len(txn)?)
    }

    /// Pages that the tables fill, the free ones of the file not counted.
    pub(crate) fn pages(&self, txn: &RoTxn<'_>) -> Result<u64, StoreError> {
        let mut pages = 0_u64;
        for database in &self.databases {
            let stat = database.stat(txn)?;
            pages += (stat.branch_pages + stat.leaf_pages + stat.overflow_pages) as u64;
        }
        Ok(pages)
    }
}

fn create<'e>(
    opener: &DatabaseOpener<'e, WithoutTls>,
    txn: &mut RwTxn<'e>,
) -> heed::Result<[Database<'e, Octets, Octets>; 13]> {
    let mut databases = Vec::with_capacity(DATABASES.len());
    for name in DATABASES {
        databases.push(opener.create_database::<Octets, Octets>(txn, Some(name))?);
    }
    Ok(databases.try_into().unwrap_or_else(|_| unreachable!("one database was opened for each name")))
}

/// Rows of a table in the order of their keys; a damaged one is an error, and the next may be sound again.
#[derive(Debug)]
pub(crate) struct Rows<'t> {
    table: Table,
    range: heed::RoRange<'t, Octets, Octets>,
}

impl<'t> Iterator for Rows<'t> {
    type Item = Result<(&'t [u8], &'t [u8]), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.range.next()?;
        Some(row.map_err(StoreError::from).and_then(|(key, value)| {
            let key = if self.table.is_shared() { key.get(1..).unwrap_or_default() } else { key };
            let body = verified(self.table as u8, key, value).ok_or_else(|| self.table.damaged(key))?;
            Ok((key, body))
        }))
    }
}

fn full_key(table: Table, key: &[u8]) -> Cow<'_, [u8]> {
    if table.is_shared() {
        let mut full = Vec::with_capacity(1 + key.len());
        full.push(table as u8);
        full.extend_from_slice(key);
        Cow::Owned(full)
    } else {
        Cow::Borrowed(key)
    }
}

/// The first key behind all that begin with `prefix`; `None` where there can be none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|octet| *octet != u8::MAX)?;
    let mut next = prefix.get(..=last)?.to_vec();
    if let Some(octet) = next.last_mut() {
        *octet += 1;
    }
    Some(next)
}

/// The error for a record whose checksum holds and whose fields make no sense.
pub(crate) fn misshapen(table: Table, key: &[u8]) -> StoreError {
    table.damaged(key)
}
