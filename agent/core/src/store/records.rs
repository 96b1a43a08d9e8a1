//! Records (`docs/records.md`): of all bundles with one author, group and name, the store holds the newest. The index of them
//! derives from the facts about bundles.
//!
//! The signer's key is part of a record's key, so that nobody can displace what somebody else signed under the same name.

use bundle_format::{BundleId, CheckedBundle, Eid, Profile, PublicKey};

use crate::store::facts::BundleFacts;
use crate::store::payloads::chunk_count;
use crate::store::record::{Reader, Writer};
use crate::store::tables::misshapen;
use crate::store::{Number, StoreError, Table, View, WriteTxn};

/// Which record: a hash of signer, author, group and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey([u8; 16]);

impl RecordKey {
    /// The record of that name which `author`, a node ID, keeps in a group and signs with `signer`.
    pub fn new(signer: &PublicKey, author: &Eid, group: &Eid, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(signer.as_bytes());
        hasher.update(&author.to_cbor());
        hasher.update(&group.to_cbor());
        hasher.update(name.as_bytes());
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        Self(key)
    }

    pub(crate) fn from_bytes(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Which edition of which record a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPlace {
    /// Which record.
    pub key: RecordKey,
    /// Which edition.
    pub revision: u64,
}

impl RecordPlace {
    /// The place of a bundle that is a record: whole, to a group, with name and revision under a valid signature of its author.
    /// Any other bundle is an ordinary one, whatever its metadata say.
    pub fn of(bundle: &CheckedBundle, profile: &Profile) -> Option<Self> {
        let primary = bundle.head().primary();
        let signer = bundle.signer()?;
        let author = primary.source.node_id()?;
        if primary.destination.is_singleton() || primary.destination.is_null() || primary.fragment.is_some() {
            return None;
        }
        let tag = bundle.head().metadata(profile)?.record?;
        let key = RecordKey::new(&signer, &author, &primary.destination, &tag.name);
        Some(Self { key, revision: tag.revision })
    }
}

/// The newest edition of a record that is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRow {
    /// The bundle.
    pub number: Number,
    /// Which edition.
    pub revision: u64,
}

impl RecordRow {
    fn encode(self) -> Vec<u8> {
        Writer::with_capacity(16).u64(self.number.value()).u64(self.revision).done()
    }

    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(body);
        let row = Self { number: Number::new(fields.u64()?), revision: fields.u64()? };
        fields.end()?;
        Some(row)
    }
}

/// The row that follows from the facts about a bundle, if it is a record.
pub(crate) fn row(facts: &BundleFacts) -> Option<([u8; 16], Vec<u8>)> {
    let place = facts.record?;
    let row = RecordRow { number: facts.number, revision: place.revision };
    Some((place.key.0, row.encode()))
}

impl View<'_> {
    /// The newest edition of a record that is here.
    pub fn record(&self, key: &RecordKey) -> Result<Option<RecordRow>, StoreError> {
        let Some(body) = self.get(Table::Records, &key.0)? else { return Ok(None) };
        RecordRow::decode(body).map(Some).ok_or_else(|| misshapen(Table::Records, &key.0))
    }

    /// Whether the store has an edition that is as new as this one, or newer: of two with the same revision the one with the
    /// larger id is the newer.
    pub fn is_superseded(&self, place: &RecordPlace, id: &BundleId) -> Result<bool, StoreError> {
        let Some(row) = self.record(&place.key)? else { return Ok(false) };
        let Some(facts) = self.facts(row.number)? else { return Ok(false) };
        Ok((row.revision, facts.id) >= (place.revision, *id))
    }

    /// The payload of a bundle, where it has at most so many octets; `None` if it is not here or larger.
    pub fn small_payload(&self, number: Number, octets_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(stored) = self.bundle(number)? else { return Ok(None) };
        if stored.payload_octets > octets_max {
            return Ok(None);
        }
        if let Some(payload) = &stored.inline_payload {
            return Ok(Some(payload.to_vec()));
        }
        let mut payload = Vec::new();
        for index in 0..chunk_count(stored.payload_octets) {
            payload.extend_from_slice(&self.payload_chunk(number, index)?.unwrap_or_default());
        }
        Ok(Some(payload))
    }

    /// Whether a row of the index is what the facts about its bundle say.
    pub(crate) fn is_record_true(&self, key: &[u8], body: &[u8]) -> Result<bool, StoreError> {
        let Some(found) = RecordRow::decode(body) else { return Ok(false) };
        let facts = crate::store::examination::sound(self.facts(found.number))?.flatten();
        Ok(facts.as_ref().and_then(row).is_some_and(|(right, _)| right == key))
    }
}

impl WriteTxn<'_> {
    /// Takes a bundle that is going out of the index of records, unless a newer edition has its place.
    pub(crate) fn unlist_record(&mut self, facts: &BundleFacts) -> Result<(), StoreError> {
        let Some(place) = facts.record else { return Ok(()) };
        if self.view().record(&place.key)?.is_some_and(|row| row.number == facts.number) {
            self.delete(Table::Records, &place.key.0)?;
        }
        Ok(())
    }

    /// Says which edition of which record a bundle is, where that is known from outside its facts.
    pub(crate) fn list_record(&mut self, number: Number, place: RecordPlace) -> Result<(), StoreError> {
        let Some(before) = self.view().facts(number)? else { return Ok(()) };
        self.change_facts(number, |facts| facts.record = Some(place))?;
        let after = BundleFacts { record: Some(place), ..before.clone() };
        self.charge(&after)?;
        self.discharge(&before)?;
        match row(&after) {
            Some((key, body)) => self.put(Table::Records, &key, &body),
            None => Ok(()),
        }
    }
}
