//! What is known about a bundle besides its octets: the record from which every index can be derived.

use bundle_format::{
    BundleId, CreationTimestamp, DtnTime, Eid, FragmentExtent, Identity, Priority, PublicKey,
};

use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{Number, RecordKey, RecordPlace, Standing, StoreError, Table, View};
use crate::time::NodeTime;

/// Why a bundle is kept (RFC 9171 §5, "retention constraint"); a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention(u8);

impl Retention {
    /// It is to be forwarded.
    pub const FORWARD_PENDING: Self = Self(1);
    /// It waits for an application.
    pub const DELIVERY_PENDING: Self = Self(2);
    /// This node is its custodian.
    pub const CUSTODY: Self = Self(4);
    /// It waits for other fragments of the same bundle (RFC 9171 §5.9).
    pub const REASSEMBLY_PENDING: Self = Self(8);

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of the other set is in this one.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing keeps the bundle but room for it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// What is known about a stored bundle besides its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFacts {
    /// Its number in this store.
    pub number: Number,
    /// Its id.
    pub id: BundleId,
    /// Its source.
    pub source: Eid,
    /// Its destination.
    pub destination: Eid,
    /// Its creation timestamp (RFC 9171 §4.2.7).
    pub creation: CreationTimestamp,
    /// Which part of a bundle it is, if it is a fragment (RFC 9171 §5.8).
    pub fragment: Option<FragmentExtent>,
    /// The key whose signature was found valid.
    pub signer: Option<PublicKey>,
    /// Whether somebody vouched for it.
    pub standing: Standing,
    /// Its place in the order of forwarding.
    pub priority: Priority,
    /// Whether its payload is an administrative record (RFC 9171 §6.1).
    pub is_administrative: bool,
    /// When it was received, on the node's own scale.
    pub received: NodeTime,
    /// When it was received, by a clock that was trusted then.
    pub received_utc: Option<DtnTime>,
    /// How old it was on arrival, in milliseconds (RFC 9171 §4.4.2).
    pub age_at_reception_ms: u64,
    /// When it expires, on the node's own scale.
    pub deadline: NodeTime,
    /// Why it is kept.
    pub retention: Retention,
    /// Its destination said that it was delivered there; of a group, some member did, and others may lack it.
    pub delivered: bool,
    /// Which edition of which record it is, if it is one.
    pub record: Option<RecordPlace>,
    /// Length of its payload, in octets.
    pub payload_octets: u64,
    pub(crate) head_octets: u32,
    pub(crate) tail_octets: u32,
    /// Where its chunks are; `None` for a payload in the contents record.
    pub(crate) payload: Option<Number>,
    pub(crate) source_number: u32,
    pub(crate) destination_number: u32,
    /// The node that its octets are counted for.
    pub(crate) node_number: u32,
}

const FRAGMENT: u8 = 1;
const SIGNED: u8 = 2;
const ADMINISTRATIVE: u8 = 4;
const DELIVERED: u8 = 8;
const UNVOUCHED: u8 = 16;
const RECORD: u8 = 32;
/// Stands where an endpoint number does for what nodes say to each other; endpoints have numbers from 1 on.
pub(crate) const PROTOCOL_ENDPOINT: u32 = 0;
/// Octets of the fields that every record has.
const FIXED_OCTETS: usize = 128;

impl BundleFacts {
    /// Length of the whole bundle, in octets.
    pub fn octets(&self) -> u64 {
        u64::from(self.head_octets)
            .saturating_add(self.payload_octets)
            .saturating_add(u64::from(self.tail_octets))
    }

    /// Its identity (RFC 9171 §4.2.7, §5.8).
    pub fn identity(&self) -> Identity {
        Identity { source: self.source.clone(), creation: self.creation, fragment: self.fragment }
    }

    /// Its place in the order of forwarding, the smallest first: administrative records, then by priority.
    pub fn rank(&self) -> u8 {
        match (self.is_administrative, self.priority) {
            (true, _) => 0,
            (false, Priority::Urgent) => 1,
            (false, Priority::Normal) => 2,
            (false, Priority::Bulk) => 3,
        }
    }

    /// The node that its octets are counted for: its source's.
    pub(crate) fn charged_node(&self) -> Eid {
        self.source.node_id().unwrap_or_else(|| self.source.clone())
    }

    /// Whether everybody whom it is for has had it.
    pub fn is_needless(&self) -> bool {
        self.delivered && self.destination.is_singleton()
    }

    /// Whether it is what nodes say to each other: an administrative record (RFC 9171 §6.1), or an edition of a record.
    pub(crate) fn is_protocol(&self) -> bool {
        self.is_administrative || self.record.is_some()
    }

    /// The endpoints that its octets are counted for: its source's node, the group that it is for, and [`PROTOCOL_ENDPOINT`].
    pub(crate) fn charged(&self) -> impl Iterator<Item = u32> {
        let group = (!self.destination.is_singleton()).then_some(self.destination_number);
        let group = group.filter(|group| *group != self.node_number);
        let protocol = self.is_protocol().then_some(PROTOCOL_ENDPOINT);
        [self.node_number].into_iter().chain(group).chain(protocol)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let (source, destination) = (self.source.to_cbor(), self.destination.to_cbor());
        let fields = Writer::with_capacity(FIXED_OCTETS + 64 + source.len() + destination.len())
            .octets(self.id.as_bytes())
            .u8(self.flags())
            .u8(priority_code(self.priority))
            .u8(self.retention.bits())
            .u64(self.received.as_ms())
            .u64(self.received_utc.map_or(0, |time| time.0))
            .u64(self.age_at_reception_ms)
            .u64(self.deadline.as_ms())
            .u64(self.payload_octets)
            .u32(self.head_octets)
            .u32(self.tail_octets)
            .u64(self.payload.map_or(0, Number::value))
            .u32(self.source_number)
            .u32(self.destination_number)
            .u32(self.node_number)
            .u64(self.creation.time.0)
            .u64(self.creation.sequence);
        let fields = match self.fragment {
            Some(fragment) => fields.u64(fragment.offset).u64(fragment.octets),
            None => fields,
        };
        let fields = match &self.signer {
            Some(key) => fields.octets(key.as_bytes()),
            None => fields,
        };
        let fields = match &self.record {
            Some(place) => fields.octets(place.key.as_bytes()).u64(place.revision),
            None => fields,
        };
        fields.counted(&source).counted(&destination).done()
    }

    fn flags(&self) -> u8 {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        flag(self.fragment.is_some(), FRAGMENT)
            | flag(self.signer.is_some(), SIGNED)
            | flag(self.is_administrative, ADMINISTRATIVE)
            | flag(self.delivered, DELIVERED)
            | flag(self.standing == Standing::Unvouched, UNVOUCHED)
            | flag(self.record.is_some(), RECORD)
    }

    pub(crate) fn decode(number: Number, body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let id = BundleId::from_bytes(fields.array()?);
        let flags = fields.u8()?;
        let facts = Self {
            number,
            id,
            priority: priority_of(fields.u8()?)?,
            retention: Retention::from_bits(fields.u8()?),
            received: NodeTime::from_ms(fields.u64()?),
            received_utc: Some(fields.u64()?).filter(|time| *time != 0).map(DtnTime),
            age_at_reception_ms: fields.u64()?,
            deadline: NodeTime::from_ms(fields.u64()?),
            payload_octets: fields.u64()?,
            head_octets: fields.u32()?,
            tail_octets: fields.u32()?,
            payload: Some(fields.u64()?).filter(|payload| *payload != 0).map(Number::new),
            source_number: fields.u32()?,
            destination_number: fields.u32()?,
            node_number: fields.u32()?,
            creation: CreationTimestamp { time: DtnTime(fields.u64()?), sequence: fields.u64()? },
            fragment: if flags & FRAGMENT == 0 {
                None
            } else {
                Some(FragmentExtent { offset: fields.u64()?, octets: fields.u64()? })
            },
            signer: if flags & SIGNED == 0 {
                None
            } else {
                Some(PublicKey::from_checked_bytes(fields.array()?))
            },
            record: if flags & RECORD == 0 {
                None
            } else {
                Some(RecordPlace { key: RecordKey::from_bytes(fields.array()?), revision: fields.u64()? })
            },
            source: Eid::from_cbor(fields.counted()?).ok()?,
            destination: Eid::from_cbor(fields.counted()?).ok()?,
            is_administrative: flags & ADMINISTRATIVE != 0,
            delivered: flags & DELIVERED != 0,
            standing: if flags & UNVOUCHED == 0 { Standing::Trusted } else { Standing::Unvouched },
        };
        fields.end()?;
        Some(facts)
    }
}

pub(crate) fn priority_code(priority: Priority) -> u8 {
    match priority {
        Priority::Bulk => 0,
        Priority::Normal => 1,
        Priority::Urgent => 2,
    }
}

pub(crate) fn priority_of(code: u8) -> Option<Priority> {
    match code {
        0 => Some(Priority::Bulk),
        1 => Some(Priority::Normal),
        2 => Some(Priority::Urgent),
        _ => None,
    }
}

impl View<'_> {
    /// What is known about a bundle besides its octets; cheaper than [`View::bundle`].
    pub fn facts(&self, number: Number) -> Result<Option<BundleFacts>, StoreError> {
        let Some(body) = self.get(Table::Facts, &number.key())? else { return Ok(None) };
        let facts =
            BundleFacts::decode(number, body).ok_or_else(|| misshapen(Table::Facts, &number.key()))?;
        Ok(Some(facts))
    }

    /// Bundles in the order of their numbers, those behind `after`.
    pub fn facts_from(&self, after: Option<Number>, limit: usize) -> Result<Vec<BundleFacts>, StoreError> {
        let start = after.map(Number::key);
        let rows = self.rows_from(Table::Facts, b"", behind(start.as_ref().map(<[u8; 8]>::as_slice)))?;
        rows.take(limit)
            .map(|row| {
                let (key, body) = row?;
                let number = number_at(Table::Facts, key)?;
                BundleFacts::decode(number, body).ok_or_else(|| misshapen(Table::Facts, key))
            })
            .collect()
    }
}

/// Where rows behind a key begin.
pub(crate) fn behind(key: Option<&[u8]>) -> std::ops::Bound<&[u8]> {
    key.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded)
}

/// The number that a key ends with.
pub(crate) fn number_at(table: Table, key: &[u8]) -> Result<Number, StoreError> {
    let number = key.last_chunk::<8>().ok_or_else(|| misshapen(table, key))?;
    Ok(Number::new(u64::from_be_bytes(*number)))
}
