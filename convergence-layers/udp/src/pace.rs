//! How fast datagrams may go: as fast as they arrive at the other end, and no faster, whatever is lost on the way.
//!
//! The neighbor accounts for what arrived ([`crate::saying::Saying::Account`]). From that follow the rate at which the path
//! delivers and the shortest round trip, and from these how much may be on its way: little more than fits the path, so that
//! queues stay short for others (after Cardwell et al., BBR, 2016). Loss alone slows nothing: on a radio it means nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::account;

/// Octets that may be on their way before anything is known of the path: ten datagrams (RFC 6928).
const FIRST_WINDOW: u64 = 10 * 1_232;
/// Datagrams that are remembered as being on their way.
const SENT_MAX: usize = 65_536;
/// The round trip that is assumed before one was measured.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(250);
/// By how much a beginning grows in a round trip: 2 / ln 2, the least that doubles.
const GAIN_FIRST: f64 = 2.885;
/// Gains of the rate by turns of one round trip: more is tried, what it queued is let off, and then the rate is kept.
const GAINS: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// What may be on its way, as a multiple of what the path holds: accounts come in lumps.
const WINDOW_GAIN: f64 = 2.0;
/// The shortest round and turn: where a round trip is shorter, timers and accounts come too rarely to see what a turn does.
const ROUND_MIN: Duration = Duration::from_millis(10);
/// Rounds for which the highest rate is remembered.
const ROUNDS: u64 = 10;
/// For how long the shortest round trip is believed, before less is sent for a moment to see it again.
const ROUND_TRIP_AGE: Duration = Duration::from_secs(10);
/// How long less is sent, at least.
const DRAINED_FOR: Duration = Duration::from_millis(200);
/// The least rate, in octets a second: a datagram every ten seconds.
const RATE_MIN: f64 = 125.0;
/// How much of a burst may be sent at once after a pause that timers made too long.
const BURST: Duration = Duration::from_millis(5);

/// What is known of a path, and what is on its way there.
#[derive(Debug)]
pub struct Pace {
    /// A limit by configuration, in octets a second.
    limit: Option<f64>,
    /// Nobody accounts for what arrives: the limit is the rate.
    is_blind: bool,
    next_number: u64,
    sent: VecDeque<Sent>,
    in_flight: u64,
    /// Octets that were sent so far.
    total: u64,
    delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    /// The rates of the last rounds, highest first.
    rates: VecDeque<(u64, f64)>,
    round: u64,
    round_began: Instant,
    round_ends_at: u64,
    round_trip_min: Option<(Instant, Duration)>,
    smoothed: Option<Duration>,
    mode: Mode,
    next_at: Instant,
    /// Whether there was less to send than could have been.
    was_idle: bool,
    accounted_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// The rate doubles with every round trip until it does not help.
    Beginning { best: f64, rounds_without: u32 },
    /// What that put into queues is let off.
    Draining,
    /// The rate is kept, and more is tried now and then.
    Steady { turn: usize, since: Instant },
    /// Less is on its way for a moment, so that the round trip shows without queues.
    Quiet { until: Option<Instant> },
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    number: u64,
    octets: u64,
    at: Instant,
    /// As they were when it was sent.
    delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    was_idle: bool,
}

impl Pace {
    /// Nothing is known.
    pub fn new(now: Instant, limit: Option<u64>) -> Self {
        Self {
            limit: limit.map(as_f64),
            is_blind: false,
            next_number: 0,
            sent: VecDeque::new(),
            in_flight: 0,
            total: 0,
            delivered: 0,
            delivered_at: now,
            first_sent_at: now,
            rates: VecDeque::new(),
            round: 0,
            round_began: now,
            round_ends_at: 0,
            round_trip_min: None,
            smoothed: None,
            mode: Mode::Beginning { best: 0.0, rounds_without: 0 },
            next_at: now,
            was_idle: true,
            accounted_at: now,
        }
    }

    /// Nothing is known, nor ever will be, since the neighbor does not account: what goes is what the path is said to have.
    pub fn blind(now: Instant, octets_per_second: u64) -> Self {
        Self { is_blind: true, ..Self::new(now, Some(octets_per_second)) }
    }

    /// The smoothed round trip.
    pub fn round_trip(&self) -> Option<Duration> {
        self.smoothed
    }

    /// Octets that are on their way.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Octets per second that may be sent now.
    pub fn rate(&self) -> f64 {
        let best = self.best_rate().unwrap_or(0.0);
        let rate = match self.mode {
            _ if self.is_blind => f64::MAX,
            // What a few small messages measured says nothing about the path.
            Mode::Beginning { .. } => {
                best.max(as_f64(FIRST_WINDOW) / self.round_trip_or_first().as_secs_f64()) * GAIN_FIRST
            }
            _ => best * self.gain(),
        };
        self.limit.map_or(rate, |limit| rate.min(limit)).max(RATE_MIN)
    }

    fn gain(&self) -> f64 {
        match self.mode {
            Mode::Beginning { .. } => GAIN_FIRST,
            Mode::Draining => 1.0 / GAIN_FIRST,
            Mode::Steady { turn, .. } => GAINS.get(turn).copied().unwrap_or(1.0),
            Mode::Quiet { .. } => 1.0,
        }
    }

    fn best_rate(&self) -> Option<f64> {
        self.rates.front().map(|(_, rate)| *rate)
    }

    fn round_trip_or_first(&self) -> Duration {
        self.round_trip_min.map_or(FIRST_ROUND_TRIP, |(_, least)| least.max(Duration::from_micros(100)))
    }

    /// What the path holds without queues.
    fn capacity(&self) -> f64 {
        self.best_rate().map_or(0.0, |rate| rate * self.round_trip_or_first().as_secs_f64())
    }

    /// How much may be on its way.
    fn window(&self) -> u64 {
        let gain = match self.mode {
            Mode::Beginning { .. } => GAIN_FIRST,
            Mode::Quiet { .. } => 0.5,
            _ => WINDOW_GAIN,
        };
        // What is accounted for late, in lumps, must not stop a short path; nor may it fill the neighbor's socket.
        let late = self.best_rate().unwrap_or(0.0) * account::WAIT.as_secs_f64();
        let slack = late.min(as_f64(account::OCTETS_MAX)) * 2.0;
        as_u64(self.capacity() * gain + slack).max(FIRST_WINDOW)
    }

    /// Whether a datagram may go now; if not, when, or only after the next account.
    pub fn may_send(&self, now: Instant) -> Result<(), Option<Instant>> {
        if self.in_flight >= self.window() || self.sent.len() >= SENT_MAX {
            return Err(None);
        }
        if self.next_at > now { Err(Some(self.next_at)) } else { Ok(()) }
    }

    /// The number of the next datagram.
    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// A datagram with the next number was sent.
    pub fn sent(&mut self, now: Instant, octets: usize) {
        let octets = octets as u64;
        if self.sent.is_empty() {
            (self.first_sent_at, self.delivered_at) = (now, now);
            self.accounted_at = now;
        }
        self.sent.push_back(Sent {
            number: self.next_number,
            octets,
            at: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            was_idle: self.was_idle,
        });
        self.was_idle = false;
        self.next_number += 1;
        self.in_flight += octets;
        self.total += octets;
        self.unnumbered(now, octets);
    }

    /// Octets were sent that nobody accounts for.
    pub fn unnumbered(&mut self, now: Instant, octets: u64) {
        let from = now.checked_sub(BURST).map_or(now, |earliest| self.next_at.max(earliest));
        self.next_at = from + Duration::from_secs_f64(as_f64(octets) / self.rate());
    }

    /// There is nothing to send although there could be: what is measured now says little about the path.
    pub fn idle(&mut self) {
        self.was_idle = true;
    }

    /// The neighbor accounts for what arrived. Accounts that cannot be are ignored.
    pub fn account(&mut self, now: Instant, highest: u64, octets: u64, delay: Duration) {
        // What the network doubled arrives twice.
        let octets = octets.min(self.total);
        if highest >= self.next_number || octets < self.delivered {
            return;
        }
        let mut latest = None;
        while let Some(sent) = self.sent.front().copied().filter(|sent| sent.number <= highest) {
            self.sent.pop_front();
            self.in_flight -= sent.octets;
            latest = Some(sent);
        }
        let Some(latest) = latest else { return };
        (self.delivered, self.delivered_at, self.accounted_at) = (octets, now, now);
        self.first_sent_at = latest.at;
        self.measure(now, now.saturating_duration_since(latest.at).saturating_sub(delay));
        let is_long_enough = now.saturating_duration_since(self.round_began) >= ROUND_MIN;
        if latest.delivered >= self.round_ends_at && is_long_enough {
            self.round += 1;
            (self.round_began, self.round_ends_at) = (now, self.delivered);
            self.round_over(latest.was_idle);
        }
        self.note_rate(now, &latest);
        self.next_mode(now);
    }

    fn measure(&mut self, now: Instant, round_trip: Duration) {
        let smoothed = self.smoothed.map_or(round_trip, |smoothed| (smoothed * 7 + round_trip) / 8);
        self.smoothed = Some(smoothed);
        let is_less = self.round_trip_min.is_none_or(|(_, least)| round_trip <= least);
        let is_seen_again = matches!(self.mode, Mode::Quiet { .. }) && self.is_old(now);
        if is_less || is_seen_again {
            self.round_trip_min = Some((now, round_trip));
        }
    }

    fn is_old(&self, now: Instant) -> bool {
        self.round_trip_min.is_some_and(|(at, _)| now.saturating_duration_since(at) > ROUND_TRIP_AGE)
    }

    fn note_rate(&mut self, now: Instant, latest: &Sent) {
        let arriving = now.saturating_duration_since(latest.delivered_at);
        let leaving = latest.at.saturating_duration_since(latest.first_sent_at);
        let took = arriving.max(leaving);
        if took < Duration::from_micros(50) || self.delivered == latest.delivered {
            return;
        }
        let rate = as_f64(self.delivered - latest.delivered) / took.as_secs_f64();
        let best = self.best_rate().unwrap_or(0.0);
        if latest.was_idle && rate < best {
            return;
        }
        while self.rates.back().is_some_and(|(_, other)| *other <= rate) {
            self.rates.pop_back();
        }
        self.rates.push_back((self.round, rate));
        let oldest = self.round.saturating_sub(ROUNDS);
        while self.rates.len() > 1 && self.rates.front().is_some_and(|(round, _)| *round < oldest) {
            self.rates.pop_front();
        }
    }

    fn round_over(&mut self, was_idle: bool) {
        let rate = self.best_rate().unwrap_or(0.0);
        if let Mode::Beginning { best, rounds_without } = &mut self.mode {
            if rate >= *best * 1.25 {
                (*best, *rounds_without) = (rate, 0);
            } else if !was_idle {
                *rounds_without += 1;
            }
        }
    }

    fn next_mode(&mut self, now: Instant) {
        let fits = as_f64(self.in_flight) <= self.capacity();
        match self.mode {
            Mode::Beginning { rounds_without: 3.., .. } => self.mode = Mode::Draining,
            Mode::Draining if fits => self.steady(now),
            Mode::Steady { turn, since } => {
                let least = self.round_trip_or_first().max(ROUND_MIN);
                let is_over = now.saturating_duration_since(since) >= least;
                if is_over || turn == 1 && fits {
                    self.mode = Mode::Steady { turn: (turn + 1) % GAINS.len(), since: now };
                }
                if self.is_old(now) {
                    self.mode = Mode::Quiet { until: None };
                }
            }
            Mode::Quiet { until: None } if self.in_flight <= self.window() => {
                let for_long = DRAINED_FOR.max(self.round_trip_or_first());
                self.mode = Mode::Quiet { until: now.checked_add(for_long) };
            }
            Mode::Quiet { until: Some(until) } if now >= until => {
                if let Some((at, _)) = &mut self.round_trip_min {
                    *at = now;
                }
                self.steady(now);
            }
            _ => {}
        }
    }

    fn steady(&mut self, now: Instant) {
        self.mode = Mode::Steady { turn: 2, since: now };
    }

    /// When what is on its way counts as lost, unless an account comes before.
    pub fn deadline(&self) -> Option<Instant> {
        if self.sent.is_empty() {
            return None;
        }
        let patience = self.smoothed.unwrap_or(FIRST_ROUND_TRIP) * 4 + Duration::from_millis(500);
        self.accounted_at.checked_add(patience)
    }

    /// No account came: nothing is on its way any more, and the path is to be got to know anew.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        self.sent.clear();
        self.in_flight = 0;
        for (_, rate) in &mut self.rates {
            *rate /= 2.0;
        }
        self.accounted_at = now;
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates need no more than 52 bits")]
fn as_f64(octets: u64) -> f64 {
    octets as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a window is positive, and saturates"
)]
fn as_u64(octets: f64) -> u64 {
    octets as u64
}
