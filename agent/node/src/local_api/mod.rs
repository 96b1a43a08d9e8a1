//! What local programs say to an agent, and how: one protocol over the agent's Unix socket, and the same over a pair of
//! sockets inside the process where no agent runs (`docs/local-api.md`).

mod as_text;
mod body;
mod call;
mod delivery;
mod frame;
mod report;
mod server;
mod session;
mod small;
mod wire;

pub(crate) use self::call::IDS_MAX;
pub use self::call::{Call, Identity, LISTED_MAX, Origin, PeerEntry, Reply, TrustEntry};
pub(crate) use self::frame::{DATA_OCTETS, Frame, FrameError, FrameStream};
pub use self::report::{
    BundleReport, BundleSummary, ContactReport, Delivery, Explanation, HeardReport, NeighborReport,
    NodeReport, PartialReport, PeerOrigin, PeerReport, QueueReport, Reason, RefusalCount, Status,
    StoreReport,
};
pub(crate) use self::server::serve;
pub(crate) use self::session::Session;
pub(crate) use self::small::identity;
pub(crate) use self::wire::{Failure, Greeting, VERSION, WireOrder, Wish, Word};
pub use self::wire::{Imported, Part, Sent, Until};
