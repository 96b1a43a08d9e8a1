//! What a contact tells the agent: bundles that came, what became of those that went, and what went wrong (see [`crate::contact`]).

use convergence_layer::{Event, TransferId};
use ltp::Engine;

use crate::contact::{Contact, Phase};

impl Contact {
    /// Whether [`Contact::poll_event`] has an event.
    pub fn has_event(&mut self) -> bool {
        self.prepare_event();
        !self.events.is_empty()
    }

    /// The next event for the agent.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.prepare_event();
        self.events.pop_front()
    }

    fn prepare_event(&mut self) {
        if !self.events.is_empty() || self.is_over() || matches!(self.phase, Phase::Asking(_)) {
            return;
        }
        if self.delivering.is_none()
            && let Some(pieces) = self.plain.pop()
        {
            let length = Some(pieces.iter().map(|piece| piece.len() as u64).sum());
            self.events.push_back(Event::Receiving { transfer: self.next_plain, length });
            self.next_plain += 1;
            self.undecided += 1;
            self.events.extend(pieces.into_iter().map(Event::Octets));
            self.events.push_back(Event::Received);
            return;
        }
        let Some(event) = self.engine.as_deref_mut().and_then(Engine::poll_event) else { return };
        match event {
            ltp::Event::Receiving { transfer, length } => {
                self.delivering = Some(transfer);
                self.events.push_back(Event::Receiving { transfer, length });
            }
            ltp::Event::Octets { octets, .. } => self.events.push_back(Event::Octets(octets)),
            ltp::Event::Received { .. } => {
                (self.delivering, self.undecided) = (None, self.undecided + 1);
                self.events.push_back(Event::Received);
            }
            ltp::Event::Broken { .. } => {
                self.delivering = None;
                self.events.push_back(Event::Broken);
            }
            ltp::Event::Sent { transfer } => {
                self.sending.settled(transfer);
                self.events.push_back(Event::Sent(transfer));
            }
            ltp::Event::Refused { transfer, reason } => {
                self.sending.settled(transfer);
                self.events.push_back(Event::Refused { transfer, reason });
            }
        }
    }

    pub(crate) fn left(&mut self, transfer: TransferId) {
        self.sending.settled(transfer);
        self.events.push_back(Event::Left(transfer));
    }

    pub(crate) fn fault(&mut self, what: &str) {
        self.faults.truncate(1);
        self.faults.push_back(what.to_owned());
    }

    /// What went wrong without ending the contact.
    pub fn poll_fault(&mut self) -> Option<String> {
        self.faults.pop_front()
    }
}
