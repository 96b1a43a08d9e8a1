//! A measured rate over a path with a queue that has an end: alone, and beside a TCP flow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ltp::{Engine, Event, Options, Rate};

use crate::dice::Dice;

/// 10 Mbit/s.
const RATE: u64 = 1_250_000;
const DELAY: Duration = Duration::from_millis(100);
/// What the path holds in a round trip of 200 ms.
const PATH_HOLDS: u64 = RATE / 5;
const HEADERS: u64 = 48;
const TCP_SEGMENT: u64 = 1_448;

/// A queue in front of the path, first in first out; what does not fit is dropped, and some is lost on the way.
struct Path {
    free_at: Instant,
    loss: u64,
    dice: Dice,
}

impl Path {
    /// When a packet arrives, if it does.
    fn carry(&mut self, now: Instant, octets: u64) -> Option<Instant> {
        let queued = self.free_at.saturating_duration_since(now).as_micros() as u64 * RATE / 1_000_000;
        if queued + octets > PATH_HOLDS {
            return None;
        }
        let time = Duration::from_nanos(octets * 1_000_000_000 / RATE);
        self.free_at = self.free_at.max(now) + time;
        let is_lost = self.dice.in_thousand(self.loss);
        (!is_lost).then_some(self.free_at + DELAY)
    }
}

/// TCP Reno with selective acknowledgements, with always something to send. Its window is in thousandths of segments.
struct Tcp {
    window: u64,
    threshold: u64,
    next: u64,
    flying: BTreeSet<u64>,
    recover: u64,
    heard_at: Instant,
    delivered: u64,
}

impl Tcp {
    fn acknowledged(&mut self, now: Instant, number: u64) {
        self.heard_at = now;
        if self.flying.remove(&number) {
            self.delivered += TCP_SEGMENT;
            let is_starting = self.window < self.threshold;
            self.window += if is_starting { 1_000 } else { 1_000_000 / self.window };
        }
        while let Some(oldest) = self.flying.first().copied().filter(|oldest| oldest + 3 < number) {
            self.flying.remove(&oldest);
            if oldest >= self.recover {
                self.recover = self.next;
                self.threshold = (self.window / 2).max(2_000);
                self.window = self.threshold;
            }
        }
    }

    fn timed_out(&mut self, now: Instant) {
        if now.saturating_duration_since(self.heard_at) > Duration::from_secs(1) {
            self.flying.clear();
            self.threshold = (self.window / 2).max(2_000);
            self.window = 1_000;
            self.heard_at = now;
        }
    }

    fn may_send(&self) -> bool {
        self.flying.len() as u64 * 1_000 < self.window
    }
}

enum Arrival {
    Segment(usize, Vec<u8>),
    Acknowledgement(u64),
}

struct Share {
    /// Octets of the block that arrived, and of TCP, a second.
    ltp: u64,
    tcp: u64,
}

#[expect(clippy::too_many_lines, clippy::needless_range_loop, reason = "one loop of a simulation")]
/// Runs both for so many seconds, and says what each had after the first third.
fn share(seconds: u64, loss: u64, with_ltp: bool, with_tcp: bool) -> Share {
    let start = Instant::now();
    let mut now = start;
    let mut path = Path { free_at: now, loss, dice: Dice::new(9) };
    let mut dice = Dice::new(7);
    let options = |own, other| Options { rate: Rate::Measured, overhead: 48, ..Options::new(own, other) };
    let mut engines =
        [(1, 2), (2, 1)].map(|(own, other)| Engine::new(options(own, other), own).expect("valid options"));
    let piece = Bytes::from(vec![7; 16 * 1024]);
    if with_ltp {
        engines[0].send_begin(0, 1 << 30, false);
    }
    let mut tcp = Tcp {
        window: 10_000,
        threshold: u64::MAX,
        next: 0,
        flying: BTreeSet::new(),
        recover: 0,
        heard_at: now,
        delivered: 0,
    };
    let mut arrivals = BTreeMap::new();
    let (mut count, mut received, mut at_third) = (0_u64, 0_u64, None);
    let mut segment = Vec::new();
    let end = start + Duration::from_secs(seconds);
    while now < end {
        while with_ltp && engines[0].room() > 0 {
            engines[0].send_octets(0, piece.clone());
        }
        for from in 0..2 {
            while engines[from].poll_transmit(now, &mut segment) {
                let octets = segment.len() as u64 + HEADERS;
                let back = (!dice.in_thousand(loss)).then_some(now + DELAY);
                let arrival = if from == 0 { path.carry(now, octets) } else { back };
                if let Some(at) = arrival {
                    count += 1;
                    arrivals.insert((at, count), Arrival::Segment(1 - from, segment.clone()));
                }
            }
        }
        while with_tcp && tcp.may_send() {
            if let Some(at) = path.carry(now, TCP_SEGMENT + HEADERS) {
                count += 1;
                arrivals.insert((at + DELAY, count), Arrival::Acknowledgement(tcp.next));
            }
            tcp.flying.insert(tcp.next);
            tcp.next += 1;
        }
        let timeouts = engines.iter().filter_map(Engine::poll_timeout);
        let arrival = arrivals.first_key_value().map(|((at, _), _)| *at);
        let next = timeouts.chain(arrival).min().unwrap_or(end);
        now = next.max(now).min(now + Duration::from_millis(200));
        while let Some(first) = arrivals.first_entry().filter(|first| first.key().0 <= now) {
            match first.remove() {
                Arrival::Segment(to, octets) => engines[to].handle_segments(now, &octets),
                Arrival::Acknowledgement(number) => tcp.acknowledged(now, number),
            }
        }
        tcp.timed_out(now);
        for engine in &mut engines {
            engine.handle_timeout(now);
            while let Some(event) = engine.poll_event() {
                if let Event::Octets { octets, .. } = event {
                    received += octets.len() as u64;
                }
            }
        }
        if at_third.is_none() && now - start >= Duration::from_secs(seconds / 3) {
            at_third = Some((received, tcp.delivered));
        }
    }
    let (ltp_before, tcp_before) = at_third.expect("a third is over");
    let time = seconds - seconds / 3;
    Share { ltp: (received - ltp_before) / time, tcp: (tcp.delivered - tcp_before) / time }
}

#[test]
fn alone_it_fills_most_of_a_lossy_link() {
    for loss in [0, 20, 100] {
        let alone = share(30, loss, true, false);
        let percent = alone.ltp * 100 / RATE;
        assert!(percent >= 80 - loss / 10, "{percent} % of the link at a loss of {loss} in a thousand");
    }
}

#[test]
fn a_tcp_flow_beside_it_keeps_more_than_half_of_what_it_has_alone() {
    for loss in [0, 20] {
        let alone = share(60, loss, false, true);
        let both = share(60, loss, true, true);
        assert!(both.tcp * 100 >= alone.tcp * 50, "TCP had {} alone and has {} now", alone.tcp, both.tcp);
        assert!(both.ltp * 100 >= RATE * 8, "LTP has {}", both.ltp);
    }
}
