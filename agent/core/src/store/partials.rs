//! What came of large bundles whose transfers broke off, or that are torn on a drive: the head, and how much of the payload is staged.
//!
//! A partial is a row here and a staging (`payloads.rs`) that the row keeps from being abandoned when the agent starts. The
//! agent's `partials.rs` decides what is kept, and for how long; nothing here has been verified, and only the whole can be.

use bundle_format::{BundleId, Eid, Head};
use bytes::Bytes;

use crate::store::endpoints::name_key;
use crate::store::examination::sound;
use crate::store::payloads::Staging;
use crate::store::record::{Reader, Writer};
use crate::store::{Number, StoreError, Table, View, WriteTxn};
use crate::time::NodeTime;

/// Whose bundle a partial is of, before its payload, and so its id, is known: the first 16 octets of the BLAKE3 hash of the
/// primary block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrimaryHash([u8; 16]);

impl PrimaryHash {
    /// That of a bundle with this head.
    pub fn of(head: &Head) -> Self {
        Self(name_key(head.primary_octets()))
    }

    /// The hash with these octets.
    pub const fn from_bytes(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// Its octets.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What is known of a partial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialRecord {
    /// Where its octets are staged.
    pub staging: Number,
    /// The head, as the neighbor sent it that began.
    pub head: Head,
    /// When it began; the head's age was true then.
    pub begun: NodeTime,
    /// How long it lay on a drive before that, in milliseconds, as far as that is known.
    pub dormant_ms: u64,
    /// When octets came last, to the minute.
    pub moved: NodeTime,
    /// When the bundle expires.
    pub deadline: NodeTime,
    /// A neighbor began it that was authenticated.
    pub is_from_known: bool,
    /// The source has a key that is trusted, and the bundle an integrity block: somebody may turn out to vouch for it.
    pub may_be_vouched: bool,
    /// The id that the whole is to have, once a neighbor offered one.
    pub wanted: Option<BundleId>,
    /// The one neighbor that may continue it, where octets of several did not fit together before.
    pub alone: Option<Eid>,
}

const FROM_KNOWN: u8 = 1;
const MAY_BE_VOUCHED: u8 = 2;
const WAS_DORMANT: u8 = 4;

impl PartialRecord {
    fn encode(&self) -> Vec<u8> {
        let known = if self.is_from_known { FROM_KNOWN } else { 0 };
        let vouched = if self.may_be_vouched { MAY_BE_VOUCHED } else { 0 };
        let dormant = if self.dormant_ms > 0 { WAS_DORMANT } else { 0 };
        let alone = self.alone.as_ref().map(Eid::to_cbor).unwrap_or_default();
        let head = self.head.bytes();
        let record = Writer::with_capacity(72 + alone.len() + head.len())
            .u64(self.staging.value())
            .u64(self.begun.as_ms())
            .u64(self.moved.as_ms())
            .u64(self.deadline.as_ms())
            .u8(known | vouched | dormant)
            .counted(self.wanted.as_ref().map_or(&[][..], |id| id.as_bytes()))
            .counted(&alone)
            .counted(head);
        if self.dormant_ms > 0 { record.u64(self.dormant_ms).done() } else { record.done() }
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let (staging, begun, moved) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (deadline, flags) = (fields.u64()?, fields.u8()?);
        let wanted = match fields.counted()? {
            [] => None,
            id => Some(BundleId::from_bytes(id.try_into().ok()?)),
        };
        let alone = match fields.counted()? {
            [] => None,
            eid => Some(Eid::from_cbor(eid).ok()?),
        };
        let head = Head::parse(Bytes::copy_from_slice(fields.counted()?)).ok()?;
        let dormant_ms = if flags & WAS_DORMANT == 0 { 0 } else { fields.u64()? };
        fields.end()?;
        Some(Self {
            staging: Number::new(staging),
            head,
            begun: NodeTime::from_ms(begun),
            dormant_ms,
            moved: NodeTime::from_ms(moved),
            deadline: NodeTime::from_ms(deadline),
            is_from_known: flags & FROM_KNOWN != 0,
            may_be_vouched: flags & MAY_BE_VOUCHED != 0,
            wanted,
            alone,
        })
    }
}

/// A large bundle of which a part is here, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// Under what it is kept.
    pub hash: PrimaryHash,
    /// What is known of it.
    pub record: PartialRecord,
    /// Octets of its payload that are here.
    pub octets: u64,
}

impl Partial {
    /// Octets of its payload in all.
    pub fn octets_in_all(&self) -> u64 {
        self.record.head.payload_octets()
    }
}

impl View<'_> {
    /// Every partial, in the order of their hashes; the agent keeps few. One that is damaged is as good as none.
    pub fn partials(&self) -> Result<Vec<Partial>, StoreError> {
        let mut partials = Vec::new();
        for row in self.rows(Table::Partials, b"")? {
            let Some((key, body)) = sound(row)? else { continue };
            let hash = key.try_into().map(PrimaryHash).ok();
            let (Some(hash), Some(record)) = (hash, PartialRecord::decode(body)) else { continue };
            let staging = sound(self.staging(record.staging))?.flatten().filter(|row| !row.abandoned);
            if let Some(Staging { octets, .. }) = staging {
                partials.push(Partial { hash, record, octets });
            }
        }
        Ok(partials)
    }

    /// Octets staged so far under this number.
    pub(crate) fn staged_octets(&self, staging: Number) -> Result<u64, StoreError> {
        let row = self.staging(staging)?.filter(|row| !row.abandoned);
        Ok(row.map_or(0, |row| row.octets))
    }

    /// Whether a row of a partial is sound: it can be read, and what it refers to is there. `None`: it cannot be read.
    pub(crate) fn is_partial_true(&self, body: &[u8]) -> Result<Option<bool>, StoreError> {
        let Some(record) = PartialRecord::decode(body) else { return Ok(None) };
        Ok(Some(self.staging(record.staging)?.is_some_and(|row| !row.abandoned)))
    }
}

impl WriteTxn<'_> {
    /// Keeps a staging as the beginning of a bundle, or notes what changed about it.
    pub fn put_partial(&mut self, hash: PrimaryHash, record: &PartialRecord) -> Result<(), StoreError> {
        self.put(Table::Partials, hash.as_bytes(), &record.encode())
    }

    /// Forgets a partial. What is staged for it stays, and belongs to whoever adopts or abandons it.
    pub fn forget_partial(&mut self, hash: PrimaryHash) -> Result<(), StoreError> {
        self.delete(Table::Partials, hash.as_bytes()).map(drop)
    }
}
