//! Transfers of ours.

use bytes::Bytes;
use convergence_layer::{Event, Outgoing, RefusalReason};
use tcpcl::Options;
use tcpcl::extension::transfer_length_list;
use tcpcl::message::{END, Message, START, SegmentHead};

use crate::node::{Node, ack, octets, refuse, reject, segment, term};

#[test]
fn a_bundle_is_cut_to_the_neighbors_segments_and_declares_its_length_once() {
    let mut node = Node::open();
    node.send(3, 2500, 2500);
    let list = transfer_length_list(2500);
    let expected = [
        segment(START, 3, &list, &[7; 1000]),
        segment(0, 3, &[], &[7; 1000]),
        segment(END, 3, &[], &[7; 500]),
        segment(START | END, 4, &[], &[7; 1000]),
        segment(START | END, 5, &[], b""),
    ];
    node.send(4, 1000, 1000);
    node.send(5, 0, 0);
    assert_eq!(node.said(), expected.concat());
    node.hear(&[ack(START, 3, 1000), ack(START | END, 4, 1000), ack(0, 3, 2000), ack(END, 3, 2500)].concat());
    assert_eq!(node.events(), [Event::Sent(4), Event::Sent(3)]);
}

#[test]
fn small_pieces_make_full_segments() {
    let mut node = Node::open();
    node.session.take(node.now, Outgoing::Begin { transfer: 1, length: 1500 });
    for _ in 0..15 {
        node.session.take(node.now, Outgoing::Octets(Bytes::from_static(&[1; 100])));
    }
    let list = transfer_length_list(1500);
    assert_eq!(node.said(), [segment(START, 1, &list, &[1; 1000]), segment(END, 1, &[], &[1; 500])].concat());
}

#[test]
fn the_end_of_a_transfer_counts_only_with_its_length() {
    let mut node = Node::open();
    node.send(1, 2000, 1999);
    node.hear(&ack(START, 1, 1000));
    assert_eq!(node.events(), []);
    node.hear(&ack(END, 1, 1000));
    assert!(node.closed().contains("half a transfer"));
}

#[test]
fn octets_that_were_not_sent_cannot_be_acknowledged() {
    let mut node = Node::open();
    node.send(1, 3000, 1500);
    node.said();
    node.hear(&ack(END, 1, 3000));
    assert_eq!(node.said(), [reject(3, 2), term(0, 0)].concat());
    assert!(node.closed().contains("not sent"));
}

#[test]
fn answers_to_transfers_that_never_were_are_rejected_and_late_ones_ignored() {
    let mut node = Node::open();
    node.hear(&[ack(END, 9, 3), refuse(0, 9)].concat());
    assert_eq!(node.said(), [reject(3, 2), reject(3, 3)].concat());
    node.send(9, 1, 1);
    node.said();
    node.hear(&[refuse(1, 9), refuse(1, 9), ack(END, 9, 1)].concat());
    assert_eq!(node.events(), [Event::Refused { transfer: 9, reason: RefusalReason::Completed }]);
    assert_eq!(node.said(), b"");
}

#[test]
fn nothing_more_of_a_refused_transfer_is_sent() {
    let mut node = Node::open();
    node.send(1, 10_000, 5000);
    let first = octets(&Message::Segment(SegmentHead {
        flags: START,
        transfer: 1,
        extensions: &transfer_length_list(10_000),
        data_length: 1000,
    }));
    // Only the beginning of the first segment is on the wire.
    node.session.written(node.now, 10);
    node.hear(&refuse(0xf7, 1));
    assert_eq!(node.said().len(), first.len() + 1000 - 10);
    assert_eq!(node.events(), [Event::Refused { transfer: 1, reason: RefusalReason::Unknown }]);
    node.session.take(node.now, Outgoing::Octets(Bytes::from(vec![7; 100])));
    node.send(2, 1, 1);
    assert_eq!(node.said(), segment(START | END, 2, &[], &[7]));
}

#[test]
fn only_so_many_bundles_wait_for_an_answer() {
    let mut node = Node::open_with(Options { unacknowledged_max: 2, ..Options::new("dtn://us/") });
    node.send(1, 1, 1);
    node.send(2, 1, 1);
    assert!(!node.session.takes_outgoing());
    node.hear(&ack(START | END, 1, 1));
    assert!(node.session.takes_outgoing());
}
