//! When octets may go: never faster than the line carries them, and never more than shares of time allow.
//!
//! Little waits in the system's buffer, or what is urgent would wait behind it. A share holds for every stretch of time, not on
//! average: octets are counted in slots, and a slot counts until all of it is a whole window ago.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::settings::Settings;

/// When so little is left in the system's buffer, the next frame is handed over: more than a busy machine sleeps too long.
pub(crate) const LOW_WATER: Duration = Duration::from_millis(30);
/// Slots of a window.
const SLOTS: u32 = 60;
/// The part of each budget that is kept for beacons.
const RESERVE_PART: u64 = 8;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Bundles.
    Bundles,
    /// Saying that we are there.
    Presence,
}

/// The pace of one line.
#[derive(Debug)]
pub struct Pacer {
    settings: Settings,
    /// When all that was handed over has left.
    busy_until: Instant,
    has_sent: bool,
    ledgers: Vec<Ledger>,
}

impl Pacer {
    /// A line on which nothing was sent.
    pub fn new(settings: &Settings, now: Instant) -> Self {
        let shares = settings.airtime().iter();
        let ledgers = shares.map(|share| Ledger::new(settings.budget(*share), share.window(), now)).collect();
        Self { settings: settings.clone(), busy_until: now, has_sent: false, ledgers }
    }

    /// When so many octets may be handed to the system.
    pub fn ready_at(&self, now: Instant, octets: u64, purpose: Purpose) -> Instant {
        let line = self.busy_until.checked_sub(LOW_WATER).unwrap_or(now).max(now);
        let ledgers = self.ledgers.iter().map(|ledger| ledger.ready_at(now, octets, purpose));
        ledgers.max().unwrap_or(line).max(line)
    }

    /// So many octets were handed over.
    pub fn sent(&mut self, now: Instant, octets: u64) {
        self.has_sent = true;
        self.busy_until = self.busy_until.max(now) + self.settings.time_for(octets);
        for ledger in &mut self.ledgers {
            ledger.note(self.busy_until, octets);
        }
    }

    /// Whether anything was sent.
    pub fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// For how long nothing has been leaving.
    pub fn quiet_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.busy_until)
    }
}

/// What was sent within the last window of one share.
#[derive(Debug)]
struct Ledger {
    budget: u64,
    slot: Duration,
    began: Instant,
    /// The number of a slot, and what was sent in it; oldest first.
    slots: VecDeque<(u32, u64)>,
}

impl Ledger {
    fn new(budget: u64, window: Duration, began: Instant) -> Self {
        Self { budget, slot: window / SLOTS, began, slots: VecDeque::new() }
    }

    fn ready_at(&self, now: Instant, octets: u64, purpose: Purpose) -> Instant {
        let most = match purpose {
            Purpose::Bundles => self.budget - self.budget / RESERVE_PART,
            Purpose::Presence => self.budget,
        };
        let valid = || self.slots.iter().filter(|(number, _)| self.forgotten_at(*number) > now);
        let mut used: u64 = valid().map(|(_, octets)| octets).sum();
        let mut at = now;
        for (number, freed) in valid() {
            if used + octets <= most {
                break;
            }
            used -= freed;
            at = self.forgotten_at(*number);
        }
        at
    }

    /// When the last octet of a slot is a window ago.
    fn forgotten_at(&self, number: u32) -> Instant {
        self.began + self.slot * (number + 1 + SLOTS)
    }

    fn note(&mut self, at: Instant, octets: u64) {
        let passed = at.saturating_duration_since(self.began);
        let number =
            u32::try_from(passed.as_nanos() / self.slot.as_nanos().max(1)).unwrap_or(u32::MAX - 2 * SLOTS);
        match self.slots.back_mut() {
            Some((last, sent)) if *last == number => *sent += octets,
            _ => self.slots.push_back((number, octets)),
        }
        while self.slots.front().is_some_and(|(first, _)| *first + SLOTS < number) {
            self.slots.pop_front();
        }
    }
}
