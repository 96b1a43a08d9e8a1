//! What a node does: clock, driver loop, sockets, local API. Decides nothing.
//!
//! - [`Home`]: a node's folder, with its configuration ([`Settings`]), key and lock.
//! - [`run`]: the agent, with links to neighbors and a socket for local programs.
//! - [`Client`]: how a program uses a node, whether its agent runs or not.
//!
//! Inside: `engine` opens the store and starts the writer (`driver`); `links` makes connections, each a `contact`;
//! `local_api` serves programs. What they share is in `node`.

mod backoff;
mod client;
mod clock;
mod contact;
mod contacts;
mod credentials;
mod declined;
mod driver;
mod engine;
mod hashing;
mod home;
mod inbox;
mod intake;
mod key_file;
mod leases;
mod links;
mod local_api;
mod news;
mod node;
mod pieces;
mod proving;
mod run;
mod settings;
mod staging;
mod status;
mod summary;
mod transmission;
mod verification;
mod why;

pub use adapters::{Address, AddressError, ListenError};
pub use agent_core::config::{Carry, ForeignNeighbor, Stance};
pub use agent_core::request::{CustodyTransfer, Order, Report};
pub use client::{Body, Client, ClientError, WaitOutcome};
pub use clock::ClockStance;
pub use driver::{DriverError, Lost};
pub use engine::EngineError;
pub use home::{Home, HomeError, HomeLock};
pub use inbox::inbox_of;
pub use key_file::KeyTextError;
pub use local_api::{
    BundleReport, BundleSummary, Call, ContactReport, Delivery, Explanation, HeardReport, Identity, Imported,
    LISTED_MAX, NeighborReport, NodeReport, Origin, Part, PartialReport, PeerEntry, PeerOrigin, PeerReport,
    QueueReport, Reason, RefusalCount, Reply, Sent, Status, StoreReport, TrustEntry, Until,
};
pub use run::{Discovery, RunError, RunOptions, run};
pub use settings::{ConfigError, ConfigFault, LogLevel, Settings};
