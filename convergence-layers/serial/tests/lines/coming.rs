//! Who is at the other end, and how contacts open and end.

use std::time::Duration;

use convergence_layer::{CloseReason, Control, Event};
use proptest::prelude::*;
use serial::beacon::{self, Beacon, EPOCH_MAX, Stage};
use serial::frame::{self, Decoder};
use serial::line::Lane;

use crate::world::{World, octets};

const HOUR: Duration = Duration::from_secs(3_600);

fn device(epoch: u32) -> Beacon {
    Beacon {
        epoch,
        heard: 0,
        silence_seconds: 60,
        pause_seconds: 0,
        payload_max: 180,
        stage: Stage::Waiting,
        speaks_ltp: false,
        node_id: Some("dtn://sensor/".into()),
    }
}

fn framed(beacon: &Beacon) -> Vec<u8> {
    let mut out = Vec::new();
    beacon.encode(&mut out);
    out
}

/// The beacons among octets on a line.
fn beacons(mut line: &[u8]) -> Vec<Beacon> {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    while let Some(payload) = decoder.next_payload(&mut line) {
        found.extend(Beacon::decode(payload));
    }
    found
}

#[test]
fn a_contact_opens_within_a_second_and_says_who_is_there_and_how_fast_the_line_is() {
    let mut world = World::new("/dev/t?baud=9600", 1);
    world.open();
    assert!(world.passed() < Duration::from_secs(1), "{:?}", world.passed());
    world.run(Duration::from_secs(1), |_| false);
    let opened = Event::Opened {
        node_id: Some("dtn://bob/".into()),
        transfer_mru: u64::MAX,
        octets_per_second: Some(864),
    };
    assert_eq!(world.ends[0].events, [opened]);
    assert_eq!(world.ends[1].count(|event| matches!(event, Event::Opened { .. })), 1);
}

#[test]
fn a_contact_opens_soon_after_a_cable_is_plugged_in() {
    let mut world = World::new("/dev/t?baud=9600", 2);
    world.cut(false);
    world.run(HOUR, |_| false);
    world.cut(true);
    let from = world.now;
    world.open();
    assert!(world.now - from < Duration::from_secs(8), "{:?}", world.now - from);
}

#[test]
fn while_nobody_is_there_beacons_take_little_of_the_line() {
    for (address, octets_per_hour) in [
        ("/dev/t?baud=9600", 960 * 3_600),
        ("/dev/t?baud=300", 30 * 3_600),
        ("/dev/t?baud=9600&rate=300&airtime=1%/1h", 3 * 3_600),
    ] {
        let mut world = World::new(address, 3);
        world.cut(false);
        world.run(HOUR, |_| false);
        let before = world.wires[0].octets();
        world.run(HOUR * 10, |_| false);
        let octets = (world.wires[0].octets() - before) / 10;
        assert!(octets > 100 && octets * 33 < octets_per_hour, "{octets} of {octets_per_hour} at {address}");
    }
}

#[test]
fn an_idle_contact_stays_open_and_a_cut_one_ends_with_a_reason() {
    let mut world = World::new("/dev/t?baud=9600", 4);
    world.open();
    world.run(HOUR * 5, |_| false);
    assert!(world.ends.iter().all(|end| end.line.is_open() && end.closed().is_none()));
    world.cut(false);
    let from = world.now;
    assert!(world.run(HOUR, |world| world.ends.iter().all(|end| end.closed().is_some())));
    assert_eq!(world.ends[0].closed(), Some("the neighbor fell silent"));
    assert!(world.now - from < Duration::from_secs(30), "{:?}", world.now - from);
}

#[test]
fn a_short_interruption_costs_time_and_nothing_else() {
    let mut world = World::new("/dev/t?baud=9600", 5);
    world.open();
    world.ends[0].send(Lane::Ordinary, octets(30_000, 1));
    world.run(Duration::from_secs(10), |_| false);
    world.cut(false);
    world.run(Duration::from_secs(8), |_| false);
    world.cut(true);
    assert!(world.run(HOUR, |world| world.ends[0].events.contains(&Event::Sent(0))));
    assert_eq!(world.ends[1].received[0].1, octets(30_000, 1));
    assert_eq!(world.ends[0].count(|event| matches!(event, Event::Opened { .. })), 1);
}

#[test]
fn a_neighbor_that_began_anew_is_noticed_at_once() {
    let mut world = World::new("/dev/t?baud=9600", 6);
    world.open();
    world.ends[0].send(Lane::Ordinary, octets(100_000, 1));
    world.run(Duration::from_secs(20), |_| false);
    let now = world.now;
    world.ends[1].restart(now);
    assert!(world.run(HOUR, |world| world.ends[0].closed().is_some()));
    assert_eq!(world.ends[0].closed(), Some("the neighbor began anew"));
    assert!(world.now - now < Duration::from_secs(2));
    let now = world.now;
    world.ends[0].restart(now);
    world.open();
    assert!(world.now - now < Duration::from_secs(8));
    world.ends[0].send(Lane::Ordinary, octets(1_000, 2));
    assert!(world.run(HOUR, |world| !world.ends[1].received.is_empty()));
    assert_eq!(world.ends[1].received[0].1, octets(1_000, 2));
}

#[test]
fn who_lets_go_says_so() {
    let mut world = World::new("/dev/t?baud=9600", 7);
    world.open();
    world.run(Duration::from_secs(5), |_| false);
    world.ends[0].line.decide(world.now, Control::Close(CloseReason::Unknown));
    assert!(world.run(HOUR, |world| world.ends[0].closed().is_some()));
    let words = world.ends[0].line.farewell();
    world.ends[1].line.receive(world.now, &words);
    world.run(Duration::from_millis(1), |_| false);
    assert_eq!(world.ends[1].closed(), Some("the neighbor ended the contact"));
}

#[test]
fn an_echo_is_no_neighbor_and_is_named() {
    let mut world = World::new("/dev/t?baud=9600", 8);
    let now = world.now;
    let line = &mut world.ends[0].line;
    let mut octets = Vec::new();
    assert!(line.poll_frame(now, &mut octets));
    for _ in 0..3 {
        line.receive(now, &octets);
    }
    assert!(!line.is_open());
    assert!(line.poll_fault().unwrap().contains("echoes"));
}

#[test]
fn a_device_without_ltp_gets_small_bundles_whole_and_sends_its_own_so() {
    let mut world = World::new("/dev/t?baud=9600", 9);
    world.wires[1].is_up = false;
    world.run(Duration::from_secs(1), |_| false);
    let now = world.now;
    let node = &mut world.ends[0];
    node.line.receive(now, &framed(&device(77)));
    let mut out = Vec::new();
    assert!(node.line.poll_frame(now + Duration::from_secs(1), &mut out));
    let ours = beacons(&out).pop().unwrap();
    assert_eq!(ours.heard, 77);
    node.line.receive(now, &framed(&Beacon { heard: ours.epoch, ..device(77) }));
    assert!(node.line.is_open());
    let small = [&[0x9f][..], &octets(150, 1)].concat();
    let mut frame_of_theirs = Vec::new();
    frame::encode(&small, &mut frame_of_theirs);
    node.line.receive(now, &frame_of_theirs);
    let large = node.send(Lane::Ordinary, octets(181, 1));
    let fits = node.send(Lane::Ordinary, small.clone());
    world.run(Duration::from_secs(5), |_| false);
    let node = &world.ends[0];
    assert_eq!(node.received[0].1, small);
    let is_refused = |event: &Event| matches!(event, Event::Refused { transfer, .. } if *transfer == large);
    assert_eq!((node.count(is_refused), node.count(|event| *event == Event::Left(fits))), (1, 1));
}

#[test]
fn no_stretch_of_time_has_more_than_its_share() {
    let mut world = World::new("/dev/t?baud=9600&airtime=10%/1m,5%/10m", 10);
    world.open();
    world.ends[0].send(Lane::Ordinary, octets(100_000, 1));
    world.ends[1].send(Lane::Ordinary, octets(20_000, 2));
    assert!(world.run(HOUR * 4, |world| world.ends[0].events.contains(&Event::Sent(0))));
    for wire in &world.wires {
        for (seconds, share) in [(60, 10), (600, 5)] {
            let budget = 960 * seconds * share / 100;
            for (index, (from, _)) in wire.carried.iter().enumerate() {
                let until = *from + Duration::from_secs(seconds as u64);
                let within = wire.carried[index..].iter().take_while(|(at, _)| *at < until);
                let octets: usize = within.map(|(_, octets)| octets).sum();
                assert!(octets <= budget, "{octets} of {budget} in {seconds} s");
            }
        }
    }
    assert_eq!(world.ends[1].received[0].1, octets(100_000, 1));
    assert_eq!(world.ends[0].count(|event| matches!(event, Event::Closed { .. })), 0);
    let ideal = Duration::from_secs(100_000 / 48);
    println!("100000 octets at 5% of 9600 baud took {:?}, {ideal:?} at best", world.passed());
    assert!(world.passed() < ideal * 3 / 2);
}

proptest! {
    #[test]
    fn a_beacon_is_read_as_it_was_written_and_harms_no_terminal(
        epoch in 1..=EPOCH_MAX,
        heard in 0..=EPOCH_MAX,
        seconds in (0..16_384_u32, 0..16_384_u32),
        payload_max in 0..16_384_u32,
        stage in prop_oneof![Just(Stage::Waiting), Just(Stage::Open), Just(Stage::Leaving)],
        speaks_ltp in any::<bool>(),
        node_id in prop::option::of("dtn://[a-zü]{1,60}/"),
    ) {
        let node_id = node_id.filter(|id| id.len() <= beacon::NODE_ID_OCTETS_MAX);
        let beacon = Beacon {
            epoch, heard, silence_seconds: seconds.0, pause_seconds: seconds.1, payload_max, stage, speaks_ltp, node_id,
        };
        let on_the_line = framed(&beacon);
        prop_assert!(beacon::is_harmless(&on_the_line), "{:02x?}", on_the_line);
        prop_assert_eq!(beacons(&on_the_line), [beacon]);
    }

    #[test]
    fn a_line_takes_any_octets(octets in prop::collection::vec(any::<u8>(), 0..3_000), seed in any::<u64>()) {
        let mut world = World::new("/dev/t?baud=9600", seed);
        world.open();
        let now = world.now;
        world.ends[0].line.receive(now, &octets);
        let mut framed = Vec::new();
        for payload in octets.chunks(50) {
            frame::encode(payload, &mut framed);
        }
        world.ends[0].line.receive(now, &framed);
        world.run(Duration::from_secs(60), |_| false);
    }
}
