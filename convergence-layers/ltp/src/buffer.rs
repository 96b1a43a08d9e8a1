//! The octets of a received block that were not handed up yet.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Buf, Bytes};

use crate::ranges::Ranges;

/// What is handed up at once.
const PIECE_MAX: usize = 64 * 1024;

/// Which octets of a block were received, and those that wait.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    received: Ranges,
    waiting: BTreeMap<u64, Bytes>,
    octets: usize,
    /// Where what was handed up ends.
    taken: u64,
}

impl Buffer {
    pub(crate) fn received(&self) -> &Ranges {
        &self.received
    }

    /// How many octets wait.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// How many octets wait that can be handed up now.
    pub(crate) fn ready(&self) -> u64 {
        self.received.prefix() - self.taken
    }

    /// Where what was handed up ends.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether octets can be added without more than `octets_max` waiting or more than `runs_max` runs. What comes next in
    /// order may always be added while less than that is ready, or a gap could never be filled.
    pub(crate) fn has_room(&self, range: &Range<u64>, octets_max: usize, runs_max: usize) -> bool {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let is_next = range.start <= self.received.prefix() && range.end > self.received.prefix();
        let ready = usize::try_from(self.ready()).unwrap_or(usize::MAX);
        if is_next {
            return ready < octets_max;
        }
        self.octets.saturating_add(length) <= octets_max && self.received.count() < runs_max
    }

    /// Adds what of these octets was not received before, and says how many those are. The first to come stay.
    pub(crate) fn insert(&mut self, offset: u64, octets: &[u8]) -> usize {
        let end = offset + u64::try_from(octets.len()).unwrap_or(0);
        let gaps = self.received.gaps(offset..end);
        let mut added = 0;
        for gap in gaps {
            let from = usize::try_from(gap.start - offset).unwrap_or(usize::MAX);
            let to = usize::try_from(gap.end - offset).unwrap_or(usize::MAX);
            let new = octets.get(from..to).unwrap_or_default();
            added += new.len();
            self.waiting.insert(gap.start, Bytes::copy_from_slice(new));
        }
        self.octets += added;
        self.received.insert(offset..end);
        added
    }

    /// Takes the next octets in order.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let first = self.waiting.first_entry().filter(|first| *first.key() == self.taken)?;
        let mut octets = first.remove();
        if octets.len() > PIECE_MAX {
            let piece = octets.split_to(PIECE_MAX);
            let rest = self.taken + u64::try_from(piece.len()).unwrap_or(0);
            self.waiting.insert(rest, octets);
            octets = piece;
        }
        self.octets -= octets.remaining();
        self.taken += u64::try_from(octets.remaining()).unwrap_or(0);
        Some(octets)
    }

    /// Lets go of what waits, and says how many octets that were.
    pub(crate) fn clear(&mut self) -> usize {
        self.waiting.clear();
        std::mem::take(&mut self.octets)
    }
}
