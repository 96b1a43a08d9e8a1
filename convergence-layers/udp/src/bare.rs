//! What is different where LTP is all that is spoken (see [`crate::contact`]): nothing says who is there, nobody accounts for what
//! arrives, and whoever sends a segment begins a contact.

use std::time::Instant;

use crate::contact::{Contact, Phase, Terms};
use crate::options::BLIND_RATE;
use crate::pace::Pace;

/// The most that a stranger on bare LTP may have in store, before it has shown that it receives.
const ALLOWANCE_MAX: usize = 64 * 1024;
/// The largest first serial number in its sessions: others keep theirs in 32 bits.
pub(crate) const STRANGERS_SERIAL_MAX: u64 = (1 << 31) - 1;

impl Contact {
    /// A contact over bare LTP that a stranger began: until it has acknowledged a report, nothing but answers goes to it, and no more than came.
    pub fn heard_bare(terms: Terms, ours: u64, theirs: u64, now: Instant) -> Self {
        let mut contact = Self::new(terms, Phase::Open, now);
        contact.allowance = Some(0);
        contact.is_strangers = true;
        contact.open_bare(ours, theirs);
        contact
    }

    pub(crate) fn open_bare(&mut self, ours: u64, theirs: u64) {
        let rate = self.terms.link.rate.unwrap_or(BLIND_RATE);
        self.pace = Pace::blind(self.said, rate);
        if self.begin_engine(ours, theirs, self.terms.link.mtu) {
            self.open(None, self.terms.options.transfer_mru);
        }
    }

    /// Segments of bare LTP arrived. Those of another engine do not keep the contact: where one was forged, or has another number now,
    /// the neighbor could otherwise never open its own.
    pub(crate) fn handle_bare(&mut self, now: Instant, octets: &[u8]) {
        let got = octets.len() + self.headers();
        self.allowance = self.allowance.map(|allowance| (allowance + got).min(ALLOWANCE_MAX));
        let Some(engine) = &mut self.engine else { return };
        let discarded = engine.counters().segments_discarded;
        engine.handle_segments(now, octets);
        let counters = engine.counters();
        self.allowance = self.allowance.filter(|_| counters.reports_acknowledged == 0);
        if counters.segments_discarded == discarded {
            self.heard(now);
        }
    }

    /// Octets of the headers of IP and UDP, which count where a stranger is sent no more than came from it.
    pub(crate) fn headers(&self) -> usize {
        if self.terms.address.is_ipv6() { 48 } else { 28 }
    }

    /// Whether the next datagram is more than a stranger may be sent now.
    pub(crate) fn is_held_back(&self) -> bool {
        !self.waiting.is_empty()
            && self.allowance.is_some_and(|allowance| allowance < self.waiting.len() + self.headers())
    }
}
