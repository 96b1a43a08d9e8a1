//! Sets of ids: what a bundle that comes or goes costs, and how long it takes to read a difference off its cells.

use std::time::Instant;

use agent_core::sketch::{CELLS_MAX, Decoder, Outcome, Prefix};
use bundle_format::BundleId;

use super::figure::Figure;
use crate::failure::Failure;

const RUNS: usize = 5;
/// Ids that come and go in a run.
const CHANGES: u64 = 20_000;
/// Ids that only one of two sets has, half of them on each side.
const DIFFERENCES: u64 = 1_000;
/// Microseconds that a bundle that comes or goes may cost.
const UPKEEP_US_MAX: f64 = 2.0;

pub(super) fn measure() -> Result<Vec<Figure>, Failure> {
    let mut upkeep = Vec::new();
    let mut decoding = Vec::new();
    for run in 0..RUNS as u64 {
        upkeep.push(upkeep_us(run << 40));
        decoding.push(decoding_ms(run << 40)?);
    }
    Ok(vec![
        Figure::new("set_upkeep", "keep up the set's cells, a bundle that comes or goes", (upkeep, "us"))
            .at_most(UPKEEP_US_MAX),
        Figure::new("set_decoding", "read 1,000 differences off the cells of two sets", (decoding, "ms")),
    ])
}

fn id(number: u64) -> BundleId {
    let hash = blake3::hash(&number.to_be_bytes());
    BundleId::from_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "a number of changes is small")]
fn upkeep_us(first: u64) -> f64 {
    let ids: Vec<BundleId> = (first..first + CHANGES).map(id).collect();
    let mut prefix = Prefix::new(CELLS_MAX);
    let begun = Instant::now();
    for id in &ids {
        prefix.insert(id);
    }
    for id in &ids {
        prefix.remove(id);
    }
    begun.elapsed().as_secs_f64() * 1e6 / (2 * CHANGES) as f64
}

fn decoding_ms(first: u64) -> Result<f64, Failure> {
    let set = |numbers: std::ops::Range<u64>| {
        let mut prefix = Prefix::new(CELLS_MAX);
        for number in numbers {
            prefix.insert(&id(number));
        }
        prefix
    };
    let ours = set(first..first + CHANGES);
    let theirs = set(first + DIFFERENCES / 2..first + CHANGES + DIFFERENCES / 2);
    let begun = Instant::now();
    let mut decoder = Decoder::new(ours, theirs.digest());
    while let Outcome::More { .. } = decoder.outcome() {
        let from = decoder.end();
        let cells = theirs.cells().get(from..theirs.cells().len().min(from + 64)).unwrap_or_default();
        decoder.push(from, cells);
    }
    match decoder.outcome() {
        Outcome::Decoded(found) if (found.ours.len() + found.theirs.len()) as u64 == DIFFERENCES => {
            Ok(begun.elapsed().as_secs_f64() * 1e3)
        }
        other => Err(Failure::failed(format!("two sets were not told apart: {other:?}"))),
    }
}
