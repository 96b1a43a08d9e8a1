//! Records: bundles that replace themselves, in whatever order their editions come.

use agent_core::refusal::Refusal;
use agent_core::request::{Answer, Request};
use bundle_format::{
    BundleFlags, BundleId, CheckedBundle, CreationTimestamp, DtnTime, Metadata, NewBundle, Profile, RecordTag,
};
use bytes::Bytes;

use crate::support::{Node, eid, key};

fn edition(author: &str, signer: &str, name: &str, (revision, sequence): (u64, u64)) -> CheckedBundle {
    let bundle = NewBundle {
        destination: eid("dtn://all/~news"),
        source: eid(&format!("dtn://{author}/")),
        report_to: bundle_format::Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence },
        lifetime_ms: 86_400_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(30),
        metadata: Some(Metadata {
            record: Some(RecordTag { name: name.to_owned(), revision }),
            ..Metadata::default()
        }),
    };
    bundle.sign(&Profile::default(), &key(signer), Bytes::from(format!("{name} {revision}"))).unwrap()
}

fn check(node: &mut Node) {
    let request = Request::Check { repair: agent_core::request::Repair::Nothing };
    let Answer::Checked { findings, .. } = node.ask(request) else { panic!("it was checked") };
    assert_eq!(findings, Vec::<String>::new());
}

#[test]
fn the_newest_edition_replaces_all_others() {
    let mut node = Node::trusting("n", &["a"]);
    let first = node.import(edition("a", "a", "water", (1, 1))).unwrap();
    let other = node.import(edition("a", "a", "wind", (1, 2))).unwrap();
    let third = node.import(edition("a", "a", "water", (3, 3))).unwrap();
    assert!(!node.has(&first) && node.has(&third) && node.has(&other));
    // What was superseded does not come back, and what comes too late is not taken.
    assert_eq!(node.import(edition("a", "a", "water", (1, 1))), Err(Refusal::Gone));
    assert_eq!(node.import(edition("a", "a", "water", (2, 4))), Err(Refusal::Superseded));
    assert_eq!(node.import(edition("a", "a", "water", (2, 4))), Err(Refusal::Gone));
    assert_eq!(node.bundles(), 2);
    check(&mut node);
}

#[test]
fn editions_in_any_order_leave_the_same_one_everywhere() {
    // Two have the same revision: the larger id decides.
    let editions: Vec<CheckedBundle> =
        [(1, 1), (2, 2), (5, 3), (5, 4)].map(|edition_of| edition("a", "a", "water", edition_of)).to_vec();
    let winner: BundleId = editions[2].id().max(editions[3].id());
    for order in permutations(editions.len()) {
        let mut node = Node::trusting("n", &["a"]);
        for at in &order {
            let _taken_or_superseded = node.import(editions[*at].clone());
        }
        assert!(node.has(&winner), "{order:?}");
        assert_eq!(node.bundles(), 1, "{order:?}");
        check(&mut node);
    }
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(of - 1);
    let longer = shorter.iter().flat_map(|order| {
        (0..=order.len()).map(|at| {
            let mut longer = order.clone();
            longer.insert(at, of - 1);
            longer
        })
    });
    longer.collect()
}

#[test]
fn nobody_displaces_what_another_key_signed() {
    let mut config = crate::support::config("n");
    config.strangers = agent_core::config::Stance::Carry;
    let mut node = Node::with(config);
    node.trust("a");
    let right = node.import(edition("a", "a", "water", (1, 1))).unwrap();
    let forged = node.import(edition("a", "m", "water", (9, 2))).unwrap();
    assert!(node.has(&right) && node.has(&forged), "each key has editions of its own");
    check(&mut node);
}

#[test]
fn an_edition_that_goes_leaves_no_trace_in_the_index() {
    let mut node = Node::trusting("n", &["a"]);
    let id = node.import(edition("a", "a", "water", (7, 1))).unwrap();
    assert_eq!(node.ask(Request::Remove { id }), Answer::Done { changed: true });
    check(&mut node);
    let second = node.import(edition("a", "a", "water", (2, 2))).unwrap();
    node.wait_ms(2 * 86_400_000);
    assert!(!node.has(&second));
    check(&mut node);
}
