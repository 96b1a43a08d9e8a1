//! Bundles over contacts.

use std::time::Duration;

use convergence_layer::{Event, RefusalReason};
use ltp::segment::{Content, Segment, SessionId, Side};
use udpcl::LinkOptions;

use crate::wire::{FAST, Path, World};

fn bundle(number: usize, octets: usize) -> Vec<u8> {
    let mut bundle = vec![0x9f];
    bundle.extend((1..octets).map(|at| u8::try_from((at * 7 + number * 31) % 251).unwrap()));
    bundle
}

/// From some octets to far more than a datagram.
fn mixed(number: usize) -> Vec<u8> {
    bundle(number, [40, 900, 1_232, 5_000, 70_000][number % 5] + number)
}

#[test]
fn bundles_of_all_sizes_arrive_once_both_ways_although_a_third_is_lost() {
    let mut world = World::new(Path { loss: 0.3, ..FAST });
    world.dial(0);
    for which in [0, 1] {
        (0..200).for_each(|number| world.send(which, mixed(number)));
    }
    world.until(Duration::from_secs(300), "all are sent", |world| {
        world.sides.iter().all(|side| side.count(|event| matches!(event, Event::Sent(_))) == 200)
    });
    for side in &mut world.sides {
        let mut expected: Vec<_> = (0..200).map(mixed).collect();
        expected.sort();
        side.bundles.sort();
        assert!(side.bundles == expected, "each arrives once");
    }
}

#[test]
fn a_contact_that_is_down_for_a_while_goes_on_where_it_was() {
    let mut world = World::new(Path { octets_per_second: 100_000.0, queue: 50_000.0, ..FAST });
    world.dial(0);
    world.send(0, bundle(1, 2_000_000));
    world.run_for(Duration::from_secs(10));
    world.path.loss = 1.0;
    let before = world.sides[0].sent_octets;
    world.run_for(Duration::from_secs(90));
    assert!(world.sides[0].sent_octets < before + 400_000, "little is said to a neighbor that is down");
    world.path.loss = 0.0;
    world.until(Duration::from_secs(30), "it arrives", |world| world.sides[1].bundles.len() == 1);
    assert!(world.sides[0].sent_octets < 2_700_000, "{} octets", world.sides[0].sent_octets);
    assert!(world.sides[1].bundles[0] == bundle(1, 2_000_000));
}

#[test]
fn small_bundles_go_as_datagrams_where_that_is_wanted() {
    let link = LinkOptions { is_ltp_for_large: true, ..LinkOptions::default() };
    let mut world = World::with(FAST, link);
    world.dial(0);
    world.send(0, bundle(0, 1_000));
    world.send(0, bundle(1, 2_000));
    world.until(Duration::from_secs(10), "both arrive", |world| world.sides[1].bundles.len() == 2);
    world.run_for(Duration::from_secs(1));
    let side = &world.sides[0];
    assert_eq!(side.count(|event| *event == Event::Left(0)), 1);
    assert_eq!(side.count(|event| *event == Event::Sent(1)), 1);
}

#[test]
fn a_neighbor_of_another_make_gets_what_fits_and_the_rest_is_refused() {
    let link = LinkOptions { is_plain: true, ..LinkOptions::default() };
    let mut world = World::with(FAST, link);
    world.dial(0);
    world.dial(1);
    world.send(0, bundle(0, 1_232));
    world.send(0, bundle(1, 1_233));
    world.run_for(Duration::from_secs(5));
    let refused = Event::Refused { transfer: 1, reason: RefusalReason::NotAcceptable };
    assert_eq!(world.sides[0].count(|event| *event == refused), 1);
    assert_eq!(world.sides[0].count(|event| *event == Event::Left(0)), 1);
    assert!(
        world.sides[0].contact.as_mut().unwrap().poll_fault().unwrap().contains("too large for a datagram")
    );
    assert_eq!(world.sides[1].bundles, [bundle(0, 1_232)]);
    world.run_for(Duration::from_secs(1_000));
    assert!(world.sides[0].is_open(), "nobody is waited for");
}

#[test]
fn bare_ltp_carries_bundles_to_a_stranger_that_answers_no_more_than_it_heard() {
    let mut world = World::new(Path { loss: 0.2, ..FAST });
    world.bare(7, 4);
    (0..20).for_each(|number| world.send(0, mixed(number)));
    world.until(Duration::from_secs(300), "all are sent", |world| {
        world.sides[0].count(|event| matches!(event, Event::Sent(_))) == 20
    });
    assert_eq!(world.sides[1].bundles.len(), 20);
    assert!(world.sides[1].sent_octets <= world.sides[0].sent_octets);
}

#[test]
fn a_stranger_on_bare_ltp_that_acknowledges_reports_is_answered_with_more_than_it_sent() {
    let mut world = World::new(FAST);
    world.bare(7, 4);
    world.send(0, bundle(0, 300));
    world.send(1, bundle(1, 1_000));
    world.until(Duration::from_secs(1), "the answer arrives", |world| world.sides[0].bundles.len() == 1);
}

#[test]
fn a_stranger_on_bare_ltp_that_acknowledges_nothing_is_not_sent_more_than_it_sent() {
    let mut world = World::new(FAST);
    world.bare(7, 4);
    // What goes to it is lost, as where its address is forged.
    world.is_one_way = true;
    world.send(0, bundle(0, 300));
    world.send(1, bundle(1, 1_000));
    world.run_for(Duration::from_secs(1_000));
    assert!(world.sides[1].sent_octets > 0, "reports went");
    assert!(world.sides[1].sent_octets <= world.sides[0].sent_octets);
}

#[test]
fn a_stranger_on_bare_ltp_is_sent_no_more_datagrams_than_its_own_have_octets_for() {
    let mut world = World::new(FAST);
    world.bare(7, 4);
    let mut contact = world.sides[1].contact.take().unwrap();
    let mut question = Vec::new();
    for number in 1..200 {
        let session = SessionId { originator: 4, number };
        let content = Content::Cancel { by: Side::Sender, reason: 0 };
        let mut segment = Vec::new();
        assert!(Segment { session, content }.encode(1_232, &mut segment));
        question.extend_from_slice(&segment);
    }
    contact.handle_datagram(world.now, &question);
    let (mut datagram, mut answered) = (Vec::new(), 0);
    let mut now = world.now;
    loop {
        while contact.poll_datagram(now, &mut datagram) {
            answered += datagram.len() + 28;
        }
        let Some(next) = contact.poll_timeout() else { break };
        assert!(next > now, "nothing is tried again and again");
        now = next;
        contact.handle_timeout(now);
    }
    assert!(answered > 500 && answered <= question.len() + 28, "{answered} for {}", question.len());
}

#[test]
fn a_stranger_on_bare_ltp_that_falls_silent_is_sent_what_there_is_for_a_while_and_then_forgotten() {
    let mut world = World::new(FAST);
    world.bare(7, 4);
    world.send(0, bundle(0, 300));
    world.run_for(Duration::from_secs(60));
    world.send(1, bundle(1, 1_000));
    world.until(Duration::from_secs(1), "the answer arrives", |world| world.sides[0].bundles.len() == 1);
    world.sides[0].contact = None;
    world.run_for(Duration::from_secs(200));
    assert!(world.sides[1].contact.is_none());
}

#[test]
fn segments_of_another_engine_keep_no_contact_on_bare_ltp() {
    let mut world = World::new(FAST);
    world.bare(7, 4);
    let mut contact = world.sides[1].contact.take().unwrap();
    let mut segment = Vec::new();
    let session = SessionId { originator: 999, number: 1 };
    assert!(Segment { session, content: Content::ReportAck { report: 1 } }.encode(1_232, &mut segment));
    for second in 0..200 {
        let now = world.now + Duration::from_secs(second);
        contact.handle_datagram(now, &segment);
        contact.handle_timeout(now);
    }
    assert!(contact.is_over());
}
