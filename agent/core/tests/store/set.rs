//! The set that is reconciled: what is in it, its cells on disk, and what becomes of them when they are lost.

use std::path::Path;

use agent_core::set::{CellsOf, Compared, ReconciledSet};
use agent_core::sketch::{CELLS_MAX, Prefix};
use agent_core::store::{Number, Partition, Store, Tombstone};
use agent_core::time::NodeTime;
use bundle_format::BundleId;

use crate::raw;
use crate::recipe::{Recipe, eid, findings, open};

const HOUR_MS: u64 = 3_600_000;

fn hours(count: u64) -> NodeTime {
    NodeTime::from_ms(count * HOUR_MS)
}

fn cells_of(ids: &[BundleId]) -> Prefix {
    let mut cells = Prefix::new(CELLS_MAX);
    for id in ids {
        cells.insert(id);
    }
    cells
}

fn cells_in(store: &Store) -> Option<Prefix> {
    store.read().unwrap().view().set_cells().unwrap()
}

/// Bundles that expire after ten hours, each in a transaction of its own.
fn fill(store: &Store, count: u64) -> Vec<(BundleId, Number)> {
    let one = |number| {
        let recipe = Recipe { deadline: hours(10), ..Recipe::new(number) };
        let mut txn = store.write().unwrap();
        let stored = recipe.insert(&mut txn);
        txn.commit().unwrap();
        (recipe.bundle().id(), stored)
    };
    (1..=count).map(one).collect()
}

fn remove(store: &Store, number: Number, tombstone: Tombstone) {
    let mut txn = store.write().unwrap();
    assert!(txn.remove(number, tombstone).unwrap());
    txn.commit().unwrap();
}

/// Four bundles, of which one is here, one went before its time, one went after it, and one was forgotten.
fn one_of_each(folder: &Path) -> Vec<BundleId> {
    let store = open(folder);
    let bundles = fill(&store, 4);
    remove(&store, bundles[1].1, Tombstone::InSetUntil(hours(34)));
    remove(&store, bundles[2].1, Tombstone::Until(hours(34)));
    remove(&store, bundles[3].1, Tombstone::None);
    bundles.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_bundle_that_went_before_its_time_stays_in_the_set_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let ids = one_of_each(folder.path());
    let store = open(folder.path());
    assert_eq!(cells_in(&store), Some(cells_of(&ids[..2])));
    let txn = store.read().unwrap();
    let are_in: Vec<bool> = ids.iter().map(|id| txn.view().is_in_set(id).unwrap()).collect();
    assert_eq!(are_in, [true, true, false, false]);
    let mut listed: Vec<BundleId> =
        txn.view().set_from(None, 10).unwrap().into_iter().map(|(id, _)| id).collect();
    let mut expected = ids[..2].to_vec();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    drop(txn);

    let mut txn = store.write().unwrap();
    txn.purge_departures(hours(10), 10).unwrap();
    assert!(txn.view().is_in_set(&ids[1]).unwrap(), "its hour is not over");
    txn.purge_departures(hours(11), 10).unwrap();
    assert!(!txn.view().is_in_set(&ids[1]).unwrap());
    assert!(txn.view().find(&ids[1]).unwrap().is_some(), "and it does not come back");
    txn.commit().unwrap();
    assert_eq!(cells_in(&store), Some(cells_of(&ids[..1])));
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn what_a_transaction_changed_shows_before_it_is_committed_and_is_gone_if_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let recipe = Recipe::new(1);
    let mut txn = store.write().unwrap();
    recipe.insert(&mut txn);
    assert_eq!(txn.view().set_cells().unwrap(), Some(cells_of(&[recipe.bundle().id()])));
    drop(txn);
    assert_eq!(cells_in(&store), Some(cells_of(&[])));
}

#[test]
fn a_part_of_the_set_has_the_cells_of_what_goes_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let mut ids = Vec::new();
    for (number, destination) in
        (1..).zip(["dtn://farm/in", "dtn://farm/out", "dtn://bus/", "dtn://region/~news"])
    {
        let recipe = Recipe { destination, deadline: hours(10), ..Recipe::new(number) };
        let mut txn = store.write().unwrap();
        let stored = recipe.insert(&mut txn);
        if number == 2 {
            txn.remove(stored, Tombstone::InSetUntil(hours(34))).unwrap();
        }
        txn.commit().unwrap();
        ids.push(recipe.bundle().id());
    }
    let txn = store.read().unwrap();
    let mut set = ReconciledSet::open(txn.view()).unwrap();
    assert_eq!(set.whole(), Some(&cells_of(&ids)));
    let partitions = |names: &[&str]| names.iter().map(|name| Partition::of(&eid(name))).collect();
    let mut prefix = |names: &[&str]| set.cells_of(&Compared::Only(partitions(names)), txn.view()).unwrap();
    assert_eq!(prefix(&["dtn://farm/"]), CellsOf::Known(cells_of(&ids[..2])));
    assert_eq!(prefix(&["dtn://bus/", "dtn://region/~news"]), CellsOf::Known(cells_of(&ids[2..])));
    assert_eq!(prefix(&["dtn://elsewhere/"]), CellsOf::Known(cells_of(&[])));
    let rest = Compared::AllBut(partitions(&["dtn://farm/", "dtn://elsewhere/"]));
    assert_eq!(set.cells_of(&rest, txn.view()).unwrap(), CellsOf::Known(cells_of(&ids[2..])));
}

#[test]
fn whatever_is_damaged_of_the_set_is_found_and_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let ids = one_of_each(folder.path());
    let sound = std::fs::read(folder.path().join("data.mdb")).unwrap();
    let tags = 60..=63;
    let mut seen = std::collections::BTreeSet::new();
    for (key, value) in raw::rows(folder.path(), "node") {
        if !tags.contains(&key[0]) {
            continue;
        }
        seen.insert(key[0]);
        for is_deleted in [true, false] {
            if is_deleted {
                raw::delete(folder.path(), "node", &key);
            } else {
                let mut damaged = value.clone();
                *damaged.last_mut().unwrap() ^= 1;
                raw::put(folder.path(), "node", &key, &damaged);
            }
            let store = open(folder.path());
            assert!(!findings(&store).is_empty(), "{key:02x?}");
            store.repair(&mut |_| {}).unwrap();
            assert_eq!(findings(&store), Vec::<String>::new(), "{key:02x?}");
            assert_eq!(cells_in(&store), Some(cells_of(&ids[..2])), "{key:02x?}");
            drop(store);
            std::fs::write(folder.path().join("data.mdb"), &sound).unwrap();
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [60, 62, 63]);
}

#[test]
fn a_damaged_checkpoint_is_no_set() {
    let folder = tempfile::tempdir().unwrap();
    let ids = one_of_each(folder.path());
    let (log, _) = raw::rows(folder.path(), "node").into_iter().find(|(key, _)| key[0] == 60).unwrap();
    raw::delete(folder.path(), "node", &log);
    open(folder.path()).repair(&mut |_| {}).unwrap();
    let (block, mut value) =
        raw::rows(folder.path(), "node").into_iter().find(|(key, _)| key[0] == 61).unwrap();
    value[40] ^= 1;
    raw::put(folder.path(), "node", &block, &value);
    let store = open(folder.path());
    assert_eq!(cells_in(&store), None);
    assert!(!findings(&store).is_empty());
    store.repair(&mut |_| {}).unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
    assert_eq!(cells_in(&store), Some(cells_of(&ids[..2])));
}

#[test]
fn a_dump_takes_the_set_along() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ids = one_of_each(from.path());
    let mut dump = Vec::new();
    open(from.path()).read().unwrap().view().dump(&mut dump, &mut |_| {}).unwrap();
    let store = open(to.path());
    store.load(&mut dump.as_slice(), 7, &mut |_| {}).unwrap();
    assert_eq!(cells_in(&store), Some(cells_of(&ids[..2])));
    assert_eq!(findings(&store), Vec::<String>::new());
}
