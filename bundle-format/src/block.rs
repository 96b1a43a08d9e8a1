//! Canonical blocks (RFC 9171 §4.3.2) and the extension blocks that RFC 9171 defines (§4.4).

use std::ops::Range;

use crate::cbor::{Cursor, Writer};
use crate::crc::{self, CrcType};
use crate::eid::Eid;
use crate::flags::BlockFlags;
use crate::limits::PAYLOAD_OCTETS_MAX;
use crate::malformed::{Fault, Malformed};

/// Block type codes (RFC 9171 §9.1, RFC 9172 §11.1).
pub mod block_type {
    /// The payload block.
    pub const PAYLOAD: u64 = 1;
    /// The Previous Node block.
    pub const PREVIOUS_NODE: u64 = 6;
    /// The Bundle Age block.
    pub const BUNDLE_AGE: u64 = 7;
    /// The Hop Count block.
    pub const HOP_COUNT: u64 = 10;
    /// The Block Integrity Block of BPSec.
    pub const INTEGRITY: u64 = 11;
    /// The Block Confidentiality Block of BPSec.
    pub const CONFIDENTIALITY: u64 = 12;
}

/// The block number of the payload, in every bundle (§4.1).
pub(crate) const PAYLOAD_NUMBER: u64 = 1;

/// An extension block, and where it stands in its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalBlock {
    /// The block type code.
    pub block_type: u64,
    /// The block number, unique in its bundle.
    pub number: u64,
    /// How nodes that do not know the type treat it.
    pub flags: BlockFlags,
    /// The CRC that it carries.
    pub crc: CrcType,
    pub(crate) octets: Range<usize>,
    pub(crate) data: Range<usize>,
}

/// The payload block without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadBlock {
    /// How nodes treat the block.
    pub flags: BlockFlags,
    /// The CRC that it carries, in the tail.
    pub crc: CrcType,
    /// The length of the payload in octets.
    pub octets: u64,
    /// Where the block begins in the head.
    pub(crate) start: usize,
}

/// One block read from a head.
pub(crate) enum Block {
    Extension(CanonicalBlock),
    Payload(PayloadBlock),
}

impl Block {
    /// Reads the next block; of the payload block only what precedes the payload.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let start = cursor.position();
        let elements = cursor.array()?;
        let block_type = cursor.uint()?;
        let number = cursor.uint()?;
        let flags = BlockFlags::from_bits(cursor.uint()?);
        let crc = CrcType::decode(cursor)?;
        if elements != 5 + crc.elements() {
            return Err(cursor.fault(start, Fault::ElementCount("a block")));
        }
        if let Some(what) = misnumbered(block_type, number) {
            return Err(cursor.fault(start, Fault::Block(what)));
        }
        if block_type == block_type::PAYLOAD {
            let octets = cursor.bytes_head()?;
            if octets > PAYLOAD_OCTETS_MAX {
                return Err(cursor.fault(start, Fault::BundleTooLarge));
            }
            return Ok(Self::Payload(PayloadBlock { flags, crc, octets, start }));
        }
        let data = cursor.bytes_range()?;
        crc::check(cursor, start, crc)?;
        let octets = start..cursor.position();
        Ok(Self::Extension(CanonicalBlock { block_type, number, flags, crc, octets, data }))
    }
}

fn misnumbered(block_type: u64, number: u64) -> Option<&'static str> {
    match (block_type, number) {
        (0, _) => Some("block type 0 is reserved"),
        (_, 0) => Some("block number 0 belongs to the primary block"),
        (block_type::PAYLOAD, PAYLOAD_NUMBER) => None,
        (block_type::PAYLOAD, _) => Some("the payload block is not number 1"),
        (_, PAYLOAD_NUMBER) => Some("block number 1 belongs to the payload block"),
        _ => None,
    }
}

/// A block to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockHead {
    pub(crate) block_type: u64,
    pub(crate) number: u64,
    pub(crate) flags: BlockFlags,
    pub(crate) crc: CrcType,
}

impl BlockHead {
    pub(crate) fn of(block: &CanonicalBlock) -> Self {
        Self { block_type: block.block_type, number: block.number, flags: block.flags, crc: block.crc }
    }

    pub(crate) fn of_payload(block: &PayloadBlock) -> Self {
        let (block_type, number) = (block_type::PAYLOAD, PAYLOAD_NUMBER);
        Self { block_type, number, flags: block.flags, crc: block.crc }
    }

    /// The first three fields: what a signature covers of a block beside its data.
    pub(crate) fn encode_metadata(&self, writer: &mut Writer) {
        writer.uint(self.block_type);
        writer.uint(self.number);
        writer.uint(self.flags.bits());
    }

    /// The whole extension block.
    pub(crate) fn encode(&self, data: &[u8], writer: &mut Writer) {
        let start = writer.len();
        self.open(writer);
        writer.bytes(data);
        crc::close(writer, start, self.crc);
    }

    /// The payload block up to the payload.
    pub(crate) fn encode_payload_head(&self, octets: u64, writer: &mut Writer) {
        self.open(writer);
        writer.bytes_head(octets);
    }

    fn open(&self, writer: &mut Writer) {
        writer.array(5 + self.crc.elements());
        self.encode_metadata(writer);
        writer.uint(self.crc.code());
    }
}

/// How many hops a bundle may take and how many it has taken (§4.4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HopCount {
    /// The limit, at least 1.
    pub limit: u8,
    /// The hops so far; more than the limit where somebody forwarded the bundle regardless.
    pub count: u64,
}

impl HopCount {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(2);
        writer.uint(u64::from(self.limit));
        writer.uint(self.count);
        writer.finish()
    }
}

/// The content of the extension blocks of RFC 9171 that are not encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct KnownContents {
    pub(crate) previous_node: Option<Eid>,
    pub(crate) bundle_age_ms: Option<u64>,
    pub(crate) hop_count: Option<HopCount>,
}

impl KnownContents {
    /// Reads one block's data if its type is known; each type may occur once.
    pub(crate) fn read(&mut self, block_type: u64, mut cursor: Cursor<'_>) -> Result<(), Malformed> {
        let twice = match block_type {
            block_type::PREVIOUS_NODE => {
                self.previous_node.replace(decode_previous_node(&mut cursor)?).is_some()
            }
            block_type::BUNDLE_AGE => self.bundle_age_ms.replace(cursor.uint()?).is_some(),
            block_type::HOP_COUNT => self.hop_count.replace(decode_hop_count(&mut cursor)?).is_some(),
            _ => return Ok(()),
        };
        cursor.end()?;
        if twice {
            Err(cursor.fault(0, Fault::Block("a block type stands twice that may stand once")))
        } else {
            Ok(())
        }
    }
}

fn decode_previous_node(cursor: &mut Cursor<'_>) -> Result<Eid, Malformed> {
    let node = Eid::decode(cursor)?;
    let names_a_node = match &node {
        Eid::Null => false,
        Eid::Other(_) => true,
        eid => eid.is_singleton() && !eid.is_local_node(),
    };
    if names_a_node {
        Ok(node)
    } else {
        Err(cursor.fault(0, Fault::Content("the previous node is not a node ID")))
    }
}

fn decode_hop_count(cursor: &mut Cursor<'_>) -> Result<HopCount, Malformed> {
    cursor.array_of(2, "a hop count")?;
    let (limit, count) = (cursor.uint()?, cursor.uint()?);
    let limit = u8::try_from(limit).ok().filter(|limit| *limit > 0);
    let limit = limit.ok_or_else(|| cursor.fault(0, Fault::Content("the hop limit is not in 1 to 255")))?;
    Ok(HopCount { limit, count })
}
