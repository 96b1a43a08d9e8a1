//! What a local program asks of an agent, and the answers that fit into one message (`docs/local-api.md`).

use bundle_format::{BundleId, Eid, PublicKey};
use serde::{Deserialize, Serialize};

use super::as_text;
use super::report::{BundleReport, BundleSummary, Explanation, Status};

/// Most ids in one call or answer: what fits into a frame with room to spare.
pub(crate) const IDS_MAX: usize = 2048;
/// Most bundles in one answer to [`Call::List`] or [`Call::Held`].
pub const LISTED_MAX: usize = 200;

/// A question, or a small change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Who the node is. Answered with [`Reply::Identity`].
    Id,
    /// How it is. Answered with [`Reply::Status`].
    Status,
    /// Trust a key for a node. Answered with [`Reply::Done`] or [`Reply::OtherKey`].
    TrustAdd {
        /// The node.
        #[serde(with = "as_text")]
        node: Eid,
        /// Its key.
        #[serde(with = "as_text")]
        key: PublicKey,
        /// Whether another key that is trusted for the node gives way.
        replace: bool,
    },
    /// All trusted keys. Answered with [`Reply::Trust`].
    TrustList,
    /// Trust no key for a node any longer.
    TrustRemove {
        /// The node.
        #[serde(with = "as_text")]
        node: Eid,
    },
    /// Keep a contact with whoever answers at an address.
    PeerAdd {
        /// `tcp://host:port`.
        url: String,
    },
    /// All peers. Answered with [`Reply::Peers`].
    PeerList,
    /// Keep it no longer.
    PeerRemove {
        /// As it was added.
        url: String,
    },
    /// Become a member of a group.
    Subscribe {
        /// The group.
        #[serde(with = "as_text")]
        group: Eid,
    },
    /// Leave a group.
    Unsubscribe {
        /// The group.
        #[serde(with = "as_text")]
        group: Eid,
    },
    /// All groups that the node is a member of. Answered with [`Reply::Groups`].
    Subscriptions,
    /// What the store holds, oldest first. Answered with [`Reply::Bundles`].
    List {
        /// Only what came after the bundle of this number.
        after: Option<u64>,
        /// At most this many, and at most [`LISTED_MAX`].
        limit: usize,
        /// Protocol bundles too.
        all: bool,
    },
    /// One bundle in full. Answered with [`Reply::Bundle`].
    Show {
        /// Its id, or the first eight letters or more of it.
        id: String,
    },
    /// Why a bundle is where it is. Answered with [`Reply::Why`].
    Why {
        /// Its id, or the first eight letters or more of that of a bundle that is here.
        id: String,
    },
    /// Remove a bundle for good.
    Remove {
        /// Its id, or the first eight letters or more of it.
        id: String,
    },
    /// Which ids begin so. Answered with [`Reply::Ids`], at most [`LISTED_MAX`] of them.
    Resolve {
        /// Letters of an id.
        prefix: String,
    },
    /// Which of these the node neither holds nor has seen go. Answered with [`Reply::Ids`].
    Lacking {
        /// In any order.
        #[serde(with = "as_text::list")]
        ids: Vec<BundleId>,
    },
    /// What the node holds and would give away, in the order of ids. Answered with [`Reply::Bundles`].
    Held {
        /// Only ids after this one.
        #[serde(with = "as_text::option")]
        after: Option<BundleId>,
        /// At most this many, and at most [`LISTED_MAX`].
        limit: usize,
    },
    /// Bundles are about to be written onto a volume: those in this node's custody get numbers for it.
    HandToVolume {
        /// The volume's EID.
        #[serde(with = "as_text")]
        volume: Eid,
        /// Which bundles.
        #[serde(with = "as_text::list")]
        ids: Vec<BundleId>,
    },
    /// Somebody is known, by evidence that counts, to have these bundles.
    NoteHeld {
        /// A node ID, or a volume's EID.
        #[serde(with = "as_text")]
        holder: Eid,
        /// What it has.
        #[serde(with = "as_text::list")]
        ids: Vec<BundleId>,
    },
    /// Look at every record and index of the store. Answered with [`Reply::Checked`].
    Check {
        /// Whether what is derivable is rebuilt and what is damaged is taken out of service.
        repair: bool,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is so now, durably.
    Done {
        /// False where it was so before.
        changed: bool,
    },
    /// Who the node is.
    Identity(Identity),
    /// How the node is.
    Status(Box<Status>),
    /// Another key is trusted for that node; nothing was changed.
    OtherKey {
        /// The one that is.
        #[serde(with = "as_text")]
        trusted: PublicKey,
    },
    /// The entry stands in `config.toml` and is changed there.
    Configured,
    /// Trusted keys, by node.
    Trust(Vec<TrustEntry>),
    /// Peers.
    Peers(Vec<PeerEntry>),
    /// Groups.
    Groups(#[serde(with = "as_text::list")] Vec<Eid>),
    /// Bundles.
    Bundles(Vec<BundleSummary>),
    /// One bundle.
    Bundle(Box<BundleReport>),
    /// Why a bundle is where it is.
    Why(Explanation),
    /// Ids of bundles.
    Ids(#[serde(with = "as_text::list")] Vec<BundleId>),
    /// What a check found.
    Checked {
        /// A line for each finding; empty where all is well.
        findings: Vec<String>,
        /// Bundles that were taken out of service because they were damaged.
        quarantined: u64,
        /// Rows of indexes that were put right.
        rows: u64,
    },
}

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its node ID.
    #[serde(with = "as_text")]
    pub node: Eid,
    /// Its `ipn` node ID, where it has one.
    #[serde(with = "as_text::option")]
    pub ipn: Option<Eid>,
    /// Its public key.
    #[serde(with = "as_text")]
    pub key: PublicKey,
}

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In `config.toml`.
    Configured,
    /// In the store: it was added at the command line.
    Added,
}

/// A trusted key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustEntry {
    /// Whose.
    #[serde(with = "as_text")]
    pub node: Eid,
    /// The key.
    #[serde(with = "as_text")]
    pub key: PublicKey,
    /// Where the entry stands.
    pub origin: Origin,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerEntry {
    /// Its address.
    pub url: String,
    /// Where the entry stands.
    pub origin: Origin,
}
