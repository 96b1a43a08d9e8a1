//! Durable ingest of signed 1 KiB bundles, step by step, beside the bare signature check in the same run.
//!
//! `cargo bench -p agent-core --bench ingest`. Everything is on (checksums, indexes, one fsync a commit, in the system's
//! temporary folder or in `PACKMULE_BENCH_DIR`); times are medians over batches.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and may panic")]
#![expect(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark takes the time and means"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_core::Agent;
use agent_core::config::{Carry, Config, Stance};
use agent_core::input::Input;
use agent_core::routing::Policies;
use agent_core::store::{PayloadPlace, Store, StoreOptions};
use agent_core::time::{NodeTime, Now};
use bundle_format::{
    Bundle, BundleFlags, CheckedBundle, CreationTimestamp, DtnTime, Eid, Limits, NewBundle, NodeKey, Profile,
};
use bytes::Bytes;

const BATCH: usize = 512;
const BATCHES: usize = 20;
const NOW: Now = Now { node: NodeTime::from_ms(1_000), utc: Some(DtnTime(800_000_000_000)) };

fn main() {
    let key = NodeKey::from_seed([1; 32]);
    let octets: Vec<Bytes> = (0..BATCH * BATCHES).map(|number| bundle(&key, number as u64)).collect();
    let folder = std::env::var_os("PACKMULE_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let store = Store::open(folder.path(), &StoreOptions::default()).unwrap();
    let config = Arc::new(config(&key));
    let mut agent = Agent::open(config, [2; 32], NOW, store.read().unwrap().view()).unwrap();
    agent_contact(&mut agent, &store);
    let mut laps = Laps::default();
    for batch in octets.chunks(BATCH) {
        ingest(&mut agent, &store, batch, &mut laps);
    }
    laps.print();
}

fn bundle(key: &NodeKey, number: u64) -> Bytes {
    NewBundle {
        destination: "dtn://far/inbox".parse().unwrap(),
        source: "dtn://source/".parse().unwrap(),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence: number },
        lifetime_ms: 86_400_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(32),
        metadata: None,
    }
    .sign(&Profile::default(), key, Bytes::from(vec![number.to_le_bytes()[0]; 1024]))
    .unwrap()
    .encode()
    .unwrap()
}

fn config(source: &NodeKey) -> Config {
    Config {
        node: "dtn://here/".parse().unwrap(),
        ipn: None,
        key: NodeKey::from_seed([3; 32]),
        profile: Profile::default(),
        limits: Limits::default(),
        carry: Carry::All,
        strangers: Stance::Refuse,
        unsigned: Stance::Refuse,
        quota_octets: 1 << 40,
        stranger_quota_octets: 0,
        source_quota_octets: 1 << 40,
        group_quota_octets: 1 << 40,
        lifetime_ms_max: u64::MAX,
        hop_limit: 32,
        foreign: Vec::new(),
        policies: Policies::default(),
        custodians: None,
        cards: agent_core::config::CardSettings::default(),
        trust: vec![("dtn://source/".parse().unwrap(), source.public())],
    }
}

fn agent_contact(agent: &mut Agent, store: &Store) {
    let mut txn = store.write().unwrap();
    let opened = Input::ContactOpened {
        contact: 1,
        link: "bench".into(),
        declared: None,
        transfer_mru: u64::MAX,
        octets_per_second: None,
    };
    agent.handle(NOW, opened, &mut txn).unwrap();
    txn.commit().unwrap();
    while agent.poll_output().is_some() {}
}

fn ingest(agent: &mut Agent, store: &Store, batch: &[Bytes], laps: &mut Laps) {
    let start = Instant::now();
    let parsed: Vec<Bundle> =
        batch.iter().map(|octets| Bundle::parse(octets.clone(), &Limits::default()).unwrap()).collect();
    laps.parse.push(start.elapsed());
    let start = Instant::now();
    let checked: Vec<CheckedBundle> =
        parsed.into_iter().map(|bundle| bundle.check(&Profile::default())).collect();
    laps.check.push(start.elapsed());
    let start = Instant::now();
    let mut txn = store.write().unwrap();
    for (transfer, bundle) in (0..).zip(checked) {
        let input = Input::BundleReceived {
            contact: 1,
            transfer,
            bundle: Box::new(bundle),
            payload: PayloadPlace::Inline,
        };
        agent.handle(NOW, input, &mut txn).unwrap();
    }
    laps.step.push(start.elapsed());
    let start = Instant::now();
    txn.commit().unwrap();
    laps.commit.push(start.elapsed());
    while agent.poll_output().is_some() {}
}

#[derive(Default)]
struct Laps {
    parse: Vec<Duration>,
    check: Vec<Duration>,
    step: Vec<Duration>,
    commit: Vec<Duration>,
}

impl Laps {
    fn print(self) {
        println!("signed 1 KiB bundles, {BATCH} a commit, medians of {BATCHES} commits");
        let mut sum = 0.0;
        let rows = [
            ("parse, CRCs", self.parse),
            ("hash, signature", self.check),
            ("agent's step", self.step),
            ("commit, one fsync", self.commit),
        ];
        for (name, laps) in rows {
            let micros = median_micros(laps);
            sum += micros;
            println!("{name:<20}{micros:>8.1} us a bundle");
        }
        println!("{:<20}{sum:>8.1} us a bundle, {:.0} bundles/s on one thread", "together", 1e6 / sum);
    }
}

fn median_micros(mut laps: Vec<Duration>) -> f64 {
    laps.sort();
    let median = laps.get(laps.len() / 2).copied().unwrap_or_default();
    median.as_secs_f64() * 1e6 / BATCH as f64
}
