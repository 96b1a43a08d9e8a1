//! Ids of bundles that are gone: how many are remembered, which are forgotten first, and what may happen then.

use agent_core::config::Stance;
use agent_core::refusal::Refusal;
use agent_core::request::Request;
use bundle_format::{
    BundleFlags, BundleId, CheckedBundle, CreationTimestamp, DtnTime, Eid, Metadata, NewBundle, Profile,
};
use bytes::Bytes;

use crate::support::{Node, config, eid, key};

const HOUR_MS: u64 = 3_600_000;
/// With the quota that `node` has.
const REMEMBERED: usize = 1_024;

fn node() -> Node {
    let mut settings = config("n");
    settings.quota_octets = 1 << 20;
    settings.unsigned = Stance::Carry;
    let mut node = Node::with(settings);
    node.trust("a");
    node
}

fn draft((source, sequence): (&str, u64), destination: &str, lifetime_ms: u64) -> NewBundle {
    NewBundle {
        destination: eid(destination),
        source: eid(source),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence },
        lifetime_ms,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: None,
        metadata: Some(Metadata::default()),
    }
}

fn unsigned(sequence: u64, lifetime_ms: u64) -> CheckedBundle {
    draft(("dtn://x/", sequence), "dtn://far/x", lifetime_ms)
        .unsigned(&Profile::default(), Bytes::new())
        .unwrap()
}

/// Takes a bundle in, and removes it again.
fn passes(node: &mut Node, bundle: CheckedBundle) -> BundleId {
    let id = node.import(bundle).unwrap();
    node.ask(Request::Remove { id });
    id
}

fn is_in_set(node: &Node, id: &BundleId) -> bool {
    node.store.read().unwrap().view().is_in_set(id).unwrap()
}

fn is_remembered(node: &Node, id: &BundleId) -> bool {
    node.store.read().unwrap().view().gone_until(id).unwrap().is_some()
}

fn assert_sound(node: &Node) {
    let findings = node.store.read().unwrap().view().check(&mut |_| {}).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn ids_are_remembered_up_to_a_bound_and_those_are_forgotten_first_that_would_be_over_first() {
    let mut node = node();
    let long: Vec<BundleId> =
        (0..200).map(|sequence| passes(&mut node, unsigned(sequence, 48 * HOUR_MS))).collect();
    let short: Vec<BundleId> =
        (200..1_300).map(|sequence| passes(&mut node, unsigned(sequence, 4 * HOUR_MS))).collect();
    let all = || long.iter().chain(&short);
    assert_eq!(all().filter(|id| is_remembered(&node, id)).count(), REMEMBERED);
    assert!(long.iter().all(|id| is_remembered(&node, id) && is_in_set(&node, id)));
    assert_eq!(all().filter(|id| is_in_set(&node, id)).count(), REMEMBERED);
    assert_eq!(node.import(unsigned(0, 48 * HOUR_MS)), Err(Refusal::Gone));
    let forgotten = short.iter().position(|id| !is_remembered(&node, id)).unwrap() as u64;
    let back = node.import(unsigned(200 + forgotten, 4 * HOUR_MS)).unwrap();
    assert!(node.has(&back), "what was forgotten may come back");
    assert_sound(&node);
}

#[test]
fn what_an_application_has_taken_does_not_come_to_it_again_though_its_id_is_forgotten() {
    let mut node = node();
    let message = || {
        draft(("dtn://a/", (1 << 32) + 1), "dtn://n/inbox", HOUR_MS)
            .sign(&Profile::default(), &key("a"), Bytes::from_static(b"once"))
            .unwrap()
    };
    let id = node.import(message()).unwrap();
    let number = node.queued("dtn://n/inbox").unwrap();
    node.ask(Request::Consume { endpoint: eid("dtn://n/inbox"), number });
    for sequence in 0..=REMEMBERED as u64 {
        passes(&mut node, unsigned(sequence, 48 * HOUR_MS));
    }
    assert!(!is_remembered(&node, &id));
    assert_eq!(node.import(message()), Err(Refusal::Delivered));
    assert!(node.queued("dtn://n/inbox").is_none());
    assert_sound(&node);
}
