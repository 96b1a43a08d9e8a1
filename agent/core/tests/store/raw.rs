//! The store's file as LMDB sees it, to damage it.

use std::path::Path;

use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions};

pub(crate) const TABLES: [&str; 13] = [
    "facts",
    "contents",
    "chunks",
    "payloads",
    "ids",
    "identities",
    "expiry",
    "tombstones",
    "destinations",
    "queue",
    "endpoints",
    "held",
    "node",
];

type Table = Database<'static, Bytes, Bytes>;

fn open(folder: &Path, table: &str) -> (Env, Table) {
    let mut options = EnvOpenOptions::new();
    options.map_size(64 << 20).max_dbs(13);
    #[expect(unsafe_code, reason = "the test is the only one that has the file open")]
    // SAFETY: the store is closed and nothing else touches its folder.
    let env = unsafe { options.open(folder).expect("an environment") };
    let txn = env.read_txn().expect("a reader");
    let opened = env.open_databases_and_commit(txn, |opener, txn| {
        opener.open_database::<Bytes, Bytes>(txn, Some(table)).map(CommitOrAbort::<_, ()>::Commit)
    });
    let table = opened.expect("a table").commit().flatten().expect("the table exists");
    (env, table)
}

/// All rows of a table.
pub(crate) fn rows(folder: &Path, table: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (env, table) = open(folder, table);
    let txn = env.read_txn().expect("a reader");
    let rows = table.iter(&txn).expect("rows");
    rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec())).expect("a row")).collect()
}

pub(crate) fn put(folder: &Path, table: &str, key: &[u8], value: &[u8]) {
    let (env, table) = open(folder, table);
    let mut txn = env.write_txn().expect("a writer");
    table.put(&mut txn, key, value).expect("room");
    txn.commit().expect("room");
}

pub(crate) fn delete(folder: &Path, table: &str, key: &[u8]) {
    let (env, table) = open(folder, table);
    let mut txn = env.write_txn().expect("a writer");
    assert!(table.delete(&mut txn, key).expect("a table"));
    txn.commit().expect("room");
}

/// Settings of another version, sound otherwise: the tag of their table, their key and their fields under a CRC-32.
pub(crate) fn rewrite_settings_as_version(folder: &Path, version: u32) {
    const TAG: u8 = 13;
    let key = [&[TAG], b"store".as_slice()].concat();
    let (_, mut value) = rows(folder, "node").into_iter().find(|(found, _)| *found == key).expect("settings");
    value.truncate(value.len() - 4);
    value.splice(..4, version.to_be_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key);
    hasher.update(&value);
    value.extend_from_slice(&hasher.finalize().to_be_bytes());
    put(folder, "node", &key, &value);
}
