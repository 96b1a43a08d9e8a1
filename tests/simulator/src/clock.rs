//! What a node knows of the time. The world's clock is right; a node's may be absent, stand still without power, or be
//! wrong (`drift`).

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
    /// How far the node's own scale is ahead of the world's: what it measured of times without power, but what they were.
    ahead_ms: i64,
}

impl Clock {
    pub(crate) fn new(kind: ClockKind) -> Self {
        Self { kind, ahead_ms: 0 }
    }

    pub(crate) fn now(&self, at: Millis) -> Now {
        Now {
            node: NodeTime::from_ms(at.saturating_add_signed(self.ahead_ms)),
            utc: self.shown(at).map(DtnTime),
        }
    }

    /// The time of day, where the node thinks that it knows it.
    fn shown(&self, at: Millis) -> Option<u64> {
        let right = WORLD_BEGINS + at;
        match self.kind {
            ClockKind::Trusted => Some(right),
            ClockKind::Absent => None,
            ClockKind::RightSince(then) => (at >= then).then_some(right),
            ClockKind::Wrong(drift) => Some(drift.shown(at, right)),
        }
    }

    /// When the world's clock shows what the node's own scale calls this.
    pub(crate) fn in_world(&self, time: NodeTime) -> Millis {
        time.as_ms().saturating_add_signed(self.ahead_ms.saturating_neg())
    }

    /// The node was without power from then until now; answers how much of that it did not notice. What two looks at the time of day
    /// differ by is what it believes, as the real node does over a boot.
    pub(crate) fn slept(&mut self, since: Millis, at: Millis) -> u64 {
        let passed = at - since;
        let noticed = match self.kind {
            ClockKind::Absent => 0,
            ClockKind::Trusted | ClockKind::RightSince(_) => passed,
            ClockKind::Wrong(drift) => {
                drift.shown(at, WORLD_BEGINS + at).saturating_sub(drift.shown(since, WORLD_BEGINS + since))
            }
        };
        self.ahead_ms += noticed.cast_signed() - passed.cast_signed();
        passed.saturating_sub(noticed)
    }
}
