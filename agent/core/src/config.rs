//! What the operator decided, as the core needs it. The node reads it from `config.toml`; the simulator writes it.

use bundle_format::{Eid, Limits, NodeKey, Profile};

use crate::routing::Policies;

/// Everything that a node's decisions depend on besides its store.
#[derive(Debug)]
pub struct Config {
    /// This node's ID: a `dtn` EID with an empty demux (RFC 9171 §4.2.5.2).
    pub node: Eid,
    /// The node's `ipn` node ID as well, where it has one: its endpoints are local too.
    pub ipn: Option<Eid>,
    /// The key that signs for this node.
    pub key: NodeKey,
    /// Private-use code points and the signature profile.
    pub profile: Profile,
    /// What is too large to be looked at.
    pub limits: Limits,
    /// What this node carries for others.
    pub carry: Carry,
    /// Bundles signed by keys that are not trusted for their source.
    pub strangers: Stance,
    /// Bundles without a signature.
    pub unsigned: Stance,
    /// Most octets of bundles in the store; more are refused.
    pub quota_octets: u64,
    /// Most octets of bundles of one source; this node's own are not counted.
    pub source_quota_octets: u64,
    /// Most octets of bundles for one group.
    pub group_quota_octets: u64,
    /// Most octets that all strangers and unsigned sources together may fill.
    pub stranger_quota_octets: u64,
    /// The longest lifetime that a received bundle is kept for, in milliseconds, whatever it asks.
    pub lifetime_ms_max: u64,
    /// Hop limit of bundles made here (RFC 9171 §4.4.3).
    pub hop_limit: u8,
    /// Neighbors that do not speak our Hello, and what they are to get.
    pub foreign: Vec<ForeignNeighbor>,
    /// Who gets bundles for some destinations.
    pub policies: Policies,
    /// Nodes between which and this one custody may pass; `None` for every node whose key is trusted, none for nobody.
    pub custodians: Option<Vec<Eid>>,
    /// What the node's card says, and how often.
    pub cards: CardSettings,
    /// Keys trusted by configuration; they cannot be removed at the command line.
    pub trust: Vec<(Eid, bundle_format::PublicKey)>,
}

/// What a node's card says of it, and how often there is a new one (`docs/records.md`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardSettings {
    /// The node's software, for people.
    pub software: String,
    /// Where it listens when it starts.
    pub addresses: Vec<String>,
    /// How old a node is when it makes its first card, in milliseconds of its own time.
    pub first_ms: u64,
    /// The least time between two cards, in milliseconds.
    pub interval_ms: u64,
}

impl Default for CardSettings {
    /// A minute after a node was made, and at most every 15 minutes.
    fn default() -> Self {
        let (software, addresses) = (String::new(), Vec::new());
        Self { software, addresses, first_ms: 60_000, interval_ms: 900_000 }
    }
}

/// What a node is willing to store for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// Everything, within quota.
    All,
    /// Only what is addressed to this node or to groups that it subscribes to.
    Wanted,
}

/// What happens to a bundle whose source nobody vouches for. Ordered: each stance allows what those before it allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stance {
    /// Refused at the door.
    Refuse,
    /// Stored and forwarded within [`Config::stranger_quota_octets`], never delivered here.
    Carry,
    /// Delivered here too.
    Deliver,
}

/// A neighbor without our Hello (another BPv7 implementation), and what it gets besides what is addressed to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignNeighbor {
    /// Its node ID, as it declares it to the convergence layer.
    pub node: Eid,
    /// Groups that it is to receive.
    pub groups: Vec<Eid>,
}
