//! Which cells an id is in: an endless, ascending sequence of indices that begins with 0, drawn from the id's hash.
//!
//! An id is in cell `i` with the probability `2 / (i + 2)`. Floating point would let two machines disagree, so the jumps
//! are computed in integers; `docs/sync.md` has the arithmetic and its vectors.

use bundle_format::BundleId;

/// The key of the hash: everybody's, so that cells can be kept and served to all neighbors.
const KEY: &[u8; 32] = b"packmule/sketch/checksum/key/v01";
/// Multiplies the state at each jump: odd, so that no state is lost.
const STEP: u64 = 0xda94_2042_e4dd_58b5;

/// The hash of an id, from which its checksum and its cells follow.
pub(crate) fn hash(id: &BundleId) -> u64 {
    let hash = blake3::keyed_hash(KEY, id.as_bytes());
    let first = hash.as_bytes().first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

/// The indices of an id's cells, one after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mapping {
    state: u64,
    /// The index that comes next.
    index: u64,
}

impl Mapping {
    pub(crate) fn new(hash: u64) -> Self {
        Self { state: hash, index: 0 }
    }

    /// The next index, if it is below `end`; later calls go on from there.
    pub(crate) fn next_below(&mut self, end: usize) -> Option<usize> {
        let index = usize::try_from(self.index).ok().filter(|index| *index < end)?;
        self.jump();
        Some(index)
    }

    /// With `u` uniform in (0, 1] the next index is `i + ceil((i + 3/2) (1 / sqrt(u) - 1))`, and at least `i + 1`.
    fn jump(&mut self) {
        self.state = self.state.wrapping_mul(STEP);
        let u = (self.state >> 32) + 1;
        // sqrt(u / 2^32) · 2^32, rounded down.
        let root = u.checked_shl(32).filter(|_| u >> 32 == 0).map_or(1 << 32, u64::isqrt);
        let reach = self.index.saturating_mul(2).saturating_add(3).saturating_mul((1 << 32) - root);
        self.index = self.index.saturating_add(reach.div_ceil(2 * root).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(hash: u64, end: usize) -> Vec<usize> {
        let mut mapping = Mapping::new(hash);
        std::iter::from_fn(|| mapping.next_below(end)).collect()
    }

    /// The vectors of `docs/sync.md`.
    #[test]
    fn indices_are_those_that_are_written_down() {
        assert_eq!(hash(&BundleId::from_bytes([0; 16])), 16_493_290_500_175_998_562);
        assert_eq!(indices(0, 100_000), [0, 98_303]);
        assert_eq!(indices(1, 1_000), [0, 1, 2, 3, 6, 11, 19, 44, 116, 122, 341, 972]);
        assert_eq!(indices(u64::MAX, 1_000), [0, 3, 29, 59, 80, 101, 128, 145, 158, 520, 558, 597, 626, 675]);
        assert_eq!(
            indices(0x0123_4567_89ab_cdef, 4_000),
            [0, 1, 2, 4, 6, 8, 20, 24, 34, 36, 126, 153, 155, 1225, 2837, 3114, 3242]
        );
    }

    #[test]
    fn indices_ascend_from_zero_and_end() {
        for hash in [0, 1, STEP, u64::MAX, 1 << 63] {
            let found = indices(hash, 1 << 20);
            assert_eq!(found.first(), Some(&0));
            assert!(found.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn an_id_is_in_cell_i_with_probability_two_in_i_plus_two() {
        let ids = 20_000_u64;
        let mut counts = vec![0_u64; 100];
        for number in 0..ids {
            let id = BundleId::from_bytes(*u128::from(number).to_be_bytes().first_chunk().unwrap());
            for index in indices(hash(&id), 100) {
                counts[index] += 1;
            }
        }
        for (index, count) in (0..).zip(counts) {
            let expected = ids * 2 / (index + 2);
            // Five standard deviations, and some for the approximation.
            let slack = 5 * expected.isqrt() + expected / 50;
            assert!(count.abs_diff(expected) <= slack, "cell {index}: {count}, expected {expected}");
        }
    }
}
