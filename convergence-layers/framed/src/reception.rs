//! The receiving direction without a socket: octets become events, and what awaits a decision is counted.
//!
//! `receiving` feeds it. Nobody hears of decisions: they only let more come in.

use std::collections::{BTreeSet, VecDeque};

use bytes::BytesMut;
use convergence_layer::{Control, Event, TransferId};

use crate::framing::{Decoder, Found, NotAFrame};

/// Bundles of a neighbor that may await our decision before we stop reading: as many as of a TCPCL session.
const UNDECIDED_MAX: usize = 512;
/// Events that wait for the agent before we stop reading: those of one read of small bundles.
const EVENTS_MAX: usize = 256;

/// What comes in over one link.
#[derive(Debug, Default)]
pub struct Reception {
    events: VecDeque<Event>,
    undecided: BTreeSet<TransferId>,
    next: TransferId,
    /// The transfer under way, and whether the agent still wants it.
    current: Option<(TransferId, Wanted)>,
}

/// How much of its input a reception takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// All that it can.
    All,
    /// Up to the end of the frame under way.
    One,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Still,
    NoMore,
}

impl Reception {
    /// Whether more octets should be read.
    pub fn takes_octets(&self) -> bool {
        self.undecided.len() < UNDECIDED_MAX && self.events.len() < EVENTS_MAX
    }

    /// Whether there are events for the agent.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next event for the agent.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes what it can of the input. The size of a bundle that is too large is returned, for the gauge.
    pub fn take(
        &mut self,
        decoder: &mut Decoder,
        input: &mut BytesMut,
        frames: Frames,
    ) -> Result<Option<u64>, NotAFrame> {
        while self.takes_octets() {
            match decoder.next(input)? {
                None => break,
                Some(Found::TooLarge(octets)) => return Ok(Some(octets)),
                Some(found) => self.found(found),
            }
            if frames == Frames::One && decoder.is_between() {
                break;
            }
        }
        Ok(None)
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::Keepalive | Found::TooLarge(_) => {}
            Found::Begin(length) => {
                let transfer = self.next;
                self.next += 1;
                self.current = Some((transfer, Wanted::Still));
                self.events.push_back(Event::Receiving { transfer, length: Some(length) });
            }
            Found::Octets(octets) => {
                if let Some((_, Wanted::Still)) = self.current {
                    self.events.push_back(Event::Octets(octets));
                }
            }
            Found::End => {
                if let Some((transfer, Wanted::Still)) = self.current.take() {
                    self.undecided.insert(transfer);
                    self.events.push_back(Event::Received);
                }
            }
        }
    }

    /// The agent decided about a transfer.
    pub fn decide(&mut self, control: Control) {
        let (Control::Accept(transfer) | Control::Refuse(transfer, _)) = control else { return };
        self.undecided.remove(&transfer);
        if let Some((current, wanted)) = &mut self.current
            && *current == transfer
        {
            *wanted = Wanted::NoMore;
        }
    }

    /// The connection is gone; what comes next is of another.
    pub fn broken(&mut self) {
        if let Some((_, Wanted::Still)) = self.current.take() {
            self.events.push_back(Event::Broken);
        }
    }
}
