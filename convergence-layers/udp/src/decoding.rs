//! Reads one extension map from the beginning of a datagram's octets (draft-ietf-dtn-udpcl-04 §3.5).
//!
//! Octets are borrowed, and memory is bounded by the length of the datagram. Items of unknown kinds are passed over; an item
//! of a known kind that is not built as the draft says makes the datagram malformed from there on.

use minicbor::Decoder;
use minicbor::data::Type;

use crate::message::{Confirmation, EcnCounts, Message, Place, Probe, Transfer, id};
use crate::spans::Spans;

/// Items of one map, and private ones among them: the draft defines 8.
pub const ITEMS_MAX: usize = 64;

/// What is wrong with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Octets that are no CBOR, or end too early.
    #[error("a message is not CBOR")]
    Cbor,
    /// A message is followed by something else than messages and padding.
    #[error("a message is followed by {0:#04x}")]
    NoMap(u8),
    /// An ID that is no integer of 16 bits, or stands there twice.
    #[error("a message has keys that are no extension IDs")]
    Key,
    /// An item of a known kind that is built otherwise.
    #[error("an extension item is not built as its kind is")]
    Item,
    /// More than [`ITEMS_MAX`].
    #[error("a message has more items than {ITEMS_MAX}")]
    TooMany,
}

impl From<minicbor::decode::Error> for Malformed {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Cbor
    }
}

/// Reads one extension map and says how many octets it takes.
pub fn message(octets: &[u8]) -> Result<(Message<'_>, usize), Malformed> {
    let mut decoder = Decoder::new(octets);
    let mut message = Message::default();
    let mut seen = Vec::new();
    let count = decoder.map()?;
    loop {
        let is_end = match count {
            Some(count) => seen.len() as u64 >= count,
            None => decoder.datatype()? == Type::Break,
        };
        if is_end {
            break;
        }
        if seen.len() >= ITEMS_MAX {
            return Err(Malformed::TooMany);
        }
        let key = decoder.i16().map_err(|_| Malformed::Key)?;
        if seen.contains(&key) {
            return Err(Malformed::Key);
        }
        seen.push(key);
        item(key, octets, &mut decoder, &mut message)?;
    }
    if count.is_none() {
        decoder.skip()?;
    }
    Ok((message, decoder.position()))
}

fn item<'a>(
    key: i16,
    octets: &'a [u8],
    decoder: &mut Decoder<'a>,
    message: &mut Message<'a>,
) -> Result<(), Malformed> {
    match key {
        id::SUPPORT => message.support = Some(Spans::decode(decoder)?),
        id::TRANSFER => message.transfer = Some(transfer(decoder)?),
        id::LISTEN => message.listen_ms = Some(decoder.u64().map_err(|_| Malformed::Item)?),
        id::NODE_ID => message.node_id = Some(decoder.str().map_err(|_| Malformed::Item)?),
        id::DTLS => {
            decoder.null().map_err(|_| Malformed::Item)?;
            message.starts_dtls = true;
        }
        id::PROBE => {
            let [nonce, sequence, delay_ms] = numbers(decoder)?;
            message.probe = Some(Probe { nonce, sequence, delay_ms });
        }
        id::CONFIRMATION => message.confirmation = Some(confirmation(decoder)?),
        id::ECN => message.ecn = Some(ecn(decoder)?),
        _ => {
            let from = decoder.position();
            decoder.skip()?;
            if key < 0 {
                message.private.push((key, octets.get(from..decoder.position()).unwrap_or_default()));
            }
        }
    }
    Ok(())
}

fn transfer<'a>(decoder: &mut Decoder<'a>) -> Result<Transfer<'a>, Malformed> {
    let items = decoder.array().map_err(|_| Malformed::Item)?;
    let number = |decoder: &mut Decoder<'a>| decoder.u64().map_err(|_| Malformed::Item);
    let id = number(decoder)?;
    let place = match items {
        Some(2) => None,
        Some(4) => Some(Place { total: number(decoder)?, offset: number(decoder)? }),
        _ => return Err(Malformed::Item),
    };
    let octets = decoder.bytes().map_err(|_| Malformed::Item)?;
    Ok(Transfer { id, place, octets })
}

fn confirmation(decoder: &mut Decoder<'_>) -> Result<Confirmation, Malformed> {
    if decoder.array().map_err(|_| Malformed::Item)? != Some(2) {
        return Err(Malformed::Item);
    }
    Ok(Confirmation { nonce: decoder.u64().map_err(|_| Malformed::Item)?, seen: Spans::decode(decoder)? })
}

fn ecn(decoder: &mut Decoder<'_>) -> Result<EcnCounts, Malformed> {
    let [ect0, ect1, ce] = numbers(decoder)?;
    let count = |number| u32::try_from(number).map_err(|_| Malformed::Item);
    Ok(EcnCounts { ect0: count(ect0)?, ect1: count(ect1)?, ce: count(ce)? })
}

/// An array of so many numbers.
pub(crate) fn numbers<const N: usize>(decoder: &mut Decoder<'_>) -> Result<[u64; N], Malformed> {
    if decoder.array().map_err(|_| Malformed::Item)? != Some(N as u64) {
        return Err(Malformed::Item);
    }
    let mut all = [0; N];
    for number in &mut all {
        *number = decoder.u64().map_err(|_| Malformed::Item)?;
    }
    Ok(all)
}
