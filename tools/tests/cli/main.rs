//! The real binary, run as users and scripts run it: every verb, its exit codes and its JSON.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed, and says where"
)]

mod agents;
mod bench;
mod bundles;
mod demo;
mod drives;
mod encryption;
mod lookups;
mod mounts;
mod nodes;
mod numbers;
mod receiving;
mod sending;
mod support;
mod whereabouts;
