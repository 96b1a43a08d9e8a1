//! What a node brings to each session (RFC 9174 §4.6, §4.7).

use std::time::Duration;

use crate::tls::Security;

/// What a node brings to each session. One value serves all sessions of a node.
#[derive(Debug, Clone)]
pub struct Options {
    /// The node ID that is declared to neighbors, as text; empty to declare none. At most 65,535 octets.
    pub node_id: String,
    /// Seconds between keepalives on an otherwise silent session; the smaller of both sides' values is used. 0 disables
    /// them. RFC 9174 §5.1.1 asks for 30 to 600 on shared networks.
    pub keepalive_seconds: u16,
    /// The largest segment that is taken, in octets; at least [`Options::SEGMENT_MRU_MIN`].
    pub segment_mru: u64,
    /// The largest bundle that is taken, in octets.
    pub transfer_mru: u64,
    /// How long a neighbor may send nothing but keepalives before the session is ended (RFC 9174 §6.2).
    pub idle_timeout: Duration,
    /// How long a neighbor may take for its contact header and `SESS_INIT` together, and how long nothing may move on
    /// a session that is ending (RFC 9174 §4.1: at most 60 seconds).
    pub contact_timeout: Duration,
    /// How many bundles a neighbor may have sent without our decision before we stop reading; at least 1.
    pub unanswered_max: usize,
    /// How many bundles we send before the neighbor has answered for the first of them; at least 1.
    pub unacknowledged_max: usize,
    /// Whether sessions are encrypted, and by whose word the neighbor is who it says.
    pub security: Security,
    /// The host by which the neighbor is dialled, where it is: a certificate may carry it (RFC 9174 §4.4.4.2).
    pub host: Option<String>,
}

impl Options {
    /// The smallest segment size that either side may ask for, in octets. Below it, heads would take more than a
    /// fourteenth of the link (RFC 9174 §7.10: "data dribble").
    pub const SEGMENT_MRU_MIN: u64 = 256;

    /// The usual options of a node with this ID: keepalives every 30 seconds, segments of 64 KiB, bundles of up to
    /// 4 GiB, 10 minutes of idleness, 15 seconds for the contact, 512 bundles under way each way, no TLS.
    pub fn new(node_id: impl Into<String>) -> Self {
        Self {
            node_id: node_id.into(),
            keepalive_seconds: 30,
            segment_mru: 64 * 1024,
            transfer_mru: 4 * 1024 * 1024 * 1024,
            idle_timeout: Duration::from_secs(600),
            contact_timeout: Duration::from_secs(15),
            unanswered_max: 512,
            unacknowledged_max: 512,
            security: Security::Off,
            host: None,
        }
    }

    /// Whether sessions can be held with these options.
    pub fn check(&self) -> Result<(), InvalidOptions> {
        if u16::try_from(self.node_id.len()).is_err() || self.node_id.chars().any(char::is_control) {
            return Err(InvalidOptions::NodeId(self.node_id.len()));
        }
        if self.segment_mru < Self::SEGMENT_MRU_MIN {
            return Err(InvalidOptions::SegmentMru(self.segment_mru));
        }
        if self.unanswered_max == 0 || self.unacknowledged_max == 0 {
            return Err(InvalidOptions::NoBundles);
        }
        Ok(())
    }
}

/// Options with which no session can be held. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// The node ID is too long for a `SESS_INIT`, or is not plain text.
    #[error(
        "a node ID of {0} octets cannot be declared: at most 65535 octets of text without control characters"
    )]
    NodeId(usize),
    /// The segment size is too small to be of use.
    #[error("a segment MRU of {0} octets is too small: at least 256")]
    SegmentMru(u64),
    /// No bundle may be under way.
    #[error("at least one bundle must be allowed to be under way in each direction")]
    NoBundles,
}
