//! What two packmule nodes say to each other in a private extension item (`docs/udp.md`), as CBOR arrays that begin with a
//! kind.
//!
//! Each side of a contact has a token of 64 random bits. Whoever knows it has received what its owner sent, so that nobody
//! who only forges addresses can say anything within a contact.

use minicbor::Decoder;

use crate::decoding::Malformed;
use crate::head::{self, ARRAY, UNSIGNED};
use crate::message::Message;

/// Octets of a cookie.
pub const COOKIE_LENGTH: usize = 16;
/// What [`Saying::Segments`] takes beside the segments, at most: map, ID, array, three numbers and the head of octets.
pub const SEGMENTS_OVERHEAD: usize = 1 + 3 + 1 + 1 + 9 + 9 + 3;

/// One thing that is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saying<'a> {
    /// May we talk? With the cookie, once the other side has given one.
    Ask {
        /// The token of who asks.
        from: u64,
        /// What proves that we receive what is sent to this address; empty at first.
        cookie: &'a [u8],
        /// The largest bundle that is taken.
        mru: u64,
    },
    /// Ask again with this.
    Cookie {
        /// Who asked.
        to: u64,
        /// [`COOKIE_LENGTH`] octets.
        cookie: &'a [u8],
    },
    /// The contact is open.
    Answer {
        /// Who asked.
        to: u64,
        /// The token of who answers.
        from: u64,
        /// The largest bundle that is taken.
        mru: u64,
    },
    /// Segments of LTP, one behind the other; none at all only asks for an [`Saying::Account`].
    Segments {
        /// Whose they are.
        to: u64,
        /// Which datagram of the contact and direction it is, from 0.
        number: u64,
        /// The segments.
        segments: &'a [u8],
    },
    /// What arrived of [`Saying::Segments`] so far.
    Account {
        /// Who sent them.
        to: u64,
        /// The highest number that arrived.
        highest: u64,
        /// The octets of all datagrams with segments that arrived.
        octets: u64,
        /// How long ago the one with the highest number arrived, in microseconds.
        delay_us: u64,
    },
    /// The contact is over.
    Bye {
        /// Whose contact.
        to: u64,
    },
    /// Nobody here has this token: whoever sent to it talks to a contact that is gone.
    Unknown {
        /// The token.
        token: u64,
    },
}

impl<'a> Saying<'a> {
    /// Its CBOR.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Ask { from, cookie, mru } => {
                put(0, 4, &[from], out);
                head::put_octets(cookie, out);
                head::put(UNSIGNED, mru, out);
            }
            Self::Cookie { to, cookie } => {
                put(1, 3, &[to], out);
                head::put_octets(cookie, out);
            }
            Self::Answer { to, from, mru } => put(2, 4, &[to, from, mru], out),
            Self::Segments { to, number, segments } => {
                put(3, 4, &[to, number], out);
                head::put_octets(segments, out);
            }
            Self::Account { to, highest, octets, delay_us } => {
                put(4, 5, &[to, highest, octets, delay_us], out);
            }
            Self::Bye { to } => put(5, 2, &[to], out),
            Self::Unknown { token } => put(6, 2, &[token], out),
        }
    }

    /// Reads one; kinds that are unknown are `None`.
    pub fn decode(octets: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut decoder = Decoder::new(octets);
        let items = decoder.array()?;
        let kind = decoder.u64()?;
        let saying = match (kind, items) {
            (0, Some(4)) => Self::Ask { from: decoder.u64()?, cookie: decoder.bytes()?, mru: decoder.u64()? },
            (1, Some(3)) => Self::Cookie { to: decoder.u64()?, cookie: decoder.bytes()? },
            (2, Some(4)) => Self::Answer { to: decoder.u64()?, from: decoder.u64()?, mru: decoder.u64()? },
            (3, Some(4)) => {
                Self::Segments { to: decoder.u64()?, number: decoder.u64()?, segments: decoder.bytes()? }
            }
            (4, Some(5)) => Self::Account {
                to: decoder.u64()?,
                highest: decoder.u64()?,
                octets: decoder.u64()?,
                delay_us: decoder.u64()?,
            },
            (5, Some(2)) => Self::Bye { to: decoder.u64()? },
            (6, Some(2)) => Self::Unknown { token: decoder.u64()? },
            (0..=6, _) => return Err(Malformed::Item),
            _ => return Ok(None),
        };
        Ok(Some(saying))
    }

    /// Appends a message that has this alone.
    pub(crate) fn say(&self, id: i16, out: &mut Vec<u8>) {
        self.say_with(id, Message::default(), out);
    }

    /// Appends a message that has this beside other items.
    pub(crate) fn say_with(&self, id: i16, others: Message<'_>, out: &mut Vec<u8>) {
        let mut value = Vec::new();
        self.encode(&mut value);
        Message { private: vec![(id, &value)], ..others }.encode(out);
    }

    /// What a message says, if it says anything in the item of this ID.
    pub fn of(message: &Message<'a>, id: i16) -> Option<Self> {
        let (_, octets) = message.private.iter().find(|(other, _)| *other == id)?;
        Self::decode(octets).ok().flatten()
    }
}

fn put(kind: u64, items: u64, numbers: &[u64], out: &mut Vec<u8>) {
    head::put(ARRAY, items, out);
    head::put(UNSIGNED, kind, out);
    for number in numbers {
        head::put(UNSIGNED, *number, out);
    }
}
