//! Small worlds, many of them: whatever goes wrong in them, every rule holds. A failure prints the command that replays it.

use std::sync::atomic::{AtomicU64, Ordering};

use simulator::{Sabotage, Scenario, Show, simulate};

/// Worlds of 3, 4, ... nodes in turn.
const NODES_MAX: u64 = 8;

fn run_worlds(first: u64, count: u64) {
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let nodes = usize::try_from(3 + seed % (NODES_MAX - 2)).expect("a small number");
                    if let Err(failure) =
                        simulate(&Scenario::of(seed, nodes), Sabotage::Nothing, Show::Nothing)
                    {
                        panic!("{failure}");
                    }
                }
            });
        }
    });
}

#[test]
fn in_every_small_world_every_rule_holds() {
    run_worlds(0, 200);
}

#[test]
fn a_world_of_twenty_nodes_keeps_every_rule() {
    if let Err(failure) = simulate(&Scenario::of(2_000, 20), Sabotage::Nothing, Show::Nothing) {
        panic!("{failure}");
    }
}
