//! How security blocks may stand together in one bundle (RFC 9172 §3.2, §3.7 to §3.9).
//!
//! A Block Integrity Block that is the target of a Block Confidentiality Block is ciphertext: nothing is read from it.
//!
//! Departure from the RFC: a Block Confidentiality Block of the payload need not be flagged for replication in every
//! fragment. It only matters to who fragments, and the COSE context's own examples lack the flag.

use std::collections::BTreeSet;

use crate::block::{CanonicalBlock, PAYLOAD_NUMBER, block_type};
use crate::cbor::Cursor;
use crate::flags::BlockFlags;
use crate::malformed::{Fault, Malformed};
use crate::security::AbstractSecurityBlock;

/// The security blocks of a bundle, as far as they can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SecurityBlocks {
    pub(crate) integrity: Vec<AbstractSecurityBlock>,
    pub(crate) confidentiality: Vec<AbstractSecurityBlock>,
    /// Numbers of the blocks whose data are ciphertext.
    pub(crate) encrypted: BTreeSet<u64>,
    /// Numbers of the blocks that an integrity block in the clear targets.
    protected: BTreeSet<u64>,
}

impl SecurityBlocks {
    /// Reads and checks all security blocks of a head. `octets` are the whole head; `is_fragment` because a fragment
    /// need not have the blocks that its security blocks protect (RFC 9171 §5.8).
    pub(crate) fn read(
        blocks: &[CanonicalBlock],
        octets: &[u8],
        is_fragment: bool,
    ) -> Result<Self, Malformed> {
        let mut security = Self::default();
        let reader = Rules { blocks, is_fragment };
        for block in blocks.iter().filter(|block| block.block_type == block_type::CONFIDENTIALITY) {
            let said = decode(block, octets)?;
            reader.check_targets(block, &said)?;
            reader.check_confidentiality(block, &said)?;
            security.claim_confidentiality(block, &said)?;
            security.confidentiality.push(said);
        }
        for block in blocks.iter().filter(|block| block.block_type == block_type::INTEGRITY) {
            if security.encrypted.contains(&block.number) {
                continue;
            }
            let said = decode(block, octets)?;
            reader.check_targets(block, &said)?;
            security.claim_integrity(block, &said, blocks)?;
            security.integrity.push(said);
        }
        Ok(security)
    }

    fn claim_confidentiality(
        &mut self,
        block: &CanonicalBlock,
        said: &AbstractSecurityBlock,
    ) -> Result<(), Malformed> {
        for operation in &said.operations {
            if !self.encrypted.insert(operation.target) {
                return Err(conflict(block, "two security blocks encrypt the same block"));
            }
        }
        Ok(())
    }

    fn claim_integrity(
        &mut self,
        block: &CanonicalBlock,
        said: &AbstractSecurityBlock,
        blocks: &[CanonicalBlock],
    ) -> Result<(), Malformed> {
        for operation in &said.operations {
            if kind_of(operation.target, blocks).is_some_and(is_security) {
                return Err(conflict(block, "an integrity block targets a security block"));
            }
            if !self.protected.insert(operation.target) {
                return Err(conflict(block, "two integrity blocks target the same block"));
            }
            if self.encrypted.contains(&operation.target) {
                return Err(conflict(block, "an integrity block in the clear targets an encrypted block"));
            }
        }
        Ok(())
    }
}

struct Rules<'h> {
    blocks: &'h [CanonicalBlock],
    is_fragment: bool,
}

impl Rules<'_> {
    fn check_targets(&self, block: &CanonicalBlock, said: &AbstractSecurityBlock) -> Result<(), Malformed> {
        let exists = |number: u64| number <= PAYLOAD_NUMBER || kind_of(number, self.blocks).is_some();
        let all = self.is_fragment || said.operations.iter().all(|operation| exists(operation.target));
        if all { Ok(()) } else { Err(conflict(block, "a security block targets a block that is not there")) }
    }

    /// §3.8. Whether an encrypted integrity block shares a target with its encryption cannot be seen.
    fn check_confidentiality(
        &self,
        block: &CanonicalBlock,
        said: &AbstractSecurityBlock,
    ) -> Result<(), Malformed> {
        if block.flags.contains(BlockFlags::DISCARD_UNPROCESSABLE) {
            return Err(conflict(block, "a confidentiality block may be discarded"));
        }
        for operation in &said.operations {
            let kind = kind_of(operation.target, self.blocks);
            if operation.target == 0 || kind == Some(block_type::CONFIDENTIALITY) {
                return Err(conflict(block, "a confidentiality block targets what may not be encrypted"));
            }
        }
        Ok(())
    }
}

fn decode(block: &CanonicalBlock, octets: &[u8]) -> Result<AbstractSecurityBlock, Malformed> {
    let data = octets.get(block.data.clone()).unwrap_or_default();
    AbstractSecurityBlock::decode(block.number, Cursor::based(data, block.data.start))
}

fn kind_of(number: u64, blocks: &[CanonicalBlock]) -> Option<u64> {
    blocks.iter().find(|block| block.number == number).map(|block| block.block_type)
}

fn is_security(block_type: u64) -> bool {
    matches!(block_type, block_type::INTEGRITY | block_type::CONFIDENTIALITY)
}

fn conflict(block: &CanonicalBlock, what: &'static str) -> Malformed {
    Malformed::new(block.octets.start as u64, Fault::Security(what))
}
