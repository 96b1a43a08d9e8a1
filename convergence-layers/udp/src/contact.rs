//! One contact without sockets, clocks or tasks: from the first question until silence or a farewell.
//!
//! The caller's contract, in four kinds of methods:
//! - *inputs* say what happened: [`Contact::handle_datagram`], [`Contact::take`], [`Contact::decide`],
//!   [`Contact::link_dropped`], [`Contact::handle_timeout`];
//! - *outputs*: [`Contact::poll_event`] when the agent has room, [`Contact::poll_datagram`] when the socket has, which counts
//!   as sent at that moment;
//! - *questions*: [`Contact::takes`], [`Contact::has_event`], [`Contact::poll_timeout`];
//! - the *end*: [`Contact::is_over`].
//!
//! Memory is bounded by the options of LTP and by [`crate::reassembly::Bounds`], whatever the neighbor sends.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use convergence_layer::{Control, Event, Outgoing, TransferId};
use ltp::Engine;

use crate::account::Account;
use crate::bare;
use crate::cookies::Cookies;
use crate::message::Message;
use crate::opening::Asking;
use crate::options::{BLIND_RATE, Engines, LinkOptions, Options};
use crate::pace::Pace;
use crate::packet::Packet;
use crate::plain::Plain;
use crate::saying::{SEGMENTS_OVERHEAD, Saying};
use crate::sending::{Lane, Sending};

/// Datagrams that answer something and wait to be sent: the neighbor asks again.
const ANSWERS_MAX: usize = 8;
/// How long a contact that we close may take to finish what is under way.
const FAREWELL: Duration = Duration::from_secs(5);
/// Numbers of bundles that come without LTP begin here, far above those of LTP.
const FIRST_PLAIN: TransferId = 1 << 62;

/// What the contacts of one socket share, and what one has for itself.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Of the node.
    pub options: Arc<Options>,
    /// Of the link.
    pub link: LinkOptions,
    /// Of the socket.
    pub cookies: Arc<Cookies>,
    /// Where the neighbor is.
    pub address: SocketAddr,
    /// A random number: ours within the contact.
    pub token: u64,
    /// Another one.
    pub seed: u64,
}

/// One contact.
#[derive(Debug)]
pub struct Contact {
    pub(crate) terms: Terms,
    /// The neighbor's token, once it speaks as packmule does.
    pub(crate) them: Option<u64>,
    pub(crate) phase: Phase,
    pub(crate) engine: Option<Box<Engine>>,
    pub(crate) plain: Plain,
    pub(crate) next_plain: TransferId,
    pub(crate) sending: Sending,
    pub(crate) pace: Pace,
    pub(crate) account: Account,
    pub(crate) answers: VecDeque<Vec<u8>>,
    /// A segment that did not fit into the datagram before.
    pub(crate) waiting: Vec<u8>,
    pub(crate) events: VecDeque<Event>,
    /// The block that the engine is handing up, during which no other bundle may begin.
    pub(crate) delivering: Option<TransferId>,
    /// Transfers that the agent has to decide about.
    pub(crate) undecided: usize,
    pub(crate) heard: Instant,
    pub(crate) said: Instant,
    pub(crate) is_down: bool,
    /// Octets that may go to a stranger on bare LTP, as many as came from it, until it has shown that it receives them.
    pub(crate) allowance: Option<usize>,
    /// Whether the neighbor began, over bare LTP.
    pub(crate) is_strangers: bool,
    pub(crate) faults: VecDeque<String>,
}

/// How far the contact is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The neighbor has not been heard.
    Asking(Asking),
    /// Bundles may go.
    Open,
    /// We want to end, at this time at the latest.
    Ending(Instant),
    /// Nothing is done any more.
    Over,
}

impl Contact {
    pub(crate) fn new(terms: Terms, phase: Phase, now: Instant) -> Self {
        Self {
            them: None,
            phase,
            engine: None,
            plain: Plain::new(terms.options.bounds),
            next_plain: FIRST_PLAIN,
            sending: Sending::new(terms.link),
            pace: Pace::new(now, terms.link.rate),
            account: Account::default(),
            answers: VecDeque::new(),
            waiting: Vec::new(),
            events: VecDeque::new(),
            delivering: None,
            undecided: 0,
            heard: now,
            said: now,
            is_down: false,
            allowance: None,
            is_strangers: false,
            faults: VecDeque::new(),
            terms,
        }
    }

    /// A contact that we open.
    pub fn dialling(terms: Terms, now: Instant) -> Self {
        let phase = Phase::Asking(Asking::new(now, &terms.options));
        let mut contact = Self::new(terms, phase, now);
        if let Some(Engines { ours, theirs: Some(theirs) }) = contact.terms.link.engines {
            contact.open_bare(ours, theirs);
        } else if contact.terms.link.is_plain {
            contact.open_plain(None);
        }
        contact
    }

    pub(crate) fn begin_engine(&mut self, ours: u64, theirs: u64, segment_max: usize) -> bool {
        let block_max = self.terms.options.transfer_mru;
        let usual = ltp::Options::new(ours, theirs);
        // A stranger shows by them that it receives.
        let first_serial_max =
            if self.is_strangers { bare::STRANGERS_SERIAL_MAX } else { usual.first_serial_max };
        let options = ltp::Options { segment_max, block_max, first_serial_max, ..usual };
        match Engine::new(options, self.terms.seed) {
            Ok(engine) => self.engine = Some(Box::new(engine)),
            Err(error) => self.end(error.to_string()),
        }
        self.engine.is_some()
    }

    /// A contact that a neighbor opens, which has proved to be where it says it is.
    pub fn answering(terms: Terms, them: u64, mru: u64, node_id: Option<&str>, now: Instant) -> Self {
        let mut contact = Self::new(terms, Phase::Open, now);
        contact.open_to(them, mru, node_id);
        contact.say_answer();
        contact
    }

    /// The neighbor takes bundles by LTP.
    pub(crate) fn open_to(&mut self, them: u64, mru: u64, node_id: Option<&str>) {
        // Two tokens are equal once in an age; the contact then fails, and others follow.
        let (ours, theirs) = if self.terms.token < them { (1, 2) } else { (2, 1) };
        if self.begin_engine(ours, theirs, self.terms.link.mtu - SEGMENTS_OVERHEAD) {
            self.them = Some(them);
            self.open(node_id, mru);
        }
    }

    /// The neighbor takes bare bundles that fit a datagram.
    pub(crate) fn open_plain(&mut self, node_id: Option<&str>) {
        let rate = self.terms.link.rate.unwrap_or(BLIND_RATE);
        self.pace = Pace::blind(self.said, rate);
        self.open(node_id, self.terms.link.mtu as u64);
    }

    pub(crate) fn open(&mut self, node_id: Option<&str>, transfer_mru: u64) {
        self.phase = Phase::Open;
        self.events.push_back(Event::Opened {
            node_id: node_id.map(str::to_owned),
            transfer_mru,
            octets_per_second: self.terms.link.rate,
        });
    }

    /// A datagram came from the neighbor's address.
    pub fn handle_datagram(&mut self, now: Instant, octets: &[u8]) {
        if self.terms.link.engines.is_some() {
            return self.handle_bare(now, octets);
        }
        match Packet::of(octets) {
            _ if self.is_over() => {}
            Packet::Bundle(bundle) => {
                self.heard_plain(now, None);
                self.plain.bundle(bundle);
            }
            Packet::Keepalive => self.heard_plain(now, None),
            Packet::Messages(messages) => {
                for message in messages {
                    match message {
                        Ok(message) => self.handle_message(now, &message, octets.len()),
                        Err(fault) => self.fault(&fault.to_string()),
                    }
                }
            }
            Packet::Dtls => self.fault("the neighbor wants DTLS, which is not spoken here"),
            Packet::OldBundle => self.fault("the neighbor sent a bundle of version 6"),
            Packet::Empty | Packet::Padding => {}
            Packet::Unused(_) => self.fault("the neighbor sent what is no UDPCL"),
        }
    }

    fn handle_message(&mut self, now: Instant, message: &Message<'_>, length: usize) {
        if let Some(saying) = Saying::of(message, self.terms.options.private_id) {
            return self.handle_saying(now, &saying, message.node_id);
        }
        if message.starts_dtls {
            return self.fault("the neighbor wants DTLS, which is not spoken here");
        }
        self.heard_plain(now, message.node_id);
        if let Some(transfer) = &message.transfer
            && let Some(why) = self.plain.piece(now, self.terms.address, transfer)
        {
            self.fault(why);
        }
        if let Some(answer) = crate::opening::confirmation(message, length) {
            self.answer(answer);
        }
    }

    /// The neighbor was heard, without a token. That keeps a contact with other makes, and none with packmule: addresses
    /// can be forged.
    fn heard_plain(&mut self, now: Instant, node_id: Option<&str>) {
        if self.them.is_some() {
            return;
        }
        self.heard(now);
        if matches!(self.phase, Phase::Asking(_)) {
            self.open_plain(node_id);
        }
    }

    /// The neighbor was heard, and is who it was.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
        if self.is_down {
            self.is_down = false;
            if let Some(engine) = &mut self.engine {
                engine.resume(now);
            }
        }
    }

    pub(crate) fn answer(&mut self, datagram: Vec<u8>) {
        if self.answers.len() < ANSWERS_MAX {
            self.answers.push_back(datagram);
        }
    }

    /// Segments of LTP arrived.
    pub(crate) fn handle_segments(&mut self, now: Instant, number: u64, segments: &[u8]) {
        self.account.arrived(now, number, segments.len());
        if let Some(engine) = &mut self.engine {
            engine.handle_segments(now, segments);
        }
    }

    /// Whether the next [`Outgoing`] of a lane can be taken now.
    pub fn takes(&self, lane: Lane) -> bool {
        let is_open = matches!(self.phase, Phase::Open)
            || matches!(self.phase, Phase::Ending(_)) && self.sending.is_within(lane);
        // Bundles of ours would use up what a stranger may be answered with, and it would never acknowledge anything.
        let is_known_to_receive = self.allowance.is_none();
        is_open && is_known_to_receive && !self.is_down && self.sending.takes(lane, self.engine.as_deref())
    }

    /// Takes what the agent sends; only if [`Contact::takes`] says so.
    pub fn take(&mut self, outgoing: Outgoing, lane: Lane) {
        if let Some(event) = self.sending.take(outgoing, lane, self.engine.as_deref_mut()) {
            if matches!(event, Event::Refused { .. }) {
                self.fault("a bundle is too large for a datagram, and the neighbor has not said that it takes others");
            }
            self.events.push_back(event);
        }
    }

    /// Takes a decision of the agent.
    pub fn decide(&mut self, now: Instant, control: Control) {
        match control {
            Control::Accept(transfer) => {
                self.undecided = self.undecided.saturating_sub(1);
                if let Some(engine) = self.engine.as_deref_mut().filter(|_| transfer < FIRST_PLAIN) {
                    engine.accept(transfer);
                }
            }
            Control::Refuse(transfer, reason) => {
                if self.delivering == Some(transfer) {
                    self.delivering = None;
                } else {
                    self.undecided = self.undecided.saturating_sub(1);
                }
                if let Some(engine) = self.engine.as_deref_mut().filter(|_| transfer < FIRST_PLAIN) {
                    engine.refuse(transfer, reason);
                }
            }
            Control::Close(_) => {
                if !matches!(self.phase, Phase::Ending(_) | Phase::Over) {
                    self.phase = Phase::Ending(now + FAREWELL);
                }
            }
        }
        self.end_if_done(now);
    }

    /// The agent dropped its end.
    pub fn link_dropped(&mut self) {
        self.farewell("the contact was dropped");
    }

    pub(crate) fn end_if_done(&mut self, now: Instant) {
        let Phase::Ending(until) = self.phase else { return };
        let is_done = self.sending.is_idle() && self.undecided == 0 && self.delivering.is_none();
        if is_done || now >= until {
            self.farewell("the contact was closed");
        }
    }

    fn farewell(&mut self, why: &str) {
        if let Some(to) = self.them.filter(|_| !self.is_over()) {
            let mut bye = Vec::new();
            Saying::Bye { to }.say(self.terms.options.private_id, &mut bye);
            self.answers.push_back(bye);
        }
        self.end(why.to_owned());
    }

    pub(crate) fn end(&mut self, reason: String) {
        if !self.is_over() {
            self.phase = Phase::Over;
            if self.delivering.is_some() {
                self.events.push_back(Event::Broken);
            }
            self.events.push_back(Event::Closed { reason });
        }
    }

    /// Whether the contact is over; what [`Contact::poll_datagram`] and [`Contact::poll_event`] still have is the last.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether bundles may go.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// The smoothed round trip.
    pub fn round_trip(&self) -> Option<Duration> {
        self.pace.round_trip()
    }

    /// Octets of bundles that were sent again because they were lost.
    pub fn octets_again(&self) -> u64 {
        self.engine.as_ref().map_or(0, |engine| engine.counters().octets_sent_again)
    }

    pub(crate) fn expire_plain(&mut self, now: Instant) {
        self.plain.expire(now);
    }

    pub(crate) fn plain_deadline(&self) -> Option<Instant> {
        self.plain.deadline()
    }
}
