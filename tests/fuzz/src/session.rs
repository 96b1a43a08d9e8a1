//! A TCPCLv4 session that hears arbitrary octets from its neighbor (RFC 9174 §3 to §6).

use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use convergence_layer::{CloseReason, Control, Event, Outgoing, RefusalReason};
use tcpcl::Options;
use tcpcl::negotiation::Role;
use tcpcl::session::{EVENTS_MAX, OUTBOX_MAX, Session};

use crate::message::conversation;
use crate::{Dice, Octets};

/// One message makes at most three events.
const EVENTS_OVER_MAX: usize = 3;
/// What one step may add to an outbox that is just not full: a segment of ours, and answers.
const OUTBOX_OVER_MAX: usize = 128 * 1024;
/// What a session may leave in its buffer although it takes octets: one message without its data.
const UNREAD_MAX: usize = 100 * 1024;
/// Transfers that may be undecided.
const UNANSWERED_MAX: usize = 4;

/// Whatever a neighbor says, and however it comes in pieces, a session keeps its memory bounds, tells the agent of
/// transfers in their order, and comes to an end. The first two octets are the seed of the dice that cut the rest
/// into pieces and decide as the agent.
pub fn session(octets: &[u8]) {
    let Some((seed, wire)) = octets.split_first_chunk() else { return };
    let mut run = Run::new(u64::from(u16::from_be_bytes(*seed)));
    let mut rest = wire;
    while !rest.is_empty() && !run.session.is_over() {
        let length = rest.len().min(1 + run.dice.below(1_000));
        let (piece, after) = rest.split_at(length);
        rest = after;
        run.hear(piece);
        run.act();
    }
    run.end();
}

struct Run {
    session: Session,
    dice: Dice,
    now: Instant,
    /// Octets that the session has not taken.
    input: BytesMut,
    heard: usize,
    told: Told,
    /// The transfers that the agent has not decided about.
    undecided: Vec<u64>,
    /// Whether the agent still holds its end.
    holds_link: bool,
    /// Number and octets left of the bundle that the agent sends.
    sending: Option<(u64, usize)>,
    sent: u64,
}

/// What the agent was told.
#[derive(Default)]
struct Told {
    opened: bool,
    closed: bool,
    /// The transfer that began and was neither received, nor broken, nor refused.
    receiving: Option<u64>,
    octets: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let role = if dice.below(2) == 0 { Role::Active } else { Role::Passive };
        let options =
            Options { unanswered_max: UNANSWERED_MAX, unacknowledged_max: 4, ..Options::new("dtn://us/") };
        let now = Instant::now();
        let session = Session::new(role, Arc::new(options), now).expect("these options are valid");
        let (input, told) = (BytesMut::new(), Told::default());
        Self {
            session,
            dice,
            now,
            input,
            heard: 0,
            told,
            undecided: Vec::new(),
            holds_link: true,
            sending: None,
            sent: 0,
        }
    }

    /// The neighbor's octets arrive, and those that wait are offered again.
    fn hear(&mut self, piece: &[u8]) {
        self.heard += piece.len();
        self.input.extend_from_slice(piece);
        // Each turn takes an octet at least, or stops: this ends.
        loop {
            let before = self.input.len();
            self.session.receive(self.now, &mut self.input);
            self.listen();
            if self.input.len() == before {
                break;
            }
        }
        let is_stuck = self.session.takes_octets() && self.input.len() > UNREAD_MAX;
        assert!(!is_stuck, "{} octets are left, and more are asked for", self.input.len());
    }

    /// Takes the events, and checks their number and order.
    fn listen(&mut self) {
        let mut events = 0;
        while let Some(event) = self.session.poll_event() {
            events += 1;
            assert!(self.holds_link, "{event:?} for nobody");
            self.told.event(&event);
            match event {
                Event::Receiving { transfer, .. } => self.undecided.push(transfer),
                Event::Broken => drop(self.undecided.pop()),
                _ => {}
            }
        }
        assert!(events <= EVENTS_MAX + EVENTS_OVER_MAX, "{events} events wait");
        assert!(self.told.octets <= self.heard, "more octets were told than heard");
        let waiting = self.session.waiting();
        assert!(waiting <= OUTBOX_MAX + OUTBOX_OVER_MAX, "{waiting} octets wait to be written");
    }

    /// The agent decides, sends, and lets time pass, as the dice have it.
    fn act(&mut self) {
        match self.dice.below(8) {
            0 | 1 if self.holds_link => self.decide(),
            2 if self.holds_link => self.send(),
            3 => {
                let left = self.session.waiting();
                let octets = if left == 0 { 0 } else { 1 + self.dice.below(left) };
                self.write(octets);
            }
            4 => {
                let seconds = self.dice.octet() % 8;
                self.pass_time(Duration::from_secs(seconds.into()));
            }
            5 if self.dice.below(40) == 0 && self.holds_link => {
                self.session.link_dropped(self.now);
                self.holds_link = false;
            }
            6 if self.dice.below(40) == 0 => {
                self.session.decide(self.now, Control::Close(CloseReason::Unknown));
            }
            _ => {}
        }
        self.listen();
    }

    fn decide(&mut self) {
        if self.undecided.is_empty() {
            return;
        }
        let chosen = self.dice.below(self.undecided.len());
        let transfer = self.undecided.remove(chosen);
        // What is still arriving can only be refused.
        let is_refused = self.told.receiving.take_if(|arriving| *arriving == transfer).is_some()
            || self.dice.below(3) == 0;
        let refusal = Control::Refuse(transfer, RefusalReason::NoResources);
        self.session.decide(self.now, if is_refused { refusal } else { Control::Accept(transfer) });
    }

    fn send(&mut self) {
        if !self.session.takes_outgoing() {
            return;
        }
        let (transfer, left) = self.sending.unwrap_or((self.sent, 300));
        if self.sending.is_none() {
            self.session.take(self.now, Outgoing::Begin { transfer, length: 300 });
            self.sent += 1;
        }
        let length = left.min(1 + self.dice.below(300));
        if self.session.takes_outgoing() {
            self.session.take(self.now, Outgoing::Octets(Bytes::from(vec![0xa5; length])));
            self.sending = Some((transfer, left - length)).filter(|(_, left)| *left > 0);
        } else {
            self.sending = Some((transfer, left));
        }
    }

    /// The socket takes some octets.
    fn write(&mut self, octets: usize) {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = self.session.slices(&mut slices);
        let offered: usize = slices.iter().take(filled).map(|slice| slice.len()).sum();
        assert!(offered <= self.session.waiting() && (offered > 0 || self.session.waiting() == 0));
        self.session.written(self.now, octets.min(offered));
    }

    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        if self.session.poll_timeout().is_some_and(|due| due <= self.now) {
            self.session.timeout_reached(self.now);
        }
        self.listen();
    }

    /// The neighbor falls silent: the session ends by its own timers, and then says nothing more.
    fn end(mut self) {
        let mut timeouts = 0;
        while !self.session.is_over() {
            // The agent keeps its side: it decides, and takes what has waited for its decisions.
            while self.holds_link && !self.undecided.is_empty() {
                self.decide();
            }
            self.hear(&[]);
            self.write(usize::MAX);
            let Some(due) = self.session.poll_timeout() else { break };
            self.pass_time(due.saturating_duration_since(self.now));
            timeouts += 1;
            assert!(timeouts < 10_000, "the session does not end");
        }
        self.session.connection_lost("the neighbor is gone");
        self.listen();
        assert!(self.session.is_over());
        assert!(self.told.closed || !self.holds_link, "who holds the link hears of its end");
        self.session.receive(self.now, &mut self.input);
        assert!(!self.session.has_events(), "events follow the last one");
    }
}

impl Told {
    fn event(&mut self, event: &Event) {
        assert!(!self.closed, "{event:?} follows the last event");
        let (is_opening, is_closing) =
            (matches!(event, Event::Opened { .. }), matches!(event, Event::Closed { .. }));
        assert!(self.opened != is_opening || is_closing, "{event:?} comes first, or a second time");
        match event {
            Event::Receiving { transfer, .. } => {
                assert!(self.receiving.is_none(), "{event:?} within another transfer");
                self.receiving = Some(*transfer);
            }
            Event::Octets(octets) => {
                assert!(self.receiving.is_some(), "octets belong to no transfer");
                assert!((1..=64 * 1024).contains(&octets.len()), "{} octets at once", octets.len());
                self.octets += octets.len();
            }
            Event::Received | Event::Broken => {
                assert!(self.receiving.is_some(), "{event:?} without a transfer");
                self.receiving = None;
            }
            _ => {}
        }
        self.opened |= is_opening;
        self.closed |= is_closing;
    }
}

/// Sessions as neighbors hold them, and one that is cut off in the middle.
pub fn session_seeds() -> Vec<Octets> {
    let messages = conversation();
    let whole = messages.concat();
    let half = whole.iter().copied().take(whole.len() / 2).collect::<Octets>();
    (0..8_u16)
        .flat_map(|seed| [&whole, &half].map(|wire| [&seed.to_be_bytes(), wire.as_slice()].concat()))
        .collect()
}
