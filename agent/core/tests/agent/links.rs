//! Links that are slow, or never learn what became of a bundle.

use agent_core::input::{ContactId, Input, SendOutcome, TransferId};
use agent_core::output::{Lane, Notice, Output};
use bundle_format::Priority;

use crate::support::{Node, eid, order};

/// Longer than any neighbor may take to say who it is on a fast link.
const SILENCE_MS: u64 = 10_001;

fn link_opens(node: &mut Node, contact: ContactId, octets_per_second: Option<u64>) {
    node.step(Input::ContactOpened {
        contact,
        link: "test".into(),
        declared: Some(eid("dtn://b/")),
        transfer_mru: u64::MAX,
        octets_per_second,
    });
}

/// What a silent neighbor is sent once it counts as foreign: without the messages that every contact begins with.
fn sent(outputs: &[Output]) -> Vec<(TransferId, Lane, u64)> {
    let bundles = outputs.iter().filter_map(|output| match output {
        Output::Send { transfer, parcel, .. } => Some((*transfer, parcel.lane, parcel.octets())),
        _ => None,
    });
    bundles.collect()
}

fn urgent_order() -> agent_core::request::Order {
    let mut order = order("dtn://b/inbox");
    order.metadata.priority = Priority::Urgent;
    order
}

#[test]
fn what_left_for_nobody_knows_where_is_sent_once_a_contact_and_counts_as_nowhere() {
    let mut node = Node::new("a");
    node.transmit(order("dtn://b/inbox"), b"hello");
    for contact in [1, 2] {
        link_opens(&mut node, contact, None);
        let sent = sent(&node.wait_ms(SILENCE_MS));
        let [(transfer, ..)] = sent[..] else { panic!("{sent:?}") };
        let settled = Input::SendSettled { contact, transfer, outcome: SendOutcome::Left };
        let outputs = node.step(settled);
        assert!(!outputs.iter().any(|output| matches!(output, Output::Tell(Notice::Carried { .. }))));
        assert!(node.wait_ms(3_600_000).iter().all(|output| !matches!(output, Output::Send { .. })));
        node.step(Input::ContactClosed { contact });
    }
    assert_eq!(node.bundles(), 1);
}

#[test]
fn a_slow_link_is_given_what_it_carries_in_a_minute_and_urgent_bundles_past_that() {
    let mut node = Node::new("a");
    for _ in 0..100 {
        node.transmit(order("dtn://b/inbox"), &[7; 4_000]);
    }
    link_opens(&mut node, 1, Some(960));
    let under_way = sent(&node.wait_ms(SILENCE_MS + 10_000));
    let octets: u64 = under_way.iter().map(|(.., octets)| octets).sum();
    assert!((57_600..62_000).contains(&octets), "{octets} octets");
    assert!(under_way.iter().all(|(_, lane, _)| *lane == Lane::Ordinary));

    let mut passed = Vec::new();
    for _ in 0..20 {
        let request =
            agent_core::request::Request::Transmit { order: urgent_order(), payload: (&b"help"[..]).into() };
        passed.extend(sent(&node.ask_and_hear(request).1));
    }
    assert_eq!(passed.len(), 8);
    assert!(passed.iter().all(|(_, lane, _)| *lane == Lane::Express));
}

#[test]
fn a_slow_link_has_more_time_to_say_who_is_there() {
    let mut node = Node::new("a");
    node.transmit(order("dtn://b/inbox"), b"hello");
    link_opens(&mut node, 1, Some(30));
    assert!(sent(&node.wait_ms(SILENCE_MS)).is_empty());
    assert_eq!(sent(&node.wait_ms(70_000)).len(), 1);
}
