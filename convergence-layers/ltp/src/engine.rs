//! One engine, and all its sessions with the engine at the other end of a link.
//!
//! The caller's contract, in four kinds of methods; time is passed to those that need it:
//! - *inputs* say what happened: [`Engine::handle_segments`], [`Engine::handle_timeout`], [`Engine::suspend`],
//!   [`Engine::resume`], and from the agent [`Engine::send_begin`], [`Engine::send_octets`], [`Engine::send_abandon`],
//!   [`Engine::accept`], [`Engine::refuse`];
//! - *outputs*: [`Engine::poll_event`] until `None` after every input; [`Engine::poll_transmit`] whenever the link has room for a
//!   segment, which counts as transmitted at that moment, and after events were taken, because that may make a report;
//! - *questions*: [`Engine::takes_transfer`], [`Engine::room`], [`Engine::has_segment`], [`Engine::poll_timeout`].
//!
//! Memory is bounded by the options, whatever the neighbor sends. Events that are not taken fill the buffers of received
//! blocks, and segments that do not fit are as if they had been lost.

use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::{RefusalReason, TransferId};

use crate::cancelling::Cancelling;
use crate::decoding;
use crate::inbound::Inbound;
use crate::options::{InvalidOptions, Options};
use crate::outbound::Outbound;
use crate::reason::CancelReason;
use crate::segment::{Content, Segment, Side};
use crate::shared::{Counters, Event, Shared};

/// Our engine, as one neighbor knows it.
#[derive(Debug)]
pub struct Engine {
    shared: Shared,
    outbound: Outbound,
    inbound: Inbound,
    cancelling: Cancelling,
    suspended_at: Option<Instant>,
}

impl Engine {
    /// An engine without sessions. `seed` shall be random: what strangers must not guess is drawn from it.
    pub fn new(options: Options, seed: u64) -> Result<Self, InvalidOptions> {
        options.check()?;
        let mut shared = Shared::new(options, seed);
        Ok(Self {
            outbound: Outbound::new(&mut shared),
            shared,
            inbound: Inbound::default(),
            cancelling: Cancelling::default(),
            suspended_at: None,
        })
    }

    /// Whether another transfer can begin.
    pub fn takes_transfer(&self) -> bool {
        self.outbound.count() < self.shared.options.sending_max
    }

    /// How many octets of our blocks can be taken now. A piece may be larger, if this is not 0.
    pub fn room(&self) -> usize {
        self.shared.options.window.saturating_sub(self.shared.held)
    }

    /// The agent sends a block of `length` octets, at least one. Urgent ones overtake others between two segments.
    ///
    /// # Panics
    /// If the transfer is under way, or empty.
    pub fn send_begin(&mut self, transfer: TransferId, length: u64, urgent: bool) {
        self.outbound.begin(transfer, length, urgent, &mut self.shared);
    }

    /// The next octets of a block. Those of one that was refused are ignored.
    ///
    /// # Panics
    /// If they are more than the block's length.
    pub fn send_octets(&mut self, transfer: TransferId, octets: Bytes) {
        self.outbound.octets(transfer, octets, &mut self.shared);
    }

    /// The agent gives up sending a block (§4.2). No event follows.
    pub fn send_abandon(&mut self, transfer: TransferId) {
        self.outbound.abandon(transfer, &mut self.cancelling, &mut self.shared);
    }

    /// A received block is in the store, durably: the neighbor may be told. Of others than those in [`Event::Received`] nothing
    /// is accepted.
    pub fn accept(&mut self, transfer: TransferId) {
        self.inbound.accept(transfer, &mut self.shared);
    }

    /// A block is not wanted, at any time. Events of it that were made already may still come, and no others.
    pub fn refuse(&mut self, transfer: TransferId, reason: RefusalReason) {
        self.inbound.refuse(transfer, reason.into(), &mut self.cancelling, &mut self.shared);
    }

    /// A datagram or frame arrived: one or several segments (§5). What cannot be read ends it.
    pub fn handle_segments(&mut self, now: Instant, mut octets: &[u8]) {
        while !octets.is_empty() {
            let Ok((segment, length)) = decoding::segment(octets) else {
                self.shared.counters.segments_discarded += 1;
                return;
            };
            self.handle_segment(now, &segment);
            octets = octets.get(length..).unwrap_or_default();
        }
    }

    fn handle_segment(&mut self, now: Instant, segment: &Segment<'_>) {
        let session = segment.session;
        let options = &self.shared.options;
        let is_ours = session.originator == options.engine;
        let is_theirs = options.remote_engines.contains(&session.originator);
        match &segment.content {
            Content::Data(data) if is_theirs => {
                self.inbound.data(now, session, data, &mut self.cancelling, &mut self.shared);
            }
            Content::Report(report) if is_ours => {
                self.outbound.report(now, session, report, &mut self.shared);
            }
            Content::ReportAck { report } if is_theirs => {
                self.inbound.acknowledged(now, session, *report, &mut self.shared);
            }
            Content::Cancel { by: Side::Sender, .. } if is_theirs => {
                self.shared.answer(session, Content::CancelAck { by: Side::Sender });
                self.inbound.given_up(session, &mut self.shared);
            }
            Content::Cancel { by: Side::Receiver, reason } if is_ours => {
                self.shared.answer(session, Content::CancelAck { by: Side::Receiver });
                let reason = CancelReason::from_code(*reason);
                self.outbound.refused(session.number, reason, &mut self.shared);
            }
            Content::CancelAck { by: Side::Sender } if is_ours => {
                self.cancelling.acknowledged(now, session, Side::Sender, &mut self.shared);
            }
            Content::CancelAck { by: Side::Receiver } if is_theirs => {
                self.cancelling.acknowledged(now, session, Side::Receiver, &mut self.shared);
            }
            _ => self.shared.counters.segments_discarded += 1,
        }
    }

    /// The link has room: writes the next segment into `segment`, which is cleared, and says whether there is one.
    pub fn poll_transmit(&mut self, now: Instant, segment: &mut Vec<u8>) -> bool {
        segment.clear();
        if self.suspended_at.is_some() {
            return false;
        }
        let sent = |counters: &Counters| counters.octets_sent + counters.octets_sent_again;
        let before = sent(&self.shared.counters);
        let is_written = self.write_next(now, segment);
        if is_written {
            let of_blocks = sent(&self.shared.counters) - before;
            self.shared.pacer.transmitted(now, segment.len(), of_blocks);
        }
        is_written
    }

    fn write_next(&mut self, now: Instant, segment: &mut Vec<u8>) -> bool {
        if let Some(answer) = self.shared.next_answer() {
            return answer.encode(self.shared.options.segment_max, segment);
        }
        self.inbound.poll_segment(now, &mut self.shared, segment)
            || self.cancelling.poll_segment(now, &self.shared, segment)
            || self.outbound.poll_segment(now, &mut self.shared, segment)
    }

    /// Whether [`Engine::poll_transmit`] has a segment, now or when the rate allows it: then [`Engine::poll_timeout`] says when.
    pub fn has_segment(&self) -> bool {
        self.suspended_at.is_none()
            && (self.shared.has_answers()
                || self.inbound.has_segment()
                || self.cancelling.has_segment()
                || self.outbound.has_segment(&self.shared))
    }

    /// The next event for the agent.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.shared.events.pop_front() {
            return Some(event);
        }
        self.inbound.hand_up(&mut self.shared)
    }

    /// When to call [`Engine::handle_timeout`]; early or repeated calls are harmless.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.suspended_at.is_some() {
            return None;
        }
        let paced = self.shared.pacer.next_at().filter(|_| self.outbound.has_segment(&self.shared));
        let deadlines =
            [paced, self.outbound.deadline(), self.inbound.deadline(), self.cancelling.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// The time that [`Engine::poll_timeout`] told may have come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.shared.pacer.handle_timeout(now);
        if self.poll_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.outbound.handle_timeout(now, &mut self.cancelling, &mut self.shared);
        self.inbound.handle_timeout(now, &mut self.cancelling, &mut self.shared);
        self.cancelling.handle_timeout(now, &mut self.shared);
    }

    /// The contact is down (§6.5): nothing is transmitted and no timer runs.
    pub fn suspend(&mut self, now: Instant) {
        self.suspended_at.get_or_insert(now);
    }

    /// The contact is up again (§6.6): what was awaited is awaited as much longer as it was down.
    pub fn resume(&mut self, now: Instant) {
        let Some(since) = self.suspended_at.take() else { return };
        let by = now.saturating_duration_since(since);
        self.outbound.delay(by);
        self.inbound.delay(by);
        self.cancelling.delay(by);
    }

    /// The contact is over, and nothing will be transmitted or arrive any more: what came of incomplete blocks is handed up in order, and
    /// [`Event::Broken`] follows each.
    pub fn finish(&mut self) {
        self.inbound.finish();
    }

    /// Whether no session is under way in either direction, and nothing waits to be transmitted.
    pub fn is_idle(&self) -> bool {
        self.outbound.count() == 0 && self.inbound.is_idle() && !self.has_segment()
    }

    /// The smoothed round trip, once one was measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.shared.rtt.smoothed()
    }

    /// How many octets a second are transmitted at most, headers of the link included; `None`: as fast as the link is.
    pub fn rate(&self) -> Option<u64> {
        self.shared.pacer.rate()
    }

    /// What was counted since the engine began.
    pub fn counters(&self) -> Counters {
        self.shared.counters
    }

    /// Octets of our blocks that are held, and octets of the neighbor's that wait for the agent.
    pub fn memory(&self) -> (usize, usize) {
        (self.shared.held, self.shared.buffered)
    }
}
