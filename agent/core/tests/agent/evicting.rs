//! What goes when room is needed, and what never does.

use agent_core::config::Stance;
use agent_core::output::Notice;
use agent_core::refusal::{QuotaOf, Refusal};
use agent_core::request::{CustodyTransfer, Order, Report, Request};
use bundle_format::{
    BundleFlags, BundleId, CheckedBundle, CreationTimestamp, DtnTime, Metadata, NewBundle, Priority, Profile,
    RecordTag,
};
use bytes::Bytes;

use crate::support::{Node, Pair, Side, config, eid, key, order};

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
fn bundle(source: (&str, u64), destination: &str, priority: Priority) -> CheckedBundle {
    signed_by(source.0, source, destination, priority)
}

fn signed_by(
    signer: &str,
    (source, sequence): (&str, u64),
    destination: &str,
    priority: Priority,
) -> CheckedBundle {
    draft((source, sequence), destination, priority)
        .sign(&Profile::default(), &key(signer), Bytes::from(vec![7; 1_000]))
        .unwrap()
}

fn draft((source, sequence): (&str, u64), destination: &str, priority: Priority) -> NewBundle {
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

/// More than are looked at for one that comes.
#[test]
fn what_stays_does_not_stand_in_the_way_of_what_may_go() {
    let claim = |sequence| draft(("b", sequence), "dtn://n/inbox", Priority::Bulk);
    let unsigned = |draft: NewBundle| draft.unsigned(&Profile::default(), Bytes::new()).unwrap();
    let mut settings = config("n");
    settings.unsigned = Stance::Carry;
    settings.quota_octets = 1_100 * unsigned(claim(1_000)).octets() + 1_800;
    let mut node = Node::with(settings);
    node.trust("a");
    for sequence in 1_000..2_100 {
        node.import(unsigned(claim(sequence))).unwrap();
    }
    let normal = taken(&mut node, 1, Priority::Normal);
    let urgent = taken(&mut node, 2, Priority::Urgent);
    assert!(!node.has(&normal) && node.has(&urgent));
    assert_eq!(node.bundles(), 1_101);
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

/// A node with room for so many bundles of each source and each group.
fn node_with_shares(of_source: u64, of_group: u64) -> Node {
    let mut settings = config("n");
    (settings.source_quota_octets, settings.group_quota_octets) = (of_source * 1_350, of_group * 1_350);
    let mut node = Node::with(settings);
    for source in ["a", "b", "c"] {
        node.trust(source);
    }
    node
}

const GROUP: &str = "dtn://all/~news";

#[test]
fn a_source_at_its_quota_makes_room_among_its_own() {
    let mut node = node_with_shares(2, 9);
    let others = node.import(bundle(("b", 1), "dtn://far/x", Priority::Bulk)).unwrap();
    let normal = taken(&mut node, 1, Priority::Normal);
    let bulk = taken(&mut node, 2, Priority::Bulk);
    let urgent = taken(&mut node, 3, Priority::Urgent);
    assert!(!node.has(&bulk) && node.has(&normal), "the least urgent goes first");
    let second = taken(&mut node, 4, Priority::Urgent);
    assert!(!node.has(&normal) && node.has(&urgent) && node.has(&second) && node.has(&others));
    let refused = node.import(bundle(("a", 5), "dtn://far/x", Priority::Normal));
    assert_eq!(refused, Err(Refusal::Quota { whose: QuotaOf::Source, quota_octets: 2_700 }));
    assert!(node.has(&urgent) && node.has(&second));
    assert_sound(&node);
}

#[test]
fn a_group_at_its_quota_makes_room_among_its_own_whoever_sent_it() {
    let mut node = node_with_shares(9, 2);
    let elsewhere = taken(&mut node, 1, Priority::Bulk);
    let first = node.import(bundle(("a", 2), GROUP, Priority::Normal)).unwrap();
    let second = node.import(bundle(("b", 1), GROUP, Priority::Normal)).unwrap();
    let third = node.import(bundle(("c", 1), GROUP, Priority::Normal)).unwrap();
    assert!(!node.has(&first) && [elsewhere, second, third].iter().all(|id| node.has(id)));
    let refused = node.import(bundle(("a", 3), GROUP, Priority::Bulk));
    assert_eq!(refused, Err(Refusal::Quota { whose: QuotaOf::Group, quota_octets: 2_700 }));
    assert_sound(&node);
}

#[test]
fn what_goes_for_the_source_counts_for_the_group_and_the_node_too() {
    let mut settings = config("n");
    settings.quota_octets = QUOTA;
    (settings.source_quota_octets, settings.group_quota_octets) = (2_700, 4_050);
    let mut node = Node::with(settings);
    node.trust("a");
    node.trust("b");
    let other = node.import(bundle(("b", 1), "dtn://far/x", Priority::Bulk)).unwrap();
    let second = node.import(bundle(("b", 2), GROUP, Priority::Normal)).unwrap();
    let first = node.import(bundle(("a", 1), GROUP, Priority::Normal)).unwrap();
    let last = node.import(bundle(("a", 2), GROUP, Priority::Normal)).unwrap();
    let newest = node.import(bundle(("a", 3), GROUP, Priority::Normal)).unwrap();
    assert!(!node.has(&first), "the oldest of its source");
    assert!([other, second, last, newest].iter().all(|id| node.has(id)), "and nothing else");
    assert_sound(&node);
}

#[test]
fn nothing_goes_for_the_source_where_the_group_has_no_room() {
    let mut node = node_with_shares(2, 1);
    let bulk: Vec<BundleId> = (1..3).map(|sequence| taken(&mut node, sequence, Priority::Bulk)).collect();
    let urgent = node.import(bundle(("b", 1), GROUP, Priority::Urgent)).unwrap();
    let refused = node.import(bundle(("a", 3), GROUP, Priority::Normal));
    assert_eq!(refused, Err(Refusal::Quota { whose: QuotaOf::Group, quota_octets: 1_350 }));
    assert!(bulk.iter().all(|id| node.has(id)) && node.has(&urgent));
}

#[test]
fn what_waits_for_an_application_does_not_go_for_its_source() {
    let mut node = node_with_shares(2, 9);
    node.ask(Request::Subscribe { group: eid(GROUP) });
    let waiting: Vec<BundleId> =
        (1..3).map(|sequence| node.import(bundle(("a", sequence), GROUP, Priority::Bulk)).unwrap()).collect();
    let refused = node.import(bundle(("a", 3), GROUP, Priority::Urgent));
    assert_eq!(refused, Err(Refusal::Quota { whose: QuotaOf::Source, quota_octets: 2_700 }));
    assert!(waiting.iter().all(|id| node.has(id)));
    let number = node.queued(GROUP).unwrap();
    node.ask(Request::Consume { endpoint: eid(GROUP), number });
    node.import(bundle(("a", 4), GROUP, Priority::Urgent)).unwrap();
    assert!(!node.has(&waiting[0]) && node.has(&waiting[1]), "what was taken may go");
    assert_sound(&node);
}

/// Anybody can claim a source: that its quota is used up by it is bad enough.
#[test]
fn nobody_displaces_the_bundles_of_a_source_by_claiming_to_be_it() {
    let mut settings = config("n");
    (settings.source_quota_octets, settings.strangers) = (2_700, Stance::Carry);
    let mut node = Node::with(settings);
    node.trust("a");
    let claim = |sequence| signed_by("mallory", ("a", sequence), "dtn://far/x", Priority::Urgent);
    let real = taken(&mut node, 1, Priority::Bulk);
    let forged = node.import(claim(2)).unwrap();
    let second = node.import(claim(3)).unwrap();
    assert!(node.has(&real) && !node.has(&forged) && node.has(&second));
    let last = taken(&mut node, 4, Priority::Urgent);
    assert!(!node.has(&real) && node.has(&last));
    assert_sound(&node);
}

#[test]
fn records_are_worth_more_than_urgent_messages_within_a_quarter_of_the_quota() {
    let mut settings = config("n");
    settings.quota_octets = 8 * 1_400;
    let mut node = Node::with(settings);
    node.trust("a");
    node.trust("b");
    let publish = |node: &mut Node, sequence| {
        let record = Some(RecordTag { name: format!("r{sequence}"), revision: 1 });
        let mut edition = draft(("a", sequence), GROUP, Priority::Normal);
        edition.metadata = Some(Metadata { record, ..Metadata::default() });
        node.import(edition.sign(&Profile::default(), &key("a"), Bytes::from(vec![7; 1_000])).unwrap())
            .unwrap()
    };
    let records: Vec<BundleId> = (0..8).map(|sequence| publish(&mut node, sequence)).collect();
    assert!(records.iter().all(|id| node.has(id)), "as long as nobody needs the room");
    let urgent: Vec<BundleId> = (0..7)
        .map(|sequence| node.import(bundle(("b", sequence), "dtn://far/x", Priority::Urgent)).unwrap())
        .collect();
    let left: Vec<bool> = records.iter().map(|id| node.has(id)).collect();
    assert_eq!(left, [false, false, false, false, false, false, true, true]);
    assert!(!node.has(&urgent[0]), "an urgent message goes for another, not for what is within the share");
    assert_sound(&node);
    let newest = publish(&mut node, 8);
    assert!(!node.has(&records[6]) && node.has(&records[7]) && node.has(&newest));
    assert!(urgent[1..].iter().all(|id| node.has(id)));
    assert_sound(&node);
}

/// A node with room for two, and a neighbor in the group, at the end of a contact in which the first sent something that asks for a report.
fn reported(destination: &str) -> (Node, BundleId) {
    let mut settings = config("n");
    settings.quota_octets = 2 * 1_350;
    let mut node = Node::with(settings);
    node.trust("a");
    node.trust("b");
    let mut member = Node::trusting("b", &["n"]);
    member.ask(Request::Subscribe { group: eid(GROUP) });
    let mut pair = Pair::meet(node, member);
    let (report, custody) = (Report::Delivery, CustodyTransfer::NotWanted);
    let order = Order { report, custody, ..order(destination) };
    pair.ask(Side::A, Request::Transmit { order, payload: Bytes::from(vec![1; 1_000]) });
    let told = pair.told.iter().find_map(|(_, notice)| match notice {
        Notice::Delivered { id, .. } => Some(*id),
        _ => None,
    });
    (pair.a, told.expect("whoever asked for a report is told"))
}

#[test]
fn what_its_destination_has_goes_first() {
    let (mut node, delivered) = reported("dtn://b/inbox");
    let bulk = taken(&mut node, 1, Priority::Bulk);
    taken(&mut node, 2, Priority::Bulk);
    assert!(!node.has(&delivered) && node.has(&bulk));
    assert_sound(&node);
}

#[test]
fn what_one_member_of_a_group_has_is_worth_what_it_was() {
    let (mut node, delivered) = reported(GROUP);
    let bulk = taken(&mut node, 1, Priority::Bulk);
    let other = taken(&mut node, 2, Priority::Bulk);
    assert!(node.has(&delivered) && !node.has(&bulk) && node.has(&other));
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
