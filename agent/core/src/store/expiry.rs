//! The index of deadlines.
//!
//! Ordered by the deadline to the millisecond, so that the next one is a single look and exact: the agent asks after
//! every step. Bundles with like lifetimes come in the order of their deadlines, so that rows that are
//! written together lie together.

use crate::store::facts::number_at;
use crate::store::tables::misshapen;
use crate::store::{Number, StoreError, Table, View};
use crate::time::NodeTime;

pub(crate) fn key(deadline: NodeTime, number: Number) -> [u8; 16] {
    let mut key = [0; 16];
    let (first, second) = key.split_at_mut(8);
    first.copy_from_slice(&deadline.as_ms().to_be_bytes());
    second.copy_from_slice(&number.key());
    key
}

pub(crate) fn deadline_at(key: &[u8]) -> Result<NodeTime, StoreError> {
    let deadline = key.first_chunk::<8>().ok_or_else(|| misshapen(Table::Expiry, key))?;
    Ok(NodeTime::from_ms(u64::from_be_bytes(*deadline)))
}

impl View<'_> {
    /// When the next bundle expires.
    pub fn next_expiry(&self) -> Result<Option<NodeTime>, StoreError> {
        match self.rows(Table::Expiry, b"")?.next() {
            Some(row) => deadline_at(row?.0).map(Some),
            None => Ok(None),
        }
    }

    /// Bundles whose deadline has come, the earliest first.
    pub fn expired(&self, now: NodeTime, limit: usize) -> Result<Vec<Number>, StoreError> {
        let mut expired = Vec::new();
        for row in self.rows(Table::Expiry, b"")?.take(limit) {
            let (key, _) = row?;
            if deadline_at(key)? > now {
                break;
            }
            expired.push(number_at(Table::Expiry, key)?);
        }
        Ok(expired)
    }
}
