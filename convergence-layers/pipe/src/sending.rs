//! Our bundles on their way to the program: one after another, urgent ones next.
//!
//! Called by `session`. The agent's numbers are of two lanes; on the pipe bundles are numbered in the order in which they begin.

use std::collections::BTreeMap;

use bytes::BytesMut;
use convergence_layer::{Event, Outgoing, RefusalReason, TransferId};

use crate::message::{Message, PIECE_OCTETS};

/// Which bundles begin first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// All others.
    Ordinary,
    /// Those that must not wait.
    Express,
}

/// The bundle under way.
#[derive(Debug)]
struct Current {
    lane: Lane,
    number: u64,
    left: u64,
}

/// The direction to the program.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    current: Option<Current>,
    next: u64,
    /// Bundles that await an answer, by their number on the pipe. Bounded by the agent's window.
    unanswered: BTreeMap<u64, TransferId>,
    bundle_max: u64,
    begins_no_more: bool,
}

impl Sending {
    pub(crate) fn neighbor_takes(&mut self, bundle_max: u64) {
        self.bundle_max = bundle_max;
    }

    pub(crate) fn begin_no_more(&mut self) {
        self.begins_no_more = true;
    }

    pub(crate) fn is_between(&self) -> bool {
        self.current.is_none()
    }

    pub(crate) fn takes(&self, lane: Lane) -> bool {
        self.current.as_ref().map_or(!self.begins_no_more, |current| current.lane == lane)
    }

    /// Takes what the agent says; the event where it is a bundle that the program does not take.
    pub(crate) fn take(&mut self, lane: Lane, outgoing: Outgoing, out: &mut BytesMut) -> Option<Event> {
        match outgoing {
            Outgoing::Begin { transfer, length } => {
                // The node never begins a bundle within another; if it did, the first would be lost, and no octet of the second.
                self.abandon(out);
                if length == 0 || length > self.bundle_max {
                    return Some(Event::Refused { transfer, reason: RefusalReason::NotAcceptable });
                }
                let number = self.next;
                self.next += 1;
                self.unanswered.insert(number, transfer);
                self.current = Some(Current { lane, number, left: length });
                Message::Bundle { number, length, is_urgent: lane == Lane::Express }.encode(out);
            }
            Outgoing::Octets(mut octets) => {
                // Without a bundle under way they are of one that was refused.
                let current = self.current.as_mut()?;
                let length = octets.len() as u64;
                let Some(left) = current.left.checked_sub(length) else {
                    self.abandon(out);
                    return None;
                };
                current.left = left;
                while !octets.is_empty() {
                    let piece = octets.split_to(octets.len().min(PIECE_OCTETS));
                    Message::Octets(piece).encode(out);
                }
                if left == 0 {
                    self.current = None;
                }
            }
            Outgoing::Abandon => self.abandon(out),
        }
        None
    }

    fn abandon(&mut self, out: &mut BytesMut) {
        if let Some(current) = self.current.take() {
            self.unanswered.remove(&current.number);
            Message::Abandon.encode(out);
        }
    }

    /// An answer came for a bundle, perhaps before all of it was sent: the rest is left out. Whose it was.
    pub(crate) fn settled(&mut self, number: u64, out: &mut BytesMut) -> Option<TransferId> {
        let transfer = self.unanswered.remove(&number)?;
        if self.current.take_if(|current| current.number == number).is_some() {
            Message::Abandon.encode(out);
        }
        Some(transfer)
    }
}
