//! A session in which we send a block (RFC 5326 §6.2, §6.7, §6.12, §6.13).
//!
//! Octets are held until a report claims them. New ones are cut into segments as they come, a checkpoint among them every so
//! often; what reports name as missing is transmitted again, each report's gaps with a checkpoint as their last segment. Where
//! no checkpoint is awaited and claims are still missing, the neighbor is asked after a while.

mod reported;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::TransferId;

use crate::held::Held;
use crate::pacing::Departure;
use crate::ranges::Ranges;
use crate::segment::{Checkpoint, Content, Data, Mark, Segment, SessionId};
use crate::shared::{Awaited, Shared, delay};

pub(crate) use self::reported::Reported;

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
    /// What was transmitted of them, while their checkpoint was not.
    sent: Ranges,
}

impl Gaps {
    fn new(ranges: Ranges, report: u64) -> Self {
        Self { ranges, report, sent: Ranges::default() }
    }
}

/// A checkpoint that awaits its report.
#[derive(Debug)]
struct Outstanding {
    range: Range<u64>,
    report: u64,
    /// What was transmitted since the checkpoint before: reports to earlier ones cannot know of it.
    covers: Ranges,
    awaited: Awaited,
    departure: Departure,
}

impl Sending {
    pub(crate) fn new(session: SessionId, transfer: TransferId, length: u64, shared: &mut Shared) -> Self {
        let first_checkpoint = shared.random.up_to(shared.options.first_serial_max);
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

    /// Transmits a checkpoint again that is due, or what a report named as missing.
    pub(crate) fn poll_again(&mut self, now: Instant, shared: &mut Shared, out: &mut Vec<u8>) -> bool {
        let due = self.checkpoints.iter().find(|(_, outstanding)| outstanding.awaited.is_due);
        if let Some(serial) = due.map(|(serial, _)| *serial) {
            return self.repeat_checkpoint(serial, now, shared, out);
        }
        shared.pacer.has_room() && self.fill_gap(now, shared, out)
    }

    fn repeat_checkpoint(
        &mut self,
        serial: u64,
        now: Instant,
        shared: &mut Shared,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(outstanding) = self.checkpoints.get_mut(&serial) else { return false };
        let (range, report) = (outstanding.range.clone(), outstanding.report);
        outstanding.awaited.transmitted(now, shared);
        shared.counters.octets_sent_again += range.end - range.start;
        self.write(&range, Some(Checkpoint { serial, report }), shared, out);
        true
    }

    fn fill_gap(&mut self, now: Instant, shared: &mut Shared, out: &mut Vec<u8>) -> bool {
        let (gap, is_last, report) = loop {
            let Some(gaps) = self.gaps.front_mut() else { return false };
            match gaps.ranges.first() {
                Some(gap) => break (gap, gaps.ranges.count() == 1, gaps.report),
                None => self.gaps.pop_front(),
            };
        };
        let range = gap.start..gap.end.min(gap.start + self.room(gap.start, shared));
        let is_checkpoint = is_last && range.end == gap.end;
        if is_checkpoint {
            self.gaps.pop_front();
        } else if let Some(gaps) = self.gaps.front_mut() {
            gaps.ranges.remove(&range);
            gaps.sent.insert(range.clone());
        }
        shared.counters.octets_sent_again += range.end - range.start;
        let checkpoint = is_checkpoint.then_some(report);
        self.transmit(now, &range, checkpoint, shared, out);
        true
    }

    /// Transmits octets that never were.
    pub(crate) fn poll_new(&mut self, now: Instant, shared: &mut Shared, out: &mut Vec<u8>) -> bool {
        let Some(range) = self.new_range(shared).filter(|_| shared.pacer.has_room()) else { return false };
        let length = range.end - range.start;
        let is_stuck = range.end == self.held.end() && shared.held >= shared.options.window;
        let every = shared.options.checkpoint_every.min(shared.pacer.report_every());
        let is_checkpoint = range.end == self.length || is_stuck || self.since_checkpoint + length >= every;
        self.next = range.end;
        self.since_checkpoint = if is_checkpoint { 0 } else { self.since_checkpoint + length };
        shared.counters.octets_sent += length;
        self.transmit(now, &range, is_checkpoint.then_some(0), shared, out);
        true
    }

    /// The next octets that were never transmitted: a full segment, or the end, or all there is where no more can come.
    fn new_range(&self, shared: &Shared) -> Option<Range<u64>> {
        let available = self.held.end();
        let full = self.next + self.room(self.next, shared);
        let is_worth_it =
            available >= full || available == self.length || shared.held >= shared.options.window;
        (available > self.next && is_worth_it).then(|| self.next..self.not_all_but_one(available.min(full)))
    }

    /// Where a segment ends that could end here. The last octet goes with the one before it: alone, it is not answered.
    fn not_all_but_one(&self, end: u64) -> u64 {
        if end + 1 == self.length && end > self.next + 1 { end - 1 } else { end }
    }

    /// Whether there is something to transmit, now or when more octets come.
    pub(crate) fn may_have_segment(&self) -> bool {
        self.has_again() || self.held.end() > self.next
    }

    /// Whether there is a segment to transmit.
    pub(crate) fn has_segment(&self, shared: &Shared) -> bool {
        self.has_again() || self.new_range(shared).is_some()
    }

    fn has_again(&self) -> bool {
        self.checkpoints.values().any(|outstanding| outstanding.awaited.is_due)
            || self.gaps.iter().any(|gaps| !gaps.ranges.is_empty())
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
    ) {
        self.uncovered.insert(range.clone());
        let Some(report) = checkpoint else {
            return self.write(range, None, shared, out);
        };
        let serial = self.next_checkpoint;
        self.next_checkpoint += 1;
        let mut awaited = Awaited::due();
        awaited.transmitted(now, shared);
        let departure = shared.pacer.departure(now);
        let covers = std::mem::take(&mut self.uncovered);
        self.checkpoints
            .insert(serial, Outstanding { range: range.clone(), report, covers, awaited, departure });
        self.inquire_at = None;
        self.write(range, Some(Checkpoint { serial, report }), shared, out);
    }

    fn write(&self, range: &Range<u64>, checkpoint: Option<Checkpoint>, shared: &Shared, out: &mut Vec<u8>) {
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
        self.gaps.push_back(Gaps::new(ranges, 0));
    }

    /// The contact was down for so long.
    pub(crate) fn delay(&mut self, by: Duration) {
        for outstanding in self.checkpoints.values_mut() {
            outstanding.awaited.delay(by);
        }
        delay(&mut self.inquire_at, by);
    }
}
