//! The sessions in which we send, and which of them transmits next: urgent ones, then what is transmitted again, then what is new,
//! each in the order in which the sessions began.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::TransferId;

use crate::agenda::Agenda;
use crate::cancelling::Cancelling;
use crate::reason::CancelReason;
use crate::segment::{Content, Report, SessionId, Side};
use crate::sending::{Reported, Sending};
use crate::shared::{Event, Shared};

/// A session's place: whether it waits for urgent ones, and its number.
type Place = (bool, u64);

/// Our sessions.
#[derive(Debug)]
pub(crate) struct Outbound {
    next_number: u64,
    sessions: BTreeMap<u64, Sending>,
    /// Their numbers.
    transfers: BTreeMap<TransferId, u64>,
    agenda: Agenda<Place>,
}

impl Outbound {
    pub(crate) fn new(shared: &mut Shared) -> Self {
        Self {
            next_number: shared.random.up_to(shared.options.first_session_max),
            sessions: BTreeMap::new(),
            transfers: BTreeMap::new(),
            agenda: Agenda::default(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn begin(&mut self, transfer: TransferId, length: u64, urgent: bool, shared: &mut Shared) {
        assert!(length > 0, "a block has an octet at least");
        let number = self.next_number;
        self.next_number += 1;
        let session = SessionId { originator: shared.options.engine, number };
        let mut sending = Sending::new(session, transfer, length, shared);
        sending.urgent = urgent;
        assert!(self.transfers.insert(transfer, number).is_none(), "a transfer begins once");
        self.sessions.insert(number, sending);
    }

    pub(crate) fn octets(&mut self, transfer: TransferId, octets: Bytes, shared: &mut Shared) {
        let Some(number) = self.transfers.get(&transfer).copied() else { return };
        let Some(sending) = self.sessions.get_mut(&number) else { return };
        let is_within = u64::try_from(octets.len()).is_ok_and(|length| length <= sending.wanted());
        assert!(is_within, "a block has the octets that its length says");
        sending.push(octets, shared);
        self.note(number);
    }

    pub(crate) fn abandon(&mut self, transfer: TransferId, cancelling: &mut Cancelling, shared: &mut Shared) {
        if let Some(number) = self.transfers.get(&transfer).copied() {
            self.cancel(number, CancelReason::ClientService, cancelling, shared);
        }
    }

    /// §6.13: acknowledged whether or not the session is known.
    pub(crate) fn report(&mut self, now: Instant, session: SessionId, report: &Report, shared: &mut Shared) {
        let reported = match self.sessions.get_mut(&session.number) {
            Some(sending) => sending.handle_report(now, report, shared),
            None => Reported::Noted,
        };
        if reported == Reported::Ignored {
            shared.counters.segments_discarded += 1;
            return;
        }
        shared.answer(session, Content::ReportAck { report: report.serial });
        if reported == Reported::Complete
            && let Some(transfer) = self.close(session.number, shared)
        {
            shared.events.push_back(Event::Sent { transfer });
        }
        self.note(session.number);
    }

    /// The neighbor cancelled a session.
    pub(crate) fn refused(&mut self, number: u64, reason: CancelReason, shared: &mut Shared) {
        if let Some(transfer) = self.close(number, shared) {
            shared.events.push_back(Event::Refused { transfer, reason: reason.into() });
        }
    }

    /// §6.20.
    fn close(&mut self, number: u64, shared: &mut Shared) -> Option<TransferId> {
        let mut sending = self.sessions.remove(&number)?;
        sending.release_all(shared);
        self.agenda.forget(place(number, &sending));
        self.transfers.remove(&sending.transfer);
        Some(sending.transfer)
    }

    /// §4.2, §6.19: the neighbor is told if it may have heard of the session.
    fn cancel(
        &mut self,
        number: u64,
        reason: CancelReason,
        cancelling: &mut Cancelling,
        shared: &mut Shared,
    ) -> Option<TransferId> {
        let sending = self.sessions.get(&number)?;
        if sending.has_begun() {
            cancelling.cancel(sending.session, Side::Sender, reason, shared);
        }
        self.close(number, shared)
    }

    fn note(&mut self, number: u64) {
        if let Some(sending) = self.sessions.get(&number) {
            self.agenda.note(place(number, sending), sending.may_have_segment(), sending.deadline());
        }
    }

    /// The next data segment.
    pub(crate) fn poll_segment(&mut self, now: Instant, shared: &mut Shared, out: &mut Vec<u8>) -> bool {
        if !shared.pacer.is_ready(now) {
            return false;
        }
        let ready: Vec<_> = self.agenda.ready().collect();
        let mut chosen = None;
        for (waits, number) in &ready {
            let Some(sending) = self.sessions.get_mut(number) else { continue };
            let is_written =
                sending.poll_again(now, shared, out) || (!waits && sending.poll_new(now, shared, out));
            if is_written {
                chosen = Some(*number);
                break;
            }
        }
        if chosen.is_none() {
            chosen = ready.iter().map(|(_, number)| *number).find(|number| {
                self.sessions.get_mut(number).is_some_and(|sending| sending.poll_new(now, shared, out))
            });
        }
        match chosen {
            Some(number) => self.note(number),
            None if shared.pacer.has_room() => shared.pacer.had_nothing(now),
            None => {}
        }
        chosen.is_some()
    }

    pub(crate) fn has_segment(&self, shared: &Shared) -> bool {
        let mut ready = self.agenda.ready().filter_map(|(_, number)| self.sessions.get(&number));
        ready.any(|sending| sending.has_segment(shared))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.agenda.deadline()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, cancelling: &mut Cancelling, shared: &mut Shared) {
        for (_, number) in self.agenda.due(now) {
            let Some(sending) = self.sessions.get_mut(&number) else { continue };
            if sending.handle_timeout(now, shared) {
                // §6.7
                let reason = CancelReason::RetransmissionLimit;
                if let Some(transfer) = self.cancel(number, reason, cancelling, shared) {
                    shared.events.push_back(Event::Refused { transfer, reason: reason.into() });
                }
            }
            self.note(number);
        }
    }

    pub(crate) fn delay(&mut self, by: Duration) {
        for sending in self.sessions.values_mut() {
            sending.delay(by);
        }
        self.agenda.delay(by);
    }
}

fn place(number: u64, sending: &Sending) -> Place {
    (!sending.urgent, number)
}
