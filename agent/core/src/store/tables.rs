//! The tables, opened: the one way to read and write their rows.
//!
//! Keys are big-endian and fixed-size, so that LMDB's order of octets is the order that we mean. Small tables share
//! one LMDB database, each under its tag, so that a commit touches few pages. `docs/store.md` has every key and record.

use std::borrow::Cow;
use std::io::Write;
use std::ops::Bound;

use heed::types::Bytes as Octets;
use heed::{CommitOrAbort, Database, DatabaseOpener, Env, PutFlags, RoTxn, RwTxn, WithoutTls};

use crate::store::record::{CHECKSUM_OCTETS, checksum, verified};
use crate::store::table::DATABASES;
use crate::store::{StoreError, Table};

type Raw = Database<'static, Octets, Octets>;

/// The open tables.
#[derive(Debug)]
pub(crate) struct Tables {
    databases: [Raw; 13],
}

impl Tables {
    /// Opens all tables, and makes those that are not there.
    pub(crate) fn open(env: &Env<WithoutTls>) -> Result<Self, StoreError> {
        let txn = env.write_txn()?;
        let made = env.create_databases_and_commit(txn, |opener, txn| {
            create(opener, txn).map(CommitOrAbort::<_, std::convert::Infallible>::Commit)
        })?;
        match made {
            CommitOrAbort::Commit(databases) => Ok(Self { databases }),
            CommitOrAbort::Abort(never) => match never {},
        }
    }

    fn raw(&self, table: Table) -> Raw {
        #[expect(clippy::indexing_slicing, reason = "`Table::database` names places of this array only")]
        self.databases[table.database()]
    }

    /// A record's fields, if it is there.
    pub(crate) fn get<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        table: Table,
        key: &[u8],
    ) -> Result<Option<&'t [u8]>, StoreError> {
        match self.raw(table).get(txn, &full_key(table, key))? {
            Some(value) => verified(table as u8, key, value).map(Some).ok_or_else(|| table.damaged(key)),
            None => Ok(None),
        }
    }

    /// Whether there is a record, sound or not.
    pub(crate) fn has(&self, txn: &RoTxn<'_>, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.raw(table).get(txn, &full_key(table, key))?.is_some())
    }

    pub(crate) fn put(
        &self,
        txn: &mut RwTxn<'_>,
        table: Table,
        key: &[u8],
        body: &[u8],
    ) -> Result<(), StoreError> {
        let sum = checksum(table as u8, key, body);
        // Written to where LMDB wants it: what is large is copied once.
        Ok(self.raw(table).put_reserved(txn, &full_key(table, key), body.len() + sum.len(), |value| {
            value.write_all(body)?;
            value.write_all(&sum)
        })?)
    }

    /// Like `put`, for a key behind all others of its database: LMDB fills its pages instead of splitting them.
    pub(crate) fn append(
        &self,
        txn: &mut RwTxn<'_>,
        table: Table,
        key: &[u8],
        body: &[u8],
    ) -> Result<(), StoreError> {
        let mut value = Vec::with_capacity(body.len() + CHECKSUM_OCTETS);
        value.extend_from_slice(body);
        value.extend_from_slice(&checksum(table as u8, key, body));
        Ok(self.raw(table).put_with_flags(txn, PutFlags::APPEND, &full_key(table, key), &value)?)
    }

    /// Deletes a record; whether it was there.
    pub(crate) fn delete(&self, txn: &mut RwTxn<'_>, table: Table, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.raw(table).delete(txn, &full_key(table, key))?)
    }

    /// The records under keys that begin with `prefix`, from `start` on where it lies among them.
    pub(crate) fn rows<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        table: Table,
        prefix: &[u8],
        start: Bound<&[u8]>,
    ) -> Result<Rows<'t>, StoreError> {
        let prefix = full_key(table, prefix);
        let start = start.map(|key| full_key(table, key));
        let start = match &start {
            // LMDB knows no empty key.
            Bound::Unbounded if prefix.is_empty() => Bound::Unbounded,
            Bound::Unbounded => Bound::Included(prefix.as_ref()),
            other => other.as_ref().map(AsRef::as_ref),
        };
        let end = successor(&prefix);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.raw(table).range(txn, &(start, end))?;
        Ok(Rows { table, range })
    }

    /// How many rows a table has; the tables of the shared database count together.
    pub(crate) fn len(&self, txn: &RoTxn<'_>, table: Table) -> Result<u64, StoreError> {
        Ok(self.raw(table).len(txn)?)
    }

    /// Pages that the tables fill, the free ones of the file not counted.
    pub(crate) fn pages(&self, txn: &RoTxn<'_>) -> Result<u64, StoreError> {
        let mut pages = 0_u64;
        for database in &self.databases {
            let stat = database.stat(txn)?;
            pages += (stat.branch_pages + stat.leaf_pages + stat.overflow_pages) as u64;
        }
        Ok(pages)
    }
}

fn create<'e>(
    opener: &DatabaseOpener<'e, WithoutTls>,
    txn: &mut RwTxn<'e>,
) -> heed::Result<[Database<'e, Octets, Octets>; 13]> {
    let mut databases = Vec::with_capacity(DATABASES.len());
    for name in DATABASES {
        databases.push(opener.create_database::<Octets, Octets>(txn, Some(name))?);
    }
    Ok(databases.try_into().unwrap_or_else(|_| unreachable!("one database was opened for each name")))
}

/// Rows of a table in the order of their keys; a damaged one is an error, and the next may be sound again.
#[derive(Debug)]
pub(crate) struct Rows<'t> {
    table: Table,
    range: heed::RoRange<'t, Octets, Octets>,
}

impl<'t> Iterator for Rows<'t> {
    type Item = Result<(&'t [u8], &'t [u8]), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.range.next()?;
        Some(row.map_err(StoreError::from).and_then(|(key, value)| {
            let key = if self.table.is_shared() { key.get(1..).unwrap_or_default() } else { key };
            let body = verified(self.table as u8, key, value).ok_or_else(|| self.table.damaged(key))?;
            Ok((key, body))
        }))
    }
}

fn full_key(table: Table, key: &[u8]) -> Cow<'_, [u8]> {
    if table.is_shared() {
        let mut full = Vec::with_capacity(1 + key.len());
        full.push(table as u8);
        full.extend_from_slice(key);
        Cow::Owned(full)
    } else {
        Cow::Borrowed(key)
    }
}

/// The first key behind all that begin with `prefix`; `None` where there can be none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|octet| *octet != u8::MAX)?;
    let mut next = prefix.get(..=last)?.to_vec();
    if let Some(octet) = next.last_mut() {
        *octet += 1;
    }
    Some(next)
}

/// The error for a record whose checksum holds and whose fields make no sense.
pub(crate) fn misshapen(table: Table, key: &[u8]) -> StoreError {
    table.damaged(key)
}
