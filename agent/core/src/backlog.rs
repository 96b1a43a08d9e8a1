//! Bundles that a neighbor may lack and that no exchange tells: gone through in the store, a piece at a time, while there is room among
//! what waits for it.
//!
//! These are bundles that only the neighbor wants (`scope.rs`), all there are for one that compares nothing, and those for
//! which there was no room when they came: their numbers are the latest, so that it is enough to remember the first.

use std::collections::BTreeSet;
use std::ops::Bound;

use crate::agent::Agent;
use crate::contact::{Contact, PENDING_MAX};
use crate::set::Compared;
use crate::store::{Number, Partition, StoreError, View};

/// Bundles looked at in one step: a few milliseconds of reads.
const LOOKED_AT_PER_STEP: usize = 2048;
/// Offers that wait for an answer; below half of that, there is room for more.
pub(crate) const OFFERED_MAX: usize = 1024;

/// What is still to be looked at for one neighbor.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    /// Partitions that are not compared.
    walk: Option<Walk>,
    /// Bundles from this number on.
    from: Option<Number>,
    /// The first bundle for which there was no room among the offers.
    unoffered: Option<Number>,
}

/// Partitions, one after the other, and the bundles in them.
#[derive(Debug)]
struct Walk {
    partitions: Compared,
    /// The last one of which all was looked at.
    passed: Option<Partition>,
    /// The one that comes next was looked at up to this bundle.
    after: Option<Number>,
}

impl Backlog {
    /// All bundles in these partitions.
    pub(crate) fn of(partitions: Compared) -> Self {
        Self { walk: Some(Walk { partitions, passed: None, after: None }), ..Self::default() }
    }

    /// All bundles.
    pub(crate) fn everything() -> Self {
        Self { from: Some(Number::new(0)), ..Self::default() }
    }

    /// A bundle came for which there was no room.
    pub(crate) fn put_off(&mut self, number: Number) {
        self.from = Some(self.from.map_or(number, |from| from.min(number)));
    }

    /// There was no room for a bundle among the offers.
    pub(crate) fn put_off_offer(&mut self, number: Number) {
        self.unoffered = Some(self.unoffered.map_or(number, |first| first.min(number)));
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        !self.has_work() && self.unoffered.is_none()
    }

    fn has_work(&self) -> bool {
        self.walk.is_some() || self.from.is_some()
    }

    /// The next bundles to look at.
    fn piece(&mut self, view: View<'_>) -> Result<Vec<Number>, StoreError> {
        if let Some(walk) = &mut self.walk {
            let (numbers, is_over) = walk.piece(view)?;
            if is_over {
                self.walk = None;
            }
            return Ok(numbers);
        }
        let Some(from) = self.from else { return Ok(Vec::new()) };
        let after = from.value().checked_sub(1).map(Number::new);
        let numbers = view.numbers_from(after, LOOKED_AT_PER_STEP)?;
        let last = numbers.last().filter(|_| numbers.len() == LOOKED_AT_PER_STEP);
        self.from = last.map(|last| Number::new(last.value() + 1));
        Ok(numbers)
    }
}

impl Walk {
    /// The next bundles, and whether they are the last.
    fn piece(&mut self, view: View<'_>) -> Result<(Vec<Number>, bool), StoreError> {
        let mut found = Vec::new();
        let mut left = LOOKED_AT_PER_STEP;
        while left > 0 {
            let Some(partition) = self.next_partition(self.passed, view)? else { return Ok((found, true)) };
            let numbers = view.numbers_in(partition, self.after, left)?;
            self.after = numbers.last().copied().filter(|_| numbers.len() == left);
            if self.after.is_none() {
                self.passed = Some(partition);
            }
            // An empty partition is work, too.
            left -= numbers.len().max(1);
            found.extend(numbers);
        }
        Ok((found, false))
    }

    fn next_partition(
        &self,
        after: Option<Partition>,
        view: View<'_>,
    ) -> Result<Option<Partition>, StoreError> {
        match &self.partitions {
            Compared::Only(partitions) => Ok(behind(partitions, after)),
            Compared::AllBut(others) => {
                let mut next = view.next_partition(after)?;
                while let Some(partition) = next.filter(|next| others.contains(next)) {
                    next = view.next_partition(Some(partition))?;
                }
                Ok(next)
            }
        }
    }
}

fn behind(partitions: &BTreeSet<Partition>, after: Option<Partition>) -> Option<Partition> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    partitions.range((start, Bound::Unbounded)).next().copied()
}

impl Agent {
    /// Puts some of the backlog of a contact among what waits, where there is room.
    pub(crate) fn work_off(&mut self, contact: &mut Contact, view: View<'_>) -> Result<(), StoreError> {
        if contact.pending.len() >= PENDING_MAX / 2 {
            return Ok(());
        }
        if contact.backlog.from.is_none() && contact.offered.len() < OFFERED_MAX / 2 {
            contact.backlog.from = contact.backlog.unoffered.take();
        }
        for number in contact.backlog.piece(view)? {
            if let Some(rank) = self.offerable(contact, number, view)? {
                contact.queue(rank);
            }
        }
        self.unfinished |= contact.backlog.has_work();
        Ok(())
    }
}
