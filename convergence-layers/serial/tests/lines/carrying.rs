//! Bundles over lines that are slow, noisy or seldom up.

use std::time::Duration;

use convergence_layer::{CloseReason, Control, Event};
use proptest::prelude::*;
use serial::line::Lane;

use crate::world::{Wire, World, octets};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn ltp_and_framing_take_at_most_a_tenth_of_what_is_on_the_line() {
    let mut world = World::new("/dev/t?baud=9600&frame=200", 1);
    world.open();
    let before = world.wires.each_ref().map(Wire::octets);
    world.ends[0].send(Lane::Ordinary, octets(1 << 20, 1));
    assert!(world.run(HOUR, |world| world.ends[0].events.contains(&Event::Sent(0))));
    let there = world.wires[0].octets() - before[0];
    let back = world.wires[1].octets() - before[1];
    println!("1048576 octets take {there} on the line, and {back} of the other direction");
    assert!((there + back - (1 << 20)) * 10 <= there + back, "{there} and {back}");
    // As fast as the line carries them, up to a hundredth.
    let ideal = Duration::from_nanos(there as u64 * 1_000_000_000 / 960);
    assert!(world.passed() < ideal * 101 / 100, "{:?} for {ideal:?}", world.passed());
}

#[test]
fn little_waits_in_the_systems_buffer() {
    for address in ["/dev/t?baud=300", "/dev/t?baud=9600", "/dev/t?baud=4000000"] {
        let mut world = World::new(address, 2);
        world.open();
        world.ends[0].send(Lane::Ordinary, octets(50_000, 1));
        assert!(world.run(HOUR, |world| !world.ends[1].received.is_empty()));
        assert!(world.wires[0].waited_max <= Duration::from_millis(31), "{:?}", world.wires[0].waited_max);
    }
}

#[test]
fn what_is_urgent_overtakes_a_bulk_transfer_at_both_ends() {
    let mut world = World::new("/dev/t?baud=9600", 3);
    world.open();
    world.ends[0].send(Lane::Ordinary, octets(1 << 20, 1));
    world.run(Duration::from_secs(300), |_| false);
    let from = world.now;
    world.ends[0].send(Lane::Express, octets(500, 2));
    assert!(world.run(HOUR, |world| !world.ends[1].received.is_empty()));
    assert_eq!(world.ends[1].received[0].1, octets(500, 2));
    let took = world.now - from;
    println!("500 urgent octets took {took:?} beside a bulk transfer at 9600 baud");
    // Three frames of its own, and the one that was on its way.
    assert!(took < Duration::from_millis(1_200), "{took:?}");
    assert!(world.run(HOUR, |world| world.ends[1].received.len() == 2));
    assert_eq!(world.ends[1].received[1].1, octets(1 << 20, 1));
}

#[test]
fn a_large_bundle_crosses_a_slow_line_in_short_contacts_because_what_came_stays() {
    let bundle = octets(1 << 20, 4);
    let mut world = World::new("/dev/t?baud=9600", 4);
    for wire in &mut world.wires {
        wire.damage = 20_000;
    }
    let (mut there, mut contacts) = (Vec::new(), 0);
    while there.len() < bundle.len() {
        contacts += 1;
        assert!(contacts < 60, "after {contacts} contacts only {} octets are there", there.len());
        world.cut(true);
        // A neighbor is told where to go on: in an agent by `Want` and `Resume`.
        world.ends[0].send(Lane::Ordinary, bundle[there.len()..].to_vec());
        world.run(Duration::from_secs(60), |world| !world.ends[1].received.is_empty());
        world.cut(false);
        let all_over = |world: &World| world.ends.iter().all(|end| end.closed().is_some());
        if world.ends[1].received.is_empty() {
            assert!(world.run(HOUR, all_over), "silence ends the contact");
        }
        let end = &mut world.ends[1];
        there.extend(end.received.drain(..).map(|(_, octets)| octets).chain(end.broken.drain(..)).flatten());
        assert!(bundle.starts_with(&there));
        for end in &mut world.ends {
            end.restart(world.now);
            end.events.clear();
        }
    }
    println!("1 MiB at 9600 baud took {contacts} contacts of 60 s");
    assert!(contacts <= 26, "{contacts}");
}

#[test]
fn the_agent_may_refuse_and_give_up() {
    let mut world = World::new("/dev/t?baud=115200", 5);
    world.open();
    world.ends[0].send(Lane::Ordinary, octets(2_000_000_usize, 1));
    world.ends[0].line.decide(world.now, Control::Close(CloseReason::Unknown));
    world.run(HOUR, |world| world.ends[0].closed().is_some());
    assert_eq!(world.ends[0].closed(), Some("the contact was closed"));
    assert_eq!(world.ends[0].count(|event| matches!(event, Event::Refused { .. })), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn everything_arrives_once_over_a_noisy_line(
        seed in any::<u64>(),
        lengths in prop::collection::vec(1..20_000_usize, 1..12),
        damage in prop_oneof![Just(0_u64), 600..20_000_u64],
    ) {
        let mut world = World::new("/dev/t?baud=19200", seed);
        for wire in &mut world.wires {
            wire.damage = damage;
        }
        world.open();
        for (index, length) in lengths.iter().enumerate() {
            let lane = if index % 3 == 0 { Lane::Express } else { Lane::Ordinary };
            world.ends[index % 2].send(lane, octets(*length, index as u64));
        }
        let all = lengths.len();
        let is_done = |world: &World| {
            world.ends.iter().map(|end| end.count(|event| matches!(event, Event::Sent(_)))).sum::<usize>() == all
        };
        prop_assert!(world.run(HOUR * 4, is_done));
        for (number, end) in world.ends.iter().enumerate() {
            let mut received: Vec<Vec<u8>> = end.received.iter().map(|(_, octets)| octets.clone()).collect();
            let mut sent: Vec<Vec<u8>> = lengths.iter().enumerate().filter(|(index, _)| index % 2 != number)
                .map(|(index, length)| octets(*length, index as u64)).collect();
            received.sort();
            sent.sort();
            prop_assert_eq!(received, sent);
        }
    }
}
