//! Bundles and stores to test with.

use agent_core::store::{
    Durability, NewRecord, Number, PayloadPlace, Retention, Standing, Store, StoreOptions, WriteTxn,
};
use agent_core::time::{NodeTime, Now};
use bundle_format::{
    BundleFlags, CheckedBundle, CreationTimestamp, DtnTime, Eid, NewBundle, NodeKey, Priority, Profile,
};
use bytes::Bytes;

pub(crate) fn eid(text: &str) -> Eid {
    text.parse().expect("an endpoint ID")
}

/// What tells one bundle of a test from another.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) source: &'static str,
    pub(crate) destination: &'static str,
    pub(crate) sequence: u64,
    pub(crate) payload_octets: usize,
    pub(crate) deadline: NodeTime,
    pub(crate) standing: Standing,
}

impl Recipe {
    pub(crate) fn new(sequence: u64) -> Self {
        Self {
            source: "dtn://clinic/out",
            destination: "dtn://hospital/in",
            sequence,
            payload_octets: 100,
            deadline: NodeTime::from_ms(1_000_000),
            standing: Standing::Trusted,
        }
    }

    pub(crate) fn payload_octets(self, payload_octets: usize) -> Self {
        Self { payload_octets, ..self }
    }

    pub(crate) fn draft(&self) -> NewBundle {
        NewBundle {
            destination: eid(self.destination),
            source: eid(self.source),
            report_to: Eid::Null,
            creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence: self.sequence },
            lifetime_ms: 3_600_000,
            flags: BundleFlags::MUST_NOT_FRAGMENT,
            age_ms: Some(0),
            hop_limit: Some(32),
            metadata: None,
        }
    }

    pub(crate) fn payload(&self) -> Bytes {
        let seed = self.sequence.to_be_bytes();
        (0..=250)
            .cycle()
            .zip(seed.iter().cycle())
            .map(|(at, seed)| at ^ seed)
            .take(self.payload_octets)
            .collect()
    }

    pub(crate) fn bundle(&self) -> CheckedBundle {
        self.draft().unsigned(&Profile::default(), self.payload()).expect("a valid bundle")
    }

    pub(crate) fn signed(&self, key: &NodeKey) -> CheckedBundle {
        self.draft().sign(&Profile::default(), key, self.payload()).expect("a valid bundle")
    }

    pub(crate) fn insert(&self, txn: &mut WriteTxn<'_>) -> Number {
        self.insert_as(&self.bundle(), txn, PayloadPlace::Inline)
    }

    pub(crate) fn insert_as(
        &self,
        bundle: &CheckedBundle,
        txn: &mut WriteTxn<'_>,
        place: PayloadPlace,
    ) -> Number {
        txn.insert(&self.record(bundle), place).expect("room for a bundle")
    }

    pub(crate) fn record<'b>(&self, bundle: &'b CheckedBundle) -> NewRecord<'b> {
        NewRecord {
            bundle,
            head: bundle.head(),
            received: at(1_000),
            age_at_reception_ms: 7,
            deadline: self.deadline,
            priority: Priority::Normal,
            standing: self.standing,
            retention: Retention::default(),
            record: None,
        }
    }
}

pub(crate) fn at(ms: u64) -> Now {
    Now { node: NodeTime::from_ms(ms), utc: Some(DtnTime(800_000_000_000 + ms)) }
}

pub(crate) const SMALL: StoreOptions =
    StoreOptions { map_octets: Some(64 << 20), durability: Durability::Unsynced };

pub(crate) fn open(folder: &std::path::Path) -> Store {
    Store::open(folder, &SMALL).expect("a store")
}

/// The whole payload of a stored bundle, wherever it is.
pub(crate) fn payload_of(store: &Store, number: Number) -> Vec<u8> {
    let txn = store.read().expect("a reader");
    let stored = txn.view().bundle(number).expect("a sound bundle").expect("a bundle");
    if let Some(payload) = &stored.inline_payload {
        return payload.to_vec();
    }
    let mut payload = Vec::new();
    for index in 0.. {
        match txn.view().payload_chunk(number, index).expect("a sound chunk") {
            Some(chunk) => payload.extend_from_slice(&chunk),
            None => break,
        }
    }
    payload
}

/// What a check finds, as text.
pub(crate) fn findings(store: &Store) -> Vec<String> {
    let txn = store.read().expect("a reader");
    txn.view().check(&mut |_| {}).expect("a readable store").iter().map(ToString::to_string).collect()
}
