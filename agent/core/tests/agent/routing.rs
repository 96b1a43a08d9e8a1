//! Who gets a bundle under the operator's policies, and what that costs neighbors that compare sets.

use agent_core::config::Carry;
use agent_core::request::{Answer, Request};
use agent_core::routing::{Forward, Policies, Policy};
use agent_core::store::Presence;
use bundle_format::BundleId;

use crate::support::{Node, Pair, config, eid, order};

/// Node a under one policy, which trusts and is trusted by b.
fn node(destination: &str, forward: Forward, via: &[&str]) -> Node {
    let mut settings = config("a");
    settings.policies = Policies::new(vec![Policy {
        destination: destination.parse().unwrap(),
        forward,
        via: via.iter().map(|node| eid(node)).collect(),
    }]);
    let mut node = Node::with(settings);
    for other in ["b", "c"] {
        node.trust(other);
    }
    node
}

fn with(mut a: Node, destination: &str) -> (Node, BundleId) {
    let id = a.transmit(order(destination), b"payload");
    (a, id)
}

#[test]
fn direct_is_to_the_destination_and_to_nobody_else() {
    let (a, id) = with(node("dtn://c/*", Forward::Direct, &[]), "dtn://c/inbox");
    let pair = Pair::meet(a, Node::trusting("b", &["a"]));
    assert!(!pair.b.has(&id) && pair.crossed == 0);
    let pair = Pair::meet(pair.a, Node::trusting("c", &["a"]));
    assert!(pair.b.has(&id));
}

#[test]
fn direct_to_a_group_is_to_its_members() {
    let news = "dtn://all/~news";
    let (a, id) = with(node(news, Forward::Direct, &[]), news);
    let pair = Pair::meet(a, Node::trusting("b", &["a"]));
    assert!(!pair.b.has(&id), "b carries everything, but is no member");
    let mut b = pair.b;
    b.ask(Request::Subscribe { group: eid(news) });
    let pair = Pair::meet(pair.a, b);
    assert!(pair.b.has(&id));
}

#[test]
fn via_is_to_the_named_neighbors_whatever_they_are() {
    let (a, id) = with(node("dtn://far/*", Forward::Via, &["dtn://b/"]), "dtn://far/inbox");
    let pair = Pair::meet(a, Node::trusting("c", &["a"]));
    assert!(!pair.b.has(&id) && pair.crossed == 0);
    let pair = Pair::meet(pair.a, Node::trusting("b", &["a"]));
    assert!(pair.b.has(&id));
    // One that trusts nobody here is foreign; it gets what is routed through it.
    let (a, _) = with(node("dtn://far/*", Forward::Via, &["dtn://d/"]), "dtn://far/inbox");
    assert_eq!(Pair::meet(a, Node::new("d")).crossed, 1);
}

#[test]
fn what_is_kept_from_a_neighbor_is_not_given_where_it_asks_and_holds_up_nothing() {
    let (mut a, kept) = with(node("dtn://far/*", Forward::Direct, &[]), "dtn://far/inbox");
    let given: Vec<BundleId> =
        (0..20_u8).map(|number| a.transmit(order("dtn://else/inbox"), &[number])).collect();
    let mut b = Node::trusting("b", &["a"]);
    b.trust("c");
    let own = b.transmit(order("dtn://else/inbox"), b"from b");
    let mut pair = Pair::meet(a, b);
    pair.wait_ms(61_000);
    pair.wait_ms(200_000);
    assert!(given.iter().all(|id| pair.b.has(id)) && pair.a.has(&own) && !pair.b.has(&kept));
    assert_eq!(pair.crossed, 21);
    // From elsewhere b gets it all the same.
    let mut other = Node::trusting("c", &["a", "b"]);
    let Some(Presence::Held(number)) = pair.a.store.read().unwrap().view().find(&kept).unwrap() else {
        panic!("a has it")
    };
    let bundle = pair.a.whole(number);
    other.import(bundle).unwrap();
    let pair = Pair::meet(other, pair.b);
    assert!(pair.b.has(&kept));
}

#[test]
fn a_leaf_that_asked_for_a_group_is_a_member_of_it() {
    let news = "dtn://all/~news";
    let (a, id) = with(node("*", Forward::Direct, &[]), news);
    let mut settings = config("b");
    settings.carry = Carry::Wanted;
    let mut b = Node::with(settings);
    b.trust("a");
    assert_eq!(b.ask(Request::Subscribe { group: eid(news) }), Answer::Done { changed: true });
    let mut pair = Pair::meet(a, b);
    assert!(pair.b.has(&id));
    let new = pair.a.transmit(order("dtn://all/~other"), b"not for b");
    pair.wait_ms(1);
    assert!(!pair.b.has(&new));
}
