//! How a session ends in order (RFC 9174 §6).
//!
//! `SESS_TERM` goes both ways once; then what has begun is finished, nothing new begins, and the connection is closed.

use std::time::Instant;

use crate::message::{Message, REPLY};
use crate::reason::TerminationReason;
use crate::session::{Phase, Session};

/// Which `SESS_TERM` have been exchanged.
#[derive(Debug, Default)]
pub(crate) struct Termination {
    /// Whether our contact header is out: before it, no `SESS_TERM` is sent (§6.1).
    is_allowed: bool,
    ours: Option<TerminationReason>,
    theirs: Option<TerminationReason>,
    /// Whether ours answered theirs.
    is_reply: bool,
}

impl Termination {
    /// Our contact header is on its way.
    pub(crate) fn allow(&mut self) {
        self.is_allowed = true;
    }

    /// Whether the session is in the Ending state (§6.1).
    pub(crate) fn is_ending(&self) -> bool {
        self.ours.is_some()
    }

    /// Whether both sides want the session to end.
    pub(crate) fn is_agreed(&self) -> bool {
        self.ours.is_some() && self.theirs.is_some()
    }

    /// Who ended the session and why.
    pub(crate) fn words(&self) -> String {
        let (who, reason) = match (self.ours, self.theirs) {
            (Some(reason), _) if !self.is_reply => ("us", reason),
            (_, theirs) => ("the neighbor", theirs.unwrap_or(TerminationReason::Unknown)),
        };
        format!("ended by {who}: {}", reason.words())
    }
}

impl Session {
    /// Ends the session in an orderly way.
    pub(crate) fn close(&mut self, now: Instant, reason: TerminationReason) {
        if self.is_over() || self.termination.is_ending() {
            return;
        }
        self.send_term(reason);
        if !self.is_established() {
            // §6.1: nothing is under way that could be finished.
            self.end(self.termination.words());
            return;
        }
        self.timers.moved(now);
        self.sending.drop_unbegun(&mut self.out);
    }

    /// Sends the `SESS_TERM` that begins a termination, unless one is on its way.
    pub(crate) fn send_term(&mut self, reason: TerminationReason) {
        // §6.1: a contact header goes first, always.
        if self.termination.is_allowed && !self.termination.is_ending() {
            // §4.4.3: while the handshake lasts there is no session that could be terminated.
            if self.phase != Phase::Tls {
                self.out.outbox.push(&Message::Term { flags: 0, reason: reason.code() });
            }
            self.termination.ours = Some(reason);
        }
    }

    /// Takes the neighbor's `SESS_TERM`.
    pub(crate) fn take_term(&mut self, now: Instant, flags: u8, code: u8) {
        let reason = TerminationReason::from_code(code);
        self.termination.theirs.get_or_insert(reason);
        if self.termination.is_ending() {
            return;
        }
        // §6.1: the same content, except for the REPLY flag.
        self.out.outbox.push(&Message::Term { flags: flags | REPLY, reason: code });
        self.termination.ours = Some(reason);
        self.termination.is_reply = true;
        self.timers.moved(now);
        self.sending.drop_unbegun(&mut self.out);
    }
}
