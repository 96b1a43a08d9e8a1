//! When, and by which way, the newest card of each node came: what `show` and `status` tell of nodes that were never met.

use bundle_format::{DtnTime, Eid};

use crate::store::endpoints::name_key;
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{Number, StoreError, Table, View, WriteTxn};
use crate::time::NodeTime;

/// A node that was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearing {
    /// Its node ID.
    pub node: Eid,
    /// Its card; gone from the store once it has expired.
    pub card: Number,
    /// When the node made it, by its own clock where that was trusted.
    pub made: Option<DtnTime>,
    /// When it came, on this node's own scale.
    pub came: NodeTime,
    /// When it came, by a clock that was trusted then.
    pub came_utc: Option<DtnTime>,
    /// By which way, for people: a link's URL, a drive, or a file; empty where nobody said.
    pub way: String,
}

/// Octets of a way's name that are kept.
const WAY_OCTETS_MAX: usize = 256;

impl Hearing {
    fn encode(&self) -> Vec<u8> {
        let way = self.way.as_bytes();
        Writer::with_capacity(96)
            .u64(self.card.value())
            .u64(self.made.map_or(0, |time| time.0))
            .u64(self.came.as_ms())
            .u64(self.came_utc.map_or(0, |time| time.0))
            .counted(&self.node.to_cbor())
            .counted(way.get(..WAY_OCTETS_MAX).unwrap_or(way))
            .done()
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let time = |ms: u64| Some(DtnTime(ms)).filter(|time| time.0 != 0);
        let hearing = Self {
            card: Number::new(fields.u64()?),
            made: time(fields.u64()?),
            came: NodeTime::from_ms(fields.u64()?),
            came_utc: time(fields.u64()?),
            node: Eid::from_cbor(fields.counted()?).ok()?,
            way: String::from_utf8_lossy(fields.counted()?).into_owned(),
        };
        fields.end()?;
        Some(hearing)
    }
}

fn key_of(node: &Eid) -> [u8; 16] {
    name_key(&node.to_cbor())
}

impl View<'_> {
    /// When a node was heard of.
    pub fn hearing(&self, node: &Eid) -> Result<Option<Hearing>, StoreError> {
        let key = key_of(node);
        let Some(body) = self.get(Table::Hearings, &key)? else { return Ok(None) };
        Hearing::decode(body).map(Some).ok_or_else(|| misshapen(Table::Hearings, &key))
    }

    /// All nodes that were heard of, in no order that means anything.
    pub fn hearings(&self) -> Result<Vec<Hearing>, StoreError> {
        let rows = self.rows(Table::Hearings, b"")?;
        rows.map(|row| {
            let (key, body) = row?;
            Hearing::decode(body).ok_or_else(|| misshapen(Table::Hearings, key))
        })
        .collect()
    }
}

impl WriteTxn<'_> {
    /// A node's card came.
    pub fn put_hearing(&mut self, hearing: &Hearing) -> Result<(), StoreError> {
        self.put(Table::Hearings, &key_of(&hearing.node), &hearing.encode())
    }

    /// Forgets that a node was heard of.
    pub fn forget_hearing(&mut self, node: &Eid) -> Result<bool, StoreError> {
        self.delete(Table::Hearings, &key_of(node))
    }
}
