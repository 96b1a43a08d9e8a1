//! Bundles in memory: what parsing, signing and checking cost on one core.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bundle_format::{
    Bundle, BundleFlags, CreationTimestamp, DtnTime, Eid, Limits, NewBundle, NodeKey, Profile,
};
use bytes::Bytes;

use super::figure::Figure;
use crate::failure::Failure;

/// Runs of each figure, and how long each lasts at least.
const RUNS: usize = 5;
const RUN: Duration = Duration::from_millis(100);

/// Ids and names of the figures for a size: parsing, encoding, signing, checking.
type Names = [(&'static str, &'static str); 4];

const SMALL: Names = [
    ("parse_1k", "parse a bundle of 1 KiB"),
    ("encode_1k", "encode a bundle of 1 KiB"),
    ("sign_1k", "sign a bundle of 1 KiB"),
    ("check_1k", "check a bundle of 1 KiB: hash and signature"),
];
const LARGE: Names = [
    ("parse_1m", "parse a bundle of 1 MiB"),
    ("encode_1m", "encode a bundle of 1 MiB"),
    ("sign_1m", "sign a bundle of 1 MiB"),
    ("check_1m", "check a bundle of 1 MiB: hash and signature"),
];

pub(super) fn measure() -> Result<Vec<Figure>, Failure> {
    let mut figures = of_size(1 << 10, SMALL)?;
    figures.extend(of_size(1 << 20, LARGE)?);
    Ok(figures)
}

fn of_size(octets: usize, names: Names) -> Result<Vec<Figure>, Failure> {
    let (limits, profile, key) = (Limits::default(), Profile::default(), NodeKey::from_seed([1; 32]));
    let payload = Bytes::from(vec![0x5a; octets]);
    let sign = || draft(1).sign(&profile, &key, payload.clone()).map_err(unmade);
    let signed = sign()?;
    let encode = || signed.encode().ok_or_else(|| unmade("its payload is elsewhere"));
    let encoded = encode()?;
    let parse = || Bundle::parse(encoded.clone(), &limits).map_err(unmade);
    let [parsing, encoding, signing, checking] = names;
    let parse_only = micros(|| parse().map(drop))?;
    // Checking takes a bundle that was just parsed, so that parsing is measured with it and taken off.
    let parse_and_check = micros(|| parse().map(|bundle| drop(black_box(bundle.check(&profile)))))?;
    let check_only = parse_and_check.iter().zip(&parse_only).map(|(both, parse)| both - parse).collect();
    Ok(vec![
        Figure::new(parsing.0, parsing.1, (parse_only, "us")),
        Figure::new(encoding.0, encoding.1, (micros(|| encode().map(drop))?, "us")),
        Figure::new(signing.0, signing.1, (micros(|| sign().map(drop))?, "us")),
        Figure::new(checking.0, checking.1, (check_only, "us")),
    ])
}

/// A small message from one node to another.
pub(super) fn draft(sequence: u64) -> NewBundle {
    NewBundle {
        destination: Eid::dtn("far", "inbox").unwrap_or(Eid::Null),
        source: Eid::dtn("source", "").unwrap_or(Eid::Null),
        report_to: Eid::Null,
        creation: CreationTimestamp { time: DtnTime(800_000_000_000), sequence },
        lifetime_ms: 86_400_000,
        flags: BundleFlags::MUST_NOT_FRAGMENT,
        age_ms: Some(0),
        hop_limit: Some(32),
        metadata: None,
    }
}

pub(super) fn unmade(error: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("a bundle to measure with could not be made: {error}"))
}

/// What one call takes, in microseconds, run by run.
#[expect(clippy::cast_precision_loss, reason = "fewer calls than a float counts exactly")]
fn micros(mut call: impl FnMut() -> Result<(), Failure>) -> Result<Vec<f64>, Failure> {
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let (begun, mut calls) = (Instant::now(), 0_u64);
        while begun.elapsed() < RUN {
            call()?;
            calls += 1;
        }
        runs.push(begun.elapsed().as_secs_f64() * 1e6 / calls as f64);
    }
    Ok(runs)
}
