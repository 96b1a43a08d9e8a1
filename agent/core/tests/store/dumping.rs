//! A dump and a load give the same store again, in a new epoch.

use agent_core::store::{CHUNK_OCTETS, FORMAT_VERSION, Presence, Store, StoreError, Tombstone};
use agent_core::time::NodeTime;
use bundle_format::{BundleId, CheckedBundle, NodeKey};
use minicbor::Encoder;

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

/// An item of a dump, put together by hand after `docs/store.md`: its CRC-32 covers everything before it.
fn item(kind: u8, fields: impl FnOnce(&mut Encoder<Vec<u8>>) -> u8) -> Vec<u8> {
    let mut written = Encoder::new(vec![0, kind]);
    let fields = fields(&mut written);
    let mut octets = written.into_writer();
    octets[0] = 0x80 | (fields + 2);
    let checksum = crc32fast::hash(&octets);
    let mut written = Encoder::new(octets);
    written.u32(checksum).unwrap();
    written.into_writer()
}

/// A store of format 1 had no set that outlives bundles: a dump of it has no item of kind 20.
fn dump_of_format_1(waiting: &CheckedBundle, carried: &CheckedBundle, gone: &BundleId) -> Vec<u8> {
    let (source, key) = (eid("dtn://school/"), NodeKey::from_seed([1; 32]).public());
    let bundle = |bundle: &CheckedBundle, delivered: u8| {
        item(2, |fields| {
            let head = bundle.head();
            fields.bytes(bundle.id().as_bytes()).unwrap().u32(1_000).unwrap();
            fields.u64(800_000_001_000).unwrap().u8(7).unwrap().u32(1_000_000).unwrap();
            fields.u8(1).unwrap().u8(0).unwrap().u8(delivered).unwrap().u8(0).unwrap().bytes(&[]).unwrap();
            fields.bytes(head.bytes()).unwrap().bytes(bundle.payload().unwrap()).unwrap();
            fields.bytes(&bundle.encode().unwrap()[head.bytes().len() + 100..]).unwrap();
            13
        })
    };
    [
        item(0, |fields| {
            fields.str("packmule store dump").and_then(|fields| fields.u8(1)).map(|_| 2).unwrap()
        }),
        item(1, |fields| {
            fields.u8(5).unwrap().u32(123_456).unwrap().bytes(&eid("dtn://clinic/").to_cbor()).unwrap();
            3
        }),
        item(5, |fields| {
            fields.bytes(&source.to_cbor()).unwrap().bytes(key.as_bytes()).unwrap();
            fields.u8(2).unwrap().u64(800_000_000_002).unwrap();
            4
        }),
        item(6, |fields| fields.str("tcp://192.0.2.1:4556").map(|_| 1).unwrap()),
        item(7, |fields| fields.bytes(&eid("dtn://region/~news").to_cbor()).map(|_| 1).unwrap()),
        bundle(waiting, 0),
        bundle(carried, 1),
        item(4, |fields| fields.bytes(waiting.id().as_bytes()).map(|_| 1).unwrap()),
        item(3, |fields| {
            fields.bytes(gone.as_bytes()).unwrap().u32(9_000_000).unwrap();
            2
        }),
        item(8, |fields| fields.u8(2).map(|_| 1).unwrap()),
    ]
    .concat()
}

#[test]
fn a_dump_of_a_store_of_format_1_is_loaded_whole() {
    let [waiting, carried, gone] = [1, 2, 3].map(|sequence| Recipe::new(sequence).bundle());
    let octets = dump_of_format_1(&waiting, &carried, &gone.id());
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let loaded = store.load(&mut octets.as_slice(), 42, &mut |_| {}).unwrap();
    assert_eq!((loaded.bundles, loaded.tombstones), (2, 1));
    assert_eq!(findings(&store), Vec::<String>::new());
    let txn = store.read().unwrap();
    let view = txn.view();
    let settings = view.settings().unwrap();
    assert_eq!((settings.format_version, settings.epoch), (FORMAT_VERSION, 6));
    assert_eq!(settings.node, Some(eid("dtn://clinic/")));
    assert_eq!(view.trust_list().unwrap().len(), 1);
    assert_eq!(view.peers().unwrap(), ["tcp://192.0.2.1:4556"]);
    assert_eq!(view.subscriptions().unwrap(), [eid("dtn://region/~news")]);
    for (bundle, is_delivered) in [(&waiting, false), (&carried, true)] {
        let Some(Presence::Held(number)) = view.find(&bundle.id()).unwrap() else { panic!("held") };
        let stored = view.bundle(number).unwrap().unwrap();
        assert_eq!((&stored.head[..], stored.delivered), (&bundle.head().bytes()[..], is_delivered));
        assert_eq!(payload_of(&store, number), bundle.payload().unwrap().as_ref());
    }
    assert_eq!(view.queue_len(&eid("dtn://hospital/in")).unwrap(), 1);
    assert_eq!(view.find(&gone.id()).unwrap(), Some(Presence::Gone));
}
