//! STCP and MTCP (draft-ietf-dtn-mtcpcl-01): bundles over TCP, each behind its length, and nothing else.
//!
//! A connection carries bundles one way, from the node that opened it. [`Neighborhood`] makes a two-way
//! [`convergence_layer::Link`] of one that we opened and one that the same host opened to us. Below it are [`framing`],
//! the octets, and `outbox` and `reception`, the two directions without sockets or clocks. `docs/stream-framings.md` tells
//! what we do where nothing is specified.

#![forbid(unsafe_code)]

pub mod framing;
mod link;
mod listener;
mod meeting;
mod one_way;
pub mod outbox;
mod receiving;
pub mod reception;
mod sending;

pub use listener::{Listener, Neighborhood, Options, PORT};
