//! A flow of TCP that shares a path: slow start, one segment more for each round trip, half of it for a round trip with a
//! loss (RFC 5681), and nothing finer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Octets of a full segment with its headers.
pub(crate) const SEGMENT: usize = 1_500;
/// The least window, in segments.
const WINDOW_MIN: f64 = 2.0;

/// The sending side, and what it will hear.
pub(crate) struct Reno {
    window: f64,
    threshold: f64,
    under_way: usize,
    /// What is learnt about each segment and when: whether it arrived, and when it was sent.
    news: BTreeMap<(Instant, u64), (bool, Instant)>,
    halved: Instant,
    pub(crate) arrived: usize,
}

impl Reno {
    pub(crate) fn new(now: Instant) -> Self {
        let (window, threshold) = (10.0, f64::MAX);
        Self { window, threshold, under_way: 0, news: BTreeMap::new(), halved: now, arrived: 0 }
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.news.keys().next().map(|(at, _)| *at)
    }

    /// Whether another segment may go.
    pub(crate) fn may_send(&self) -> bool {
        (self.under_way as f64) < self.window
    }

    /// A segment went; whether it will arrive, and when its sender learns of it.
    pub(crate) fn sent(&mut self, now: Instant, number: u64, arrives: bool, learnt: Instant) {
        self.under_way += 1;
        self.news.insert((learnt, number), (arrives, now));
    }

    /// What is learnt by now.
    pub(crate) fn learn(&mut self, now: Instant) {
        while let Some(entry) = self.news.first_entry().filter(|entry| entry.key().0 <= now) {
            let (arrived, sent) = entry.remove();
            self.under_way -= 1;
            if arrived {
                self.arrived += SEGMENT;
                self.window += if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
            } else if sent > self.halved {
                self.window = (self.window / 2.0).max(WINDOW_MIN);
                (self.threshold, self.halved) = (self.window, now);
            }
        }
    }
}

/// How long after its time a lost segment is missed: three others must arrive.
pub(crate) const MISSED_AFTER: Duration = Duration::from_millis(5);
