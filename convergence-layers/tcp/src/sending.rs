//! The sending half: our transfers, from `Begin` to the neighbor's answer (RFC 9174 §5.2).
//!
//! Octets are held until they make a full segment or the end of the bundle, and a segment is formed only when there is
//! room for it on the way out, so that acknowledgements overtake it and a refusal can still stop it. Transfers are
//! pipelined: the next one begins while earlier ones wait for their last acknowledgement.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use convergence_layer::{Event, Outgoing, RefusalReason, TransferId};

use crate::extension::transfer_length_list;
use crate::message::{END, Message, START, SegmentHead, XFER_ACK, XFER_REFUSE};
use crate::options::Options;
use crate::reason::{self, RejectionReason};
use crate::session::Outputs;
use crate::violation::Violation;

/// The largest segment that we send, whatever the neighbor would take: larger ones would make our acknowledgements wait
/// (RFC 9174 §3.6) and save nothing.
const SEGMENT_MAX: usize = 64 * 1024;
/// Segments are formed while fewer octets than this wait for the socket.
const WAITING_MAX: usize = 128 * 1024;

/// Our transfers that the neighbor has not answered, and the one whose octets we are given.
#[derive(Debug)]
pub(crate) struct Sending {
    segment_mtu: usize,
    transfer_mtu: u64,
    unacknowledged_max: usize,
    unacknowledged: BTreeMap<TransferId, Outbound>,
    current: Option<Current>,
    last_id: Option<TransferId>,
}

/// A transfer that began on the wire.
#[derive(Debug)]
struct Outbound {
    length: u64,
    sent: u64,
}

/// The bundle whose octets we are given.
#[derive(Debug)]
struct Current {
    transfer: TransferId,
    length: u64,
    /// Octets that the agent gave us.
    taken: u64,
    /// Octets that went into segments.
    formed: u64,
    /// Taken, and not in a segment yet.
    pieces: VecDeque<Bytes>,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// No segment has been formed.
    Unbegun,
    Begun,
    /// Refused, by the neighbor or for it: what the agent still gives us is dropped.
    Dropped,
}

impl Sending {
    /// `segment_mru` and `transfer_mru` are the neighbor's.
    pub(crate) fn new(segment_mru: u64, transfer_mru: u64, options: &Options) -> Self {
        Self {
            // §4.6: no segment is longer than the neighbor's MRU.
            segment_mtu: usize::try_from(segment_mru).unwrap_or(SEGMENT_MAX).min(SEGMENT_MAX),
            transfer_mtu: transfer_mru,
            unacknowledged_max: options.unacknowledged_max,
            unacknowledged: BTreeMap::new(),
            current: None,
            last_id: None,
        }
    }

    /// Whether the agent's next [`Outgoing`] can be taken.
    pub(crate) fn has_room(&self) -> bool {
        match &self.current {
            Some(current) if current.fate == Fate::Dropped => true,
            // A bundle that is complete still waits for room on the way out.
            Some(current) => current.taken < current.length && current.pending() < self.segment_mtu as u64,
            None => self.unacknowledged.len() < self.unacknowledged_max,
        }
    }

    /// Whether nothing that began on the wire is unfinished or unanswered.
    pub(crate) fn is_done(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// Whether no transfer ID is left (§5.2.1).
    pub(crate) fn is_exhausted(&self) -> bool {
        self.last_id == Some(TransferId::MAX) && self.current.is_none()
    }

    /// Takes what the agent wants to send.
    ///
    /// # Panics
    /// If the agent breaks the contract of [`Outgoing`]: numbers that do not grow, or octets that do not make up the
    /// length of their bundle.
    pub(crate) fn take(&mut self, outgoing: Outgoing, ending: bool, out: &mut Outputs) {
        match outgoing {
            Outgoing::Begin { transfer, length } => self.begin(transfer, length, ending, out),
            Outgoing::Octets(octets) => self.octets(octets),
            Outgoing::Abandon => self.abandon(out),
        }
        self.form_segments(out);
    }

    fn begin(&mut self, transfer: TransferId, length: u64, ending: bool, out: &mut Outputs) {
        // After a refusal the agent need not give us the rest.
        let is_free = self.current.as_ref().is_none_or(|current| current.fate == Fate::Dropped);
        assert!(is_free, "transfer {transfer} begins before the one before it is complete");
        assert!(self.last_id.is_none_or(|last| last < transfer), "transfer {transfer} has no new number");
        self.last_id = Some(transfer);
        // §6.1: no new transfer in the Ending state. §4.6: nothing longer than the neighbor's MRU.
        let refusal = if ending {
            Some(RefusalReason::SessionTerminating)
        } else {
            (length > self.transfer_mtu).then_some(RefusalReason::NotAcceptable)
        };
        if let Some(reason) = refusal {
            out.events.push_back(Event::Refused { transfer, reason });
        }
        let fate = if refusal.is_some() { Fate::Dropped } else { Fate::Unbegun };
        let current = Current { transfer, length, taken: 0, formed: 0, pieces: VecDeque::new(), fate };
        self.current = Some(current).filter(|current| !current.is_over());
    }

    fn octets(&mut self, octets: Bytes) {
        if octets.is_empty() {
            return;
        }
        let current =
            self.current.as_mut().expect("octets belong to a transfer that began and is not complete");
        current.taken += octets.len() as u64;
        assert!(current.taken <= current.length, "transfer {} is longer than declared", current.transfer);
        if current.fate != Fate::Dropped {
            current.pieces.push_back(octets);
        }
        if current.is_over() {
            self.current = None;
        }
    }

    /// Breaks off a transfer that cannot be completed. A transfer that ends short of its declared length is invalid for
    /// the neighbor and will be refused (§5.2.5.1); the session goes on.
    fn abandon(&mut self, out: &mut Outputs) {
        let Some(current) = self.current.take() else { return };
        if current.fate == Fate::Begun {
            push_segment(out, &current, END, &mut VecDeque::new(), 0);
            self.unacknowledged.remove(&current.transfer);
        }
    }

    /// Forms segments as long as there is room for them.
    pub(crate) fn form_segments(&mut self, out: &mut Outputs) {
        while out.outbox.len() < WAITING_MAX {
            let Some(current) = self.current.as_mut().filter(|current| current.fate != Fate::Dropped) else {
                return;
            };
            let is_complete = current.taken == current.length;
            let pending = usize::try_from(current.pending()).unwrap_or(usize::MAX);
            if pending < self.segment_mtu && !is_complete {
                return;
            }
            let length = pending.min(self.segment_mtu);
            let is_last = is_complete && length == pending;
            let mut flags = if is_last { END } else { 0 };
            if current.fate == Fate::Unbegun {
                flags |= START;
                current.fate = Fate::Begun;
            }
            let mut pieces = std::mem::take(&mut current.pieces);
            push_segment(out, current, flags, &mut pieces, length);
            current.pieces = pieces;
            current.formed += length as u64;
            let sent = Outbound { length: current.length, sent: current.formed };
            self.unacknowledged.insert(current.transfer, sent);
            if is_last {
                self.current = None;
            }
        }
    }

    /// Takes an acknowledgement.
    pub(crate) fn acknowledged(
        &mut self,
        flags: u8,
        transfer: TransferId,
        length: u64,
        out: &mut Outputs,
    ) -> Result<(), Violation> {
        let Some(outbound) = self.unacknowledged.get(&transfer) else {
            self.answer_late(transfer, XFER_ACK, out);
            return Ok(());
        };
        if length > outbound.sent {
            return Err(Violation::unexpected(
                XFER_ACK,
                "the neighbor acknowledged octets that were not sent",
            ));
        }
        if flags & END != 0 && length != outbound.length {
            return Err(Violation::unexpected(
                XFER_ACK,
                "the neighbor acknowledged the end of half a transfer",
            ));
        }
        if length == outbound.length {
            // §5.2.3 wants the flags of the segment. Only our last one reaches this length, so that nothing else can be
            // meant, and without this the bundle would be sent again and again.
            if flags & END == 0 {
                out.fault = Some("it acknowledged the last segment of a transfer without the END flag");
            }
            self.unacknowledged.remove(&transfer);
            out.events.push_back(Event::Sent(transfer));
        }
        Ok(())
    }

    /// Takes a refusal: nothing more of the transfer is sent (§5.2.4).
    pub(crate) fn refused(&mut self, transfer: TransferId, code: u8, out: &mut Outputs) {
        if self.unacknowledged.remove(&transfer).is_none() {
            return self.answer_late(transfer, XFER_REFUSE, out);
        }
        out.outbox.withdraw(transfer);
        out.events.push_back(Event::Refused { transfer, reason: reason::refusal_reason(code) });
        if self.current.as_ref().is_some_and(|current| current.transfer == transfer) {
            self.drop_current();
        }
    }

    /// The session is ending: a transfer of which nothing was sent does not begin (§6.1).
    pub(crate) fn drop_unbegun(&mut self, out: &mut Outputs) {
        if let Some(current) = self.current.as_ref().filter(|current| current.fate == Fate::Unbegun) {
            let (transfer, reason) = (current.transfer, RefusalReason::SessionTerminating);
            out.events.push_back(Event::Refused { transfer, reason });
            self.drop_current();
        }
    }

    /// Nobody is left to give us octets or to hear of answers.
    pub(crate) fn abandon_all(&mut self, out: &mut Outputs) {
        self.abandon(out);
        self.unacknowledged.clear();
    }

    /// An answer for a transfer that waits for none: one that was broken off or refused, whose messages crossed on the
    /// wire, or one that never was (§5.1.2).
    fn answer_late(&self, transfer: TransferId, header: u8, out: &mut Outputs) {
        if self.last_id.is_none_or(|last| transfer > last) {
            out.outbox.push(&Message::Reject { reason: RejectionReason::Unexpected.code(), header });
            out.fault = Some("it answered a transfer that never was");
        }
    }

    fn drop_current(&mut self) {
        if let Some(current) = &mut self.current {
            current.fate = Fate::Dropped;
            current.pieces.clear();
            if current.is_over() {
                self.current = None;
            }
        }
    }
}

impl Current {
    /// Octets taken and not in a segment.
    fn pending(&self) -> u64 {
        self.taken - self.formed
    }

    /// Whether it was dropped, and the agent has nothing more to give.
    fn is_over(&self) -> bool {
        self.fate == Fate::Dropped && self.taken == self.length
    }
}

fn push_segment(out: &mut Outputs, current: &Current, flags: u8, data: &mut VecDeque<Bytes>, length: usize) {
    let list = transfer_length_list(current.length);
    // §5.2.5.1: a transfer of one segment does not declare its length twice.
    let extensions: &[u8] = if flags & END == 0 { &list } else { &[] };
    let (transfer, data_length) = (current.transfer, length as u64);
    let head = Message::Segment(SegmentHead { flags, transfer, extensions, data_length });
    out.outbox.push_segment(transfer, &head, data, length);
}
