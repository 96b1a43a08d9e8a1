//! What happens to an agent, in the past tense.

use bundle_format::{CheckedBundle, Eid, Head};
use bytes::Bytes;

use crate::request::{Request, RequestId};
use crate::store::{Number, PayloadPlace};

/// One contact with one neighbor over one link. Chosen by the driver, never used twice while it runs.
pub type ContactId = u64;

/// A transfer within a contact and a direction, as the convergence layer numbers it.
pub type TransferId = u64;

/// By which way the beginning of a large bundle comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From a neighbor.
    Contact(ContactId),
    /// From a drive or a file, where it is known to have lain so long, in milliseconds.
    Dormant(u64),
}

impl Way {
    /// The contact, if it comes by one.
    pub fn contact(self) -> Option<ContactId> {
        match self {
            Self::Contact(contact) => Some(contact),
            Self::Dormant(_) => None,
        }
    }

    /// How long it lay somewhere, as far as that is known.
    pub(crate) fn dormant_ms(self) -> u64 {
        match self {
            Self::Contact(_) => 0,
            Self::Dormant(ms) => ms,
        }
    }
}

/// The driver's name for a staging that it asked for.
pub type Ticket = u64;

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A link to a neighbor is open.
    ContactOpened {
        /// The driver's number for it.
        contact: ContactId,
        /// The link, for people: `tcp://192.0.2.7:4556`.
        link: String,
        /// The node ID that the neighbor declared to the convergence layer: a claim.
        declared: Option<Eid>,
        /// The largest bundle that the neighbor takes, in octets.
        transfer_mru: u64,
        /// Octets that the link carries in a second, where the convergence layer knows.
        octets_per_second: Option<u64>,
    },
    /// The link is gone, and with it every transfer that was not answered.
    ContactClosed {
        /// Which.
        contact: ContactId,
    },
    /// A bundle arrived, whole and checked. It is answered with `Accept` or `Refuse`.
    BundleReceived {
        /// Where from.
        contact: ContactId,
        /// The neighbor's number for the transfer.
        transfer: TransferId,
        /// The bundle, as the checks left it.
        bundle: Box<CheckedBundle>,
        /// Where its payload is.
        payload: PayloadPlace,
    },
    /// Room is needed for a payload too large to be held in memory. Answered with `StagingReady`.
    StagingRequested {
        /// The driver's name for the answer.
        ticket: Ticket,
    },
    /// The next piece of a staged payload: every one but the last has [`crate::store::CHUNK_OCTETS`] octets.
    ChunkArrived {
        /// From `StagingReady`.
        number: Number,
        /// 0, 1, 2, ...
        index: u32,
        /// The piece.
        octets: Bytes,
    },
    /// The payload of a bundle of which more than fits in memory is here begins to be staged: what a crash leaves of it is
    /// kept as a partial.
    TransferStaged {
        /// Where it comes from.
        way: Way,
        /// From `StagingReady`.
        number: Number,
        /// Its head.
        head: Head,
    },
    /// A transfer of a large bundle, or its copy from a drive, broke off. What came of it is kept as a partial, if it is worth it.
    TransferBroken {
        /// Where it came from.
        way: Way,
        /// Its head.
        head: Head,
        /// Where the first octets of the payload are staged, if any are.
        staging: Option<Number>,
        /// The octets of the payload behind those; at most a few chunks.
        octets: Bytes,
    },
    /// A partial that was whole was read back and checked, as `Prove` asked for.
    PartialProved {
        /// From `Prove`.
        number: Number,
        /// The bundle; `None` if the octets are none.
        bundle: Option<Box<CheckedBundle>>,
    },
    /// Nothing more will come of a staged payload.
    StagingAbandoned {
        /// From `StagingReady`.
        number: Number,
    },
    /// The neighbor answered for a bundle that we sent.
    SendSettled {
        /// Where to.
        contact: ContactId,
        /// Our number for the transfer, from `Send`.
        transfer: TransferId,
        /// The answer.
        outcome: SendOutcome,
    },
    /// A record could not be read back as it was written: its checksum is wrong.
    RecordDamaged {
        /// Which bundle's.
        number: Number,
    },
    /// A user, or another part of this node, asks for something. Answered with `Answer`.
    Requested {
        /// The driver's name for the answer.
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// The node listens elsewhere than it did, or its machine has other addresses: what its card is to say.
    AddressesChanged {
        /// All of them, as in [`crate::config::CardSettings`].
        addresses: Vec<String>,
    },
    /// The time that `poll_timeout` named has come, or something else woke the driver.
    TimeoutReached,
}

/// How a transfer of ours ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// The neighbor has it and answers for it.
    Sent,
    /// Its octets have left by a layer that never learns whether they arrived.
    Left,
    /// The neighbor has had it before.
    AlreadyThere,
    /// The neighbor has no room now.
    NoRoom,
    /// The neighbor will not take this bundle.
    NotAcceptable,
    /// It did not get through; another try may.
    Failed,
}
