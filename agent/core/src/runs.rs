//! Which bundles, said in few octets: runs of sequence numbers by source, as node cards and deliveries list them
//! (`docs/records.md`, section 3).
//!
//! A source that signs as packmule does never uses a sequence number twice, whatever its clock says, and its number alone names a
//! bundle of that node. Of any other source the creation time and the very endpoint are needed too.

use std::collections::BTreeMap;

use bundle_format::{CreationTimestamp, DtnTime, Eid, PublicKey};
use minicbor::{Decoder, Encoder};

use crate::message::{Encoded, Unintelligible};
use crate::store::BundleFacts;

/// Most runs in one record: what a reader keeps in memory, at 16 octets each.
pub(crate) const RUNS_MAX: usize = 8192;

/// What the sequence numbers of a list belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// A node whose sequence numbers name its bundles by themselves; or an endpoint.
    pub source: Eid,
    /// The creation time, where the sequence number alone is not the identity.
    pub time: Option<DtnTime>,
}

impl Series {
    /// The series that a bundle belongs to.
    pub fn of(source: &Eid, creation: CreationTimestamp, signer: Option<&PublicKey>) -> Self {
        let has_incarnation = creation.sequence >> 32 != 0;
        match source.node_id() {
            Some(node) if has_incarnation && signer.is_some() => Self { source: node, time: None },
            _ => Self { source: source.clone(), time: Some(creation.time) },
        }
    }

    /// The series of a stored bundle.
    pub fn of_facts(facts: &BundleFacts) -> Self {
        Self::of(&facts.source, facts.creation, facts.signer.as_ref())
    }
}

/// Runs of sequence numbers by series: first → last, none touching another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Runs {
    by_series: BTreeMap<Series, BTreeMap<u64, u64>>,
    runs: usize,
}

impl Runs {
    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.runs
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.runs == 0
    }

    /// Whether a bundle is listed.
    pub fn contains(&self, series: &Series, sequence: u64) -> bool {
        let run = self.by_series.get(series).and_then(|runs| runs.range(..=sequence).next_back());
        run.is_some_and(|(_, last)| *last >= sequence)
    }

    /// Whether a stored bundle is listed.
    pub fn covers(&self, facts: &BundleFacts) -> bool {
        self.contains(&Series::of_facts(facts), facts.creation.sequence)
    }

    /// Lists numbers from `first` to `last`.
    pub fn insert(&mut self, series: Series, first: u64, last: u64) {
        let runs = self.by_series.entry(series).or_default();
        let before = runs.len();
        let (mut first, mut last) = (first, last.max(first));
        if let Some((begin, end)) = runs.range(..=first).next_back()
            && end.saturating_add(1) >= first
        {
            (first, last) = (*begin, last.max(*end));
        }
        while let Some((begin, end)) = runs.range(first..=last.saturating_add(1)).next() {
            last = last.max(*end);
            let begin = *begin;
            runs.remove(&begin);
        }
        runs.insert(first, last);
        self.runs = self.runs + runs.len() - before;
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Series, (u64, u64))> {
        let all = self.by_series.iter();
        all.flat_map(|(series, runs)| runs.iter().map(move |(first, last)| (series, (*first, *last))))
    }

    /// Whether any run of a series is listed.
    pub(crate) fn has_series(&self, series: &Series) -> bool {
        self.by_series.contains_key(series)
    }

    /// Takes one number off the list.
    pub fn remove(&mut self, series: &Series, sequence: u64) {
        let Some(runs) = self.by_series.get_mut(series) else { return };
        let before = runs.len();
        let found = runs.range(..=sequence).next_back().map(|(first, last)| (*first, *last));
        let Some((first, last)) = found.filter(|(_, last)| *last >= sequence) else { return };
        runs.remove(&first);
        if first < sequence {
            runs.insert(first, sequence - 1);
        }
        if sequence < last {
            runs.insert(sequence + 1, last);
        }
        self.runs = self.runs + runs.len() - before;
        if runs.is_empty() {
            self.by_series.remove(series);
        }
    }

    /// As much as fits into `octets`, the series with most bundles first, and of each its newest numbers; whether that is all.
    pub fn within(&self, octets: usize) -> (Self, bool) {
        let mut by_size: Vec<(u64, &Series)> = self
            .by_series
            .iter()
            .map(|(series, runs)| (runs.iter().map(|(first, last)| last - first + 1).sum(), series))
            .collect();
        by_size.sort_by(|one, other| other.cmp(one));
        let (mut kept, mut left) = (Self::default(), octets);
        for (_, series) in by_size {
            let Some(room) = left.checked_sub(series.source.to_cbor().len() + SERIES_OCTETS) else {
                continue;
            };
            left = room;
            for (first, last) in self.by_series.get(series).into_iter().flatten().rev() {
                let Some(room) = left.checked_sub(RUN_OCTETS) else { break };
                if kept.runs == RUNS_MAX {
                    break;
                }
                left = room;
                kept.insert(series.clone(), *first, *last);
            }
        }
        let is_all = kept.runs == self.runs;
        (kept, is_all)
    }

    /// An array of series, each `[source, time or null, runs]`, and `runs` a flat array of distances: from the end of the run before
    /// to the first number, and from there to the last.
    pub(crate) fn encode<'e>(&self, encoder: &'e mut Encoder<Vec<u8>>) -> Encoded<'e> {
        encoder.array(self.by_series.len() as u64)?;
        for (series, runs) in &self.by_series {
            encoder.array(3)?.bytes(&series.source.to_cbor())?;
            match series.time {
                Some(time) => encoder.u64(time.0)?,
                None => encoder.null()?,
            };
            encoder.array(2 * runs.len() as u64)?;
            let mut end = 0;
            for (first, last) in runs {
                encoder.u64(first - end)?.u64(last - first)?;
                end = *last;
            }
        }
        Ok(encoder)
    }

    pub(crate) fn decode(decoder: &mut Decoder<'_>) -> Result<Self, Unintelligible> {
        let mut listed = Self::default();
        for _ in 0..decoder.array()?.ok_or(Unintelligible)? {
            if decoder.array()? != Some(3) {
                return Err(Unintelligible);
            }
            let source = Eid::from_cbor(decoder.bytes()?).map_err(|_| Unintelligible)?;
            let time = if decoder.datatype()? == minicbor::data::Type::Null {
                decoder.null()?;
                None
            } else {
                Some(DtnTime(decoder.u64()?))
            };
            listed.decode_runs(&Series { source, time }, decoder)?;
        }
        Ok(listed)
    }

    fn decode_runs(&mut self, series: &Series, decoder: &mut Decoder<'_>) -> Result<(), Unintelligible> {
        let count = decoder.array()?.filter(|count| count % 2 == 0).ok_or(Unintelligible)?;
        let mut end = 0_u64;
        for _ in 0..count / 2 {
            if self.runs >= RUNS_MAX {
                return Err(Unintelligible);
            }
            let first = end.checked_add(decoder.u64()?).ok_or(Unintelligible)?;
            end = first.checked_add(decoder.u64()?).ok_or(Unintelligible)?;
            self.insert(series.clone(), first, end);
        }
        Ok(())
    }
}

/// Most octets of a run: two unsigned integers of 64 bits.
pub(crate) const RUN_OCTETS: usize = 18;
/// Most octets of a series beside its source's EID and its runs: heads of two arrays and a byte string, and a time.
pub(crate) const SERIES_OCTETS: usize = 1 + 3 + 9 + 9;

/// Octets written in hexadecimal digits.
#[cfg(test)]
pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let pairs =
        hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16));
    pairs.map(Result::unwrap).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn series(number: u32) -> Series {
        let time = (number % 2 == 1).then_some(DtnTime(u64::from(number)));
        Series { source: Eid::ipn(0, number, 0), time }
    }

    fn encoded(runs: &Runs) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        runs.encode(&mut encoder).unwrap();
        encoder.into_writer()
    }

    #[test]
    fn runs_are_these_octets() {
        let mut runs = Runs::default();
        let node: Eid = "dtn://a/".parse().unwrap();
        runs.insert(Series { source: node, time: None }, (7 << 32) + 5, (7 << 32) + 9);
        runs.insert(Series { source: Eid::ipn(0, 1, 2), time: Some(DtnTime(100)) }, 3, 3);
        let golden = "8283478201642f2f612ff6821b000000070000000504834582028201021864820300";
        assert_eq!(encoded(&runs), octets(golden));
    }

    proptest! {
        #[test]
        fn runs_list_what_was_inserted_and_not_removed(
            steps in proptest::collection::vec((any::<bool>(), 0_u32..3, 0_u64..24, 0_u64..6), 0..60),
        ) {
            let mut runs = Runs::default();
            let mut model = std::collections::BTreeSet::new();
            for (inserts, number, first, more) in steps {
                if inserts {
                    runs.insert(series(number), first, first + more);
                    model.extend((first..=first + more).map(|sequence| (number, sequence)));
                } else {
                    runs.remove(&series(number), first);
                    model.remove(&(number, first));
                }
                for number in 0..3 {
                    for sequence in 0..32 {
                        let listed = runs.contains(&series(number), sequence);
                        prop_assert_eq!(listed, model.contains(&(number, sequence)));
                    }
                }
                let counted: usize = runs.by_series.values().map(BTreeMap::len).sum();
                prop_assert_eq!(runs.len(), counted);
                let octets = encoded(&runs);
                prop_assert_eq!(Runs::decode(&mut Decoder::new(&octets)), Ok(runs.clone()));
                let (some, is_all) = runs.within(60);
                prop_assert!(encoded(&some).len() <= 61 && (is_all == (some == runs)));
            }
        }

        #[test]
        fn any_octets_are_runs_or_not(octets in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _runs = Runs::decode(&mut Decoder::new(&octets));
        }
    }
}
