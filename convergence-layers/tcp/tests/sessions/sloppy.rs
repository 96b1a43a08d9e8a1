//! Neighbors that do not keep to RFC 9174, where it leaves a way to go on: the session does, and says what was wrong.

use bytes::BytesMut;
use convergence_layer::{Control, Event};
use tcpcl::Options;
use tcpcl::extension::{CRITICAL, Item, transfer_length_list};
use tcpcl::message::{END, KEEPALIVE, Message, SESS_INIT, START, SessInit, XFER_ACK};
use tcpcl::negotiation::Role;

use crate::node::{CONTACT, Node, ack, init, octets, refuse, reject, segment};

/// What the neighbor is said to have done wrong after it said this, the session being whole still.
fn fault_of(node: &mut Node, octets: &[u8]) -> Option<&'static str> {
    node.hear(octets);
    assert!(node.session.is_established(), "the session ended");
    node.session.poll_fault()
}

/// A session with a neighbor that opens it with this.
fn opened_by(contact: &[u8], init: &[u8]) -> Node {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(contact);
    node.hear(init);
    assert!(matches!(node.events()[..], [Event::Opened { .. }]), "no session");
    node
}

fn item(flags: u8, item_type: u16, value: &[u8]) -> Vec<u8> {
    let mut octets = BytesMut::new();
    Item { flags, item_type, value }.encode(&mut octets);
    octets.to_vec()
}

#[test]
fn a_last_acknowledgement_without_the_end_flag_is_one_all_the_same() {
    for (length, flags) in [(10, START), (10, 0), (2500, 0), (0, 0)] {
        let mut node = Node::open();
        node.send(1, length, usize::try_from(length).unwrap());
        node.said();
        let fault = fault_of(&mut node, &ack(flags, 1, length));
        assert_eq!(node.events(), [Event::Sent(1)], "{length} {flags}");
        assert!(fault.unwrap().contains("without the END flag"));
        // Whoever says it twice, as it should be the second time, does no harm.
        assert_eq!(fault_of(&mut node, &ack(END, 1, length)), None);
        assert_eq!((node.events(), node.said()), (vec![], vec![]));
    }
}

#[test]
fn flags_that_are_too_many_are_no_matter() {
    let mut node = Node::open();
    node.send(1, 10, 10);
    node.said();
    assert_eq!(fault_of(&mut node, &ack(0xff, 1, 10)), None);
    assert_eq!(node.events(), [Event::Sent(1)]);
    assert_eq!(fault_of(&mut node, &segment(0xfc | START | END, 1, &[], b"x")), None);
    node.decide(Control::Accept(1));
    assert_eq!(node.said(), ack(0xff, 1, 1));
}

#[test]
fn keepalive_zero_reserved_flags_and_optional_items_open_a_session() {
    let items = [item(0, 0x8001, b"theirs"), item(0xfe, 7, b"")].concat();
    for (contact, init) in [
        (CONTACT, init(0, &[])),
        (b"dtn!\x04\xfe", init(10, &[])),
        (CONTACT, init(10, &items)),
        (CONTACT, init(u16::MAX, &[])),
    ] {
        let mut node = opened_by(contact, &init);
        assert_eq!(node.session.poll_fault(), None);
    }
}

#[test]
fn a_neighbor_without_a_name_is_taken_and_named() {
    let nameless = octets(&Message::Init(SessInit {
        keepalive_seconds: 0,
        segment_mru: 1000,
        transfer_mru: 1000,
        node_id: "",
        extensions: &[],
    }));
    let mut node = opened_by(CONTACT, &nameless);
    assert_eq!(node.session.poll_fault(), Some("it did not say its node ID"));
}

#[test]
fn what_belongs_to_nothing_is_rejected_and_named() {
    for (said, message, fault) in [
        (init(5, &[]), SESS_INIT, "a second SESS_INIT"),
        (segment(END, 9, &[], b"tail"), 1, "a segment of no transfer"),
        (ack(END, 9, 4), XFER_ACK, "answered a transfer that never was"),
        (refuse(0, 9), 3, "answered a transfer that never was"),
    ] {
        let mut node = Node::open();
        assert!(fault_of(&mut node, &said).unwrap().contains(fault), "{fault}");
        assert_eq!(node.said(), reject(3, message), "{fault}");
        // It still does what a session does.
        assert_eq!(fault_of(&mut node, &segment(START | END, 1, &[], b"x")), None);
        assert!(matches!(node.events()[..], [Event::Receiving { .. }, Event::Octets(_), Event::Received]));
    }
}

#[test]
fn answers_that_a_neighbor_cannot_read_do_not_end_the_session() {
    for message in [XFER_ACK, KEEPALIVE] {
        let mut node = Node::open();
        assert!(fault_of(&mut node, &reject(1, message)).unwrap().contains("rejected"));
        assert_eq!(node.said(), b"");
    }
}

#[test]
fn a_transfer_that_contradicts_itself_is_refused_and_named() {
    for (extensions, fault) in [
        (transfer_length_list(9).to_vec(), "another length than it declared"),
        (item(CRITICAL, 0x8001, b""), "critical extension item"),
        (item(0, 1, b"short"), "wrong Transfer Length"),
        (vec![0, 0], "disagree with their length"),
    ] {
        let mut node = Node::open();
        assert!(fault_of(&mut node, &segment(START | END, 1, &extensions, b"data")).unwrap().contains(fault));
        let refused = matches!(node.said()[..], [3, ..]);
        assert!(refused, "{fault}");
        assert!(!node.events().contains(&Event::Received), "{fault}");
    }
}
