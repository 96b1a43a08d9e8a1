//! A dump and a load give the same store again, in a new epoch.

use agent_core::store::{CHUNK_OCTETS, Presence, Store, StoreError, Tombstone};
use agent_core::time::NodeTime;
use bundle_format::NodeKey;

use crate::recipe::{Recipe, at, eid, findings, open, payload_of};

fn filled(store: &Store) {
    let key = NodeKey::from_seed([1; 32]).public();
    let mut txn = store.write().unwrap();
    txn.set_node(&eid("dtn://clinic/"));
    txn.set_node_time(NodeTime::from_ms(123_456));
    txn.new_incarnation(5);
    txn.trust_put(&eid("dtn://school/"), &key, at(2)).unwrap();
    txn.peer_put("tcp://192.0.2.1:4556").unwrap();
    txn.subscribe(&eid("dtn://region/~news")).unwrap();
    for (sequence, octets) in (1..).zip([0, 100, 3_000, CHUNK_OCTETS, 3 * CHUNK_OCTETS + 1]) {
        let number = Recipe::new(sequence).payload_octets(octets).insert(&mut txn);
        txn.enqueue(&eid("dtn://hospital/in"), number).unwrap();
    }
    let signed = Recipe::new(6).signed(&NodeKey::from_seed([3; 32]));
    let number = Recipe::new(6).insert_as(&signed, &mut txn, agent_core::store::PayloadPlace::Inline);
    txn.mark_delivered(number).unwrap();
    let gone = Recipe::new(7).insert(&mut txn);
    txn.remove(gone, Tombstone::Until(NodeTime::from_ms(9_000_000))).unwrap();
    txn.commit().unwrap();
}

fn dump(store: &Store) -> Vec<u8> {
    let mut octets = Vec::new();
    let dumped = store.read().unwrap().view().dump(&mut octets, &mut |_| {}).unwrap();
    assert_eq!(dumped.skipped, vec![]);
    octets
}

#[test]
fn what_was_dumped_is_loaded_whole() {
    let (old_folder, new_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (old, new) = (open(old_folder.path()), open(new_folder.path()));
    filled(&old);
    let dumped = dump(&old);
    let loaded = new.load(&mut dumped.as_slice(), 42, &mut |_| {}).unwrap();
    assert_eq!((loaded.bundles, loaded.tombstones), (6, 1));
    assert_eq!(findings(&new), Vec::<String>::new());
    let (before, after) = (old.read().unwrap(), new.read().unwrap());
    let (before, after) = (before.view(), after.view());
    assert_eq!(before.usage().unwrap(), after.usage().unwrap());
    assert_eq!(before.trust_list().unwrap(), after.trust_list().unwrap());
    assert_eq!(before.peers().unwrap(), after.peers().unwrap());
    assert_eq!(before.subscriptions().unwrap(), after.subscriptions().unwrap());
    assert_eq!(after.find(&Recipe::new(7).bundle().id()).unwrap(), Some(Presence::Gone));
    for (id, number) in before.ids_from(None, 99).unwrap() {
        let Some(Presence::Held(loaded)) = after.find(&id).unwrap() else { panic!("{id} is missing") };
        let (one, other) = (before.bundle(number).unwrap().unwrap(), after.bundle(loaded).unwrap().unwrap());
        assert_eq!((&one.head, &one.tail), (&other.head, &other.tail));
        assert_eq!(
            (one.deadline, one.signer, one.delivered),
            (other.deadline, other.signer, other.delivered)
        );
        assert_eq!(
            (one.received_utc, one.age_at_reception_ms),
            (other.received_utc, other.age_at_reception_ms)
        );
        assert_eq!(payload_of(&old, number), payload_of(&new, loaded));
    }
    assert_eq!(after.queue_len(&eid("dtn://hospital/in")).unwrap(), 5);
    let (old, new) = (before.settings().unwrap(), after.settings().unwrap());
    assert!(new.epoch > old.epoch);
    assert_eq!((new.incarnation, new.counter), (42, 0));
    assert_eq!((new.node, new.node_time), (old.node, old.node_time));
}

#[test]
fn a_dump_of_a_loaded_dump_is_the_same_but_for_the_epoch() {
    let (old_folder, new_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (old, new) = (open(old_folder.path()), open(new_folder.path()));
    filled(&old);
    let first = dump(&old);
    new.load(&mut first.as_slice(), 42, &mut |_| {}).unwrap();
    let second = dump(&new);
    let differing = first.iter().zip(&second).filter(|(one, other)| one != other).count();
    assert_eq!(first.len(), second.len());
    assert!(differing <= 6, "the epoch and the checksum of its item: {differing}");
}

#[test]
fn a_dump_that_was_cut_off_or_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    filled(&store);
    let whole = dump(&store);
    for at in (0..whole.len()).step_by(whole.len() / 60 + 1) {
        let target = tempfile::tempdir().unwrap();
        let error = open(target.path()).load(&mut &whole[..at], 1, &mut |_| {}).unwrap_err();
        assert!(matches!(error, StoreError::BadDump { .. }), "cut to {at}: {error}");
        let mut changed = whole.clone();
        changed[at] ^= 0x04;
        let target = tempfile::tempdir().unwrap();
        let error = open(target.path()).load(&mut changed.as_slice(), 1, &mut |_| {}).unwrap_err();
        assert!(
            matches!(error, StoreError::BadDump { .. } | StoreError::WrongFormat { .. }),
            "changed at {at}: {error}"
        );
    }
}

#[test]
fn a_dump_is_not_loaded_over_bundles() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    filled(&store);
    let dumped = dump(&store);
    assert!(matches!(store.load(&mut dumped.as_slice(), 1, &mut |_| {}), Err(StoreError::NotEmpty)));
}
