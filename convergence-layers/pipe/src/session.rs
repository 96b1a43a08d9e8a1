//! A session over a pipe, without a process and without a clock: octets become events, what the agent says becomes octets.
//!
//! `connection` feeds it. Both directions are separate (`sending`, `receiving`) but for the answers, which go the other way. All that waits is
//! bounded: the output by [`Session::takes_outgoing`] and by the bundles that await a decision, the events by [`Session::takes_octets`].

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};
use convergence_layer::{Control, Event, Outgoing};

use crate::message::{Malformed, Message};
use crate::receiving::Receiving;
use crate::sending::Sending;

pub use crate::sending::Lane;

/// Octets that wait for the program before the agent is made to wait.
const OUTPUT_MAX: usize = 256 * 1024;
/// Events that wait for the agent before we stop reading.
const EVENTS_MAX: usize = 64;

/// What a node says of itself.
#[derive(Debug, Clone)]
pub struct Local {
    /// The node ID, as text.
    pub node_id: String,
    /// The largest bundle that is taken, in octets.
    pub transfer_mru: u64,
}

/// What ends a contact: the other side did what the protocol forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Octets that are no message.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Something else than a Hello came first.
    #[error("it did not begin with a Hello")]
    NoHello,
    /// A number that is not larger than the one before it.
    #[error("it numbered a bundle {0}, which is not more than the one before")]
    Number(u64),
    /// A bundle began within another.
    #[error("it began a bundle within another")]
    Within,
    /// A bundle of more octets than it announced.
    #[error("it sent more octets than its bundle has")]
    Length,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    sending: Sending,
    receiving: Receiving,
    output: BytesMut,
    events: VecDeque<Event>,
    fault: Option<String>,
    is_open: bool,
}

impl Session {
    /// Begins with our Hello in the output.
    pub fn new(local: &Local) -> Self {
        let mut output = BytesMut::new();
        let node_id = local.node_id.clone();
        Message::Hello { bundle_max: local.transfer_mru, octets_per_second: 0, node_id }.encode(&mut output);
        let (sending, receiving) = (Sending::default(), Receiving::new(local.transfer_mru));
        Self { sending, receiving, output, events: VecDeque::new(), fault: None, is_open: false }
    }

    /// Whether the other side's Hello has come.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether more should be read.
    pub fn takes_octets(&self) -> bool {
        self.events.len() < EVENTS_MAX && self.receiving.takes_octets()
    }

    /// Takes what it can of the input.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<(), Violation> {
        while self.takes_octets()
            && let Some(message) = Message::decode(input)?
        {
            self.heard(message)?;
        }
        Ok(())
    }

    fn heard(&mut self, message: Message) -> Result<(), Violation> {
        match message {
            Message::Hello { bundle_max, octets_per_second, node_id } if !self.is_open => {
                self.is_open = true;
                self.sending.neighbor_takes(bundle_max);
                self.events.push_back(Event::Opened {
                    node_id: Some(node_id).filter(|node_id| !node_id.is_empty()),
                    transfer_mru: bundle_max,
                    octets_per_second: Some(octets_per_second).filter(|rate| *rate > 0),
                });
            }
            _ if !self.is_open => return Err(Violation::NoHello),
            // Nothing changes while a contact is open.
            Message::Hello { .. } => self.fault = Some("it sent a second Hello".to_owned()),
            Message::Bundle { number, length, .. } => {
                self.fault = self.receiving.begin(number, length, &mut self.events)?.or(self.fault.take());
                self.receiving.answer(&mut self.output);
            }
            Message::Octets(octets) => self.receiving.octets(octets, &mut self.events)?,
            Message::Abandon => self.receiving.broken(&mut self.events),
            Message::Taken(number) => self.settled(number, Event::Sent),
            Message::Left(number) => self.settled(number, Event::Left),
            Message::Refused(number, reason) => {
                self.settled(number, |transfer| Event::Refused { transfer, reason });
            }
        }
        Ok(())
    }

    /// The other side answered for a bundle of ours, perhaps before it has all of it.
    fn settled(&mut self, number: u64, event: impl FnOnce(u64) -> Event) {
        match self.sending.settled(number, &mut self.output) {
            Some(transfer) => self.events.push_back(event(transfer)),
            None => {
                self.fault = Some(format!("it answered for bundle {number}, which does not await an answer"));
            }
        }
    }

    /// The next event for the agent.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What the other side did wrong without ending the contact.
    pub fn poll_fault(&mut self) -> Option<String> {
        self.fault.take()
    }

    /// Whether something of the agent's can be taken.
    pub fn takes_outgoing(&self, lane: Lane) -> bool {
        self.is_open && self.output.len() < OUTPUT_MAX && self.sending.takes(lane)
    }

    /// Takes something of the agent's.
    pub fn take(&mut self, lane: Lane, outgoing: Outgoing) {
        if let Some(refused) = self.sending.take(lane, outgoing, &mut self.output) {
            self.events.push_back(refused);
        }
    }

    /// The agent decided about a bundle that came.
    pub fn decide(&mut self, control: Control) {
        self.receiving.decide(control, &mut self.output);
    }

    /// From now on no bundle of ours begins.
    pub fn begin_no_more(&mut self) {
        self.sending.begin_no_more();
    }

    /// Whether no bundle of ours has begun that is not complete.
    pub fn is_between(&self) -> bool {
        self.sending.is_between()
    }

    /// What to write next.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// So many octets were written.
    pub fn written(&mut self, octets: usize) {
        self.output.advance(octets);
    }

    /// Nothing more will come.
    pub fn ended(&mut self) {
        self.receiving.broken(&mut self.events);
    }
}
