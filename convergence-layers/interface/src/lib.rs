//! What every convergence-layer adapter tells the agent, and what it is told (RFC 9171 §7.2).
//!
//! An adapter owns one [`Link`] per contact: it sends [`Event`]s up and takes [`Outgoing`] octets and [`Control`]
//! decisions down. Octets of a transfer are the octets of one bundle, in order; an adapter looks at none of them.
//!
//! Two rules keep a slow side from stopping the other. The agent may leave events unread for as long as its store is
//! busy: the adapter then stops reading from the link (it never drops an event). And the adapter takes `Control`
//! whether or not it has room for `Outgoing`, because an acknowledgement must not wait behind a large transfer.

mod gauge;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

pub use self::gauge::{Gauge, Reading};

/// A transfer's number within one contact and direction, chosen by the side that sends it.
pub type TransferId = u64;

/// One contact with one neighbor, as the agent holds it. Dropping it ends the contact.
#[derive(Debug)]
pub struct Link {
    /// What happens on the link; closed after [`Event::Closed`].
    pub events: mpsc::Receiver<Event>,
    /// Bundles for the neighbor. Bounded: waiting for room here is how the link's speed reaches the agent.
    pub outgoing: mpsc::Sender<Outgoing>,
    /// A second lane for bundles that must not wait for the end of one in `outgoing`; its octets overtake those. `None`
    /// where a layer sends one bundle after another. Numbers of transfers are of one count for both.
    pub express: Option<mpsc::Sender<Outgoing>>,
    /// Decisions, which overtake outgoing octets. Their number is bounded by the transfers that await one.
    pub control: mpsc::UnboundedSender<Control>,
    /// What the layer measures, for `status`.
    pub gauge: Arc<Gauge>,
}

/// What happens on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The contact is open: the first event of every link.
    Opened {
        /// The node ID that the neighbor declared to the layer, unauthenticated, as text; `None` where a layer has none.
        node_id: Option<String>,
        /// The largest bundle that the neighbor takes, in octets.
        transfer_mru: u64,
        /// How many octets of bundles the link carries in a second, where the layer knows (a serial line does, a
        /// network does not). Slow links are given less at a time, and more patience.
        octets_per_second: Option<u64>,
    },
    /// The neighbor began a transfer.
    Receiving {
        /// The neighbor's number for it.
        transfer: TransferId,
        /// Its length in octets where the neighbor declared one. A claim, not a promise.
        length: Option<u64>,
    },
    /// More octets of the transfer that began last. At most 64 KiB each.
    Octets(Bytes),
    /// All octets of the transfer that began last are here. Answer with [`Control::Accept`] or [`Control::Refuse`].
    Received,
    /// The transfer that began last will not be completed; forget what came of it.
    Broken,
    /// The neighbor has the whole of a bundle that we sent, and answers for it.
    Sent(TransferId),
    /// All octets of a bundle that we sent have left, and this layer never learns whether they arrived.
    Left(TransferId),
    /// The neighbor refused a bundle that we sent, or part of it.
    Refused {
        /// Our number for it.
        transfer: TransferId,
        /// Why.
        reason: RefusalReason,
    },
    /// The contact is over; every transfer not in [`Event::Sent`], [`Event::Left`] or [`Event::Refused`] has failed. The last event.
    Closed {
        /// In words, for the log and for `status`; stripped of control characters.
        reason: String,
    },
}

/// Octets for the neighbor: `Begin`, then as many `Octets` as make up its length, and so on, one bundle at a time.
/// After [`Event::Refused`] for the bundle that began last, its remaining octets may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A bundle begins.
    Begin {
        /// Our number for it; each is larger than the one before it in its lane.
        transfer: TransferId,
        /// Its exact length in octets.
        length: u64,
    },
    /// More octets of the bundle that began last.
    Octets(Bytes),
    /// The bundle that began last cannot be completed: its record was damaged. A layer without a way to say so ends
    /// the contact.
    Abandon,
}

/// A decision about a transfer, or about the contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The bundle is in the store, durably: acknowledge it.
    Accept(TransferId),
    /// Do not send (the rest of) this transfer. Events of it that are on their way may still come, and no others:
    /// neither `Received` nor `Broken` follows for certain.
    Refuse(TransferId, RefusalReason),
    /// End the contact in an orderly way: finish what is under way, begin nothing new.
    Close(CloseReason),
}

/// Why a transfer is refused (RFC 9174 §5.2.4, table 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// Nothing more is known.
    Unknown,
    /// We have the complete bundle already.
    Completed,
    /// We have no room, now.
    NoResources,
    /// Something happened that a retransmission of the whole bundle would solve.
    Retransmit,
    /// This bundle will never be taken as it is.
    NotAcceptable,
    /// An extension of the transfer could not be processed.
    ExtensionFailure,
    /// The contact is ending.
    SessionTerminating,
}

/// Why a contact ends (RFC 9174 §6.1, table 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The node is going down, or nothing is left to do.
    Unknown,
    /// Nothing was transferred for as long as was agreed.
    IdleTimeout,
    /// Another contact with the same neighbor stays.
    Busy,
    /// The node cannot go on: its store is full or broken.
    ResourceExhaustion,
    /// The neighbor is not one that we talk to.
    ContactFailure,
}
