//! Where a head ends, found while its octets still arrive: each block is looked at once it can be complete, and no block
//! twice, so that octets may come one by one.

use crate::cbor::{BUNDLE_START, Cursor};
use crate::limits::{BLOCKS_MAX, HEAD_OCTETS_MAX, PRIMARY_OCTETS_MAX};
use crate::malformed::{Fault, Malformed};

/// How far a head that is not yet complete has been looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Framing {
    /// Octets of complete blocks, the start of the bundle included.
    framed: usize,
    blocks: usize,
    /// Fewer octets than this cannot bring anything new.
    worthwhile: usize,
}

/// What a look at the octets found.
enum Step {
    Block { end: usize },
    Payload { start: usize, octets: u64 },
    More { worthwhile: usize },
}

/// A complete head's end, and what it says the payload will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framed {
    pub(crate) head_octets: usize,
    pub(crate) payload_octets: u64,
}

impl Framing {
    /// Looks at all octets that are here so far. `None`: more are needed.
    pub(crate) fn advance(&mut self, octets: &[u8]) -> Result<Option<Framed>, Malformed> {
        while octets.len() >= self.worthwhile {
            match self.step(octets)? {
                Step::Block { end } => {
                    self.blocks += 1;
                    if self.blocks > BLOCKS_MAX + 1 {
                        return Err(Malformed::new(self.framed as u64, Fault::TooManyBlocks));
                    }
                    self.framed = end;
                    self.worthwhile = end;
                }
                Step::Payload { start, octets } => {
                    return Ok(Some(Framed { head_octets: start, payload_octets: octets }));
                }
                Step::More { worthwhile } => {
                    self.worthwhile = worthwhile.max(octets.len() + 1);
                    break;
                }
            }
        }
        if octets.len() > HEAD_OCTETS_MAX || self.worthwhile > HEAD_OCTETS_MAX {
            return Err(Malformed::new(self.framed as u64, Fault::HeadTooLarge));
        }
        Ok(None)
    }

    /// Looks at one block. Never beyond what it may take, so that the same octets fail in the same way however they
    /// arrive.
    fn step(&self, octets: &[u8]) -> Result<Step, Malformed> {
        let end_max = if self.framed == 0 { 1 + PRIMARY_OCTETS_MAX } else { HEAD_OCTETS_MAX };
        let rest = octets.get(self.framed..octets.len().min(end_max)).unwrap_or_default();
        let mut cursor = Cursor::based(rest, self.framed);
        let stepped =
            if self.framed == 0 { step_start(&mut cursor) } else { step_block(&mut cursor, self.framed) };
        match stepped {
            Err(Malformed { fault: Fault::Truncated, .. }) => {
                if self.framed == 0 && rest.len() == end_max {
                    return Err(Malformed::new(1, Fault::HeadTooLarge));
                }
                Ok(Step::More { worthwhile: octets.len() + 1 })
            }
            stepped => stepped,
        }
    }
}

/// The start of the bundle and its primary block.
fn step_start(cursor: &mut Cursor<'_>) -> Result<Step, Malformed> {
    cursor.exactly(BUNDLE_START, "the array of indefinite length that is a bundle")?;
    cursor.array()?;
    // The version comes first: octets that are no bundle are told apart after three of them.
    let version = cursor.position();
    if cursor.uint()? != 7 {
        return Err(cursor.fault(version, Fault::Version));
    }
    *cursor = cursor.rewound(1);
    cursor.skip()?;
    Ok(Step::Block { end: cursor.position() })
}

/// A canonical block: its numbers, then a jump over its data.
fn step_block(cursor: &mut Cursor<'_>, framed: usize) -> Result<Step, Malformed> {
    let start = cursor.position();
    let elements = cursor.array()?;
    if !(5..=6).contains(&elements) {
        return Err(cursor.fault(start, Fault::ElementCount("a block")));
    }
    let block_type = cursor.uint()?;
    for _number_flags_crc in 0..3 {
        cursor.uint()?;
    }
    let length_start = cursor.position();
    let length = cursor.bytes_head()?;
    let data_start = framed + cursor.position();
    if block_type == crate::block::block_type::PAYLOAD {
        return Ok(Step::Payload { start: data_start, octets: length });
    }
    let data_end = usize::try_from(length).ok().filter(|length| *length <= HEAD_OCTETS_MAX);
    let data_end = data_end.ok_or_else(|| cursor.fault(length_start, Fault::LengthTooLarge))? + data_start;
    if !cursor.jump(data_end - framed) {
        return Ok(Step::More { worthwhile: data_end });
    }
    if elements == 6 {
        cursor.bytes()?;
    }
    Ok(Step::Block { end: framed + cursor.position() })
}
