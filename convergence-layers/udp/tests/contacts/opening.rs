//! How contacts begin and end, and what nobody can do who only forges addresses.

use std::time::Duration;

use convergence_layer::{CloseReason, Control, Event};
use udpcl::message::{Message, Probe};
use udpcl::opening::{Wish, wish};
use udpcl::saying::Saying;
use udpcl::{Cookies, LinkOptions};

use crate::wire::{FAST, Path, Side, World, address};

const SOON: Duration = Duration::from_secs(30);

fn open(path: Path) -> World {
    let mut world = World::new(path);
    world.dial(0);
    world.until(SOON, "both sides are open", |world| world.sides.iter().all(Side::is_open));
    world
}

#[test]
fn a_contact_opens_on_both_sides_with_the_other_s_node_id() {
    let world = open(FAST);
    for (which, side) in world.sides.iter().enumerate() {
        let node_id = Some(format!("dtn://{}/", 1 - which));
        let opened = Event::Opened { node_id, transfer_mru: 4 << 30, octets_per_second: None };
        assert_eq!(side.events.first(), Some(&opened));
    }
}

#[test]
fn a_contact_opens_although_much_is_lost() {
    for seed in 0..20 {
        let mut world = World::new(Path { loss: 0.4, delay: Duration::from_millis(50 + seed), ..FAST });
        world.dial(0);
        world.until(SOON, "a side is open", |world| world.sides[0].is_open());
    }
}

#[test]
fn two_that_dial_each_other_have_one_contact() {
    let mut world = World::new(FAST);
    world.dial(0);
    world.dial(1);
    world.until(SOON, "both are open", |world| world.sides.iter().all(Side::is_open));
    world.run_for(SOON);
    for side in &world.sides {
        assert_eq!(side.count(|event| matches!(event, Event::Opened { .. })), 1);
        assert_eq!(side.count(|event| matches!(event, Event::Closed { .. })), 0);
    }
}

#[test]
fn who_does_not_answer_is_given_up() {
    let mut world = World::new(Path { loss: 1.0, ..FAST });
    world.dial(0);
    world.run_for(SOON);
    assert_eq!(world.sides[0].events, [Event::Closed { reason: "the neighbor does not answer".to_owned() }]);
}

#[test]
fn a_contact_that_is_closed_is_over_on_both_sides() {
    let mut world = open(FAST);
    let now = world.now;
    world.sides[0].contact.as_mut().unwrap().decide(now, Control::Close(CloseReason::Unknown));
    world.run_for(Duration::from_secs(1));
    for side in &world.sides {
        assert!(matches!(side.events.last(), Some(Event::Closed { .. })), "{:?}", side.events);
    }
}

#[test]
fn silence_ends_a_contact_and_a_short_one_does_not() {
    let mut world = open(FAST);
    world.path.loss = 1.0;
    world.run_for(Duration::from_secs(60));
    world.path.loss = 0.0;
    world.run_for(Duration::from_secs(300));
    assert!(world.sides.iter().all(Side::is_open));
    world.path.loss = 1.0;
    world.run_for(Duration::from_secs(125));
    for side in &world.sides {
        assert!(matches!(side.events.last(), Some(Event::Closed { .. })), "{:?}", side.events);
    }
}

#[test]
fn a_neighbor_that_was_started_anew_says_so() {
    let mut world = open(FAST);
    world.restart(1, 77);
    world.send(0, vec![0x9f; 100]);
    world.until(Duration::from_secs(2), "the old contact is over", |world| {
        matches!(world.sides[0].events.last(), Some(Event::Closed { .. }))
    });
    world.dial(1);
    world.until(SOON, "there is a new one", |world| world.sides.iter().all(Side::is_open));
}

#[test]
fn who_forges_an_address_neither_ends_a_contact_nor_says_anything_in_it() {
    let mut world = open(FAST);
    world.run_for(Duration::from_secs(1));
    let now = world.now;
    let forged = [
        Saying::Bye { to: 1 },
        Saying::Unknown { token: 1 },
        Saying::Segments { to: 1, number: 0, segments: &[0; 9] },
        Saying::Account { to: 1, highest: 0, octets: 0, delay_us: 0 },
        Saying::Ask { from: 1, cookie: &[0; 16], mru: 1 },
        Saying::Answer { to: 1, from: 2, mru: 1 },
    ];
    for saying in forged {
        let mut value = Vec::new();
        saying.encode(&mut value);
        let mut datagram = Vec::new();
        Message { private: vec![(-17, &value)], ..Message::default() }.encode(&mut datagram);
        world.sides[0].contact.as_mut().unwrap().handle_datagram(now, &datagram);
    }
    let events = world.sides[0].events.len();
    world.send(1, vec![0x9f; 5_000]);
    world.until(SOON, "a bundle arrives", |world| world.sides[0].bundles.len() == 1);
    assert!(world.sides[0].is_open() && world.sides[0].events.len() > events);
}

#[test]
fn strangers_are_answered_less_than_they_ask_and_only_with_a_cookie_get_a_contact() {
    let now = std::time::Instant::now();
    let cookies = Cookies::new([3; 32], now);
    let ask = |cookie: &[u8]| {
        let mut value = Vec::new();
        Saying::Ask { from: 9, cookie, mru: 1_000 }.encode(&mut value);
        let private = vec![(-17, value.as_slice())];
        let mut datagram = Vec::new();
        let probe = Some(Probe { nonce: 1, sequence: 0, delay_ms: 0 });
        Message { private, probe, node_id: Some("dtn://stranger/"), ..Message::default() }
            .encode(&mut datagram);
        datagram
    };
    let question = ask(&[]);
    let Wish::Answer(answer) = wish(now, address(0), &question, &cookies, -17) else { panic!() };
    assert!(answer.len() <= question.len());
    let with = ask(&cookies.bake(now, address(0), 9));
    assert!(matches!(wish(now, address(0), &with, &cookies, -17), Wish::Contact { them: 9, mru: 1_000, .. }));
    assert!(matches!(wish(now, address(1), &with, &cookies, -17), Wish::Answer(_)), "another address");
    let mut bare = Vec::new();
    Message { probe: Some(Probe { nonce: 1, sequence: 2, delay_ms: 0 }), ..Message::default() }
        .encode(&mut bare);
    assert_eq!(
        wish(now, address(0), &bare, &cookies, -17),
        Wish::Nothing(None),
        "the answer would be longer"
    );
    bare.extend([0; 20]);
    assert!(matches!(wish(now, address(0), &bare, &cookies, -17), Wish::Answer(_)));
    assert!(matches!(wish(now, address(0), &[0x16, 0xfe], &cookies, -17), Wish::Nothing(Some(_))), "DTLS");
}

#[test]
fn a_neighbor_of_another_make_is_known_by_its_answer_to_a_probe() {
    let mut world = World::with(FAST, LinkOptions::default());
    world.dial(0);
    world.run_for(Duration::from_millis(1));
    let now = world.now;
    let confirmation = [0xa1, 7, 0x82, 0, 0x82, 0, 0];
    world.sides[0].contact.as_mut().unwrap().handle_datagram(now, &confirmation);
    world.sides[1].contact = None;
    world.run_for(Duration::from_millis(1));
    let opened = Event::Opened { node_id: None, transfer_mru: 1_232, octets_per_second: None };
    assert_eq!(world.sides[0].events.first(), Some(&opened));
}
