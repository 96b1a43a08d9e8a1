//! What arrived of the neighbor's datagrams with segments, and when it is told (see [`crate::pace`]).

use std::time::{Duration, Instant};

/// How long an account may wait for more to account for.
pub(crate) const WAIT: Duration = Duration::from_millis(10);
/// Datagrams, and octets of them but for the last, that are accounted for together at most.
const DATAGRAMS_MAX: u32 = 16;
pub(crate) const OCTETS_MAX: u64 = 20_000;

/// The account of one contact.
#[derive(Debug, Default)]
pub(crate) struct Account {
    highest: Option<(u64, Instant)>,
    octets: u64,
    untold: u32,
    octets_untold: u64,
    due: Option<Instant>,
}

impl Account {
    /// A datagram arrived.
    pub(crate) fn arrived(&mut self, now: Instant, number: u64, octets: usize) {
        let octets = octets as u64;
        if self.highest.is_none_or(|(highest, _)| number > highest) {
            self.highest = Some((number, now));
        }
        self.octets += octets;
        self.untold += 1;
        self.octets_untold += octets;
        let is_much = self.untold >= DATAGRAMS_MAX || self.octets_untold >= OCTETS_MAX;
        let at = if is_much { now } else { now + WAIT };
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// When it is to be told.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The highest number, the octets and the delay; they count as told.
    pub(crate) fn tell(&mut self, now: Instant) -> Option<(u64, u64, Duration)> {
        let (highest, at) = self.highest.filter(|_| self.due.is_some())?;
        (self.due, self.untold, self.octets_untold) = (None, 0, 0);
        Some((highest, self.octets, now.saturating_duration_since(at)))
    }
}
