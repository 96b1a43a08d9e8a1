//! The head of a bundle: every block but the payload's content, in one piece of memory, checked as a whole.
//!
//! Made by [`Head::parse`] from octets that are kept as they came, so that what is written again is byte-identical.
//! Whoever holds a `Head` knows: the structure rules of RFC 9171 §4 hold, every CRC in it is right (that of the payload
//! block is checked elsewhere), security blocks are consistent, and known extension blocks can be read.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::block::{
    Block, CanonicalBlock, HopCount, KnownContents, PAYLOAD_NUMBER, PayloadBlock, block_type,
};
use crate::cbor::{BUNDLE_START, Cursor};
use crate::eid::Eid;
use crate::flags::{BlockFlags, BundleFlags};
use crate::limits::{BLOCKS_MAX, HEAD_OCTETS_MAX};
use crate::malformed::{Fault, Malformed};
use crate::metadata::Metadata;
use crate::primary::{FragmentExtent, Identity, PrimaryBlock};
use crate::profile::Profile;
use crate::security::AbstractSecurityBlock;
use crate::security_rules::SecurityBlocks;

/// A bundle's head, parsed. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    octets: Bytes,
    primary: PrimaryBlock,
    primary_end: usize,
    blocks: Vec<CanonicalBlock>,
    payload: PayloadBlock,
    known: KnownContents,
    security: SecurityBlocks,
}

impl Head {
    /// Parses a complete head: from the first octet of the bundle to the last octet before the payload.
    pub fn parse(octets: Bytes) -> Result<Self, Malformed> {
        if octets.len() > HEAD_OCTETS_MAX {
            return Err(Malformed::new(0, Fault::HeadTooLarge));
        }
        let mut cursor = Cursor::new(&octets);
        cursor.exactly(BUNDLE_START, "the array of indefinite length that is a bundle")?;
        let primary = PrimaryBlock::decode(&mut cursor)?;
        let primary_end = cursor.position();
        let (blocks, payload) = decode_blocks(&mut cursor)?;
        cursor.end()?;
        check_blocks(&primary, &blocks, &payload)?;
        let security = SecurityBlocks::read(&blocks, &octets, primary.fragment.is_some())?;
        let known = read_known(&blocks, &octets, &security.encrypted)?;
        Ok(Self(Arc::new(Parts { octets, primary, primary_end, blocks, payload, known, security })))
    }

    /// The octets of the head.
    pub fn bytes(&self) -> &Bytes {
        &self.0.octets
    }

    /// The primary block.
    pub fn primary(&self) -> &PrimaryBlock {
        &self.0.primary
    }

    /// The octets of the primary block, which never change on the way.
    pub fn primary_octets(&self) -> &[u8] {
        self.octets_at(1..self.0.primary_end)
    }

    /// The extension blocks, in their order.
    pub fn blocks(&self) -> &[CanonicalBlock] {
        &self.0.blocks
    }

    /// The block-type-specific data of an extension block of this head.
    pub fn data(&self, block: &CanonicalBlock) -> &[u8] {
        self.octets_at(block.data.clone())
    }

    /// The payload block without its payload.
    pub fn payload_block(&self) -> &PayloadBlock {
        &self.0.payload
    }

    /// The length of the payload in octets.
    pub fn payload_octets(&self) -> u64 {
        self.0.payload.octets
    }

    /// What identifies the bundle (RFC 9171 §4.2.7).
    pub fn identity(&self) -> Identity {
        let primary = self.primary();
        let octets = self.payload_octets();
        let fragment = primary.fragment.map(|fragment| FragmentExtent { offset: fragment.offset, octets });
        Identity { source: primary.source.clone(), creation: primary.creation, fragment }
    }

    /// The node that forwarded the bundle last, as it says (§4.4.1).
    pub fn previous_node(&self) -> Option<Eid> {
        self.0.known.previous_node.clone()
    }

    /// The bundle's age when it was forwarded last, in milliseconds (§4.4.2).
    pub fn bundle_age_ms(&self) -> Option<u64> {
        self.0.known.bundle_age_ms
    }

    /// How many hops the bundle has taken and may take (§4.4.3).
    pub fn hop_count(&self) -> Option<HopCount> {
        self.0.known.hop_count
    }

    /// What the metadata block says; `None` if there is none, more than one, or one that cannot be read. Trust it as far
    /// as the bundle's signature.
    pub fn metadata(&self, profile: &Profile) -> Option<Metadata> {
        let mut blocks = self.blocks().iter().filter(|block| block.block_type == profile.metadata_block_type);
        let block = blocks.next().filter(|block| !self.is_encrypted(block.number))?;
        if blocks.next().is_some() { None } else { Metadata::decode(self.data(block)).ok() }
    }

    /// Whether the payload is an administrative record.
    pub fn is_administrative_record(&self) -> bool {
        self.primary().flags.contains(BundleFlags::ADMINISTRATIVE_RECORD)
    }

    /// Whether an integrity block claims to protect the payload. Says nothing about whether it does.
    pub fn is_signed(&self) -> bool {
        self.integrity_blocks().iter().any(|block| block.targets(PAYLOAD_NUMBER))
    }

    /// The integrity blocks that are not encrypted (RFC 9172 §3.7).
    pub fn integrity_blocks(&self) -> &[AbstractSecurityBlock] {
        &self.0.security.integrity
    }

    /// The confidentiality blocks (RFC 9172 §3.8).
    pub fn confidentiality_blocks(&self) -> &[AbstractSecurityBlock] {
        &self.0.security.confidentiality
    }

    /// Whether the data of a block are ciphertext.
    pub fn is_encrypted(&self, number: u64) -> bool {
        self.0.security.encrypted.contains(&number)
    }

    /// The octets that the payload block has before its payload.
    pub(crate) fn payload_block_start(&self) -> &[u8] {
        self.octets_at(self.0.payload.start..self.0.octets.len())
    }

    pub(crate) fn block_octets(&self, block: &CanonicalBlock) -> &[u8] {
        self.octets_at(block.octets.clone())
    }

    pub(crate) fn block(&self, number: u64) -> Option<&CanonicalBlock> {
        self.blocks().iter().find(|block| block.number == number)
    }

    pub(crate) fn has_encrypted_integrity_block(&self) -> bool {
        let mut blocks = self.blocks().iter();
        blocks.any(|block| block.block_type == block_type::INTEGRITY && self.is_encrypted(block.number))
    }

    fn octets_at(&self, range: std::ops::Range<usize>) -> &[u8] {
        self.0.octets.get(range).unwrap_or_default()
    }
}

fn decode_blocks(cursor: &mut Cursor<'_>) -> Result<(Vec<CanonicalBlock>, PayloadBlock), Malformed> {
    let mut blocks: Vec<CanonicalBlock> = Vec::new();
    let mut numbers = BTreeSet::new();
    loop {
        let start = cursor.position();
        match Block::decode(cursor)? {
            Block::Payload(payload) => return Ok((blocks, payload)),
            Block::Extension(_) if blocks.len() == BLOCKS_MAX => {
                return Err(cursor.fault(start, Fault::TooManyBlocks));
            }
            Block::Extension(block) if !numbers.insert(block.number) => {
                return Err(cursor.fault(start, Fault::Block("two blocks have the same number")));
            }
            Block::Extension(block) => blocks.push(block),
        }
    }
}

/// Rules between the primary block and the others.
fn check_blocks(
    primary: &PrimaryBlock,
    blocks: &[CanonicalBlock],
    payload: &PayloadBlock,
) -> Result<(), Malformed> {
    if primary.forbids_block_reports() {
        let all = blocks
            .iter()
            .map(|block| (block.flags, block.octets.start))
            .chain([(payload.flags, payload.start)]);
        for (flags, start) in all {
            if flags.contains(BlockFlags::REPORT_UNPROCESSABLE) {
                let what = "a block asks for status reports in a bundle that may not (RFC 9171 §4.2.4)";
                return Err(Malformed::new(start as u64, Fault::Block(what)));
            }
        }
    }
    if primary.holds_payload(payload.octets) {
        Ok(())
    } else {
        let what = "a fragment reaches beyond the end of its application data unit";
        Err(Malformed::new(payload.start as u64, Fault::Primary(what)))
    }
}

fn read_known(
    blocks: &[CanonicalBlock],
    octets: &[u8],
    encrypted: &BTreeSet<u64>,
) -> Result<KnownContents, Malformed> {
    let mut known = KnownContents::default();
    for block in blocks.iter().filter(|block| !encrypted.contains(&block.number)) {
        let data = octets.get(block.data.clone()).unwrap_or_default();
        known.read(block.block_type, Cursor::based(data, block.data.start))?;
    }
    Ok(known)
}
