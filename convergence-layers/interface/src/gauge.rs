//! What a layer measures of a link while it is open. The layer writes, `status` reads; nothing is decided by it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time over which rates are averaged: long enough to be read, short enough to show that a link stalls.
const AVERAGED_OVER: Duration = Duration::from_secs(5);
/// The longest text of a fault that is kept: a few lines on a terminal.
const FAULT_CHARACTERS_MAX: usize = 300;

/// The gauge of one link.
#[derive(Debug, Default)]
pub struct Gauge(Mutex<State>);

/// What a gauge shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Octets that were written to the link so far, framing and repetitions included.
    pub octets_out: u64,
    /// Octets that were read from the link so far.
    pub octets_in: u64,
    /// Of [`Reading::octets_out`], those that were sent again because they were lost.
    pub octets_again: u64,
    /// Octets per second out, lately.
    pub rate_out: u64,
    /// Octets per second in, lately.
    pub rate_in: u64,
    /// The round trip, where the layer measures one.
    pub round_trip: Option<Duration>,
    /// What encrypts the link, where something does.
    pub security: Option<&'static str>,
    /// What the neighbor did last that its protocol forbids, or that went wrong on the link without ending it.
    pub fault: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    shown: Reading,
    out: Meter,
    r#in: Meter,
}

impl Gauge {
    /// Octets were written to the link.
    pub fn wrote(&self, octets: u64) {
        let mut state = self.lock();
        state.shown.octets_out += octets;
        state.out.add(octets);
    }

    /// Octets were read from the link.
    pub fn read(&self, octets: u64) {
        let mut state = self.lock();
        state.shown.octets_in += octets;
        state.r#in.add(octets);
    }

    /// Of the octets written, so many were a repetition.
    pub fn repeated(&self, octets: u64) {
        self.lock().shown.octets_again += octets;
    }

    /// A round trip was measured, or estimated anew.
    pub fn round_trip(&self, round_trip: Duration) {
        self.lock().shown.round_trip = Some(round_trip);
    }

    /// The link is encrypted from now on.
    pub fn secured(&self, by: &'static str) {
        self.lock().shown.security = Some(by);
    }

    /// Something went wrong that does not end the link. Control characters are left out: it may quote the neighbor.
    pub fn fault(&self, fault: &str) {
        let text = fault.chars().filter(|c| !c.is_control()).take(FAULT_CHARACTERS_MAX).collect();
        self.lock().shown.fault = Some(text);
    }

    /// What it shows now.
    pub fn reading(&self) -> Reading {
        let state = self.lock();
        let now = Instant::now();
        Reading { rate_out: state.out.rate(now), rate_in: state.r#in.rate(now), ..state.shown.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An average that forgets: what came [`AVERAGED_OVER`] ago counts 1/e of what comes now.
#[derive(Debug, Default)]
struct Meter {
    octets: f64,
    at: Option<Instant>,
}

impl Meter {
    fn add(&mut self, octets: u64) {
        let now = Instant::now();
        self.octets = self.left(now) + as_f64(octets);
        self.at = Some(now);
    }

    fn left(&self, now: Instant) -> f64 {
        let Some(at) = self.at else { return 0.0 };
        let passed = now.saturating_duration_since(at).as_secs_f64();
        self.octets * (-passed / AVERAGED_OVER.as_secs_f64()).exp()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive rate for people")]
    fn rate(&self, now: Instant) -> u64 {
        (self.left(now) / AVERAGED_OVER.as_secs_f64()) as u64
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people needs no more than 52 bits")]
fn as_f64(octets: u64) -> f64 {
    octets as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_shows_what_was_counted() {
        let gauge = Gauge::default();
        gauge.wrote(1000);
        gauge.wrote(500);
        gauge.read(70);
        gauge.repeated(500);
        gauge.round_trip(Duration::from_millis(40));
        gauge.secured("TLS 1.3");
        gauge.fault("it said \u{7}nonsense");
        let shown = gauge.reading();
        assert_eq!((shown.octets_out, shown.octets_in, shown.octets_again), (1500, 70, 500));
        assert_eq!(shown.round_trip, Some(Duration::from_millis(40)));
        assert_eq!(shown.security, Some("TLS 1.3"));
        assert_eq!(shown.fault.as_deref(), Some("it said nonsense"));
        assert!(shown.rate_out > shown.rate_in);
    }

    #[test]
    fn a_rate_fades_when_nothing_moves() {
        let mut meter = Meter::default();
        meter.add(1_000_000);
        let at = meter.at.unwrap();
        assert_eq!(meter.rate(at), 200_000);
        assert!(meter.rate(at + AVERAGED_OVER) < 80_000);
        assert_eq!(meter.rate(at + AVERAGED_OVER * 20), 0);
    }

    #[test]
    fn a_long_fault_is_cut() {
        let gauge = Gauge::default();
        gauge.fault(&"ü".repeat(1000));
        assert_eq!(gauge.reading().fault.unwrap(), "ü".repeat(300));
    }
}
