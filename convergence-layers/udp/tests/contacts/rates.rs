//! How much of a path a contact fills, and what it leaves to others.

use std::time::Duration;

use crate::reno::Reno;
use crate::wire::{FAST, Path, World};

/// 10 Mbit/s, a round trip of 200 ms, and room for what is under way in a round trip.
const LONG: Path =
    Path { octets_per_second: 1_250_000.0, delay: Duration::from_millis(100), loss: 0.02, queue: 250_000.0 };

/// A contact with more to send than the path takes in so many seconds.
fn busy(path: Path, seconds: f64) -> World {
    let mut world = World::new(path);
    world.dial(0);
    for _ in 0..(path.octets_per_second * seconds / 65_536.0) as usize {
        world.send(0, vec![0x9f; 65_536]);
    }
    world
}

/// The share of a path that bundles of 64 KiB fill from the sixth second to the thirtieth.
fn goodput(path: Path) -> f64 {
    let mut world = busy(path, 40.0);
    world.run_for(Duration::from_secs(5));
    let before = world.sides[1].bundles.len();
    world.run_for(Duration::from_secs(25));
    let octets = (world.sides[1].bundles.len() - before) as f64 * 65_536.0;
    octets / 25.0 / path.octets_per_second
}

#[test]
fn a_long_path_with_loss_is_kept_four_fifths_full() {
    for loss in [0.0, 0.02, 0.1] {
        let share = goodput(Path { loss, ..LONG });
        assert!(share > 0.8 * (1.0 - loss) && share < 1.0, "{share} of the path with a loss of {loss}");
    }
}

#[test]
fn slow_and_short_paths_are_filled_as_well() {
    let slow = Path { octets_per_second: 12_500.0, queue: 12_500.0, ..LONG };
    let share = goodput(slow);
    assert!(share > 0.7, "{share} of a slow path");
    let short = Path { delay: Duration::from_millis(1), queue: 60_000.0, ..LONG };
    let share = goodput(short);
    assert!(share > 0.8, "{share} of a short path");
}

/// What a flow of TCP gets in a minute in a world.
fn flow(mut world: World) -> f64 {
    world.run_for(Duration::from_secs(5));
    world.flows.push(Reno::new(world.now));
    world.run_for(Duration::from_secs(60));
    world.flows[0].arrived as f64
}

#[test]
fn a_flow_of_tcp_beside_a_contact_keeps_half_of_what_it_gets_alone() {
    let (alone, beside) = (flow(World::new(LONG)), flow(busy(LONG, 70.0)));
    assert!(beside >= 0.5 * alone, "{beside} octets beside a contact, {alone} alone");
}

#[test]
fn where_nobody_accounts_the_rate_of_the_configuration_is_kept_and_not_exceeded() {
    let mut world = World::new(FAST);
    world.bare(7, 4);
    for _ in 0..160 {
        world.send(0, vec![0x9f; 65_536]);
    }
    world.run_for(Duration::from_secs(10));
    let octets = (world.sides[1].bundles.len() * 65_536) as f64;
    assert!(octets > 9_000_000.0, "{octets} octets in ten seconds at 1 MB a second");
    assert!(world.sides[0].sent_octets < 10_100_000, "{}", world.sides[0].sent_octets);
}

#[test]
fn on_a_short_path_little_more_is_on_its_way_than_fits_the_neighbors_socket() {
    let socket =
        Path { octets_per_second: 1e8, delay: Duration::from_micros(50), loss: 0.0, queue: 100_000.0 };
    let mut world = busy(socket, 2.0);
    world.run_for(Duration::from_secs(1));
    let arrived = world.sides[1].bundles.len() as f64 * 65_536.0;
    assert!(arrived > 8e7, "{arrived} octets in a second at 100 MB a second");
    let sent = world.sides[0].sent_octets as f64;
    assert!(sent < 1.1 * arrived, "{sent} octets were sent for {arrived}");
}
