//! What one datagram is, by its first octet (draft-ietf-dtn-udpcl-04 §3.3, §3.4, table 1).
//!
//! Bundles and DTLS records take the whole datagram; extension maps follow one another until padding or the end.

use crate::decoding::{self, Malformed};
use crate::message::Message;

/// The octets of a keepalive (§3.3).
pub const KEEPALIVE: [u8; 4] = [0; 4];

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Nothing at all.
    Empty,
    /// Four octets of padding: the neighbor is there.
    Keepalive,
    /// Nothing but padding.
    Padding,
    /// A bundle of version 7, as far as its first octet says.
    Bundle(&'a [u8]),
    /// A bundle of version 6, which nobody here understands.
    OldBundle,
    /// A record of DTLS: the neighbor wants, or believes in, an encrypted conversation.
    Dtls,
    /// Extension maps.
    Messages(Messages<'a>),
    /// A first octet that the draft gives no meaning.
    Unused(u8),
}

impl<'a> Packet<'a> {
    /// Looks at the first octet.
    pub fn of(octets: &'a [u8]) -> Self {
        match octets.first().copied() {
            None => Self::Empty,
            Some(0x00) if octets == KEEPALIVE => Self::Keepalive,
            Some(0x00) => Self::Padding,
            Some(0x06) => Self::OldBundle,
            Some(0x14..=0x1a | 0x20..=0x3f) => Self::Dtls,
            Some(first) if is_bundle(first) => Self::Bundle(octets),
            Some(0xa0..=0xbf) => Self::Messages(Messages { rest: octets }),
            Some(first) => Self::Unused(first),
        }
    }
}

/// Whether a bundle of version 7 may begin so: with the head of a CBOR array.
pub fn is_bundle(first: u8) -> bool {
    matches!(first, 0x80..=0x9f)
}

/// The extension maps of one datagram. After one that is malformed there are no others: where the next one would begin is
/// unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        // §3.4: padding is the last of a packet, whatever its octets are.
        let first = self.rest.first().copied().filter(|first| *first != 0x00)?;
        if !matches!(first, 0xa0..=0xbf) {
            self.rest = &[];
            return Some(Err(Malformed::NoMap(first)));
        }
        let read = decoding::message(self.rest);
        let length = read.as_ref().map_or(self.rest.len(), |(_, length)| *length);
        self.rest = self.rest.get(length..).unwrap_or_default();
        Some(read.map(|(message, _)| message))
    }
}
