//! The round trip, estimated as TCP does (RFC 6298), and how long to wait for an answer.

use std::time::{Duration, Instant};

use crate::options::Options;
use crate::pacing::Rate;

/// The estimate of one engine, for all of its sessions.
#[derive(Debug)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
    /// Whether our own segments may queue on the way now and then: answers may then come half a round trip later.
    makes_queues: bool,
    timeout_first: Duration,
    timeout_min: Duration,
    timeout_max: Duration,
    /// How often the wait was doubled since something was last answered.
    doublings: u32,
    doubled_at: Option<Instant>,
}

impl Rtt {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            smoothed: None,
            variation: Duration::ZERO,
            makes_queues: options.rate == Rate::Measured,
            timeout_first: options.timeout_first,
            timeout_min: options.timeout_min,
            timeout_max: options.timeout_max,
            doublings: 0,
            doubled_at: None,
        }
    }

    /// A segment that was transmitted once was answered after `sample`. Those transmitted again tell nothing (Karn).
    pub(crate) fn sample(&mut self, sample: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variation = sample / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
            }
        }
    }

    /// The neighbor answered something: it is there.
    pub(crate) fn answered(&mut self) {
        self.doublings = 0;
    }

    /// An answer did not come. The wait is doubled once a wait, however many answers fail to come together.
    pub(crate) fn missed(&mut self, now: Instant) {
        if self.doubled_at.is_none_or(|at| now.saturating_duration_since(at) >= self.timeout()) {
            self.doublings = (self.doublings + 1).min(16);
            self.doubled_at = Some(now);
        }
    }

    /// The smoothed round trip, once there is one.
    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// How long to wait for an answer.
    pub(crate) fn timeout(&self) -> Duration {
        let base = self.smoothed.map_or(self.timeout_first, |smoothed| {
            let least = if self.makes_queues { smoothed / 2 } else { Duration::ZERO };
            smoothed + (self.variation * 4).max(least)
        });
        let doubled = base.max(self.timeout_min).saturating_mul(1 << self.doublings);
        doubled.min(self.timeout_max)
    }
}
