//! Bundles as plain files (`docs/folder.md`): an inbox and an outbox, and whatever carries files between them.
//!
//! [`connect`] hands out a [`convergence_layer::Link`] on a folder. `outbox` writes aside and renames; `inbox` reads what is whole, and
//! removes it only when the agent has it. A file that left is known to have left, no more.

#![forbid(unsafe_code)]

mod connection;
mod inbox;
mod naming;
mod offering;
mod outbox;
mod settings;
mod writing;

pub use connection::{Local, Unreachable, connect};
pub use settings::{Settings, SettingsError};
