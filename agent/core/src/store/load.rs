//! Reading a dump into a new store.
//!
//! The store that comes of it begins a new epoch and a new incarnation: the dump may be old, and numbers that the dumped
//! store gave out since must not be given out again.

use std::io::Read;

use bundle_format::{BundleId, DtnTime, Eid, Head, PublicKey};
use bytes::Bytes;

use crate::store::bundles::{IdRow, Presence};
use crate::store::dump_item::{DUMP_VERSION, ItemReader, TITLE, kind};
use crate::store::facts::{BundleFacts, priority_of};
use crate::store::insertion::Contents;
use crate::store::membership::Membership;
use crate::store::{
    CHUNK_OCTETS, Number, Partition, PayloadPlace, Progress, RecordKey, RecordPlace, Retention, Standing,
    Store, StoreError, Table, TrustEntry, WriteTxn,
};
use crate::time::NodeTime;

/// What was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Bundles.
    pub bundles: u64,
    /// Ids that are remembered as gone.
    pub tombstones: u64,
}

/// Octets after which a transaction is committed: dirty pages are in memory until then.
const COMMIT_OCTETS: u64 = 8 << 20;
/// Items after which one is.
const COMMIT_ITEMS: u64 = 1024;

impl Store {
    /// Reads a dump into this store, which must have no bundles. `incarnation` is drawn at random by the caller.
    pub fn load(
        &self,
        input: &mut dyn Read,
        incarnation: u32,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Loaded, StoreError> {
        let txn = self.write()?;
        if txn.view().usage()?.bundles > 0 {
            return Err(StoreError::NotEmpty);
        }
        let input = ItemReader::new(input);
        let mut load =
            Load { store: self, open: Some(txn), input, loaded: Loaded::default(), octets: 0, items: 0 };
        load.header()?;
        while load.item()? {
            load.commit_if_due()?;
            progress(Progress { table: Table::Facts, rows: load.loaded.bundles, of: load.loaded.bundles });
        }
        load.txn().raise_epoch();
        load.txn().new_incarnation(incarnation);
        load.commit()?;
        Ok(load.loaded)
    }
}

struct Load<'l> {
    store: &'l Store,
    /// The transaction; none only while one follows another.
    open: Option<WriteTxn<'l>>,
    input: ItemReader<'l>,
    loaded: Loaded,
    /// Written since the last commit.
    octets: u64,
    items: u64,
}

impl<'l> Load<'l> {
    fn txn(&mut self) -> &mut WriteTxn<'l> {
        self.open.as_mut().expect("a transaction follows each that is committed")
    }

    fn header(&mut self) -> Result<(), StoreError> {
        if self.input.begin()? != kind::HEADER || self.input.text()? != TITLE {
            return Err(self.input.fault("this is no dump of a store"));
        }
        let version = self.input.uint()?;
        self.input.end()?;
        if version != u64::from(DUMP_VERSION) {
            let found = u32::try_from(version).unwrap_or(u32::MAX);
            return Err(StoreError::WrongFormat { what: "dump format", found, expected: DUMP_VERSION });
        }
        Ok(())
    }

    /// Loads the next item; whether it was not the last.
    fn item(&mut self) -> Result<bool, StoreError> {
        self.items += 1;
        match self.input.begin()? {
            kind::SETTINGS => self.settings()?,
            kind::TRUST => self.trust()?,
            kind::PEER => {
                let url = self.input.text()?;
                self.input.end()?;
                self.txn().peer_put(&url)?;
            }
            kind::SUBSCRIPTION => {
                let group = self.eid()?;
                self.input.end()?;
                self.txn().subscribe(&group)?;
            }
            kind::BUNDLE => self.bundle()?,
            kind::RECORD => self.record()?,
            kind::WAITING => self.waiting()?,
            kind @ (kind::TOMBSTONE | kind::TOMBSTONE_IN_SET) => self.tombstone(kind)?,
            kind::END => return self.end().map(|()| false),
            _ => return Err(self.input.fault("an item of an unknown kind")),
        }
        Ok(true)
    }

    fn end(&mut self) -> Result<(), StoreError> {
        let bundles = self.input.uint()?;
        self.input.end()?;
        if bundles != self.loaded.bundles {
            return Err(self.input.fault("it says that it has another number of bundles"));
        }
        Ok(())
    }

    fn commit_if_due(&mut self) -> Result<(), StoreError> {
        if self.octets < COMMIT_OCTETS && self.items < COMMIT_ITEMS {
            return Ok(());
        }
        self.commit()
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        // LMDB has one writer: a transaction ends before the next begins.
        if let Some(txn) = self.open.take() {
            txn.commit()?;
        }
        self.open = Some(self.store.write()?);
        (self.octets, self.items) = (0, 0);
        Ok(())
    }

    fn eid(&mut self) -> Result<Eid, StoreError> {
        let octets = self.input.bytes()?;
        Eid::from_cbor(&octets).map_err(|_| self.input.fault("an endpoint ID cannot be read"))
    }

    fn settings(&mut self) -> Result<(), StoreError> {
        let epoch = self.input.uint()?;
        let node_time = NodeTime::from_ms(self.input.uint()?);
        let node = self.input.bytes()?;
        self.input.end()?;
        if !node.is_empty() {
            let node =
                Eid::from_cbor(&node).map_err(|_| self.input.fault("an endpoint ID cannot be read"))?;
            self.txn().set_node(&node);
        }
        self.txn().set_node_time(node_time);
        let settings = self.txn().settings_mut();
        settings.epoch = settings.epoch.max(epoch);
        Ok(())
    }

    fn trust(&mut self) -> Result<(), StoreError> {
        let node = self.eid()?;
        let key = self.key()?;
        let added = NodeTime::from_ms(self.input.uint()?);
        let added_utc = self.utc()?;
        self.input.end()?;
        self.txn().put_trust_entry(&TrustEntry { node, key, added, added_utc })
    }

    fn key(&mut self) -> Result<PublicKey, StoreError> {
        let octets = self.input.bytes()?;
        self.sound_key(&octets)
    }

    /// A dump comes from outside: its keys are checked.
    fn sound_key(&self, octets: &[u8]) -> Result<PublicKey, StoreError> {
        let key = octets.try_into().ok().and_then(|octets| PublicKey::from_bytes(octets).ok());
        key.ok_or_else(|| self.input.fault("a key that there cannot be"))
    }

    fn utc(&mut self) -> Result<Option<DtnTime>, StoreError> {
        Ok(Some(self.input.uint()?).filter(|time| *time != 0).map(DtnTime))
    }

    fn bundle(&mut self) -> Result<(), StoreError> {
        let known = self.known()?;
        let head = Bytes::from(self.input.bytes()?);
        let payload = self.payload()?;
        let tail = self.input.bytes()?;
        self.input.end()?;
        let parsed = Head::parse(head.clone()).map_err(|_| self.input.fault("a bundle cannot be read"))?;
        if self.txn().view().find(&known.id)?.is_some() {
            return Err(self.input.fault("a bundle is in it twice"));
        }
        let (place, memory, octets) = match &payload {
            LoadedPayload::Memory(payload) => {
                (PayloadPlace::Inline, Some(payload.as_slice()), payload.len() as u64)
            }
            LoadedPayload::Staged(number, octets) => (PayloadPlace::Staged(*number), None, *octets),
        };
        let facts = known.with(&parsed, octets, tail.len());
        let facts = facts.ok_or_else(|| self.input.fault("a bundle is longer than it can be"))?;
        self.octets += octets;
        self.txn().store_bundle(facts, Contents { head: &head, tail: &tail, payload: memory }, place)?;
        self.loaded.bundles += 1;
        Ok(())
    }

    fn known(&mut self) -> Result<Known, StoreError> {
        Ok(Known {
            id: BundleId::from_bytes(self.input.array()?),
            received: NodeTime::from_ms(self.input.uint()?),
            received_utc: self.utc()?,
            age_at_reception_ms: self.input.uint()?,
            deadline: NodeTime::from_ms(self.input.uint()?),
            priority: u8::try_from(self.input.uint()?)
                .ok()
                .and_then(priority_of)
                .ok_or_else(|| self.input.fault("a priority that there is not"))?,
            retention: u8::try_from(self.input.uint()?)
                .map(Retention::from_bits)
                .map_err(|_| self.input.fault("a retention constraint that there is not"))?,
            delivered: self.input.uint()? != 0,
            standing: if self.input.uint()? == 0 { Standing::Trusted } else { Standing::Unvouched },
            signer: match self.input.bytes()?.as_slice() {
                [] => None,
                key => Some(self.sound_key(key)?),
            },
        })
    }

    /// Reads a payload a piece at a time: a small one into memory, a large one into the store.
    fn payload(&mut self) -> Result<LoadedPayload, StoreError> {
        let octets = self.input.begin_bytes()?;
        let mut piece = vec![0; CHUNK_OCTETS];
        if let Ok(count @ 0..=CHUNK_OCTETS) = usize::try_from(octets) {
            piece.truncate(count);
            self.input.raw(&mut piece)?;
            return Ok(LoadedPayload::Memory(piece));
        }
        let staging = self.txn().begin_staging()?;
        let (mut left, mut index) = (octets, 0_u32);
        while left > 0 {
            piece.truncate(usize::try_from(left).unwrap_or(CHUNK_OCTETS));
            self.input.raw(&mut piece)?;
            self.txn().put_chunk(staging, index, &piece)?;
            left -= piece.len() as u64;
            index =
                index.checked_add(1).ok_or_else(|| self.input.fault("a bundle is longer than it can be"))?;
            self.octets += piece.len() as u64;
            self.commit_if_due()?;
        }
        Ok(LoadedPayload::Staged(staging, octets))
    }

    /// A bundle that is not in the dump was damaged, and left out there.
    fn record(&mut self) -> Result<(), StoreError> {
        let id = BundleId::from_bytes(self.input.array()?);
        let key = RecordKey::from_bytes(self.input.array()?);
        let place = RecordPlace { key, revision: self.input.uint()? };
        self.input.end()?;
        if let Some(Presence::Held(number)) = self.txn().view().find(&id)? {
            self.txn().list_record(number, place)?;
        }
        Ok(())
    }

    fn waiting(&mut self) -> Result<(), StoreError> {
        let id = BundleId::from_bytes(self.input.array()?);
        self.input.end()?;
        let Some(Presence::Held(number)) = self.txn().view().find(&id)? else {
            return Err(self.input.fault("a bundle that waits is not in it"));
        };
        let Some(facts) = self.txn().view().facts(number)? else { return Ok(()) };
        self.txn().enqueue(&facts.destination, number)
    }

    fn tombstone(&mut self, kind: u64) -> Result<(), StoreError> {
        let id = BundleId::from_bytes(self.input.array()?);
        let until = NodeTime::from_ms(self.input.uint()?);
        let member = if kind == kind::TOMBSTONE_IN_SET {
            let partition = Partition::from_bytes(self.input.array()?);
            Some(Membership { leaves: NodeTime::from_ms(self.input.uint()?), partition })
        } else {
            None
        };
        self.input.end()?;
        if self.txn().view().find(&id)?.is_none() {
            self.txn().put_id(&id, Some(IdRow::Gone { until, member }))?;
            self.loaded.tombstones += 1;
        }
        Ok(())
    }
}

enum LoadedPayload {
    Memory(Vec<u8>),
    Staged(Number, u64),
}

/// What a dump says about a bundle besides its octets.
struct Known {
    id: BundleId,
    received: NodeTime,
    received_utc: Option<DtnTime>,
    age_at_reception_ms: u64,
    deadline: NodeTime,
    priority: bundle_format::Priority,
    retention: Retention,
    delivered: bool,
    standing: Standing,
    signer: Option<PublicKey>,
}

impl Known {
    fn with(self, head: &Head, payload_octets: u64, tail_octets: usize) -> Option<BundleFacts> {
        let identity = head.identity();
        Some(BundleFacts {
            id: self.id,
            source: identity.source,
            destination: head.primary().destination.clone(),
            creation: identity.creation,
            fragment: identity.fragment,
            signer: self.signer,
            standing: self.standing,
            priority: self.priority,
            is_administrative: head.is_administrative_record(),
            received: self.received,
            received_utc: self.received_utc,
            age_at_reception_ms: self.age_at_reception_ms,
            deadline: self.deadline,
            retention: self.retention,
            delivered: self.delivered,
            record: None,
            payload_octets,
            head_octets: u32::try_from(head.bytes().len()).ok()?,
            tail_octets: u32::try_from(tail_octets).ok()?,
            number: Number::new(0),
            payload: None,
            source_number: 0,
            destination_number: 0,
            node_number: 0,
        })
    }
}
