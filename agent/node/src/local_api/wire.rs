//! The messages of the local socket, as JSON writes them (`docs/local-api.md`).

use bundle_format::{BundleId, Eid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::as_text;
use super::call::{Call, Reply};
use super::report::Delivery;

/// The version of the protocol.
pub(crate) const VERSION: u32 = 1;

/// What the server says first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Greeting {
    /// The protocol's version.
    pub(crate) packmule: u32,
    /// The node.
    #[serde(with = "as_text")]
    pub(crate) node: Eid,
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wish {
    /// Something small. Answered with [`Word::Reply`].
    Call(Call),
    /// Transmit the body that follows. Answered with [`Word::Sent`].
    Send {
        /// What and where to.
        order: WireOrder,
        /// The body's length, where it is known.
        length: Option<u64>,
    },
    /// Take in the bundle whose octets follow. Answered with [`Word::Imported`].
    Import {
        /// The node that wrote it there.
        #[serde(with = "as_text::option")]
        from: Option<Eid>,
        /// How long it lay there.
        dormant_ms: u64,
    },
    /// Send a bundle's octets. Answered with [`Word::Body`] and a body.
    Read {
        /// Which.
        #[serde(with = "as_text")]
        id: BundleId,
        /// Which of its octets.
        part: Part,
    },
    /// A signed bundle that lists everything held here. Answered with [`Word::Body`] and a body.
    Inventory,
    /// The next bundle that waits at an endpoint. Answered with [`Word::Delivery`] or [`Failure::TimedOut`].
    Next {
        /// Where.
        #[serde(with = "as_text")]
        endpoint: Eid,
        /// How long to wait for one; without end where absent.
        timeout_ms: Option<u64>,
    },
    /// A delivery has found its place for good. Answered with [`Word::Reply`].
    Consume {
        /// Where it waited.
        #[serde(with = "as_text")]
        endpoint: Eid,
        /// Which.
        number: u64,
    },
    /// Wait for what becomes of a bundle. Answered with [`Word::Became`] or [`Failure::TimedOut`].
    Wait {
        /// Which.
        #[serde(with = "as_text")]
        id: BundleId,
        /// For what.
        until: Until,
        /// How long; without end where absent.
        timeout_ms: Option<u64>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// To a call.
    Reply(Reply),
    /// The bundle is durable.
    Sent(Sent),
    /// What came of an import.
    Imported(Imported),
    /// A body of so many octets follows.
    Body {
        /// How many.
        octets: u64,
    },
    /// A bundle for the application.
    Delivery(Box<Delivery>),
    /// It came about.
    Became {
        /// Who took it, or reported it.
        #[serde(with = "as_text::option")]
        by: Option<Eid>,
    },
    /// It did not work.
    Failed(Failure),
}

/// An application's wish to transmit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireOrder {
    #[serde(with = "as_text")]
    pub(crate) destination: Eid,
    pub(crate) source_demux: String,
    pub(crate) lifetime_ms: u64,
    pub(crate) file_name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) priority: String,
    pub(crate) report_delivery: bool,
}

/// Which octets of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Its payload.
    Payload,
    /// All of it, as it was received or made.
    Bundle,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Some other node or volume has it.
    Carried,
    /// Its destination reported delivery.
    Delivered,
}

/// A bundle that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its id.
    #[serde(with = "as_text")]
    pub id: BundleId,
    /// Octets of its payload.
    pub octets: u64,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Imported {
    /// It is in the store, durably.
    Taken {
        /// Its id.
        #[serde(with = "as_text")]
        id: BundleId,
    },
    /// It was in the store before.
    Already {
        /// Its id.
        #[serde(with = "as_text")]
        id: BundleId,
    },
    /// Policy does not let it in.
    Refused {
        /// In a word: `stranger`, `unsigned`, `bad_signature`, `expired`, `quota`, `store_full`, ...
        kind: String,
        /// In a sentence.
        reason: String,
    },
    /// It is no bundle.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}

/// Why something did not work.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Failure {
    #[error("there is no such thing")]
    NotFound,
    #[error("several bundles begin so")]
    Ambiguous {
        #[serde(with = "as_text::list")]
        candidates: Vec<BundleId>,
    },
    #[error("{reason}")]
    Refused { kind: String, reason: String },
    #[error("the store is full")]
    StoreFull,
    #[error("the time is up")]
    TimedOut,
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Store(String),
    #[error("the agent is stopping")]
    Stopping,
    #[error("{0}")]
    Aborted(String),
}
