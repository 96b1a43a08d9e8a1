//! Contact headers and `SESS_INIT`.

use std::time::Duration;

use bytes::BytesMut;
use convergence_layer::Event;
use tcpcl::Options;
use tcpcl::extension::Item;
use tcpcl::message::{END, Message, START, SessInit};
use tcpcl::negotiation::Role;

use crate::node::{CONTACT, Node, ack, init, octets, refuse, reject, segment, term};

#[test]
fn the_active_side_speaks_first_and_the_passive_side_answers() {
    let mut active = Node::with(Role::Active, Options::new("dtn://us/"));
    assert_eq!(active.said(), CONTACT);
    let mut passive = Node::with(Role::Passive, Options::new("dtn://us/"));
    assert_eq!(passive.said(), b"");
    passive.hear(CONTACT);
    assert_eq!(passive.said(), CONTACT);
    active.hear(CONTACT);
    let ours = active.said();
    assert_eq!(ours[0], 7);
    passive.hear(&ours);
    assert_eq!(passive.said(), ours);
    assert!(passive.session.is_established() && !active.session.is_established());
}

#[test]
fn a_wrong_magic_is_answered_with_nothing_at_all() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(b"GET / HTTP/1.1");
    assert!(node.closed().contains("does not speak TCPCL"));
    assert_eq!(node.said(), b"");
}

#[test]
fn another_version_is_told_so_by_the_passive_side_only() {
    let mut passive = Node::with(Role::Passive, Options::new("dtn://us/"));
    passive.hear(b"dtn!\x03\x00\x00\x1e");
    assert_eq!(passive.said(), [CONTACT, &term(0, 2)].concat());
    assert!(passive.closed().contains("version 3"));
    let mut active = Node::with(Role::Active, Options::new("dtn://us/"));
    active.hear(b"dtn!\x03\x00");
    assert_eq!(active.said(), CONTACT);
    assert!(active.closed().contains("version 3"));
}

#[test]
fn a_neighbor_that_can_use_tls_is_talked_to_without_it() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(b"dtn!\x04\xff");
    node.hear(&init(30, &[]));
    assert!(matches!(node.events()[..], [Event::Opened { .. }]));
}

#[test]
fn a_neighbor_that_demands_tls_ends_the_session_and_is_answered() {
    let mut node = Node::with(Role::Active, Options::new("dtn://us/"));
    node.hear(b"dtn!\x04\x01");
    node.said();
    node.hear(&term(0, 4));
    assert_eq!(node.said(), term(1, 4));
    assert_eq!(node.closed(), "ended by the neighbor: contact failure");
}

#[test]
fn a_critical_session_extension_is_a_contact_failure_and_another_one_is_ignored() {
    let mut item = BytesMut::new();
    Item { flags: 1, item_type: 0x9000, value: b"x" }.encode(&mut item);
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(30, &item)].concat());
    assert!(node.said().ends_with(&term(0, 4)));
    assert!(node.closed().contains("critical"));
    item[0] = 0;
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    node.hear(&[CONTACT, &init(30, &item)].concat());
    assert!(node.session.is_established());
}

#[test]
fn segments_that_would_be_mostly_heads_are_a_contact_failure() {
    let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
    let dribble = Message::Init(SessInit {
        keepalive_seconds: 1,
        segment_mru: 1,
        transfer_mru: 1,
        node_id: "",
        extensions: &[],
    });
    node.hear(&[CONTACT, &octets(&dribble)].concat());
    assert!(node.said().ends_with(&term(0, 4)));
    assert!(node.closed().contains("at most 1 octets"));
}

#[test]
fn messages_before_the_parameters_are_unexpected() {
    for message in
        [segment(START | END, 0, &[], b"x"), ack(1, 0, 1), octets(&Message::Keepalive), refuse(0, 0)]
    {
        let mut node = Node::with(Role::Passive, Options::new("dtn://us/"));
        node.hear(&[CONTACT, &message].concat());
        assert!(node.said().ends_with(&[reject(3, message[0]), term(0, 4)].concat()));
        assert!(node.session.is_over());
    }
}

#[test]
fn a_stranger_has_only_so_long_to_say_who_it_is() {
    let mut silent = Node::with(Role::Passive, Options::new("dtn://us/"));
    silent.hear(b"dtn!");
    silent.pass(Duration::from_millis(14_999));
    assert!(!silent.session.is_over());
    silent.pass(Duration::from_millis(1));
    assert!(silent.closed().contains("no contact header"));
    assert_eq!(silent.said(), b"");
    let mut half = Node::with(Role::Passive, Options::new("dtn://us/"));
    half.hear(CONTACT);
    // Each octet comes in time, and all of them together do not.
    for octet in &init(30, &[])[..29] {
        half.pass(Duration::from_millis(600));
        half.hear(&[*octet]);
    }
    assert!(half.said().ends_with(&term(0, 4)));
    assert!(half.closed().contains("no SESS_INIT"));
}
