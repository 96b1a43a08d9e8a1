//! How fast data segments may be transmitted.
//!
//! On a link of its own (a serial line) the rate is a setting. On a path that is shared it is measured: as fast as the neighbor's
//! reports say that octets arrive, a little more for one round trip in eight to see whether there is room, and a little less while
//! the round trip is longer than it has to be, because that is others' time in the queue (after Cardwell et al., BBR, 2016). Loss
//! alone slows nothing, since on radio it means nothing; the share that is lost at the best of times is sent on top.
//!
//! Reports come once a checkpoint: that is all the feedback that LTP has, with any other implementation at the other end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How fast data segments are transmitted; what the link adds to each of them counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// As fast as the link asks for them.
    Unlimited,
    /// So many octets a second.
    Fixed(u64),
    /// As fast as reports say that they arrive.
    Measured,
}

/// Octets a second before anything is known of the path.
const START: u64 = 64 * 1024;
/// The least rate: a full segment a second.
const LEAST: u64 = 1_280;
/// How long a timer of the link may be late without making it slower.
const BURST: Duration = Duration::from_millis(5);
/// Gains in thousandths. At the beginning: 2 / ln 2, the least that doubles in a round trip.
const STARTING: u64 = 2_885;
const DRAINING: u64 = 500;
const CRUISING: [u64; 8] = [1_250, 750, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000];
/// The gain while there is a queue.
const YIELDING: u64 = 930;
/// Turns for which the highest rate is remembered.
const TURNS: u64 = 10;
/// Turns without growth after which the beginning is over.
const STALLED_MAX: u32 = 3;
/// For how long the shortest round trip is believed.
const ROUND_TRIP_AGE: Duration = Duration::from_secs(30);
/// The shortest queue that is noticed.
const QUEUE_MIN: Duration = Duration::from_millis(20);
/// Octets after which a report is wanted at the earliest.
const REPORT_EVERY_MIN: u64 = 4_096;
/// Losses of a turn in thousandths, above what is always lost, after which older rates count no more.
const LOSS_MAX: u64 = 200;

/// What a checkpoint remembers until its report comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure {
    at: Instant,
    delivered: u64,
    delivered_at: Instant,
    was_limited: bool,
    on_link: u64,
}

/// Octets of blocks as reports told of them, since the engine began.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) claimed: u64,
    pub(crate) missing: u64,
}

/// Lets segments go in time.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: Rate,
    overhead: u64,
    next_at: Option<Instant>,
    /// Whether the link knows that it may ask again.
    is_woken: bool,
    measured: Measured,
    /// Octets on the link, and those of them that are octets of blocks.
    on_link: u64,
    of_blocks: u64,
    limited_until: Option<Instant>,
    late: u64,
    /// What was on the link before the last checkpoint that was answered.
    heard_of: u64,
}

#[derive(Debug)]
struct Measured {
    phase: Phase,
    gain: u64,
    /// Turns so far, and when this one began: it ends with the report to a checkpoint that was transmitted in it.
    turns: u64,
    turn_began: Option<Instant>,
    /// In which turn, and octets of blocks a second that were delivered.
    rates: VecDeque<(u64, u64)>,
    delivered: u64,
    delivered_at: Option<Instant>,
    shortest: Option<(Instant, Duration)>,
    last: Duration,
    at_turn: Told,
    /// What was lost in recent turns, in thousandths.
    losses: VecDeque<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting { best: u64, stalled: u32 },
    Draining { turns: u32 },
    Cruising { turn: usize },
}

impl Pacer {
    pub(crate) fn new(rate: Rate, overhead: usize) -> Self {
        let measured = Measured {
            phase: Phase::Starting { best: 0, stalled: 0 },
            gain: 1_000,
            turns: 0,
            turn_began: None,
            rates: VecDeque::new(),
            delivered: 0,
            delivered_at: None,
            shortest: None,
            last: Duration::ZERO,
            at_turn: Told::default(),
            losses: VecDeque::new(),
        };
        let overhead = u64::try_from(overhead).unwrap_or(0);
        Self {
            rate,
            overhead,
            next_at: None,
            is_woken: false,
            measured,
            on_link: 0,
            of_blocks: 0,
            limited_until: None,
            late: 0,
            heard_of: 0,
        }
    }

    /// Octets a second, unless all may go at once.
    pub(crate) fn rate(&self) -> Option<u64> {
        match self.rate {
            Rate::Unlimited => None,
            Rate::Fixed(rate) => Some(rate.max(1)),
            Rate::Measured => Some(self.measured_rate().max(LEAST)),
        }
    }

    fn measured_rate(&self) -> u64 {
        let Some(best) = self.measured.best() else { return START };
        // What is lost at the best of times is sent on top, and so are headers.
        let arriving = best.saturating_mul(1_000) / (1_000 - self.measured.always_lost().min(700));
        let on_link = arriving.saturating_mul(self.on_link) / self.of_blocks.max(1);
        on_link.saturating_mul(self.measured.gain) / 1_000
    }

    /// When the next data segment may go, unless the link has been told already.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.next_at.filter(|_| !self.is_woken)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.is_woken |= self.is_ready(now);
    }

    pub(crate) fn is_ready(&self, now: Instant) -> bool {
        self.next_at.is_none_or(|at| at <= now)
    }

    /// A checkpoint was answered, whenever it was transmitted: what went before it is not on its way any more.
    pub(crate) fn heard_of(&mut self, departure: &Departure) {
        self.heard_of = self.heard_of.max(departure.on_link);
    }

    /// Whether more may be on its way than is: a quarter more than the path holds, and what reports come late with. While not, only checkpoints are repeated.
    pub(crate) fn has_room(&self) -> bool {
        if self.rate != Rate::Measured {
            return true;
        }
        let on_its_way = self.on_link - self.heard_of;
        let round_trip = self.measured.shortest.map_or(0, |(_, shortest)| shortest.as_micros());
        let holds = u128::from(self.measured_rate()) * 1_000 / u128::from(self.measured.gain) * round_trip
            / 1_000_000;
        let holds = u64::try_from(holds).unwrap_or(u64::MAX);
        on_its_way < (holds.saturating_mul(5) / 4).saturating_add(8 * REPORT_EVERY_MIN)
    }

    /// A segment was transmitted.
    pub(crate) fn transmitted(&mut self, now: Instant, octets: usize, of_blocks: u64) {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX).saturating_add(self.overhead);
        self.on_link = self.on_link.saturating_add(octets);
        self.of_blocks = self.of_blocks.saturating_add(of_blocks);
        if let Some(rate) = self.rate() {
            let earliest = now.checked_sub(BURST).unwrap_or(now);
            let from = self.next_at.map_or(now, |at| at.max(earliest));
            self.is_woken = false;
            self.next_at =
                from.checked_add(Duration::from_nanos(octets.saturating_mul(1_000_000_000) / rate));
        }
    }

    /// A data segment might have gone, and there was none: what reports say in the next round trip is not the path's doing.
    pub(crate) fn had_nothing(&mut self, now: Instant) {
        let round_trip = self.measured.shortest.map_or(Duration::from_secs(1), |(_, shortest)| shortest);
        self.limited_until = now.checked_add(round_trip);
    }

    /// After how many octets a report is wanted at the latest: several in a round trip.
    pub(crate) fn report_every(&self) -> u64 {
        let Some((_, shortest)) = self.measured.shortest.filter(|_| self.rate == Rate::Measured) else {
            return if self.rate == Rate::Measured { REPORT_EVERY_MIN } else { u64::MAX };
        };
        let in_round_trip = u128::from(self.measured_rate()) * shortest.as_micros() / 1_000_000;
        u64::try_from(in_round_trip / 4).unwrap_or(u64::MAX).max(REPORT_EVERY_MIN)
    }

    /// What a checkpoint that is transmitted now shall remember.
    pub(crate) fn departure(&self, now: Instant) -> Departure {
        Departure {
            at: now,
            delivered: self.measured.delivered,
            delivered_at: self.measured.delivered_at.unwrap_or(now),
            on_link: self.on_link,
            was_limited: self.limited_until.is_some_and(|until| now < until),
        }
    }

    /// Octets were claimed in answer to something that was transmitted twice: when they arrived is not known, and they would look like a
    /// burst.
    pub(crate) fn answered_late(&mut self, octets: u64) {
        self.late += octets;
    }

    /// A checkpoint that was transmitted once was answered.
    pub(crate) fn answered(&mut self, now: Instant, departure: &Departure, mut told: Told) {
        told.claimed = told.claimed.saturating_sub(self.late);
        self.measured.answered(now, departure, told);
    }
}

impl Measured {
    fn best(&self) -> Option<u64> {
        self.rates.iter().map(|(_, rate)| *rate).max()
    }

    fn always_lost(&self) -> u64 {
        self.losses.iter().copied().min().unwrap_or(0)
    }

    fn answered(&mut self, now: Instant, departure: &Departure, told: Told) {
        self.note_round_trip(now, now.saturating_duration_since(departure.at));
        let gained = told.claimed.saturating_sub(departure.delivered);
        let time = now.saturating_duration_since(departure.delivered_at).as_micros().max(1_000);
        let rate = u128::from(gained) * 1_000_000 / time;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        self.delivered = told.claimed;
        self.delivered_at = Some(now);
        if !departure.was_limited || self.best().is_none_or(|best| rate > best) {
            self.rates.push_back((self.turns, rate));
        }
        if self.turn_began.is_none_or(|at| at <= departure.at) {
            self.turn(now, told);
        }
    }

    fn note_round_trip(&mut self, now: Instant, round_trip: Duration) {
        self.last = round_trip;
        let is_shortest = self.shortest.is_none_or(|(at, shortest)| {
            round_trip <= shortest || now.saturating_duration_since(at) > ROUND_TRIP_AGE
        });
        if is_shortest {
            self.shortest = Some((now, round_trip));
        }
    }

    fn has_queue(&self) -> bool {
        self.shortest
            .is_some_and(|(_, shortest)| self.last.saturating_sub(shortest) > (shortest / 4).max(QUEUE_MIN))
    }

    /// A round trip is over: what comes next.
    fn turn(&mut self, now: Instant, told: Told) {
        self.turns += 1;
        self.turn_began = Some(now);
        self.note_losses(told);
        self.forget_rates();
        let has_queue = self.has_queue();
        let best = self.best().unwrap_or(0);
        self.phase = match self.phase {
            Phase::Starting { best: before, .. } if best >= before.saturating_mul(5) / 4 && !has_queue => {
                Phase::Starting { best, stalled: 0 }
            }
            Phase::Starting { best, stalled } if stalled + 1 < STALLED_MAX && !has_queue => {
                Phase::Starting { best, stalled: stalled + 1 }
            }
            Phase::Starting { .. } => Phase::Draining { turns: 0 },
            Phase::Draining { turns } if has_queue && turns < STALLED_MAX => {
                Phase::Draining { turns: turns + 1 }
            }
            Phase::Draining { .. } => Phase::Cruising { turn: 2 },
            Phase::Cruising { turn } => Phase::Cruising { turn: (turn + 1) % CRUISING.len() },
        };
        self.gain = match self.phase {
            Phase::Starting { .. } => STARTING,
            Phase::Draining { .. } => DRAINING,
            Phase::Cruising { turn } => {
                let gain = CRUISING.get(turn).copied().unwrap_or(1_000);
                if has_queue { gain.min(YIELDING) } else { gain }
            }
        };
    }

    fn note_losses(&mut self, told: Told) {
        let claimed = told.claimed.saturating_sub(self.at_turn.claimed);
        let missing = told.missing.saturating_sub(self.at_turn.missing);
        self.at_turn = told;
        let lost = missing.saturating_mul(1_000) / (claimed + missing).max(1);
        if lost > self.always_lost() + LOSS_MAX
            && let Some(last) = self.rates.back().copied()
        {
            self.rates.clear();
            self.rates.push_back(last);
        }
        // What a full queue drops is not lost at the best of times.
        if !self.has_queue() {
            self.losses.push_back(lost);
        }
        if self.losses.len() > 2 * CRUISING.len() {
            self.losses.pop_front();
        }
    }

    /// The last rate always stays.
    fn forget_rates(&mut self) {
        let turns = self.turns;
        while self.rates.len() > 1 && self.rates.front().is_some_and(|(turn, _)| turn + TURNS < turns) {
            self.rates.pop_front();
        }
    }
}
