//! What two agents do when they meet.

use crate::support::{Node, Pair, Side, config, eid, key, order};
use agent_core::config::{Carry, ForeignNeighbor};
use agent_core::input::Input;
use agent_core::output::{NotTaken, Notice, Output, Standing};
use agent_core::request::{Answer, Conflict, Order, Report, Request};
use agent_core::routing::{Forward, Policies, Policy};
use bundle_format::{Bundle, Limits, Profile};
use bytes::Bytes;

fn friends() -> (Node, Node) {
    (Node::trusting("a", &["b"]), Node::trusting("b", &["a"]))
}

fn transmit(order: Order, payload: &'static [u8]) -> Request {
    Request::Transmit { order, payload: Bytes::from_static(payload) }
}

#[test]
fn what_one_has_the_other_gets() {
    let (mut a, mut b) = friends();
    let from_a = a.transmit(order("dtn://b/inbox"), b"for b");
    let from_b = b.transmit(order("dtn://c/inbox"), b"for somebody else");
    let pair = Pair::meet(a, b);
    assert!(pair.b.has(&from_a) && pair.a.has(&from_b));
    assert_eq!(pair.crossed, 2);
    let number = pair.b.queued("dtn://b/inbox").expect("delivered");
    assert_eq!(&pair.b.payload(number)[..], b"for b");
}

#[test]
fn many_more_bundles_than_fit_a_window_or_a_list_all_arrive_once() {
    let (mut a, b) = friends();
    for number in 0..5_000_u32 {
        a.transmit(order("dtn://c/inbox"), &number.to_be_bytes());
    }
    let pair = Pair::meet(a, b);
    assert_eq!((pair.b.bundles(), pair.crossed), (5_000, 5_000));
}

#[test]
fn what_both_have_crosses_no_more() {
    let (mut a, b) = friends();
    a.transmit(order("dtn://c/inbox"), b"once");
    let first = Pair::meet(a, b);
    let second = Pair::meet(first.a, first.b);
    assert_eq!(second.crossed, 0);
}

#[test]
fn what_is_new_during_a_contact_goes_at_once_and_not_back() {
    let (a, b) = friends();
    let mut pair = Pair::meet(a, b);
    pair.ask(Side::A, transmit(order("dtn://c/inbox"), b"news"));
    assert_eq!((pair.crossed, pair.b.bundles()), (1, 1));
}

#[test]
fn a_hello_that_somebody_passes_on_authenticates_nobody() {
    // Who sits between a and b has ended the encryption towards both, under a name of its own.
    let (mut a, b) = friends();
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    let pair = Pair::meet_as(a, b, [eid("dtn://middle/"), eid("dtn://middle/")]);
    let standings = pair.told.iter().filter_map(|(_, notice)| match notice {
        Notice::NeighborKnown { standing, .. } => Some(*standing),
        _ => None,
    });
    assert_eq!(standings.collect::<Vec<_>>(), [Standing::Foreign, Standing::Foreign]);
    assert!(!pair.b.has(&id));
}

#[test]
fn strangers_get_only_what_is_addressed_to_them() {
    let (mut a, b) = (Node::new("a"), Node::new("b"));
    let theirs = a.transmit(order("dtn://b/inbox"), b"for b");
    let other = a.transmit(order("dtn://c/inbox"), b"for c");
    let pair = Pair::meet(a, b);
    assert!(
        pair.told
            .iter()
            .any(|(_, notice)| matches!(notice, Notice::NeighborKnown { standing: Standing::Foreign, .. }))
    );
    assert_eq!(pair.crossed, 1, "b refuses it, for it does not trust a, but it was offered");
    assert!(!pair.b.has(&theirs) && !pair.b.has(&other));
}

#[test]
fn a_foreign_neighbor_gets_what_configuration_names_for_it() {
    let mut settings = config("a");
    settings.foreign = vec![ForeignNeighbor { node: eid("dtn://b/"), groups: vec![eid("dtn://all/~news")] }];
    settings.policies = Policies::new(vec![Policy {
        destination: "dtn://behind/*".parse().unwrap(),
        forward: Forward::Replicate,
        via: vec![eid("dtn://b/")],
    }]);
    let mut a = Node::with(settings);
    for destination in ["dtn://all/~news", "dtn://all/~other", "dtn://behind/inbox", "dtn://elsewhere/inbox"]
    {
        a.transmit(order(destination), destination.as_bytes());
    }
    assert_eq!(Pair::meet(a, Node::new("b")).crossed, 2);
}

#[test]
fn trust_that_comes_during_a_contact_takes_effect_in_it() {
    let (mut a, b) = (Node::new("a"), Node::trusting("b", &["a"]));
    let id = a.transmit(order("dtn://c/inbox"), b"for c");
    let mut pair = Pair::meet(a, b);
    assert!(!pair.b.has(&id));
    pair.ask(
        Side::A,
        Request::TrustAdd { node: eid("dtn://b/"), key: key("b").public(), conflict: Conflict::Refuse },
    );
    assert!(pair.b.has(&id));
}

#[test]
fn a_node_that_carries_nothing_for_others_gets_what_it_wants_only() {
    let mut settings = config("b");
    settings.carry = Carry::Wanted;
    let mut b = Node::with(settings);
    b.trust("a");
    assert_eq!(b.ask(Request::Subscribe { group: eid("dtn://all/~news") }), Answer::Done { changed: true });
    let mut a = Node::trusting("a", &["b"]);
    for destination in ["dtn://all/~news", "dtn://all/~other", "dtn://b/inbox", "dtn://c/inbox"] {
        a.transmit(order(destination), destination.as_bytes());
    }
    let pair = Pair::meet(a, b);
    assert_eq!((pair.crossed, pair.b.bundles()), (2, 2));
    assert!(pair.b.queued("dtn://all/~news").is_some() && pair.b.queued("dtn://b/inbox").is_some());
}

#[test]
fn another_machine_with_our_name_is_noticed_and_sent_away() {
    let mut impostor = config("a");
    impostor.key = key("somebody else");
    let pair = Pair::meet(Node::new("a"), Node::with(impostor));
    assert!(pair.told.iter().any(|(_, notice)| matches!(notice, Notice::NameTaken { .. })));
    assert!(pair.closed);
}

#[test]
fn a_report_of_delivery_comes_back_to_the_sender() {
    let (a, b) = friends();
    let mut pair = Pair::meet(a, b);
    pair.ask(
        Side::A,
        transmit(Order { report: Report::Delivery, ..order("dtn://b/inbox") }, b"did it arrive?"),
    );
    assert!(pair.told.iter().any(|(side, notice)| *side == Side::A
        && matches!(notice, Notice::Delivered { by, .. } if *by == eid("dtn://b/"))));
}

#[test]
fn a_taken_bundle_is_told_with_who_took_it() {
    let (a, b) = friends();
    let mut pair = Pair::meet(a, b);
    pair.ask(Side::A, transmit(order("dtn://c/inbox"), b"carry me"));
    assert!(pair.told.iter().any(|(side, notice)| *side == Side::A
        && matches!(notice, Notice::Carried { neighbor: Some(node), .. } if *node == eid("dtn://b/"))));
}

#[test]
fn a_neighbor_without_room_is_left_alone_and_tried_again() {
    let mut small = config("b");
    small.quota_octets = 500;
    let mut b = Node::with(small);
    b.trust("a");
    b.transmit(order("dtn://b/inbox"), &[0; 200]);
    let mut a = Node::trusting("a", &["b"]);
    a.transmit(order("dtn://c/inbox"), b"too much for b");
    let mut pair = Pair::meet(a, b);
    assert_eq!(pair.crossed, 1);
    let again = Some(pair.a.now.node.after_ms(60_000));
    let told = pair.told.iter().find_map(|(_, notice)| match notice {
        Notice::NotTaken { neighbor, why, again, .. } => Some((neighbor.clone(), *why, *again)),
        _ => None,
    });
    assert_eq!(told, Some((Some(eid("dtn://b/")), NotTaken::NoRoom, again)));
    pair.wait_ms(59_000);
    assert_eq!(pair.crossed, 1);
    pair.wait_ms(2_000);
    assert_eq!(pair.crossed, 2);
}

#[test]
fn a_recorded_hello_of_somebody_else_does_not_change_who_the_neighbor_is() {
    let (a, b) = (Node::trusting("a", &["b", "c"]), Node::trusting("b", &["a"]));
    let recorded = Node::new("c").hello();
    let mut pair = Pair::meet(a, b);
    let hello = pair.arrival(99, recorded);
    pair.a.step(hello);
    pair.ask(Side::A, transmit(order("dtn://d/inbox"), b"for d"));
    assert!(pair.told.iter().any(|(side, notice)| *side == Side::A
        && matches!(notice, Notice::Carried { neighbor: Some(node), .. } if *node == eid("dtn://b/"))));
}

/// What a node makes of a contact message that takes it for a bundle like others.
fn passed_on(message: Bytes) -> Bytes {
    let bundle = Bundle::parse(message, &Limits::default()).unwrap();
    let head = bundle.head().forwarded(&eid("dtn://c/"), None).unwrap();
    let bundle = bundle.check(&Profile::default());
    [head.bytes(), bundle.payload().unwrap(), bundle.tail()].map(|part| part.to_vec()).concat().into()
}

#[test]
fn a_message_of_ours_that_a_neighbor_passes_on_as_a_bundle_does_not_end_the_contact() {
    let mut a = Node::new("a");
    let hello = a.hello();
    let mut pair = Pair::meet(a, Node::new("b"));
    let own = pair.arrival(99, passed_on(hello.clone()));
    let outputs = pair.a.step(own);
    assert!(matches!(outputs[..], [Output::Accept { transfer: 99, .. }]), "{outputs:?}");
    // As it was said it would be us at the other end.
    let own = pair.arrival(100, hello);
    assert!(pair.a.step(own).iter().any(|output| matches!(output, Output::CloseContact { .. })));
}

#[test]
fn a_hello_that_a_neighbor_passes_on_as_a_bundle_is_not_its_own() {
    let mut pair = Pair::meet(Node::trusting("a", &["d"]), Node::new("b"));
    let hello = pair.arrival(99, passed_on(Node::new("d").hello()));
    let outputs = pair.a.step(hello);
    assert!(matches!(outputs[..], [Output::Accept { transfer: 99, .. }]), "it is answered: {outputs:?}");
}

#[test]
fn a_bundle_that_was_damaged_here_comes_again_from_whoever_knows_that_it_was_here() {
    let (mut a, b) = friends();
    let id = a.transmit(order("dtn://b/inbox"), b"fragile");
    let mut pair = Pair::meet(a, b);
    let number = pair.b.queued("dtn://b/inbox").expect("delivered");
    pair.b.step(Input::RecordDamaged { number });
    assert!(!pair.b.has(&id));
    assert!(Pair::meet(pair.a, pair.b).b.has(&id));
}
