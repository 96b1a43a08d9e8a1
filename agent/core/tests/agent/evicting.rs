//! What goes when room is needed, and what never does.

use agent_core::config::Stance;
use agent_core::refusal::{QuotaOf, Refusal};
use agent_core::request::{CustodyTransfer, Order};
use bundle_format::{
    BundleFlags, BundleId, CheckedBundle, CreationTimestamp, DtnTime, Metadata, NewBundle, Priority, Profile,
};
use bytes::Bytes;

use crate::support::{Node, config, eid, key, order};

/// Room for four bundles of a kilobyte and what is around it.
const QUOTA: u64 = 5_400;

fn node() -> Node {
    let mut settings = config("n");
    settings.quota_octets = QUOTA;
    let mut node = Node::with(settings);
    node.trust("a");
    node.trust("b");
    node
}

/// A kilobyte from a node, without custody.
fn bundle((source, sequence): (&str, u64), destination: &str, priority: Priority) -> CheckedBundle {
    NewBundle {
        destination: eid(destination),
        source: eid(&format!("dtn://{source}/")),
        report_to: bundle_format::Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence },
        lifetime_ms: 86_400_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: None,
        metadata: Some(Metadata { priority, ..Metadata::default() }),
    }
    .sign(&Profile::default(), &key(source), Bytes::from(vec![7; 1_000]))
    .unwrap()
}

fn assert_sound(node: &Node) {
    let findings = node.store.read().unwrap().view().check(&mut |_| {}).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

fn taken(node: &mut Node, sequence: u64, priority: Priority) -> BundleId {
    node.import(bundle(("a", sequence), "dtn://far/x", priority)).unwrap()
}

#[test]
fn the_least_urgent_goes_first_and_of_those_the_oldest() {
    let mut node = node();
    let normal = taken(&mut node, 1, Priority::Normal);
    let bulk: Vec<BundleId> = (2..4).map(|sequence| taken(&mut node, sequence, Priority::Bulk)).collect();
    let urgent: Vec<BundleId> = (4..7).map(|sequence| taken(&mut node, sequence, Priority::Urgent)).collect();
    assert!(bulk.iter().all(|id| !node.has(id)));
    assert!(node.has(&normal) && urgent.iter().all(|id| node.has(id)));
    // Of the same worth the oldest goes.
    let more = taken(&mut node, 7, Priority::Normal);
    assert!(!node.has(&normal) && node.has(&more));
    // What is worth less than all that is here stays outside.
    let refused = node.import(bundle(("a", 8), "dtn://far/x", Priority::Bulk));
    assert_eq!(refused, Err(Refusal::Quota { whose: QuotaOf::Node, quota_octets: QUOTA }));
}

#[test]
fn what_was_evicted_does_not_come_back() {
    let mut node = node();
    taken(&mut node, 1, Priority::Bulk);
    for sequence in 2..6 {
        taken(&mut node, sequence, Priority::Normal);
    }
    let back = node.import(bundle(("a", 1), "dtn://far/x", Priority::Bulk));
    assert_eq!(back, Err(Refusal::Gone));
    assert_sound(&node);
}

#[test]
fn what_this_node_answers_for_and_what_waits_for_an_application_stays() {
    let mut node = node();
    let own = |custody| Order { custody, ..order("dtn://far/inbox") };
    let promised = node.transmit(own(CustodyTransfer::Wanted), &[1; 1_000]);
    let free = node.transmit(own(CustodyTransfer::NotWanted), &[2; 1_000]);
    let waiting = node.import(bundle(("a", 1), "dtn://n/inbox", Priority::Bulk)).unwrap();
    let urgent: Vec<BundleId> = (2..6).map(|sequence| taken(&mut node, sequence, Priority::Urgent)).collect();
    assert!(node.has(&promised) && node.has(&waiting) && !node.has(&free));
    assert_eq!(urgent.iter().filter(|id| node.has(id)).count(), 2);
    assert_sound(&node);
}

/// Its custodian is told that it was delivered once it is gone.
#[test]
fn what_is_for_this_node_stays_though_it_may_not_be_delivered_yet() {
    let mut settings = config("n");
    (settings.quota_octets, settings.strangers) = (QUOTA, Stance::Carry);
    let mut node = Node::with(settings);
    node.trust("a");
    let for_us = node.import(bundle(("stranger", 1), "dtn://n/inbox", Priority::Bulk)).unwrap();
    assert!(node.queued("dtn://n/inbox").is_none());
    for sequence in 2..8 {
        taken(&mut node, sequence, Priority::Urgent);
    }
    assert!(node.has(&for_us));
    node.trust("stranger");
    assert!(node.queued("dtn://n/inbox").is_some());
    assert_sound(&node);
}

#[test]
fn where_everything_was_promised_the_next_is_refused() {
    let mut node = node();
    while node.bundles() < 3 {
        node.transmit(order("dtn://far/inbox"), &[1; 1_000]);
    }
    let last = node.import(bundle(("a", 1), "dtn://far/x", Priority::Normal));
    let refused = node.import(bundle(("b", 2), "dtn://n/x", Priority::Urgent));
    assert!(last.is_ok() && refused.is_ok(), "the one without a promise goes for the other");
    let refused = node.import(bundle(("a", 3), "dtn://far/x", Priority::Urgent));
    assert!(matches!(refused, Err(Refusal::Quota { whose: QuotaOf::Node, .. })), "{refused:?}");
}

#[test]
fn a_source_and_a_group_have_quotas_of_their_own() {
    let mut settings = config("n");
    (settings.source_quota_octets, settings.group_quota_octets) = (2_600, 3_900);
    let mut node = Node::with(settings);
    node.trust("a");
    node.trust("b");
    let group = "dtn://all/~news";
    for sequence in 0..2 {
        node.import(bundle(("a", sequence), group, Priority::Normal)).unwrap();
    }
    let third = node.import(bundle(("a", 2), "dtn://far/x", Priority::Normal));
    assert_eq!(third, Err(Refusal::Quota { whose: QuotaOf::Source, quota_octets: 2_600 }));
    node.import(bundle(("b", 0), group, Priority::Normal)).unwrap();
    let fourth = node.import(bundle(("b", 1), group, Priority::Normal));
    assert_eq!(fourth, Err(Refusal::Quota { whose: QuotaOf::Group, quota_octets: 3_900 }));
    node.import(bundle(("b", 2), "dtn://far/x", Priority::Normal)).unwrap();
    assert_sound(&node);
}

#[test]
fn nothing_goes_for_a_bundle_that_does_not_come_in() {
    let mut node = node();
    let own = |custody| Order { custody, ..order("dtn://far/inbox") };
    node.transmit(own(CustodyTransfer::Wanted), &[1; 3_000]);
    let bulk = taken(&mut node, 1, Priority::Bulk);
    let large = node.ask(agent_core::request::Request::Transmit {
        order: own(CustodyTransfer::NotWanted),
        payload: Bytes::from(vec![2; 4_000]),
    });
    assert!(matches!(large, agent_core::request::Answer::Refused(Refusal::Quota { .. })), "{large:?}");
    assert!(node.has(&bulk));
}
