//! One contact over a line, without device, clock or task.
//!
//! The caller's contract: *inputs* say what happened ([`Line::receive`], [`Line::take`], [`Line::decide`], [`Line::device_lost`],
//! [`Line::link_dropped`], [`Line::handle_timeout`]); after each of them [`Line::poll_frame`] until it has none, whose octets count as sent,
//! and [`Line::poll_event`] as far as the agent takes events. Octets are always read: what there is no room for is as if it
//! had been lost on the line, where LTP sends it again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use convergence_layer::{Control, Event, Outgoing};

use crate::beacon::{self, Beacon, EPOCH_MAX};
use crate::carrying::{Carrying, Terms};
use crate::frame::{self, DELIMITER, Decoder};
use crate::pacing::{self, Pacer, Purpose};
use crate::presence::{Heard, Presence};
use crate::settings::Settings;

pub use crate::carrying::Lane;

/// When nothing left for so long, a delimiter goes first: noise may have come in between.
const QUIET: Duration = Duration::from_millis(500);
/// When nothing may be sent for longer, the timers of LTP stand still.
const SUSPENDED: Duration = Duration::from_secs(2);
/// How long a contact that is to end may take for what is under way.
const CLOSING: Duration = Duration::from_secs(30);
/// A frame of a beacon, with a node ID.
const BEACON_OCTETS: u64 = 130;

/// What a node brings to a line.
#[derive(Debug, Clone)]
pub struct Local {
    /// Its node ID, as text.
    pub node_id: String,
    /// The largest bundle that it takes, in octets.
    pub transfer_mru: u64,
}

/// One contact, from the first beacon to its end.
#[derive(Debug)]
pub struct Line {
    settings: Settings,
    local: Local,
    seed: u64,
    epoch: u32,
    decoder: Decoder,
    pacer: Pacer,
    presence: Presence,
    carrying: Option<Carrying>,
    is_suspended: bool,
    close_by: Option<Instant>,
    payload: Vec<u8>,
    opened: Option<Event>,
    faults: VecDeque<&'static str>,
    ending: Option<String>,
    is_over: bool,
}

impl Line {
    /// A line on which nobody was heard yet. `seed` shall be random.
    pub fn new(settings: Settings, local: Local, seed: u64, now: Instant) -> Self {
        let epoch = 1 + u32::try_from(seed % u64::from(EPOCH_MAX)).unwrap_or(0);
        let node_id = Some(local.node_id.clone()).filter(|id| id.len() <= beacon::NODE_ID_OCTETS_MAX);
        Self {
            pacer: Pacer::new(&settings, now),
            presence: Presence::new(&settings, node_id, epoch, now),
            settings,
            local,
            seed,
            epoch,
            decoder: Decoder::default(),
            carrying: None,
            is_suspended: false,
            close_by: None,
            payload: Vec::new(),
            opened: None,
            faults: VecDeque::new(),
            ending: None,
            is_over: false,
        }
    }

    /// Whether the other end was heard, and heard us.
    pub fn is_open(&self) -> bool {
        self.presence.is_open()
    }

    /// Whether the last event was taken.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether nothing is to be sent any more, and only events are left.
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The device brought octets.
    pub fn receive(&mut self, now: Instant, mut octets: &[u8]) {
        let bad = self.decoder.counters().bad;
        while self.ending.is_none() && self.decoder.next_payload(&mut octets).is_some() {
            self.frame(now);
        }
        if self.is_open() && self.decoder.counters().bad > bad {
            self.fault("a damaged frame, or text of a terminal");
        }
    }

    fn frame(&mut self, now: Instant) {
        let payload = self.decoder.payload();
        if payload.first() == Some(&beacon::MARK) {
            if let Some(beacon) = Beacon::decode(payload) {
                self.beacon(now, beacon);
            }
        } else if let Some(carrying) = &mut self.carrying
            && carrying.payload(now, payload)
        {
            self.presence.heard(now);
        }
    }

    fn beacon(&mut self, now: Instant, beacon: Beacon) {
        match self.presence.beacon(now, beacon) {
            Heard::Nothing => {}
            Heard::Opened => self.open(),
            Heard::Gone(reason) => self.end(reason.to_owned()),
            Heard::Fault(fault) => self.fault(fault),
        }
    }

    fn open(&mut self) {
        let Some(neighbor) = self.presence.neighbor() else { return };
        let terms = Terms {
            settings: &self.settings,
            neighbor,
            epoch: self.epoch,
            transfer_mru: self.local.transfer_mru,
        };
        let carrying = Carrying::new(&terms, self.seed);
        // A tenth is what framing and LTP take.
        let octets_per_second = (self.settings.sustained_rate() * 9 / 10).max(1);
        self.opened = Some(Event::Opened {
            node_id: neighbor.node_id.clone(),
            transfer_mru: carrying.most(),
            octets_per_second: Some(octets_per_second),
        });
        self.carrying = Some(carrying);
    }

    fn fault(&mut self, fault: &'static str) {
        if self.faults.back() != Some(&fault) && self.faults.len() < 8 {
            self.faults.push_back(fault);
        }
    }

    /// Whether something of the agent's can be taken in a lane.
    pub fn takes_outgoing(&self, lane: Lane) -> bool {
        self.ending.is_none() && self.carrying.as_ref().is_some_and(|carrying| carrying.takes_outgoing(lane))
    }

    /// The agent sends. Only while [`Line::takes_outgoing`].
    pub fn take(&mut self, lane: Lane, outgoing: Outgoing) {
        if let Some(carrying) = &mut self.carrying {
            carrying.take(lane, outgoing);
        }
    }

    /// The agent decided.
    pub fn decide(&mut self, now: Instant, control: Control) {
        if matches!(control, Control::Close(_)) {
            self.close_by.get_or_insert(now + CLOSING);
        }
        match &mut self.carrying {
            Some(carrying) => carrying.decide(control),
            None if matches!(control, Control::Close(_)) => {
                self.end("closed before anybody was heard".to_owned());
            }
            None => {}
        }
    }

    /// The device is gone, or does not work.
    pub fn device_lost(&mut self, reason: &str) {
        self.end(reason.to_owned());
    }

    /// The agent gave the link up.
    pub fn link_dropped(&mut self) {
        self.end("the agent let go of the link".to_owned());
    }

    fn end(&mut self, reason: String) {
        if self.ending.is_none() {
            self.ending = Some(reason);
            if let Some(carrying) = &mut self.carrying {
                carrying.finish();
            }
        }
    }

    /// When to call [`Line::handle_timeout`] and [`Line::poll_frame`] next; early or repeated calls are harmless.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if self.ending.is_some() {
            return None;
        }
        let beacon =
            self.pacer.ready_at(self.presence.beacon_at().max(now), BEACON_OCTETS, Purpose::Presence);
        let engine = self.carrying.as_ref().and_then(Carrying::deadline);
        let has_frame = self.is_suspended || self.carrying.as_ref().is_some_and(Carrying::has_payload);
        let frame = has_frame.then(|| self.frame_at(now));
        [Some(beacon), engine, frame, self.presence.silent_at(), self.close_by].into_iter().flatten().min()
    }

    /// When the next frame of any length may go.
    fn frame_at(&self, now: Instant) -> Instant {
        // The delimiter that may come first.
        let most = u64::try_from(self.settings.frame() + 1).unwrap_or(u64::MAX);
        self.pacer.ready_at(now, most, Purpose::Bundles)
    }

    /// The time that [`Line::poll_timeout`] told may have come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.presence.silent_at().is_some_and(|at| at <= now) {
            self.end("the neighbor fell silent".to_owned());
        }
        let is_done = self.carrying.as_ref().is_some_and(Carrying::is_done);
        if self.close_by.is_some_and(|at| is_done || at <= now) {
            self.end("the contact was closed".to_owned());
        }
        let frame_at = self.frame_at(now);
        let Some(carrying) = &mut self.carrying else { return };
        if frame_at > now + SUSPENDED && !self.is_suspended {
            carrying.suspend(now);
            self.is_suspended = true;
        } else if frame_at <= now && self.is_suspended {
            carrying.resume(now);
            self.is_suspended = false;
        }
        carrying.handle_timeout(now);
    }

    /// Appends the next frame to `out`, if one may go now; says whether one did.
    pub fn poll_frame(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        if self.ending.is_some() {
            return false;
        }
        if self.pacer.quiet_for(now) >= QUIET || !self.pacer.has_sent() {
            out.push(DELIMITER);
        }
        let is_written = self.write_beacon(now, out) || self.write_payload(now, out);
        if is_written {
            self.pacer.sent(now, u64::try_from(out.len() - before).unwrap_or(u64::MAX));
        } else {
            out.truncate(before);
        }
        is_written
    }

    fn write_beacon(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let is_due = self.presence.beacon_at() <= now;
        let may_go = is_due && self.pacer.ready_at(now, BEACON_OCTETS, Purpose::Presence) <= now;
        if may_go {
            self.presence.send_beacon(now, out);
        }
        may_go
    }

    fn write_payload(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        if self.is_suspended || self.frame_at(now) > now {
            return false;
        }
        let Some(carrying) = &mut self.carrying else { return false };
        if !carrying.poll_payload(now, &mut self.payload) {
            return false;
        }
        frame::encode(&self.payload, out);
        self.presence.sent(now);
        true
    }

    /// The last words: what tells the neighbor that we go. To be written once the line is ending, if the device is there.
    pub fn farewell(&mut self) -> Vec<u8> {
        let mut out = vec![DELIMITER];
        if self.is_open() {
            self.presence.send_farewell(&mut out);
        }
        out
    }

    /// How long so many octets take to leave, and what may wait before them.
    pub fn time_for(&self, octets: usize) -> Duration {
        self.settings.time_for(u64::try_from(octets).unwrap_or(u64::MAX)) + pacing::LOW_WATER
    }

    /// The next event for the agent; [`Event::Closed`] is the last.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(opened) = self.opened.take() {
            return Some(opened);
        }
        if let Some(event) = self.carrying.as_mut().and_then(Carrying::poll_event) {
            return Some(event);
        }
        if self.is_over {
            return None;
        }
        let reason = self.ending.clone()?;
        self.is_over = true;
        Some(Event::Closed { reason })
    }

    /// Something that went wrong without ending the contact, for `status`.
    pub fn poll_fault(&mut self) -> Option<&'static str> {
        self.faults.pop_front()
    }

    /// The round trip, once one was measured, and octets of bundles that were sent again.
    pub fn measured(&self) -> (Option<Duration>, u64) {
        let Some(carrying) = &self.carrying else { return (None, 0) };
        (carrying.round_trip(), carrying.counters().octets_sent_again)
    }
}
