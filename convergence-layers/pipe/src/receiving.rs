//! Bundles that the program sends.
//!
//! Called by `session`. What the program says of lengths and numbers is checked here; a bundle that is too large is refused, and its octets
//! are passed over.

use std::collections::{BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};
use convergence_layer::{Control, Event, RefusalReason};

use crate::message::Message;
use crate::session::Violation;

/// Bundles that may await our decision before we stop reading: as many as of a TCPCL session.
const UNDECIDED_MAX: usize = 512;

/// The bundle under way.
#[derive(Debug)]
struct Current {
    number: u64,
    left: u64,
    is_wanted: bool,
}

/// The direction from the program.
#[derive(Debug)]
pub(crate) struct Receiving {
    bundle_max: u64,
    current: Option<Current>,
    last: Option<u64>,
    undecided: BTreeSet<u64>,
    /// One that was refused without asking the agent.
    refused: Option<u64>,
}

impl Receiving {
    pub(crate) fn new(bundle_max: u64) -> Self {
        Self { bundle_max, current: None, last: None, undecided: BTreeSet::new(), refused: None }
    }

    pub(crate) fn takes_octets(&self) -> bool {
        self.undecided.len() < UNDECIDED_MAX
    }

    /// A bundle begins. What is wrong with it where it is not taken, in words.
    pub(crate) fn begin(
        &mut self,
        number: u64,
        length: u64,
        events: &mut VecDeque<Event>,
    ) -> Result<Option<String>, Violation> {
        if self.current.is_some() {
            return Err(Violation::Within);
        }
        if self.last.is_some_and(|last| last >= number) {
            return Err(Violation::Number(number));
        }
        self.last = Some(number);
        let is_wanted = (1..=self.bundle_max).contains(&length);
        if length > 0 {
            self.current = Some(Current { number, left: length, is_wanted });
        }
        if is_wanted {
            events.push_back(Event::Receiving { transfer: number, length: Some(length) });
            return Ok(None);
        }
        self.refused = Some(number);
        Ok(Some(format!("it sent a bundle of {length} octets; from 1 to {} are taken", self.bundle_max)))
    }

    /// Writes the refusal of a bundle that was not asked about.
    pub(crate) fn answer(&mut self, out: &mut BytesMut) {
        if let Some(number) = self.refused.take() {
            Message::Refused(number, RefusalReason::NotAcceptable).encode(out);
        }
    }

    pub(crate) fn octets(&mut self, octets: Bytes, events: &mut VecDeque<Event>) -> Result<(), Violation> {
        let Some(current) = &mut self.current else { return Err(Violation::Length) };
        current.left = current.left.checked_sub(octets.len() as u64).ok_or(Violation::Length)?;
        let (is_complete, is_wanted, number) = (current.left == 0, current.is_wanted, current.number);
        if is_wanted && !octets.is_empty() {
            events.push_back(Event::Octets(octets));
        }
        if is_complete {
            self.current = None;
            if is_wanted {
                self.undecided.insert(number);
                events.push_back(Event::Received);
            }
        }
        Ok(())
    }

    /// The bundle under way will not be completed.
    pub(crate) fn broken(&mut self, events: &mut VecDeque<Event>) {
        if self.current.take().is_some_and(|current| current.is_wanted) {
            events.push_back(Event::Broken);
        }
    }

    /// The agent decided. Each bundle is answered once.
    pub(crate) fn decide(&mut self, control: Control, out: &mut BytesMut) {
        let (number, answer) = match control {
            Control::Accept(number) => (number, Message::Taken(number)),
            Control::Refuse(number, reason) => (number, Message::Refused(number, reason)),
            Control::Close(_) => return,
        };
        let current = self.current.as_mut().filter(|current| current.number == number && current.is_wanted);
        if let Some(current) = current {
            current.is_wanted = false;
            answer.encode(out);
        } else if self.undecided.remove(&number) {
            answer.encode(out);
        }
    }
}
