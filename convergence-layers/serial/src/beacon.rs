//! Beacons: a node says on the line that it is there, whom it hears, and what it can do (`docs/serial.md`).
//!
//! Until another node answers, nobody knows what is at the other end: it may be a login prompt, or a shell. A beacon therefore has
//! no octet that ends a line or that a terminal obeys. Numbers are written in octets whose first bit is set, and
//! salts are tried until the CRC and the code of COBS are harmless as well.

use crate::frame;

/// The first octet of a beacon, and its version.
pub const MARK: u8 = 0xb1;
/// The longest node ID that a beacon carries.
pub const NODE_ID_OCTETS_MAX: usize = 100;
/// The largest epoch.
pub const EPOCH_MAX: u32 = (1 << 28) - 1;
/// Octets before the node ID.
const HEAD_OCTETS: usize = 17;
/// The largest number of two octets.
const PAIR_MAX: u32 = (1 << 14) - 1;
/// Octets below are controls: the end of a line is among them, and whatever interrupts a program.
const CONTROLS_END: u8 = 0x20;
const DELETE: u8 = 0x7f;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// A number that is drawn anew for each contact, from 1 to [`EPOCH_MAX`].
    pub epoch: u32,
    /// The epoch of the node that is heard; 0 for none.
    pub heard: u32,
    /// After so many seconds without a frame of the sender it is not there any more.
    pub silence_seconds: u32,
    /// For so many seconds the sender may not be allowed to send anything but beacons.
    pub pause_seconds: u32,
    /// The longest payload that it reads.
    pub payload_max: u32,
    /// Where it stands.
    pub stage: Stage,
    /// Whether it speaks LTP. Others are sent whole bundles only.
    pub speaks_ltp: bool,
    /// Its node ID, not proved.
    pub node_id: Option<String>,
}

/// Where the sender of a beacon stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It waits for somebody, and is to be answered.
    Waiting,
    /// Its contact is open.
    Open,
    /// It goes.
    Leaving,
}

impl Beacon {
    /// Appends its frame: of the same octets each time.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let before = out.len();
        let mut payload = Vec::with_capacity(HEAD_OCTETS + NODE_ID_OCTETS_MAX + 8);
        self.write(&mut payload);
        let length = payload.len();
        // A code below the first harmless octet: some more salt.
        let padding = usize::from(CONTROLS_END).saturating_sub(length + 6);
        for salt in 0x80..=0xff {
            payload.truncate(length);
            payload.resize(length + padding, 0x80);
            payload.push(salt);
            out.truncate(before);
            frame::encode(&payload, out);
            if is_harmless(out.get(before..).unwrap_or_default()) {
                return;
            }
        }
    }

    fn write(&self, payload: &mut Vec<u8>) {
        let stage = match self.stage {
            Stage::Waiting => 0,
            Stage::Open => 2,
            Stage::Leaving => 4,
        };
        let node_id = self.node_id.as_deref().filter(|text| text.len() <= NODE_ID_OCTETS_MAX).unwrap_or("");
        payload.push(MARK);
        number::<4>(self.epoch, payload);
        number::<4>(self.heard, payload);
        number::<2>(self.silence_seconds.min(PAIR_MAX), payload);
        number::<2>(self.pause_seconds.min(PAIR_MAX), payload);
        number::<2>(self.payload_max.min(PAIR_MAX), payload);
        payload.push(0x80 | stage | u8::from(self.speaks_ltp));
        number::<1>(u32::try_from(node_id.len()).unwrap_or(0), payload);
        payload.extend_from_slice(node_id.as_bytes());
    }

    /// Reads the payload of a frame that begins with [`MARK`]; `None` where it is no beacon after all. Salt, and whatever later versions
    /// append, is passed over.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (head, rest) = payload.split_first_chunk::<HEAD_OCTETS>()?;
        let [mark, e0, e1, e2, e3, h0, h1, h2, h3, s0, s1, p0, p1, m0, m1, flags, length] = *head;
        if mark != MARK || head.iter().any(|octet| octet & 0x80 == 0) {
            return None;
        }
        let node_id = rest.get(..usize::from(length & 0x7f))?;
        let node_id = str::from_utf8(node_id).ok()?;
        let stage = match flags & 6 {
            0 => Stage::Waiting,
            2 => Stage::Open,
            _ => Stage::Leaving,
        };
        let epoch = value([e0, e1, e2, e3]);
        (epoch != 0 && !node_id.chars().any(char::is_control)).then(|| Self {
            epoch,
            heard: value([h0, h1, h2, h3]),
            silence_seconds: value([s0, s1]),
            pause_seconds: value([p0, p1]),
            payload_max: value([m0, m1]),
            stage,
            speaks_ltp: flags & 1 == 1,
            node_id: (!node_id.is_empty()).then(|| node_id.to_owned()),
        })
    }
}

/// Whether no octet before the delimiter is a control of a terminal.
pub fn is_harmless(frame: &[u8]) -> bool {
    let octets = frame.strip_suffix(&[frame::DELIMITER]).unwrap_or(frame);
    !octets.iter().any(|octet| *octet < CONTROLS_END || *octet == DELETE)
}

/// Seven bits an octet, the most significant first, each octet with its first bit set.
fn number<const OCTETS: usize>(value: u32, out: &mut Vec<u8>) {
    for place in (0..OCTETS).rev() {
        let seven = (value >> (7 * place)) & 0x7f;
        out.push(0x80 | u8::try_from(seven).unwrap_or(0));
    }
}

fn value<const OCTETS: usize>(octets: [u8; OCTETS]) -> u32 {
    octets.iter().fold(0, |value, octet| value << 7 | u32::from(octet & 0x7f))
}
