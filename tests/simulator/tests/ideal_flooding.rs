//! Without faults and with ample room, every pair of a bundle and a node that ideal flooding brings together comes together, and
//! hardly later.

use simulator::{Audience, Carriers, Dice, Load, Measured, Scenario, Shape, Show, measure};

const HOUR: u64 = 3_600_000;

fn run(seed: u64, shape: Shape, to: Audience) -> Measured {
    let nodes = 8;
    let plan = shape.plan(&mut Dice::new(seed), nodes, 6 * HOUR);
    let load = Load { bundles: 40, octets: 400, to, carriers: Carriers::All };
    let scenario = Scenario::planned(seed, nodes, plan, load);
    measure(&scenario, Show::Nothing, &mut |_, _| {})
        .unwrap_or_else(|failure| panic!("{shape:?} {seed}: {failure}"))
}

#[test]
fn every_pair_within_reach_is_reached_and_the_median_latency_is_within_a_twentieth() {
    for shape in [Shape::Random, Shape::BusLine, Shape::Star] {
        for seed in 0..4 {
            let measured = run(seed, shape, Audience::Everybody);
            assert!(measured.ideal > 0, "{shape:?} {seed}");
            assert_eq!(measured.reached, measured.ideal, "{shape:?} {seed}: {measured:?}");
            assert!(
                measured.median_ms * 100 <= measured.ideal_median_ms * 105,
                "{shape:?} {seed}: {measured:?}"
            );
        }
    }
}
