//! What a node knows of the time. The world's clock is right; a node's may be absent, or stand still without power.

use agent_core::time::{NodeTime, Now};
use bundle_format::DtnTime;

use crate::plan::Millis;
use crate::scenario::ClockKind;

/// The world begins then, in milliseconds of DTN time (RFC 9171 §4.2.6).
const WORLD_BEGINS: u64 = 800_000_000_000;

/// A node's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    kind: ClockKind,
    /// How far the node's own scale lags behind the world's: time without power that it could not measure.
    lag_ms: u64,
}

impl Clock {
    pub(crate) fn new(kind: ClockKind) -> Self {
        Self { kind, lag_ms: 0 }
    }

    pub(crate) fn now(&self, at: Millis) -> Now {
        let is_right = match self.kind {
            ClockKind::Trusted => true,
            ClockKind::Absent => false,
            ClockKind::RightSince(then) => at >= then,
        };
        Now { node: NodeTime::from_ms(at - self.lag_ms), utc: is_right.then_some(DtnTime(WORLD_BEGINS + at)) }
    }

    /// When the world's clock shows what the node's own scale calls this.
    pub(crate) fn in_world(&self, time: NodeTime) -> Millis {
        time.as_ms().saturating_add(self.lag_ms)
    }

    /// The node was without power for so long; answers how much of that it did not notice.
    pub(crate) fn slept(&mut self, millis: Millis) -> u64 {
        let unnoticed = if self.kind == ClockKind::Absent { millis } else { 0 };
        self.lag_ms += unnoticed;
        unnoticed
    }
}
