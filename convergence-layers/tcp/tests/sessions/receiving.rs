//! Transfers of the neighbor.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use convergence_layer::{Control, Event, RefusalReason};
use tcpcl::Options;
use tcpcl::extension::{Item, transfer_length_list};
use tcpcl::message::{END, Message, START, SegmentHead};
use tcpcl::session::{EVENTS_MAX, OUTBOX_MAX};

use crate::node::{Node, ack, octets, refuse, reject, segment, term};

#[test]
fn segments_are_acknowledged_at_once_and_the_last_one_when_the_bundle_is_accepted() {
    let mut node = Node::open();
    node.hear(&segment(START, 5, &transfer_length_list(5), b"abc"));
    assert_eq!(node.said(), ack(START, 5, 3));
    // Flags that we do not know are repeated.
    node.hear(&segment(END | 0x80, 5, &[], b"de"));
    assert_eq!(node.said(), b"");
    let events = [
        Event::Receiving { transfer: 5, length: Some(5) },
        Event::Octets(Bytes::from_static(b"abc")),
        Event::Octets(Bytes::from_static(b"de")),
        Event::Received,
    ];
    assert_eq!(node.events(), events);
    node.decide(Control::Accept(5));
    assert_eq!(node.said(), ack(END | 0x80, 5, 5));
    node.decide(Control::Accept(5));
    assert_eq!(node.said(), b"");
}

#[test]
fn refusals_wait_for_the_answers_to_earlier_transfers() {
    let mut node = Node::open();
    for transfer in 1..=3 {
        node.hear(&segment(START | END, transfer, &[], b"x"));
    }
    node.decide(Control::Refuse(2, RefusalReason::Completed));
    node.decide(Control::Accept(3));
    assert_eq!(node.said(), ack(START | END, 3, 1));
    node.decide(Control::Accept(1));
    assert_eq!(node.said(), [ack(START | END, 1, 1), refuse(1, 2)].concat());
}

#[test]
fn segments_that_cross_a_refusal_are_refused_too() {
    let mut node = Node::open();
    let first = segment(START, 1, &[], b"abcdef");
    node.hear(&first[..first.len() - 3]);
    node.decide(Control::Refuse(1, RefusalReason::NoResources));
    assert_eq!(node.said(), refuse(2, 1));
    node.hear(&first[first.len() - 3..]);
    assert_eq!(node.said(), b"");
    node.hear(&segment(0, 1, &[], b"more"));
    assert_eq!(node.said(), refuse(2, 1));
    node.hear(&segment(START | END, 2, &[], b"next"));
    node.decide(Control::Accept(2));
    assert_eq!(node.said(), ack(START | END, 2, 4));
    assert_eq!(node.events().iter().filter(|event| **event == Event::Received).count(), 1);
}

#[test]
fn an_unknown_critical_transfer_extension_is_an_extension_failure() {
    let mut node = Node::open();
    let mut item = BytesMut::new();
    Item { flags: 1, item_type: 0x9000, value: b"x" }.encode(&mut item);
    node.hear(&segment(START, 1, &item, b"x"));
    assert_eq!(node.said(), refuse(5, 1));
    node.hear(&segment(END, 1, &[], b"y"));
    assert_eq!(node.said(), refuse(5, 1));
    // A list that disagrees with its length.
    node.hear(&segment(START | END, 2, &item[..4], b"x"));
    assert_eq!(node.said(), refuse(5, 2));
    assert_eq!(node.events(), []);
}

#[test]
fn a_transfer_of_another_length_than_declared_is_not_acceptable() {
    let mut node = Node::open();
    node.hear(&segment(START, 1, &transfer_length_list(10), b"abc"));
    node.hear(&segment(END, 1, &[], b"de"));
    assert_eq!(node.said(), [ack(START, 1, 3), refuse(4, 1)].concat());
    assert_eq!(node.events().last(), Some(&Event::Broken));
    node.hear(&segment(START, 2, &transfer_length_list(4), b"abc"));
    node.hear(&segment(0, 2, &[], b"de"));
    assert_eq!(node.said(), [ack(START, 2, 3), refuse(4, 2)].concat());
    assert_eq!(node.events().last(), Some(&Event::Broken));
    node.hear(&segment(START | END, 3, &transfer_length_list(4), b"abc"));
    assert_eq!(node.said(), refuse(4, 3));
}

#[test]
fn a_transfer_above_our_limit_is_refused_before_it_and_within_it() {
    let mut node = Node::open_with(Options { transfer_mru: 10, ..Options::new("dtn://us/") });
    node.hear(&segment(START, 1, &transfer_length_list(11), b"abc"));
    assert_eq!((node.said(), node.events()), (refuse(4, 1), vec![]));
    node.hear(&segment(START, 2, &[], b"abcdef"));
    node.hear(&segment(0, 2, &[], b"ghijk"));
    assert_eq!(node.said(), [ack(START, 2, 6), refuse(4, 2)].concat());
    assert_eq!(node.events().last(), Some(&Event::Broken));
}

#[test]
fn a_segment_above_our_limit_ends_the_session_whatever_its_length() {
    for length in [64 * 1024 + 1, 1 << 63, u64::MAX] {
        let mut node = Node::open();
        let head = SegmentHead { flags: START, transfer: 1, extensions: &[], data_length: length };
        node.hear(&octets(&Message::Segment(head)));
        assert_eq!(node.said(), [reject(2, 1), term(0, 5)].concat());
        assert!(node.closed().contains("segment MRU"));
    }
}

#[test]
fn a_segment_of_no_transfer_is_rejected_and_skipped() {
    let mut node = Node::open();
    node.hear(&segment(0, 1, &[], b"lost"));
    node.hear(&segment(START | END, 2, &[], b"fine"));
    assert_eq!(node.said(), reject(3, 1));
    assert_eq!(node.events().last(), Some(&Event::Received));
}

#[test]
fn transfers_that_are_mixed_up_end_the_session() {
    let second = [
        segment(START, 2, &[], b"x"),
        segment(START, 1, &[], b"x"),
        segment(0, 2, &[], b"x"),
        segment(END, 2, &[], b"x"),
    ];
    for second in second {
        let mut node = Node::open();
        node.hear(&segment(START, 1, &[], b"x"));
        node.hear(&second);
        assert!(node.said().ends_with(&[reject(3, 1), term(0, 0)].concat()));
        let events = node.events();
        assert!(matches!(events[events.len() - 2..], [Event::Broken, Event::Closed { .. }]), "{events:?}");
    }
    let mut node = Node::open();
    node.hear(&segment(START | END, 1, &[], b"x"));
    node.hear(&segment(START | END, 1, &[], b"x"));
    assert!(node.closed().contains("twice"));
}

#[test]
fn a_neighbor_waits_when_too_many_of_its_transfers_are_unanswered() {
    let mut node = Node::open_with(Options { unanswered_max: 2, ..Options::new("dtn://us/") });
    for transfer in 1..=3 {
        node.hear(&segment(START | END, transfer, &[], b"x"));
    }
    assert!(!node.session.takes_octets());
    assert_eq!(node.events().len(), 6);
    node.decide(Control::Accept(1));
    node.hear(b"");
    assert_eq!(node.events().len(), 3);
}

#[test]
fn events_that_nobody_takes_stop_the_neighbor() {
    let mut node = Node::open();
    for transfer in 0..1000 {
        node.hear(&segment(START | END, transfer, &[], b"x"));
    }
    assert!(!node.session.takes_octets());
    assert!(node.events().len() <= EVENTS_MAX + 2);
}

#[test]
fn a_neighbor_that_never_reads_costs_bounded_memory() {
    let mut node = Node::open();
    node.send(1, 1 << 30, 1 << 20);
    for _ in 0..100_000 {
        // Each of them makes an answer.
        node.hear(&segment(0, 99, &[], b""));
        if !node.session.takes_octets() {
            break;
        }
    }
    assert!(!node.session.takes_octets() && !node.session.takes_outgoing());
    assert!(node.session.waiting() < OUTBOX_MAX + 100);
    // It ends by itself, because nothing moves.
    node.pass(Duration::from_secs(599));
    assert!(!node.session.is_over());
    node.pass(Duration::from_secs(16));
    assert!(node.closed().contains("did not end in time"));
}
