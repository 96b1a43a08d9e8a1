//! What an agent wants done, in the imperative. Valid only after the transaction of its step was committed.

use bundle_format::{BundleId, Eid, Head};
use bytes::Bytes;

use crate::input::{ContactId, Ticket, TransferId};
use crate::refusal::Refusal;
use crate::request::{Answer, RequestId};
use crate::store::Number;
use crate::time::NodeTime;

/// Something to do. Losing one costs time, never a bundle: all of it can be rebuilt from the store.
#[derive(Debug)]
pub enum Output {
    /// The bundle is durable: acknowledge the transfer.
    Accept {
        /// Where it came from.
        contact: ContactId,
        /// The neighbor's number for it.
        transfer: TransferId,
    },
    /// Refuse the transfer.
    Refuse {
        /// Where it came from.
        contact: ContactId,
        /// The neighbor's number for it.
        transfer: TransferId,
        /// Why; the adapter translates.
        refusal: Refusal,
    },
    /// Send a bundle. Answered with `SendSettled`; the core's window bounds how many are under way.
    Send {
        /// Where to.
        contact: ContactId,
        /// Our number for the transfer: 0, 1, 2, ... within a contact.
        transfer: TransferId,
        /// The bundle as this neighbor is to see it.
        parcel: Parcel,
    },
    /// End the contact.
    CloseContact {
        /// Which.
        contact: ContactId,
        /// Why, for people.
        reason: String,
    },
    /// The room that was asked for.
    StagingReady {
        /// The driver's name for it.
        ticket: Ticket,
        /// Where chunks go.
        number: Number,
    },
    /// All of a large bundle's payload is staged, in pieces that came by different ways: read it back, check it as a bundle
    /// with this head, and report with `PartialProved`.
    Prove {
        /// Where it is staged.
        number: Number,
        /// The head. The tail follows from it and the payload.
        head: Head,
    },
    /// The answer to a request.
    Answer {
        /// The driver's name for it.
        id: RequestId,
        /// What came of it.
        answer: Answer,
    },
    /// Something that somebody may be waiting for, or that the log should tell.
    Tell(Notice),
}

/// A bundle on its way out: head, payload and tail, one after another, are its octets.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Everything up to the payload's octets, rewritten for this hop (RFC 9171 §5.4).
    pub head: Bytes,
    /// The payload.
    pub payload: ParcelPayload,
    /// Everything after the payload's octets.
    pub tail: Bytes,
    /// Whether it may overtake what is under way already, where the link can do that.
    pub lane: Lane,
}

/// Which of a link's two lanes a bundle takes, where it has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// One bundle after another.
    Ordinary,
    /// Past those: messages of the contact, administrative records, urgent bundles.
    Express,
}

impl Parcel {
    /// Its length in octets.
    pub fn octets(&self) -> u64 {
        let payload = match &self.payload {
            ParcelPayload::Inline(octets) => octets.len() as u64,
            ParcelPayload::Stored { octets, .. } => *octets,
        };
        self.head.len() as u64 + payload + self.tail.len() as u64
    }
}

/// Where an outgoing payload is.
#[derive(Debug, Clone)]
pub enum ParcelPayload {
    /// Here.
    Inline(Bytes),
    /// In the store, to be copied out chunk by chunk while the link takes it.
    Stored {
        /// Whose chunks.
        number: Number,
        /// How many octets they hold.
        octets: u64,
    },
}

/// News, for the log, for `--wait` and for `recv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A bundle is in the store, and was not before.
    Stored {
        /// Its id.
        id: BundleId,
        /// Its place.
        number: Number,
    },
    /// A bundle waits for the application at a local endpoint.
    Deliverable {
        /// Where.
        endpoint: Eid,
        /// Its place.
        number: Number,
    },
    /// A neighbor took a bundle over and answered for it.
    Carried {
        /// Its id.
        id: BundleId,
        /// Who has it now; `None` where the neighbor never said who it is.
        neighbor: Option<Eid>,
    },
    /// A neighbor did not take a bundle, or does not answer for it.
    NotTaken {
        /// Its id.
        id: BundleId,
        /// Who; `None` where the neighbor never said who it is.
        neighbor: Option<Eid>,
        /// What it said.
        why: NotTaken,
        /// When it is tried again; `None`: not in this contact.
        again: Option<NodeTime>,
    },
    /// The destination reported delivery of a bundle made here.
    Delivered {
        /// Its id.
        id: BundleId,
        /// Who reported.
        by: Eid,
    },
    /// A node answered for bundles in our custody.
    CustodySignal {
        /// Who.
        by: Eid,
        /// Bundles that it, or somebody whom it speaks for, took over.
        accepted: u64,
        /// Bundles that it does not take over.
        refused: u64,
        /// Numbers that meant nothing: unknown, answered before, or said by somebody who may not.
        ignored: u64,
    },
    /// A neighbor said who it is.
    NeighborKnown {
        /// The contact.
        contact: ContactId,
        /// Its node ID.
        neighbor: Eid,
        /// Whether its key is the one trusted for that name, and it proved to hold it.
        standing: Standing,
    },
    /// Another machine signs under this node's own name with another key.
    NameTaken {
        /// The contact.
        contact: ContactId,
    },
    /// A bundle was refused.
    BundleRefused {
        /// Its source.
        source: Eid,
        /// Why.
        refusal: Refusal,
    },
    /// The parts of a large bundle that came did not make up that bundle: a neighbor lied, or what it has is damaged.
    PartialSpoiled {
        /// The source of the bundle.
        source: Eid,
    },
    /// Bundles went so that more valuable ones have room.
    Evicted {
        /// How many.
        bundles: u64,
        /// Their octets together.
        octets: u64,
    },
    /// Bundles expired or were removed.
    Deleted {
        /// How many.
        bundles: u64,
    },
    /// A damaged record was taken out of service; neighbors will offer the bundle again.
    Quarantined {
        /// Its place.
        number: Number,
    },
    /// Two different bundles carry valid signatures and one identity: the source's card was cloned or restored.
    Equivocation {
        /// The source.
        source: Eid,
    },
    /// Peers, trust or subscriptions changed in the store.
    SettingsChanged,
}

/// Why a neighbor did not take a bundle, or does not answer for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// It has no room now.
    NoRoom,
    /// It will not take this bundle.
    NotAcceptable,
    /// The transfer broke off, or could not be taken then.
    Failed,
    /// It has had the bundle, and it is gone there: nobody answers for it there.
    CustodyGone,
    /// It does not take custody of the bundle, by its policy or for a reason that this version does not know.
    CustodyRefused,
}

/// How far a neighbor is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It never said Hello, or is not trusted: it gets what is addressed to it and what configuration names.
    Foreign,
    /// Its Hello is signed by the key that is trusted for its name, and answers ours.
    Authenticated,
}
