//! Two contacts and a path between them, in virtual time: a queue that drains at a rate, a delay, and loss by dice.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::reno::{MISSED_AFTER, Reno, SEGMENT};
use bytes::Bytes;
use convergence_layer::{Control, Event, Outgoing, TransferId};
use udpcl::opening::{Wish, wish};
use udpcl::{Contact, Cookies, Engines, Lane, LinkOptions, Options, Terms};

/// What lies between two nodes, the same in both directions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub(crate) octets_per_second: f64,
    pub(crate) delay: Duration,
    pub(crate) loss: f64,
    /// Octets that wait before more are dropped.
    pub(crate) queue: f64,
}

pub(crate) const FAST: Path =
    Path { octets_per_second: 1e9, delay: Duration::from_millis(5), loss: 0.0, queue: 1e9 };

/// One node.
pub(crate) struct Side {
    pub(crate) contact: Option<Contact>,
    terms: Terms,
    pub(crate) events: Vec<Event>,
    pub(crate) bundles: Vec<Vec<u8>>,
    arriving: Option<(TransferId, Vec<u8>)>,
    to_send: VecDeque<(TransferId, Bytes)>,
    next: TransferId,
    /// When the last datagram has left the queue.
    drained: Instant,
    pub(crate) sent_octets: usize,
    on_the_way: BTreeMap<(Instant, u64), Vec<u8>>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) path: Path,
    pub(crate) sides: [Side; 2],
    /// Flows of TCP from the first side to the second.
    pub(crate) flows: Vec<Reno>,
    /// Whether nothing arrives at the first side.
    pub(crate) is_one_way: bool,
    count: u64,
    dice: u64,
}

pub(crate) fn address(side: usize) -> SocketAddr {
    ([192, 0, 2, u8::try_from(side).unwrap()], 4556).into()
}

fn side(which: usize, now: Instant, link: LinkOptions) -> Side {
    let terms = Terms {
        options: Arc::new(Options::new(format!("dtn://{which}/"))),
        link,
        cookies: Arc::new(Cookies::new([7; 32], now)),
        address: address(1 - which),
        token: 100 + which as u64,
        seed: 5,
    };
    Side {
        contact: None,
        terms,
        events: Vec::new(),
        bundles: Vec::new(),
        arriving: None,
        to_send: VecDeque::new(),
        next: 0,
        drained: now,
        sent_octets: 0,
        on_the_way: BTreeMap::new(),
    }
}

impl World {
    pub(crate) fn new(path: Path) -> Self {
        Self::with(path, LinkOptions::default())
    }

    pub(crate) fn with(path: Path, link: LinkOptions) -> Self {
        let now = Instant::now();
        Self {
            now,
            path,
            sides: [side(0, now, link), side(1, now, link)],
            flows: Vec::new(),
            is_one_way: false,
            count: 0,
            dice: 9,
        }
    }

    pub(crate) fn dial(&mut self, which: usize) {
        let side = &mut self.sides[which];
        side.contact = Some(Contact::dialling(side.terms.clone(), self.now));
    }

    /// The first side, engine 4 or another, dials the second by bare LTP, which has not heard of it.
    pub(crate) fn bare(&mut self, theirs: u64, ours: u64) {
        let link = |ours, theirs| LinkOptions {
            rate: Some(1_000_000),
            engines: Some(Engines { ours, theirs }),
            ..LinkOptions::default()
        };
        self.sides[0].terms.link = link(ours, Some(theirs));
        // That a listener names an engine makes nobody a peer.
        self.sides[1].terms.link = link(theirs, Some(ours));
        self.dial(0);
        let terms = self.sides[1].terms.clone();
        self.sides[1].contact = Some(Contact::heard_bare(terms, theirs, ours, self.now));
    }

    /// A side forgets all, as a process that is started anew.
    pub(crate) fn restart(&mut self, which: usize, token: u64) {
        self.sides[which].contact = None;
        self.sides[which].arriving = None;
        self.sides[which].terms.token = token;
    }

    pub(crate) fn send(&mut self, which: usize, bundle: Vec<u8>) {
        let side = &mut self.sides[which];
        side.to_send.push_back((side.next, Bytes::from(bundle)));
        side.next += 1;
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.run_until(until, |_| false);
    }

    /// Runs until something is so; panics where it does not come about in time.
    pub(crate) fn until(&mut self, time: Duration, what: &str, is_so: impl Fn(&Self) -> bool) {
        let until = self.now + time;
        assert!(self.run_until(until, is_so), "it never came about that {what}");
    }

    fn run_until(&mut self, until: Instant, is_so: impl Fn(&Self) -> bool) -> bool {
        loop {
            for which in [0, 1] {
                self.turn(which);
            }
            self.turn_of_flows();
            if is_so(self) {
                return true;
            }
            let sides = self.sides.iter().filter_map(Side::next);
            let flows = self.flows.iter().filter_map(Reno::next);
            let next = sides.chain(flows).min().unwrap_or(until).max(self.now + Duration::from_micros(10));
            if next >= until {
                self.now = until;
                return false;
            }
            self.now = next;
        }
    }

    fn turn(&mut self, which: usize) {
        let now = self.now;
        let arrived = {
            let on_the_way = &mut self.sides[which].on_the_way;
            let later = on_the_way.split_off(&(now + Duration::from_nanos(1), 0));
            std::mem::replace(on_the_way, later)
        };
        for datagram in arrived.into_values() {
            self.arrive(which, &datagram);
        }
        let side = &mut self.sides[which];
        let Some(mut contact) = side.contact.take() else { return };
        if contact.poll_timeout().is_some_and(|at| at <= now) {
            contact.handle_timeout(now);
        }
        side.hear(&mut contact, now);
        side.speak(&mut contact);
        let mut datagram = Vec::new();
        while contact.poll_datagram(now, &mut datagram) {
            self.transmit(which, datagram.clone());
        }
        let side = &mut self.sides[which];
        side.hear(&mut contact, now);
        side.contact = (!contact.is_over()).then_some(contact);
    }

    fn arrive(&mut self, which: usize, datagram: &[u8]) {
        let (now, from) = (self.now, address(1 - which));
        if let Some(contact) = &mut self.sides[which].contact {
            return contact.handle_datagram(now, datagram);
        }
        let terms = self.sides[which].terms.clone();
        match wish(now, from, datagram, &terms.cookies, terms.options.private_id) {
            Wish::Contact { them, mru, node_id } => {
                let contact = Contact::answering(terms, them, mru, node_id.as_deref(), now);
                self.sides[which].contact = Some(contact);
            }
            Wish::Answer(answer) => {
                assert!(answer.len() <= datagram.len(), "nobody is answered more than was asked");
                self.transmit(which, answer);
            }
            Wish::Bundles | Wish::Nothing(_) => {}
        }
    }

    fn transmit(&mut self, from: usize, datagram: Vec<u8>) {
        self.sides[from].sent_octets += datagram.len();
        if let (at, true) = self.pass(from, datagram.len() + 28)
            && !(self.is_one_way && from == 1)
        {
            self.count += 1;
            self.sides[1 - from].on_the_way.insert((at, self.count), datagram);
        }
    }

    /// When a packet arrives, or would have, and whether it does.
    fn pass(&mut self, from: usize, octets: usize) -> (Instant, bool) {
        let side = &mut self.sides[from];
        let octets = octets as f64;
        let waits = side.drained.max(self.now) - self.now;
        if waits.as_secs_f64() * self.path.octets_per_second + octets > self.path.queue {
            return (side.drained + self.path.delay, false);
        }
        side.drained = self.now + waits + Duration::from_secs_f64(octets / self.path.octets_per_second);
        let at = side.drained + self.path.delay;
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (at, ((self.dice >> 11) as f64 / (1_u64 << 53) as f64) >= self.path.loss)
    }

    fn turn_of_flows(&mut self) {
        let mut flows = std::mem::take(&mut self.flows);
        for flow in &mut flows {
            flow.learn(self.now);
            while flow.may_send() {
                let (at, arrives) = self.pass(0, SEGMENT);
                let missed = if arrives { Duration::ZERO } else { MISSED_AFTER };
                self.count += 1;
                flow.sent(self.now, self.count, arrives, at + self.path.delay + missed);
            }
        }
        self.flows = flows;
    }
}

impl Side {
    fn next(&self) -> Option<Instant> {
        let arrival = self.on_the_way.keys().next().map(|(at, _)| *at);
        let due = self.contact.as_ref().and_then(Contact::poll_timeout);
        arrival.into_iter().chain(due).min()
    }

    fn hear(&mut self, contact: &mut Contact, now: Instant) {
        while let Some(event) = contact.poll_event() {
            match &event {
                Event::Receiving { transfer, .. } => self.arriving = Some((*transfer, Vec::new())),
                Event::Octets(octets) => {
                    if let Some((_, bundle)) = &mut self.arriving {
                        bundle.extend_from_slice(octets);
                    }
                }
                Event::Received => {
                    let (transfer, bundle) = self.arriving.take().unwrap();
                    self.bundles.push(bundle);
                    contact.decide(now, Control::Accept(transfer));
                }
                _ => {}
            }
            if !matches!(event, Event::Octets(_)) {
                self.events.push(event);
            }
        }
    }

    fn speak(&mut self, contact: &mut Contact) {
        while contact.takes(Lane::Ordinary) {
            let Some((transfer, bundle)) = self.to_send.pop_front() else { return };
            contact.take(Outgoing::Begin { transfer, length: bundle.len() as u64 }, Lane::Ordinary);
            contact.take(Outgoing::Octets(bundle), Lane::Ordinary);
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.contact.as_ref().is_some_and(Contact::is_open)
    }

    pub(crate) fn count(&self, is_it: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is_it(event)).count()
    }
}
