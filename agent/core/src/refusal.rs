//! Why a bundle is not taken: policy, not malformation. Refusing is an answer, never an error of ours.

use std::fmt;

use bundle_format::{Eid, ReasonCode};
use thiserror::Error;

/// The agent's answer to a bundle that it does not take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is in the store.
    #[error("this bundle is in the store already")]
    Duplicate,
    /// It was, and was deleted here before its lifetime ended.
    #[error("this bundle was here before and has been removed; it does not come back")]
    Gone,
    /// It is an edition of a record, and a newer one is here.
    #[error("a newer edition of this record is in the store")]
    Superseded,
    /// Its destination has had it, and said so.
    #[error("it was delivered to its destination already")]
    Delivered,
    /// Its lifetime is over (RFC 9171 §5.5).
    #[error("its lifetime is over")]
    Expired,
    /// It is larger than this node takes.
    #[error("it has {octets} octets; this node takes at most {most}")]
    TooLarge {
        /// Its length.
        octets: u64,
        /// The limit.
        most: u64,
    },
    /// `dtn:none` has no members (RFC 9171 §4.2.5.1.1).
    #[error("it is addressed to dtn:none, where nobody is")]
    ToNowhere,
    /// It is a message between the two nodes of a contact, which is never stored.
    #[error("it is addressed to whoever is at the other end of a contact, and such bundles are not stored")]
    ForContactsOnly,
    /// It asks for what is not wanted here, and this node carries nothing for others.
    #[error("it is for {destination}, and this node carries only what it wants itself")]
    NotWanted {
        /// Its destination.
        destination: Eid,
    },
    /// The signature does not fit the bundle.
    #[error("its signature is wrong: {fault}")]
    BadSignature {
        /// What the check said.
        fault: String,
    },
    /// A valid signature, but not by the key that is trusted for the source.
    #[error("{source_node} is not trusted with the key that signed it; see 'packmule trust add'")]
    Stranger {
        /// The source.
        source_node: Eid,
    },
    /// No signature that this node understands.
    #[error("it carries no signature that this node understands, from {source_node}")]
    Unsigned {
        /// The source.
        source_node: Eid,
    },
    /// A block that cannot be processed says that the bundle is to be deleted then (RFC 9171 §5.6 step 4).
    #[error(
        "it has a block of type {block_type} that this node cannot process and that it must not be carried without"
    )]
    Unprocessable {
        /// The block type.
        block_type: u64,
    },
    /// Its hop limit is used up (RFC 9171 §4.4.3).
    #[error("its hop limit of {limit} is used up")]
    HopLimit {
        /// The limit.
        limit: u8,
    },
    /// The quota of the store, or of the kind of source, is used up.
    #[error("the quota of {quota_octets} octets for {whose} is used up")]
    Quota {
        /// Whose quota.
        whose: QuotaOf,
        /// How large it is.
        quota_octets: u64,
    },
    /// The disk or the map is full.
    #[error("the store is full")]
    StoreFull,
    /// The store failed while its payload arrived, and what had arrived was given up.
    #[error("its payload was lost on the way into the store, which failed; send it again")]
    PayloadLost,
    /// A fragment that cannot be part of what its fellows say.
    #[error("it contradicts another fragment of the same bundle")]
    FragmentMismatch,
    /// It claims to be ours, and is not.
    #[error("it claims this node as its source, and this node did not make it")]
    Impostor,
}

/// Whose quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaOf {
    /// That of the node, for everything: nothing comes in before there is room.
    Node,
    /// That of the bundle's source.
    Source,
    /// That of the bundle's destination, a group.
    Group,
    /// That of everybody for whom nobody vouches.
    Strangers,
}

impl fmt::Display for QuotaOf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Node => "this node",
            Self::Source => "its source",
            Self::Group => "its group",
            Self::Strangers => "strangers",
        })
    }
}

impl Refusal {
    /// The reason to report on deletion (RFC 9171 §9.5, table 9).
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::Expired => ReasonCode::LifetimeExpired,
            Self::TooLarge { .. } | Self::Quota { .. } | Self::StoreFull => ReasonCode::DepletedStorage,
            Self::ToNowhere => ReasonCode::DestinationUnavailable,
            Self::NotWanted { .. } => ReasonCode::NoRoute,
            Self::Unprocessable { .. } => ReasonCode::BlockUnsupported,
            Self::HopLimit { .. } => ReasonCode::HopLimitExceeded,
            Self::Duplicate
            | Self::Gone
            | Self::Superseded
            | Self::Delivered
            | Self::BadSignature { .. }
            | Self::Stranger { .. }
            | Self::Unsigned { .. }
            | Self::PayloadLost
            | Self::ForContactsOnly
            | Self::FragmentMismatch
            | Self::Impostor => ReasonCode::NoAdditionalInformation,
        }
    }
}
