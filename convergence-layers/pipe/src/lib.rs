//! Any program as a convergence layer (`docs/pipe.md`): messages with bundles in them, on its stdin and stdout.
//!
//! [`connect`] starts the program and hands out a [`convergence_layer::Link`]. Below it are [`message`], the octets, and
//! [`session`], both directions without a process or a clock. Whoever is at the other end is a neighbor like any other, whether the
//! program speaks for itself or passes on what another node says.

#![forbid(unsafe_code)]

mod connection;
pub mod message;
mod process;
mod receiving;
mod sending;
pub mod session;
mod stderr;

pub use connection::{Unreachable, connect};
