//! Real nodes in one process, on loopback and on real disks: with neighbors, with local programs, and with trouble.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

#[path = "../../../../convergence-layers/serial/tests/devices/cable.rs"]
mod cable;
mod datagrams;
mod encrypted;
mod layers;
mod lines;
mod neighbors;
mod programs;
mod sloppy;
mod support;
mod trouble;
mod wire;
