//! Files that are cut off, foreign, old or open already are errors with a way out, and never a crash.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use agent_core::store::{CHUNK_OCTETS, Durability, FORMAT_VERSION, Store, StoreError, StoreOptions, Usage};

use crate::recipe::{Recipe, eid, findings, open, payload_of};

const SYNCED: StoreOptions = StoreOptions { map_octets: Some(64 << 20), durability: Durability::Synced };
/// Where LMDB keeps the format, the page size, and the last page in the first meta page of a 64-bit file.
const FORMAT_AT: u64 = 20;
const PAGE_SIZE_AT: u64 = 40;
const LAST_PAGE_AT: usize = 136;

fn fill(folder: &Path, bundles: u64) {
    let store = open(folder);
    for sequence in 0..bundles {
        let mut txn = store.write().unwrap();
        Recipe::new(sequence).payload_octets(3_000).insert(&mut txn);
        txn.commit().unwrap();
    }
}

fn data(folder: &Path) -> std::path::PathBuf {
    folder.join("data.mdb")
}

/// The end of the last page that the second meta page knows of, which is the newer one here.
fn last_page_end(folder: &Path) -> u64 {
    let file = fs::read(data(folder)).expect("a file");
    let last =
        |page: usize| u64::from_ne_bytes(file[page + LAST_PAGE_AT..][..8].try_into().expect("eight octets"));
    (last(0).max(last(4096)) + 1) * 4096
}

fn overwrite(folder: &Path, at: u64, octets: &[u8]) {
    OpenOptions::new().write(true).open(data(folder)).unwrap().write_all_at(octets, at).unwrap();
}

fn refusal(folder: &Path) -> StoreError {
    Store::open(folder, &SYNCED).expect_err("a file that cannot be opened")
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 40);
    let whole = fs::read(data(folder.path())).unwrap();
    let mut refused = 0;
    for octets in (1..whole.len()).step_by(2_713) {
        let short = tempfile::tempdir().unwrap();
        fs::write(data(short.path()), &whole[..octets]).unwrap();
        match Store::open(short.path(), &SYNCED) {
            Err(error) => {
                refused += 1;
                let is_named = matches!(error, StoreError::Truncated { .. } | StoreError::NotOurs { .. });
                assert!(is_named, "cut to {octets}: {error}");
                let left = fs::metadata(data(short.path())).unwrap().len();
                assert_eq!(left, octets as u64, "the file is left as it was");
            }
            // Only free pages were cut off.
            Ok(store) => {
                assert_eq!(findings(&store), Vec::<String>::new(), "cut to {octets}");
                assert_eq!(store.read().unwrap().view().usage().unwrap().bundles, 40);
            }
        }
    }
    assert!(refused * 2_713 > whole.len() / 2, "most of a file is in use");
}

#[test]
fn a_file_whose_last_pages_are_free_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 8);
    let store = open(folder.path());
    let mut txn = store.write().unwrap();
    let number = Recipe::new(100).insert(&mut txn);
    let staging = txn.begin_staging().unwrap();
    for index in 0..40 {
        txn.put_chunk(staging, index, &vec![1; CHUNK_OCTETS]).unwrap();
    }
    // Pages that the transaction that took them gives back are never written, once there is a list of free pages.
    txn.abandon_staging(staging).unwrap();
    txn.commit().unwrap();
    drop(store);
    assert!(fs::metadata(data(folder.path())).unwrap().len() < last_page_end(folder.path()));
    let store = open(folder.path());
    assert_eq!(payload_of(&store, number), Recipe::new(100).payload());
    assert_eq!(findings(&store), Vec::<String>::new());
    let mut txn = store.write().unwrap();
    Recipe::new(200).payload_octets(30 * CHUNK_OCTETS).insert(&mut txn);
    txn.commit().unwrap();
    assert_eq!(findings(&store), Vec::<String>::new());
}

#[test]
fn what_is_no_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(data(folder.path()), b"a letter to the editor".repeat(1_000)).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
    assert!(error.to_string().contains("Move it away"));
}

#[test]
fn zeros_that_a_power_cut_left_of_a_new_store_are_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(data(folder.path()), vec![0; 8192]).unwrap();
    fill(folder.path(), 1);
    assert_eq!(findings(&open(folder.path())), Vec::<String>::new());
}

#[test]
fn zeros_in_place_of_a_store_that_was_at_work_are_not_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    let mut txn = store.write().unwrap();
    Recipe::new(1).insert(&mut txn);
    txn.commit().unwrap();
    drop(store);
    fs::write(data(folder.path()), vec![0; 8192]).unwrap();
    assert!(matches!(refusal(folder.path()), StoreError::NotOurs { .. }));
}

#[test]
fn another_format_of_lmdb_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 1);
    overwrite(folder.path(), FORMAT_AT, &2_u32.to_ne_bytes());
    let error = refusal(folder.path());
    assert!(matches!(error, StoreError::WrongFormat { found: 2, expected: 1, .. }), "{error}");
    assert!(error.to_string().contains("store dump"));
}

#[test]
fn pages_of_another_size_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 1);
    overwrite(folder.path(), PAGE_SIZE_AT, &16_384_u32.to_ne_bytes());
    let error = refusal(folder.path());
    assert!(matches!(error, StoreError::PageSize { found: 16_384, .. }), "{error}");
}

#[test]
fn a_store_of_another_word_size_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = vec![0; 8192];
    for page in [0, 4096] {
        file[page + 6..page + 8].copy_from_slice(&8_u16.to_ne_bytes());
        file[page + 12..page + 16].copy_from_slice(&0xBEEF_C0DE_u32.to_ne_bytes());
        file[page + 16..page + 20].copy_from_slice(&1_u32.to_ne_bytes());
        file[page + 28..page + 32].copy_from_slice(&4096_u32.to_ne_bytes());
    }
    fs::write(data(folder.path()), file).unwrap();
    let error = refusal(folder.path());
    assert!(matches!(error, StoreError::WordSize { found: 32, expected: 64 }), "{error}");
}

#[test]
fn a_store_of_a_later_packmule_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fill(folder.path(), 1);
    let later = FORMAT_VERSION + 1;
    crate::raw::rewrite_settings_as_version(folder.path(), later);
    let error = refusal(folder.path());
    let named = |found, expected| found == later && expected == FORMAT_VERSION;
    assert!(
        matches!(error, StoreError::WrongFormat { found, expected, .. } if named(found, expected)),
        "{error}"
    );
}

#[test]
fn a_store_is_opened_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    assert!(matches!(refusal(folder.path()), StoreError::Locked));
    drop(first);
    open(folder.path());
}

#[test]
fn a_store_that_went_back_in_time_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    assert!(!store.rolled_back());
    drop(store);
    let backup = fs::read(data(folder.path())).unwrap();
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    let mut txn = store.write().unwrap();
    Recipe::new(1).insert(&mut txn);
    txn.set_node(&eid("dtn://clinic/"));
    txn.commit().unwrap();
    drop(store);
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    assert!(!store.rolled_back(), "a store that only was closed has not gone back");
    drop(store);

    fs::write(data(folder.path()), backup).unwrap();
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    assert!(store.rolled_back());
    let mut txn = store.write().unwrap();
    let before = txn.view().settings().unwrap().epoch;
    assert!(txn.raise_epoch() > before);
    txn.new_incarnation(99);
    txn.commit().unwrap();
    drop(store);
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    assert!(!store.rolled_back(), "a new epoch is ahead of everything");
    assert_eq!(store.write().unwrap().take_sequence().unwrap(), (99, 0));
}

/// Its witness comes along, and agrees with it.
#[test]
fn a_backup_of_the_whole_folder_that_is_put_back_is_noticed() {
    let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = |from: &Path, to: &Path| {
        for file in fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    };
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    let mut txn = store.write().unwrap();
    txn.new_incarnation(5);
    txn.commit().unwrap();
    drop(store);
    copy(folder.path(), backup.path());

    let store = Store::open(folder.path(), &SYNCED).unwrap();
    assert!(!store.rolled_back(), "it is the one that was copied");
    let mut txn = store.write().unwrap();
    assert_eq!(txn.take_sequence().unwrap(), (5, 0));
    txn.commit().unwrap();
    drop(store);
    for file in fs::read_dir(folder.path()).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    copy(backup.path(), folder.path());

    let tells = fs::metadata(folder.path().join("witness")).unwrap().created().is_ok();
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    assert_eq!(store.rolled_back(), tells, "else number 0 would be used twice");
    let mut txn = store.write().unwrap();
    txn.raise_epoch();
    txn.new_incarnation(6);
    txn.commit().unwrap();
    drop(store);
    assert!(!Store::open(folder.path(), &SYNCED).unwrap().rolled_back(), "once is enough");
}

#[test]
fn transactions_that_change_nothing_are_no_progress_that_could_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), &SYNCED).unwrap();
    for _ in 0..40 {
        store.write().unwrap().commit().unwrap();
    }
    drop(store);
    assert!(!Store::open(folder.path(), &SYNCED).unwrap().rolled_back());
}

#[test]
fn a_witness_that_cannot_be_read_claims_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), &SYNCED).unwrap());
    fs::write(folder.path().join("witness"), b"pmwitn01 torn").unwrap();
    assert!(!Store::open(folder.path(), &SYNCED).unwrap().rolled_back());
}

#[test]
fn readers_and_the_writer_do_not_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let before = store.read().unwrap();
    let also_before = store.read().unwrap();
    let mut txn = store.write().unwrap();
    Recipe::new(1).insert(&mut txn);
    txn.commit().unwrap();
    assert_eq!(before.view().usage().unwrap(), Usage::default());
    assert_eq!(also_before.view().usage().unwrap(), Usage::default());
    assert_eq!(store.read().unwrap().view().usage().unwrap().bundles, 1);
}
