//! Two engines and the links between them, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::RefusalReason;
use ltp::{Engine, Event, Options};

use crate::dice::Dice;

/// A link in one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// Octets a second.
    pub(crate) rate: u64,
    pub(crate) delay: Duration,
    /// Segments of a thousand that are lost.
    pub(crate) loss: u64,
    /// Of a thousand, those that arrive twice.
    pub(crate) doubled: u64,
    /// Of a thousand, those that are held up and overtaken.
    pub(crate) held_up: u64,
    /// Of a thousand, those of which an octet is changed.
    pub(crate) corrupted: u64,
}

impl Link {
    /// 10 Mbit/s, 100 ms one way.
    pub(crate) fn clean() -> Self {
        let delay = Duration::from_millis(100);
        Self { rate: 1_250_000, delay, loss: 0, doubled: 0, held_up: 0, corrupted: 0 }
    }

    pub(crate) fn losing(loss: u64) -> Self {
        Self { loss, ..Self::clean() }
    }
}

/// One node: its engine, and an agent that sends and receives.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) link: Link,
    /// When the link is free for the next segment.
    free_at: Instant,
    /// Blocks to send: number, octets, whether it is urgent.
    pub(crate) to_send: VecDeque<(u64, Bytes, bool)>,
    /// Blocks that are being handed down.
    sending: VecDeque<(u64, Bytes)>,
    pub(crate) sent: Vec<(u64, Duration)>,
    pub(crate) refused: Vec<u64>,
    /// Blocks that arrive.
    arriving: BTreeMap<u64, Vec<u8>>,
    /// Blocks that arrived, in that order, and when.
    pub(crate) received: Vec<(Vec<u8>, Duration)>,
    /// Blocks that are being stored, until when.
    storing: VecDeque<(Instant, u64)>,
    pub(crate) store_delay: Duration,
    /// Octets a second that the agent takes.
    pub(crate) takes: u64,
    /// Until when it is busy with what it took.
    busy_until: Option<Instant>,
    /// Of a thousand received blocks, those that are refused.
    pub(crate) refuses: u64,
    dice: Dice,
    pub(crate) transmitted: u64,
}

impl Node {
    fn new(options: Options, link: Link, seed: u64, now: Instant) -> Self {
        Self {
            engine: Engine::new(options, seed).expect("valid options"),
            link,
            free_at: now,
            to_send: VecDeque::new(),
            sending: VecDeque::new(),
            sent: Vec::new(),
            refused: Vec::new(),
            arriving: BTreeMap::new(),
            received: Vec::new(),
            storing: VecDeque::new(),
            store_delay: Duration::from_millis(5),
            takes: u64::MAX,
            busy_until: None,
            refuses: 0,
            dice: Dice::new(seed),
            transmitted: 0,
        }
    }

    pub(crate) fn send(&mut self, transfer: u64, octets: Vec<u8>) {
        self.to_send.push_back((transfer, octets.into(), false));
    }

    /// The agent hands down what there is room for.
    fn feed(&mut self) {
        while self.engine.takes_transfer() && self.engine.room() > 0 && self.sending.len() < 2 {
            let Some((transfer, octets, urgent)) = self.to_send.pop_front() else { break };
            self.engine.send_begin(transfer, octets.len() as u64, urgent);
            self.sending.push_back((transfer, octets));
        }
        while let Some((transfer, octets)) = self.sending.front_mut() {
            if octets.is_empty() {
                self.sending.pop_front();
                return self.feed();
            }
            if self.engine.room() == 0 {
                break;
            }
            let piece = octets.split_to(octets.len().min(16 * 1024));
            self.engine.send_octets(*transfer, piece);
        }
    }

    /// The agent takes events.
    fn listen(&mut self, now: Instant, since: Duration) {
        self.busy_until = self.busy_until.filter(|until| *until > now);
        while self.busy_until.is_none()
            && let Some(event) = self.engine.poll_event()
        {
            match event {
                Event::Receiving { transfer, .. } => {
                    assert!(self.arriving.insert(transfer, Vec::new()).is_none(), "{transfer} began twice");
                }
                Event::Octets { transfer, octets } => {
                    let took = octets.len() as u64 * 1_000_000_000 / self.takes;
                    self.busy_until = Some(now + Duration::from_nanos(took)).filter(|until| *until > now);
                    self.arriving.get_mut(&transfer).expect("it began").extend_from_slice(&octets);
                }
                Event::Received { transfer } => {
                    let octets = self.arriving.remove(&transfer).expect("it began");
                    if self.dice.in_thousand(self.refuses) {
                        self.engine.refuse(transfer, RefusalReason::NoResources);
                        continue;
                    }
                    self.received.push((octets, since));
                    self.storing.push_back((now + self.store_delay, transfer));
                }
                Event::Broken { transfer } => drop(self.arriving.remove(&transfer)),
                Event::Sent { transfer } => self.sent.push((transfer, since)),
                Event::Refused { transfer, .. } => self.refused.push(transfer),
            }
        }
        while self.storing.front().is_some_and(|(at, _)| *at <= now) {
            let (_, transfer) = self.storing.pop_front().expect("it was there");
            self.engine.accept(transfer);
        }
    }

    fn next(&self) -> Option<Instant> {
        let link = self.engine.has_segment().then_some(self.free_at);
        let stored = self.storing.front().map(|(at, _)| *at);
        [link, stored, self.busy_until, self.engine.poll_timeout()].into_iter().flatten().min()
    }
}

/// Both nodes, and what is under way between them.
pub(crate) struct World {
    pub(crate) nodes: [Node; 2],
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) dice: Dice,
    /// By arrival, and then by number; to which node.
    flying: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    count: u64,
}

impl World {
    pub(crate) fn new(seed: u64, links: [Link; 2]) -> Self {
        Self::with(seed, links, |_| {})
    }

    pub(crate) fn with(seed: u64, links: [Link; 2], change: impl Fn(&mut Options)) -> Self {
        let now = Instant::now();
        let node = |own: u64, other: u64, link: Link| {
            let mut options = Options::new(own, other);
            change(&mut options);
            Node::new(options, link, seed ^ own, now)
        };
        let nodes = [node(10, 20, links[0]), node(20, 10, links[1])];
        Self { nodes, start: now, now, dice: Dice::new(seed), flying: BTreeMap::new(), count: 0 }
    }

    /// A node begins anew, as one whose process was started again.
    pub(crate) fn forget(&mut self, which: usize) {
        let (own, other) = if which == 0 { (10, 20) } else { (20, 10) };
        let node = &self.nodes[which];
        self.nodes[which] = Node::new(Options::new(own, other), node.link, own, self.now);
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// What can happen now, happens.
    fn act(&mut self) {
        let since = self.elapsed();
        while let Some(((at, number), _)) = self.flying.first_key_value() {
            if *at > self.now {
                break;
            }
            let key = (*at, *number);
            let (to, segment) = self.flying.remove(&key).expect("it was there");
            self.nodes[to].engine.handle_segments(self.now, &segment);
            self.nodes[to].listen(self.now, since);
        }
        for at in 0..2 {
            self.nodes[at].engine.handle_timeout(self.now);
            self.nodes[at].listen(self.now, since);
            self.nodes[at].feed();
            self.transmit(at);
        }
    }

    fn transmit(&mut self, from: usize) {
        let mut segment = Vec::new();
        while self.nodes[from].free_at <= self.now {
            let node = &mut self.nodes[from];
            if !node.engine.poll_transmit(self.now, &mut segment) {
                break;
            }
            node.transmitted += segment.len() as u64;
            let link = node.link;
            let octets = segment.len() as u64 + 28;
            node.free_at = self.now + Duration::from_nanos(octets * 1_000_000_000 / link.rate);
            let arrival = node.free_at + link.delay;
            node.feed();
            self.fly(link, arrival, 1 - from, &segment);
        }
    }

    fn fly(&mut self, link: Link, arrival: Instant, to: usize, segment: &[u8]) {
        let copies = if self.dice.in_thousand(link.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            if self.dice.in_thousand(link.loss) {
                continue;
            }
            let held_up = if self.dice.in_thousand(link.held_up) { self.dice.below(300) } else { 0 };
            let mut octets = segment.to_vec();
            if self.dice.in_thousand(link.corrupted) {
                let place = self.dice.below(octets.len() as u64) as usize;
                octets[place] ^= 1 << self.dice.below(8);
            }
            self.count += 1;
            let at = arrival + Duration::from_millis(held_up);
            self.flying.insert((at, self.count), (to, octets));
        }
    }

    /// The contact is down for so long: what flies is lost.
    pub(crate) fn interrupt(&mut self, time: Duration) {
        for node in &mut self.nodes {
            node.engine.suspend(self.now);
        }
        self.flying.clear();
        self.now += time;
        for node in &mut self.nodes {
            node.engine.resume(self.now);
        }
    }

    fn next(&self) -> Option<Instant> {
        let flying = self.flying.first_key_value().map(|((at, _), _)| *at);
        let nodes = self.nodes.iter().filter_map(Node::next).min();
        [flying, nodes].into_iter().flatten().min()
    }

    /// Runs until nothing is left to happen, or for so long.
    pub(crate) fn run(&mut self, most: Duration) {
        loop {
            self.act();
            let Some(next) = self.next() else { return };
            if next - self.start > most {
                self.now = self.start + most;
                return;
            }
            assert!(next >= self.now || self.count > 0, "time stands still");
            self.now = self.now.max(next);
        }
    }

    /// Runs until both have sent and been told of everything.
    pub(crate) fn run_out(&mut self) {
        self.run(Duration::from_secs(48 * 3_600));
    }
}

/// A block of which every part is different.
pub(crate) fn block(number: u64, length: usize) -> Vec<u8> {
    let mut dice = Dice::new(number + 1);
    (0..length.div_ceil(8)).flat_map(|_| dice.any().to_be_bytes()).take(length).collect()
}
