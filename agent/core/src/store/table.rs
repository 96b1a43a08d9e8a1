//! Which tables there are, under which tags, and in which LMDB databases they lie. `docs/store.md` has every key and record.
//!
//! A tag and a database's name are what the file on the disk says: neither is ever reused for something else.

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
    /// Endpoint ‖ worth ‖ number: the same of each source and group.
    Shares = 71,
}

impl Table {
    /// All of them, in the order of a repair: each behind those that it derives from.
    pub(crate) const ALL: [Self; 34] = [
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
        Self::Shares,
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
    pub(crate) fn database(self) -> usize {
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
            | Self::Eviction
            | Self::Shares => SHARED,
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

    pub(crate) fn damaged(self, key: &[u8]) -> StoreError {
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
            Self::Shares => "index of what may go by endpoint",
        })
    }
}

/// The LMDB databases, by name.
pub(crate) const DATABASES: [&str; 13] = [
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
