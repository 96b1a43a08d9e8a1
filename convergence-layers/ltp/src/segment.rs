//! Segments as they stand on the wire (RFC 5326 §3), and their encoding. Reading them is in `decoding`.
//!
//! What is sent has no extensions. Data segments borrow their octets; nothing here judges whether a segment fits its
//! session.

use crate::sdnv;

/// Identifies a session between two engines (§3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionId {
    /// The engine that sends the block.
    pub originator: u64,
    /// Its number for the session.
    pub number: u64,
}

/// One segment, without its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The session that it belongs to.
    pub session: SessionId,
    /// What it says.
    pub content: Content<'a>,
}

/// What a segment says (§3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a> {
    /// Octets of the block (DS).
    Data(Data<'a>),
    /// What was received of it (RS).
    Report(Report),
    /// A report was received (RA).
    ReportAck {
        /// The report's serial number.
        report: u64,
    },
    /// One side gives the session up (CS, CR).
    Cancel {
        /// Which side.
        by: Side,
        /// The reason-code (§3.2.4).
        reason: u8,
    },
    /// A cancellation was received (CAS, CAR).
    CancelAck {
        /// The side that had cancelled.
        by: Side,
    },
}

/// A side of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The one that sends the block.
    Sender,
    /// The one that receives it.
    Receiver,
}

/// A data segment (§3.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data<'a> {
    /// Its colour, and what it marks.
    pub mark: Mark,
    /// Whom it is for.
    pub client_service: u64,
    /// Where in the block its octets begin.
    pub offset: u64,
    /// The octets.
    pub octets: &'a [u8],
}

/// The colour of a data segment and what it marks (§3.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Red, and nothing else: type 0.
    Red,
    /// A checkpoint within the red part: type 1.
    Checkpoint(Checkpoint),
    /// The end of the red part, with a green one to follow: type 2.
    RedEnd(Checkpoint),
    /// The end of the red part and of the block: type 3.
    BlockEnd(Checkpoint),
    /// Green: type 4.
    Green,
    /// Green, and the end of the block: type 7.
    GreenEnd,
}

impl Mark {
    /// The checkpoint that it is.
    pub fn checkpoint(self) -> Option<Checkpoint> {
        match self {
            Self::Checkpoint(checkpoint) | Self::RedEnd(checkpoint) | Self::BlockEnd(checkpoint) => {
                Some(checkpoint)
            }
            Self::Red | Self::Green | Self::GreenEnd => None,
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Red => 0,
            Self::Checkpoint(_) => 1,
            Self::RedEnd(_) => 2,
            Self::BlockEnd(_) => 3,
            Self::Green => 4,
            Self::GreenEnd => 7,
        }
    }
}

/// The serial numbers of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its own, never 0.
    pub serial: u64,
    /// That of the report it responds to, or 0.
    pub report: u64,
}

/// A report segment (§3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its own serial number, never 0.
    pub serial: u64,
    /// That of the checkpoint it responds to, or 0.
    pub checkpoint: u64,
    /// The end of its scope, as an offset in the block.
    pub upper: u64,
    /// The beginning of its scope.
    pub lower: u64,
    /// What was received, in order, neither touching nor overlapping.
    pub claims: Vec<Claim>,
}

/// A run of octets that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Where it begins, counted from the report's lower bound.
    pub offset: u64,
    /// How many octets; never 0.
    pub length: u64,
}

impl Segment<'_> {
    /// Appends the segment unless that takes more than `octets_max` octets; says whether it did.
    pub fn encode(&self, octets_max: usize, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        out.push(self.content.code());
        sdnv::encode(self.session.originator, out);
        sdnv::encode(self.session.number, out);
        // §3.1.4: no extensions.
        out.push(0);
        self.content.encode(out);
        let fits = out.len() - before <= octets_max;
        if !fits {
            out.truncate(before);
        }
        fits
    }

    /// How many of a block's octets from `offset` a data segment of `octets_max` octets can carry.
    pub fn data_room(session: SessionId, data: &Data<'_>, octets_max: usize) -> usize {
        let serials = data.mark.checkpoint().map_or(0, |c| sdnv::len(c.serial) + sdnv::len(c.report));
        let head = 2
            + sdnv::len(session.originator)
            + sdnv::len(session.number)
            + sdnv::len(data.client_service)
            + sdnv::len(data.offset)
            + serials;
        let left = octets_max.saturating_sub(head);
        // The length itself is a number before the data.
        let width = sdnv::len(u64::try_from(left).unwrap_or(u64::MAX));
        left.saturating_sub(width)
    }
}

impl Content<'_> {
    fn code(&self) -> u8 {
        match self {
            Self::Data(data) => data.mark.code(),
            Self::Report(_) => 8,
            Self::ReportAck { .. } => 9,
            Self::Cancel { by: Side::Sender, .. } => 12,
            Self::CancelAck { by: Side::Sender } => 13,
            Self::Cancel { by: Side::Receiver, .. } => 14,
            Self::CancelAck { by: Side::Receiver } => 15,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Data(data) => data.encode(out),
            Self::Report(report) => report.encode(out),
            Self::ReportAck { report } => sdnv::encode(*report, out),
            Self::Cancel { reason, .. } => out.push(*reason),
            Self::CancelAck { .. } => {}
        }
    }
}

impl Data<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        sdnv::encode(self.client_service, out);
        sdnv::encode(self.offset, out);
        sdnv::encode(u64::try_from(self.octets.len()).unwrap_or(u64::MAX), out);
        if let Some(checkpoint) = self.mark.checkpoint() {
            sdnv::encode(checkpoint.serial, out);
            sdnv::encode(checkpoint.report, out);
        }
        out.extend_from_slice(self.octets);
    }
}

impl Report {
    fn encode(&self, out: &mut Vec<u8>) {
        for number in [self.serial, self.checkpoint, self.upper, self.lower] {
            sdnv::encode(number, out);
        }
        sdnv::encode(u64::try_from(self.claims.len()).unwrap_or(u64::MAX), out);
        for claim in &self.claims {
            sdnv::encode(claim.offset, out);
            sdnv::encode(claim.length, out);
        }
    }
}
