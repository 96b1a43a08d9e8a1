//! Keepalives, timeouts and rejected messages.

use std::time::Duration;

use convergence_layer::Control;
use tcpcl::Options;
use tcpcl::message::{END, Message, START, SegmentHead};
use tcpcl::negotiation::Role;

use crate::node::{CONTACT, Node, init, octets, reject, segment, term};

#[test]
fn keepalives_are_sent_at_the_smaller_interval_and_silence_of_twice_that_ends_the_session() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(10, &[])].concat());
    node.events();
    node.said();
    node.pass(Duration::from_millis(9_999));
    assert_eq!(node.said(), b"");
    node.pass(Duration::from_millis(1));
    assert_eq!(node.said(), b"\x04");
    node.hear(b"\x04");
    node.pass(Duration::from_secs(19));
    assert!(!node.session.is_over());
    node.said();
    node.pass(Duration::from_secs(1));
    assert!(node.said().ends_with(&term(0, 1)));
    assert!(node.closed().contains("silent"));
}

#[test]
fn an_interval_of_zero_disables_keepalives() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(0, &[])].concat());
    node.said();
    node.pass(Duration::from_secs(599));
    assert_eq!(node.said(), b"");
    assert!(!node.session.is_over());
}

#[test]
fn keepalives_alone_do_not_keep_a_session_for_ever() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(1, &[])].concat());
    for _ in 0..599 {
        node.pass(Duration::from_secs(1));
        node.hear(b"\x04");
        assert!(!node.said().contains(&5));
    }
    node.events();
    node.pass(Duration::from_secs(1));
    assert!(node.said().ends_with(&term(0, 1)));
    node.hear(&term(1, 1));
    assert_eq!(node.closed(), "ended by us: idle timeout");
}

#[test]
fn time_in_which_we_do_not_read_does_not_count_against_the_neighbor() {
    let mut node = Node::open_with(Options { unanswered_max: 1, ..Options::new("dtn://us/") });
    node.hear(&segment(START | END, 1, &[], b"x"));
    node.pass(Duration::from_secs(5000));
    assert!(!node.session.is_over());
    node.decide(Control::Accept(1));
    node.pass(Duration::from_secs(59));
    assert!(!node.session.is_over());
    node.pass(Duration::from_secs(1));
    assert!(node.session.is_over());
}

#[test]
fn an_unknown_message_type_is_rejected_and_the_connection_closed() {
    for header in [0x00, 0x08, 0xf0] {
        let mut node = Node::open();
        node.hear(&[header, 1, 2, 3]);
        assert_eq!(node.said(), reject(1, header));
        assert!(node.closed().contains("unknown type"));
    }
}

#[test]
fn a_second_set_of_parameters_is_rejected_and_changes_nothing() {
    let mut node = Node::open();
    node.hear(&init(1, &[]));
    assert_eq!(node.said(), reject(3, 7));
    assert!(!node.session.is_over());
}

#[test]
fn endless_extension_items_end_the_session() {
    let mut node = Node::open();
    let head =
        octets(&Message::Segment(SegmentHead { flags: START, transfer: 1, extensions: &[], data_length: 0 }));
    node.hear(&[&head[..10], &[0xff; 4]].concat());
    assert_eq!(node.said(), [reject(2, 1), term(0, 5)].concat());
    assert!(node.session.is_over());
}

#[test]
fn a_rejected_segment_ends_the_session_and_a_rejected_keepalive_does_not() {
    let mut node = Node::open();
    node.hear(&reject(3, 4));
    assert_eq!(node.said(), b"");
    node.hear(&reject(3, 1));
    assert_eq!(node.said(), term(0, 0));
    assert!(!node.session.is_over());
}
