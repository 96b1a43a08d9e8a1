//! Bundles over an open contact: in LTP, whose segments are payloads of frames, or whole in one frame.
//!
//! Called by `line`. We send bundles by LTP, which says when they arrived; whole ones go only to nodes that do not speak it, and are
//! taken from everybody. The agent learns of a block when all of it is here, or when the contact ends: until then urgent ones
//! may overtake it. Only what would take too much memory is handed up earlier.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use convergence_layer::{Control, Event, Outgoing, RefusalReason, TransferId};
use ltp::{Counters, Engine};

use crate::beacon::Beacon;
use crate::frame;
use crate::settings::Settings;

/// The first octet of a bundle: an array of indefinite length.
pub(crate) const BUNDLE_MARK: u8 = 0x9f;
/// Segments of LTP begin with an octet up to this: version 0 and a type.
pub(crate) const SEGMENT_MARK_MAX: u8 = 0x0f;
/// What is handed to LTP at a time, so that memory is freed as the neighbor claims it.
const PIECE: usize = 4 * 1024;
/// Octets that only urgent bundles may fill.
const EXPRESS_ROOM: usize = 64 * 1024;
/// Seconds of the line that a neighbor may leave unclaimed, and how many octets that is at least and most.
const WINDOW_SECONDS: u64 = 60;
const WINDOW: (u64, u64) = (64 * 1024, 4 * 1024 * 1024);
/// Seconds of the line after which a report is asked for: so much is behind a gap at most when the contact ends.
const CHECKPOINT_SECONDS: u64 = 8;
const CHECKPOINT: (u64, u64) = (4 * 1024, 64 * 1024);
/// Received octets that wait because their block is not whole. A block goes up early at a quarter of it.
const BUFFER_MAX: usize = 16 * 1024 * 1024;
/// Whole bundles that wait for an agent that is busy; more are as if they had been lost.
const WHOLE_MAX: usize = 16;
/// Numbers of received bundles that came whole: LTP counts from 0.
const WHOLE_FIRST: TransferId = 1 << 63;
/// First session numbers: one octet, for the first 64 bundles of a contact at least. Engine numbers tell contacts apart.
const FIRST_SESSION_MAX: u64 = 1 << 6;
/// The longest wait of LTP for an answer, where nobody has to pause.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// A block that is incomplete may wait as long as the contact lasts.
const IDLE_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Which bundles are sent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// All others.
    Ordinary,
    /// Those that must not wait.
    Express,
}

/// What both ends agreed upon, and what follows from it.
#[derive(Debug)]
pub(crate) struct Terms<'t> {
    pub(crate) settings: &'t Settings,
    pub(crate) neighbor: &'t Beacon,
    /// The number that stands for this contact of ours.
    pub(crate) epoch: u32,
    /// The largest bundle that we take.
    pub(crate) transfer_mru: u64,
}

/// The bundle of a lane that is under way from the agent.
#[derive(Debug)]
struct Current {
    transfer: TransferId,
    missing: u64,
    /// What came of it, where it goes whole.
    whole: Option<Vec<u8>>,
}

/// Bundles both ways.
#[derive(Debug)]
pub(crate) struct Carrying {
    engine: Engine,
    /// The longest bundle that goes whole, for a neighbor without LTP.
    whole_max: Option<usize>,
    ordinary: Option<Current>,
    express: Option<Current>,
    to_send: VecDeque<(TransferId, Vec<u8>)>,
    received: VecDeque<Bytes>,
    next_received: TransferId,
    is_delivering: bool,
    is_closing: bool,
    events: VecDeque<Event>,
}

impl Carrying {
    pub(crate) fn new(terms: &Terms<'_>, seed: u64) -> Self {
        let payload_max = usize::try_from(terms.neighbor.payload_max).unwrap_or(usize::MAX);
        let options = options(terms, payload_max);
        let engine = Engine::new(options, seed).unwrap_or_else(|error| panic!("our own options: {error}"));
        let whole_max = payload_max.min(frame::payload_room(terms.settings.frame()));
        Self {
            engine,
            whole_max: (!terms.neighbor.speaks_ltp).then_some(whole_max),
            ordinary: None,
            express: None,
            to_send: VecDeque::new(),
            received: VecDeque::new(),
            next_received: WHOLE_FIRST,
            is_delivering: false,
            is_closing: false,
            events: VecDeque::new(),
        }
    }

    /// The longest bundle that the neighbor can be sent.
    pub(crate) fn most(&self) -> u64 {
        self.whole_max.map_or(u64::MAX, |most| u64::try_from(most).unwrap_or(u64::MAX))
    }

    /// Whether something of the agent's can be taken.
    pub(crate) fn takes_outgoing(&self, lane: Lane) -> bool {
        if self.whole_max.is_some() {
            return self.to_send.len() < WHOLE_MAX;
        }
        let kept = match lane {
            Lane::Ordinary => EXPRESS_ROOM,
            Lane::Express => 0,
        };
        self.engine.takes_transfer() && self.engine.room() > kept
    }

    /// Takes something of the agent's.
    pub(crate) fn take(&mut self, lane: Lane, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Begin { transfer, length } => self.begin(lane, transfer, length),
            Outgoing::Octets(octets) => self.octets(lane, octets),
            Outgoing::Abandon => {
                if let Some(current) = self.current(lane).take() {
                    self.engine.send_abandon(current.transfer);
                }
            }
        }
    }

    fn begin(&mut self, lane: Lane, transfer: TransferId, length: u64) {
        let refused = if self.is_closing {
            Some(RefusalReason::SessionTerminating)
        } else if length == 0 || length > self.most() {
            Some(RefusalReason::NotAcceptable)
        } else {
            None
        };
        if let Some(reason) = refused {
            *self.current(lane) = None;
            return self.events.push_back(Event::Refused { transfer, reason });
        }
        let whole = self.whole_max.map(|_| Vec::new());
        if whole.is_none() {
            self.engine.send_begin(transfer, length, lane == Lane::Express);
        }
        *self.current(lane) = Some(Current { transfer, missing: length, whole });
    }

    fn octets(&mut self, lane: Lane, mut octets: Bytes) {
        // Those of a bundle that was refused.
        let Some(mut current) = self.current(lane).take() else { return };
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let transfer = current.transfer;
        // An agent that sends more than it said is wrong; what it said is sent.
        octets.truncate(usize::try_from(current.missing).unwrap_or(usize::MAX));
        current.missing = current.missing.saturating_sub(length);
        match &mut current.whole {
            Some(whole) => whole.extend_from_slice(&octets),
            None => {
                while !octets.is_empty() {
                    let piece = octets.split_to(octets.len().min(PIECE));
                    self.engine.send_octets(transfer, piece);
                }
            }
        }
        match (current.missing, current.whole.take()) {
            (0, Some(whole)) => self.to_send.push_back((transfer, whole)),
            (0, None) => {}
            (_, whole) => *self.current(lane) = Some(Current { whole, ..current }),
        }
    }

    fn current(&mut self, lane: Lane) -> &mut Option<Current> {
        match lane {
            Lane::Ordinary => &mut self.ordinary,
            Lane::Express => &mut self.express,
        }
    }

    pub(crate) fn decide(&mut self, control: Control) {
        match control {
            Control::Accept(transfer) if transfer < WHOLE_FIRST => self.engine.accept(transfer),
            Control::Refuse(transfer, reason) if transfer < WHOLE_FIRST => {
                self.engine.refuse(transfer, reason);
            }
            // Who sent it whole does not wait for an answer.
            Control::Accept(_) | Control::Refuse(..) => {}
            Control::Close(_) => self.is_closing = true,
        }
    }

    /// Whether the contact is to end and nothing is under way.
    pub(crate) fn is_done(&self) -> bool {
        let is_idle = self.ordinary.is_none() && self.express.is_none() && self.to_send.is_empty();
        self.is_closing && is_idle && self.engine.is_idle()
    }

    /// The payload of a frame arrived that is no beacon. Says whether it was anything.
    pub(crate) fn payload(&mut self, now: Instant, payload: &[u8]) -> bool {
        match payload.first() {
            Some(mark) if *mark <= SEGMENT_MARK_MAX => {
                self.engine.handle_segments(now, payload);
                true
            }
            Some(&BUNDLE_MARK) if self.received.len() < WHOLE_MAX => {
                self.received.push_back(Bytes::copy_from_slice(payload));
                true
            }
            Some(&BUNDLE_MARK) => true,
            _ => false,
        }
    }

    /// Whether [`Carrying::poll_payload`] has something.
    pub(crate) fn has_payload(&self) -> bool {
        !self.to_send.is_empty() || self.engine.has_segment()
    }

    /// The payload of the next frame, written into `payload`, which is cleared.
    pub(crate) fn poll_payload(&mut self, now: Instant, payload: &mut Vec<u8>) -> bool {
        if let Some((transfer, whole)) = self.to_send.pop_front() {
            *payload = whole;
            self.events.push_back(Event::Left(transfer));
            return true;
        }
        self.engine.poll_transmit(now, payload)
    }

    /// The next event for the agent. Octets of two bundles never mix.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if !self.is_delivering
            && let Some(whole) = self.received.pop_front()
        {
            let transfer = self.next_received;
            self.next_received += 1;
            let length = u64::try_from(whole.len()).ok();
            self.events.extend([Event::Octets(whole), Event::Received]);
            return Some(Event::Receiving { transfer, length });
        }
        let event = self.engine.poll_event()?;
        Some(match event {
            ltp::Event::Receiving { transfer, length } => {
                self.is_delivering = true;
                Event::Receiving { transfer, length }
            }
            ltp::Event::Octets { octets, .. } => Event::Octets(octets),
            ltp::Event::Received { .. } => {
                self.is_delivering = false;
                Event::Received
            }
            ltp::Event::Broken { .. } => {
                self.is_delivering = false;
                Event::Broken
            }
            ltp::Event::Sent { transfer } => Event::Sent(transfer),
            ltp::Event::Refused { transfer, reason } => Event::Refused { transfer, reason },
        })
    }

    /// The contact is over: what came of incomplete blocks follows in events, so that it stays.
    pub(crate) fn finish(&mut self) {
        self.engine.finish();
    }

    pub(crate) fn suspend(&mut self, now: Instant) {
        self.engine.suspend(now);
    }

    pub(crate) fn resume(&mut self, now: Instant) {
        self.engine.resume(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.engine.poll_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.engine.handle_timeout(now);
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.engine.round_trip()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.engine.counters()
    }
}

/// How LTP behaves on a line: engine numbers and session numbers are short, for each octet counts in short frames.
fn options(terms: &Terms<'_>, payload_max: usize) -> ltp::Options {
    let (settings, neighbor) = (terms.settings, terms.neighbor);
    let clamped = |seconds: u64, (least, most): (u64, u64)| {
        usize::try_from((settings.rate() * seconds).clamp(least, most)).unwrap_or(usize::MAX)
    };
    let frames = |count: u64| settings.time_for(u64::try_from(settings.frame()).unwrap_or(0) * count);
    let pause = settings.longest_pause().max(Duration::from_secs(neighbor.pause_seconds.into()));
    let engine = engine_number(terms.epoch, neighbor.epoch);
    let theirs = engine_number(neighbor.epoch, terms.epoch);
    let standard = ltp::Options::new(engine, theirs);
    ltp::Options {
        segment_max: frame::payload_room(settings.frame()).min(payload_max).max(ltp::options::SEGMENT_MIN),
        block_max: terms.transfer_mru,
        first_session_max: FIRST_SESSION_MAX,
        window: clamped(WINDOW_SECONDS, WINDOW) + EXPRESS_ROOM,
        checkpoint_every: u64::try_from(clamped(CHECKPOINT_SECONDS, CHECKPOINT)).unwrap_or(u64::MAX),
        buffer_max: BUFFER_MAX,
        buffers_max: BUFFER_MAX + BUFFER_MAX / 2,
        timeout_first: standard.timeout_first + frames(4),
        timeout_min: standard.timeout_min + frames(2),
        timeout_max: TIMEOUT_MAX + frames(8) + pause,
        inquiry_after: standard.inquiry_after + frames(4),
        idle_max: IDLE_MAX,
        ..standard
    }
}

/// The number of an engine: other for each contact, so that nothing of an earlier one is taken for this one's, and never the same at
/// both ends.
pub(crate) fn engine_number(epoch: u32, other: u32) -> u64 {
    1 + 2 * u64::from(epoch % 8_191) + u64::from(epoch > other)
}
