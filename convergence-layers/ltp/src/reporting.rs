//! What we tell a sender of what we received (RFC 5326 §6.8, §6.11, §6.14), and what we keep back.
//!
//! A report is a promise (§6.22), and the one that completes the red part is what a sender takes for arrival. Until the agent
//! has accepted the block, one octet that was received is therefore left out of every report's scope: the last of the red part, so
//! that a report of several segments, as §6.11 has it, is completed later. Where only the last octet was received, nothing is said: a
//! sender that has heard of all others, from an engine that was here before, would take it for arrival.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::ranges::Ranges;
use crate::sdnv;
use crate::segment::{Checkpoint, Claim, Content, Report, Segment, SessionId};
use crate::shared::{Awaited, Shared};

/// Reports of one session that await their acknowledgement. Checkpoints beyond are not answered: they are repeated.
const REPORTS_MAX: usize = 64;
/// Checkpoints, and scopes of reports, that are remembered.
const REMEMBERED_MAX: usize = 128;

/// The reports of one session.
#[derive(Debug)]
pub(crate) struct Reporting {
    session: SessionId,
    next_serial: u64,
    /// The end of the last primary report.
    primary_upper: u64,
    /// Those that are not acknowledged, by serial number.
    reports: BTreeMap<u64, Outstanding>,
    /// Recent reports' serial numbers and lower bounds.
    lower_bounds: VecDeque<(u64, u64)>,
    /// Recent checkpoints and the serial numbers of their reports.
    answered: VecDeque<(u64, Range<u64>)>,
    /// The end of what was asked about and is beyond our memory: it is reported when what is missing before it has come.
    cut: Option<u64>,
}

#[derive(Debug)]
struct Outstanding {
    report: Report,
    awaited: Awaited,
}

/// What a report is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reception<'a> {
    pub(crate) received: &'a Ranges,
    /// The length of the red part, once it is known.
    pub(crate) red_length: Option<u64>,
    pub(crate) is_accepted: bool,
    /// Octets from here on would find no memory while some before are missing.
    pub(crate) limit: u64,
}

impl Reporting {
    pub(crate) fn new(session: SessionId, shared: &mut Shared) -> Self {
        Self {
            session,
            next_serial: shared.random.up_to(shared.options.first_serial_max),
            primary_upper: 0,
            reports: BTreeMap::new(),
            lower_bounds: VecDeque::new(),
            answered: VecDeque::new(),
            cut: None,
        }
    }

    /// The serial number that a report would have now.
    pub(crate) fn next_serial(&self) -> u64 {
        self.next_serial
    }

    /// Whether all reports are acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.reports.is_empty()
    }

    /// Answers a checkpoint at the end of `segment`.
    pub(crate) fn checkpoint(
        &mut self,
        checkpoint: Checkpoint,
        end: u64,
        reception: Reception<'_>,
        shared: &Shared,
    ) {
        let known = self.answered.iter().find(|(serial, _)| *serial == checkpoint.serial);
        if let Some((_, reports)) = known.cloned() {
            if self.repeat(reports) {
                return;
            }
            self.answered.retain(|(serial, _)| *serial != checkpoint.serial);
        }
        let lower = match checkpoint.report {
            0 => self.primary_upper,
            report => self.lower_bounds.iter().find(|(serial, _)| *serial == report).map_or(0, |(_, l)| *l),
        };
        self.answer(checkpoint, lower..end, reception, shared);
    }

    /// Answers a checkpoint again, with all that answers to this one and earlier ones left out. Says whether there was room for that.
    pub(crate) fn catch_up(
        &mut self,
        serial: u64,
        end: u64,
        reception: Reception<'_>,
        shared: &Shared,
    ) -> bool {
        self.answer(Checkpoint { serial, report: 0 }, 0..end, reception, shared)
    }

    fn answer(
        &mut self,
        checkpoint: Checkpoint,
        about: Range<u64>,
        reception: Reception<'_>,
        shared: &Shared,
    ) -> bool {
        if self.reports.len() >= REPORTS_MAX {
            return false;
        }
        // A report must claim something: at worst it reaches as far as the first run.
        let first = reception.received.first().map_or(0, |first| first.end).min(about.end);
        let end = self.reach(checkpoint, about.end, reception.limit.max(first));
        if let Some(scope) = self.scope(about.start, end, reception) {
            if checkpoint.report == 0 {
                self.primary_upper = self.primary_upper.max(scope.end.min(about.end));
            }
            self.issue(checkpoint.serial, scope, reception.received, shared);
        }
        true
    }

    /// The block is accepted: all of the red part is claimed, and older reports need no acknowledgement any more.
    pub(crate) fn complete(&mut self, checkpoint: u64, red_length: u64, received: &Ranges, shared: &Shared) {
        self.reports.clear();
        self.issue(checkpoint, 0..red_length, received, shared);
    }

    /// Transmits the reports of these numbers again that are not acknowledged; says whether there are any (§6.8).
    fn repeat(&mut self, serials: Range<u64>) -> bool {
        let mut is_any = false;
        for (_, outstanding) in self.reports.range_mut(serials) {
            outstanding.awaited.is_due = true;
            is_any = true;
        }
        is_any
    }

    /// How far a report to the checkpoint reaches: no further than our memory, or octets would be asked for in vain. The
    /// checkpoint that ends what is transmitted again for it brings the rest.
    fn reach(&mut self, checkpoint: Checkpoint, end: u64, limit: u64) -> u64 {
        let is_secondary = checkpoint.report != 0;
        let wanted = self.cut.filter(|_| is_secondary).map_or(end, |cut| cut.max(end));
        if wanted > limit {
            self.cut = self.cut.max(Some(wanted));
        } else if is_secondary {
            self.cut = None;
        }
        wanted.min(limit)
    }

    /// What a report about such a range is about, without what is kept back (§6.11).
    fn scope(&self, lower: u64, end: u64, reception: Reception<'_>) -> Option<Range<u64>> {
        // Beyond what was cut off there is nothing to say, and nothing shall be asked for twice.
        let end = if self.cut.is_some() && lower >= end { reception.received.prefix() } else { end };
        // Where there was no room for the last octet there is nothing to keep back, and it must be asked for.
        let keeps_back =
            |length: &u64| !reception.is_accepted && reception.received.contains(&(length - 1..*length));
        let Some(red_length) = reception.red_length.filter(keeps_back) else {
            return claimed_scope(lower..end, u64::MAX, reception.received);
        };
        let most = red_length - 1;
        claimed_scope(lower..end.min(most), most, reception.received)
    }

    /// Makes a report, in as many segments as it takes.
    fn issue(&mut self, checkpoint: u64, scope: Range<u64>, received: &Ranges, shared: &Shared) {
        let first = self.next_serial;
        let mut runs = received.within(scope.clone()).peekable();
        let mut lower = scope.start;
        while runs.peek().is_some() {
            let mut report = self.begin(checkpoint, lower, scope.end);
            let mut room = claims_room(self.session, &report, shared);
            while let Some(claim) = runs.peek().map(|run| claim(lower, run)) {
                let octets = sdnv::len(claim.offset) + sdnv::len(claim.length);
                // A segment of the shortest length takes one claim of any size.
                if octets > room && !report.claims.is_empty() {
                    report.upper =
                        report.claims.last().map_or(lower, |last| lower + last.offset + last.length);
                    break;
                }
                room = room.saturating_sub(octets);
                report.claims.push(claim);
                runs.next();
            }
            lower = report.upper;
            self.reports.insert(report.serial, Outstanding { report, awaited: Awaited::due() });
        }
        self.answered.retain(|(serial, _)| *serial != checkpoint);
        remember(&mut self.answered, (checkpoint, first..self.next_serial));
    }

    fn begin(&mut self, checkpoint: u64, lower: u64, upper: u64) -> Report {
        let serial = self.next_serial;
        self.next_serial += 1;
        remember(&mut self.lower_bounds, (serial, lower));
        Report { serial, checkpoint, upper, lower, claims: Vec::new() }
    }

    /// A report was acknowledged (§6.14).
    pub(crate) fn acknowledged(&mut self, now: Instant, serial: u64, shared: &mut Shared) {
        if let Some(outstanding) = self.reports.remove(&serial) {
            outstanding.awaited.answered(now, shared);
            let was_transmitted = outstanding.awaited.transmissions > 0;
            shared.counters.reports_acknowledged += u64::from(was_transmitted);
        }
    }

    pub(crate) fn poll_segment(&mut self, now: Instant, shared: &Shared, out: &mut Vec<u8>) -> bool {
        let Some(outstanding) = self.reports.values_mut().find(|o| o.awaited.is_due) else { return false };
        outstanding.awaited.transmitted(now, shared);
        let content = Content::Report(outstanding.report.clone());
        Segment { session: self.session, content }.encode(shared.options.segment_max, out)
    }

    pub(crate) fn has_segment(&self) -> bool {
        self.reports.values().any(|outstanding| outstanding.awaited.is_due)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.reports.values().filter_map(|outstanding| outstanding.awaited.deadline()).min()
    }

    /// Handles what is overdue; says whether a report was transmitted too often.
    pub(crate) fn handle_timeout(&mut self, now: Instant, shared: &mut Shared) -> bool {
        let mut is_exceeded = false;
        for outstanding in self.reports.values_mut() {
            is_exceeded |= outstanding.awaited.expire(now, shared);
        }
        is_exceeded
    }

    pub(crate) fn delay(&mut self, by: Duration) {
        for outstanding in self.reports.values_mut() {
            outstanding.awaited.delay(by);
        }
    }
}

/// The scope, with 0 as its lower bound where it would be empty or claim nothing: §6.11 allows that, and a checkpoint that was
/// overtaken is answered. Where even then nothing could be claimed, since what the checkpoint is about found no room, it reaches over the
/// first octets that came, though no further than `most`: what is missing before them must be asked for. `None` where there are none.
fn claimed_scope(about: Range<u64>, most: u64, received: &Ranges) -> Option<Range<u64>> {
    let to_first = received.first().map_or(0, |first| first.end.min(most));
    [about.clone(), 0..about.end, 0..to_first]
        .into_iter()
        .find(|scope| received.within(scope.clone()).next().is_some())
}

fn claim(lower: u64, run: &Range<u64>) -> Claim {
    Claim { offset: run.start - lower, length: run.end - run.start }
}

/// How many octets a report has for its claims.
fn claims_room(session: SessionId, report: &Report, shared: &Shared) -> usize {
    let numbers =
        [session.originator, session.number, report.serial, report.checkpoint, report.upper, report.lower];
    let head: usize = numbers.iter().map(|number| sdnv::len(*number)).sum();
    // Two octets of the header, and up to three for the number of claims.
    shared.options.segment_max.saturating_sub(head + 5)
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() >= REMEMBERED_MAX {
        list.pop_front();
    }
    list.push_back(item);
}
