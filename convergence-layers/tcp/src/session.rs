//! One TCPCLv4 session without sockets, clocks or tasks (RFC 9174 §3.3).
//!
//! The caller's contract, in four kinds of methods:
//! - *inputs* say what happened: [`Session::receive`], [`Session::take`], [`Session::decide`], [`Session::written`],
//!   [`Session::secured`], [`Session::connection_lost`], [`Session::link_dropped`], [`Session::timeout_reached`];
//! - *outputs* are drained after every input: [`Session::poll_event`], [`Session::poll_fault`], [`Session::slices`];
//! - *questions* tell what to wait for: [`Session::wants_tls`], [`Session::takes_octets`], [`Session::takes_outgoing`],
//!   [`Session::poll_timeout`];
//! - the *end*: once [`Session::is_over`], what is left in the slices is written and the connection closed.
//!
//! Octets that `receive` leaves in its buffer are offered again after outputs were drained. Memory is bounded: events
//! by [`EVENTS_MAX`], octets to write by [`OUTBOX_MAX`], transfers by the options.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use convergence_layer::{Control, Event, Outgoing};

use crate::decoding::{self, Unread};
use crate::message::{KEEPALIVE, Message, SESS_INIT, SESS_TERM, SegmentHead, XFER_ACK, XFER_REFUSE};
use crate::negotiation::Role;
use crate::options::{InvalidOptions, Options};
use crate::outbox::Outbox;
use crate::reason::{RejectionReason, TerminationReason};
use crate::receiving::Receiving;
use crate::sending::Sending;
use crate::termination::Termination;
use crate::timers::{Due, Reading, Stage, Timers};
use crate::tls::Peer;
use crate::violation::Violation;

/// Events that wait before no more octets are taken. One message makes at most three.
pub const EVENTS_MAX: usize = 32;
/// Octets to write that wait before no more octets are taken: 128 KiB of segments, and the rest for the answers to
/// what the neighbor sends while it does not read.
pub const OUTBOX_MAX: usize = 384 * 1024;

/// What a step leaves for the caller.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    pub(crate) outbox: Outbox,
    pub(crate) events: VecDeque<Event>,
    /// What the neighbor did wrong last, where the session goes on all the same.
    pub(crate) fault: Option<&'static str>,
}

/// One session, from the TCP connection to its close.
#[derive(Debug)]
pub struct Session {
    pub(crate) options: Arc<Options>,
    pub(crate) role: Role,
    pub(crate) phase: Phase,
    pub(crate) receiving: Receiving,
    /// Of no use before the session is established.
    pub(crate) sending: Sending,
    pub(crate) termination: Termination,
    pub(crate) timers: Timers,
    pub(crate) out: Outputs,
    /// What the neighbor proved in the TLS handshake, where there was one.
    pub(crate) peer: Option<Peer>,
    /// Whether nobody is left to hear of events.
    is_link_dropped: bool,
}

/// What is awaited from the neighbor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    ContactHeader,
    /// Its half of the TLS handshake, which is not ours to read.
    Tls,
    SessInit,
    /// Any message: the session is established.
    Messages,
    /// Nothing: the connection is to be closed.
    Over,
}

impl Session {
    /// A session on a connection that has just been made.
    pub fn new(role: Role, options: Arc<Options>, now: Instant) -> Result<Self, InvalidOptions> {
        options.check()?;
        let mut session = Self {
            role,
            phase: Phase::ContactHeader,
            receiving: Receiving::new(&options),
            sending: Sending::new(0, 0, &options),
            termination: Termination::default(),
            timers: Timers::new(&options, now),
            out: Outputs::default(),
            peer: None,
            is_link_dropped: false,
            options,
        };
        // §4.1: the active entity sends its contact header at once, the passive one waits.
        if role == Role::Active {
            session.send_contact_header();
        }
        Ok(session)
    }

    /// Takes octets from the front of `input`, as many as there is room for what they cause.
    pub fn receive(&mut self, now: Instant, input: &mut BytesMut) {
        let before = input.len();
        while self.takes_octets() && self.step(now, input) {
            self.end_if_done();
        }
        if input.len() < before {
            self.timers.received(now);
        }
        if self.is_over() {
            input.clear();
        }
        self.after_step(now);
    }

    /// Takes what the agent sends; ignores it unless [`Session::takes_outgoing`].
    ///
    /// # Panics
    /// If the agent breaks the contract of [`Outgoing`]: numbers that do not grow, or octets that do not make up the
    /// length of their bundle.
    pub fn take(&mut self, now: Instant, outgoing: Outgoing) {
        if !self.takes_outgoing() {
            return;
        }
        self.sending.take(outgoing, self.termination.is_ending(), &mut self.out);
        self.after_step(now);
    }

    /// Takes a decision of the agent, at any time.
    pub fn decide(&mut self, now: Instant, control: Control) {
        if self.is_over() {
            return;
        }
        self.timers.moved(now);
        match control {
            Control::Accept(transfer) => self.receiving.accept(transfer, &mut self.out),
            Control::Refuse(transfer, reason) => self.receiving.refuse(transfer, reason, &mut self.out),
            Control::Close(reason) => self.close(now, reason.into()),
        }
        self.after_step(now);
    }

    /// The first `octets` of the slices are written.
    pub fn written(&mut self, now: Instant, octets: usize) {
        self.out.outbox.written(octets);
        self.timers.sent(now, octets);
        self.after_step(now);
    }

    /// The connection was closed by the neighbor or broke: `why` in words of ours.
    pub fn connection_lost(&mut self, why: &str) {
        let is_clean = self.termination.is_agreed() || self.phase == Phase::Over;
        let reason = if is_clean { self.termination.words() } else { why.to_owned() };
        self.end(reason);
    }

    /// The agent dropped its end: whatever can be said quickly is said, and the session ends.
    pub fn link_dropped(&mut self, now: Instant) {
        self.is_link_dropped = true;
        self.timers.link_dropped(now);
        self.receiving.refuse_all(&mut self.out);
        self.sending.abandon_all(&mut self.out);
        self.close(now, TerminationReason::Unknown);
        self.after_step(now);
    }

    /// The time that [`Session::poll_timeout`] told may have come. Calling it early does nothing.
    pub fn timeout_reached(&mut self, now: Instant) {
        let Some((_, due)) = self.next_due().filter(|(instant, _)| *instant <= now) else { return };
        match due {
            Due::Contact => self.contact_timed_out(),
            Due::Ending => self.end("the session did not end in time".to_owned()),
            Due::Silence => {
                // §5.1.1
                self.send_term(TerminationReason::IdleTimeout);
                self.end("the neighbor was silent for twice the keepalive interval".to_owned());
            }
            Due::Idleness => self.close(now, TerminationReason::IdleTimeout),
            Due::Keepalive => {
                self.out.outbox.push(&Message::Keepalive);
            }
        }
        self.after_step(now);
    }

    /// The next event for the agent.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.out.events.pop_front()
    }

    /// What the neighbor did since the last call that RFC 9174 forbids and that does not end the session; the last of it.
    pub fn poll_fault(&mut self) -> Option<&'static str> {
        self.out.fault.take()
    }

    /// Whether an event waits.
    pub fn has_events(&self) -> bool {
        !self.out.events.is_empty()
    }

    /// Fills `slices` with the next octets to write and says how many slices are filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.out.outbox.slices(slices)
    }

    /// Octets that wait to be written.
    pub fn waiting(&self) -> usize {
        self.out.outbox.len()
    }

    /// Whether the TLS handshake comes next: once the slices are written, every octet from and to the neighbor goes
    /// through TLS, those that `receive` left included, and [`Session::secured`] tells of its end.
    pub fn wants_tls(&self) -> bool {
        self.phase == Phase::Tls
    }

    /// Whether octets from the neighbor can be taken now. While not, the socket is not to be read for them.
    pub fn takes_octets(&self) -> bool {
        !matches!(self.phase, Phase::Tls | Phase::Over) && self.reading() == Reading::Now
    }

    /// Whether the agent's next [`Outgoing`] can be taken now.
    pub fn takes_outgoing(&self) -> bool {
        self.phase == Phase::Messages
            && !self.is_link_dropped
            && self.out.events.len() < EVENTS_MAX
            && self.sending.has_room()
    }

    /// When to call [`Session::timeout_reached`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_due().map(|(instant, _)| instant)
    }

    /// Whether both sides' `SESS_INIT` have been exchanged.
    pub fn is_established(&self) -> bool {
        self.phase == Phase::Messages
    }

    /// Whether the connection is to be closed once everything is written.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    fn next_due(&self) -> Option<(Instant, Due)> {
        let outbox_is_empty = self.out.outbox.is_empty();
        match self.phase {
            Phase::ContactHeader | Phase::Tls | Phase::SessInit => self.timers.next(Stage::Opening),
            Phase::Messages if self.termination.is_ending() => {
                self.timers.next(Stage::Ending { outbox_is_empty })
            }
            Phase::Messages => self.timers.next(Stage::Open { outbox_is_empty }),
            Phase::Over => None,
        }
    }

    /// What follows from any input: segments where there is room again, the end where all is done.
    pub(crate) fn after_step(&mut self, now: Instant) {
        if self.phase == Phase::Messages {
            self.sending.form_segments(&mut self.out);
            if self.sending.is_exhausted() {
                // §5.2.1: no transfer ID is left.
                self.close(now, TerminationReason::ResourceExhaustion);
            }
        }
        self.end_if_done();
        if self.is_link_dropped {
            self.out.events.clear();
        }
        self.timers.reading(self.reading(), now);
    }

    fn reading(&self) -> Reading {
        if self.out.events.len() >= EVENTS_MAX || !self.receiving.has_room() {
            Reading::WaitsForAgent
        } else if self.out.outbox.len() >= OUTBOX_MAX {
            Reading::WaitsForNeighbor
        } else {
            Reading::Now
        }
    }

    /// §6: both sides want to end, and all that had begun is finished.
    fn end_if_done(&mut self) {
        if self.termination.is_agreed() && self.receiving.is_done() && self.sending.is_done() {
            self.end(self.termination.words());
        }
    }

    /// Takes one message, or a piece of data. Says whether there was one.
    fn step(&mut self, now: Instant, input: &mut BytesMut) -> bool {
        if self.phase == Phase::ContactHeader {
            return self.step_contact_header(input);
        }
        if self.receiving.is_within_segment() {
            let is_data = self.receiving.take_data(input, &mut self.out);
            if is_data {
                self.timers.message(now);
            }
            return is_data;
        }
        let length = match decoding::message(input) {
            Ok((message, length)) => {
                self.take_message(now, &message);
                length
            }
            Err(Unread::Incomplete) => return false,
            Err(Unread::Malformed(malformed)) => {
                self.fail_malformed(malformed);
                return false;
            }
        };
        input.advance(length);
        true
    }

    fn take_message(&mut self, now: Instant, message: &Message<'_>) {
        if !matches!(message, Message::Keepalive) {
            self.timers.message(now);
        }
        let outcome = match self.phase {
            Phase::SessInit => self.take_opening_message(now, message),
            _ => self.take_session_message(now, message),
        };
        if let Err(violation) = outcome {
            self.fail(&violation);
        }
    }

    /// A message of an established session.
    fn take_session_message(&mut self, now: Instant, message: &Message<'_>) -> Result<(), Violation> {
        match *message {
            Message::Segment(ref head) => self.take_segment(head),
            Message::Ack { flags, transfer, length } => {
                self.sending.acknowledged(flags, transfer, length, &mut self.out)
            }
            Message::Refuse { reason, transfer } => {
                self.sending.refused(transfer, reason, &mut self.out);
                Ok(())
            }
            Message::Keepalive => Ok(()),
            Message::Term { flags, reason } => {
                self.take_term(now, flags, reason);
                Ok(())
            }
            Message::Reject { header, .. } => {
                self.take_reject(now, header);
                Ok(())
            }
            Message::Init(_) => {
                // §5.1.2: a SESS_INIT in an established session is rejected; nothing comes of it.
                let reason = RejectionReason::Unexpected.code();
                self.out.outbox.push(&Message::Reject { reason, header: SESS_INIT });
                self.out.fault = Some("it sent a second SESS_INIT");
                Ok(())
            }
        }
    }

    fn take_segment(&mut self, head: &SegmentHead<'_>) -> Result<(), Violation> {
        self.receiving.begin_segment(head, self.termination.is_ending(), &mut self.out)
    }

    /// What the neighbor rejected tells whether the session can go on (§5.1.2 leaves it open). A keepalive or an
    /// answer of ours that it could not use harms nobody; anything else and we no longer know what it has.
    fn take_reject(&mut self, now: Instant, header: u8) {
        match header {
            XFER_ACK | XFER_REFUSE => self.out.fault = Some("it rejected our answer to a transfer"),
            KEEPALIVE => self.out.fault = Some("it rejected a keepalive"),
            SESS_TERM => self.end("the neighbor rejected our SESS_TERM".to_owned()),
            _ => self.close(now, TerminationReason::Unknown),
        }
    }

    /// The last thing that happens: what is in the outbox is still written, nothing else is taken.
    pub(crate) fn end(&mut self, reason: String) {
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Over;
        if self.receiving.is_arriving() {
            self.out.events.push_back(Event::Broken);
        }
        self.out.events.push_back(Event::Closed { reason });
    }
}
