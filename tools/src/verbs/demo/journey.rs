//! What arrived where, whether it is what was sent, and how long it took.

use std::path::Path;
use std::time::{Duration, Instant};

use agent_node::Delivery;
use bundle_format::PublicKey;
use serde::Serialize;

use super::Sample;
use super::cast::{Cast, inbox};
use crate::failure::{Failure, Kind};
use crate::output::{self, Output, Row};
use crate::quantity::{self, size, stopwatch};

/// How many letters of an id people are shown: as many as verbs need.
const ID_SHOWN: usize = 8;

/// All arrivals so far.
pub(super) struct Journey<'s> {
    samples: &'s [Sample],
    signer: PublicKey,
    lines: Vec<Line>,
}

/// A bundle that became a file.
pub(super) struct Arrival<'a> {
    pub(super) node: &'static str,
    pub(super) delivery: &'a Delivery,
    pub(super) file: &'a Path,
}

#[derive(Serialize)]
struct Line {
    id: String,
    file: String,
    octets: u64,
    destination: String,
    arrived_at: &'static str,
    path: &'static str,
    elapsed_ms: u64,
    verified: bool,
}

impl Row for Line {
    const HEADINGS: &'static [&'static str] =
        &["BUNDLE", "FILE", ">SIZE", "TO", "ARRIVED AT", "PATH", ">TIME"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.chars().take(ID_SHOWN).collect(),
            self.file.clone(),
            size(self.octets),
            self.destination.clone(),
            self.arrived_at.to_owned(),
            self.path.to_owned(),
            stopwatch(Duration::from_millis(self.elapsed_ms)),
        ]
    }
}

impl<'s> Journey<'s> {
    pub(super) fn new(samples: &'s [Sample], signer: PublicKey) -> Self {
        Self { samples, signer, lines: Vec::new() }
    }

    /// Holds what arrived against what was sent.
    pub(super) fn arrived(&mut self, arrival: &Arrival<'_>) -> Result<(), Failure> {
        let now = Instant::now();
        let Arrival { node, delivery, file } = *arrival;
        let bundle = &delivery.bundle;
        let wrong = |what: &str| Failure::failed(format!("{} at the {node}: {what}", bundle.id));
        let sample = self.samples.iter().find(|sample| sample.id == bundle.id);
        let sample = sample.ok_or_else(|| wrong("nobody sent it"))?;
        if bundle.signer != Some(self.signer) || !bundle.trusted {
            return Err(Failure::new(
                Kind::NotTrusted,
                format!("{} at the {node} is not signed by the school", bundle.id),
            ));
        }
        if super::hash(file)? != sample.hash {
            return Err(wrong("its contents are not what was sent"));
        }
        self.lines.push(Line {
            id: bundle.id.to_string(),
            file: sample.name.clone(),
            octets: sample.octets,
            destination: sample.destination.to_string(),
            arrived_at: node,
            path: path(node),
            elapsed_ms: u64::try_from(now.duration_since(sample.sent).as_millis()).unwrap_or(u64::MAX),
            verified: true,
        });
        Ok(())
    }

    /// The table, if everything arrived wherever it should.
    pub(super) fn conclude(self, output: Output, cast: &Cast) -> Result<(), Failure> {
        let clinic = inbox(&cast.clinic)?;
        let expected: usize =
            self.samples.iter().map(|sample| if sample.destination == clinic { 1 } else { 3 }).sum();
        let arrived = self.lines.len();
        if arrived != expected {
            return Err(Failure::failed(format!("{arrived} of {expected} copies arrived")));
        }
        output.list(&self.lines, "")?;
        if output.is_json() {
            return Ok(());
        }
        let copies = quantity::count(arrived as u64, "file");
        output::text(&format!(
            "\n{copies} arrived, every signature and every content verified. Nothing is left behind."
        ))
    }
}

fn path(node: &'static str) -> &'static str {
    match node {
        "school" => "here",
        "van" => "school -TCP-> van",
        _ => "school -TCP-> van -drive-> clinic",
    }
}
