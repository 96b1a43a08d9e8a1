//! Bundle sequences and collections of them (CCSDS 734.6-O-1 §3.2, §3.3): many numbered bundles named in few octets.
//!
//! `custody_signal` reads and writes them. A collection is read within a budget of sequences, runs and numbers, so that
//! whoever acts upon it does bounded work, however few octets claim however many bundles.

use std::collections::BTreeSet;

use crate::cbor::{Cursor, Writer};
use crate::eid::Eid;
use crate::limits::{COLLECTION_NUMBERS_MAX, COLLECTION_RUNS_MAX};
use crate::malformed::{Fault, Malformed};

/// Numbered bundles of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleSequence {
    /// Which counter gave the numbers.
    pub counter: Counter,
    /// The numbers.
    pub runs: Vec<Run>,
    /// Whose counter, where it is not that of whoever the signal is sent to.
    pub block_source: Option<Eid>,
}

/// A counter of the node that put the numbers into the bundles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counter {
    /// The sequence id, never 0.
    Id(u64),
    /// Sequence id 0: one counter for each destination of bundles, this one's.
    Destination(Eid),
}

/// Consecutive numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub first: u64,
    /// How many, at least 1; the last of them fits into 64 bits.
    pub count: u64,
}

impl Run {
    /// Every number of the run.
    pub fn numbers(self) -> impl Iterator<Item = u64> {
        self.first..=self.first.saturating_add(self.count.saturating_sub(1))
    }
}

/// What a collection may still name.
#[derive(Debug)]
pub(crate) struct Budget {
    runs: u64,
    numbers: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { runs: COLLECTION_RUNS_MAX as u64, numbers: COLLECTION_NUMBERS_MAX }
    }
}

impl Budget {
    fn take(&mut self, run: Run) -> Option<()> {
        self.runs = self.runs.checked_sub(1)?;
        self.numbers = self.numbers.checked_sub(run.count)?;
        Some(())
    }
}

impl BundleSequence {
    /// The sequence of these numbers of a counter of whoever the signal is for.
    pub fn of(counter: Counter, numbers: &BTreeSet<u64>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for number in numbers {
            match runs.last_mut() {
                Some(run) if run.first.checked_add(run.count) == Some(*number) => run.count += 1,
                _ => runs.push(Run { first: *number, count: 1 }),
            }
        }
        Self { counter, runs, block_source: None }
    }

    /// Writes the sequence: its runs ascend and do not touch each other. One without numbers says nothing and cannot be
    /// written.
    pub(crate) fn encode(&self, writer: &mut Writer) {
        let first = self.runs.first().expect("a sequence that is written names a bundle");
        writer.array(3 + u64::from(self.block_source.is_some()));
        match &self.counter {
            Counter::Id(id) => writer.uint(*id),
            Counter::Destination(destination) => destination.encode(writer),
        }
        writer.uint(first.first);
        if self.runs.len() == 1 {
            writer.uint(first.count);
        } else {
            writer.array(2 * self.runs.len() as u64 - 1);
            let mut next = first.first;
            for run in &self.runs {
                if run.first != first.first {
                    writer.uint(run.first - next);
                }
                writer.uint(run.count);
                next = run.first.saturating_add(run.count);
            }
        }
        if let Some(source) = &self.block_source {
            source.encode(writer);
        }
    }

    /// Reads a collection: an array of sequences, or, as older tools write it, one sequence in its place.
    pub(crate) fn decode_collection(
        cursor: &mut Cursor<'_>,
        budget: &mut Budget,
    ) -> Result<Vec<Self>, Malformed> {
        let start = cursor.position();
        let elements = cursor.array()?;
        let at_first = cursor.position();
        if elements == 0 {
            return Ok(Vec::new());
        }
        if Self::stands_here(cursor.rewound(at_first), elements) {
            let mut single = cursor.rewound(start);
            let sequence = Self::decode(&mut single, budget)?;
            *cursor = single;
            return Ok(vec![sequence]);
        }
        let mut sequences = Vec::new();
        for _ in 0..elements {
            sequences.push(Self::decode(cursor, budget)?);
        }
        Ok(sequences)
    }

    /// Whether the elements of an array are those of a sequence, and not sequences. One of the first two elements of a
    /// sequence is an integer: the first number, and often the counter; in a collection both are arrays.
    fn stands_here(mut cursor: Cursor<'_>, elements: u64) -> bool {
        if !(3..=4).contains(&elements) {
            return false;
        }
        cursor.is_at_int() || (cursor.skip().is_ok() && cursor.is_at_int())
    }

    fn decode(cursor: &mut Cursor<'_>, budget: &mut Budget) -> Result<Self, Malformed> {
        let start = cursor.position();
        let elements = cursor.array()?;
        if !(3..=4).contains(&elements) {
            return Err(cursor.fault(start, Fault::ElementCount("a bundle sequence")));
        }
        let counter = if cursor.is_at_int() {
            let at = cursor.position();
            match cursor.uint()? {
                0 => return Err(cursor.fault(at, Fault::Content("sequence id 0 names no counter"))),
                id => Counter::Id(id),
            }
        } else {
            Counter::Destination(Eid::decode(cursor)?)
        };
        let first = cursor.uint()?;
        let runs = decode_runs(cursor, first, budget)?;
        let block_source = (elements == 4).then(|| Eid::decode(cursor)).transpose()?;
        Ok(Self { counter, runs, block_source })
    }
}

fn decode_runs(cursor: &mut Cursor<'_>, first: u64, budget: &mut Budget) -> Result<Vec<Run>, Malformed> {
    let start = cursor.position();
    let too_many =
        |cursor: &Cursor<'_>| cursor.fault(start, Fault::Content("more bundles than one may name"));
    let mut runs: Vec<Run> = Vec::new();
    let mut take = |cursor: &Cursor<'_>, first: u64, count: u64| {
        if count > 0 {
            let run = Run { first, count };
            first.checked_add(count - 1).and_then(|_| budget.take(run)).ok_or_else(|| too_many(cursor))?;
            runs.push(run);
        }
        Ok(())
    };
    if cursor.is_at_int() {
        let count = cursor.uint()?;
        take(cursor, first, count)?;
        return Ok(runs);
    }
    let lengths = cursor.array()?;
    if lengths % 2 == 0 {
        return Err(cursor.fault(start, Fault::ElementCount("the ranges of a bundle sequence")));
    }
    let mut next = Some(first);
    for at in 0..lengths {
        let length = cursor.uint()?;
        let begin = next.filter(|_| at % 2 == 0);
        if let Some(begin) = begin {
            take(cursor, begin, length)?;
        } else if at % 2 == 0 && length > 0 {
            return Err(too_many(cursor));
        }
        next = next.and_then(|next| next.checked_add(length));
    }
    Ok(runs)
}
