//! What is owed to a neighbor: nothing that it was found to have, or took; and nothing is offered that its destination has had.

use agent_core::input::Input;
use agent_core::owing::Owed;
use agent_core::request::Request;
use bundle_format::{BundleId, CheckedBundle};

use crate::support::{CONTACT, Node, Pair, eid, order};

const DAY_MS: u64 = 24 * 3_600_000;

fn bundle(node: &Node, id: &BundleId) -> CheckedBundle {
    let txn = node.store.read().unwrap();
    let Some(agent_core::store::Presence::Held(number)) = txn.view().find(id).unwrap() else {
        panic!("held")
    };
    node.whole(number)
}

fn owed(node: &Node, to: &str, most: usize) -> Owed {
    let txn = node.store.read().unwrap();
    let record = txn.view().neighbor(&eid(to)).unwrap().expect("a neighbor");
    node.agent.config().owed(txn.view(), &record, (node.now.node, most)).unwrap()
}

fn bundles_owed(node: &Node, to: &str) -> u64 {
    owed(node, to, 100_000).bundles
}

/// Two that have so many in common and know nothing of it.
fn alike(count: usize) -> (Node, Node) {
    let mut a = Node::trusting("a", &["b"]);
    let mut b = Node::trusting("b", &["a"]);
    for _ in 0..count {
        let id = a.transmit(order("dtn://far/inbox"), b"for both");
        b.import(bundle(&a, &id)).unwrap();
    }
    (a, b)
}

#[test]
fn what_both_are_found_to_have_is_owed_by_neither() {
    let (a, b) = alike(50);
    let mut pair = Pair::meet(a, b);
    assert_eq!(pair.crossed, 0);
    assert_eq!((bundles_owed(&pair.a, "dtn://b/"), bundles_owed(&pair.b, "dtn://a/")), (0, 0));
    // The contact goes on for `a` only in its memory: nobody answers.
    pair.a.restart([9; 32]);
    pair.a.transmit(order("dtn://far/inbox"), b"new");
    pair.a.transmit(order("dtn://a/inbox"), b"for itself");
    assert_eq!(bundles_owed(&pair.a, "dtn://b/"), 1);
    assert_eq!(owed(&pair.a, "dtn://b/", 1), Owed { bundles: 1, may_be_more: true });
}

#[test]
fn a_difference_is_owed_until_it_has_crossed_on_both_sides() {
    let (mut a, mut b) = alike(50);
    for _ in 0..3 {
        a.transmit(order("dtn://far/inbox"), b"from a");
        b.transmit(order("dtn://far/inbox"), b"from b");
    }
    let mut pair = Pair::meet(a, b);
    assert_eq!(pair.crossed, 6);
    // Who sent cells learns only from a second exchange that there is no difference any more.
    pair.wait_ms(121_000);
    pair.wait_ms(1);
    assert_eq!((bundles_owed(&pair.a, "dtn://b/"), bundles_owed(&pair.b, "dtn://a/")), (0, 0));
    assert_eq!(pair.crossed, 6);
}

#[test]
fn what_was_delivered_is_not_offered() {
    let mut source = Node::trusting("s", &["c", "d"]);
    let taken = source.transmit(order("dtn://d/inbox"), b"taken");
    source.transmit(order("dtn://d/inbox"), b"waiting");
    let mut txn = source.store.write().unwrap();
    let Some(agent_core::store::Presence::Held(number)) = txn.view().find(&taken).unwrap() else {
        panic!("held")
    };
    txn.mark_delivered(number).unwrap();
    txn.commit().unwrap();
    let pair = Pair::meet(source, Node::trusting("c", &["s", "d"]));
    assert_eq!(pair.crossed, 1);
    assert!(!pair.b.has(&taken));
    assert_eq!(bundles_owed(&pair.a, "dtn://c/"), 0);
}

#[test]
fn nodes_that_are_silent_for_long_are_forgotten_unless_they_are_trusted() {
    let (a, b) = alike(1);
    let mut node = Pair::meet(a, b).a;
    let is_known =
        |node: &Node| node.store.read().unwrap().view().neighbor(&eid("dtn://b/")).unwrap().is_some();
    node.step(Input::ContactClosed { contact: CONTACT });
    node.wait_ms(91 * DAY_MS);
    assert!(is_known(&node), "it is trusted");
    node.ask(Request::TrustRemove { node: eid("dtn://b/") });
    node.wait_ms(DAY_MS);
    assert!(!is_known(&node));
}
