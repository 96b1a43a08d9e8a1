//! What this node published itself: which edition of each of its own records came last, when, and what it said. And which
//! records of deliveries of others it has not acted upon to the end.

use bundle_format::Eid;

use crate::store::endpoints::name_key;
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{StoreError, Table, View, WriteTxn};
use crate::time::NodeTime;

/// The last edition of a record of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Publication {
    /// Its revision; 0 if there was none.
    pub revision: u64,
    /// When it was made, on the node's own scale.
    pub made: NodeTime,
    /// A hash of what it said, so that the same is not said again.
    pub digest: [u8; 16],
}

impl Publication {
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let publication =
            Self { revision: fields.u64()?, made: NodeTime::from_ms(fields.u64()?), digest: fields.array()? };
        fields.end()?;
        Some(publication)
    }
}

impl View<'_> {
    /// What is remembered of the record of that name.
    pub fn publication(&self, name: &str) -> Result<Publication, StoreError> {
        let key = name.as_bytes();
        let Some(body) = self.get(Table::Publications, key)? else { return Ok(Publication::default()) };
        Publication::decode(body).ok_or_else(|| misshapen(Table::Publications, key))
    }
}

impl View<'_> {
    /// Destinations whose delivered bundles are being looked for.
    pub fn purges(&self) -> Result<Vec<Eid>, StoreError> {
        let rows = self.rows(Table::Purges, b"")?;
        rows.map(|row| {
            let (key, body) = row?;
            Eid::from_cbor(body).map_err(|_| misshapen(Table::Purges, key))
        })
        .collect()
    }
}

impl WriteTxn<'_> {
    /// Bundles that a destination has had are to be looked for.
    pub fn begin_purge(&mut self, node: &Eid) -> Result<(), StoreError> {
        let name = node.to_cbor();
        self.put(Table::Purges, &name_key(&name), &name)
    }

    /// All of them were found.
    pub fn end_purge(&mut self, node: &Eid) -> Result<(), StoreError> {
        self.delete(Table::Purges, &name_key(&node.to_cbor())).map(drop)
    }

    /// Remembers an edition.
    pub fn put_publication(&mut self, name: &str, publication: &Publication) -> Result<(), StoreError> {
        let body = Writer::with_capacity(32)
            .u64(publication.revision)
            .u64(publication.made.as_ms())
            .octets(&publication.digest)
            .done();
        self.put(Table::Publications, name.as_bytes(), &body)
    }
}
