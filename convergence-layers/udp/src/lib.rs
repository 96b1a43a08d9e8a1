//! The UDP convergence layer, version 2 (draft-ietf-dtn-udpcl-04): bundles in datagrams.
//!
//! `docs/udp.md` says what is sent, what is taken, and what two packmule nodes say to each other in an extension of their own.

#![forbid(unsafe_code)]

mod account;
mod bare;
pub mod contact;
mod conversation;
pub mod cookies;
pub mod decoding;
mod head;
pub mod message;
pub mod opening;
pub mod options;
pub mod pace;
pub mod packet;
mod plain;
pub mod reassembly;
pub mod saying;
mod sending;
pub mod socket;
pub mod spans;
mod strangers;
mod telling;
mod transmitting;

pub use contact::{Contact, Terms};
pub use cookies::Cookies;
pub use options::{Engines, LinkOptions, Options};
pub use packet::Packet;
pub use reassembly::{Bounds, Reassembly, Taken};
pub use sending::Lane;
pub use socket::{DialError, Dialler, Socket};

/// The port that is registered for UDPCL (§6.2), as for TCPCL.
pub const PORT: u16 = 4556;
/// The port that is registered for LTP over UDP (RFC 7122 §5).
pub const LTP_PORT: u16 = 1113;
