//! The `packmule` binary as its users meet it: real processes, real sockets, real folders. Few and sharp; what can be shown
//! within one process is shown in the crates.
//!
//! Nothing here sleeps until something has probably happened: it waits for a line, an exit code or an event, and fails
//! where that does not come. Every process ends with the value that holds it, also when a test fails.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "in a test, what is not there shall end it, also in the functions that tests share"
)]

mod bad_input;
mod bad_links;
mod capture;
mod cards;
mod custody;
mod datagrams;
mod discovery;
mod dock;
mod every_layer;
mod files;
mod hostile_peer;
#[path = "../../agent/node/tests/real/wire.rs"]
mod hosts;
mod kill;
mod lines;
mod metered;
mod network;
mod node;
mod plain_lines;
mod process;
mod programs;
mod recording;
mod short_contacts;
mod terminals;
mod three_nodes;
mod wire;
mod wireshark;
