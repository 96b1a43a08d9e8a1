//! The agent by scripted steps: inputs in, outputs out, a real store underneath, no clock and no socket.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that fails may panic wherever it likes"
)]

mod contact;
mod custody;
mod door;
mod echo;
mod evicting;
mod forgetting_ids;
mod fragments;
mod links;
mod meetings;
mod mesh;
mod opening;
mod owing;
mod parts;
mod published;
mod records;
mod room;
mod routing;
mod set;
mod support;
mod torn;
