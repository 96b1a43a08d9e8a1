//! What is known about others survives, and what they lost is forgotten.

use crate::recipe::{Recipe, at, eid, findings, open};
use agent_core::store::{NeighborContact, Number, Tombstone, WriteTxn};
use bundle_format::{NodeKey, PublicKey};

fn key(seed: u8) -> PublicKey {
    NodeKey::from_seed([seed; 32]).public()
}

fn contact(epoch: u64) -> NeighborContact {
    NeighborContact { key: key(1), epoch, link: "tcp://192.0.2.7:4556".to_owned(), now: at(5) }
}

#[test]
fn what_a_neighbor_holds_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let hospital = eid("dtn://hospital/");
    let mut txn = store.write().unwrap();
    let numbers: Vec<_> = (1..=3).map(|sequence| Recipe::new(sequence).insert(&mut txn)).collect();
    txn.mark_held(&hospital, numbers[1]).unwrap();
    txn.commit().unwrap();
    let txn = store.read().unwrap();
    let view = txn.view();
    assert!(view.holds(&hospital, numbers[1]).unwrap());
    assert!(!view.holds(&hospital, numbers[0]).unwrap());
    assert!(!view.holds(&eid("dtn://school/"), numbers[1]).unwrap());
    assert_eq!(view.holders(numbers[1]).unwrap(), vec![hospital.clone()]);
    assert_eq!(view.holders(numbers[2]).unwrap(), vec![]);
    assert_eq!(view.held_count(&hospital).unwrap(), 1);
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn a_neighbor_with_a_new_epoch_is_known_to_have_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let hospital = eid("dtn://hospital/");
    let mut txn = store.write().unwrap();
    let number = Recipe::new(1).insert(&mut txn);
    txn.neighbor_met(&hospital, &contact(4)).unwrap();
    txn.mark_held(&hospital, number).unwrap();
    let agreed = |txn: &WriteTxn<'_>| txn.view().neighbor(&hospital).unwrap().unwrap().agreed.value();
    txn.note_agreed(&hospital, Number::new(2)).unwrap();
    txn.note_agreed(&hospital, Number::new(1)).unwrap();
    txn.neighbor_met(&hospital, &contact(4)).unwrap();
    assert!(txn.view().holds(&hospital, number).unwrap());
    assert_eq!(agreed(&txn), 2);
    txn.neighbor_met(&hospital, &contact(5)).unwrap();
    assert!(!txn.view().holds(&hospital, number).unwrap());
    assert_eq!(agreed(&txn), 0);
    let record = txn.view().neighbor(&hospital).unwrap().unwrap();
    assert_eq!((record.epoch, record.key, record.met), (5, Some(key(1)), at(5).node));
    assert_eq!(record.link, "tcp://192.0.2.7:4556");
}

#[test]
fn what_was_said_of_a_neighbor_before_it_was_met_still_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let hospital = eid("dtn://hospital/");
    let mut txn = store.write().unwrap();
    let number = Recipe::new(1).insert(&mut txn);
    txn.mark_held(&hospital, number).unwrap();
    txn.neighbor_met(&hospital, &contact(4)).unwrap();
    assert!(txn.view().holds(&hospital, number).unwrap());
}

#[test]
fn a_forgotten_neighbor_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let school = eid("dtn://school/");
    let mut txn = store.write().unwrap();
    let number = Recipe::new(1).insert(&mut txn);
    txn.mark_held(&school, number).unwrap();
    assert!(txn.forget_neighbor(&school).unwrap());
    assert!(!txn.forget_neighbor(&school).unwrap());
    assert!(!txn.view().holds(&school, number).unwrap());
    assert_eq!(txn.view().neighbors().unwrap(), vec![]);
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn holders_of_a_removed_bundle_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let hospital = eid("dtn://hospital/");
    let mut txn = store.write().unwrap();
    let number = Recipe::new(1).insert(&mut txn);
    txn.mark_held(&hospital, number).unwrap();
    txn.remove(number, Tombstone::None).unwrap();
    txn.mark_held(&hospital, number).unwrap();
    assert_eq!(txn.view().held_count(&hospital).unwrap(), 0);
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn trust_peers_and_groups_are_kept_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (school, group) = (eid("dtn://school/"), eid("dtn://region/~news"));
    let mut txn = store.write().unwrap();
    txn.trust_put(&school, &key(1), at(9)).unwrap();
    txn.trust_put(&school, &key(2), at(10)).unwrap();
    assert!(txn.peer_put("tcp://192.0.2.1:4556").unwrap());
    assert!(!txn.peer_put("tcp://192.0.2.1:4556").unwrap());
    assert!(txn.subscribe(&group).unwrap());
    assert!(!txn.subscribe(&group).unwrap());
    txn.commit().unwrap();
    let txn = store.read().unwrap();
    let entry = txn.view().trusted(&school).unwrap().unwrap();
    assert_eq!((entry.key, entry.added, entry.added_utc), (key(2), at(10).node, at(10).utc));
    assert_eq!(txn.view().trust_list().unwrap(), vec![entry]);
    assert_eq!(txn.view().peers().unwrap(), vec!["tcp://192.0.2.1:4556".to_owned()]);
    assert_eq!(txn.view().subscriptions().unwrap(), vec![group.clone()]);
    assert!(txn.view().is_subscribed(&group).unwrap());
    drop(txn);
    let mut txn = store.write().unwrap();
    assert!(txn.trust_remove(&school).unwrap());
    assert!(!txn.trust_remove(&school).unwrap());
    assert!(txn.peer_remove("tcp://192.0.2.1:4556").unwrap());
    assert!(txn.unsubscribe(&group).unwrap());
    assert_eq!(txn.view().trusted(&school).unwrap(), None);
    assert_eq!(txn.view().peers().unwrap(), Vec::<String>::new());
    assert_eq!(txn.view().subscriptions().unwrap(), vec![]);
}
