//! The set that is reconciled, as its cells tell it: what is here, and what went before its time.

use agent_core::input::Input;
use agent_core::request::{Answer, Order, Request};
use agent_core::sketch::{CELLS_MAX, Prefix};
use bundle_format::BundleId;

use crate::support::{Node, order};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

fn cells_of(ids: &[BundleId]) -> Prefix {
    let mut prefix = Prefix::new(CELLS_MAX);
    for id in ids {
        prefix.insert(id);
    }
    prefix
}

/// Lets time pass until nothing is left to do.
fn settle(node: &mut Node, passed_ms: u64) {
    node.now.node = node.now.node.after_ms(passed_ms);
    node.step(Input::TimeoutReached);
    while node.agent.poll_timeout() == Some(node.now.node) {
        node.step(Input::TimeoutReached);
    }
}

fn sent(node: &mut Node, lifetime_ms: u64) -> BundleId {
    let order = Order { lifetime_ms, ..order("dtn://far/inbox") };
    node.transmit(order, b"x")
}

#[test]
fn what_is_stored_is_in_the_set_and_what_expires_is_not() {
    let mut node = Node::new("a");
    settle(&mut node, 0);
    let (short, long) = (sent(&mut node, HOUR_MS), sent(&mut node, 30 * DAY_MS));
    settle(&mut node, 0);
    assert_eq!(node.agent.prefix(), Some(&cells_of(&[short, long])));
    settle(&mut node, HOUR_MS + 1);
    assert_eq!(node.agent.prefix(), Some(&cells_of(&[long])));
}

#[test]
fn what_was_removed_stays_in_the_set_until_its_time_is_over() {
    let mut node = Node::new("a");
    let (removed, kept) = (sent(&mut node, 5 * DAY_MS), sent(&mut node, 30 * DAY_MS));
    assert_eq!(node.ask(Request::Remove { id: removed }), Answer::Done { changed: true });
    settle(&mut node, DAY_MS);
    assert_eq!(node.agent.prefix(), Some(&cells_of(&[removed, kept])));
    settle(&mut node, 4 * DAY_MS + HOUR_MS);
    assert_eq!(node.agent.prefix(), Some(&cells_of(&[kept])));
}

#[test]
fn after_a_restart_the_set_is_there_at_once() {
    let mut node = Node::new("a");
    let mut ids: Vec<BundleId> = (0..9_000).map(|_| sent(&mut node, 30 * DAY_MS)).collect();
    let removed: Vec<BundleId> = ids.iter().copied().step_by(10).collect();
    for id in &removed {
        node.ask(Request::Remove { id: *id });
    }
    settle(&mut node, 0);
    assert_eq!(node.agent.prefix(), Some(&cells_of(&ids)));

    node.restart([3; 32]);
    assert_eq!(node.agent.prefix(), Some(&cells_of(&ids)));
    ids.push(sent(&mut node, 30 * DAY_MS));
    node.ask(Request::Remove { id: ids[1] });
    ids.push(sent(&mut node, 30 * DAY_MS));
    settle(&mut node, 0);
    assert_eq!(node.agent.prefix(), Some(&cells_of(&ids)));
}
