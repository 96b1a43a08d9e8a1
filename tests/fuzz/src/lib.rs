//! What must hold for any octets: a function for each format that strangers can send us.
//!
//! Each takes octets of unknown origin and panics where something does not hold; otherwise it says nothing. A fuzzer
//! calls them (see `cargo-fuzz/README.md`), and so does `tests/mutations.rs`, with every `cargo test`. Beside each stand its
//! seeds: valid inputs, from which mutations get further than from noise.

#![forbid(unsafe_code)]

mod bundle;
mod contact;
mod datagrams;
mod dice;
mod eid;
mod framing;
mod ltp;
mod message;
mod opening;
mod pipe;
mod serial;
mod session;
mod sketch;
mod volume;

pub use bundle::{bundle, bundle_seeds};
pub use contact::{contact, contact_seeds};
pub use datagrams::{udpcl, udpcl_seeds};
pub use dice::Dice;
pub use eid::{eid, eid_seeds};
pub use framing::{framing, framing_seeds};
pub use ltp::{ltp, ltp_seeds};
pub use message::{message, message_seeds};
pub use opening::{opening, opening_seeds};
pub use pipe::{pipe, pipe_seeds};
pub use serial::{serial, serial_seeds};
pub use session::{session, session_seeds};
pub use sketch::{sketch, sketch_seeds};
pub use volume::{volume, volume_seeds};

/// An input.
pub type Octets = Vec<u8>;

/// A target: its name, what must hold, and its seeds.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Octets>);

/// All of them.
pub const TARGETS: [Target; 13] = [
    ("bundle", bundle, bundle_seeds),
    ("contact", contact, contact_seeds),
    ("eid", eid, eid_seeds),
    ("framing", framing, framing_seeds),
    ("ltp", ltp, ltp_seeds),
    ("message", message, message_seeds),
    ("opening", opening, opening_seeds),
    ("pipe", pipe, pipe_seeds),
    ("serial", serial, serial_seeds),
    ("session", session, session_seeds),
    ("sketch", sketch, sketch_seeds),
    ("udpcl", udpcl, udpcl_seeds),
    ("volume", volume, volume_seeds),
];
