//! What the operator decided: `config.toml` of a home, read and checked.
//!
//! `home.rs` reads it when a home is opened; a running agent does not look again. The file is TOML; keys that do not
//! exist are errors, because a misspelt setting that is silently ignored is worse than none.

mod fault;
mod file;
mod policies;
mod quantity;
mod template;

use adapters::{Address, Files, Local};
use agent_core::config::{CardSettings, Carry, Config, ForeignNeighbor, Stance};
use agent_core::routing::Policies;
use bundle_format::{Eid, Limits, NodeKey, Profile, PublicKey};

pub use self::fault::{ConfigError, ConfigFault};
pub(crate) use self::file::read;
use self::template::config_text;
use crate::clock::ClockStance;
use crate::run::Discovery;

/// Everything that `config.toml` says, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// This node's ID.
    pub node: Eid,
    /// Its `ipn` node ID, where it has one.
    pub ipn: Option<Eid>,
    /// Whether the wall clock is trusted.
    pub clock: ClockStance,
    /// Where neighbors may connect.
    pub listen: Vec<Address>,
    /// Nodes to keep a contact with.
    pub peers: Vec<Address>,
    /// Whether nodes on the local network may be looked for.
    pub discovery: Discovery,
    /// Certificates of an authority, for links that ask for it.
    pub tls: Option<Files>,
    /// What is carried for others.
    pub carry: Carry,
    /// Bundles signed by keys that nobody trusts.
    pub strangers: Stance,
    /// Bundles without a signature.
    pub unsigned: Stance,
    /// Most octets of bundles in the store.
    pub quota_octets: u64,
    /// Most octets of bundles that nobody vouches for.
    pub stranger_quota_octets: u64,
    /// Most octets of bundles of one source.
    pub source_quota_octets: u64,
    /// Most octets of bundles for one group.
    pub group_quota_octets: u64,
    /// The largest bundle that is taken, in octets.
    pub bundle_octets_max: u64,
    /// The longest that a bundle is kept, in milliseconds.
    pub lifetime_ms_max: u64,
    /// How many nodes a bundle made here may pass.
    pub hop_limit: u8,
    /// The least time between two cards of this node, in milliseconds.
    pub card_interval_ms: u64,
    /// The block type of the metadata block.
    pub metadata_block: u64,
    /// What is logged, as a filter of `tracing`.
    pub log: LogLevel,
    /// The block type of custody blocks and the record type of custody signals.
    pub custody_codes: (u64, u64),
    /// Nodes with which custody is exchanged; `None` for every node whose key is trusted.
    pub custodians: Option<Vec<Eid>>,
    /// Trusted keys.
    pub trust: Vec<(Eid, PublicKey)>,
    /// Neighbors of another implementation.
    pub foreign: Vec<ForeignNeighbor>,
    /// Who gets bundles for some destinations.
    pub policies: Policies,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What needs somebody to act.
    Error,
    /// What is not as it should be.
    Warn,
    /// Contacts, peers, and what was refused.
    Info,
    /// Each bundle.
    Debug,
    /// Each step.
    Trace,
}

impl LogLevel {
    /// As `config.toml` and `tracing` write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Addresses that a card has room for.
pub(crate) const ADDRESSES_MAX: usize = 32;

impl Settings {
    /// What a file that names nothing but the node says.
    pub(crate) fn of(node: Eid) -> Self {
        Self {
            node,
            ipn: None,
            clock: ClockStance::Auto,
            listen: vec!["tcp://[::]:4556".parse().expect("a valid constant")],
            peers: Vec::new(),
            discovery: Discovery::Allowed,
            tls: None,
            carry: Carry::All,
            strangers: Stance::Refuse,
            unsigned: Stance::Refuse,
            quota_octets: 4 << 30,
            stranger_quota_octets: 64 << 20,
            source_quota_octets: 2 << 30,
            group_quota_octets: 3 << 30,
            bundle_octets_max: Limits::default().bundle_octets_max,
            lifetime_ms_max: 365 * 86_400_000,
            hop_limit: 32,
            card_interval_ms: CardSettings::default().interval_ms,
            metadata_block: Profile::default().metadata_block_type,
            log: LogLevel::Info,
            custody_codes: (Profile::default().custody_block_type, Profile::default().custody_record_type),
            custodians: None,
            trust: Vec::new(),
            foreign: Vec::new(),
            policies: Policies::default(),
        }
    }

    /// A commented file for a new node.
    pub(crate) fn template(node: &Eid) -> String {
        config_text(&node.to_string())
    }

    /// What this node brings to its links.
    pub(crate) fn local(&self) -> Local {
        Local { node_id: self.node.to_string(), transfer_mru: self.bundle_octets_max }
    }

    /// What the core needs of it, with the key that signs.
    pub fn core(&self, key: &NodeKey) -> Config {
        Config {
            node: self.node.clone(),
            ipn: self.ipn.clone(),
            key: key.clone(),
            profile: self.profile(),
            limits: self.limits(),
            carry: self.carry,
            strangers: self.strangers,
            unsigned: self.unsigned,
            quota_octets: self.quota_octets,
            stranger_quota_octets: self.stranger_quota_octets,
            source_quota_octets: self.source_quota_octets,
            group_quota_octets: self.group_quota_octets,
            lifetime_ms_max: self.lifetime_ms_max,
            hop_limit: self.hop_limit,
            custodians: self.custodians.clone(),
            foreign: self.foreign.clone(),
            policies: self.policies.clone(),
            cards: self.cards(),
            trust: self.trust.clone(),
        }
    }

    /// What this node's card says.
    fn cards(&self) -> CardSettings {
        CardSettings {
            software: concat!("packmule ", env!("CARGO_PKG_VERSION")).to_owned(),
            addresses: self.listen.iter().map(ToString::to_string).take(ADDRESSES_MAX).collect(),
            first_ms: self.card_interval_ms.min(CardSettings::default().first_ms),
            interval_ms: self.card_interval_ms,
        }
    }

    /// The code points of this network.
    pub fn profile(&self) -> Profile {
        let (custody_block_type, custody_record_type) = self.custody_codes;
        Profile {
            metadata_block_type: self.metadata_block,
            custody_block_type,
            custody_record_type,
            ..Profile::default()
        }
    }

    /// What is too large to be looked at.
    pub fn limits(&self) -> Limits {
        Limits { bundle_octets_max: self.bundle_octets_max }
    }
}
