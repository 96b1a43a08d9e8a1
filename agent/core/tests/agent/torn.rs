//! Beginnings of large bundles that are torn on a drive.

use agent_core::input::{Input, Way};
use bundle_format::{BundleFlags, CreationTimestamp, DtnTime, Eid, NewBundle, Profile};

use crate::support::{Node, eid, key};

const LIFETIME_MS: u64 = 3_600_000;

/// What there is of a bundle that was made without a clock, so that only its age tells when it expires.
fn torn(dormant_ms: u64) -> Input {
    let draft = NewBundle {
        destination: eid("dtn://c/inbox"),
        source: eid("dtn://a/"),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(0), sequence: 1 },
        lifetime_ms: LIFETIME_MS,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: None,
        metadata: None,
    };
    let bundle = draft.sign(&Profile::default(), &key("a"), vec![7; 200_000].into()).unwrap();
    let octets = bundle.payload().unwrap().slice(..150_000);
    Input::TransferBroken {
        way: Way::Dormant(dormant_ms),
        head: bundle.head().clone(),
        staging: None,
        octets,
    }
}

fn here(node: &Node) -> Vec<u64> {
    let partials = node.store.read().unwrap().view().partials().unwrap();
    partials.iter().map(|partial| partial.octets).collect()
}

#[test]
fn the_beginning_of_a_bundle_that_is_torn_on_a_drive_is_kept_and_the_time_there_counts() {
    let mut node = Node::trusting("c", &["a"]);
    node.step(torn(LIFETIME_MS - 1_000));
    assert_eq!(here(&node), [150_000]);
    node.now.node = node.now.node.after_ms(1_001);
    node.step(Input::TimeoutReached);
    assert_eq!(here(&node), [0; 0]);

    node.step(torn(LIFETIME_MS));
    assert_eq!(here(&node), [0; 0], "its lifetime was over on the drive");
}
