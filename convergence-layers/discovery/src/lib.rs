//! Nodes on one local network find each other: DNS-SD over mDNS, as draft-sipos-dtn-edge-zeroconf-01 says it for TCPCL.
//!
//! The node starts a [`Search`], waits in [`Search::changed`], and dials what [`Search::services`] names, one contact
//! for each service. `docs/discovery.md` says what is announced, and what is believed.
//!
//! Invariant: whatever is heard, at most [`SERVICES_MAX`] services of [`PLACES_MAX`] addresses each are known, and the
//! memory of the resolver is bounded by starting it again.

mod announcement;
mod machine;
mod offer;
mod search;
mod services;

pub use self::announcement::PLACES_MAX;
pub use self::machine::{MACHINE_ADDRESSES_MAX, machine_addresses};
pub use self::offer::{Offer, Reach};
pub use self::search::Search;
pub use self::services::SERVICES_MAX;

/// The service of a TCPCL listener (draft §3.1, RFC 9174 §8.1), on this link only.
pub(crate) const SERVICE: &str = "_dtn-bundle._tcp.local.";

/// Nodes cannot be looked for, now or at all: why, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nodes on the local network cannot be looked for: {0}")]
pub struct SearchError(pub(crate) String);

impl From<mdns_sd::Error> for SearchError {
    fn from(error: mdns_sd::Error) -> Self {
        Self(error.to_string())
    }
}
