//! What two nodes agree upon before the first transfer (RFC 9174 §4.3, §4.7, §4.8).

use std::time::Duration;

use crate::extension::{self, ItemError};
use crate::message::{CAN_TLS, ContactHeader, SessInit, VERSION};
use crate::options::Options;
use crate::tls::Security;

/// Which side opened the TCP connection (RFC 9174 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// We did: we speak first.
    Active,
    /// The neighbor did.
    Passive,
}

/// The parameters of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// How long either side may be silent before it sends a keepalive; `None` disables them.
    pub keepalive: Option<Duration>,
    /// The largest segment that the neighbor takes, in octets.
    pub segment_mtu: u64,
    /// The largest bundle that the neighbor takes, in octets.
    pub transfer_mtu: u64,
}

/// Why no session comes about. The neighbor is told "Contact Failure".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// The neighbor takes only segments that would be mostly heads.
    #[error("the neighbor takes segments of at most {0} octets, and we send none below 256")]
    SegmentMru(u64),
    /// It does not offer TLS, or somebody on the way took its offer out.
    #[error(
        "the neighbor does not offer TLS, which is required here; its address without ?tls= takes it in the clear"
    )]
    NoTls,
    /// Its session extension items cannot be read or complied with.
    #[error("the neighbor's SESS_INIT cannot be used: {0}")]
    Extensions(#[from] ItemError),
}

/// Whether the versions in both contact headers are the same (RFC 9174 §4.3).
pub fn is_our_version(header: ContactHeader) -> bool {
    header.version == VERSION
}

/// Whether TLS follows the contact headers: both sides have to offer it (RFC 9174 §4.3). A session without it may be
/// unacceptable to us.
pub fn negotiate_tls(security: &Security, peer: ContactHeader) -> Result<bool, NegotiationError> {
    match (security, peer.flags & CAN_TLS != 0) {
        (Security::Off, _) | (Security::Offered(_), false) => Ok(false),
        (Security::Required(_), false) => Err(NegotiationError::NoTls),
        (_, true) => Ok(true),
    }
}

/// The parameters of the session from our options and the neighbor's `SESS_INIT`.
pub fn negotiate(options: &Options, peer: &SessInit<'_>) -> Result<Parameters, NegotiationError> {
    extension::check_session_items(peer.extensions)?;
    // §4.7 and §7.10: an MRU may be unacceptable. A transfer MRU is not: a node may only want to send.
    if peer.segment_mru < Options::SEGMENT_MRU_MIN {
        return Err(NegotiationError::SegmentMru(peer.segment_mru));
    }
    // §4.7: the smaller interval; 0 disables keepalives.
    let seconds = options.keepalive_seconds.min(peer.keepalive_seconds);
    let keepalive = (seconds > 0).then(|| Duration::from_secs(u64::from(seconds)));
    Ok(Parameters { keepalive, segment_mtu: peer.segment_mru, transfer_mtu: peer.transfer_mru })
}
