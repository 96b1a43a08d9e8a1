//! What it costs to open a contact, whatever the store holds: the step that proves who the neighbor is, and says what is compared.
//! Run with `cargo bench -p agent-core --bench opening`; filling the larger store takes a minute.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_core::Agent;
use agent_core::config::{CardSettings, Carry, Config, Stance};
use agent_core::input::{ContactId, Input};
use agent_core::output::{Output, ParcelPayload};
use agent_core::request::{Conflict, Request};
use agent_core::routing::Policies;
use agent_core::store::{Durability, NewRecord, PayloadPlace, Retention, Standing, Store, StoreOptions};
use agent_core::time::{NodeTime, Now};
use bundle_format::{
    Bundle, BundleFlags, CreationTimestamp, DtnTime, Eid, Limits, NewBundle, NodeKey, Priority, Profile,
};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};

const MAP_OCTETS: u64 = 64 << 30;
const DAY_MS: u64 = 86_400_000;
/// Bundles stored in one transaction.
const BATCH: u64 = 10_000;
const NOW: Now = Now { node: NodeTime::from_ms(1_000), utc: Some(DtnTime(800_000_000_000)) };

fn key(name: &str) -> NodeKey {
    let mut seed = [0; 32];
    seed.iter_mut().zip(name.bytes()).for_each(|(octet, letter)| *octet = letter);
    NodeKey::from_seed(seed)
}

fn node_id(name: &str) -> Eid {
    Eid::dtn(name, "").expect("a name")
}

fn config(name: &str) -> Config {
    Config {
        node: node_id(name),
        ipn: None,
        key: key(name),
        profile: Profile::default(),
        limits: Limits::default(),
        carry: Carry::All,
        strangers: Stance::Refuse,
        unsigned: Stance::Refuse,
        quota_octets: MAP_OCTETS,
        stranger_quota_octets: MAP_OCTETS,
        source_quota_octets: MAP_OCTETS,
        group_quota_octets: MAP_OCTETS,
        lifetime_ms_max: 365 * DAY_MS,
        hop_limit: 64,
        foreign: Vec::new(),
        policies: Policies::default(),
        custodians: None,
        cards: CardSettings { first_ms: u64::MAX, ..CardSettings::default() },
        trust: Vec::new(),
    }
}

struct Node {
    agent: Agent,
    store: Store,
    contact: ContactId,
    _folder: tempfile::TempDir,
}

impl Node {
    /// A node with so many bundles for a group, of three hundred octets each.
    fn new(name: &str, neighbor: &str, bundles: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = filled(folder.path(), bundles);
        let view = store.read().expect("a reader");
        let agent = Agent::open(Arc::new(config(name)), [1; 32], NOW, view.view()).expect("a sound store");
        drop(view);
        let mut node = Self { agent, store, contact: 0, _folder: folder };
        let (other, key) = (node_id(neighbor), key(neighbor).public());
        let request = Request::TrustAdd { node: other, key, conflict: Conflict::Refuse };
        node.step(Input::Requested { id: 1, request });
        // So many bundles were not stored by an agent: it counts them first.
        while node.agent.poll_timeout().is_some_and(|at| at <= NOW.node) {
            node.step(Input::TimeoutReached);
        }
        node
    }

    /// Takes a step; contact messages that were sent.
    fn step(&mut self, input: Input) -> Vec<Bytes> {
        let mut txn = self.store.write().expect("a writer");
        self.agent.handle(NOW, input, &mut txn).expect("a sound store");
        txn.commit().expect("room");
        let mut said = Vec::new();
        while let Some(output) = self.agent.poll_output() {
            if let Output::Send { parcel, .. } = output
                && let ParcelPayload::Inline(payload) = parcel.payload
            {
                said.push([&parcel.head[..], &payload, &parcel.tail].concat().into());
            }
        }
        said
    }

    fn open(&mut self) -> Vec<Bytes> {
        self.contact += 1;
        let (link, transfer_mru) = ("bench".to_owned(), u64::MAX);
        self.step(Input::ContactOpened {
            contact: self.contact,
            link,
            declared: None,
            transfer_mru,
            octets_per_second: None,
        })
    }

    fn hear(&mut self, message: Bytes) -> Vec<Bytes> {
        let bundle = Bundle::parse(message, &Limits::default()).expect("a bundle").check(&Profile::default());
        let (bundle, payload) = (Box::new(bundle), PayloadPlace::Inline);
        self.step(Input::BundleReceived { contact: self.contact, transfer: 0, bundle, payload })
    }

    fn close(&mut self) {
        self.step(Input::ContactClosed { contact: self.contact });
    }
}

fn filled(folder: &Path, bundles: u64) -> Store {
    let options = StoreOptions { map_octets: Some(MAP_OCTETS), durability: Durability::Unsynced };
    let store = Store::open(folder, &options).expect("a store");
    for first in (0..bundles).step_by(usize::try_from(BATCH).expect("a small number")) {
        let mut txn = store.write().expect("a writer");
        for sequence in first..first + BATCH {
            let bundle = draft(sequence).unsigned(&Profile::default(), Bytes::from_static(&[7; 300]));
            let bundle = bundle.expect("a valid bundle");
            let record = NewRecord {
                bundle: &bundle,
                head: bundle.head(),
                received: NOW,
                age_at_reception_ms: 0,
                deadline: NOW.node.after_ms(DAY_MS),
                priority: Priority::Normal,
                standing: Standing::Trusted,
                retention: Retention::default(),
                record: None,
            };
            txn.insert(&record, PayloadPlace::Inline).expect("room");
        }
        txn.commit().expect("room");
    }
    store
}

fn draft(sequence: u64) -> NewBundle {
    NewBundle {
        destination: Eid::dtn("region", "~telemetry").expect("a name"),
        source: Eid::dtn("sensor", "out").expect("a name"),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000 + sequence), sequence },
        lifetime_ms: DAY_MS,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(32),
        metadata: None,
    }
}

/// The time of the step that takes the neighbor's proof, until the summary is said.
#[expect(clippy::disallowed_methods, reason = "the core is told the time; what measures it is not the core")]
fn proof_to_summary(here: &mut Node, there: &mut Node) -> Duration {
    let hello = here.open().pop().expect("a Hello");
    there.open();
    let proof = there.hear(hello).pop().expect("an answer");
    let begun = Instant::now();
    let said = here.hear(proof);
    let taken = begun.elapsed();
    assert!(said.len() >= 2, "an answer to the neighbor's Hello, and a summary");
    here.close();
    there.close();
    taken
}

fn opening(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open a contact");
    group.sample_size(20);
    for bundles in [10_000, 1_000_000] {
        let (mut here, mut there) = (Node::new("here", "there", bundles), Node::new("there", "here", 0));
        group.bench_function(format!("{bundles} bundles"), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| proof_to_summary(&mut here, &mut there)).sum());
        });
    }
}

criterion_group!(benches, opening);
criterion_main!(benches);
