//! How a session opens: contact headers, TLS where both sides offer it, then `SESS_INIT`, in both directions (RFC 9174 §4, figures 5 to 10).

use std::time::Instant;

use bytes::{Buf, BytesMut};
use convergence_layer::Event;

use crate::decoding::{self, Unread};
use crate::message::{
    CAN_TLS, ContactHeader, KEEPALIVE, Message, SessInit, VERSION, XFER_ACK, XFER_REFUSE, XFER_SEGMENT,
};
use crate::negotiation::{self, Parameters, Role};
use crate::reason::{RejectionReason, TerminationReason};
use crate::sending::Sending;
use crate::session::{Phase, Session};
use crate::tls::{Peer, Security};
use crate::violation::Violation;

impl Session {
    pub(crate) fn step_contact_header(&mut self, input: &mut BytesMut) -> bool {
        match decoding::contact_header(input) {
            Ok(header) => {
                input.advance(ContactHeader::LENGTH);
                self.take_contact_header(header);
                true
            }
            Err(Unread::Incomplete) => false,
            Err(Unread::Malformed(malformed)) => {
                // §4.3, §6.1: closed without a SESS_TERM.
                self.end(malformed.to_string());
                false
            }
        }
    }

    /// §4.3
    pub(crate) fn take_contact_header(&mut self, header: ContactHeader) {
        // §4.1: the passive entity answers the contact header, §4.3: even one of another version.
        if self.role == Role::Passive {
            self.send_contact_header();
        }
        if !negotiation::is_our_version(header) {
            if self.role == Role::Passive {
                self.send_term(TerminationReason::VersionMismatch);
            }
            self.end(format!("the neighbor speaks version {} of TCPCL, not {VERSION}", header.version));
            return;
        }
        match negotiation::negotiate_tls(&self.options.security, header) {
            Ok(true) => self.phase = Phase::Tls,
            Ok(false) => self.await_init(),
            Err(error) => {
                self.send_term(TerminationReason::ContactFailure);
                self.end(error.to_string());
            }
        }
    }

    /// §4.6: the active entity speaks first.
    fn await_init(&mut self) {
        self.phase = Phase::SessInit;
        if self.role == Role::Active {
            self.send_init();
        }
    }

    /// The TLS handshake is over (§4.4.3): everything from here on goes through it. `peer` is what the neighbor proved.
    pub fn secured(&mut self, now: Instant, peer: Peer) {
        if self.phase == Phase::Tls {
            self.peer = Some(peer);
            self.await_init();
            self.after_step(now);
        }
    }

    /// A message before the session is established.
    pub(crate) fn take_opening_message(
        &mut self,
        now: Instant,
        message: &Message<'_>,
    ) -> Result<(), Violation> {
        let header = match message {
            Message::Init(init) => {
                self.take_init(now, init);
                return Ok(());
            }
            Message::Term { flags, reason } => {
                self.take_term(now, *flags, *reason);
                self.end(self.termination.words());
                return Ok(());
            }
            Message::Reject { .. } => {
                self.end("the neighbor rejected our SESS_INIT".to_owned());
                return Ok(());
            }
            Message::Segment(_) => XFER_SEGMENT,
            Message::Ack { .. } => XFER_ACK,
            Message::Refuse { .. } => XFER_REFUSE,
            Message::Keepalive => KEEPALIVE,
        };
        let termination = TerminationReason::ContactFailure;
        let words = "the neighbor did not begin with a SESS_INIT";
        Err(Violation { rejection: RejectionReason::Unexpected, header, termination, words })
    }

    /// §4.6, §4.7; figure 9: the passive entity answers before it judges.
    pub(crate) fn take_init(&mut self, now: Instant, init: &SessInit<'_>) {
        if self.role == Role::Passive {
            self.send_init();
        }
        let parameters = match self.judge_init(init) {
            Ok(parameters) => parameters,
            Err(why) => {
                self.send_term(TerminationReason::ContactFailure);
                self.end(why);
                return;
            }
        };
        self.phase = Phase::Messages;
        self.sending = Sending::new(parameters.segment_mtu, parameters.transfer_mtu, &self.options);
        self.timers.established(parameters.keepalive, now);
        let node_id = Some(init.node_id).filter(|node_id| !node_id.is_empty()).map(str::to_owned);
        if node_id.is_none() {
            self.out.fault = Some("it did not say its node ID");
        }
        self.out.events.push_back(Event::Opened {
            node_id,
            transfer_mru: parameters.transfer_mtu,
            octets_per_second: None,
        });
    }

    /// The parameters of the session, or in words why there is none.
    fn judge_init(&self, init: &SessInit<'_>) -> Result<Parameters, String> {
        if let Some(peer) = &self.peer {
            // §4.4.4.3: before the parameters are negotiated.
            peer.check(init.node_id).map_err(|impostor| impostor.to_string())?;
        }
        negotiation::negotiate(&self.options, init).map_err(|error| error.to_string())
    }

    pub(crate) fn send_contact_header(&mut self) {
        // §4.2: all reserved flags are 0.
        let flags = if matches!(self.options.security, Security::Off) { 0 } else { CAN_TLS };
        self.out.outbox.push_contact_header(ContactHeader { version: VERSION, flags });
        self.termination.allow();
    }

    pub(crate) fn send_init(&mut self) {
        self.out.outbox.push(&Message::Init(SessInit {
            keepalive_seconds: self.options.keepalive_seconds,
            segment_mru: self.options.segment_mru,
            transfer_mru: self.options.transfer_mru,
            node_id: &self.options.node_id,
            extensions: &[],
        }));
    }

    pub(crate) fn contact_timed_out(&mut self) {
        if self.phase == Phase::SessInit {
            // Figures 8 and 9: a timeout while SESS_INIT is awaited ends in [ST].
            self.send_term(TerminationReason::ContactFailure);
            self.end("the neighbor sent no SESS_INIT in time".to_owned());
        } else if self.phase == Phase::Tls {
            self.end("the neighbor did not complete the TLS handshake in time".to_owned());
        } else {
            // §4.1: no contact header in time: the connection is closed.
            self.end("the neighbor sent no contact header in time".to_owned());
        }
    }
}
