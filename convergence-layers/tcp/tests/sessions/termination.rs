//! The end of a session.

use std::time::Duration;

use bytes::Bytes;
use convergence_layer::{CloseReason, Control, Event, Outgoing, RefusalReason};
use tcpcl::message::{END, START};

use crate::node::{Node, ack, refuse, segment, term};

#[test]
fn the_neighbors_end_is_answered_with_the_same_words() {
    let mut node = Node::open();
    node.hear(&term(0x80, 0xfe));
    assert_eq!(node.said(), term(0x81, 0xfe));
    assert_eq!(node.closed(), "ended by the neighbor: no reason given");
}

#[test]
fn transfers_under_way_are_finished_on_both_sides_and_none_begins() {
    let mut node = Node::open();
    node.hear(&segment(START, 1, &[], b"abc"));
    node.send(1, 2000, 1000);
    node.said();
    node.decide(Control::Close(CloseReason::ResourceExhaustion));
    assert_eq!(node.said(), term(0, 5));
    node.hear(&segment(END, 1, &[], b"d"));
    node.hear(&segment(START | END, 2, &[], b"new"));
    assert_eq!(node.said(), b"", "the refusal waits for the answer to the earlier transfer");
    node.hear(&term(1, 5));
    node.session.take(node.now, Outgoing::Octets(Bytes::from(vec![7; 1000])));
    node.decide(Control::Accept(1));
    let finished = [segment(END, 1, &[], &[7; 1000]), ack(END, 1, 4), refuse(6, 2)].concat();
    assert_eq!(node.said(), finished);
    node.session.take(node.now, Outgoing::Begin { transfer: 2, length: 5 });
    assert!(!node.session.is_over());
    node.hear(&[ack(START, 1, 1000), ack(END, 1, 2000)].concat());
    let events = node.events();
    let refused = Event::Refused { transfer: 2, reason: RefusalReason::SessionTerminating };
    assert!(events.contains(&refused) && events.contains(&Event::Sent(1)), "{events:?}");
    assert_eq!(events.last(), Some(&Event::Closed { reason: "ended by us: resource exhaustion".to_owned() }));
}

#[test]
fn a_bundle_of_which_nothing_was_sent_does_not_begin_once_the_session_ends() {
    let mut node = Node::open();
    node.send(1, 2000, 10);
    node.hear(&term(0, 0));
    assert_eq!(node.said(), term(1, 0));
    let events = node.events();
    assert_eq!(events[0], Event::Refused { transfer: 1, reason: RefusalReason::SessionTerminating });
}

#[test]
fn ends_that_cross_are_both_complete() {
    let mut node = Node::open();
    node.decide(Control::Close(CloseReason::Unknown));
    node.hear(&term(0, 3));
    assert_eq!(node.said(), term(0, 0));
    assert!(node.session.is_over());
}

#[test]
fn a_neighbor_that_does_not_answer_an_end_is_left() {
    let mut node = Node::open();
    node.decide(Control::Close(CloseReason::Unknown));
    node.said();
    for _ in 0..14 {
        node.pass(Duration::from_secs(1));
        node.hear(b"\x04");
    }
    assert!(!node.session.is_over());
    node.pass(Duration::from_secs(1));
    assert!(node.closed().contains("did not end in time"));
}

#[test]
fn a_dropped_link_refuses_what_it_cannot_answer_and_ends_soon() {
    let mut node = Node::open();
    node.hear(&segment(START | END, 1, &[], b"x"));
    node.hear(&segment(START, 2, &[], b"y"));
    node.send(1, 2000, 1500);
    node.said();
    node.session.link_dropped(node.now);
    assert_eq!(node.said(), [refuse(6, 1), refuse(6, 2), segment(END, 1, &[], b""), term(0, 0)].concat());
    node.hear(&segment(0, 2, &[], b"more"));
    node.pass(Duration::from_secs(2));
    assert!(node.session.is_over());
    let mut quick = Node::open();
    quick.session.link_dropped(quick.now);
    quick.hear(&term(1, 0));
    assert!(quick.session.is_over());
}

#[test]
fn a_transfer_whose_connection_breaks_is_broken() {
    let mut node = Node::open();
    node.hear(&segment(START, 1, &[], b"x"));
    node.events();
    node.session.connection_lost("the cable was pulled");
    assert_eq!(node.events(), [Event::Broken, Event::Closed { reason: "the cable was pulled".to_owned() }]);
}

#[test]
fn the_last_transfer_number_ends_the_session_after_its_transfer() {
    let mut node = Node::open();
    node.send(u64::MAX, 1, 1);
    assert_eq!(node.said(), [segment(START | END, u64::MAX, &[], &[7]), term(0, 5)].concat());
    node.hear(&[ack(START | END, u64::MAX, 1), term(1, 5)].concat());
    assert!(node.events().contains(&Event::Sent(u64::MAX)));
}
