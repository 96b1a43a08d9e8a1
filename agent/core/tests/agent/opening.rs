//! What an agent says when a contact opens, and what it says no more: nothing is gone through, and no difference costs twice.

use agent_core::input::{Input, SendOutcome, TransferId};
use agent_core::output::Output;
use agent_core::request::{Answer, Request};
use bundle_format::{Bundle, BundleId, CheckedBundle, Limits, Profile};
use bytes::Bytes;

use crate::support::{CONTACT, Node, Pair, message_kind, order};

const SUMMARY: u8 = 3;
const WANT: u8 = 7;
const GONE: u8 = 13;

fn bundle(node: &Node, id: &BundleId) -> CheckedBundle {
    let txn = node.store.read().unwrap();
    let Some(agent_core::store::Presence::Held(number)) = txn.view().find(id).unwrap() else {
        panic!("it is held")
    };
    node.whole(number)
}

/// Two that trust each other, a third, and each other's bundles: more than lists are cheaper for.
fn alike() -> (Node, Node) {
    let mut a = Node::trusting("a", &["b", "c"]);
    for number in 0..50_u8 {
        a.transmit(order("dtn://all/~news"), &[number]);
    }
    let met = Pair::meet(a, Node::trusting("b", &["a", "c"]));
    (met.a, met.b)
}

/// Another's bundle that a node had and has removed.
fn removed(node: &mut Node) -> (BundleId, CheckedBundle) {
    let mut author = Node::new("c");
    let id = author.transmit(order("dtn://all/~news"), b"of no more use");
    let bundle = bundle(&author, &id);
    node.import(bundle.clone()).unwrap();
    assert_eq!(node.ask(Request::Remove { id }), Answer::Done { changed: true });
    (id, bundle)
}

/// What one said after the Hellos, other than what goes with every contact.
fn exchanged(pair: &Pair) -> Vec<u8> {
    pair.said.iter().copied().filter(|kind| ![0, SUMMARY, 11].contains(kind)).collect()
}

#[test]
fn what_the_side_that_sends_cells_has_no_more_is_asked_for_once() {
    let (mut a, b) = alike();
    removed(&mut a);
    let met = Pair::meet(a, b);
    assert!(met.said.contains(&WANT) && met.said.contains(&GONE));
    let again = Pair::meet(met.a, met.b);
    assert_eq!(exchanged(&again), [] as [u8; 0]);
}

#[test]
fn what_the_side_that_decodes_has_no_more_is_told_once() {
    let (a, mut b) = alike();
    removed(&mut b);
    let met = Pair::meet(a, b);
    assert!(!met.said.contains(&WANT) && met.said.contains(&GONE));
    let again = Pair::meet(met.a, met.b);
    assert_eq!(exchanged(&again), [] as [u8; 0]);
}

#[test]
fn what_one_neighbor_has_no_more_comes_from_another_and_costs_nothing_then() {
    let (mut a, b) = alike();
    let (id, bundle) = removed(&mut a);
    let met = Pair::meet(a, b);
    let mut c = Node::trusting("c", &["a", "b"]);
    c.import(bundle).unwrap();
    let passed_on = Pair::meet(met.b, c);
    assert!(passed_on.a.has(&id));
    let again = Pair::meet(met.a, passed_on.a);
    assert_eq!(exchanged(&again), [] as [u8; 0]);
    assert_eq!((again.crossed, again.a.has(&id)), (0, false));
}

#[test]
fn what_is_gone_for_good_everywhere_is_no_difference_any_more() {
    let (mut a, b) = alike();
    removed(&mut a);
    let met = Pair::meet(a, b);
    let (mut a, mut b) = (met.a, met.b);
    for node in [&mut a, &mut b] {
        for _ in 0..32 {
            node.wait_ms(24 * 3_600_000);
        }
    }
    let again = Pair::meet(a, b);
    assert_eq!(exchanged(&again), [] as [u8; 0]);
}

/// What a step sent: bundles with their transfers, and kinds of messages.
fn sent(node: &Node, outputs: &[Output]) -> (Vec<TransferId>, Vec<u8>) {
    let (mut transfers, mut kinds) = (Vec::new(), Vec::new());
    for output in outputs {
        let Output::Send { transfer, parcel, .. } = output else { continue };
        let octets = node.octets_of(parcel);
        let bundle = Bundle::parse(octets, &Limits::default()).unwrap().check(&Profile::default());
        match message_kind(&bundle) {
            Some(kind) => kinds.push(kind),
            None => transfers.push(*transfer),
        }
    }
    (transfers, kinds)
}

#[test]
fn the_summary_is_said_in_the_step_that_proves_who_the_neighbor_is() {
    let mut a = Node::trusting("a", &["b"]);
    for number in 0..5_000_u32 {
        a.transmit(order("dtn://c/inbox"), &number.to_be_bytes());
    }
    let outputs = a.open(CONTACT, "b");
    assert!(sent(&a, &outputs).1.contains(&SUMMARY));
}

#[test]
fn more_than_can_wait_in_memory_goes_without_a_pause_to_the_only_node_that_wants_it() {
    let mut a = Node::trusting("a", &["b"]);
    for number in 0..9_000_u32 {
        a.transmit(order("dtn://b/inbox"), &number.to_be_bytes());
    }
    let pair = Pair::meet(a, Node::trusting("b", &["a"]));
    assert_eq!((pair.b.bundles(), pair.crossed), (9_000, 9_000));
}

#[test]
fn more_than_can_wait_in_memory_that_comes_during_a_contact_goes_in_it() {
    let mut a = Node::trusting("a", &["b"]);
    a.open(CONTACT, "b");
    let mut under_way = Vec::new();
    for number in 0..9_000_u32 {
        let request = Request::Transmit {
            order: order("dtn://all/~news"),
            payload: Bytes::copy_from_slice(&number.to_be_bytes()),
        };
        let (_, outputs) = a.ask_and_hear(request);
        under_way.extend(sent(&a, &outputs).0);
    }
    let mut taken = 0;
    while let Some(transfer) = under_way.pop() {
        taken += 1;
        let settled = Input::SendSettled { contact: CONTACT, transfer, outcome: SendOutcome::Sent };
        let mut outputs = a.step(settled);
        while a.agent.poll_timeout() == Some(a.now.node) {
            outputs.extend(a.step(Input::TimeoutReached));
        }
        under_way.extend(sent(&a, &outputs).0);
    }
    assert_eq!(taken, 9_000);
}
