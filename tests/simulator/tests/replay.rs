//! The same seed makes the same world do the same things, or no failure could be replayed.

use simulator::{Sabotage, Scenario, Show, simulate};

#[test]
fn a_seed_replays_step_by_step() {
    for seed in [1, 2, 3] {
        let run = || {
            simulate(&Scenario::of(seed, 6), Sabotage::Nothing, Show::Nothing)
                .unwrap_or_else(|failure| panic!("{failure}"))
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}

#[test]
fn other_seeds_do_other_things() {
    let run = |seed| {
        simulate(&Scenario::of(seed, 5), Sabotage::Nothing, Show::Nothing)
            .unwrap_or_else(|failure| panic!("{failure}"))
    };
    assert_ne!(run(4).trace, run(5).trace);
}
