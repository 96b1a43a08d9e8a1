//! Frames on a line: a payload and its CRC-32, in COBS, closed by a zero.
//!
//! ```text
//! COBS( payload , CRC-32 of the payload, most significant octet first ) , 0
//! ```
//!
//! A reader needs no length and trusts none: whatever was lost, doubled or damaged, the next zero begins anew. `docs/serial.md`
//! says it for other implementers.

use crate::cobs;

/// The longest payload that is read.
pub const PAYLOAD_MAX: usize = 4_096;
/// Octets of the CRC.
const CRC_OCTETS: usize = 4;
/// What stands between two frames.
pub const DELIMITER: u8 = 0;
/// Octets between two delimiters that are kept: those of the longest frame.
const ENCODED_MAX: usize = cobs::encoded_max(PAYLOAD_MAX + CRC_OCTETS);

/// How long a frame with so long a payload is at most, delimiter included.
pub const fn frame_octets(payload: usize) -> usize {
    cobs::encoded_max(payload + CRC_OCTETS) + 1
}

/// How long a payload may be so that its frame is never longer than `frame` octets.
pub const fn payload_room(frame: usize) -> usize {
    // One code for up to 254 octets, and one delimiter.
    let encoded = frame.saturating_sub(1);
    encoded.saturating_sub(encoded.div_ceil(255)).saturating_sub(CRC_OCTETS)
}

/// Appends the frame of a payload.
pub fn encode(payload: &[u8], out: &mut Vec<u8>) {
    let mut octets = Vec::with_capacity(payload.len() + CRC_OCTETS);
    octets.extend_from_slice(payload);
    octets.extend_from_slice(&crc32fast::hash(payload).to_be_bytes());
    cobs::encode(&octets, out);
    out.push(DELIMITER);
}

/// What a line brought, besides frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that were whole.
    pub good: u64,
    /// Runs of octets between two delimiters that were no frame: damaged, cut, too long, or never meant to be one.
    pub bad: u64,
}

/// Finds frames in what a line brings. Holds the octets of one frame at most.
#[derive(Debug, Default)]
pub struct Decoder {
    /// What came since the last delimiter.
    held: Vec<u8>,
    /// Whether that is too long to be a frame: the rest of it is not kept.
    is_overlong: bool,
    payload: Vec<u8>,
    counters: Counters,
}

impl Decoder {
    /// Takes octets from the front of `input` up to the end of the next frame that is whole, and returns its payload, never empty;
    /// `None` once all of them are taken.
    pub fn next_payload(&mut self, input: &mut &[u8]) -> Option<&[u8]> {
        while let Some(end) = input.iter().position(|octet| *octet == DELIMITER) {
            let (run, rest) = input.split_at(end);
            *input = rest.get(1..).unwrap_or_default();
            self.hold(run);
            if self.close() {
                return Some(&self.payload);
            }
        }
        self.hold(input);
        *input = &[];
        None
    }

    /// The payload that [`Decoder::next_payload`] returned last.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What came so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether a frame began and has not ended.
    pub fn is_within(&self) -> bool {
        self.is_overlong || !self.held.is_empty()
    }

    fn hold(&mut self, run: &[u8]) {
        if self.is_overlong || self.held.len() + run.len() > ENCODED_MAX {
            self.is_overlong = true;
            self.held.clear();
        } else {
            self.held.extend_from_slice(run);
        }
    }

    /// A delimiter came: whether it ends a frame, whose payload is there then. Two in a row are none between them.
    fn close(&mut self) -> bool {
        if !self.is_within() {
            return false;
        }
        self.payload.clear();
        let is_good = !self.is_overlong && cobs::decode(&self.held, &mut self.payload) && self.take_crc();
        self.held.clear();
        self.is_overlong = false;
        self.counters.good += u64::from(is_good);
        self.counters.bad += u64::from(!is_good);
        is_good
    }

    /// Whether the CRC is right, and there is anything before it.
    fn take_crc(&mut self) -> bool {
        let Some((payload, crc)) = self.payload.split_last_chunk::<CRC_OCTETS>() else { return false };
        let is_right = !payload.is_empty() && crc32fast::hash(payload).to_be_bytes() == *crc;
        let length = payload.len();
        self.payload.truncate(length);
        is_right
    }
}
