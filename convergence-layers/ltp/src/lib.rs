//! The Licklider Transmission Protocol (RFC 5326) between two engines, without sockets, clocks or tasks.
//!
//! An [`engine::Engine`] is driven by a link: by one over UDP, or by one over a serial line. `docs/ltp.md` says what it
//! sends, what it takes, and what it does where the RFC leaves room.

#![forbid(unsafe_code)]

mod agenda;
mod buffer;
mod cancelling;
pub mod decoding;
pub mod engine;
mod held;
mod inbound;
pub mod options;
mod outbound;
mod pacing;
mod ranges;
pub mod reason;
mod receiving;
mod reporting;
mod rtt;
pub mod sdnv;
pub mod segment;
mod sending;
mod shared;

pub use engine::Engine;
pub use options::{InvalidOptions, Options};
pub use pacing::Rate;
pub use shared::{Counters, Event};
