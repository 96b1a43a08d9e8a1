//! The Custody Transfer Extension Block (CCSDS 734.6-O-1 §4.1): who has a bundle in custody, and under which number.
//!
//! Forwarding nodes read it and put their own in its place (`forwarding`); no signature of ours ever covers it. One that
//! cannot be read, that is not alone, or that others secured is passed on as it is, and names no custodian.

use crate::block::{CanonicalBlock, block_type};
use crate::cbor::{Cursor, Writer};
use crate::eid::Eid;
use crate::flags::{BlockFlags, BundleFlags};
use crate::head::Head;
use crate::malformed::{Fault, Malformed};
use crate::profile::Profile;

/// The block's flags in bundles of our own: nodes that do not know it pass it on, in every fragment.
pub(crate) const CUSTODY_FLAGS: BlockFlags = BlockFlags::REPLICATE;

/// A custodian, and the number that it gave to a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustodyBlock {
    /// The number, unique within its sequence.
    pub number: u64,
    /// The counter that gave the number; 0 for that of the bundle's destination.
    pub sequence: u64,
    /// The administrative endpoint of the custodian: where its signals go.
    pub custodian: Eid,
}

impl CustodyBlock {
    /// The block-type-specific data.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(3);
        writer.uint(self.number);
        writer.uint(self.sequence);
        self.custodian.encode(&mut writer);
        writer.finish()
    }

    /// Reads block-type-specific data. The custodian must be an endpoint that one node answers for.
    pub fn decode(data: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(data);
        cursor.array_of(3, "a custody block")?;
        let (number, sequence) = (cursor.uint()?, cursor.uint()?);
        let at = cursor.position();
        let custodian = Eid::decode(&mut cursor)?;
        cursor.end()?;
        if !custodian.is_singleton() || custodian.is_null() || custodian.is_local_node() {
            return Err(cursor.fault(at, Fault::Content("the custodian is not a node's endpoint")));
        }
        Ok(Self { number, sequence, custodian })
    }
}

/// What becomes of the custody block when a bundle is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HopCustody {
    /// It stays as it is, if there is one.
    Unchanged,
    /// The forwarding node is the custodian.
    By(CustodyBlock),
    /// Nobody asks for custody any more.
    Removed,
}

impl Head {
    /// The custodian that asks the next node to take the bundle over; `None` in fragments and in bundles that may become
    /// some, where no custody is transferred (§3.4).
    pub fn custody(&self, profile: &Profile) -> Option<CustodyBlock> {
        let flags = self.primary().flags;
        if flags.contains(BundleFlags::IS_FRAGMENT) || !flags.contains(BundleFlags::MUST_NOT_FRAGMENT) {
            return None;
        }
        let mut blocks = self.blocks().iter().filter(|block| block.block_type == profile.custody_block_type);
        let block = blocks.next().filter(|block| self.is_custody(block, profile))?;
        if blocks.next().is_some() { None } else { CustodyBlock::decode(self.data(block)).ok() }
    }

    /// Whether a block is a custody block that nodes may change: neither encrypted nor signed by somebody.
    pub(crate) fn is_custody(&self, block: &CanonicalBlock, profile: &Profile) -> bool {
        block.block_type == profile.custody_block_type
            && block.block_type != block_type::PAYLOAD
            && !self.is_encrypted(block.number)
            && !self.integrity_blocks().iter().any(|security| security.targets(block.number))
    }
}
