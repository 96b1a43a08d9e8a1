//! The octets of a block of ours that the neighbor may still ask for.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

/// Pieces in order, without gaps between them; each with the offset where it begins.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pieces: VecDeque<(u64, Bytes)>,
    end: u64,
}

impl Held {
    /// Where what was added ends.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Where what is held begins.
    pub(crate) fn start(&self) -> u64 {
        self.pieces.front().map_or(self.end, |(start, _)| *start)
    }

    pub(crate) fn push(&mut self, octets: Bytes) {
        let start = self.end;
        self.end = start.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        if !octets.is_empty() {
            self.pieces.push_back((start, octets));
        }
    }

    /// Lets go of the pieces before `offset`, and says how many octets they had.
    pub(crate) fn release(&mut self, offset: u64) -> usize {
        let mut released = 0;
        while self.pieces.front().is_some_and(|(start, octets)| {
            start.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX)) <= offset
        }) {
            released += self.pieces.pop_front().map_or(0, |(_, octets)| octets.len());
        }
        released
    }

    /// How many octets are held.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.end - self.start()).unwrap_or(usize::MAX)
    }

    /// Copies a range that is held.
    pub(crate) fn copy(&self, range: &Range<u64>, out: &mut Vec<u8>) {
        let first = self.pieces.partition_point(|(start, _)| *start <= range.start).saturating_sub(1);
        for (start, octets) in self.pieces.iter().skip(first) {
            if *start >= range.end {
                break;
            }
            let from = usize::try_from(range.start.saturating_sub(*start)).unwrap_or(usize::MAX);
            let to = usize::try_from(range.end - start).unwrap_or(usize::MAX).min(octets.len());
            out.extend_from_slice(octets.get(from..to).unwrap_or_default());
        }
    }
}
