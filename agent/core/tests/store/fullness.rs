//! A full store refuses what is new, and still lets go of what is old.

use agent_core::store::{
    CHUNK_OCTETS, Durability, Number, Room, Store, StoreError, StoreOptions, Tombstone, WriteTxn,
};
use agent_core::time::NodeTime;

use crate::recipe::{Recipe, findings};

const TINY: StoreOptions = StoreOptions { map_octets: Some(2 << 20), durability: Durability::Unsynced };

/// Stores bundles until there is no room; the numbers of those that were kept.
fn fill(store: &Store) -> Vec<Number> {
    let mut kept = Vec::new();
    for sequence in 1.. {
        let recipe = Recipe::new(sequence).payload_octets(5_000);
        let bundle = recipe.bundle();
        let mut txn = store.write().expect("a writer");
        match txn.insert(&recipe.record(&bundle), agent_core::store::PayloadPlace::Inline) {
            Ok(number) => kept.push(number),
            Err(error) => {
                assert!(error.is_full(), "{error}");
                assert!(matches!(error, StoreError::Full { room: Room::Map }), "{error}");
                return kept;
            }
        }
        txn.commit().expect("what was taken fits");
    }
    kept
}

fn bury(txn: &mut WriteTxn<'_>, number: Number) {
    txn.remove(number, Tombstone::Until(NodeTime::from_ms(99_000_000))).expect("deletions work");
}

#[test]
fn a_full_store_lets_go_of_bundles_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &TINY).unwrap();
    let kept = fill(&store);
    assert!(kept.len() > 50, "{} bundles fit", kept.len());
    assert!(!store.write().unwrap().has_room_for(5_000));
    for number in &kept {
        let mut txn = store.write().unwrap();
        bury(&mut txn, *number);
        txn.commit().unwrap();
    }
    assert_eq!(findings(&store), Vec::<String>::new());
    let mut txn = store.write().unwrap();
    assert!(txn.has_room_for(5_000));
    Recipe::new(1_000_000).payload_octets(5_000).insert(&mut txn);
    txn.commit().unwrap();
}

#[test]
fn a_full_store_lets_go_of_all_bundles_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &TINY).unwrap();
    let kept = fill(&store);
    let mut txn = store.write().unwrap();
    for number in kept {
        bury(&mut txn, number);
    }
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn a_full_store_is_filled_and_emptied_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &TINY).unwrap();
    let mut sequence = 1_000_000;
    let mut kept = std::collections::VecDeque::from(fill(&store));
    for _ in 0..500 {
        let mut txn = store.write().unwrap();
        txn.remove(kept.pop_front().unwrap(), Tombstone::None).unwrap();
        txn.remove(kept.pop_front().unwrap(), Tombstone::None).unwrap();
        txn.commit().unwrap();
        let mut txn = store.write().unwrap();
        while txn.has_room_for(6_000) && kept.len() < 100 {
            sequence += 1;
            kept.push_back(Recipe::new(sequence).payload_octets(5_000).insert(&mut txn));
        }
        txn.commit().unwrap();
        if kept.len() < 50 {
            break;
        }
    }
    assert!(sequence > 1_000_300, "room is used again: {sequence}");
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn a_map_that_grows_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), &TINY).unwrap();
    let kept = fill(&store);
    assert_eq!(store.grow().unwrap(), 4 << 20);
    let mut txn = store.write().unwrap();
    let number = Recipe::new(1_000_000).payload_octets(5_000).insert(&mut txn);
    txn.commit().unwrap();
    assert!(!kept.contains(&number));
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn pieces_of_payloads_are_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &TINY).unwrap();
    let mut txn = store.write().unwrap();
    let staging = txn.begin_staging().unwrap();
    let refused = (0..100).find_map(|index| txn.put_chunk(staging, index, &vec![0; CHUNK_OCTETS]).err());
    assert!(refused.is_some_and(|error| error.is_full()));
}

#[test]
fn a_durable_store_keeps_room_for_deletions_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { map_octets: Some(16 << 20), durability: Durability::Synced };
    let store = Store::open(folder.path(), &options).unwrap();
    let mut txn = store.write().unwrap();
    Recipe::new(1).insert(&mut txn);
    txn.commit().unwrap();
    let ballast = std::fs::metadata(folder.path().join("ballast"));
    // There is none on a file system that has no room to spare.
    assert!(
        ballast.is_ok_and(|file| file.len() == 16 << 20) || !store.write().unwrap().has_room_for(64 << 20)
    );
}
