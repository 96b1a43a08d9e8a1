//! The messages of TCPCLv4 as values, and their octets (RFC 9174 §4.2, §4.5 to §6.1).
//!
//! A message borrows its variable parts from the octets that it was read from. A segment is read and written without
//! its data, which follow it on the wire: so that no declared length is ever waited for or allocated. Numbers for
//! flags and reasons stay octets here, because an acknowledgement must repeat even the flags that we do not know
//! (§5.2.3); [`crate::reason`] gives them meaning. [`crate::decoding`] reads what is written here.

use bytes::{BufMut, BytesMut};

/// The first four octets of a contact header.
pub const MAGIC: [u8; 4] = *b"dtn!";
/// The version of the protocol that this crate speaks.
pub const VERSION: u8 = 4;

/// Flag of a contact header: this side can do TLS.
pub const CAN_TLS: u8 = 0x01;

/// Type of `XFER_SEGMENT` (RFC 9174 §5.2.2).
pub const XFER_SEGMENT: u8 = 0x01;
/// Type of `XFER_ACK` (RFC 9174 §5.2.3).
pub const XFER_ACK: u8 = 0x02;
/// Type of `XFER_REFUSE` (RFC 9174 §5.2.4).
pub const XFER_REFUSE: u8 = 0x03;
/// Type of `KEEPALIVE` (RFC 9174 §5.1.1).
pub const KEEPALIVE: u8 = 0x04;
/// Type of `SESS_TERM` (RFC 9174 §6.1).
pub const SESS_TERM: u8 = 0x05;
/// Type of `MSG_REJECT` (RFC 9174 §5.1.2).
pub const MSG_REJECT: u8 = 0x06;
/// Type of `SESS_INIT` (RFC 9174 §4.6).
pub const SESS_INIT: u8 = 0x07;

/// Flag of a segment and of its acknowledgement: the last one of its transfer.
pub const END: u8 = 0x01;
/// Flag of a segment and of its acknowledgement: the first one of its transfer.
pub const START: u8 = 0x02;
/// Flag of `SESS_TERM`: it answers another one.
pub const REPLY: u8 = 0x01;

/// What each side says first (RFC 9174 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactHeader {
    /// The version of the protocol.
    pub version: u8,
    /// [`CAN_TLS`]; the other bits are reserved and ignored.
    pub flags: u8,
}

impl ContactHeader {
    /// Octets of a contact header.
    pub const LENGTH: usize = 6;

    /// Appends its octets to `out`.
    pub fn encode(self, out: &mut BytesMut) {
        out.put_slice(&MAGIC);
        out.put_slice(&[self.version, self.flags]);
    }
}

/// One side's parameters for the session (RFC 9174 §4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessInit<'a> {
    /// Seconds; 0 disables keepalives.
    pub keepalive_seconds: u16,
    /// The largest segment that this side takes, in octets of data.
    pub segment_mru: u64,
    /// The largest transfer that this side takes, in octets.
    pub transfer_mru: u64,
    /// The node ID; empty where there is none. At most 65,535 octets.
    pub node_id: &'a str,
    /// The session extension items as octets; see [`crate::extension::items`].
    pub extensions: &'a [u8],
}

/// What precedes the data of a segment (RFC 9174 §5.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHead<'a> {
    /// [`START`] and [`END`]; other bits are reserved.
    pub flags: u8,
    /// The number of the transfer.
    pub transfer: u64,
    /// The transfer extension items as octets; on the wire only where [`START`] is set.
    pub extensions: &'a [u8],
    /// How many octets of data follow.
    pub data_length: u64,
}

impl SegmentHead<'_> {
    /// Whether the transfer begins with this segment.
    pub fn is_start(&self) -> bool {
        self.flags & START != 0
    }

    /// Whether the transfer ends with this segment.
    pub fn is_end(&self) -> bool {
        self.flags & END != 0
    }
}

/// A message after the contact headers (RFC 9174 table 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// `XFER_SEGMENT`, without its data.
    Segment(SegmentHead<'a>),
    /// `XFER_ACK`.
    Ack {
        /// The flags of the segment that is acknowledged, all of them.
        flags: u8,
        /// The number of the transfer.
        transfer: u64,
        /// Octets of the transfer received so far.
        length: u64,
    },
    /// `XFER_REFUSE`.
    Refuse {
        /// See [`crate::reason::refusal_reason`].
        reason: u8,
        /// The number of the transfer.
        transfer: u64,
    },
    /// `KEEPALIVE`.
    Keepalive,
    /// `SESS_TERM`.
    Term {
        /// [`REPLY`]; other bits are reserved.
        flags: u8,
        /// See [`crate::reason::TerminationReason`].
        reason: u8,
    },
    /// `MSG_REJECT`.
    Reject {
        /// See [`crate::reason::RejectionReason`].
        reason: u8,
        /// The type of the message that is rejected.
        header: u8,
    },
    /// `SESS_INIT`.
    Init(SessInit<'a>),
}

impl Message<'_> {
    /// Appends its octets to `out`; those of a segment up to its data.
    ///
    /// # Panics
    /// If the node ID or the extension items are longer than their length fields can say. Our own are checked before
    /// a session begins.
    pub fn encode(&self, out: &mut BytesMut) {
        match *self {
            Self::Segment(head) => encode_segment_head(&head, out),
            Self::Ack { flags, transfer, length } => {
                out.put_slice(&[XFER_ACK, flags]);
                out.put_u64(transfer);
                out.put_u64(length);
            }
            Self::Refuse { reason, transfer } => {
                out.put_slice(&[XFER_REFUSE, reason]);
                out.put_u64(transfer);
            }
            Self::Keepalive => out.put_u8(KEEPALIVE),
            Self::Term { flags, reason } => out.put_slice(&[SESS_TERM, flags, reason]),
            // Figure 21: the reason first, then the header that is rejected.
            Self::Reject { reason, header } => out.put_slice(&[MSG_REJECT, reason, header]),
            Self::Init(init) => encode_init(&init, out),
        }
    }
}

fn encode_segment_head(head: &SegmentHead<'_>, out: &mut BytesMut) {
    out.put_slice(&[XFER_SEGMENT, head.flags]);
    out.put_u64(head.transfer);
    // §5.2.2: the items and their length are only there when START is set.
    if head.is_start() {
        put_items(head.extensions, out);
    }
    out.put_u64(head.data_length);
}

fn encode_init(init: &SessInit<'_>, out: &mut BytesMut) {
    out.put_u8(SESS_INIT);
    out.put_u16(init.keepalive_seconds);
    out.put_u64(init.segment_mru);
    out.put_u64(init.transfer_mru);
    out.put_u16(u16::try_from(init.node_id.len()).expect("a node ID of at most 65,535 octets"));
    out.put_slice(init.node_id.as_bytes());
    put_items(init.extensions, out);
}

fn put_items(items: &[u8], out: &mut BytesMut) {
    out.put_u32(u32::try_from(items.len()).expect("extension items shorter than 4 GiB"));
    out.put_slice(items);
}
