//! The two clocks of a step: the node's own scale, which only ever grows, and the time of day, which may be unknown.

use bundle_format::DtnTime;

/// A point on the node's own scale: milliseconds that passed for this node since its store was made, as well as it could
/// measure them across restarts. It drives timers and expiry, so that a clock that is set makes nothing expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NodeTime(u64);

impl NodeTime {
    /// The point that lies this many milliseconds after the scale's beginning.
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the scale's beginning.
    pub fn as_ms(self) -> u64 {
        self.0
    }

    /// The point `ms` milliseconds later, or the end of the scale.
    #[must_use]
    pub fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds that passed since `earlier`; 0 if it is not earlier.
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The time of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// On the node's own scale: drives timers and expiry.
    pub node: NodeTime,
    /// The time of day, which stamps bundles; `None` on a node whose clock cannot be trusted (RFC 9171 §4.2.7, §4.4.2).
    pub utc: Option<DtnTime>,
}
