//! Worlds in which drives are carried from node to node: whatever befalls the drives, every rule holds, and once nothing goes wrong any
//! more a drive alone brings everything to everybody.

use simulator::{ClockKind, DriveFaults, Drives, Faults, Outcome, Sabotage, Scenario, Shape, Show, simulate};

/// A world like that of a seed, in which only drives connect the nodes.
fn islands(seed: u64, faults: DriveFaults) -> Scenario {
    let mut scenario = Scenario::of(seed, 4);
    scenario.shape = Shape::Islands;
    scenario.plan.clear();
    for role in &mut scenario.roles {
        if matches!(role.clock, ClockKind::Wrong(_)) {
            role.clock = ClockKind::Trusted;
        }
    }
    scenario.drives = Drives { faults, ..Drives::round(4, 600_000, scenario.faults_end) };
    let with_drives: Vec<bool> = (0..4).map(|node| scenario.has_drives(node)).collect();
    for route in &mut scenario.drives.routes {
        route.retain(|stop| with_drives.get(stop.node) == Some(&true));
    }
    scenario
}

fn run(scenario: &Scenario) -> Outcome {
    simulate(scenario, Sabotage::Nothing, Show::Nothing).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn every_fault_of_drives_alone_leaves_every_rule_whole() {
    let none = DriveFaults::NONE;
    let faults = [
        DriveFaults { lost: 2_000, ..none },
        DriveFaults { stale: 4_000, ..none },
        DriveFaults { pulled: 5_000, ..none },
        DriveFaults { damaged: 4_000, ..none },
        DriveFaults { full: 5_000, ..none },
        DriveFaults { lost: 500, stale: 2_000, pulled: 3_000, damaged: 2_000, full: 3_000 },
    ];
    for (seed, faults) in (0..).zip(faults) {
        let outcome = run(&islands(seed, faults));
        assert!(outcome.counts.docks > 0 && outcome.counts.brought > 0, "{seed} {faults:?}");
    }
}

#[test]
fn a_world_with_drives_replays_step_by_step() {
    let scenario = islands(9, DriveFaults { stale: 2_000, pulled: 2_000, ..DriveFaults::NONE });
    assert_eq!(run(&scenario), run(&scenario));
}

#[test]
fn custody_signals_ride_back_on_drives() {
    let mut scenario = islands(3, DriveFaults::NONE);
    scenario.faults = Faults::NONE;
    for order in &mut scenario.orders {
        order.wants_report = false;
    }
    let counts = run(&scenario).counts;
    assert!(counts.signals_brought > 0, "{counts:?}");
}
