//! Damage is found wherever it is, costs no more than what it hit, and can be repaired.

use std::path::Path;

use agent_core::store::{
    CHUNK_OCTETS, NeighborContact, Number, PartialRecord, PrimaryHash, Store, StoreError, Table, Tombstone,
};
use agent_core::time::NodeTime;
use bundle_format::{BundleId, NodeKey};

use crate::raw::{self, TABLES};
use crate::recipe::{Recipe, SMALL, at, eid, findings, open, payload_of};

/// A store with a row of every kind: its bundles, and one that is gone.
fn everything(folder: &Path) -> Vec<Number> {
    let store = open(folder);
    let key = NodeKey::from_seed([1; 32]).public();
    let mut txn = store.write().unwrap();
    let mut numbers: Vec<_> = (1..=3).map(|sequence| Recipe::new(sequence).insert(&mut txn)).collect();
    numbers.push(Recipe::new(4).payload_octets(CHUNK_OCTETS + 100).insert(&mut txn));
    txn.enqueue(&eid("dtn://hospital/in"), numbers[0]).unwrap();
    let gone = Recipe::new(5).insert(&mut txn);
    txn.remove(gone, Tombstone::Until(NodeTime::from_ms(99_000_000))).unwrap();
    let contact = NeighborContact { key, epoch: 1, link: "serial".to_owned(), now: at(1) };
    txn.neighbor_met(&eid("dtn://bus/"), &contact).unwrap();
    txn.mark_held(&eid("dtn://bus/"), numbers[1]).unwrap();
    txn.trust_put(&eid("dtn://school/"), &key, at(2)).unwrap();
    txn.peer_put("tcp://192.0.2.1:4556").unwrap();
    txn.subscribe(&eid("dtn://region/~news")).unwrap();
    let staging = txn.begin_staging().unwrap();
    txn.put_chunk(staging, 0, b"a piece").unwrap();
    let record = PartialRecord {
        staging,
        head: Recipe::new(6).payload_octets(CHUNK_OCTETS).bundle().head().clone(),
        begun: NodeTime::from_ms(1),
        dormant_ms: 86_400_000,
        moved: NodeTime::from_ms(2),
        deadline: NodeTime::from_ms(99_000_000),
        is_from_known: true,
        may_be_vouched: false,
        wanted: Some(BundleId::from_bytes([7; 16])),
        alone: Some(eid("dtn://bus/")),
    };
    txn.put_partial(PrimaryHash::of(&record.head), &record).unwrap();
    assert_eq!(txn.view().partials().unwrap()[0].record, record);
    txn.commit().unwrap();
    numbers
}

fn is_settings(table: &str, key: &[u8]) -> bool {
    table == "node" && key.ends_with(b"store")
}

#[test]
fn a_flipped_bit_in_any_record_is_found_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = everything(folder.path());
    let sound = std::fs::read(folder.path().join("data.mdb")).unwrap();
    let mut damaged = 0;
    for table in TABLES {
        for (key, value) in raw::rows(folder.path(), table) {
            for at in [0, value.len() / 2, value.len() - 1] {
                let mut flipped = value.clone();
                flipped[at] ^= 0x10;
                raw::put(folder.path(), table, &key, &flipped);
                let store = open(folder.path());
                assert!(!findings(&store).is_empty(), "{table} {key:02x?} octet {at}");
                if !is_settings(table, &key) {
                    store.repair(&mut |_| {}).unwrap();
                    assert_eq!(findings(&store), Vec::<String>::new(), "{table} {key:02x?} octet {at}");
                    let left = store.read().unwrap().view().numbers_from(None, 99).unwrap();
                    let lost = usize::from(matches!(table, "facts" | "contents" | "chunks"));
                    assert!(left.len() >= numbers.len() - lost, "{table} {key:02x?}: {left:?}");
                }
                drop(store);
                std::fs::write(folder.path().join("data.mdb"), &sound).unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 100, "every table was damaged");
}

#[test]
fn every_row_that_is_missing_is_found_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = everything(folder.path());
    let sound = std::fs::read(folder.path().join("data.mdb")).unwrap();
    for table in ["payloads", "ids", "identities", "expiry", "tombstones", "destinations", "endpoints"] {
        for (key, _) in raw::rows(folder.path(), table) {
            raw::delete(folder.path(), table, &key);
            let store = open(folder.path());
            let found = findings(&store);
            let is_tombstone = table == "ids" && found.iter().all(|finding| finding.contains("tombstones"));
            assert!(!found.is_empty(), "{table} {key:02x?}");
            store.repair(&mut |_| {}).unwrap();
            assert_eq!(findings(&store), Vec::<String>::new(), "{table} {key:02x?}");
            assert_eq!(store.read().unwrap().view().numbers_from(None, 99).unwrap(), numbers);
            drop(store);
            if !is_tombstone {
                assert!(
                    raw::rows(folder.path(), table).iter().any(|(found, _)| *found == key),
                    "{table} {key:02x?}"
                );
            }
            std::fs::write(folder.path().join("data.mdb"), &sound).unwrap();
        }
    }
}

#[test]
fn rows_that_nothing_accounts_for_are_found_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = everything(folder.path());
    for table in
        ["facts", "chunks", "payloads", "ids", "identities", "expiry", "destinations", "queue", "held"]
    {
        let (key, value) = raw::rows(folder.path(), table).pop().unwrap();
        let mut other = key.clone();
        *other.last_mut().unwrap() ^= 0x55;
        raw::put(folder.path(), table, &other, &value);
    }
    let store = open(folder.path());
    assert!(findings(&store).len() >= 9);
    store.repair(&mut |_| {}).unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
    let txn = store.read().unwrap();
    assert!(numbers.iter().all(|number| txn.view().bundle(*number).unwrap().is_some()));
}

#[test]
fn a_repair_within_a_transaction_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    everything(folder.path());
    let (key, _) = raw::rows(folder.path(), "ids").pop().unwrap();
    raw::delete(folder.path(), "ids", &key);
    let store = open(folder.path());
    let mut txn = store.write().unwrap();
    assert!(txn.repair().unwrap().rows > 0);
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

fn damage_last(folder: &Path, table: &str) {
    let (key, mut value) = raw::rows(folder, table).pop().unwrap();
    value[3] ^= 1;
    raw::put(folder, table, &key, &value);
}

#[test]
fn a_damaged_piece_names_its_bundle_which_can_be_received_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let recipe = Recipe::new(4).payload_octets(CHUNK_OCTETS + 100);
    let mut txn = store.write().unwrap();
    let number = recipe.insert(&mut txn);
    txn.commit().unwrap();
    drop(store);
    damage_last(folder.path(), "chunks");

    let store = open(folder.path());
    let txn = store.read().unwrap();
    assert!(txn.view().payload_chunk(number, 0).unwrap().is_some());
    let error = txn.view().payload_chunk(number, 1).unwrap_err();
    assert_eq!(error.damaged_bundle(), Some(number));
    assert!(matches!(error, StoreError::Damaged { table: Table::Chunks, .. }));
    drop(txn);
    let mut txn = store.write().unwrap();
    assert_eq!(txn.quarantine(number).unwrap(), Some(recipe.bundle().id()));
    assert_eq!(txn.view().find(&recipe.bundle().id()).unwrap(), None);
    let again = recipe.insert(&mut txn);
    txn.commit().unwrap();
    assert_eq!(payload_of(&store, again), recipe.payload());
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn a_bundle_whose_facts_are_damaged_is_taken_out_of_every_index() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = everything(folder.path());
    damage_last(folder.path(), "facts");
    let store = open(folder.path());
    let number = *numbers.last().unwrap();
    let mut txn = store.write().unwrap();
    assert_eq!(txn.view().bundle(number).unwrap_err().damaged_bundle(), Some(number));
    let id = txn.quarantine(number).unwrap().expect("its id is found");
    assert_eq!(txn.view().find(&id).unwrap(), None);
    assert_eq!(txn.view().ids_from(None, 99).unwrap().len(), numbers.len() - 1);
    txn.repair().unwrap();
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn a_store_with_damaged_settings_can_still_be_read_and_dumped() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = everything(folder.path());
    let settings = raw::rows(folder.path(), "node").into_iter().find(|(key, _)| is_settings("node", key));
    let (key, mut value) = settings.unwrap();
    value[9] ^= 1;
    raw::put(folder.path(), "node", &key, &value);
    let store = Store::open(folder.path(), &SMALL).unwrap();
    assert!(matches!(store.write().unwrap_err(), StoreError::Damaged { table: Table::Settings, .. }));
    let txn = store.read().unwrap();
    let dumped = txn.view().dump(&mut Vec::new(), &mut |_| {}).unwrap();
    assert_eq!(dumped.bundles, numbers.len() as u64);
    assert_eq!(dumped.skipped.len(), 1);
}

#[test]
fn random_damage_to_the_file_never_gives_octets_that_were_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    everything(folder.path());
    let expected = |number: Number| {
        Recipe::new(number.value())
            .payload_octets(if number.value() == 4 { CHUNK_OCTETS + 100 } else { 100 })
            .payload()
    };
    let sound = std::fs::read(folder.path().join("data.mdb")).unwrap();
    let values: Vec<_> =
        ["contents", "chunks"].iter().flat_map(|table| raw::rows(folder.path(), table)).collect();
    for (_, value) in values {
        // Where the record's octets lie in the file; LMDB keeps them in one piece.
        let place =
            sound.windows(value.len()).position(|window| window == value).expect("the record is in the file");
        for at in (0..value.len()).step_by(1 + value.len() / 7) {
            let mut damaged = sound.clone();
            damaged[place + at] ^= 0x01;
            std::fs::write(folder.path().join("data.mdb"), &damaged).unwrap();
            let store = open(folder.path());
            for number in store.read().unwrap().view().numbers_from(None, 99).unwrap() {
                let whole = store.read().unwrap().view().bundle(number).is_ok_and(|stored| stored.is_some())
                    && (0..2).all(|index| store.read().unwrap().view().payload_chunk(number, index).is_ok());
                if whole {
                    assert_eq!(payload_of(&store, number), expected(number));
                }
            }
        }
    }
}

#[test]
fn the_beginning_of_a_bundle_survives_a_restart_and_a_damaged_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    everything(folder.path());
    let restart = || {
        let store = open(folder.path());
        let mut txn = store.write().unwrap();
        let abandoned = txn.abandon_leftovers().unwrap();
        txn.commit().unwrap();
        let partials = store.read().unwrap().view().partials().unwrap();
        (abandoned, partials.len(), findings(&store).len())
    };
    assert_eq!(restart(), (0, 1, 0));
    let partial = |(key, _): &(Vec<u8>, Vec<u8>)| key.first() == Some(&(Table::Partials as u8));
    let (key, mut value) = raw::rows(folder.path(), "node").into_iter().find(partial).unwrap();
    value[20] ^= 1;
    raw::put(folder.path(), "node", &key, &value);
    assert_eq!(restart(), (1, 0, 1));
}
