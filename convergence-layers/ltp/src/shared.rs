//! What the sessions of one engine have in common.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::{RefusalReason, TransferId};

use crate::options::Options;
use crate::pacing::Pacer;
use crate::rtt::Rtt;
use crate::segment::{Content, Segment, SessionId};

/// Answers that wait to be transmitted before more are forgotten: the neighbor asks again.
const ANSWERS_MAX: usize = 1_024;

/// What happens to transfers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The neighbor sends a block.
    Receiving {
        /// Our number for it; each is larger than those of sessions that began before it.
        transfer: TransferId,
        /// Its length, where that is known already.
        length: Option<u64>,
    },
    /// The next octets of a block.
    Octets {
        /// Our number for it.
        transfer: TransferId,
        /// At most 64 KiB.
        octets: Bytes,
    },
    /// All octets of a block were handed up: accept or refuse it.
    Received {
        /// Our number for it.
        transfer: TransferId,
    },
    /// A block that was being handed up will not be completed.
    Broken {
        /// Our number for it.
        transfer: TransferId,
    },
    /// The neighbor has the whole of a block of ours.
    Sent {
        /// The agent's number for it.
        transfer: TransferId,
    },
    /// The neighbor refused a block of ours, or did not answer often enough.
    Refused {
        /// The agent's number for it.
        transfer: TransferId,
        /// Why.
        reason: RefusalReason,
    },
}

/// What an engine counted since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Octets of our blocks that the neighbor claimed.
    pub octets_claimed: u64,
    /// Octets of our blocks that reports named as missing.
    pub octets_missing: u64,
    /// Octets of blocks that were transmitted for the first time.
    pub octets_sent: u64,
    /// Octets of blocks that were transmitted again.
    pub octets_sent_again: u64,
    /// Octets of blocks that were received for the first time.
    pub octets_received: u64,
    /// Octets of blocks that were received again, or for which there was no room.
    pub octets_in_vain: u64,
    /// Reports of ours that the neighbor acknowledged, by serial numbers that only those know who received them.
    pub reports_acknowledged: u64,
    /// Segments that could not be read, or do not belong to a session between the two engines.
    pub segments_discarded: u64,
}

/// What the sessions of one engine have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) rtt: Rtt,
    pub(crate) pacer: Pacer,
    pub(crate) counters: Counters,
    pub(crate) events: VecDeque<Event>,
    pub(crate) random: Random,
    /// Octets of received blocks that wait to be handed up.
    pub(crate) buffered: usize,
    /// Octets of our blocks that are held.
    pub(crate) held: usize,
    answers: VecDeque<Segment<'static>>,
}

impl Shared {
    pub(crate) fn new(options: Options, seed: u64) -> Self {
        Self {
            rtt: Rtt::new(&options),
            pacer: Pacer::new(options.rate, options.overhead),
            options,
            counters: Counters::default(),
            events: VecDeque::new(),
            random: Random(seed),
            buffered: 0,
            held: 0,
            answers: VecDeque::new(),
        }
    }

    /// An answer that is transmitted once.
    pub(crate) fn answer(&mut self, session: SessionId, content: Content<'static>) {
        let answer = Segment { session, content };
        if self.answers.len() < ANSWERS_MAX && !self.answers.contains(&answer) {
            self.answers.push_back(answer);
        }
    }

    pub(crate) fn next_answer(&mut self) -> Option<Segment<'static>> {
        self.answers.pop_front()
    }

    pub(crate) fn has_answers(&self) -> bool {
        !self.answers.is_empty()
    }
}

/// Numbers that a stranger shall not guess.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A number from 1 to `most` (splitmix64, Steele et al. 2014).
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        1 + (mixed ^ (mixed >> 31)) % most
    }
}

/// A segment that is transmitted until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Awaited {
    /// Whether it is to be transmitted now.
    pub(crate) is_due: bool,
    /// How often it was transmitted.
    pub(crate) transmissions: u32,
    /// When it was transmitted last, unless that is of no use to measure a round trip.
    measured_from: Option<Instant>,
    /// When the answer is overdue.
    deadline: Option<Instant>,
}

impl Awaited {
    /// One that is yet to be transmitted.
    pub(crate) fn due() -> Self {
        Self { is_due: true, transmissions: 0, measured_from: None, deadline: None }
    }

    pub(crate) fn transmitted(&mut self, now: Instant, shared: &Shared) {
        self.is_due = false;
        self.transmissions += 1;
        self.measured_from = (self.transmissions == 1).then_some(now);
        self.deadline = now.checked_add(shared.rtt.timeout());
    }

    /// It was answered: a round trip is measured.
    pub(crate) fn answered(&self, now: Instant, shared: &mut Shared) {
        if let Some(from) = self.measured_from {
            shared.rtt.sample(now.saturating_duration_since(from));
        }
        shared.rtt.answered();
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.is_due { None } else { self.deadline }
    }

    /// Notes that the answer is overdue, where it is; says whether it was transmitted too often.
    pub(crate) fn expire(&mut self, now: Instant, shared: &mut Shared) -> bool {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return false;
        }
        shared.rtt.missed(now);
        self.is_due = true;
        self.transmissions >= shared.options.transmissions_max
    }

    /// The contact was down for so long (§6.6).
    pub(crate) fn delay(&mut self, by: Duration) {
        self.measured_from = None;
        delay(&mut self.deadline, by);
    }
}

/// Moves a deadline.
pub(crate) fn delay(deadline: &mut Option<Instant>, by: Duration) {
    *deadline = deadline.and_then(|at| at.checked_add(by));
}
