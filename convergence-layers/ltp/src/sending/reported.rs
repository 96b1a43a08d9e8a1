//! What a report makes of a session of ours (RFC 5326 §6.13).
//!
//! Two things must hold, or octets would be lost for good: whatever was transmitted and is not claimed is covered by a checkpoint
//! that is repeated until it is answered, waits to be transmitted again, or follows the last checkpoint; and the report that answers a
//! checkpoint has all that the checkpoint covers in its scope, or an earlier report named it, or a later one will: a receiver that is behind
//! reports the rest when it is not any more.

use std::time::Instant;

use super::{Gaps, Sending};
use crate::pacing::{Departure, Told};
use crate::ranges::Ranges;
use crate::segment::Report;
use crate::shared::Shared;

/// Reports whose gaps wait to be filled. More are not acknowledged: the neighbor repeats them.
const GAPS_MAX: usize = 64;
/// Serial numbers of reports that are remembered as done with.
const REPORTS_MAX: usize = 256;
/// What a report made of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reported {
    /// It cannot be true, or comes too early: no acknowledgement.
    Ignored,
    /// It was taken, or is an old one.
    Noted,
    /// All is claimed.
    Complete,
}

impl Sending {
    /// Takes a report (§6.13).
    pub(crate) fn handle_report(&mut self, now: Instant, report: &Report, shared: &mut Shared) -> Reported {
        if self.reports.contains(&report.serial) {
            return Reported::Noted;
        }
        let is_issued = (self.first_checkpoint..self.next_checkpoint).contains(&report.checkpoint);
        let is_possible = report.upper <= self.next && (report.checkpoint == 0 || is_issued);
        if !is_possible || self.gaps.len() >= GAPS_MAX {
            return Reported::Ignored;
        }
        self.note_serial(report.serial);
        let departure = self.settle_checkpoints(now, report, shared);
        let claimed = shared.counters.octets_claimed;
        self.claim(report, shared);
        self.note_gaps(report, shared);
        if let Some(departure) = departure {
            let told =
                Told { claimed: shared.counters.octets_claimed, missing: shared.counters.octets_missing };
            shared.pacer.answered(now, &departure, told);
        } else {
            shared.pacer.answered_late(shared.counters.octets_claimed - claimed);
        }
        if self.claimed.prefix() == self.length {
            return Reported::Complete;
        }
        self.inquire_at = now.checked_add(shared.options.inquiry_after);
        Reported::Noted
    }

    fn note_serial(&mut self, serial: u64) {
        self.reports.insert(serial);
        if self.reports.len() > REPORTS_MAX {
            self.reports.pop_first();
        }
    }

    /// The checkpoint that the report responds to is answered, and so are earlier ones within its scope.
    fn settle_checkpoints(
        &mut self,
        now: Instant,
        report: &Report,
        shared: &mut Shared,
    ) -> Option<Departure> {
        let answered = self.checkpoints.remove(&report.checkpoint);
        if let Some(outstanding) = &answered {
            outstanding.awaited.answered(now, shared);
            shared.pacer.heard_of(&outstanding.departure);
        }
        let scope = report.lower..report.upper;
        self.checkpoints.retain(|serial, outstanding| {
            let from = outstanding.covers.first().map_or(0, |first| first.start);
            *serial > report.checkpoint || from < scope.start || outstanding.range.end > scope.end
        });
        // One that was transmitted again tells nothing of the path.
        answered.filter(|outstanding| outstanding.awaited.transmissions == 1).map(|o| o.departure)
    }

    fn claim(&mut self, report: &Report, shared: &mut Shared) {
        for claim in &report.claims {
            let start = report.lower + claim.offset;
            let range = start..start + claim.length;
            if self.claimed.count() >= shared.options.runs_max && !self.claimed.contains(&range) {
                continue;
            }
            let gained: u64 = self.claimed.gaps(range.clone()).iter().map(|gap| gap.end - gap.start).sum();
            shared.counters.octets_claimed += gained;
            self.claimed.insert(range.clone());
            for gaps in &mut self.gaps {
                gaps.ranges.remove(&range);
                gaps.sent.remove(&range);
            }
        }
        self.keep_checkpoint_of_gaps();
        let released = self.held.release(self.claimed.prefix());
        shared.held = shared.held.saturating_sub(released);
        self.drop_claimed_checkpoints();
    }

    /// A checkpoint is not needed any more when all that it covers is claimed. One of which the octets are not held any more
    /// cannot be repeated: what it covers beyond them is transmitted again.
    fn drop_claimed_checkpoints(&mut self) {
        let (claimed, held_from) = (&self.claimed, self.held.start());
        let mut uncovered = Vec::new();
        self.checkpoints.retain(|_, outstanding| {
            let mut missing = outstanding.covers.clone();
            missing.remove_all(claimed);
            let is_held = outstanding.range.start >= held_from;
            if !is_held && !missing.is_empty() {
                uncovered.push(Gaps::new(missing.clone(), outstanding.report));
            }
            is_held && !missing.is_empty()
        });
        self.gaps.extend(uncovered);
    }

    /// Where claims leave nothing to transmit of gaps that were transmitted in part, their last octet is transmitted once more: as
    /// the checkpoint without which nobody would ask for what was lost of that part.
    fn keep_checkpoint_of_gaps(&mut self) {
        for gaps in &mut self.gaps {
            let end = gaps.sent.end();
            if gaps.ranges.is_empty() && end > 0 {
                gaps.ranges.insert(end - 1..end);
            }
        }
    }

    /// What the report names as missing is transmitted again, unless the report cannot know that it was already.
    fn note_gaps(&mut self, report: &Report, shared: &mut Shared) {
        let mut ranges = Ranges::default();
        for gap in self.claimed.gaps(report.lower..report.upper) {
            ranges.insert(gap);
        }
        let on_their_way = self.checkpoints.range(report.checkpoint.saturating_add(1)..);
        let on_their_way = on_their_way.map(|(_, outstanding)| &outstanding.covers);
        let waiting = self.gaps.iter().map(|gaps| &gaps.ranges);
        for sent in on_their_way.chain(waiting).chain([&self.uncovered]) {
            ranges.remove_all(sent);
        }
        if !ranges.is_empty() {
            shared.counters.octets_missing += ranges.octets();
            self.gaps.push_back(Gaps::new(ranges, report.serial));
        }
    }
}
