//! Keys that users said are trusted for a node. Those from the configuration are the configuration's.

use bundle_format::{DtnTime, Eid, PublicKey};

use crate::store::endpoints::name_key;
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{StoreError, Table, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// A key that is trusted for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustEntry {
    /// The node.
    pub node: Eid,
    /// Its key.
    pub key: PublicKey,
    /// When it was added, on the node's own scale.
    pub added: NodeTime,
    /// When it was added, by a clock that was trusted then.
    pub added_utc: Option<DtnTime>,
}

impl TrustEntry {
    fn encode(&self) -> Vec<u8> {
        Writer::with_capacity(96)
            .octets(self.key.as_bytes())
            .u64(self.added.as_ms())
            .u64(self.added_utc.map_or(0, |time| time.0))
            .counted(&self.node.to_cbor())
            .done()
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        Some(Self {
            key: PublicKey::from_checked_bytes(fields.array()?),
            added: NodeTime::from_ms(fields.u64()?),
            added_utc: Some(fields.u64()?).filter(|time| *time != 0).map(DtnTime),
            node: Eid::from_cbor(fields.counted()?).ok()?,
        })
    }
}

fn key_of(node: &Eid) -> [u8; 16] {
    name_key(&node.to_cbor())
}

impl View<'_> {
    /// The key that was added for a node.
    pub fn trusted(&self, node: &Eid) -> Result<Option<TrustEntry>, StoreError> {
        let key = key_of(node);
        let Some(body) = self.get(Table::Trust, &key)? else { return Ok(None) };
        TrustEntry::decode(body).map(Some).ok_or_else(|| misshapen(Table::Trust, &key))
    }

    /// All keys that were added, in the order of their nodes.
    pub fn trust_list(&self) -> Result<Vec<TrustEntry>, StoreError> {
        let rows = self.rows(Table::Trust, b"")?.map(|row| {
            let (key, body) = row?;
            TrustEntry::decode(body).ok_or_else(|| misshapen(Table::Trust, key))
        });
        let mut entries = rows.collect::<Result<Vec<_>, StoreError>>()?;
        entries.sort_by(|one, other| one.node.cmp(&other.node));
        Ok(entries)
    }
}

impl WriteTxn<'_> {
    /// Trusts a key for a node, in place of any other.
    pub fn trust_put(&mut self, node: &Eid, key: &PublicKey, now: Now) -> Result<(), StoreError> {
        self.put_trust_entry(&TrustEntry {
            node: node.clone(),
            key: *key,
            added: now.node,
            added_utc: now.utc,
        })
    }

    pub(crate) fn put_trust_entry(&mut self, entry: &TrustEntry) -> Result<(), StoreError> {
        self.put(Table::Trust, &key_of(&entry.node), &entry.encode())
    }

    /// Trusts no added key for a node any more; whether there was one.
    pub fn trust_remove(&mut self, node: &Eid) -> Result<bool, StoreError> {
        self.delete(Table::Trust, &key_of(node))
    }
}
