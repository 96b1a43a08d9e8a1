//! What is stored can be found, read back and removed again.

use crate::recipe::{Recipe, SMALL, at, eid, findings, open, payload_of};
use agent_core::store::{CHUNK_OCTETS, PayloadPlace, Presence, Retention, Standing, Tombstone, Usage};
use agent_core::time::NodeTime;
use bundle_format::NodeKey;

#[test]
fn a_small_bundle_is_read_back_as_it_was_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bundle = Recipe::new(1).signed(&NodeKey::from_seed([3; 32]));
    let mut txn = store.write().unwrap();
    let number = Recipe::new(1).insert_as(&bundle, &mut txn, PayloadPlace::Inline);
    txn.commit().unwrap();
    let txn = store.read().unwrap();
    let stored = txn.view().bundle(number).unwrap().unwrap();
    assert_eq!(&stored.head, bundle.head().bytes());
    assert_eq!(&stored.tail, bundle.tail());
    assert_eq!(stored.inline_payload.as_ref(), bundle.payload());
    assert_eq!(stored.id, bundle.id());
    assert_eq!(stored.signer, bundle.signer());
    assert!(stored.signer.is_some());
    assert_eq!(stored.identity(), bundle.head().identity());
    assert_eq!(stored.received, at(1_000).node);
    assert_eq!(stored.received_utc, at(1_000).utc);
    assert_eq!(stored.octets(), bundle.octets());
    assert_eq!(txn.view().find(&bundle.id()).unwrap(), Some(Presence::Held(number)));
    assert_eq!(txn.view().find_identity(&bundle.head().identity()).unwrap(), vec![(number, bundle.id())]);
    assert_eq!(txn.view().find_prefix(bundle.id().as_bytes(), 40, 5).unwrap(), vec![bundle.id()]);
    assert_eq!(txn.view().bundles_for(&eid("dtn://hospital/in"), None, 9).unwrap(), vec![number]);
}

#[test]
fn payloads_of_every_size_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for (sequence, octets) in (1..).zip([
        0,
        1,
        1_700,
        2_100,
        CHUNK_OCTETS - 1,
        CHUNK_OCTETS,
        CHUNK_OCTETS + 1,
        3 * CHUNK_OCTETS + 5,
    ]) {
        let recipe = Recipe::new(sequence).payload_octets(octets);
        let mut txn = store.write().unwrap();
        let number = recipe.insert(&mut txn);
        txn.commit().unwrap();
        assert_eq!(payload_of(&store, number), recipe.payload(), "{octets} octets");
    }
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn a_staged_payload_becomes_visible_with_its_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let recipe = Recipe::new(1).payload_octets(2 * CHUNK_OCTETS + 9);
    let payload = recipe.payload();
    let mut txn = store.write().unwrap();
    let staging = txn.begin_staging().unwrap();
    txn.commit().unwrap();
    for (index, chunk) in (0..).zip(payload.chunks(CHUNK_OCTETS)) {
        let mut txn = store.write().unwrap();
        txn.put_chunk(staging, index, chunk).unwrap();
        assert_eq!(txn.view().usage().unwrap(), Usage::default());
        txn.commit().unwrap();
    }
    let mut txn = store.write().unwrap();
    let bundle = recipe.bundle();
    let number = recipe.insert_as(&bundle, &mut txn, PayloadPlace::Staged(staging));
    txn.commit().unwrap();
    assert_eq!(payload_of(&store, number), payload);
    assert!(number > staging, "a bundle's number says when it became visible");
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
#[should_panic(expected = "the whole payload")]
fn a_bundle_is_not_stored_before_its_payload_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let recipe = Recipe::new(1).payload_octets(CHUNK_OCTETS + 9);
    let mut txn = store.write().unwrap();
    let staging = txn.begin_staging().unwrap();
    txn.put_chunk(staging, 0, &recipe.payload()[..CHUNK_OCTETS]).unwrap();
    recipe.insert_as(&recipe.bundle(), &mut txn, PayloadPlace::Staged(staging));
}

#[test]
fn what_a_crash_left_half_staged_is_discarded_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let mut txn = store.write().unwrap();
    let staging = txn.begin_staging().unwrap();
    for index in 0..100 {
        txn.put_chunk(staging, index, &vec![7; CHUNK_OCTETS]).unwrap();
    }
    txn.commit().unwrap();
    drop(store);
    store = open(folder.path());
    let mut txn = store.write().unwrap();
    assert_eq!(txn.abandon_leftovers().unwrap(), 1);
    assert!(txn.discard_abandoned(30).unwrap());
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
    let mut txn = store.write().unwrap();
    assert!(txn.discard_abandoned(30).unwrap());
    assert!(txn.discard_abandoned(30).unwrap());
    assert!(!txn.discard_abandoned(30).unwrap());
    assert_eq!(txn.view().staged_chunk(staging, 0).unwrap(), None);
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn a_removed_bundle_is_remembered_until_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let bundle = Recipe::new(1).bundle();
    let mut txn = store.write().unwrap();
    let number = Recipe::new(1).insert(&mut txn);
    assert!(txn.remove(number, Tombstone::Until(NodeTime::from_ms(5_000))).unwrap());
    assert!(!txn.remove(number, Tombstone::None).unwrap());
    assert_eq!(txn.view().find(&bundle.id()).unwrap(), Some(Presence::Gone));
    assert_eq!(txn.view().ids_from(None, 10).unwrap(), vec![]);
    assert_eq!(txn.view().usage().unwrap(), Usage::default());
    txn.purge_tombstones(NodeTime::from_ms(5_000), 10).unwrap();
    assert_eq!(txn.view().find(&bundle.id()).unwrap(), Some(Presence::Gone));
    txn.purge_tombstones(NodeTime::from_ms(3_600_000), 10).unwrap();
    assert_eq!(txn.view().find(&bundle.id()).unwrap(), None);
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn bundles_expire_in_the_order_of_their_deadlines() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut txn = store.write().unwrap();
    let numbers: Vec<_> = [300, 100, 200]
        .into_iter()
        .zip(1..)
        .map(|(deadline, sequence)| {
            Recipe { deadline: NodeTime::from_ms(deadline), ..Recipe::new(sequence) }.insert(&mut txn)
        })
        .collect();
    let view = txn.view();
    assert_eq!(view.next_expiry().unwrap(), Some(NodeTime::from_ms(100)));
    assert_eq!(view.expired(NodeTime::from_ms(99), 9).unwrap(), vec![]);
    assert_eq!(view.expired(NodeTime::from_ms(200), 9).unwrap(), vec![numbers[1], numbers[2]]);
    assert_eq!(view.expired(NodeTime::from_ms(999), 2).unwrap(), vec![numbers[1], numbers[2]]);
}

#[test]
fn usage_is_counted_by_node_and_apart_for_those_nobody_vouches_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let stranger = Recipe { source: "dtn://stranger/x", standing: Standing::Unvouched, ..Recipe::new(2) };
    let mut txn = store.write().unwrap();
    Recipe::new(1).insert(&mut txn);
    Recipe { source: "dtn://clinic/other", ..Recipe::new(3) }.insert(&mut txn);
    let number = stranger.insert(&mut txn);
    let octets = stranger.bundle().octets();
    assert_eq!(txn.view().usage().unwrap().bundles, 3);
    assert_eq!(txn.view().usage_of(&eid("dtn://clinic/")).unwrap().bundles, 2);
    assert_eq!(txn.view().usage_of(&eid("dtn://stranger/")).unwrap(), Usage { bundles: 1, octets });
    assert_eq!(txn.view().unvouched_usage().unwrap(), Usage { bundles: 1, octets });
    txn.remove(number, Tombstone::None).unwrap();
    assert_eq!(txn.view().unvouched_usage().unwrap(), Usage::default());
    assert_eq!(txn.view().usage_of(&eid("dtn://stranger/")).unwrap(), Usage::default());
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn a_queue_gives_each_bundle_until_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let endpoint = eid("dtn://hospital/in");
    let mut txn = store.write().unwrap();
    let first = Recipe::new(1).insert(&mut txn);
    let second = Recipe::new(2).insert(&mut txn);
    txn.enqueue(&endpoint, second).unwrap();
    txn.enqueue(&endpoint, first).unwrap();
    assert_eq!(txn.view().queued(&endpoint, None).unwrap(), Some(first));
    assert_eq!(txn.view().queued(&endpoint, Some(first)).unwrap(), Some(second));
    assert_eq!(txn.view().queued(&endpoint, Some(second)).unwrap(), None);
    assert_eq!(txn.view().queue_len(&endpoint).unwrap(), 2);
    assert!(txn.dequeue(&endpoint, first).unwrap());
    assert!(!txn.dequeue(&endpoint, first).unwrap());
    txn.remove(second, Tombstone::None).unwrap();
    assert_eq!(txn.view().queue_len(&endpoint).unwrap(), 0);
}

#[test]
fn retention_and_delivery_are_noted_with_the_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut txn = store.write().unwrap();
    let number = Recipe::new(1).insert(&mut txn);
    let kept = Retention::CUSTODY.with(Retention::FORWARD_PENDING);
    txn.set_retention(number, kept).unwrap();
    txn.mark_delivered(number).unwrap();
    txn.commit().unwrap();
    let txn = store.read().unwrap();
    let facts = txn.view().facts(number).unwrap().unwrap();
    assert_eq!(facts.retention, kept);
    assert!(facts.delivered);
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn nothing_of_a_dropped_transaction_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut txn = store.write().unwrap();
    Recipe::new(1).insert(&mut txn);
    txn.take_sequence().unwrap();
    drop(txn);
    let txn = store.read().unwrap();
    assert_eq!(txn.view().usage().unwrap(), Usage::default());
    assert_eq!(txn.view().settings().unwrap().counter, 0);
    assert_eq!(txn.view().numbers_from(None, 9).unwrap(), vec![]);
}

#[test]
fn numbers_and_sequences_are_never_given_out_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let mut txn = store.write().unwrap();
    txn.new_incarnation(77);
    let number = Recipe::new(1).insert(&mut txn);
    assert_eq!(txn.take_sequence().unwrap(), (77, 0));
    txn.remove(number, Tombstone::None).unwrap();
    txn.commit().unwrap();
    drop(store);
    store = agent_core::store::Store::open(folder.path(), &SMALL).unwrap();
    let mut txn = store.write().unwrap();
    assert!(Recipe::new(2).insert(&mut txn) > number);
    assert_eq!(txn.take_sequence().unwrap(), (77, 1));
}
