//! The sessions in which the neighbor sends, and in which order their blocks are handed up.
//!
//! A block is handed up once it is whole, or so large that it should not wait in memory; as many at a time as the options say.
//! A session that is over is remembered for a while, so that what is late opens no second one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use convergence_layer::TransferId;

use crate::agenda::Agenda;
use crate::cancelling::{Cancelling, Closed, Ending};
use crate::reason::CancelReason;
use crate::receiving::{Fault, Receiving, Stage};
use crate::segment::{Claim, Content, Data, Mark, Report, SessionId, Side};
use crate::shared::{Event, Shared};

/// The neighbor's sessions.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    /// In the order in which they began, by our numbers.
    sessions: BTreeMap<TransferId, (SessionId, Receiving)>,
    transfers: BTreeMap<SessionId, TransferId>,
    next_transfer: TransferId,
    closed: Closed,
    agenda: Agenda<TransferId>,
    /// The one that reported last: each gets its turn.
    reported: TransferId,
    /// Blocks that wait to be handed up: whole ones, and large ones.
    whole: BTreeSet<TransferId>,
    large: BTreeSet<TransferId>,
    delivering: BTreeSet<TransferId>,
    /// Whether nothing more will come.
    is_finished: bool,
}

impl Inbound {
    /// A data segment arrived.
    pub(crate) fn data(
        &mut self,
        now: Instant,
        session: SessionId,
        data: &Data<'_>,
        cancelling: &mut Cancelling,
        shared: &mut Shared,
    ) {
        if let Some(ending) = self.closed.ending(session) {
            return answer_late(session, data.mark, ending, shared);
        }
        // §6: whoever sends for another client service hears so, and nothing is kept of it.
        if data.client_service != shared.options.client_service {
            let reason = CancelReason::Unreachable.code();
            return shared.answer(session, Content::Cancel { by: Side::Receiver, reason });
        }
        let Some(transfer) = self.open(session, shared) else { return };
        let Some((_, receiving)) = self.sessions.get_mut(&transfer) else { return };
        match receiving.handle_data(now, data, shared) {
            Ok(()) => self.note(transfer, shared),
            Err(Fault::Discarded) => {
                shared.counters.octets_in_vain += u64::try_from(data.octets.len()).unwrap_or(0);
                self.forget_if_empty(transfer);
            }
            Err(Fault::Cancel(reason)) => self.cancel(transfer, reason, cancelling, shared),
        }
    }

    /// What there is to do for a session after something was done with it.
    fn note(&mut self, transfer: TransferId, shared: &Shared) {
        let Some((_, receiving)) = self.sessions.get(&transfer) else { return };
        self.agenda.note(transfer, receiving.reporting.has_segment(), receiving.deadline());
        if receiving.stage == Stage::Waiting && receiving.is_whole() {
            self.whole.insert(transfer);
        } else if receiving.stage == Stage::Waiting && receiving.is_large(shared) {
            self.large.insert(transfer);
        }
    }

    /// The number of a session, which begins unless there are too many.
    fn open(&mut self, session: SessionId, shared: &mut Shared) -> Option<TransferId> {
        if let Some(transfer) = self.transfers.get(&session) {
            return Some(*transfer);
        }
        if self.sessions.len() >= shared.options.receiving_max {
            return None;
        }
        let transfer = self.next_transfer;
        self.next_transfer += 1;
        self.transfers.insert(session, transfer);
        self.sessions.insert(transfer, (session, Receiving::new(session, shared)));
        Some(transfer)
    }

    /// A session whose first segment was discarded did not begin.
    fn forget_if_empty(&mut self, transfer: TransferId) {
        if let Some((session, receiving)) = self.sessions.get(&transfer)
            && receiving.is_empty()
        {
            self.transfers.remove(session);
            self.sessions.remove(&transfer);
        }
    }

    /// A report was acknowledged (§6.14).
    pub(crate) fn acknowledged(
        &mut self,
        now: Instant,
        session: SessionId,
        report: u64,
        shared: &mut Shared,
    ) {
        let Some(transfer) = self.transfers.get(&session).copied() else { return };
        if let Some((_, receiving)) = self.sessions.get_mut(&transfer) {
            receiving.reporting.acknowledged(now, report, shared);
            receiving.catch_up(shared);
            if receiving.is_over() {
                self.close_accepted(transfer, shared);
            }
            self.note(transfer, shared);
        }
    }

    /// The neighbor gave a session up (§6.17).
    pub(crate) fn given_up(&mut self, session: SessionId, shared: &mut Shared) {
        let Some(transfer) = self.transfers.get(&session).copied() else { return };
        let is_accepted = self.sessions.get(&transfer).is_some_and(|(_, r)| r.stage == Stage::Accepted);
        if is_accepted {
            self.close_accepted(transfer, shared);
        } else {
            self.close(transfer, Ending::GivenUp, shared);
        }
    }

    /// The agent has the block.
    pub(crate) fn accept(&mut self, transfer: TransferId, shared: &mut Shared) {
        let Some((_, receiving)) = self.sessions.get_mut(&transfer) else { return };
        if receiving.stage == Stage::Undecided {
            receiving.accept(shared);
            if receiving.is_over() {
                self.close_accepted(transfer, shared);
            }
            self.note(transfer, shared);
        }
    }

    /// The agent does not want the block.
    pub(crate) fn refuse(
        &mut self,
        transfer: TransferId,
        reason: CancelReason,
        cancelling: &mut Cancelling,
        shared: &mut Shared,
    ) {
        if let Some((_, receiving)) = self.sessions.get_mut(&transfer)
            && receiving.stage != Stage::Accepted
        {
            // Its agent needs no `Broken`.
            receiving.stage = Stage::Undecided;
            self.cancel(transfer, reason, cancelling, shared);
        }
    }

    fn cancel(
        &mut self,
        transfer: TransferId,
        reason: CancelReason,
        cancelling: &mut Cancelling,
        shared: &mut Shared,
    ) {
        if let Some((session, _)) = self.sessions.get(&transfer) {
            cancelling.cancel(*session, Side::Receiver, reason, shared);
            self.close(transfer, Ending::Cancelled(reason), shared);
        }
    }

    fn close_accepted(&mut self, transfer: TransferId, shared: &mut Shared) {
        if let Some((_, receiving)) = self.sessions.get(&transfer) {
            let (red_length, serial) = receiving.promise();
            self.close(transfer, Ending::Accepted { red_length, serial }, shared);
        }
    }

    /// §6.20. Who was told that a block began is told that it broke.
    fn close(&mut self, transfer: TransferId, ending: Ending, shared: &mut Shared) {
        let Some((session, mut receiving)) = self.sessions.remove(&transfer) else { return };
        self.transfers.remove(&session);
        self.agenda.forget(transfer);
        for list in [&mut self.whole, &mut self.large, &mut self.delivering] {
            list.remove(&transfer);
        }
        receiving.release(shared);
        self.closed.note(session, ending, shared.options.closed_max);
        if receiving.stage == Stage::Delivering {
            shared.events.push_back(Event::Broken { transfer });
        }
    }

    /// The next event of a block that is handed up.
    pub(crate) fn hand_up(&mut self, shared: &mut Shared) -> Option<Event> {
        self.delivering(shared).or_else(|| self.begin_delivery(shared))
    }

    /// Nothing more will come: incomplete blocks are handed up as far as they are here.
    pub(crate) fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Whether no session is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.sessions.is_empty()
    }

    fn delivering(&mut self, shared: &mut Shared) -> Option<Event> {
        for transfer in self.delivering.iter().copied() {
            let Some((_, receiving)) = self.sessions.get_mut(&transfer) else { continue };
            if let Some(octets) = receiving.take(shared) {
                self.note(transfer, shared);
                return Some(Event::Octets { transfer, octets });
            }
            if receiving.is_handed_up() {
                receiving.stage = Stage::Undecided;
                self.delivering.remove(&transfer);
                self.note(transfer, shared);
                return Some(Event::Received { transfer });
            }
        }
        if self.is_finished { self.break_off(shared) } else { None }
    }

    /// What could be handed up of a block was, and nothing more will come.
    fn break_off(&mut self, shared: &mut Shared) -> Option<Event> {
        let delivering = self.sessions.iter().find(|(_, (_, r))| r.stage == Stage::Delivering);
        let transfer = delivering.map(|(transfer, _)| *transfer)?;
        self.close(transfer, Ending::GivenUp, shared);
        shared.events.pop_front()
    }

    /// Whole blocks first. When memory is short, the oldest that has anything to hand up gets its turn.
    fn begin_delivery(&mut self, shared: &Shared) -> Option<Event> {
        if self.delivering.len() >= shared.options.deliveries_max {
            return None;
        }
        let is_short = self.is_finished || shared.buffered >= shared.options.buffers_max / 2;
        let oldest = || {
            let mut waiting = self.sessions.iter().filter(|(_, (_, r))| r.stage == Stage::Waiting);
            waiting.find(|(_, (_, receiving))| receiving.has_ready()).map(|(transfer, _)| *transfer)
        };
        let listed = self.whole.first().or_else(|| self.large.first()).copied();
        let next = listed.or_else(|| if is_short { oldest() } else { None })?;
        for list in [&mut self.whole, &mut self.large] {
            list.remove(&next);
        }
        self.delivering.insert(next);
        let (_, receiving) = self.sessions.get_mut(&next)?;
        receiving.stage = Stage::Delivering;
        Some(Event::Receiving { transfer: next, length: receiving.block_length() })
    }

    /// The next report: each session gets its turn.
    pub(crate) fn poll_segment(&mut self, now: Instant, shared: &mut Shared, out: &mut Vec<u8>) -> bool {
        let Some(transfer) = self.agenda.ready_after(self.reported) else { return false };
        let Some((_, receiving)) = self.sessions.get_mut(&transfer) else { return false };
        let is_written = receiving.reporting.poll_segment(now, shared, out);
        self.reported = transfer;
        self.note(transfer, shared);
        is_written
    }

    pub(crate) fn has_segment(&self) -> bool {
        self.agenda.has_ready()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.agenda.deadline()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, cancelling: &mut Cancelling, shared: &mut Shared) {
        for transfer in self.agenda.due(now) {
            let Some((_, receiving)) = self.sessions.get_mut(&transfer) else { continue };
            let is_exceeded = receiving.reporting.handle_timeout(now, shared) || receiving.is_idle(now);
            if !is_exceeded {
                self.note(transfer, shared);
            } else if receiving.stage == Stage::Accepted {
                // What was accepted is never taken back: if the neighbor asks again, it hears so.
                self.close_accepted(transfer, shared);
            } else {
                self.cancel(transfer, CancelReason::RetransmissionLimit, cancelling, shared);
            }
        }
    }

    pub(crate) fn delay(&mut self, by: Duration) {
        for (_, receiving) in self.sessions.values_mut() {
            receiving.delay(by);
        }
        self.agenda.delay(by);
    }
}

/// What a segment of a session that is over is told, if it asks.
fn answer_late(session: SessionId, mark: Mark, ending: &mut Ending, shared: &mut Shared) {
    let Some(checkpoint) = mark.checkpoint() else { return };
    match ending {
        Ending::Accepted { red_length: Some(upper), serial } => {
            let claims = vec![Claim { offset: 0, length: *upper }];
            let report =
                Report { serial: *serial, checkpoint: checkpoint.serial, upper: *upper, lower: 0, claims };
            *serial += 1;
            shared.answer(session, Content::Report(report));
        }
        Ending::Cancelled(reason) => {
            shared.answer(session, Content::Cancel { by: Side::Receiver, reason: reason.code() });
        }
        Ending::Accepted { red_length: None, .. } | Ending::GivenUp => {}
    }
}
