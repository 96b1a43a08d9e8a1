//! Peers that users said are to be called.

use crate::store::endpoints::name_key;
use crate::store::tables::misshapen;
use crate::store::{StoreError, Table, View, WriteTxn};

impl View<'_> {
    /// URLs of all peers that were added, in their order.
    pub fn peers(&self) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(Table::Peers, b"")?.map(|row| {
            let (key, body) = row?;
            String::from_utf8(body.to_vec()).map_err(|_| misshapen(Table::Peers, key))
        });
        let mut urls = rows.collect::<Result<Vec<_>, StoreError>>()?;
        urls.sort();
        Ok(urls)
    }
}

impl WriteTxn<'_> {
    /// Adds a peer; whether it is new.
    pub fn peer_put(&mut self, url: &str) -> Result<bool, StoreError> {
        let key = name_key(url.as_bytes());
        if self.view().has(Table::Peers, &key)? {
            return Ok(false);
        }
        self.put(Table::Peers, &key, url.as_bytes())?;
        Ok(true)
    }

    /// Removes a peer; whether it was there.
    pub fn peer_remove(&mut self, url: &str) -> Result<bool, StoreError> {
        self.delete(Table::Peers, &name_key(url.as_bytes()))
    }
}
