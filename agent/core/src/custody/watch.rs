//! How long a neighbor may take to answer for bundles: from the link as it showed itself, doubled with every silence,
//! jittered, and only while the contact is open.

use std::collections::BTreeMap;

use crate::input::TransferId;
use crate::store::{Issued, Taker};
use crate::time::NodeTime;

/// The time in which answers are gathered at the other end, with as much again for its disk.
const GATHERING_MS: u64 = 1_000;
/// What an answer takes where nothing was measured yet, and the least that is waited for one.
const WAIT_MS_MIN: u64 = 2_000;
/// The longest time between two tries.
pub(crate) const WAIT_MS_MAX: u64 = 3_600_000;

/// What one contact knows of custody. Soft: numbers and custody itself are in the store.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    taker: Option<Taker>,
    /// Transfers under way; as many as the window allows.
    launched: BTreeMap<TransferId, NodeTime>,
    /// The smoothed time from sending a bundle to its answer by the layer, in milliseconds.
    trip_ms: Option<u64>,
    /// Tries without an answer.
    tries: u32,
    /// When it is asked next.
    pub(crate) due: Option<NodeTime>,
    /// How far the round of asking has come.
    pub(crate) asked: Option<Issued>,
    /// Something was asked in this round.
    pub(crate) has_asked: bool,
}

impl Watch {
    pub(crate) fn taker(&self) -> Option<Taker> {
        self.taker
    }

    pub(crate) fn set_taker(&mut self, taker: Taker) {
        self.taker = Some(taker);
    }

    /// The neighbor, as long as it has left no try unanswered.
    pub(crate) fn is_expected(&self) -> Option<Taker> {
        self.taker.filter(|_| self.tries == 0)
    }

    pub(crate) fn launched(&mut self, transfer: TransferId, now: NodeTime) {
        self.launched.insert(transfer, now);
    }

    /// A transfer was answered by the layer.
    pub(crate) fn landed(&mut self, transfer: TransferId, now: NodeTime) {
        let Some(since) = self.launched.remove(&transfer) else { return };
        let trip = now.since_ms(since);
        self.trip_ms = Some(match self.trip_ms {
            Some(before) => before - before / 4 + trip / 4,
            None => trip,
        });
    }

    /// `t0 · 2^n`, capped, between three and five quarters of that by `roll`.
    pub(crate) fn wait_ms(&self, roll: [u8; 16]) -> u64 {
        let first = GATHERING_MS.saturating_add(self.trip_ms.unwrap_or(0).saturating_mul(2)).max(WAIT_MS_MIN);
        let doubled =
            first.saturating_mul(1_u64.checked_shl(self.tries).unwrap_or(u64::MAX)).min(WAIT_MS_MAX);
        let [high, low, ..] = roll;
        let permille = 750 + u64::from(u16::from_be_bytes([high, low])) % 501;
        doubled.saturating_mul(permille) / 1000
    }

    /// An answer is awaited from now on, if none was.
    pub(crate) fn arm(&mut self, now: NodeTime, roll: [u8; 16]) {
        if self.due.is_none() {
            self.due = Some(now.after_ms(self.wait_ms(roll)));
        }
    }

    /// The neighbor answered for something: it is there, and gets its time again.
    pub(crate) fn progress(&mut self, now: NodeTime, roll: [u8; 16]) {
        self.tries = 0;
        self.asked = None;
        self.due = None;
        self.arm(now, roll);
    }

    /// Everything was asked about: the next round comes later.
    pub(crate) fn round_ended(&mut self, now: NodeTime, roll: [u8; 16]) {
        self.tries = self.tries.saturating_add(1);
        (self.asked, self.has_asked) = (None, false);
        self.due = Some(now.after_ms(self.wait_ms(roll)));
    }

    /// Nothing is left to be answered.
    pub(crate) fn rest(&mut self) {
        (self.tries, self.due, self.asked, self.has_asked) = (0, None, None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> NodeTime {
        NodeTime::from_ms(ms)
    }

    #[test]
    fn the_wait_doubles_is_jittered_and_ends_at_its_cap() {
        let mut watch = Watch::default();
        let (least, most) = ([0; 16], [0x01, 0xf4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut waits = Vec::new();
        for _ in 0..14 {
            assert_eq!(watch.wait_ms(most) * 3, watch.wait_ms(least) * 5);
            waits.push(watch.wait_ms(least) * 4 / 3);
            watch.round_ended(at(0), least);
        }
        assert_eq!(waits[..4], [2_000, 4_000, 8_000, 16_000]);
        assert_eq!(waits[11..], [WAIT_MS_MAX; 3]);
        watch.progress(at(0), least);
        assert_eq!(watch.due, Some(at(1_500)));
    }

    #[test]
    fn a_slow_link_gets_more_time() {
        let mut watch = Watch::default();
        watch.launched(1, at(0));
        watch.landed(1, at(40_000));
        assert_eq!(watch.wait_ms([0; 16]), 81_000 * 3 / 4);
        for transfer in 2..40 {
            watch.launched(transfer, at(0));
            watch.landed(transfer, at(100));
        }
        assert_eq!(watch.wait_ms([0; 16]), 1_500);
        // What was never sent, or was answered, changes nothing.
        watch.landed(39, at(1_000_000));
        assert_eq!(watch.wait_ms([0; 16]), 1_500);
    }
}
