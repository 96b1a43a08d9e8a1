//! Reads the difference of two sets off their cells, while the neighbor's arrive: a cell that holds one id gives it away, and
//! taking it out of its other cells leaves more such cells.
//!
//! Cells may be missing, whoever sends them: a batch that was lost is not waited for. Whatever a liar sends, the work is
//! bounded by the cells that it sends and by [`FOUND_MAX`]; an id that turns up twice ends it.

use std::collections::{BTreeMap, BTreeSet};

use bundle_format::BundleId;

use crate::sketch::mapping::Mapping;
use crate::sketch::{CELLS_MAX, Cell, Prefix};

/// Most ids that are read off: more than as many cells can hold.
const FOUND_MAX: usize = CELLS_MAX;

/// What came of the cells until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The whole difference is known.
    Decoded(Difference),
    /// More cells are needed. `needed` is how many will probably do, counted from index 0.
    More {
        /// The estimate.
        needed: usize,
    },
    /// No two sets have such cells.
    Contradictory,
}

/// Ids that only one of two sets has, each side in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Only we have these.
    pub ours: Vec<BundleId>,
    /// Only the neighbor has these.
    pub theirs: Vec<BundleId>,
}

/// Takes the neighbor's cells, and finds the difference.
#[derive(Debug)]
pub struct Decoder {
    ours: Prefix,
    /// Theirs less ours, with what was found taken out. Missing cells are `None`.
    cells: Vec<Option<Cell>>,
    /// Where each id that was found goes on: the cells behind those that are here.
    found: Vec<Found>,
    known: BTreeSet<BundleId>,
    /// Differences before anything was taken out, for the estimate: index and count.
    counts: BTreeMap<usize, i64>,
    contradictory: bool,
}

#[derive(Debug)]
struct Found {
    id: BundleId,
    hash: u64,
    side: Side,
    mapping: Mapping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

impl Decoder {
    /// Between our set and one whose first cell, its digest, is known already.
    pub fn new(ours: Prefix, their_digest: Cell) -> Self {
        let mut decoder = Self {
            ours,
            cells: Vec::new(),
            found: Vec::new(),
            known: BTreeSet::new(),
            counts: BTreeMap::new(),
            contradictory: false,
        };
        decoder.push(0, &[their_digest]);
        decoder
    }

    /// The index behind the last cell that is here: where more are of use.
    pub fn end(&self) -> usize {
        self.cells.len()
    }

    /// Takes cells of the neighbor's from an index on. What lies before [`Decoder::end`] comes too late and is left alone.
    pub fn push(&mut self, from: usize, cells: &[Cell]) {
        let late = self.cells.len().saturating_sub(from);
        let first_new = from.max(self.cells.len());
        for (index, cell) in (first_new..self.ours.cells().len()).zip(cells.iter().skip(late)) {
            self.cells.resize(index, None);
            let ours = self.ours.cells().get(index).copied().unwrap_or_default();
            let difference = cell.minus(ours);
            self.counts.insert(index, difference.count);
            self.cells.push(Some(difference));
        }
        let mut changed: Vec<usize> = (first_new..self.cells.len()).collect();
        for place in 0..self.found.len() {
            self.take_out(place, &mut changed);
        }
        self.peel(changed);
    }

    /// What is known now.
    pub fn outcome(&self) -> Outcome {
        if self.contradictory {
            return Outcome::Contradictory;
        }
        if self.cells.iter().flatten().all(|cell| cell.is_empty()) {
            return Outcome::Decoded(self.difference());
        }
        if self.end() >= self.ours.cells().len() {
            return Outcome::Contradictory;
        }
        Outcome::More { needed: self.needed() }
    }

    fn difference(&self) -> Difference {
        let of = |side: Side| {
            let mut ids: Vec<BundleId> =
                self.found.iter().filter(|found| found.side == side).map(|found| found.id).collect();
            ids.sort_unstable();
            ids
        };
        Difference { ours: of(Side::Ours), theirs: of(Side::Theirs) }
    }

    /// Looks at cells that changed until none of them gives an id away.
    fn peel(&mut self, mut changed: Vec<usize>) {
        while let Some(index) = changed.pop() {
            let Some(Some(cell)) = self.cells.get(index) else { continue };
            let Some((id, hash)) = cell.only() else { continue };
            let side = if cell.count > 0 { Side::Theirs } else { Side::Ours };
            if self.found.len() >= FOUND_MAX || !self.known.insert(id) {
                self.contradictory = true;
                return;
            }
            self.found.push(Found { id, hash, side, mapping: Mapping::new(hash) });
            self.take_out(self.found.len() - 1, &mut changed);
        }
    }

    /// Takes an id that was found out of its next cells that are here, and notes which.
    fn take_out(&mut self, place: usize, changed: &mut Vec<usize>) {
        let Some(found) = self.found.get_mut(place) else { return };
        let number = u128::from_be_bytes(*found.id.as_bytes());
        while let Some(index) = found.mapping.next_below(self.cells.len()) {
            let Some(Some(cell)) = self.cells.get_mut(index) else { continue };
            match found.side {
                Side::Theirs => cell.remove(number, found.hash),
                Side::Ours => cell.insert(number, found.hash),
            }
            changed.push(index);
        }
    }

    /// How many cells will probably do. The counts tell how many differences there are: an id is in cell `i` with the
    /// probability `p = 2 / (i + 2)`, so that the count's variance is the number of differences times `p (1 - p)`.
    fn needed(&self) -> usize {
        let balance = i128::from(self.counts.get(&0).copied().unwrap_or_default());
        let (mut deviation, mut variance) = (0_i128, 0_i128);
        for (index, count) in self.counts.range(1..) {
            let index = i128::try_from(*index).unwrap_or(i128::MAX);
            let square = (index + 2) * (index + 2);
            let off = (i128::from(*count).clamp(-COUNT_MAX, COUNT_MAX) * (index + 2))
                - 2 * balance.clamp(-COUNT_MAX, COUNT_MAX);
            deviation += (off * off) * SCALE / square;
            variance += 2 * index * SCALE / square;
        }
        let spread = if variance > 0 { deviation / variance } else { 0 };
        let differences = spread.max(balance.abs()).max(1);
        let enough = differences.saturating_mul(27) / 20 + 4;
        usize::try_from(enough).unwrap_or(usize::MAX)
    }
}

/// Parts of one in the estimate's sums.
const SCALE: i128 = 1 << 20;
/// Counts beyond are a liar's; squared and added up they still fit.
const COUNT_MAX: i128 = 1 << 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> BundleId {
        let hash = blake3::hash(&number.to_be_bytes());
        BundleId::from_bytes(*hash.as_bytes().first_chunk().unwrap())
    }

    fn prefix(numbers: impl Iterator<Item = u64>, cells: usize) -> Prefix {
        let mut prefix = Prefix::new(cells);
        numbers.for_each(|number| prefix.insert(&id(number)));
        prefix
    }

    /// Lets a decoder have cells in batches until it knows, and gives what it knows and how many it took.
    fn decode(ours: Prefix, theirs: &Prefix, batch: usize, lost: impl Fn(usize) -> bool) -> (Outcome, usize) {
        let mut decoder = Decoder::new(ours, theirs.digest());
        for from in (1..theirs.cells().len()).step_by(batch) {
            match decoder.outcome() {
                Outcome::More { .. } => {}
                outcome => return (outcome, decoder.end()),
            }
            let end = theirs.cells().len().min(from + batch);
            if !lost(from) {
                decoder.push(from, &theirs.cells()[from..end]);
            }
        }
        (decoder.outcome(), decoder.end())
    }

    #[test]
    fn equal_sets_are_known_by_their_first_cell() {
        let ours = prefix(0..1_000, 64);
        let decoder = Decoder::new(ours.clone(), ours.digest());
        assert_eq!(decoder.outcome(), Outcome::Decoded(Difference::default()));
    }

    #[test]
    fn differences_are_found_on_both_sides() {
        for (only_ours, only_theirs) in [(0, 1), (1, 0), (5, 5), (0, 40), (300, 700)] {
            let ours = prefix(0..5_000 + only_ours, CELLS_MAX);
            let theirs = prefix((0..5_000).chain(10_000..10_000 + only_theirs), CELLS_MAX);
            let (outcome, _) = decode(ours, &theirs, 8, |_| false);
            let sorted = |numbers: std::ops::Range<u64>| {
                let mut ids: Vec<BundleId> = numbers.map(id).collect();
                ids.sort_unstable();
                ids
            };
            let expected = Difference {
                ours: sorted(5_000..5_000 + only_ours),
                theirs: sorted(10_000..10_000 + only_theirs),
            };
            assert_eq!(outcome, Outcome::Decoded(expected));
        }
    }

    #[test]
    fn a_thousand_differences_need_some_1_4_cells_each() {
        for seed in 0..8 {
            let first = seed * 1_000_000;
            let ours = prefix(first..first + 20_000, CELLS_MAX);
            let theirs = prefix((first + 500)..first + 20_500, CELLS_MAX);
            let (outcome, cells) = decode(ours, &theirs, 1, |_| false);
            assert!(matches!(outcome, Outcome::Decoded(_)));
            assert!((1_300..1_450).contains(&cells), "{cells} cells");
        }
    }

    #[test]
    fn lost_batches_cost_more_cells_and_nothing_else() {
        let ours = prefix(0..2_000, CELLS_MAX);
        let theirs = prefix(100..2_100, CELLS_MAX);
        let (outcome, cells) = decode(ours, &theirs, 10, |from| from % 3 == 0);
        let Outcome::Decoded(difference) = outcome else { panic!("{outcome:?}") };
        assert_eq!((difference.ours.len(), difference.theirs.len()), (100, 100));
        assert!(cells < 800, "{cells} cells");
    }

    #[test]
    fn the_estimate_is_of_the_right_order() {
        for differences in [100_u64, 1_000, 5_000] {
            let ours = prefix(0..20_000, CELLS_MAX);
            let theirs = prefix(differences / 2..20_000 + differences / 2, CELLS_MAX);
            let mut decoder = Decoder::new(ours, theirs.digest());
            decoder.push(1, &theirs.cells()[1..60]);
            let Outcome::More { needed } = decoder.outcome() else { panic!("too soon") };
            let right = usize::try_from(differences).unwrap() * 27 / 20;
            assert!(needed > right / 2 && needed < right * 2, "{needed} for {right}");
        }
    }

    #[test]
    fn cells_of_no_set_contradict_themselves_and_cost_no_more_than_they_are() {
        let ours = prefix(0..100, 512);
        let mut decoder = Decoder::new(ours, Cell { sum: 1, checksum: 2, count: i64::MIN });
        let noise: Vec<Cell> = (0..511)
            .map(|number: u64| Cell { sum: u128::from(number) << 100, checksum: number, count: i64::MAX })
            .collect();
        decoder.push(1, &noise);
        assert_eq!(decoder.outcome(), Outcome::Contradictory);

        // The same id in every cell: it can be taken out once.
        let mut same = Cell::default();
        same.insert(u128::from_be_bytes(*id(7).as_bytes()), mapping_hash(7));
        let mut decoder = Decoder::new(Prefix::new(512), same);
        decoder.push(1, &vec![same; 511]);
        assert_eq!(decoder.outcome(), Outcome::Contradictory);
    }

    fn mapping_hash(number: u64) -> u64 {
        crate::sketch::mapping::hash(&id(number))
    }

    /// The vectors of `docs/sync.md`.
    #[test]
    fn cells_are_those_that_are_written_down() {
        let expected: [(u128, u64, i64); 8] = [
            (0x0aa7_f62d_a8a5_76bb_f202_4710_ecbc_af0f, 0x738b_822d_0fc4, 8),
            (0x6a13_5571_e1a1_0463_136c_faf6_9ac9_d81c, 0x0c24_2b55_078a, 4),
            (0x18e5_bc50_f7a6_5921_e305_1a31_4fdb_8eb0, 0xa261_b217_5b91, 3),
            (0xdd8d_9b33_67cb_7ea4_56ef_a559_a07d_7a41, 0x46ca_5f3f_e0d1, 5),
            (0x8928_38c3_4d16_67d2_dfc2_ffbe_8d94_3c27, 0x5fb7_694b_c552, 3),
            (0xbfc0_8c18_a0a4_21fc_8786_eaa2_6572_b6b5, 0x01ff_7819_fab0, 2),
            (0xeb65_2fe8_8a79_388a_0eab_b045_489b_f0d3, 0x1882_4e6d_df33, 4),
            (0xbd39_386f_2ecf_0c7c_b781_18bf_d608_0d52, 0x3965_f647_e89f, 1),
        ];
        let expected = expected.map(|(sum, checksum, count)| Cell { sum, checksum, count });
        assert_eq!(prefix(0..8, 8).cells(), expected);
    }

    #[test]
    fn what_was_removed_was_never_there_and_sums_are_unions() {
        let mut prefix_of_some = prefix(0..50, 64);
        prefix_of_some.insert(&id(99));
        prefix_of_some.remove(&id(99));
        assert_eq!(prefix_of_some, prefix(0..50, 64));
        prefix_of_some.combine(&prefix(50..80, 32));
        assert_eq!(prefix_of_some, prefix(0..80, 32));
    }
}
