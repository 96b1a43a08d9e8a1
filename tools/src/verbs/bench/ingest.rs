//! One node that takes in signed bundles of 1 KiB, 512 a commit, and where the time goes.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_core::Agent;
use agent_core::input::Input;
use agent_core::store::{PayloadPlace, Store, StoreError, StoreOptions};
use agent_core::time::{NodeTime, Now};
use agent_node::Home;
use bundle_format::{Bundle, CheckedBundle, DtnTime, Limits, NodeKey, Profile};
use bytes::Bytes;

use super::bundles::{draft, unmade};
use super::figure::Figure;
use crate::failure::Failure;

const BATCH: usize = 512;
const BATCHES: usize = 20;
const NOW: Now = Now { node: NodeTime::from_ms(1_000), utc: Some(DtnTime(800_000_000_000)) };

/// Time for each commit's bundles, by what it was spent on.
#[derive(Default)]
struct Laps {
    parse: Vec<f64>,
    check: Vec<f64>,
    step: Vec<f64>,
    commit: Vec<f64>,
}

pub(super) fn measure(folder: &Path) -> Result<Vec<Figure>, Failure> {
    let source = NodeKey::from_seed([1; 32]);
    let home = Home::create(&folder.join("far"), "far", None)?;
    let mut config = home.config().core(home.key());
    config.trust = vec![(draft(0).source, source.public())];
    let store = Store::open(&home.store_folder(), &StoreOptions::default()).map_err(of_store)?;
    let view = store.read().map_err(of_store)?;
    let mut agent = Agent::open(Arc::new(config), [2; 32], NOW, view.view()).map_err(of_store)?;
    drop(view);
    let mut laps = Laps::default();
    for batch in 0..BATCHES {
        let octets = signed(&source, batch)?;
        let bundles = check(&octets, &mut laps)?;
        take_in((&mut agent, &store), bundles, &mut laps).map_err(of_store)?;
    }
    Ok(laps.figures())
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives errors away")]
fn of_store(error: StoreError) -> Failure {
    Failure::failed(format!("the store that is measured failed: {error}"))
}

fn signed(source: &NodeKey, batch: usize) -> Result<Vec<Bytes>, Failure> {
    let first = (batch * BATCH) as u64;
    (first..first + BATCH as u64)
        .map(|number| {
            let payload = Bytes::from(vec![number.to_le_bytes()[0]; 1 << 10]);
            let bundle = draft(number).sign(&Profile::default(), source, payload).map_err(unmade)?;
            bundle.encode().ok_or_else(|| unmade("its payload is elsewhere"))
        })
        .collect()
}

fn check(batch: &[Bytes], laps: &mut Laps) -> Result<Vec<CheckedBundle>, Failure> {
    let begun = Instant::now();
    let parsed: Result<Vec<Bundle>, Failure> = batch
        .iter()
        .map(|octets| Bundle::parse(octets.clone(), &Limits::default()).map_err(unmade))
        .collect();
    laps.parse.push(micros(begun.elapsed()));
    let begun = Instant::now();
    let checked = parsed?.into_iter().map(|bundle| bundle.check(&Profile::default())).collect();
    laps.check.push(micros(begun.elapsed()));
    Ok(checked)
}

fn take_in(
    (agent, store): (&mut Agent, &Store),
    bundles: Vec<CheckedBundle>,
    laps: &mut Laps,
) -> Result<(), StoreError> {
    let begun = Instant::now();
    let mut txn = store.write()?;
    for (transfer, bundle) in (0..).zip(bundles) {
        let (bundle, payload) = (Box::new(bundle), PayloadPlace::Inline);
        agent.handle(NOW, Input::BundleReceived { contact: 1, transfer, bundle, payload }, &mut txn)?;
    }
    laps.step.push(micros(begun.elapsed()));
    let begun = Instant::now();
    txn.commit()?;
    laps.commit.push(micros(begun.elapsed()));
    while agent.poll_output().is_some() {}
    Ok(())
}

impl Laps {
    fn figures(self) -> Vec<Figure> {
        let around: Vec<f64> = self
            .parse
            .iter()
            .zip(&self.step)
            .zip(&self.commit)
            .zip(&self.check)
            .map(|(((parse, step), commit), check)| (parse + step + commit) / check)
            .collect();
        vec![
            Figure::new("ingest_parse", "ingest, a bundle: parsing and CRCs", (self.parse, "us")),
            Figure::new("ingest_check", "ingest, a bundle: hash and signature", (self.check, "us")),
            Figure::new("ingest_step", "ingest, a bundle: the agent's step", (self.step, "us")),
            Figure::new("ingest_commit", "ingest, a bundle: its part of the commit", (self.commit, "us")),
            Figure::new("ingest_ratio", "ingest: all else, beside the signature check", (around, "times"))
                .at_most(1.0),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "a batch is small")]
fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / BATCH as f64
}
