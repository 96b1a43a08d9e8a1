//! The TCP convergence layer, version 4 (RFC 9174), with TLS 1.3 where both sides offer it.
//!
//! [`connect`] and [`Listener`] make contacts and hand out a [`convergence_layer::Link`] for each. Below them is
//! [`session::Session`], the protocol without sockets or clocks, which a simulator can drive as well; below that,
//! [`message`] and [`decoding`], the octets. `docs/tcpcl.md` tells what we do where the RFC leaves room.
//!
//! The life of an octet that comes in: `connection` reads it from its `wire`, `decoding` finds the message, `session` takes it,
//! `receiving` hands it to the agent. And out: `sending` forms a segment, `outbox` keeps it, `connection` writes it.

mod connection;
pub mod decoding;
pub mod extension;
mod listener;
pub mod message;
pub mod negotiation;
mod opening;
mod options;
mod outbox;
pub mod reason;
mod receiving;
mod sending;
pub mod session;
mod termination;
mod timers;
pub mod tls;
mod violation;
mod wire;

pub use listener::{ContactError, Listener, PORT, connect};
pub use options::{InvalidOptions, Options};
