//! A head as the next node is to see it (RFC 9171 §5.4 step 4): Previous Node replaced, Hop Count increased, Bundle Age
//! updated, custody taken over, passed on or ended. All other blocks keep their octets.
//!
//! A block of these types that is encrypted is not ours to read or to write, and stays; so does a custody block that
//! somebody signed.

use bytes::Bytes;
use thiserror::Error;

use crate::block::{BlockHead, CanonicalBlock, HopCount, block_type};
use crate::cbor::{BUNDLE_START, Writer};
use crate::crc::CrcType;
use crate::custody::{CUSTODY_FLAGS, HopCustody};
use crate::eid::Eid;
use crate::flags::BlockFlags;
use crate::head::Head;
use crate::malformed::Malformed;
use crate::profile::Profile;

/// Why a bundle cannot be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// It has taken as many hops as it may (RFC 9171 §4.4.3).
    #[error("the bundle has reached its hop limit of {limit}")]
    HopLimitReached {
        /// The limit.
        limit: u8,
    },
    /// The head has no room left for what has to be added.
    #[error("the blocks before the payload would become larger than a bundle's head may be")]
    HeadTooLarge,
}

/// What becomes of the blocks of one type.
enum Change {
    Set(Vec<u8>, BlockFlags),
    Remove,
}

impl Head {
    /// The head with which node `by` forwards this bundle. With `age_ms` the Bundle Age block says that age in
    /// milliseconds, and is added where there is none; without, it stays as it is. `by` must be a singleton.
    pub fn forwarded(&self, by: &Eid, age_ms: Option<u64>) -> Result<Self, ForwardError> {
        self.forwarded_under(by, age_ms, &Profile::default(), &HopCustody::Unchanged)
    }

    /// The same, with what becomes of custody.
    pub fn forwarded_under(
        &self,
        by: &Eid,
        age_ms: Option<u64>,
        profile: &Profile,
        custody: &HopCustody,
    ) -> Result<Self, ForwardError> {
        assert!(by.is_singleton(), "{by} is not a node that could forward");
        let set = |data| Change::Set(data, BlockFlags::empty());
        let hop_count = self.hop_count().map(hopped).transpose()?;
        let custody = match custody {
            HopCustody::Unchanged => None,
            HopCustody::By(block) => Some(Change::Set(block.encode(), CUSTODY_FLAGS)),
            HopCustody::Removed => Some(Change::Remove),
        };
        let changes = [
            (block_type::PREVIOUS_NODE, Some(set(by.to_cbor()))),
            (block_type::HOP_COUNT, hop_count.map(|hops| set(hops.encode()))),
            (block_type::BUNDLE_AGE, age_ms.map(|age| set(encode_age(age)))),
            (profile.custody_block_type, custody),
        ];
        self.rewritten(&changes, profile).map_err(|_| ForwardError::HeadTooLarge)
    }

    fn rewritten(&self, changes: &[(u64, Option<Change>)], profile: &Profile) -> Result<Self, Malformed> {
        let mut writer = Writer::new();
        writer.raw(&[BUNDLE_START]);
        writer.raw(self.primary_octets());
        let mut next_number = 2;
        for (block_type, change) in changes {
            let is_there = self.blocks().iter().any(|block| block.block_type == *block_type);
            if let (Some(Change::Set(data, flags)), false) = (change, is_there) {
                let number = self.free_number(&mut next_number);
                let (flags, crc) = (*flags, CrcType::Castagnoli);
                BlockHead { block_type: *block_type, number, flags, crc }.encode(data, &mut writer);
            }
        }
        for block in self.blocks() {
            match self.changed(block, changes, profile) {
                Some(Change::Set(data, _)) => BlockHead::of(block).encode(data, &mut writer),
                Some(Change::Remove) => {}
                None => writer.raw(self.block_octets(block)),
            }
        }
        writer.raw(self.payload_block_start());
        Self::parse(Bytes::from(writer.finish()))
    }

    fn changed<'c>(
        &self,
        block: &CanonicalBlock,
        changes: &'c [(u64, Option<Change>)],
        profile: &Profile,
    ) -> Option<&'c Change> {
        let change = changes.iter().find(|(block_type, _)| *block_type == block.block_type)?;
        let is_ours_to_change = if block.block_type == profile.custody_block_type {
            self.is_custody(block, profile)
        } else {
            !self.is_encrypted(block.number)
        };
        change.1.as_ref().filter(|_| is_ours_to_change)
    }

    /// A block number that no block has, from `next` on.
    fn free_number(&self, next: &mut u64) -> u64 {
        while self.block(*next).is_some() {
            *next += 1;
        }
        *next += 1;
        *next - 1
    }
}

fn hopped(hops: HopCount) -> Result<HopCount, ForwardError> {
    let count = hops.count.checked_add(1).filter(|count| *count <= u64::from(hops.limit));
    let count = count.ok_or(ForwardError::HopLimitReached { limit: hops.limit })?;
    Ok(HopCount { limit: hops.limit, count })
}

fn encode_age(age_ms: u64) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.uint(age_ms);
    writer.finish()
}
