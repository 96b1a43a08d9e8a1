//! Sets of octets of one block, as runs that neither touch nor overlap.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of offsets. The key is where a run begins, the value where it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    runs: BTreeMap<u64, u64>,
}

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many runs there are.
    pub(crate) fn count(&self) -> usize {
        self.runs.len()
    }

    /// The first run.
    pub(crate) fn first(&self) -> Option<Range<u64>> {
        self.runs.first_key_value().map(|(start, end)| *start..*end)
    }

    /// The end of the last run, 0 for the empty set.
    pub(crate) fn end(&self) -> u64 {
        self.runs.last_key_value().map_or(0, |(_, end)| *end)
    }

    /// How many octets are in the set.
    pub(crate) fn octets(&self) -> u64 {
        self.runs.iter().map(|(start, end)| end - start).sum()
    }

    /// Where the run that begins at 0 ends.
    pub(crate) fn prefix(&self) -> u64 {
        self.runs.get(&0).copied().unwrap_or(0)
    }

    /// Whether all of `range` is in the set.
    pub(crate) fn contains(&self, range: &Range<u64>) -> bool {
        range.is_empty()
            || self.runs.range(..=range.start).next_back().is_some_and(|(_, end)| *end >= range.end)
    }

    /// Adds a range, joining what it touches.
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        while let Some((run, run_end)) = self.runs.range(..=end).next_back().map(|(run, end)| (*run, *end)) {
            if run_end < start {
                break;
            }
            start = start.min(run);
            end = end.max(run_end);
            self.runs.remove(&run);
        }
        self.runs.insert(start, end);
    }

    /// Takes a range out.
    pub(crate) fn remove(&mut self, range: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some((run, end)) = self.runs.range(..range.end).next_back().map(|(run, end)| (*run, *end)) {
            if end <= range.start {
                break;
            }
            self.runs.remove(&run);
            if end > range.end {
                self.runs.insert(range.end, end);
            }
            if run < range.start {
                self.runs.insert(run, range.start);
            }
        }
    }

    /// Takes out what is in another set.
    pub(crate) fn remove_all(&mut self, others: &Self) {
        let Some(first) = self.first() else { return };
        for range in others.within(first.start..self.end()) {
            self.remove(&range);
        }
    }

    /// The runs, cut to `range`.
    pub(crate) fn within(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let reaching = self.runs.range(..=range.start).next_back().map_or(range.start, |(run, _)| *run);
        self.runs
            .range(reaching..range.end.max(reaching))
            .map(move |(start, end)| range.start.max(*start)..range.end.min(*end))
            .filter(|run| !run.is_empty())
    }

    /// What of `range` is not in the set, in order.
    pub(crate) fn gaps(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut from = range.start;
        for run in self.within(range.clone()) {
            if from < run.start {
                gaps.push(from..run.start);
            }
            from = run.end;
        }
        if from < range.end {
            gaps.push(from..range.end);
        }
        gaps
    }
}
