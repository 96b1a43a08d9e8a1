//! Finding bundles, and reading them back.

use bundle_format::{BundleId, Eid};
use bytes::Bytes;

use crate::store::facts::{BundleFacts, behind, number_at};
use crate::store::membership::Membership;
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{Number, Partition, StoreError, Table, View};
use crate::time::NodeTime;

/// What the store knows about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The bundle is here.
    Held(Number),
    /// It was here, and is not to come back.
    Gone,
}

/// A bundle as it is in the store: what is known about it, and its octets. A payload that is not here is read piece by piece with
/// [`View::payload_chunk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBundle {
    facts: BundleFacts,
    /// Everything before the payload's octets.
    pub head: Bytes,
    /// Everything behind them.
    pub tail: Bytes,
    /// The payload, where it is small.
    pub inline_payload: Option<Bytes>,
}

/// A stored bundle is the facts about it, and its octets.
impl std::ops::Deref for StoredBundle {
    type Target = BundleFacts;

    fn deref(&self) -> &BundleFacts {
        &self.facts
    }
}

const HELD: u8 = 1;
const GONE: u8 = 0;
const GONE_IN_SET: u8 = 2;

/// What a row of the index of ids says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdRow {
    Held {
        number: Number,
        partition: Partition,
    },
    /// The bundle is gone; remembered until then, and in the set as long as `member` says.
    Gone {
        until: NodeTime,
        member: Option<Membership>,
    },
}

impl IdRow {
    pub(crate) fn decode(key: &[u8], body: &[u8]) -> Result<Self, StoreError> {
        let mut fields = Reader::new(body);
        Self::decode_fields(&mut fields)
            .filter(|_| fields.end().is_some())
            .ok_or_else(|| misshapen(Table::Ids, key))
    }

    fn decode_fields(fields: &mut Reader<'_>) -> Option<Self> {
        let kind = fields.u8()?;
        let value = fields.u64()?;
        let mut partition = || fields.array().map(Partition::from_bytes);
        Some(match kind {
            HELD => Self::Held { number: Number::new(value), partition: partition()? },
            GONE => Self::Gone { until: NodeTime::from_ms(value), member: None },
            GONE_IN_SET => {
                let partition = partition()?;
                let leaves = NodeTime::from_ms(fields.u64()?);
                let member = Some(Membership { leaves, partition });
                Self::Gone { until: NodeTime::from_ms(value), member }
            }
            _ => return None,
        })
    }

    pub(crate) fn encode(self) -> Vec<u8> {
        let row = Writer::with_capacity(25);
        match self {
            Self::Held { number, partition } => {
                row.u8(HELD).u64(number.value()).octets(partition.as_bytes()).done()
            }
            Self::Gone { until, member: None } => row.u8(GONE).u64(until.as_ms()).done(),
            Self::Gone { until, member: Some(Membership { leaves, partition }) } => {
                row.u8(GONE_IN_SET).u64(until.as_ms()).octets(partition.as_bytes()).u64(leaves.as_ms()).done()
            }
        }
    }
}

impl View<'_> {
    /// What the store knows about an id; `None` if it never saw it, or forgot.
    pub fn find(&self, id: &BundleId) -> Result<Option<Presence>, StoreError> {
        Ok(self.id_row(id)?.map(|row| match row {
            IdRow::Held { number, .. } => Presence::Held(number),
            IdRow::Gone { .. } => Presence::Gone,
        }))
    }

    pub(crate) fn id_row(&self, id: &BundleId) -> Result<Option<IdRow>, StoreError> {
        let key = id.as_bytes();
        self.get(Table::Ids, key)?.map(|body| IdRow::decode(key, body)).transpose()
    }

    /// Ids of bundles here that begin with the first `bits` bits of `prefix`, in their order.
    pub fn find_prefix(
        &self,
        prefix: &[u8; 16],
        bits: u32,
        limit: usize,
    ) -> Result<Vec<BundleId>, StoreError> {
        let mask = if bits >= 128 { u128::MAX } else { !(u128::MAX >> bits) };
        let wanted = u128::from_be_bytes(*prefix) & mask;
        let start = wanted.to_be_bytes();
        let mut found = Vec::new();
        for row in self.rows_from(Table::Ids, b"", std::ops::Bound::Included(&start))? {
            let (key, body) = row?;
            let id: [u8; 16] = key.try_into().map_err(|_| misshapen(Table::Ids, key))?;
            if found.len() == limit || u128::from_be_bytes(id) & mask != wanted {
                break;
            }
            if let IdRow::Held { .. } = IdRow::decode(key, body)? {
                found.push(BundleId::from_bytes(id));
            }
        }
        Ok(found)
    }

    /// A bundle with what is known about it.
    pub fn bundle(&self, number: Number) -> Result<Option<StoredBundle>, StoreError> {
        let Some(facts) = self.facts(number)? else { return Ok(None) };
        let key = number.key();
        let contents = self.get(Table::Contents, &key)?.ok_or_else(|| misshapen(Table::Contents, &key))?;
        let contents = Bytes::copy_from_slice(contents);
        let split = Split::of(&facts).filter(|split| split.whole == contents.len());
        let Split { head, tail, .. } = split.ok_or_else(|| misshapen(Table::Contents, &key))?;
        Ok(Some(StoredBundle {
            head: contents.slice(..head),
            tail: contents.slice(head..tail),
            inline_payload: facts.payload.is_none().then(|| contents.slice(tail..)),
            facts,
        }))
    }

    /// Ids of bundles here in their order, those behind `after`, with their numbers.
    pub fn ids_from(
        &self,
        after: Option<BundleId>,
        limit: usize,
    ) -> Result<Vec<(BundleId, Number)>, StoreError> {
        let start = after.as_ref().map(|id| id.as_bytes().as_slice());
        let mut found = Vec::with_capacity(limit.min(4096));
        for row in self.rows_from(Table::Ids, b"", behind(start))? {
            if found.len() == limit {
                break;
            }
            let (key, body) = row?;
            if let IdRow::Held { number, .. } = IdRow::decode(key, body)? {
                let id = key.try_into().map_err(|_| misshapen(Table::Ids, key))?;
                found.push((BundleId::from_bytes(id), number));
            }
        }
        Ok(found)
    }

    /// Numbers of bundles here in their order, those behind `after`.
    pub fn numbers_from(&self, after: Option<Number>, limit: usize) -> Result<Vec<Number>, StoreError> {
        let start = after.map(Number::key);
        let rows = self.rows_from(Table::Facts, b"", behind(start.as_ref().map(<[u8; 8]>::as_slice)))?;
        rows.take(limit).map(|row| number_at(Table::Facts, row?.0)).collect()
    }

    /// Numbers of bundles to a destination, those behind `after`.
    pub fn bundles_for(
        &self,
        destination: &Eid,
        after: Option<Number>,
        limit: usize,
    ) -> Result<Vec<Number>, StoreError> {
        let Some(endpoint) = self.endpoint(destination)? else { return Ok(Vec::new()) };
        let start = after.map(|number| endpoint_key(endpoint, number));
        let rows = self.rows_from(
            Table::Destinations,
            &endpoint.to_be_bytes(),
            behind(start.as_ref().map(|key| &key[..])),
        )?;
        rows.take(limit).map(|row| number_at(Table::Destinations, row?.0)).collect()
    }

    /// When a bundle expires; the beginning of time if it is not here.
    pub fn deadline_of(&self, number: Number) -> Result<NodeTime, StoreError> {
        Ok(self.facts(number)?.map(|facts| facts.deadline).unwrap_or_default())
    }
}

/// Where the parts of a contents record end.
struct Split {
    head: usize,
    tail: usize,
    whole: usize,
}

impl Split {
    fn of(facts: &BundleFacts) -> Option<Self> {
        let head = usize::try_from(facts.head_octets).ok()?;
        let tail = head.checked_add(usize::try_from(facts.tail_octets).ok()?)?;
        let inline = if facts.payload.is_none() { facts.payload_octets } else { 0 };
        Some(Self { head, tail, whole: tail.checked_add(usize::try_from(inline).ok()?)? })
    }
}

/// The key of a row about a bundle at an endpoint.
pub(crate) fn endpoint_key(endpoint: u32, number: Number) -> [u8; 12] {
    let mut key = [0; 12];
    let (first, second) = key.split_at_mut(4);
    first.copy_from_slice(&endpoint.to_be_bytes());
    second.copy_from_slice(&number.key());
    key
}
