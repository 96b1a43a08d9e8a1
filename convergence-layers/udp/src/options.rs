//! How a socket and its contacts behave: limits and patience.

use std::time::Duration;

use crate::reassembly::Bounds;
use crate::saying::SEGMENTS_OVERHEAD;

/// Octets of a datagram that go through everywhere: the least MTU of IPv6, 1,280, less the headers of IPv6 and UDP.
pub const MTU: usize = 1_232;
/// The smallest datagrams that are of use: the shortest segments of LTP, and what goes before them.
pub const MTU_MIN: usize = ltp::options::SEGMENT_MIN + SEGMENTS_OVERHEAD;
/// The largest that UDP has over IPv4.
pub const MTU_MAX: usize = 65_507;
/// The private extension ID of what packmule nodes say to each other.
pub const PRIVATE_ID: i16 = -17;
/// Octets per second to a neighbor that tells nothing of what arrives, unless configuration says otherwise: RFC 8085 §3.1.3
/// asks for a low rate.
pub const BLIND_RATE: u64 = 32 * 1024;

/// What a node brings to all contacts of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The node ID that is declared to neighbors, as text; empty to declare none.
    pub node_id: String,
    /// The largest bundle that is taken, in octets.
    pub transfer_mru: u64,
    /// The private extension ID, below 0.
    pub private_id: i16,
    /// How often something is said on a silent contact.
    pub keepalive: Duration,
    /// After how long without a word a contact is down: nothing but questions whether it is up is sent.
    pub down_after: Duration,
    /// After how long without a word a contact is over.
    pub over_after: Duration,
    /// How long a neighbor may take to answer at first.
    pub opening: Duration,
    /// What is kept of bundles in pieces, for each contact and for all strangers.
    pub bounds: Bounds,
}

impl Options {
    /// The usual options of a node.
    pub fn new(node_id: impl Into<String>) -> Self {
        Self {
            node_id: node_id.into(),
            transfer_mru: 4 << 30,
            private_id: PRIVATE_ID,
            keepalive: Duration::from_secs(10),
            down_after: Duration::from_secs(25),
            over_after: Duration::from_secs(120),
            opening: Duration::from_secs(15),
            bounds: Bounds::default(),
        }
    }
}

/// What one contact has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkOptions {
    /// Octets of a datagram, without the headers of IP and UDP.
    pub mtu: usize,
    /// Octets per second at most.
    pub rate: Option<u64>,
    /// Whether bundles that fit a datagram go as one, and only others by LTP.
    pub is_ltp_for_large: bool,
    /// Whether the neighbor is of another make, and is sent bare bundles without being asked anything.
    pub is_plain: bool,
    /// LTP without UDPCL, between these engines; `None` for UDPCL.
    pub engines: Option<Engines>,
}

/// The two engines of bare LTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engines {
    /// Our number.
    pub ours: u64,
    /// The neighbor's, where it is known before it is heard: whom we dial.
    pub theirs: Option<u64>,
}

impl Default for LinkOptions {
    fn default() -> Self {
        Self { mtu: MTU, rate: None, is_ltp_for_large: false, is_plain: false, engines: None }
    }
}
