//! Who is at the other end: nobody, a node that we hear, or one that hears us as well, with which the contact is open.
//!
//! Called by `line`. Beacons are rarer the longer nobody answers, and never take more than a small part of what the line carries.

use std::time::{Duration, Instant};

use crate::beacon::{Beacon, Stage};
use crate::frame::PAYLOAD_MAX;
use crate::settings::Settings;

/// What a beacon takes, with a node ID of usual length.
const BEACON_OCTETS: u64 = 64;
/// Beacons take one part in so many of what the line carries in the long run.
const COST_PART: u64 = 50;
/// The longest time between two beacons, however slow the line is, and the shortest of the longest.
const INTERVAL_LIMITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));
/// The shortest time between two beacons on a fast line.
const INTERVAL_MIN: Duration = Duration::from_millis(500);
/// So many beacons of the neighbor may be lost before its contact is over.
const BEACONS_MISSED: u32 = 3;
/// A neighbor's machine may be busy for so long.
const GRACE: Duration = Duration::from_secs(5);

/// What a beacon changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing that others need to know.
    Nothing,
    /// The neighbor hears us: the contact is open.
    Opened,
    /// The contact is over, for this reason.
    Gone(&'static str),
    /// Something is wrong on the line.
    Fault(&'static str),
}

/// Who is there.
#[derive(Debug)]
pub(crate) struct Presence {
    ours: Beacon,
    neighbor: Option<Beacon>,
    is_open: bool,
    heard_at: Instant,
    beacon_at: Instant,
    sent_at: Option<Instant>,
    interval: Duration,
    interval_min: Duration,
    interval_max: Duration,
    dice: u32,
}

impl Presence {
    /// Nobody is heard, and the first beacon is due.
    pub(crate) fn new(settings: &Settings, node_id: Option<String>, epoch: u32, now: Instant) -> Self {
        let octets = BEACON_OCTETS * COST_PART;
        let (least, most) = INTERVAL_LIMITS;
        let interval_max = Duration::from_secs(octets / settings.sustained_rate()).clamp(least, most);
        let interval_min = settings.time_for(BEACON_OCTETS * 4).clamp(INTERVAL_MIN, interval_max);
        let frame = u64::try_from(settings.frame()).unwrap_or(u64::MAX);
        let silence = interval_max * BEACONS_MISSED + settings.time_for(frame * 4) + GRACE;
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let ours = Beacon {
            epoch,
            heard: 0,
            silence_seconds: seconds(silence),
            pause_seconds: seconds(settings.longest_pause()),
            payload_max: u32::try_from(PAYLOAD_MAX).unwrap_or(0),
            stage: Stage::Waiting,
            speaks_ltp: true,
            node_id,
        };
        Self {
            ours,
            neighbor: None,
            is_open: false,
            heard_at: now,
            beacon_at: now,
            sent_at: None,
            interval: interval_min,
            interval_min,
            interval_max,
            dice: epoch,
        }
    }

    /// The neighbor, as it said last.
    pub(crate) fn neighbor(&self) -> Option<&Beacon> {
        self.neighbor.as_ref()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// A beacon arrived.
    pub(crate) fn beacon(&mut self, now: Instant, beacon: Beacon) -> Heard {
        if beacon.epoch == self.ours.epoch {
            return Heard::Fault("the other end sends back what we send: a loop, or a terminal that echoes");
        }
        if self.is_open {
            self.beacon_while_open(now, &beacon)
        } else {
            self.beacon_while_waiting(now, beacon)
        }
    }

    fn beacon_while_waiting(&mut self, now: Instant, beacon: Beacon) -> Heard {
        if beacon.stage == Stage::Leaving {
            return Heard::Nothing;
        }
        let hears_us = beacon.heard == self.ours.epoch;
        self.ours.heard = beacon.epoch;
        self.heard_at = now;
        if !hears_us || beacon.stage == Stage::Waiting {
            self.answer(now);
        }
        self.neighbor = Some(beacon);
        if !hears_us {
            return Heard::Nothing;
        }
        self.is_open = true;
        self.ours.stage = Stage::Open;
        // It has it by now, and keeps it.
        self.ours.node_id = None;
        Heard::Opened
    }

    fn beacon_while_open(&mut self, now: Instant, beacon: &Beacon) -> Heard {
        let Some(neighbor) = &self.neighbor else { return Heard::Nothing };
        if beacon.epoch == neighbor.epoch {
            self.heard_at = now;
            return match beacon.stage {
                Stage::Leaving => Heard::Gone("the neighbor ended the contact"),
                Stage::Open => Heard::Nothing,
                Stage::Waiting => {
                    self.answer(now);
                    Heard::Nothing
                }
            };
        }
        let is_another = beacon.node_id.is_some() && beacon.node_id != neighbor.node_id;
        match (beacon.stage, is_another) {
            (Stage::Leaving, _) => Heard::Nothing,
            (_, true) => Heard::Fault("a third node is heard on the line"),
            (_, false) => Heard::Gone("the neighbor began anew"),
        }
    }

    /// The next beacon goes soon.
    fn answer(&mut self, now: Instant) {
        let earliest = self.sent_at.map_or(now, |at| at + self.interval_min).max(now);
        self.beacon_at = self.beacon_at.min(earliest);
        self.interval = self.interval_min;
    }

    /// Another frame of the neighbor arrived.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// A frame was sent that is no beacon: it says as well that we are there. An answer that is due is still given.
    pub(crate) fn sent(&mut self, now: Instant) {
        if self.beacon_at > now + self.interval_min {
            self.beacon_at = now + self.interval_max;
        }
    }

    /// When the next beacon is due.
    pub(crate) fn beacon_at(&self) -> Instant {
        self.beacon_at
    }

    /// Appends the frame of the beacon that is due.
    pub(crate) fn send_beacon(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.ours.encode(out);
        self.sent_at = Some(now);
        if self.is_open {
            self.interval = self.interval_max;
        }
        self.beacon_at = now + self.interval + self.jitter();
        self.interval = (self.interval * 2).min(self.interval_max);
    }

    /// Appends the frame that says that we go.
    pub(crate) fn send_farewell(&mut self, out: &mut Vec<u8>) {
        self.ours.stage = Stage::Leaving;
        self.ours.encode(out);
    }

    /// Up to a quarter of the interval, so that two nodes on one channel do not always send together.
    fn jitter(&mut self) -> Duration {
        self.dice = self.dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.interval / 4 * (self.dice >> 24) / 256
    }

    /// When a neighbor that stays silent is not there any more.
    pub(crate) fn silent_at(&self) -> Option<Instant> {
        let neighbor = self.neighbor.as_ref().filter(|_| self.is_open)?;
        self.heard_at.checked_add(Duration::from_secs(neighbor.silence_seconds.max(1).into()))
    }
}
