//! What a node tells of itself and of its bundles. Times are milliseconds since 2000-01-01 UTC (DTN time), absent where
//! the clock is not trusted; periods are milliseconds.

use bundle_format::{BundleId, Eid, PublicKey};
use serde::{Deserialize, Serialize};

use super::as_text;
use super::call::Identity;

/// A bundle in the store, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleSummary {
    /// Its id.
    #[serde(with = "as_text")]
    pub id: BundleId,
    /// Its place in the store: later ones came later.
    pub number: u64,
    /// Who made it.
    #[serde(with = "as_text")]
    pub source: Eid,
    /// Where it goes.
    #[serde(with = "as_text")]
    pub destination: Eid,
    /// The file name that it was sent with.
    pub file_name: Option<String>,
    /// The media type that it was sent with.
    pub media_type: Option<String>,
    /// `bulk`, `normal` or `urgent`.
    pub priority: String,
    /// Octets of the bundle as it would be sent, blocks of this hop aside.
    pub octets: u64,
    /// Octets of its payload.
    pub payload_octets: u64,
    /// When it was made, by its maker's clock.
    pub created_ms: Option<u64>,
    /// When it came here.
    pub received_ms: Option<u64>,
    /// How long it has still to live.
    pub expires_in_ms: u64,
    /// Whose key signed it; the signature was found right.
    #[serde(with = "as_text::option")]
    pub signer: Option<PublicKey>,
    /// Whether that key is trusted for its source.
    pub trusted: bool,
    /// Whether it is a bundle between nodes, not between people.
    pub protocol: bool,
    /// Whether this node answers for it until another does.
    pub custody: bool,
}

/// A bundle in the store, in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleReport {
    /// In short.
    #[serde(flatten)]
    pub summary: BundleSummary,
    /// Everything before its payload, as it was received, in hexadecimal.
    pub head: String,
    /// The local endpoints at which it waits for an application.
    #[serde(with = "as_text::list")]
    pub queued_at: Vec<Eid>,
    /// The neighbors and volumes that are known to have it.
    #[serde(with = "as_text::list")]
    pub held_by: Vec<Eid>,
    /// The neighbors and volumes that were asked to take it over and have not answered.
    #[serde(with = "as_text::list")]
    pub custody_asked: Vec<Eid>,
    /// Whether its destination reported delivery; of a group, some member.
    pub delivered: bool,
    /// Nodes that are known here, and whether they have it.
    pub nodes: Vec<NodeReport>,
}

/// A node that is known here, and one bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its node ID.
    #[serde(with = "as_text")]
    pub node: Eid,
    /// Whether it has the bundle: `yes`, `delivered`, `no` or `unknown`.
    pub has: String,
    /// Whether it is to have it; absent where it never said what it wants.
    pub wants: Option<bool>,
    /// How long ago it was heard of last.
    pub heard_ago_ms: Option<u64>,
    /// When that was.
    pub heard_ms: Option<u64>,
    /// By which way: a link, or a drive.
    pub way: Option<String>,
}

/// Why a bundle is where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The bundle.
    #[serde(with = "as_text")]
    pub id: BundleId,
    /// `held` or `gone`.
    pub state: String,
    /// One after another, from how it came to how it ends.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs; these words do not change.
    pub code: String,
    /// For people.
    pub text: String,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Who it is.
    pub identity: Identity,
    /// Whether an agent runs, or the store was only looked at.
    pub running: bool,
    /// How long the agent has been running.
    pub up_ms: u64,
    /// Whether the wall clock is trusted.
    pub clock_trusted: bool,
    /// The wall clock, where it is trusted.
    pub now_ms: Option<u64>,
    /// What the store holds.
    pub store: StoreReport,
    /// Large bundles of which a part is here.
    pub partials: Vec<PartialReport>,
    /// Where it listens.
    pub listening: Vec<String>,
    /// Open contacts.
    pub contacts: Vec<ContactReport>,
    /// Nodes that it keeps a contact with, or tries to.
    pub peers: Vec<PeerReport>,
    /// Nodes that it has met, and what they lack.
    pub neighbors: Vec<NeighborReport>,
    /// Nodes that are known here: trusted, met, or heard of by their cards.
    pub nodes: Vec<HeardReport>,
    /// Local endpoints at which bundles wait.
    pub queues: Vec<QueueReport>,
    /// Groups that it is a member of.
    #[serde(with = "as_text::list")]
    pub subscriptions: Vec<Eid>,
    /// How many bundles were refused since the agent started, by reason.
    pub refusals: Vec<RefusalCount>,
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreReport {
    /// Bundles.
    pub bundles: u64,
    /// Their octets.
    pub octets: u64,
    /// The most that they may have.
    pub quota_octets: u64,
    /// Octets of bundles that nobody vouches for.
    pub unvouched_octets: u64,
    /// The most that those may have.
    pub stranger_quota_octets: u64,
}

/// A large bundle of which a part is here. What it says of itself has not been verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialReport {
    /// Its id, where a neighbor said what it is.
    #[serde(with = "as_text::option")]
    pub id: Option<BundleId>,
    /// Who made it.
    #[serde(with = "as_text")]
    pub source: Eid,
    /// Where it goes.
    #[serde(with = "as_text")]
    pub destination: Eid,
    /// Octets of its payload that are here.
    pub octets: u64,
    /// Octets of its payload in all.
    pub of_octets: u64,
}

/// An open contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactReport {
    /// The neighbor, as far as it said who it is.
    #[serde(with = "as_text::option")]
    pub node: Option<Eid>,
    /// Whether it proved to be that node.
    pub authenticated: bool,
    /// The link.
    pub link: String,
    /// How long it has been open.
    pub up_ms: u64,
    /// Octets written to the link, framing and repetitions included.
    pub octets_out: u64,
    /// Octets read from the link.
    pub octets_in: u64,
    /// Of the octets written, those sent again because they were lost.
    pub octets_again: u64,
    /// Octets per second out, averaged over the last seconds.
    pub rate_out: u64,
    /// Octets per second in, averaged over the last seconds.
    pub rate_in: u64,
    /// The link's round trip, where its layer measures one.
    pub round_trip_ms: Option<u64>,
    /// What encrypts the link, where something does.
    pub security: Option<String>,
    /// What the neighbor did last that its protocol forbids, or that went wrong on the link without ending it.
    pub fault: Option<String>,
}

/// How a peer came to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerOrigin {
    /// Somebody named it.
    Configured,
    /// It announces itself on the local network.
    Found,
    /// Its card says that it listens there.
    Learnt,
}

/// A node to keep a contact with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerReport {
    /// Its address.
    pub url: String,
    /// How it came to be one.
    pub origin: PeerOrigin,
    /// Whether a contact is open.
    pub up: bool,
    /// Why the last contact ended or did not come about.
    pub last_error: Option<String>,
    /// When the next try is due.
    pub next_try_in_ms: Option<u64>,
}

/// A node that was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborReport {
    /// Which.
    #[serde(with = "as_text")]
    pub node: Eid,
    /// The link of the last contact.
    pub link: String,
    /// How long ago it was met last; 0 while a contact is open.
    pub met_ago_ms: u64,
    /// Bundles here that it wants and is not known to have.
    pub owed_bundles: u64,
    /// Not all bundles were looked at: it may be more.
    pub owed_may_be_more: bool,
}

/// A node that is known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardReport {
    /// Its node ID.
    #[serde(with = "as_text")]
    pub node: Eid,
    /// How long ago it was heard of last; absent where it never was.
    pub heard_ago_ms: Option<u64>,
    /// By which way: a link, or a drive.
    pub way: Option<String>,
}

/// A local endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueReport {
    /// Which.
    #[serde(with = "as_text")]
    pub endpoint: Eid,
    /// How many bundles wait there.
    pub bundles: u64,
}

/// How often something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalCount {
    /// In a word.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// A bundle for an application, leased to its connection until it is consumed or the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The endpoint at which it waited.
    #[serde(with = "as_text")]
    pub endpoint: Eid,
    /// The bundle.
    #[serde(flatten)]
    pub bundle: BundleSummary,
}
