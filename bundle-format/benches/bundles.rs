//! What a bundle costs: parsing, encoding, signing and checking, beside the bare signature verification, so that the
//! ratio can be read off. `cargo bench -p bundle-format`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot set itself up has failed")]

use bundle_format::{
    Bundle, BundleFlags, BundleReader, CreationTimestamp, DtnTime, Eid, Limits, NewBundle, NodeKey, Profile,
};
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::{Signature, VerifyingKey};

const SIZES: [(&str, usize); 2] = [("1KiB", 1 << 10), ("1MiB", 1 << 20)];

fn draft() -> NewBundle {
    NewBundle {
        destination: Eid::dtn("clinic-3", "inbox").unwrap(),
        source: Eid::dtn("hospital", "").unwrap(),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(813_110_400_000), sequence: 1 << 40 },
        lifetime_ms: 2_592_000_000,
        flags: BundleFlags::empty(),
        age_ms: Some(0),
        hop_limit: Some(32),
        metadata: None,
    }
}

fn signed(octets: usize) -> Bytes {
    let payload = Bytes::from(vec![0x5a; octets]);
    draft().sign(&Profile::default(), &NodeKey::from_seed([1; 32]), payload).unwrap().encode().unwrap()
}

fn whole_bundles(criterion: &mut Criterion) {
    let (limits, profile) = (Limits::default(), Profile::default());
    for (name, size) in SIZES {
        let octets = signed(size);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(octets.len() as u64));
        group.bench_function("parse", |bencher| {
            bencher.iter(|| Bundle::parse(octets.clone(), &limits).unwrap());
        });
        let checked = Bundle::parse(octets.clone(), &limits).unwrap().check(&profile);
        group.bench_function("encode", |bencher| bencher.iter(|| checked.encode().unwrap()));
        group.bench_function("check", |bencher| {
            let parsed = || Bundle::parse(octets.clone(), &limits).unwrap();
            bencher.iter_batched(parsed, |bundle| bundle.check(&profile), BatchSize::SmallInput);
        });
        group.bench_function("read", |bencher| {
            bencher.iter(|| {
                let mut reader = BundleReader::new(&limits, &profile);
                for start in (0..octets.len()).step_by(1 << 16) {
                    reader.push(octets.slice(start..octets.len().min(start + (1 << 16)))).unwrap();
                }
                reader.finish().unwrap()
            });
        });
        group.bench_function("sign", |bencher| {
            let key = NodeKey::from_seed([1; 32]);
            let payload = Bytes::from(vec![0x5a; size]);
            bencher.iter(|| draft().sign(&profile, &key, payload.clone()).unwrap());
        });
        group.bench_function("bare verify_strict", |bencher| {
            let key = NodeKey::from_seed([1; 32]);
            let message = vec![0x5a; size];
            let signature = Signature::from_bytes(&key.sign(&message));
            let key = VerifyingKey::from_bytes(key.public().as_bytes()).unwrap();
            bencher.iter(|| key.verify_strict(&message, &signature).unwrap());
        });
        group.finish();
    }
}

fn heads(criterion: &mut Criterion) {
    let head = Bundle::parse(signed(16), &Limits::default()).unwrap().head().clone();
    let by = Eid::dtn("relay", "").unwrap();
    criterion.bench_function("head/parse", |bencher| {
        bencher.iter(|| bundle_format::Head::parse(head.bytes().clone()).unwrap());
    });
    criterion.bench_function("head/forwarded", |bencher| {
        bencher.iter(|| head.forwarded(&by, Some(1_000)).unwrap());
    });
    criterion.bench_function("key/from_bytes", |bencher| {
        let key = NodeKey::from_seed([1; 32]).public();
        bencher.iter(|| bundle_format::PublicKey::from_bytes(key.as_bytes()).unwrap());
    });
}

criterion_group!(bundles, whole_bundles, heads);
criterion_main!(bundles);
