//! When something happens because nothing else does (RFC 9174 §4.1, §5.1.1, §6.2).
//!
//! Five times, each with one meaning. Time during which we do not read because our own side is busy never counts
//! against the neighbor.

use std::time::{Duration, Instant};

use crate::options::Options;

/// How long a session whose link was dropped may take to say goodbye.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// What a time that has come means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The neighbor has not said in time who it is.
    Contact,
    /// Nothing moved on a session that is ending, or its grace is over.
    Ending,
    /// The neighbor sent nothing for twice the keepalive interval.
    Silence,
    /// The neighbor sent nothing but keepalives.
    Idleness,
    /// It is time for a keepalive of ours.
    Keepalive,
}

/// The state of a session as far as timers depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before both sides' `SESS_INIT`.
    Opening,
    /// Established. Octets on their way out make a keepalive pointless.
    Open { outbox_is_empty: bool },
    /// `SESS_TERM` was sent.
    Ending { outbox_is_empty: bool },
}

/// Whether the neighbor is heard, and if not, whose doing that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Now,
    /// Our agent has not taken events, or not decided about transfers: the neighbor cannot help it.
    WaitsForAgent,
    /// The neighbor has not taken our answers.
    WaitsForNeighbor,
}

#[derive(Debug)]
pub(crate) struct Timers {
    keepalive: Option<Duration>,
    idle_timeout: Duration,
    contact_timeout: Duration,
    began: Instant,
    /// When octets last went out.
    sent: Instant,
    /// When octets last came in.
    received: Instant,
    /// When a message other than a keepalive last came in.
    message: Instant,
    /// When anything but keepalives last moved either way, or was decided.
    moved: Instant,
    /// When the grace of a dropped link is over.
    grace: Option<Instant>,
    reading: Reading,
}

impl Timers {
    pub(crate) fn new(options: &Options, now: Instant) -> Self {
        Self {
            keepalive: None,
            idle_timeout: options.idle_timeout,
            contact_timeout: options.contact_timeout,
            began: now,
            sent: now,
            received: now,
            message: now,
            moved: now,
            grace: None,
            reading: Reading::Now,
        }
    }

    pub(crate) fn established(&mut self, keepalive: Option<Duration>, now: Instant) {
        self.keepalive = keepalive;
        self.received = now;
        self.message = now;
    }

    /// One octet alone is a keepalive, and no sign that anything moves.
    pub(crate) fn sent(&mut self, now: Instant, octets: usize) {
        self.sent = now;
        if octets > 1 {
            self.moved = now;
        }
    }

    pub(crate) fn received(&mut self, now: Instant) {
        self.received = now;
    }

    pub(crate) fn message(&mut self, now: Instant) {
        self.message = now;
        self.moved = now;
    }

    pub(crate) fn moved(&mut self, now: Instant) {
        self.moved = now;
    }

    pub(crate) fn link_dropped(&mut self, now: Instant) {
        self.grace = Some(now + GRACE);
    }

    /// Whether we read from the neighbor from now on. Time in which we did not is not its silence.
    pub(crate) fn reading(&mut self, reading: Reading, now: Instant) {
        if self.reading != reading {
            self.received = now;
        }
        if self.reading == Reading::WaitsForAgent && reading != Reading::WaitsForAgent {
            self.message = now;
        }
        self.reading = reading;
    }

    /// The next time at which something is due, and what.
    pub(crate) fn next(&self, stage: Stage) -> Option<(Instant, Due)> {
        match stage {
            Stage::Opening => {
                earliest([at(self.began, self.contact_timeout, Due::Contact), self.grace_end()])
            }
            Stage::Open { outbox_is_empty } => earliest([
                self.silence(),
                self.idleness(),
                self.next_keepalive(outbox_is_empty),
                self.grace_end(),
            ]),
            Stage::Ending { outbox_is_empty } => {
                let still = at(self.moved, self.contact_timeout, Due::Ending);
                earliest([still, self.next_keepalive(outbox_is_empty), self.grace_end()])
            }
        }
    }

    fn grace_end(&self) -> Option<(Instant, Due)> {
        self.grace.map(|end| (end, Due::Ending))
    }

    /// §5.1.1: twice the interval. Without keepalives silence means nothing.
    fn silence(&self) -> Option<(Instant, Due)> {
        let keepalive = self.keepalive.filter(|_| self.reading == Reading::Now)?;
        at(self.received, 2 * keepalive, Due::Silence)
    }

    /// §6.2. A neighbor that takes nothing from us is as idle as one that says nothing.
    fn idleness(&self) -> Option<(Instant, Due)> {
        at(self.message, self.idle_timeout, Due::Idleness).filter(|_| self.reading != Reading::WaitsForAgent)
    }

    /// §5.1.1: when nothing was sent for the interval. Octets that wait for the socket will do as well.
    fn next_keepalive(&self, outbox_is_empty: bool) -> Option<(Instant, Due)> {
        let keepalive = self.keepalive.filter(|_| outbox_is_empty)?;
        at(self.sent, keepalive, Due::Keepalive)
    }
}

/// `None` for a time too far away to be a time.
fn at(since: Instant, after: Duration, due: Due) -> Option<(Instant, Due)> {
    since.checked_add(after).map(|instant| (instant, due))
}

fn earliest<const N: usize>(times: [Option<(Instant, Due)>; N]) -> Option<(Instant, Due)> {
    times.into_iter().flatten().min_by_key(|(instant, _)| *instant)
}
