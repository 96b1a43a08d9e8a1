//! Which of many sessions have something to say now, and which have something to do when: so that no step looks at all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::{Duration, Instant};

/// The sessions, by their keys.
#[derive(Debug)]
pub(crate) struct Agenda<K> {
    ready: BTreeSet<K>,
    deadlines: BTreeMap<K, Instant>,
    by_time: BTreeSet<(Instant, K)>,
}

impl<K> Default for Agenda<K> {
    fn default() -> Self {
        Self { ready: BTreeSet::new(), deadlines: BTreeMap::new(), by_time: BTreeSet::new() }
    }
}

impl<K: Ord + Copy> Agenda<K> {
    /// How it is with a session after something was done with it.
    pub(crate) fn note(&mut self, key: K, is_ready: bool, deadline: Option<Instant>) {
        if is_ready {
            self.ready.insert(key);
        } else {
            self.ready.remove(&key);
        }
        if self.deadlines.get(&key).copied() == deadline {
            return;
        }
        if let Some(before) = self.deadlines.remove(&key) {
            self.by_time.remove(&(before, key));
        }
        if let Some(at) = deadline {
            self.deadlines.insert(key, at);
            self.by_time.insert((at, key));
        }
    }

    /// A session is over.
    pub(crate) fn forget(&mut self, key: K) {
        self.note(key, false, None);
    }

    /// Those that have something to say, in order.
    pub(crate) fn ready(&self) -> impl Iterator<Item = K> + '_ {
        self.ready.iter().copied()
    }

    /// The one after `last` that has something to say, or the first.
    pub(crate) fn ready_after(&self, last: K) -> Option<K> {
        let after = self.ready.range((Bound::Excluded(last), Bound::Unbounded)).next();
        after.or_else(|| self.ready.first()).copied()
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Those of which the deadline has come.
    pub(crate) fn due(&self, now: Instant) -> Vec<K> {
        self.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| *key).collect()
    }

    /// All deadlines are so much later.
    pub(crate) fn delay(&mut self, by: Duration) {
        self.by_time = std::mem::take(&mut self.by_time)
            .into_iter()
            .filter_map(|(at, key)| at.checked_add(by).map(|at| (at, key)))
            .collect();
        self.deadlines = self.by_time.iter().map(|(at, key)| (*key, *at)).collect();
    }
}
