//! Two ends of a line in virtual time, with wires that take as long as real ones and damage what they carry.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::{Control, Event, Outgoing, TransferId};
use serial::line::{Lane, Line, Local};
use serial::settings::Settings;

/// What the agent of a node hands over at a time.
const PIECE: usize = 16 * 1024;

/// Chance, from a seed (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_in(&mut self, many: u64) -> bool {
        many > 0 && self.next().is_multiple_of(many)
    }
}

/// One direction of a line.
pub(crate) struct Wire {
    pub(crate) is_up: bool,
    /// One octet in so many is damaged, lost or doubled; 0 for none.
    pub(crate) damage: u64,
    nanos_per_octet: u64,
    busy_until: Instant,
    under_way: VecDeque<(Instant, Vec<u8>)>,
    dice: Dice,
    /// When how many octets began to be carried.
    pub(crate) carried: Vec<(Instant, usize)>,
    /// The longest that octets waited before they were carried.
    pub(crate) waited_max: Duration,
}

impl Wire {
    fn new(settings: &Settings, seed: u64, now: Instant) -> Self {
        Self {
            is_up: true,
            damage: 0,
            nanos_per_octet: 10_000_000_000 / u64::from(settings.baud()),
            busy_until: now,
            under_way: VecDeque::new(),
            dice: Dice(seed),
            carried: Vec::new(),
            waited_max: Duration::ZERO,
        }
    }

    fn carry(&mut self, now: Instant, octets: Vec<u8>) {
        self.waited_max = self.waited_max.max(self.busy_until.saturating_duration_since(now));
        let start = self.busy_until.max(now);
        self.busy_until = start + Duration::from_nanos(self.nanos_per_octet * octets.len() as u64);
        self.carried.push((start, octets.len()));
        let damaged = self.damaged(octets);
        if self.is_up {
            self.under_way.push_back((self.busy_until, damaged));
        }
    }

    fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.under_way.front().filter(|(at, _)| *at <= now)?;
        self.under_way.pop_front().map(|(_, octets)| octets)
    }

    fn damaged(&mut self, octets: Vec<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        for octet in octets {
            if !self.dice.one_in(self.damage) {
                out.push(octet);
                continue;
            }
            match self.dice.next() % 3 {
                0 => {}
                1 => out.extend([octet, octet]),
                _ => out.push(octet ^ (1 << (self.dice.next() % 8))),
            }
        }
        out
    }

    pub(crate) fn octets(&self) -> usize {
        self.carried.iter().map(|(_, octets)| octets).sum()
    }
}

/// A node at one end, and its agent.
pub(crate) struct End {
    pub(crate) line: Line,
    settings: Settings,
    name: &'static str,
    seed: u64,
    /// What is to be sent, in each lane.
    to_send: [VecDeque<(TransferId, Bytes)>; 2],
    begun: [Option<Bytes>; 2],
    next_transfer: TransferId,
    current: Option<(TransferId, Vec<u8>)>,
    /// Whole bundles, and when they came.
    pub(crate) received: Vec<(Instant, Vec<u8>)>,
    /// What came of bundles that broke off.
    pub(crate) broken: Vec<Vec<u8>>,
    /// Everything else that happened.
    pub(crate) events: Vec<Event>,
    pub(crate) faults: Vec<&'static str>,
}

impl End {
    fn new(name: &'static str, settings: &Settings, seed: u64, now: Instant) -> Self {
        Self {
            line: line(name, settings, seed, now),
            settings: settings.clone(),
            name,
            seed,
            to_send: Default::default(),
            begun: [None, None],
            next_transfer: 0,
            current: None,
            received: Vec::new(),
            broken: Vec::new(),
            events: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The agent dials again.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.seed = Dice(self.seed).next();
        self.line = line(self.name, &self.settings, self.seed, now);
        self.to_send = Default::default();
        self.begun = [None, None];
        self.current = None;
    }

    pub(crate) fn send(&mut self, lane: Lane, octets: impl Into<Bytes>) -> TransferId {
        let transfer = self.next_transfer;
        self.next_transfer += 1;
        self.to_send[lane as usize].push_back((transfer, octets.into()));
        transfer
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    pub(crate) fn closed(&self) -> Option<&str> {
        match self.events.last() {
            Some(Event::Closed { reason }) => Some(reason),
            _ => None,
        }
    }

    fn work(&mut self, now: Instant) {
        for lane in [Lane::Express, Lane::Ordinary] {
            while self.line.takes_outgoing(lane) {
                let Some(outgoing) = self.next_outgoing(lane) else { break };
                self.line.take(lane, outgoing);
            }
        }
        while let Some(event) = self.line.poll_event() {
            self.event(now, event);
        }
        self.faults.extend(std::iter::from_fn(|| self.line.poll_fault()));
    }

    fn next_outgoing(&mut self, lane: Lane) -> Option<Outgoing> {
        let begun = &mut self.begun[lane as usize];
        if let Some(rest) = begun {
            let piece = rest.split_to(rest.len().min(PIECE));
            if rest.is_empty() {
                *begun = None;
            }
            return Some(Outgoing::Octets(piece));
        }
        let (transfer, octets) = self.to_send[lane as usize].pop_front()?;
        let length = octets.len() as u64;
        *begun = Some(octets);
        Some(Outgoing::Begin { transfer, length })
    }

    fn event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Receiving { transfer, .. } => {
                assert!(self.current.is_none(), "octets of two bundles mix");
                self.current = Some((transfer, Vec::new()));
            }
            Event::Octets(octets) => self.current.as_mut().unwrap().1.extend_from_slice(&octets),
            Event::Received => {
                let (transfer, octets) = self.current.take().unwrap();
                self.line.decide(now, Control::Accept(transfer));
                self.received.push((now, octets));
            }
            Event::Broken => self.broken.push(self.current.take().unwrap().1),
            other => self.events.push(other),
        }
    }
}

fn line(name: &str, settings: &Settings, seed: u64, now: Instant) -> Line {
    let local = Local { node_id: format!("dtn://{name}/"), transfer_mru: 1 << 30 };
    Line::new(settings.clone(), local, seed, now)
}

/// Two ends, and the wires from each to the other.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) began: Instant,
    pub(crate) ends: [End; 2],
    /// From the end of that number.
    pub(crate) wires: [Wire; 2],
}

impl World {
    pub(crate) fn new(address: &str, seed: u64) -> Self {
        let settings: Settings = address.parse().unwrap();
        let now = Instant::now();
        let mut dice = Dice(seed);
        Self {
            now,
            began: now,
            ends: [
                End::new("alice", &settings, dice.next(), now),
                End::new("bob", &settings, dice.next(), now),
            ],
            wires: [Wire::new(&settings, dice.next(), now), Wire::new(&settings, dice.next(), now)],
        }
    }

    pub(crate) fn cut(&mut self, is_up: bool) {
        for wire in &mut self.wires {
            wire.is_up = is_up;
            if !is_up {
                wire.under_way.clear();
            }
        }
    }

    pub(crate) fn passed(&self) -> Duration {
        self.now - self.began
    }

    /// Goes on until something is so, or for so long; says whether it is.
    pub(crate) fn run(&mut self, most: Duration, until: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + most;
        loop {
            self.work();
            if until(self) {
                return true;
            }
            let next = self.next_at();
            if next > end {
                self.now = end;
                return false;
            }
            self.now = next;
        }
    }

    /// Both contacts are open.
    pub(crate) fn open(&mut self) {
        let is_open =
            self.run(Duration::from_secs(3_600), |world| world.ends.iter().all(|end| end.line.is_open()));
        assert!(is_open, "the contact opens");
    }

    fn work(&mut self) {
        let now = self.now;
        for number in 0..2 {
            let end = &mut self.ends[number];
            while let Some(octets) = self.wires[1 - number].arrived(now) {
                end.line.receive(now, &octets);
                end.work(now);
            }
            end.work(now);
            end.line.handle_timeout(now);
            let mut octets = Vec::new();
            while end.line.poll_frame(now, &mut octets) {
                self.wires[number].carry(now, std::mem::take(&mut octets));
                end.work(now);
            }
            end.work(now);
        }
    }

    fn next_at(&self) -> Instant {
        let wires = self.wires.iter().filter_map(|wire| wire.under_way.front().map(|(at, _)| *at));
        let ends = self.ends.iter().filter_map(|end| end.line.poll_timeout(self.now));
        // A clock has grains.
        wires.chain(ends).min().unwrap_or(self.now).max(self.now + Duration::from_micros(100))
    }
}

/// Octets that are not all alike.
pub(crate) fn octets(length: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    (0..length).map(|_| dice.next().to_le_bytes()[0]).collect()
}
