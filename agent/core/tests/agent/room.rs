//! What an agent does when its store is full, or failed.

use crate::support::{Node, config, eid, key};
use agent_core::input::Input;
use agent_core::output::Output;
use agent_core::refusal::Refusal;
use agent_core::request::{Answer, Request};
use agent_core::store::{CHUNK_OCTETS, Number, PayloadPlace};
use bundle_format::{BundleFlags, CheckedBundle, CreationTimestamp, DtnTime, NewBundle, Profile};
use bytes::Bytes;

/// From a, which may ask for reports.
fn bundle(sequence: u64, flags: BundleFlags, payload: Vec<u8>) -> CheckedBundle {
    let draft = NewBundle {
        destination: eid("dtn://c/inbox"),
        source: eid("dtn://a/"),
        report_to: eid("dtn://a/reports"),
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence },
        lifetime_ms: 3_600_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT | flags,
        age_ms: Some(0),
        hop_limit: None,
        metadata: None,
    };
    draft.sign(&Profile::default(), &key("a"), Bytes::from(payload)).unwrap()
}

/// A node that trusts a, with room for little.
fn small_node() -> Node {
    let mut node = Node::within(config("n"), Some(2 << 20));
    node.trust("a");
    node
}

/// Fills a node with bundles of a; how many there were room for.
fn fill(node: &mut Node, flags: BundleFlags) -> u64 {
    for (octets, first) in [(5_000, 1 << 16), (1_500, 2 << 16), (1, 3 << 16)] {
        for sequence in first.. {
            match node.import(bundle(sequence, flags, vec![7; octets])) {
                Ok(_) => {}
                Err(Refusal::StoreFull) => break,
                Err(other) => panic!("{other}"),
            }
        }
    }
    node.bundles()
}

#[test]
fn a_full_store_refuses_and_takes_no_harm() {
    let mut node = small_node();
    assert!(fill(&mut node, BundleFlags::REPORT_RECEPTION) > 50);
    let refused = node.import(bundle(1 << 40, BundleFlags::empty(), vec![7; 5_000]));
    assert_eq!(refused, Err(Refusal::StoreFull));
}

#[test]
fn what_expires_in_a_full_store_goes_although_there_is_no_room_for_a_report() {
    let mut node = small_node();
    assert!(fill(&mut node, BundleFlags::REPORT_DELETION) > 50);
    for _ in 0..4 {
        node.wait_ms(3_700_000);
    }
    assert_eq!(node.bundles(), 0);
}

fn staged(node: &mut Node) -> Number {
    match node.step(Input::StagingRequested { ticket: 1 }).first() {
        Some(Output::StagingReady { number, .. }) => *number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_payload_that_lost_pieces_when_the_store_failed_is_refused() {
    let mut node = Node::trusting("n", &["a"]);
    let number = staged(&mut node);
    let whole = bundle(1, BundleFlags::empty(), vec![7; CHUNK_OCTETS + 1]);
    let piece = |index, octets: usize| Input::ChunkArrived { number, index, octets: vec![7; octets].into() };
    node.step(piece(0, CHUNK_OCTETS));
    // The driver does this after a step that was not kept; the filler does not know yet.
    let mut txn = node.store.write().unwrap();
    txn.abandon_leftovers().unwrap();
    txn.commit().unwrap();
    node.step(piece(1, 1));
    let request = Request::Import {
        bundle: Box::new(whole),
        payload: PayloadPlace::Staged(number),
        from: None,
        dormant_ms: 0,
        way: String::new(),
    };
    assert_eq!(node.ask(request), Answer::Refused(Refusal::PayloadLost));
}
