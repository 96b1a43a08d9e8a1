//! What is known about neighbors beyond their contacts.

use bundle_format::{DtnTime, Eid, PublicKey};

use crate::store::endpoints::name_key;
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{Number, StoreError, Table, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// What an authenticated neighbor showed of itself at the beginning of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighborContact {
    /// Its key.
    pub key: PublicKey,
    /// The epoch of its store.
    pub epoch: u64,
    /// Over which link, for people.
    pub link: String,
    /// When.
    pub now: Now,
}

/// What is known about a neighbor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighborRecord {
    /// Its node ID.
    pub node: Eid,
    /// Its key at the last contact; `None` if it was never authenticated here, and only others said what it has.
    pub key: Option<PublicKey>,
    /// The epoch of its store at the last contact.
    pub epoch: u64,
    /// The last contact, on this node's own scale.
    pub met: NodeTime,
    /// The last contact, by a clock that was trusted then.
    pub met_utc: Option<DtnTime>,
    /// The link of the last contact, for people; empty if there was none.
    pub link: String,
    /// Bundles here with smaller numbers, as far as it wants them, need not be counted as owed: an exchange showed that it has them, or
    /// they were sent since and it took them. Neither is noted one by one.
    pub agreed: Number,
    pub(crate) number: u32,
}

/// Octets of a link's name that are kept.
const LINK_OCTETS_MAX: usize = 256;
/// Where nothing is agreed.
const NOTHING: Number = Number::new(0);

impl NeighborRecord {
    fn encode(&self) -> Vec<u8> {
        let fields = Writer::with_capacity(128)
            .u32(self.number)
            .u8(u8::from(self.key.is_some()))
            .octets(&self.key.map_or([0; 32], |key| *key.as_bytes()))
            .u64(self.epoch)
            .u64(self.met.as_ms())
            .u64(self.met_utc.map_or(0, |time| time.0))
            .u64(self.agreed.value());
        fields.counted(&self.node.to_cbor()).counted(self.link.as_bytes()).done()
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let number = fields.u32()?;
        let is_authenticated = fields.u8()? != 0;
        let key = PublicKey::from_checked_bytes(fields.array()?);
        Some(Self {
            number,
            key: is_authenticated.then_some(key),
            epoch: fields.u64()?,
            met: NodeTime::from_ms(fields.u64()?),
            met_utc: Some(fields.u64()?).filter(|time| *time != 0).map(DtnTime),
            agreed: Number::new(fields.u64()?),
            node: Eid::from_cbor(fields.counted()?).ok()?,
            link: String::from_utf8(fields.counted()?.to_vec()).ok()?,
        })
    }
}

fn key_of(node: &Eid) -> [u8; 16] {
    name_key(&node.to_cbor())
}

impl View<'_> {
    /// What is known about a neighbor.
    pub fn neighbor(&self, node: &Eid) -> Result<Option<NeighborRecord>, StoreError> {
        let key = key_of(node);
        let Some(body) = self.get(Table::Neighbors, &key)? else { return Ok(None) };
        NeighborRecord::decode(body).map(Some).ok_or_else(|| misshapen(Table::Neighbors, &key))
    }

    /// All neighbors, in no order that means anything.
    pub fn neighbors(&self) -> Result<Vec<NeighborRecord>, StoreError> {
        self.rows(Table::Neighbors, b"")?
            .map(|row| {
                let (key, body) = row?;
                NeighborRecord::decode(body).ok_or_else(|| misshapen(Table::Neighbors, key))
            })
            .collect()
    }
}

impl WriteTxn<'_> {
    /// An authenticated neighbor was met. If the epoch of its store or its key is another than before, what it was known
    /// to have is forgotten.
    pub fn neighbor_met(&mut self, node: &Eid, contact: &NeighborContact) -> Result<(), StoreError> {
        let number = self.number_neighbor(node)?;
        let known = self.view().neighbor(node)?;
        // A neighbor of which only others spoke has no key yet: what they said still holds.
        let changed = known.as_ref().is_some_and(|known| {
            known.key.is_some() && (known.key != Some(contact.key) || known.epoch != contact.epoch)
        });
        if changed {
            self.forget_held(number)?;
        }
        self.put_neighbor(&NeighborRecord {
            node: node.clone(),
            key: Some(contact.key),
            epoch: contact.epoch,
            met: contact.now.node,
            met_utc: contact.now.utc,
            link: shortened(&contact.link),
            agreed: known.filter(|_| !changed).map_or(NOTHING, |known| known.agreed),
            number,
        })
    }

    /// A neighbor has all bundles below this number that it wants.
    pub fn note_agreed(&mut self, node: &Eid, agreed: Number) -> Result<(), StoreError> {
        match self.view().neighbor(node)? {
            Some(record) if record.agreed < agreed => self.put_neighbor(&NeighborRecord { agreed, ..record }),
            _ => Ok(()),
        }
    }

    /// Forgets a neighbor and what it has; whether it was known.
    pub fn forget_neighbor(&mut self, node: &Eid) -> Result<bool, StoreError> {
        let Some(record) = self.view().neighbor(node)? else { return Ok(false) };
        self.forget_held(record.number)?;
        self.delete(Table::Neighbors, &key_of(node))?;
        self.release_endpoint(record.number, node)?;
        Ok(true)
    }

    /// The number of a neighbor, with a record that keeps it from being forgotten.
    pub(crate) fn number_neighbor(&mut self, node: &Eid) -> Result<u32, StoreError> {
        if let Some(record) = self.view().neighbor(node)? {
            return Ok(record.number);
        }
        let number = self.number_endpoint(node)?;
        self.put_neighbor(&NeighborRecord {
            node: node.clone(),
            key: None,
            epoch: 0,
            met: NodeTime::default(),
            met_utc: None,
            link: String::new(),
            agreed: NOTHING,
            number,
        })?;
        Ok(number)
    }

    pub(crate) fn put_neighbor(&mut self, record: &NeighborRecord) -> Result<(), StoreError> {
        self.put(Table::Neighbors, &key_of(&record.node), &record.encode())
    }
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(LINK_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
