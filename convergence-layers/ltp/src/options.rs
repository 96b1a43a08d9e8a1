//! How one engine behaves: numbers, limits and patience. Every bound on memory stands here.

use std::time::Duration;

use crate::pacing::Rate;

/// The client service of the Bundle Protocol in IANA's registry.
pub const BUNDLE_SERVICE: u64 = 1;
/// The smallest segment that a link may carry: a report of one claim, whatever its numbers are (8 of ten octets, and 5).
pub const SEGMENT_MIN: usize = 96;

/// The options of one engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Our engine.
    pub engine: u64,
    /// The neighbor's engines: sessions of others are not taken.
    pub remote_engines: Vec<u64>,
    /// The client service that blocks are for.
    pub client_service: u64,
    /// The longest segment that the link carries, in octets with its header; at least [`SEGMENT_MIN`].
    pub segment_max: usize,
    /// The largest number that our first session may have; later ones grow by one. Small ones make short heads.
    pub first_session_max: u64,
    /// The same for serial numbers of reports and checkpoints. Large ones cannot be guessed.
    pub first_serial_max: u64,
    /// How fast data segments are transmitted.
    pub rate: Rate,
    /// What the link adds to each segment, in octets.
    pub overhead: usize,
    /// Sessions of ours at one time.
    pub sending_max: usize,
    /// Sessions of the neighbor at one time.
    pub receiving_max: usize,
    /// Blocks that are handed up at the same time. With 1, the octets of one never come between those of another.
    pub deliveries_max: usize,
    /// The longest block that is taken, in octets.
    pub block_max: u64,
    /// Octets that we hold because the neighbor has not claimed them yet.
    pub window: usize,
    /// After so many new octets of a block a checkpoint asks for a report, so that their memory can be freed.
    pub checkpoint_every: u64,
    /// Octets of one block that wait to be handed up. By as much as it is larger than a window, claims may be ahead of the agent: a
    /// neighbor with the same options then sends hardly anything in vain.
    pub buffer_max: usize,
    /// The same for all blocks together. The block that is being handed up may always have its own share.
    pub buffers_max: usize,
    /// Runs of octets that are kept of one block.
    pub runs_max: usize,
    /// Transmissions of one segment that stays without an answer.
    pub transmissions_max: u32,
    /// How long to wait for an answer before a round trip was measured.
    pub timeout_first: Duration,
    /// The shortest wait.
    pub timeout_min: Duration,
    /// The longest wait.
    pub timeout_max: Duration,
    /// After how long a neighbor that claimed nearly all of a block is asked about the rest. Its store may take long.
    pub inquiry_after: Duration,
    /// After how long without a segment a block that is incomplete is given up: ten of the longest waits, so that a sender on a
    /// link that loses half is heard of before.
    pub idle_max: Duration,
    /// Sessions that are remembered after their end.
    pub closed_max: usize,
}

impl Options {
    /// Options as they usually are, for two engines.
    pub fn new(engine: u64, remote_engine: u64) -> Self {
        Self {
            engine,
            remote_engines: vec![remote_engine],
            client_service: BUNDLE_SERVICE,
            // An IPv6 packet of 1,280 octets less the headers of IPv6 and UDP.
            segment_max: 1_232,
            // Others keep theirs in 32 bits.
            first_session_max: (1 << 31) - 1,
            // Two octets, as CCSDS 734.1 has it.
            first_serial_max: (1 << 14) - 1,
            rate: Rate::Unlimited,
            overhead: 48,
            sending_max: 512,
            receiving_max: 512,
            deliveries_max: 1,
            block_max: 4 << 30,
            window: 4 << 20,
            checkpoint_every: 64 << 10,
            buffer_max: 6 << 20,
            buffers_max: 8 << 20,
            runs_max: 4_096,
            transmissions_max: 30,
            timeout_first: Duration::from_secs(3),
            timeout_min: Duration::from_millis(200),
            timeout_max: Duration::from_secs(60),
            inquiry_after: Duration::from_secs(15),
            idle_max: Duration::from_secs(600),
            closed_max: 4_096,
        }
    }

    /// Whether an engine can work with them.
    pub fn check(&self) -> Result<(), InvalidOptions> {
        if self.segment_max < SEGMENT_MIN {
            return Err(InvalidOptions::SegmentTooShort(self.segment_max));
        }
        let counts = [self.sending_max, self.receiving_max, self.deliveries_max, self.runs_max, self.window];
        if counts.contains(&0)
            || self.first_session_max == 0
            || self.first_serial_max == 0
            || self.checkpoint_every == 0
            || self.transmissions_max == 0
        {
            return Err(InvalidOptions::Zero);
        }
        Ok(())
    }
}

/// Options that no engine can work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    /// Segments below [`SEGMENT_MIN`].
    #[error("segments of {0} octets are too short for LTP")]
    SegmentTooShort(usize),
    /// A limit of 0, with which nothing could ever be sent or received.
    #[error("a limit is 0")]
    Zero,
}
