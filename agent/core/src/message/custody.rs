//! Custody between neighbors, beside the signals (`docs/custody.md`): what became of bundles that were handed over, asked
//! in few octets instead of by sending them again, and why custody is not taken.

use bundle_format::BundleId;
use minicbor::{Decoder, Encoder};

use super::{Encoded, Unintelligible, VERSION};

/// Most items of one message.
pub(crate) const CUSTODY_ITEMS_MAX: usize = 256;

/// The sender gave these numbers of one sequence to bundles for the receiver, and has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CustodyQuery {
    pub(crate) sequence: u64,
    pub(crate) items: Vec<Queried>,
}

/// One bundle that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Queried {
    pub(crate) number: u64,
    pub(crate) id: BundleId,
    /// Whether the bundle is for the receiver alone.
    pub(crate) yours: bool,
}

/// The sender takes these numbers of the receiver's sequence not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CustodyRefusals {
    pub(crate) sequence: u64,
    pub(crate) items: Vec<(u64, Reason)>,
}

/// Why custody is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// For a reason that this version does not know.
    Other(u64),
    /// The bundle never came, or was lost since: it may be sent again.
    NotHere,
    /// It was here, and was removed.
    Gone,
    /// Custody is not taken of such a bundle, or from this custodian.
    Policy,
}

impl Reason {
    fn code(self) -> u64 {
        match self {
            Self::NotHere => 1,
            Self::Gone => 2,
            Self::Policy => 3,
            Self::Other(code) => code,
        }
    }

    fn of(code: u64) -> Self {
        match code {
            1 => Self::NotHere,
            2 => Self::Gone,
            3 => Self::Policy,
            other => Self::Other(other),
        }
    }
}

impl CustodyQuery {
    /// Items that fit a message of so many octets: a number, an id and a flag take 27 octets at most, what stands around
    /// them 16.
    pub(crate) fn items_in(octets: usize) -> usize {
        (octets.saturating_sub(16) / 27).clamp(1, CUSTODY_ITEMS_MAX)
    }

    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(4)?.u64(VERSION)?.u8(12)?.u64(self.sequence)?;
        encoder.array(3 * self.items.len() as u64)?;
        for item in &self.items {
            encoder.u64(item.number)?.bytes(item.id.as_bytes())?.u8(u8::from(item.yours))?;
        }
        Ok(encoder)
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let sequence = decoder.u64()?;
        let mut items = Vec::new();
        for _ in 0..items_of(decoder, 3)? {
            items.push(Queried {
                number: decoder.u64()?,
                id: BundleId::from_bytes(decoder.bytes()?.try_into().map_err(|_| Unintelligible)?),
                yours: decoder.u64()? == 1,
            });
        }
        Ok(Self { sequence, items })
    }
}

impl CustodyRefusals {
    pub(super) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(4)?.u64(VERSION)?.u8(10)?.u64(self.sequence)?;
        encoder.array(2 * self.items.len() as u64)?;
        for (number, reason) in &self.items {
            encoder.u64(*number)?.u64(reason.code())?;
        }
        Ok(encoder)
    }

    pub(super) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let sequence = decoder.u64()?;
        let mut items = Vec::new();
        for _ in 0..items_of(decoder, 2)? {
            items.push((decoder.u64()?, Reason::of(decoder.u64()?)));
        }
        Ok(Self { sequence, items })
    }
}

/// How many items a flat array of so many elements each has.
fn items_of(decoder: &mut Decoder<'_>, elements: u64) -> Result<u64, Unintelligible> {
    let length = decoder.array()?.ok_or(Unintelligible)?;
    let is_bounded = length % elements == 0 && length / elements <= CUSTODY_ITEMS_MAX as u64;
    if is_bounded { Ok(length / elements) } else { Err(Unintelligible) }
}
