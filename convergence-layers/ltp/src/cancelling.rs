//! Sessions that we cancelled and whose cancellation was not acknowledged yet (RFC 5326 §6.15, §6.16, §6.18), and the memory of
//! those that are over.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::reason::CancelReason;
use crate::segment::{Content, Segment, SessionId, Side};
use crate::shared::{Awaited, Shared};

/// Cancellations that await an acknowledgement; beyond, they are said once.
const CANCELLATIONS_MAX: usize = 1_024;

/// Cancellations that are repeated.
#[derive(Debug, Default)]
pub(crate) struct Cancelling {
    sessions: BTreeMap<(SessionId, Side), (CancelReason, Awaited)>,
}

impl Cancelling {
    /// We, as the given side, give the session up.
    pub(crate) fn cancel(&mut self, session: SessionId, by: Side, reason: CancelReason, shared: &mut Shared) {
        if self.sessions.len() < CANCELLATIONS_MAX {
            self.sessions.insert((session, by), (reason, Awaited::due()));
        } else {
            shared.answer(session, Content::Cancel { by, reason: reason.code() });
        }
    }

    pub(crate) fn acknowledged(&mut self, now: Instant, session: SessionId, by: Side, shared: &mut Shared) {
        if let Some((_, awaited)) = self.sessions.remove(&(session, by)) {
            awaited.answered(now, shared);
        }
    }

    pub(crate) fn poll_segment(&mut self, now: Instant, shared: &Shared, out: &mut Vec<u8>) -> bool {
        let due = self.sessions.iter_mut().find(|(_, (_, awaited))| awaited.is_due);
        let Some(((session, by), (reason, awaited))) = due else { return false };
        awaited.transmitted(now, shared);
        let content = Content::Cancel { by: *by, reason: reason.code() };
        Segment { session: *session, content }.encode(shared.options.segment_max, out)
    }

    pub(crate) fn has_segment(&self) -> bool {
        self.sessions.values().any(|(_, awaited)| awaited.is_due)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.sessions.values().filter_map(|(_, awaited)| awaited.deadline()).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, shared: &mut Shared) {
        self.sessions.retain(|_, (_, awaited)| !awaited.expire(now, shared));
    }

    pub(crate) fn delay(&mut self, by: Duration) {
        for (_, awaited) in self.sessions.values_mut() {
            awaited.delay(by);
        }
    }
}

/// How a session of the neighbor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Accepted: the length of the red part, and the serial number of the next report.
    Accepted { red_length: Option<u64>, serial: u64 },
    /// Cancelled by us, for this reason.
    Cancelled(CancelReason),
    /// Cancelled by the neighbor.
    GivenUp,
}

/// Sessions of the neighbor that are over, the latest ones: what still arrives for them opens nothing.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    endings: BTreeMap<SessionId, Ending>,
    order: VecDeque<SessionId>,
}

impl Closed {
    pub(crate) fn note(&mut self, session: SessionId, ending: Ending, sessions_max: usize) {
        if self.endings.insert(session, ending).is_none() {
            self.order.push_back(session);
        }
        while self.order.len() > sessions_max.max(1) {
            if let Some(oldest) = self.order.pop_front() {
                self.endings.remove(&oldest);
            }
        }
    }

    pub(crate) fn ending(&mut self, session: SessionId) -> Option<&mut Ending> {
        self.endings.get_mut(&session)
    }
}
