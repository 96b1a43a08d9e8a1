//! A session in which the neighbor sends a block (RFC 5326 §6.9 to §6.11, §6.21).
//!
//! Octets are handed up in order; those after a gap wait, within bounds. The block is reported complete once the agent has
//! accepted it (`reporting`). A block is its red part and its green one, and is received when both are all there.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::buffer::Buffer;
use crate::reason::CancelReason;
use crate::reporting::{Reception, Reporting};
use crate::segment::{Checkpoint, Data, Mark, SessionId};
use crate::shared::{Shared, delay};

/// The neighbor's session, on our side.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) stage: Stage,
    buffer: Buffer,
    red_length: Option<u64>,
    block_length: Option<u64>,
    /// The end of the red octets, and the beginning of the green ones, that came so far.
    red_end: u64,
    green_start: u64,
    /// The checkpoint that came last at the end of the red part.
    last_checkpoint: u64,
    pub(crate) reporting: Reporting,
    /// The latest checkpoint of which not all was reported because much waited to be handed up, and how far that goes.
    held_back: Option<(u64, u64)>,
    idle_at: Option<Instant>,
}

/// How far a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The agent has not heard of it.
    Waiting,
    /// Its octets are handed up.
    Delivering,
    /// The agent has it all and has not decided.
    Undecided,
    /// The agent accepted it.
    Accepted,
}

/// What is wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It contradicts what came before, or there is no room: it is as if it had not come.
    Discarded,
    /// The session is to be cancelled.
    Cancel(CancelReason),
}

impl Receiving {
    pub(crate) fn new(session: SessionId, shared: &mut Shared) -> Self {
        Self {
            stage: Stage::Waiting,
            buffer: Buffer::default(),
            red_length: None,
            block_length: None,
            red_end: 0,
            green_start: u64::MAX,
            last_checkpoint: 0,
            reporting: Reporting::new(session, shared),
            held_back: None,
            idle_at: None,
        }
    }

    /// The length of the block, once it is known.
    pub(crate) fn block_length(&self) -> Option<u64> {
        self.block_length
    }

    /// Whether nothing of the block was received.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.received().is_empty()
    }

    /// Takes a data segment.
    pub(crate) fn handle_data(
        &mut self,
        now: Instant,
        data: &Data<'_>,
        shared: &mut Shared,
    ) -> Result<(), Fault> {
        let range = data.offset..data.offset + u64::try_from(data.octets.len()).unwrap_or(0);
        self.judge(data.mark, &range, shared)?;
        let has_room = self.has_room(&range, shared);
        // A checkpoint beyond our memory is answered, or a sender of long blocks would never hear what is missing before it.
        if !has_room && (data.mark.checkpoint().is_none() || !self.has_share(&range, shared)) {
            return Err(Fault::Discarded);
        }
        self.note_ends(data.mark, &range);
        if self.idle_at.is_none() {
            self.idle_at = now.checked_add(shared.options.idle_max);
        }
        if has_room && matches!(self.stage, Stage::Waiting | Stage::Delivering) {
            let added = self.buffer.insert(data.offset, data.octets);
            if added > 0 {
                self.idle_at = now.checked_add(shared.options.idle_max);
            }
            shared.buffered += added;
            count(data.octets.len(), added, shared);
        }
        if let Some(checkpoint) = data.mark.checkpoint() {
            self.handle_checkpoint(checkpoint, range.end, shared);
        }
        Ok(())
    }

    /// Whether the segment fits what came before (§6.21).
    fn judge(&self, mark: Mark, range: &Range<u64>, shared: &Shared) -> Result<(), Fault> {
        if range.end > shared.options.block_max {
            return Err(Fault::Cancel(CancelReason::System));
        }
        let is_green = matches!(mark, Mark::Green | Mark::GreenEnd);
        let is_miscolored = if is_green { range.start < self.red_end } else { range.end > self.green_start };
        if is_miscolored {
            return Err(Fault::Cancel(CancelReason::Miscolored));
        }
        let ends = Self::ends(mark, range);
        let known_red =
            ends.0.is_none_or(|end| self.red_length.is_none_or(|known| known == end) && end >= self.red_end);
        let known_block =
            ends.1.is_none_or(|end| self.block_length.is_none_or(|known| known == end) && end >= self.end());
        let beyond_red = !is_green && self.red_length.is_some_and(|length| range.end > length);
        let beyond_block = self.block_length.is_some_and(|length| range.end > length);
        let before_green = is_green && self.red_length.is_some_and(|length| range.start < length);
        if range.end == 0 || !known_red || !known_block || beyond_red || beyond_block || before_green {
            return Err(Fault::Discarded);
        }
        Ok(())
    }

    /// The ends of the red part and of the block that a segment tells.
    fn ends(mark: Mark, range: &Range<u64>) -> (Option<u64>, Option<u64>) {
        match mark {
            Mark::Red | Mark::Checkpoint(_) | Mark::Green => (None, None),
            Mark::RedEnd(_) => (Some(range.end), None),
            Mark::BlockEnd(_) => (Some(range.end), Some(range.end)),
            // A block without any red octet.
            Mark::GreenEnd => (None, Some(range.end)),
        }
    }

    fn end(&self) -> u64 {
        self.buffer.received().end()
    }

    fn has_room(&self, range: &Range<u64>, shared: &Shared) -> bool {
        let options = &shared.options;
        self.buffer.received().contains(range)
            || (self.has_share(range, shared)
                && self.buffer.has_room(range, options.buffer_max, options.runs_max))
    }

    /// Whether the memory of all blocks together has room.
    fn has_share(&self, range: &Range<u64>, shared: &Shared) -> bool {
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        self.stage == Stage::Delivering
            || shared.buffered.saturating_add(length) <= shared.options.buffers_max
    }

    fn note_ends(&mut self, mark: Mark, range: &Range<u64>) {
        let (red, block) = Self::ends(mark, range);
        self.red_length = self.red_length.or(red);
        self.block_length = self.block_length.or(block);
        if matches!(mark, Mark::Green | Mark::GreenEnd) {
            self.green_start = self.green_start.min(range.start);
        } else {
            self.red_end = self.red_end.max(range.end);
        }
    }

    /// Where claims end while the agent is behind, so that a neighbor which sends a window beyond them finds room for it.
    fn claims_end(&self, shared: &Shared) -> u64 {
        let options = &shared.options;
        let kept_up = options.buffer_max.saturating_sub(options.window).max(options.buffer_max / 4);
        let is_behind = self.stage == Stage::Delivering;
        let kept_up = u64::try_from(kept_up).ok().filter(|_| is_behind).unwrap_or(u64::MAX);
        self.buffer.taken().saturating_add(kept_up)
    }

    fn handle_checkpoint(&mut self, checkpoint: Checkpoint, end: u64, shared: &Shared) {
        if self.red_length == Some(end) {
            self.last_checkpoint = checkpoint.serial;
        }
        let claims_end = self.claims_end(shared);
        let is_behind = self.buffer.received().prefix() > claims_end;
        if is_behind && end > claims_end {
            let (serial, until) = self.held_back.unwrap_or_default();
            self.held_back = Some((serial.max(checkpoint.serial), until.max(end)));
        }
        let end = if is_behind { end.min(claims_end) } else { end };
        let reception = reception(&self.buffer, self.red_length, self.stage, shared);
        self.reporting.checkpoint(checkpoint, end, reception, shared);
    }

    /// What was held back is reported, where the agent has taken enough and there is room for a report.
    pub(crate) fn catch_up(&mut self, shared: &Shared) {
        let Some((serial, until)) = self.held_back else { return };
        let is_behind = self.buffer.received().prefix() > self.claims_end(shared);
        let reception = reception(&self.buffer, self.red_length, self.stage, shared);
        if !is_behind && self.reporting.catch_up(serial, until, reception, shared) {
            self.held_back = None;
        }
    }

    /// Whether all octets of the block are here.
    pub(crate) fn is_whole(&self) -> bool {
        self.block_length.is_some_and(|length| self.buffer.received().prefix() == length)
    }

    /// Whether so much is here that it had better be handed up.
    pub(crate) fn is_large(&self, shared: &Shared) -> bool {
        self.buffer.ready() > 0 && self.buffer.octets() >= shared.options.buffer_max / 4
    }

    /// Whether octets can be handed up.
    pub(crate) fn has_ready(&self) -> bool {
        self.buffer.ready() > 0
    }

    /// Whether all of the block was handed up.
    pub(crate) fn is_handed_up(&self) -> bool {
        self.block_length == Some(self.buffer.taken())
    }

    /// The next octets to hand up.
    pub(crate) fn take(&mut self, shared: &mut Shared) -> Option<Bytes> {
        let octets = self.buffer.take()?;
        shared.buffered = shared.buffered.saturating_sub(octets.len());
        self.catch_up(shared);
        Some(octets)
    }

    /// Lets go of what waits.
    pub(crate) fn release(&mut self, shared: &mut Shared) {
        shared.buffered = shared.buffered.saturating_sub(self.buffer.clear());
    }

    /// The agent has the block, durably: the neighbor may hear of it.
    pub(crate) fn accept(&mut self, shared: &Shared) {
        self.stage = Stage::Accepted;
        self.held_back = None;
        if let Some(red_length) = self.red_length {
            self.reporting.complete(self.last_checkpoint, red_length, self.buffer.received(), shared);
        }
    }

    /// What a session that was accepted says later, when it is asked again.
    pub(crate) fn promise(&self) -> (Option<u64>, u64) {
        (self.red_length, self.reporting.next_serial())
    }

    /// Whether nothing remains to be said.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Accepted && self.reporting.is_settled()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let idle = self.idle_at.filter(|_| self.can_break());
        self.reporting.deadline().into_iter().chain(idle).min()
    }

    /// Whether the neighbor fell silent before the block was whole.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.can_break() && self.idle_at.is_some_and(|at| at <= now)
    }

    fn can_break(&self) -> bool {
        matches!(self.stage, Stage::Waiting | Stage::Delivering) && !self.is_whole()
    }

    pub(crate) fn delay(&mut self, by: Duration) {
        self.reporting.delay(by);
        delay(&mut self.idle_at, by);
    }
}

/// What a report is about now.
fn reception<'a>(
    buffer: &'a Buffer,
    red_length: Option<u64>,
    stage: Stage,
    shared: &Shared,
) -> Reception<'a> {
    let buffer_max = u64::try_from(shared.options.buffer_max).unwrap_or(u64::MAX);
    Reception {
        received: buffer.received(),
        red_length,
        is_accepted: stage == Stage::Accepted,
        limit: buffer.received().prefix().saturating_add(buffer_max),
    }
}

fn count(heard: usize, added: usize, shared: &mut Shared) {
    let of = |octets: usize| u64::try_from(octets).unwrap_or(u64::MAX);
    shared.counters.octets_received += of(added);
    shared.counters.octets_in_vain += of(heard - added);
}
