//! Messages as octets (`docs/pipe.md`): a length of four octets, a type of one, and what the type says.
//!
//! `session` reads and writes them. No length makes anything be allocated: a message is at most [`MESSAGE_OCTETS_MAX`] long, and one that says
//! more ends the contact.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use convergence_layer::RefusalReason;

/// The version of the protocol that a Hello names.
pub const VERSION: u8 = 1;
/// The longest message, its type included and its length not: a pipe of Linux holds as much.
pub const MESSAGE_OCTETS_MAX: usize = 65_536;
/// Octets of a bundle in one of our messages: half of the most, so that an answer never waits long behind one.
pub const PIECE_OCTETS: usize = 32 * 1024;
/// The longest node ID that is read.
const NODE_ID_OCTETS_MAX: usize = 1_024;

const HELLO: u8 = 0;
const BUNDLE: u8 = 1;
const OCTETS: u8 = 2;
const ABANDON: u8 = 3;
const TAKEN: u8 = 4;
const REFUSED: u8 = 5;
const LEFT: u8 = 6;

/// What one side says to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The first message of each side.
    Hello {
        /// The largest bundle that it takes.
        bundle_max: u64,
        /// How many octets of bundles the link carries in a second; 0 where nobody knows.
        octets_per_second: u64,
        /// Who it is; empty where that is not known.
        node_id: String,
    },
    /// A bundle begins.
    Bundle {
        /// Larger than all before it in this direction.
        number: u64,
        /// Its octets.
        length: u64,
        /// Whether it should overtake others.
        is_urgent: bool,
    },
    /// More octets of the bundle that began last.
    Octets(Bytes),
    /// The bundle that began last will not be completed.
    Abandon,
    /// The bundle with this number is stored: its sender need not keep it for this neighbor.
    Taken(u64),
    /// The bundle with this number is not wanted.
    Refused(u64, RefusalReason),
    /// The bundle with this number was passed on, and nobody will know whether it arrived.
    Left(u64),
}

/// Octets that are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too long, or without a type.
    #[error("it sent a message with a length of {0}: is its standard output used for something else?")]
    Length(u32),
    /// Its body is not what its type asks for.
    #[error("it sent a message of type {0} that is none")]
    Body(u8),
    /// Another protocol.
    #[error("it speaks version {0} of the messages; this node speaks {VERSION}")]
    Version(u8),
}

impl Message {
    /// Writes it.
    pub fn encode(&self, out: &mut BytesMut) {
        let at = out.len();
        out.put_u32(0);
        match self {
            Self::Hello { bundle_max, octets_per_second, node_id } => {
                out.put_slice(&[HELLO, VERSION]);
                out.put_u64(*bundle_max);
                out.put_u64(*octets_per_second);
                out.put_slice(node_id.as_bytes());
            }
            Self::Bundle { number, length, is_urgent } => {
                out.put_u8(BUNDLE);
                out.put_u64(*number);
                out.put_u64(*length);
                out.put_u8(u8::from(*is_urgent));
            }
            Self::Octets(octets) => {
                out.put_u8(OCTETS);
                out.put_slice(octets);
            }
            Self::Abandon => out.put_u8(ABANDON),
            Self::Taken(number) => numbered(TAKEN, *number, out),
            Self::Refused(number, reason) => {
                numbered(REFUSED, *number, out);
                out.put_u8(code(*reason));
            }
            Self::Left(number) => numbered(LEFT, *number, out),
        }
        let octets = out.len() - at - 4;
        let length = u32::try_from(octets).ok().filter(|_| octets <= MESSAGE_OCTETS_MAX);
        let length = length.expect("callers cut bundles, and node IDs are short");
        if let Some(place) = out.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Takes the first message of the input; `None` where more octets are needed. A type that is not known is passed over.
    pub fn decode(input: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        loop {
            let Some(head) = input.first_chunk() else { return Ok(None) };
            let length = u32::from_be_bytes(*head);
            let octets =
                usize::try_from(length).ok().filter(|octets| (1..=MESSAGE_OCTETS_MAX).contains(octets));
            let octets = octets.ok_or(Malformed::Length(length))?;
            if input.len() < 4 + octets {
                return Ok(None);
            }
            input.advance(4);
            let mut body = input.split_to(octets).freeze();
            let kind = body.get_u8();
            if kind <= LEFT {
                return Self::read(kind, body).map(Some);
            }
        }
    }

    fn read(kind: u8, mut body: Bytes) -> Result<Self, Malformed> {
        let malformed = Malformed::Body(kind);
        match kind {
            HELLO => hello(body),
            BUNDLE => {
                let number = body.try_get_u64().map_err(|_| malformed)?;
                let length = body.try_get_u64().map_err(|_| malformed)?;
                // Later versions may say more.
                let flags = body.try_get_u8().map_err(|_| malformed)?;
                Ok(Self::Bundle { number, length, is_urgent: flags & 1 == 1 })
            }
            OCTETS => Ok(Self::Octets(body)),
            ABANDON => Ok(Self::Abandon),
            TAKEN => body.try_get_u64().map(Self::Taken).map_err(|_| malformed),
            REFUSED => {
                let number = body.try_get_u64().map_err(|_| malformed)?;
                let code = body.try_get_u8().map_err(|_| malformed)?;
                Ok(Self::Refused(number, reason(code)))
            }
            _ => body.try_get_u64().map(Self::Left).map_err(|_| malformed),
        }
    }
}

fn numbered(kind: u8, number: u64, out: &mut BytesMut) {
    out.put_u8(kind);
    out.put_u64(number);
}

fn hello(mut body: Bytes) -> Result<Message, Malformed> {
    let malformed = Malformed::Body(HELLO);
    let version = body.try_get_u8().map_err(|_| malformed)?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let bundle_max = body.try_get_u64().map_err(|_| malformed)?;
    let octets_per_second = body.try_get_u64().map_err(|_| malformed)?;
    let text = str::from_utf8(&body).ok().filter(|text| text.len() <= NODE_ID_OCTETS_MAX);
    let node_id = text.ok_or(malformed)?.to_owned();
    Ok(Message::Hello { bundle_max, octets_per_second, node_id })
}

/// RFC 9174 §5.2.4, table 5.
const REASONS: [RefusalReason; 7] = [
    RefusalReason::Unknown,
    RefusalReason::Completed,
    RefusalReason::NoResources,
    RefusalReason::Retransmit,
    RefusalReason::NotAcceptable,
    RefusalReason::ExtensionFailure,
    RefusalReason::SessionTerminating,
];

fn code(reason: RefusalReason) -> u8 {
    let at = REASONS.iter().position(|known| *known == reason).unwrap_or_default();
    u8::try_from(at).unwrap_or_default()
}

fn reason(code: u8) -> RefusalReason {
    REASONS.get(usize::from(code)).copied().unwrap_or(RefusalReason::Unknown)
}
