//! What to do with blocks that a node cannot process (RFC 9171 §5.6 step 4), and how blocks are left behind.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::block::{BlockHead, CanonicalBlock, block_type};
use crate::cbor::{BUNDLE_START, Writer};
use crate::flags::BlockFlags;
use crate::head::Head;
use crate::security::AbstractSecurityBlock;

/// What the blocks that cannot be processed ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reception {
    /// A reception report with the reason "block unsupported" is requested.
    pub report: bool,
    /// The type of a block for which the bundle must be deleted. Nothing else matters then.
    pub delete_for: Option<u64>,
    /// The numbers of the blocks that must be removed, for [`Head::without_blocks`].
    pub drop: Vec<u64>,
}

impl Head {
    /// What §5.6 step 4 asks of a node that processes the block types in `known`.
    pub fn reception(&self, known: &[u64]) -> Reception {
        let mut reception = Reception::default();
        for block in self.blocks().iter().filter(|block| !known.contains(&block.block_type)) {
            reception.report |= block.flags.contains(BlockFlags::REPORT_UNPROCESSABLE);
            if block.flags.contains(BlockFlags::DELETE_BUNDLE_UNPROCESSABLE) {
                reception.delete_for = reception.delete_for.or(Some(block.block_type));
            } else if block.flags.contains(BlockFlags::DISCARD_UNPROCESSABLE) {
                reception.drop.push(block.number);
            }
        }
        reception
    }

    /// This head without some extension blocks; all others stay as they are, octet by octet, except that security
    /// blocks lose their operations on what is gone, and go themselves with the last one (RFC 9172 §3.6 demands that
    /// every target exists). Confidentiality blocks stay: without them nobody could read what they encrypt (§3.8).
    #[must_use]
    pub fn without_blocks(&self, numbers: &[u64]) -> Self {
        let may_go = |number: &u64| {
            self.block(*number).is_some_and(|block| block.block_type != block_type::CONFIDENTIALITY)
        };
        let mut gone: BTreeSet<u64> = numbers.iter().copied().filter(may_go).collect();
        if gone.is_empty() {
            return self.clone();
        }
        let said = |number: u64| {
            let blocks = self.integrity_blocks().iter().chain(self.confidentiality_blocks());
            blocks.into_iter().find(|said| said.block_number == number)
        };
        let mut writer = Writer::new();
        writer.raw(&[BUNDLE_START]);
        writer.raw(self.primary_octets());
        // A security block that goes may itself be a target: repeat until nothing more goes.
        while let Some(number) = self.emptied(&gone, said) {
            gone.insert(number);
        }
        let targets: Vec<u64> = gone.iter().copied().collect();
        for block in self.blocks().iter().filter(|block| !gone.contains(&block.number)) {
            match said(block.number).filter(|said| targets.iter().any(|target| said.targets(*target))) {
                Some(said) => {
                    let data = said.without_targets(&targets, self.data(block)).unwrap_or_default();
                    BlockHead::of(block).encode(&data, &mut writer);
                }
                None => writer.raw(self.block_octets(block)),
            }
        }
        writer.raw(self.payload_block_start());
        Self::parse(Bytes::from(writer.finish()))
            .expect("a head stays well-formed when blocks and their security go")
    }

    /// A security block that is still there but has no target left.
    fn emptied<'h>(
        &'h self,
        gone: &BTreeSet<u64>,
        said: impl Fn(u64) -> Option<&'h AbstractSecurityBlock>,
    ) -> Option<u64> {
        let is_empty = |block: &&CanonicalBlock| {
            let said = said(block.number);
            said.is_some_and(|said| said.operations.iter().all(|operation| gone.contains(&operation.target)))
        };
        self.blocks()
            .iter()
            .filter(|block| !gone.contains(&block.number))
            .find(is_empty)
            .map(|block| block.number)
    }
}
