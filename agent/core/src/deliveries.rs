//! The record of deliveries: what a destination's applications have taken (`docs/records.md`, section 5). Nodes that see it drop their
//! copies of those bundles.

use std::collections::BTreeMap;

use bundle_format::Eid;
use minicbor::{Decoder, Encoder};

use crate::message::{Encoded, Unintelligible};
use crate::runs::{RUN_OCTETS, RUNS_MAX, Runs, SERIES_OCTETS};
use crate::store::{BundleFacts, DeliveredRun};

/// The record's name in its group.
pub(crate) const NAME: &str = "deliveries";
/// Most octets of a record of deliveries that is made here; the oldest do not fit then.
pub(crate) const OCTETS_MAX: usize = 32 << 10;

const VERSION: u64 = 1;
/// Heads of two arrays and a byte string, at most.
const ENDPOINT_OCTETS: usize = 16;
/// Most endpoints that one record names.
const ENDPOINTS_MAX: u64 = 1024;

/// The group of all who keep records of deliveries.
pub fn deliveries_group() -> Eid {
    Eid::dtn("packmule", "~deliveries").expect("a valid constant")
}

/// Bundles that were delivered, by the endpoints of one destination node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deliveries {
    /// By endpoint.
    pub at: BTreeMap<Eid, Runs>,
}

impl Deliveries {
    /// Whether a bundle is among them.
    pub fn cover(&self, facts: &BundleFacts) -> bool {
        self.at.get(&facts.destination).is_some_and(|runs| runs.covers(facts))
    }

    /// Most octets that one more run takes.
    pub(crate) fn octets_for(&self, run: &DeliveredRun) -> usize {
        let series = SERIES_OCTETS + run.series.source.to_cbor().len();
        match self.at.get(&run.destination) {
            Some(runs) if runs.has_series(&run.series) => RUN_OCTETS,
            Some(_) => RUN_OCTETS + series,
            None => RUN_OCTETS + series + ENDPOINT_OCTETS + run.destination.to_cbor().len(),
        }
    }

    /// `[1, [[endpoint, runs], ...]]`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        self.write(&mut encoder).expect("writing to a vector cannot fail");
        encoder.into_writer()
    }

    fn write<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(2)?.u64(VERSION)?.array(self.at.len() as u64)?;
        for (endpoint, runs) in &self.at {
            encoder.array(2)?.bytes(&endpoint.to_cbor())?;
            runs.encode(encoder)?;
        }
        Ok(encoder)
    }

    /// What a record says about endpoints of `author`; what it says about others counts for nothing.
    pub(crate) fn decode(octets: &[u8], author: &Eid) -> Result<Self, Unintelligible> {
        let mut decoder = Decoder::new(octets);
        if decoder.array()? != Some(2) || decoder.u64()? != VERSION {
            return Err(Unintelligible);
        }
        let mut deliveries = Self::default();
        let endpoints = decoder.array()?.filter(|count| *count <= ENDPOINTS_MAX).ok_or(Unintelligible)?;
        let mut runs_in_all = 0;
        for _ in 0..endpoints {
            if decoder.array()? != Some(2) {
                return Err(Unintelligible);
            }
            let endpoint = Eid::from_cbor(decoder.bytes()?).map_err(|_| Unintelligible)?;
            let runs = Runs::decode(&mut decoder)?;
            runs_in_all += runs.len();
            if runs_in_all > RUNS_MAX {
                return Err(Unintelligible);
            }
            if endpoint.node_id().as_ref() == Some(author) {
                deliveries.at.insert(endpoint, runs);
            }
        }
        if decoder.position() == octets.len() { Ok(deliveries) } else { Err(Unintelligible) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Series;

    fn eid(text: &str) -> Eid {
        text.parse().unwrap()
    }

    fn delivered(at: &[&str]) -> Deliveries {
        let mut runs = Runs::default();
        runs.insert(Series { source: eid("dtn://a/"), time: None }, (7 << 32) + 5, (7 << 32) + 9);
        Deliveries { at: at.iter().map(|endpoint| (eid(endpoint), runs.clone())).collect() }
    }

    #[test]
    fn deliveries_are_these_octets() {
        let golden = "820181824c8201692f2f622f696e626f788183478201642f2f612ff6821b000000070000000504";
        assert_eq!(delivered(&["dtn://b/inbox"]).encode(), crate::runs::octets(golden));
    }

    #[test]
    fn what_a_node_says_about_another_counts_for_nothing() {
        let octets = delivered(&["dtn://b/inbox", "dtn://c/inbox"]).encode();
        let right = Deliveries::decode(&octets, &eid("dtn://b/"));
        assert_eq!(right, Ok(delivered(&["dtn://b/inbox"])));
        for end in 0..octets.len() {
            assert_eq!(Deliveries::decode(&octets[..end], &eid("dtn://b/")), Err(Unintelligible));
        }
    }
}
