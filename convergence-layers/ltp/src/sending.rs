//! A session in which we send a block (RFC 5326 §6.2, §6.7, §6.12, §6.13).
//!
//! Octets are held until a report claims them. New ones are cut into segments as they come, a checkpoint among them every so
//! often; what reports name as missing is transmitted again, each report's gaps with a checkpoint as their last segment. Where
//! no checkpoint is awaited and claims are still missing, the neighbor is asked after a while.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::TransferId;

use crate::held::Held;
use crate::ranges::Ranges;
use crate::segment::{Checkpoint, Content, Data, Mark, Report, Segment, SessionId};
use crate::shared::{Awaited, Shared, delay};

/// Reports whose gaps wait to be filled. More are not acknowledged: the neighbor repeats them.
const GAPS_MAX: usize = 64;
/// Serial numbers of reports that are remembered as done with.
const REPORTS_MAX: usize = 256;
/// The largest first serial number: two octets, as CCSDS 734.1 has it.
const FIRST_SERIAL_MAX: u64 = (1 << 14) - 1;

/// Our side of a session.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) session: SessionId,
    pub(crate) transfer: TransferId,
    pub(crate) urgent: bool,
    length: u64,
    held: Held,
    /// The first octet that was never transmitted.
    next: u64,
    claimed: Ranges,
    gaps: VecDeque<Gaps>,
    /// The serial number of the next checkpoint.
    next_checkpoint: u64,
    first_checkpoint: u64,
    /// Those that are not answered, by serial number.
    checkpoints: BTreeMap<u64, Outstanding>,
    /// What was transmitted since the last checkpoint.
    uncovered: Ranges,
    since_checkpoint: u64,
    reports: BTreeSet<u64>,
    inquire_at: Option<Instant>,
}

/// What a report named as missing.
#[derive(Debug)]
struct Gaps {
    ranges: Ranges,
    report: u64,
}

/// A checkpoint that awaits its report.
#[derive(Debug)]
struct Outstanding {
    range: Range<u64>,
    report: u64,
    /// What was transmitted since the checkpoint before: reports to earlier ones cannot know of it.
    covers: Ranges,
    awaited: Awaited,
}

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
    pub(crate) fn new(session: SessionId, transfer: TransferId, length: u64, shared: &mut Shared) -> Self {
        let first_checkpoint = shared.random.up_to(FIRST_SERIAL_MAX);
        Self {
            session,
            transfer,
            urgent: false,
            length,
            held: Held::default(),
            next: 0,
            claimed: Ranges::default(),
            gaps: VecDeque::new(),
            next_checkpoint: first_checkpoint,
            first_checkpoint,
            checkpoints: BTreeMap::new(),
            uncovered: Ranges::default(),
            since_checkpoint: 0,
            reports: BTreeSet::new(),
            inquire_at: None,
        }
    }

    /// How many octets of the block are still to come from the agent.
    pub(crate) fn wanted(&self) -> u64 {
        self.length - self.held.end()
    }

    pub(crate) fn push(&mut self, octets: Bytes, shared: &mut Shared) {
        shared.held += octets.len();
        self.held.push(octets);
    }

    /// Whether the neighbor may have heard of the session.
    pub(crate) fn has_begun(&self) -> bool {
        self.next > 0
    }

    /// Lets go of what is held.
    pub(crate) fn release_all(&mut self, shared: &mut Shared) {
        shared.held = shared.held.saturating_sub(self.held.len());
        self.held = Held::default();
    }

    /// The next segment, if there is one: repeated checkpoints first, then gaps, then what is new.
    pub(crate) fn poll_segment(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let due = self.checkpoints.iter().find(|(_, outstanding)| outstanding.awaited.is_due);
        if let Some(serial) = due.map(|(serial, _)| *serial) {
            return self.repeat_checkpoint(serial, now, shared, out);
        }
        self.fill_gap(now, shared, out).or_else(|| self.send_new(now, shared, out))
    }

    fn repeat_checkpoint(
        &mut self,
        serial: u64,
        now: Instant,
        shared: &mut Shared,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let outstanding = self.checkpoints.get_mut(&serial)?;
        let (range, report) = (outstanding.range.clone(), outstanding.report);
        outstanding.awaited.transmitted(now, shared);
        shared.counters.octets_sent_again += range.end - range.start;
        Some(self.write(&range, Some(Checkpoint { serial, report }), shared, out))
    }

    fn fill_gap(&mut self, now: Instant, shared: &mut Shared, out: &mut Vec<u8>) -> Option<usize> {
        let (gap, is_last, report) = loop {
            let gaps = self.gaps.front_mut()?;
            match gaps.ranges.first() {
                Some(gap) => break (gap, gaps.ranges.count() == 1, gaps.report),
                None => self.gaps.pop_front(),
            };
        };
        let range = gap.start..gap.end.min(gap.start + self.room(gap.start, shared));
        let is_checkpoint = is_last && range.end == gap.end;
        if let Some(gaps) = self.gaps.front_mut() {
            gaps.ranges.remove(&range);
        }
        shared.counters.octets_sent_again += range.end - range.start;
        let checkpoint = is_checkpoint.then_some(report);
        Some(self.transmit(now, &range, checkpoint, shared, out))
    }

    fn send_new(&mut self, now: Instant, shared: &mut Shared, out: &mut Vec<u8>) -> Option<usize> {
        let range = self.new_range(shared)?;
        let length = range.end - range.start;
        let is_stuck = range.end == self.held.end() && shared.held >= shared.options.window;
        let is_checkpoint = range.end == self.length
            || is_stuck
            || self.since_checkpoint + length >= shared.options.checkpoint_every;
        self.next = range.end;
        self.since_checkpoint = if is_checkpoint { 0 } else { self.since_checkpoint + length };
        shared.counters.octets_sent += length;
        Some(self.transmit(now, &range, is_checkpoint.then_some(0), shared, out))
    }

    /// The next octets that were never transmitted: a full segment, or the end, or all there is where no more can come.
    fn new_range(&self, shared: &Shared) -> Option<Range<u64>> {
        let available = self.held.end();
        let full = self.next + self.room(self.next, shared);
        let is_worth_it =
            available >= full || available == self.length || shared.held >= shared.options.window;
        (available > self.next && is_worth_it).then(|| self.next..available.min(full))
    }

    /// Whether [`Sending::poll_segment`] has a segment.
    pub(crate) fn has_segment(&self, shared: &Shared) -> bool {
        self.checkpoints.values().any(|outstanding| outstanding.awaited.is_due)
            || self.gaps.iter().any(|gaps| !gaps.ranges.is_empty())
            || self.new_range(shared).is_some()
    }

    /// How many octets from an offset fit a segment, as a checkpoint or not.
    fn room(&self, offset: u64, shared: &Shared) -> u64 {
        let checkpoint = Checkpoint { serial: self.next_checkpoint, report: u64::from(u32::MAX) };
        let (mark, octets) = (Mark::Checkpoint(checkpoint), &[][..]);
        let data = Data { mark, client_service: shared.options.client_service, offset, octets };
        let room = Segment::data_room(self.session, &data, shared.options.segment_max);
        u64::try_from(room).unwrap_or(0).max(1)
    }

    /// Transmits a range, as a checkpoint that responds to the given report where there is one.
    fn transmit(
        &mut self,
        now: Instant,
        range: &Range<u64>,
        checkpoint: Option<u64>,
        shared: &mut Shared,
        out: &mut Vec<u8>,
    ) -> usize {
        self.uncovered.insert(range.clone());
        let Some(report) = checkpoint else { return self.write(range, None, shared, out) };
        let serial = self.next_checkpoint;
        self.next_checkpoint += 1;
        let mut awaited = Awaited::due();
        awaited.transmitted(now, shared);
        let covers = std::mem::take(&mut self.uncovered);
        self.checkpoints.insert(serial, Outstanding { range: range.clone(), report, covers, awaited });
        self.inquire_at = None;
        self.write(range, Some(Checkpoint { serial, report }), shared, out)
    }

    fn write(
        &self,
        range: &Range<u64>,
        checkpoint: Option<Checkpoint>,
        shared: &Shared,
        out: &mut Vec<u8>,
    ) -> usize {
        let mark = match checkpoint {
            None => Mark::Red,
            Some(checkpoint) if range.end == self.length => Mark::BlockEnd(checkpoint),
            Some(checkpoint) => Mark::Checkpoint(checkpoint),
        };
        let mut octets = Vec::with_capacity(shared.options.segment_max);
        self.held.copy(range, &mut octets);
        let data = Data {
            mark,
            client_service: shared.options.client_service,
            offset: range.start,
            octets: &octets,
        };
        let segment = Segment { session: self.session, content: Content::Data(data) };
        let fits = segment.encode(shared.options.segment_max, out);
        assert!(fits, "a segment was cut to a length that fits");
        octets.len()
    }

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
        self.settle_checkpoints(now, report, shared);
        self.claim(report, shared);
        if self.claimed.prefix() == self.length {
            return Reported::Complete;
        }
        self.note_gaps(report);
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
    fn settle_checkpoints(&mut self, now: Instant, report: &Report, shared: &mut Shared) {
        if let Some(outstanding) = self.checkpoints.remove(&report.checkpoint) {
            outstanding.awaited.answered(now, shared);
        }
        let scope = report.lower..report.upper;
        self.checkpoints.retain(|serial, outstanding| {
            let from = outstanding.covers.first().map_or(0, |first| first.start);
            *serial > report.checkpoint || from < scope.start || outstanding.range.end > scope.end
        });
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
            }
        }
        let released = self.held.release(self.claimed.prefix());
        shared.held = shared.held.saturating_sub(released);
        let (claimed, held_from) = (&self.claimed, self.held.start());
        self.checkpoints.retain(|_, outstanding| {
            !claimed.contains(&outstanding.range) && outstanding.range.start >= held_from
        });
    }

    /// What the report names as missing is transmitted again, unless the report cannot know that it was already.
    fn note_gaps(&mut self, report: &Report) {
        let mut ranges = Ranges::default();
        for gap in self.claimed.gaps(report.lower..report.upper) {
            ranges.insert(gap);
        }
        let on_their_way = self.checkpoints.range(report.checkpoint.saturating_add(1)..);
        let on_their_way = on_their_way.map(|(_, outstanding)| &outstanding.covers);
        let waiting = self.gaps.iter().map(|gaps| &gaps.ranges);
        for sent in on_their_way.chain(waiting).chain([&self.uncovered]) {
            for range in sent.within(report.lower..report.upper) {
                ranges.remove(&range);
            }
        }
        if !ranges.is_empty() {
            self.gaps.push_back(Gaps { ranges, report: report.serial });
        }
    }

    /// When something is overdue.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let checkpoints = self.checkpoints.values().filter_map(|outstanding| outstanding.awaited.deadline());
        checkpoints.chain(self.inquiry()).min()
    }

    /// When the neighbor is asked, while nothing else will bring a report.
    fn inquiry(&self) -> Option<Instant> {
        self.inquire_at
            .filter(|_| self.checkpoints.is_empty() && self.gaps.iter().all(|g| g.ranges.is_empty()))
    }

    /// Handles what is overdue; says whether a checkpoint was transmitted too often (§6.7).
    pub(crate) fn handle_timeout(&mut self, now: Instant, shared: &mut Shared) -> bool {
        if self.inquiry().is_some_and(|at| at <= now) {
            self.inquire(shared);
        }
        let mut is_exceeded = false;
        for outstanding in self.checkpoints.values_mut() {
            is_exceeded |= outstanding.awaited.expire(now, shared);
        }
        is_exceeded
    }

    /// Asks by transmitting the first octets again that are not claimed, as a checkpoint.
    fn inquire(&mut self, shared: &Shared) {
        self.inquire_at = None;
        let Some(gap) = self.claimed.gaps(0..self.next).into_iter().next() else { return };
        let mut ranges = Ranges::default();
        ranges.insert(gap.start..gap.end.min(gap.start + self.room(gap.start, shared)));
        self.gaps.push_back(Gaps { ranges, report: 0 });
    }

    /// The contact was down for so long.
    pub(crate) fn delay(&mut self, by: Duration) {
        for outstanding in self.checkpoints.values_mut() {
            outstanding.awaited.delay(by);
        }
        delay(&mut self.inquire_at, by);
    }
}
