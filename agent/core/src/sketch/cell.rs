//! One cell: what the ids in it amount to together.

use bundle_format::BundleId;

use crate::sketch::mapping;

/// Checksums have 48 bits, in memory as on the wire.
const CHECKSUM_MASK: u64 = (1 << 48) - 1;

/// The ids of a set that are mapped to one index, added up. Cells are linear: that of two disjoint sets together is the sum of
/// theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    /// The exclusive or of all ids, as big-endian numbers.
    pub sum: u128,
    /// The exclusive or of the lower 48 bits of their hashes.
    pub checksum: u64,
    /// How many there are; negative in a difference where more are missing than there are too many.
    pub count: i64,
}

impl Cell {
    pub(crate) fn insert(&mut self, id: u128, hash: u64) {
        self.toggle(id, hash);
        self.count = self.count.wrapping_add(1);
    }

    pub(crate) fn remove(&mut self, id: u128, hash: u64) {
        self.toggle(id, hash);
        self.count = self.count.wrapping_sub(1);
    }

    fn toggle(&mut self, id: u128, hash: u64) {
        self.sum ^= id;
        self.checksum ^= hash & CHECKSUM_MASK;
    }

    /// Both sets together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { count: self.count.wrapping_add(other.count), ..self.mixed(other) }
    }

    /// What this set has and the other has not, less the reverse.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { count: self.count.wrapping_sub(other.count), ..self.mixed(other) }
    }

    fn mixed(self, other: Self) -> Self {
        Self { sum: self.sum ^ other.sum, checksum: self.checksum ^ other.checksum, count: 0 }
    }

    /// Whether nothing is in it: as far as 176 bits can tell, two sets whose first cells differ by this are the same.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// The only id in the cell of a difference, with its hash, if there is one.
    pub(crate) fn only(self) -> Option<(BundleId, u64)> {
        if self.count.unsigned_abs() != 1 {
            return None;
        }
        let id = BundleId::from_bytes(self.sum.to_be_bytes());
        let hash = mapping::hash(&id);
        (hash & CHECKSUM_MASK == self.checksum).then_some((id, hash))
    }
}
