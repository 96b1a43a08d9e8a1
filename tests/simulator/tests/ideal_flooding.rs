//! Without faults and with ample room, every pair of a bundle and a node that ideal flooding brings together comes together, and
//! hardly later: over generated plans of every shape.

use simulator::{
    Audience, Carriers, Dice, Drives, Load, Measured, Meeting, Scenario, Shape, Show, long_line, measure,
};

const HOUR: u64 = 3_600_000;
const SHAPES: [Shape; 4] = [Shape::Random, Shape::BusLine, Shape::Star, Shape::Mesh];

fn run(seed: u64, nodes: usize, plan: Vec<Meeting>, (to, carriers): (Audience, Carriers)) -> Measured {
    let load = Load { bundles: 40, octets: 400, to, carriers };
    let scenario = Scenario::planned(seed, nodes, plan, load);
    measure(&scenario, Show::Nothing, &mut |_, _| {}).unwrap_or_else(|failure| panic!("{seed}: {failure}"))
}

/// Demands the median of latencies to be within 5 percent, and no pair to be missing.
fn demand_the_ideal(measured: &Measured, what: &str) {
    assert!(measured.ideal > 0 && measured.wanted > 0, "{what}: nothing can be reached");
    assert_eq!(measured.reached, measured.ideal, "{what}: {measured:?}");
    assert_eq!(measured.delivered, measured.wanted, "{what}: {measured:?}");
    assert!(measured.median_ms * 100 <= measured.ideal_median_ms * 105, "{what}: {measured:?}");
}

#[test]
fn what_is_for_all_nodes_reaches_all_that_ideal_flooding_reaches_and_hardly_later() {
    for shape in SHAPES {
        for seed in 0..2 {
            let plan = shape.plan(&mut Dice::new(seed), 8, 6 * HOUR);
            let measured = run(seed, 8, plan, (Audience::Everybody, Carriers::All));
            demand_the_ideal(&measured, &format!("{shape:?} {seed}"));
        }
    }
}

#[test]
fn what_is_for_one_node_reaches_it_when_ideal_flooding_would_and_all_who_could_carry_it_before() {
    for shape in SHAPES {
        for seed in 0..2 {
            let plan = shape.plan(&mut Dice::new(seed), 8, 6 * HOUR);
            let measured = run(seed, 8, plan, (Audience::One, Carriers::All));
            demand_the_ideal(&measured, &format!("{shape:?} {seed}"));
        }
    }
}

#[test]
fn on_a_line_of_buses_that_alone_carry_everything_reaches_whom_it_is_for() {
    let (nodes, buses) = (22, 3);
    let plan = long_line(nodes, buses, 6 * HOUR);
    let measured = run(1, nodes, plan, (Audience::One, Carriers::Line(buses)));
    demand_the_ideal(&measured, "line");
}

#[test]
fn a_drive_brings_together_all_the_nodes_that_nobody_connects() {
    for to in [Audience::Everybody, Audience::One] {
        let nodes = 6;
        let drives = Drives::round(nodes, HOUR / 6, 8 * HOUR);
        let load = Load { bundles: 40, octets: 400, to, carriers: Carriers::All };
        let scenario = Scenario::planned_with(5, (nodes, Vec::new(), drives), load);
        let measured =
            measure(&scenario, Show::Nothing, &mut |_, _| {}).unwrap_or_else(|failure| panic!("{failure}"));
        demand_the_ideal(&measured, &format!("{to:?}"));
        assert!(measured.outcome.counts.contacts == 0 && measured.outcome.counts.docks > 40);
    }
}
