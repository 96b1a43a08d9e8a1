//! What storing, opening and reading cost. Run with `cargo bench -p agent-core --bench store`.

use std::path::Path;

use agent_core::store::{
    Durability, NewRecord, Number, PayloadPlace, Retention, Standing, Store, StoreOptions,
};
use agent_core::time::{NodeTime, Now};
use bundle_format::{
    BundleFlags, CheckedBundle, CreationTimestamp, DtnTime, Eid, NewBundle, NodeKey, Priority, Profile,
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const MAP_OCTETS: u64 = 64 << 30;
const SOURCES: u64 = 10;

fn draft(sequence: u64) -> NewBundle {
    let source = Eid::dtn(&format!("sensor-{}", sequence % SOURCES), "out").expect("a name");
    NewBundle {
        destination: Eid::dtn("region", "~telemetry").expect("a name"),
        source,
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000 + sequence), sequence },
        lifetime_ms: 86_400_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(32),
        metadata: None,
    }
}

fn signed(sequence: u64, key: &NodeKey) -> CheckedBundle {
    draft(sequence).sign(&Profile::default(), key, Bytes::from(vec![7; 1024])).expect("a valid bundle")
}

fn record(bundle: &CheckedBundle, at: u64) -> NewRecord<'_> {
    NewRecord {
        bundle,
        head: bundle.head(),
        received: Now { node: NodeTime::from_ms(at), utc: None },
        age_at_reception_ms: 0,
        deadline: NodeTime::from_ms(at + 86_400_000),
        priority: Priority::Normal,
        standing: Standing::Trusted,
        retention: Retention::default(),
        record: None,
    }
}

fn store(folder: &Path, durability: Durability) -> Store {
    Store::open(folder, &StoreOptions { map_octets: Some(MAP_OCTETS), durability }).expect("a store")
}

fn insert_all(store: &Store, bundles: &[CheckedBundle]) {
    let mut txn = store.write().expect("a writer");
    for (bundle, at) in bundles.iter().zip(0..) {
        txn.insert(&record(bundle, at), PayloadPlace::Inline).expect("room");
    }
    txn.commit().expect("room");
}

fn inserting(criterion: &mut Criterion) {
    let key = NodeKey::from_seed([1; 32]);
    for (name, durability) in [("synced", Durability::Synced), ("unsynced", Durability::Unsynced)] {
        let mut group = criterion.benchmark_group(format!("insert signed bundles of 1 KiB, {name}"));
        group.sample_size(20);
        for batch in [1, 64, 512] {
            let folder = tempfile::tempdir().expect("a folder");
            let store = store(folder.path(), durability);
            let mut next = 0;
            group.throughput(Throughput::Elements(batch));
            group.bench_function(batch.to_string(), |bencher| {
                bencher.iter_batched(
                    || {
                        let first = next;
                        next += batch;
                        (first..next).map(|sequence| signed(sequence, &key)).collect::<Vec<_>>()
                    },
                    |bundles| insert_all(&store, &bundles),
                    BatchSize::PerIteration,
                );
            });
        }
    }
}

fn filled(folder: &Path, bundles: u64) -> Store {
    let store = store(folder, Durability::Unsynced);
    for first in (0..bundles).step_by(1_000) {
        let bundles: Vec<_> = (first..first + 1_000)
            .map(|sequence| {
                draft(sequence)
                    .unsigned(&Profile::default(), Bytes::from(vec![7; 300]))
                    .expect("a valid bundle")
            })
            .collect();
        insert_all(&store, &bundles);
    }
    store
}

fn opening_and_reading(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    drop(filled(folder.path(), 100_000));
    let mut group = criterion.benchmark_group("100,000 bundles");
    group.sample_size(20);
    group.bench_function("open", |bencher| bencher.iter(|| store(folder.path(), Durability::Synced)));
    let store = store(folder.path(), Durability::Unsynced);
    let txn = store.read().expect("a reader");
    let ids: Vec<_> = txn.view().ids_from(None, usize::MAX).expect("ids");
    let mut place = (0..ids.len()).cycle().step_by(7_919);
    let mut any = || ids.get(place.next().expect("an endless series")).copied().expect("a bundle");
    group.bench_function("find an id", |bencher| bencher.iter(|| txn.view().find(&any().0)));
    group.bench_function("read the facts", |bencher| bencher.iter(|| txn.view().facts(any().1)));
    group.bench_function("read a bundle", |bencher| bencher.iter(|| txn.view().bundle(any().1)));
    group.bench_function("list 2,048 ids", |bencher| bencher.iter(|| txn.view().ids_from(None, 2_048)));
    group.bench_function("list the facts of 2,048 bundles", |bencher| {
        bencher.iter(|| txn.view().facts_from(Some(Number::new(50_000)), 2_048));
    });
    group.bench_function("begin and end a read", |bencher| bencher.iter(|| store.read()));
    drop(txn);
    group.bench_function("begin and drop a write", |bencher| bencher.iter(|| store.write()));
    group.bench_function("check everything", |bencher| {
        bencher.iter(|| store.read().expect("a reader").view().check(&mut |_| {}).expect("a sound store"));
    });
}

criterion_group!(benches, inserting, opening_and_reading);
criterion_main!(benches);
