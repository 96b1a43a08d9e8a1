//! What users ask of an agent, and what comes of it. Reads need no step: they go to the store directly.

use bundle_format::{BundleId, CheckedBundle, CreationTimestamp, Eid, Metadata, PublicKey};
use bytes::Bytes;

use crate::refusal::Refusal;
use crate::store::{Number, PayloadPlace, Repaired};

/// The driver's name for a request, so that the answer finds its way.
pub type RequestId = u64;

/// Something to change.
#[derive(Debug)]
pub enum Request {
    /// Transmit an application data unit that fits in memory (RFC 9171 §5.2). Answered with `Transmitted` or `Refused`.
    Transmit {
        /// What and where to.
        order: Order,
        /// The application data unit.
        payload: Bytes,
    },
    /// Begin to transmit a larger one: reserves its creation timestamp and room for its chunks. Answered with `Staging`.
    BeginTransmission {
        /// What and where to.
        order: Order,
        /// Its length in octets.
        payload_octets: u64,
    },
    /// The chunks are there and the bundle is signed over them. Answered with `Transmitted` or `Refused`.
    FinishTransmission {
        /// From `Staging`.
        number: Number,
        /// The bundle, signed for this node with the timestamp from `Staging`.
        bundle: Box<CheckedBundle>,
    },
    /// Take in a bundle that came by no contact: a file, or a drive's record. Answered with `Imported` or `Refused`.
    Import {
        /// The bundle, checked.
        bundle: Box<CheckedBundle>,
        /// Where its payload is.
        payload: PayloadPlace,
        /// The node that wrote it there, where that is known: it has the bundle.
        from: Option<Eid>,
        /// How long it lay there, in milliseconds, where that is known: added to its age.
        dormant_ms: u64,
        /// What the file or drive is called, for people: `drive "RED"`; empty where nobody said.
        way: String,
    },
    /// The application has the bundle, durably: take it off the endpoint's queue (RFC 9171 §5.7).
    Consume {
        /// The endpoint.
        endpoint: Eid,
        /// The bundle.
        number: Number,
    },
    /// Remove a bundle for good: its id stays until it would have expired, so that it does not come back.
    Remove {
        /// Which.
        id: BundleId,
    },
    /// Trust a key for a node.
    TrustAdd {
        /// The node.
        node: Eid,
        /// Its key.
        key: PublicKey,
        /// What to do where another key is trusted for that node.
        conflict: Conflict,
    },
    /// Trust no key for a node any longer.
    TrustRemove {
        /// The node.
        node: Eid,
    },
    /// Keep a contact with whoever answers at this address.
    PeerAdd {
        /// `tcp://host:port`.
        url: String,
    },
    /// Stop doing so.
    PeerRemove {
        /// As it was added.
        url: String,
    },
    /// Become a member of a group: a non-singleton endpoint.
    Subscribe {
        /// The group.
        group: Eid,
    },
    /// Leave a group.
    Unsubscribe {
        /// The group.
        group: Eid,
    },
    /// A neighbor or a volume is known, by evidence that counts, to have these bundles.
    NoteHeld {
        /// Who: a node ID, or a volume's EID.
        holder: Eid,
        /// What.
        ids: Vec<BundleId>,
    },
    /// Bundles are about to be written onto a volume: give numbers to those in this node's custody, and make signals of the
    /// answers that wait. Answered with `Done`.
    HandToVolume {
        /// The volume's EID.
        volume: Eid,
        /// Which bundles.
        ids: Vec<BundleId>,
    },
    /// Reserve a creation timestamp for a bundle that is signed outside (a volume's inventory). Answered with `Timestamp`.
    ReserveTimestamp,
    /// Look at every record and index; with `Repair::Rebuild`, rebuild what is derivable. Answered with `Checked`.
    Check {
        /// Whether to change anything.
        repair: Repair,
    },
}

/// An application's wish to transmit.
#[derive(Debug, Clone)]
pub struct Order {
    /// Where to: a singleton endpoint or a group.
    pub destination: Eid,
    /// The demux of the source endpoint; empty for the node ID itself.
    pub source_demux: String,
    /// How long the bundle is of use, in milliseconds.
    pub lifetime_ms: u64,
    /// File name, media type, priority.
    pub metadata: Metadata,
    /// Whether the destination is asked to report delivery (RFC 9171 §4.2.3).
    pub report: Report,
    /// Whether this node answers for the bundle until another does.
    pub custody: CustodyTransfer,
}

/// Whether custody of a bundle is to be transferred (`docs/custody.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CustodyTransfer {
    /// This node keeps it until the next custodian has taken it over.
    #[default]
    Wanted,
    /// Nobody answers for it.
    NotWanted,
}

/// Whether a status report is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// None.
    Nothing,
    /// On delivery, to this node.
    Delivery,
    /// From every node on the way, on all that happens to the bundle and with times, to its source endpoint.
    Way,
}

/// What to do about a second key for a known name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// Keep the first.
    Refuse,
    /// Take the new one.
    Replace,
}

/// Whether `Check` changes the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Only tell.
    Nothing,
    /// Rebuild indexes, quarantine damaged records.
    Rebuild,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is so now, durably. `changed` is false where it was so before.
    Done {
        /// Whether anything changed.
        changed: bool,
    },
    /// There is no such thing.
    NotFound,
    /// The bundle is in the store, durably.
    Transmitted {
        /// Its id.
        id: BundleId,
        /// Its place.
        number: Number,
    },
    /// Write chunks here, then sign with this timestamp.
    Staging {
        /// Where the chunks go.
        number: Number,
        /// The bundle's creation timestamp (RFC 9171 §4.2.7).
        creation: CreationTimestamp,
        /// The age to state in the Bundle Age block, in milliseconds.
        age_ms: u64,
    },
    /// The bundle is in the store, durably.
    Imported {
        /// Its id.
        id: BundleId,
    },
    /// Not taken.
    Refused(Refusal),
    /// Another key is trusted for that node.
    OtherKey {
        /// The one that is.
        trusted: PublicKey,
    },
    /// The entry stands in `config.toml` and is changed there.
    Configured,
    /// A timestamp that nobody else will get.
    Timestamp(CreationTimestamp),
    /// What the check found.
    Checked {
        /// A line for each finding; empty where all is well.
        findings: Vec<String>,
        /// What was put right.
        repaired: Repaired,
    },
}
