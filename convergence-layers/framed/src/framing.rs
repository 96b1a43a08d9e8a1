//! How a bundle stands on the wire: its length, then its octets. A length of zero is a sign of life.
//!
//! STCP writes the length in four octets, most significant first, as ION does; MTCP writes the head of a CBOR byte string
//! (draft-ietf-dtn-mtcpcl-01 §3.2). `reception` calls [`Decoder`], `outbox` writes heads. No length makes anything be allocated: a
//! frame is handed on in the pieces in which it comes, and one that is too large is passed over.

use bytes::{Buf, Bytes, BytesMut};

/// The longest piece that is handed on.
pub const PIECE_OCTETS_MAX: usize = 64 * 1024;
/// The longest head: a CBOR head with a length of eight octets.
const HEAD_OCTETS_MAX: usize = 9;

/// One of the two framings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A length of four octets.
    Stcp,
    /// The head of a CBOR byte string.
    Mtcp,
}

/// Octets that begin no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the neighbor sent {0:#04x}, which begins no byte string of definite length")]
pub struct NotAFrame(u8);

impl Framing {
    /// The largest bundle that a head can announce.
    pub fn octets_max(self) -> u64 {
        match self {
            Self::Stcp => u64::from(u32::MAX),
            Self::Mtcp => u64::MAX,
        }
    }

    /// The head of a bundle of so many octets, at most [`Self::octets_max`]. That of zero octets is a sign of life.
    pub fn head(self, octets: u64) -> Bytes {
        match self {
            Self::Stcp => {
                let length = u32::try_from(octets).expect("callers keep to octets_max");
                Bytes::copy_from_slice(&length.to_be_bytes())
            }
            Self::Mtcp => byte_string_head(octets),
        }
    }

    /// The length that stands at the beginning of these octets, and how many octets say so; `None` where more are needed.
    fn length(self, input: &[u8]) -> Result<Option<(u64, usize)>, NotAFrame> {
        match self {
            Self::Stcp => Ok(big_endian(input, 0, 4).map(|length| (length, 4))),
            Self::Mtcp => {
                let Some(&first) = input.first() else { return Ok(None) };
                // Major type 2; 31 would be an indefinite length, and 28 to 30 have no meaning (RFC 8949 §3).
                let width = match first {
                    0x40..=0x57 => return Ok(Some((u64::from(first - 0x40), 1))),
                    0x58..=0x5b => 1 << (first - 0x58),
                    _ => return Err(NotAFrame(first)),
                };
                Ok(big_endian(input, 1, width).map(|length| (length, 1 + width)))
            }
        }
    }
}

/// The shortest head of a CBOR byte string (RFC 8949 §4.2.1).
fn byte_string_head(octets: u64) -> Bytes {
    let all = octets.to_be_bytes();
    let (first, width) = match octets {
        0..24 => (0x40 + all[7], 0),
        24..0x100 => (0x58, 1),
        0x100..0x1_0000 => (0x59, 2),
        0x1_0000..0x1_0000_0000 => (0x5a, 4),
        _ => (0x5b, 8),
    };
    let mut head = BytesMut::with_capacity(HEAD_OCTETS_MAX);
    head.extend_from_slice(&[first]);
    head.extend_from_slice(all.get(8 - width..).unwrap_or_default());
    head.freeze()
}

fn big_endian(input: &[u8], at: usize, width: usize) -> Option<u64> {
    let octets = input.get(at..at + width)?;
    Some(octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
}

/// What a decoder finds next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A sign of life.
    Keepalive,
    /// A bundle of so many octets begins.
    Begin(u64),
    /// More octets of it, at most [`PIECE_OCTETS_MAX`].
    Octets(Bytes),
    /// It is complete.
    End,
    /// A bundle of so many octets begins that is too large: its octets are passed over, and nothing more is said of it.
    TooLarge(u64),
}

/// Finds frames in octets as they come, in pieces of any size.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    octets_max: u64,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Between,
    Within { left: u64 },
    PassingOver { left: u64 },
}

impl Decoder {
    /// Finds bundles of up to `octets_max`.
    pub fn new(framing: Framing, octets_max: u64) -> Self {
        Self { framing, octets_max, state: State::Between }
    }

    /// Whether nothing of a frame was taken that is not complete.
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::Between)
    }

    /// Takes the next of the input; `None` where more octets are needed. After an error the connection is of no use.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Found>, NotAFrame> {
        loop {
            match self.state {
                State::Between => return self.begin(input),
                State::Within { left: 0 } => {
                    self.state = State::Between;
                    return Ok(Some(Found::End));
                }
                State::Within { left } => {
                    let octets = at_most(left, input.len().min(PIECE_OCTETS_MAX));
                    if octets == 0 {
                        return Ok(None);
                    }
                    self.state = State::Within { left: left - octets as u64 };
                    return Ok(Some(Found::Octets(input.split_to(octets).freeze())));
                }
                State::PassingOver { left } => {
                    let octets = at_most(left, input.len());
                    input.advance(octets);
                    let left = left - octets as u64;
                    if left > 0 {
                        self.state = State::PassingOver { left };
                        return Ok(None);
                    }
                    self.state = State::Between;
                }
            }
        }
    }

    fn begin(&mut self, input: &mut BytesMut) -> Result<Option<Found>, NotAFrame> {
        let Some((length, head)) = self.framing.length(input)? else { return Ok(None) };
        input.advance(head);
        Ok(Some(match length {
            0 => Found::Keepalive,
            length if length > self.octets_max => {
                self.state = State::PassingOver { left: length };
                Found::TooLarge(length)
            }
            length => {
                self.state = State::Within { left: length };
                Found::Begin(length)
            }
        }))
    }
}

fn at_most(left: u64, here: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(here)
}
