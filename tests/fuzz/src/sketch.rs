//! Cells of sketches (`docs/sync.md`), and what is read off them.

use agent_core::sketch::{CELLS_MAX, Cell, Decoder, Outcome, Prefix, decode_cells, encode_cells};
use bundle_format::BundleId;

use crate::Octets;

/// Octets before the cells: the size of the set, the first index, and how our own set and theirs are related.
const HEAD_OCTETS: usize = 8 + 2;
/// Ids that both sides have in the seeds, and ids that one side has.
const SHARED: u8 = 60;
const ONLY: u8 = 20;
/// Cells in a seed: enough to read the differences off.
const CELLS: usize = 128;

/// Cells that can be read are written again as they were. Whatever cells a neighbor sends, in whatever order and with
/// whatever gaps, the decoder ends with a difference that explains them, asks for more, or says that they contradict
/// each other; what it holds is bounded by [`CELLS_MAX`].
pub fn sketch(octets: &[u8]) {
    let Some((head, tail)) = octets.split_at_checked(HEAD_OCTETS) else { return };
    let (size, from) = numbers(head);
    let Ok(cells) = decode_cells(size, from, tail) else { return };
    let (written, count) = encode_cells(size, from, &cells, usize::MAX);
    assert_eq!((written.as_slice(), count), (tail, cells.len()));

    let ours = set(0..SHARED + ONLY);
    let Some((digest, run)) = cells.split_first() else { return };
    let mut decoder = Decoder::new(ours.clone(), *digest);
    // What comes late, leaves a gap, or comes twice changes nothing of what must hold.
    for (batch, cells) in run.chunks(16).enumerate() {
        decoder.push(1 + from + 16 * batch, cells);
        decoder.push(from, cells);
        assert!(decoder.end() <= CELLS_MAX);
    }
    if let Outcome::Decoded(found) = decoder.outcome() {
        explains(&ours, *digest, &found.ours, &found.theirs);
    }
}

/// Our set with the difference applied is theirs, as far as its digest tells.
fn explains(ours: &Prefix, digest: Cell, only_ours: &[BundleId], only_theirs: &[BundleId]) {
    assert!(only_ours.len() + only_theirs.len() <= CELLS_MAX);
    assert!(only_ours.is_sorted_by(|a, b| a < b) && only_theirs.is_sorted_by(|a, b| a < b));
    let mut theirs = ours.clone();
    for id in only_ours {
        theirs.remove(id);
    }
    for id in only_theirs {
        theirs.insert(id);
    }
    assert_eq!(theirs.digest(), digest);
}

fn numbers(head: &[u8]) -> (i64, usize) {
    let (size, from) = head.split_at(8);
    let size = size.try_into().map(i64::from_be_bytes).unwrap_or_default();
    let from = from.try_into().map(u16::from_be_bytes).unwrap_or_default();
    (size, usize::from(from))
}

fn set(numbers: std::ops::Range<u8>) -> Prefix {
    let mut prefix = Prefix::new(CELLS_MAX);
    numbers.for_each(|number| prefix.insert(&BundleId::from_bytes([number; 16])));
    prefix
}

fn seed(theirs: &Prefix, from: u16, cells: usize) -> Octets {
    let size = theirs.digest().count;
    let first = usize::from(from);
    let run = theirs.cells().get(first..first + cells).unwrap_or_default();
    let (written, _) = encode_cells(size, first, run, usize::MAX);
    [&size.to_be_bytes()[..], &from.to_be_bytes(), &written].concat()
}

/// The same set, one that differs on both sides, one with nothing in it, and cells from the middle.
pub fn sketch_seeds() -> Vec<Octets> {
    let theirs = set(ONLY..SHARED + 2 * ONLY);
    vec![
        seed(&set(0..SHARED + ONLY), 0, 8),
        seed(&theirs, 0, CELLS),
        seed(&theirs, 0, 4),
        seed(&theirs, 40, CELLS),
        seed(&set(0..0), 0, CELLS),
    ]
}
