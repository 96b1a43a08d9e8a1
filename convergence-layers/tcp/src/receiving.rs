//! The receiving half: the neighbor's transfers, from their first segment to our answer (RFC 9174 §5.2).
//!
//! Data are handed on as they come. Each segment but the last is acknowledged at once; the last one only when the agent
//! has the bundle in its store ([`Receiving::accept`]), so that a final acknowledgement is a promise. Refusals keep
//! their order: none is sent before each earlier transfer has been answered (§5.2.4).

use std::collections::VecDeque;

use bytes::BytesMut;
use convergence_layer::{Event, RefusalReason, TransferId};

use crate::extension;
use crate::message::{END, Message, SegmentHead, XFER_SEGMENT};
use crate::options::Options;
use crate::reason::{self, RejectionReason, TerminationReason};
use crate::session::Outputs;
use crate::violation::Violation;

/// The largest [`Event::Octets`].
const PIECE_MAX: usize = 64 * 1024;

/// The neighbor's transfers that we have not answered, and the segment that is under way.
#[derive(Debug)]
pub(crate) struct Receiving {
    segment_mru: u64,
    transfer_mru: u64,
    unanswered_max: usize,
    /// In the order in which they began; the last one may still be arriving.
    unanswered: VecDeque<Inbound>,
    stream: Stream,
    segment: Option<Segment>,
}

#[derive(Debug)]
struct Inbound {
    transfer: TransferId,
    received: u64,
    /// What the Transfer Length Extension says.
    declared: Option<u64>,
    state: InboundState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InboundState {
    Arriving,
    /// With the flags of its last segment.
    Complete(u8),
    /// Refused; the refusal waits for the answers to earlier transfers.
    Refused(RefusalReason),
}

/// What the next segment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Idle,
    /// The last one of the unanswered transfers.
    Arriving,
    /// A transfer that we refused before its end: more of it may have been sent already.
    Refused(TransferId, RefusalReason),
}

/// A segment whose data are under way.
#[derive(Debug)]
struct Segment {
    flags: u8,
    remaining: u64,
    /// Whether the data are handed on; otherwise they are skipped.
    kept: bool,
}

impl Receiving {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            segment_mru: options.segment_mru,
            transfer_mru: options.transfer_mru,
            unanswered_max: options.unanswered_max,
            unanswered: VecDeque::new(),
            stream: Stream::Idle,
            segment: None,
        }
    }

    /// Whether a segment's data come next on the wire.
    pub(crate) fn is_within_segment(&self) -> bool {
        self.segment.is_some()
    }

    /// Whether one more transfer may begin, or the last one go on.
    pub(crate) fn has_room(&self) -> bool {
        self.stream == Stream::Arriving || self.unanswered.len() < self.unanswered_max
    }

    /// Whether every transfer that began has been received and answered.
    pub(crate) fn is_done(&self) -> bool {
        self.unanswered.is_empty() && self.segment.is_none()
    }

    /// Whether a transfer is on its way that the agent knows of.
    pub(crate) fn is_arriving(&self) -> bool {
        self.stream == Stream::Arriving
    }

    /// Takes the head of a segment.
    pub(crate) fn begin_segment(
        &mut self,
        head: &SegmentHead<'_>,
        ending: bool,
        out: &mut Outputs,
    ) -> Result<(), Violation> {
        // §4.6: a segment is no longer than the MRU that we declared. Skipping it could take for ever.
        if head.data_length > self.segment_mru {
            return Err(Violation {
                rejection: RejectionReason::Unsupported,
                header: XFER_SEGMENT,
                termination: TerminationReason::ResourceExhaustion,
                words: "the neighbor sent a segment larger than our segment MRU",
            });
        }
        let kept = if head.is_start() {
            self.begin_transfer(head, ending, out)?
        } else {
            self.continue_transfer(head, out)?
        };
        self.segment = Some(Segment { flags: head.flags, remaining: head.data_length, kept });
        if head.data_length == 0 {
            self.end_segment(out);
        }
        Ok(())
    }

    /// Takes data of the segment under way from the front of `input`. Says whether there were any.
    pub(crate) fn take_data(&mut self, input: &mut BytesMut, out: &mut Outputs) -> bool {
        let Some(segment) = &mut self.segment else { return false };
        let length = usize::try_from(segment.remaining).unwrap_or(usize::MAX).min(input.len()).min(PIECE_MAX);
        if length == 0 {
            return false;
        }
        let data = input.split_to(length);
        segment.remaining -= length as u64;
        let is_last = segment.remaining == 0;
        if segment.kept {
            let inbound = self.unanswered.back_mut().expect("kept data belong to the last transfer");
            inbound.received += length as u64;
            out.events.push_back(Event::Octets(data.freeze()));
        }
        if is_last {
            self.end_segment(out);
        }
        true
    }

    /// The bundle is in the store: its last segment is acknowledged.
    pub(crate) fn accept(&mut self, transfer: TransferId, out: &mut Outputs) {
        let Some(index) = self.position(transfer) else { return };
        let Some(inbound) = self.unanswered.get(index) else { return };
        if let InboundState::Complete(flags) = inbound.state {
            // §5.2.3: the flags of the segment, all of them, and the sum of the lengths.
            out.outbox.push(&Message::Ack { flags, transfer, length: inbound.received });
            self.unanswered.remove(index);
            self.send_refusals(out);
        }
    }

    /// The agent does not want the transfer, complete or not.
    pub(crate) fn refuse(&mut self, transfer: TransferId, reason: RefusalReason, out: &mut Outputs) {
        let Some(inbound) = self.position(transfer).and_then(|index| self.unanswered.get_mut(index)) else {
            return;
        };
        let was = std::mem::replace(&mut inbound.state, InboundState::Refused(reason));
        match was {
            InboundState::Refused(_) => inbound.state = was,
            InboundState::Complete(_) => {}
            InboundState::Arriving => self.stop_arriving(transfer, reason),
        }
        self.send_refusals(out);
    }

    /// Nobody is left to decide: what has not been answered is refused, so that the neighbor tries again elsewhere.
    pub(crate) fn refuse_all(&mut self, out: &mut Outputs) {
        let transfers: Vec<TransferId> = self.unanswered.iter().map(|inbound| inbound.transfer).collect();
        for transfer in transfers {
            self.refuse(transfer, RefusalReason::SessionTerminating, out);
        }
    }

    /// The first segment of a transfer. Says whether its data are wanted.
    fn begin_transfer(
        &mut self,
        head: &SegmentHead<'_>,
        ending: bool,
        out: &mut Outputs,
    ) -> Result<bool, Violation> {
        // §5.2.2: segments of two transfers are never interleaved.
        if self.stream == Stream::Arriving {
            return Err(Violation::unexpected(
                XFER_SEGMENT,
                "the neighbor began a transfer within another one",
            ));
        }
        // §5.2.1: a transfer ID is unique within the session. Only those in use matter to us.
        if self.position(head.transfer).is_some() {
            return Err(Violation::unexpected(XFER_SEGMENT, "the neighbor used a transfer ID twice"));
        }
        let (declared, refusal) = self.judge(head, ending, out);
        let state = refusal.map_or(InboundState::Arriving, InboundState::Refused);
        self.unanswered.push_back(Inbound { transfer: head.transfer, received: 0, declared, state });
        if let Some(reason) = refusal {
            self.stream = refused_stream(head.flags, head.transfer, reason);
            self.send_refusals(out);
            return Ok(false);
        }
        self.stream = Stream::Arriving;
        let length = declared.or(head.is_end().then_some(head.data_length));
        out.events.push_back(Event::Receiving { transfer: head.transfer, length });
        Ok(true)
    }

    /// The declared length of a transfer that begins, and why it is refused, if it is.
    fn judge(
        &self,
        head: &SegmentHead<'_>,
        ending: bool,
        out: &mut Outputs,
    ) -> (Option<u64>, Option<RefusalReason>) {
        // §6.1: no new transfer in the Ending state.
        if ending {
            return (None, Some(RefusalReason::SessionTerminating));
        }
        // §5.2.2: items that disagree with their length, §5.2.5: an unknown critical item.
        let declared = match extension::transfer_length(head.extensions) {
            Ok(declared) => declared,
            Err(error) => {
                out.fault = Some(error.fault());
                return (None, Some(RefusalReason::ExtensionFailure));
            }
        };
        let exceeds = declared.is_some_and(|length| length > self.transfer_mru || length < head.data_length);
        let refused = exceeds || head.data_length > self.transfer_mru;
        (declared, refused.then_some(RefusalReason::NotAcceptable))
    }

    /// A segment that is not the first of its transfer. Says whether its data are wanted.
    fn continue_transfer(&mut self, head: &SegmentHead<'_>, out: &mut Outputs) -> Result<bool, Violation> {
        match self.stream {
            Stream::Arriving => self.continue_arriving(head, out),
            Stream::Refused(transfer, reason) if transfer == head.transfer => {
                // §5.2.4: segments that were on their way when we refused are refused as well; one refusal that has
                // not gone out yet serves for all of them.
                if self.position(transfer).is_none() {
                    out.outbox.push(&Message::Refuse { reason: reason::refusal_code(reason), transfer });
                }
                self.stream = refused_stream(head.flags, transfer, reason);
                Ok(false)
            }
            Stream::Idle | Stream::Refused(..) => {
                // §5.1.2: no transfer has this number. The session is sound all the same: the data are skipped.
                let reason = RejectionReason::Unexpected.code();
                out.outbox.push(&Message::Reject { reason, header: XFER_SEGMENT });
                out.fault = Some("it sent a segment of no transfer");
                Ok(false)
            }
        }
    }

    fn continue_arriving(&mut self, head: &SegmentHead<'_>, out: &mut Outputs) -> Result<bool, Violation> {
        let inbound = self.unanswered.back().expect("the transfer that arrives is the last one");
        if inbound.transfer != head.transfer {
            return Err(Violation::unexpected(
                XFER_SEGMENT,
                "the neighbor mixed the segments of two transfers",
            ));
        }
        let length_max = inbound.declared.unwrap_or(self.transfer_mru).min(self.transfer_mru);
        if inbound.received.checked_add(head.data_length).is_none_or(|length| length > length_max) {
            self.break_off(head.flags, out);
            return Ok(false);
        }
        Ok(true)
    }

    /// All data of the segment are here.
    fn end_segment(&mut self, out: &mut Outputs) {
        let Some(segment) = self.segment.take().filter(|segment| segment.kept) else { return };
        let inbound = self.unanswered.back_mut().expect("kept data belong to the last transfer");
        if segment.flags & END == 0 {
            // §5.2.3
            let (transfer, length) = (inbound.transfer, inbound.received);
            out.outbox.push(&Message::Ack { flags: segment.flags, transfer, length });
        } else if inbound.declared.is_some_and(|length| length != inbound.received) {
            // §5.2.5.1: the declared length is authoritative.
            self.break_off(segment.flags, out);
        } else {
            inbound.state = InboundState::Complete(segment.flags);
            self.stream = Stream::Idle;
            out.events.push_back(Event::Received);
        }
    }

    /// The transfer that arrives is longer or shorter than it may be.
    fn break_off(&mut self, flags: u8, out: &mut Outputs) {
        let reason = RefusalReason::NotAcceptable;
        if let Some(inbound) = self.unanswered.back_mut() {
            inbound.state = InboundState::Refused(reason);
            self.stream = refused_stream(flags, inbound.transfer, reason);
        }
        out.fault = Some("it sent a transfer of another length than it declared, or than is taken here");
        out.events.push_back(Event::Broken);
        self.send_refusals(out);
    }

    /// The agent refused the transfer that arrives: the rest of the segment under way is skipped.
    fn stop_arriving(&mut self, transfer: TransferId, reason: RefusalReason) {
        let flags = self.segment.as_ref().map_or(0, |segment| segment.flags);
        self.stream = refused_stream(flags, transfer, reason);
        if let Some(segment) = &mut self.segment {
            segment.kept = false;
        }
    }

    /// §5.2.4: a refusal goes out when every earlier transfer has been answered.
    fn send_refusals(&mut self, out: &mut Outputs) {
        while let Some(&Inbound { transfer, state: InboundState::Refused(reason), .. }) =
            self.unanswered.front()
        {
            out.outbox.push(&Message::Refuse { reason: reason::refusal_code(reason), transfer });
            self.unanswered.pop_front();
        }
    }

    fn position(&self, transfer: TransferId) -> Option<usize> {
        self.unanswered.iter().position(|inbound| inbound.transfer == transfer)
    }
}

/// What follows a refused segment with these flags.
fn refused_stream(flags: u8, transfer: TransferId, reason: RefusalReason) -> Stream {
    if flags & END == 0 { Stream::Refused(transfer, reason) } else { Stream::Idle }
}
