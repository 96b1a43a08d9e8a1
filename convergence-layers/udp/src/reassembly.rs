//! Bundles that come in pieces (draft-ietf-dtn-udpcl-04 §3.6.2), for one conversation or for all strangers of a socket.
//!
//! Memory is bounded: so many transfers altogether and of one source, so many octets, so many pieces. What is incomplete and
//! was not heard of for longest gives way. A piece that overlaps another is discarded, a transfer that contradicts itself
//! is not listened to any more, and one that is complete is remembered, so that its repetition is not a second bundle.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::message::{Place, Transfer};
use crate::packet::is_bundle;

/// What a piece costs beside its octets: its place in a tree, and its allocation.
const PIECE_COST: usize = 96;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Transfers, those that are only remembered included.
    pub transfers_max: usize,
    /// Transfers of one source.
    pub source_max: usize,
    /// Octets of all incomplete transfers, with what keeping them costs.
    pub octets_max: usize,
    /// The longest bundle.
    pub bundle_max: u64,
    /// How long a transfer is kept after its last piece: §3.6.2 asks for at most a minute.
    pub idle_max: Duration,
}

impl Default for Bounds {
    /// 8 MiB, of which bundles of 4 MiB: larger ones need a layer that repeats what is lost.
    fn default() -> Self {
        Self {
            transfers_max: 256,
            source_max: 64,
            octets_max: 8 << 20,
            bundle_max: 4 << 20,
            idle_max: Duration::from_secs(60),
        }
    }
}

/// What became of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It completes a bundle: its octets in order.
    Whole(Vec<Bytes>),
    /// More pieces are awaited.
    Kept,
    /// It is of no use: why, in words.
    Discarded(&'static str),
}

/// Transfers under way, and those that were complete or contradicted themselves lately.
#[derive(Debug)]
pub struct Reassembly {
    bounds: Bounds,
    transfers: BTreeMap<(SocketAddr, u64), Entry>,
    octets: usize,
}

#[derive(Debug)]
struct Entry {
    heard: Instant,
    state: State,
}

#[derive(Debug)]
enum State {
    Incomplete { total: u64, have: u64, pieces: BTreeMap<u64, Bytes> },
    Complete,
    Contradictory,
}

impl Reassembly {
    /// Nothing under way.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, transfers: BTreeMap::new(), octets: 0 }
    }

    /// A piece, or a whole bundle, came from a source.
    pub fn take(&mut self, now: Instant, from: SocketAddr, transfer: &Transfer<'_>) -> Taken {
        self.expire(now);
        let key = (from, transfer.id);
        let length = transfer.octets.len() as u64;
        let place = transfer.place.unwrap_or(Place { total: length, offset: 0 });
        let end = place.offset.checked_add(length);
        if length == 0 || place.total > self.bounds.bundle_max || end.is_none_or(|end| end > place.total) {
            return Taken::Discarded(
                "a piece of a transfer is empty, too far out or of one that is too large",
            );
        }
        if !self.transfers.contains_key(&key) {
            self.make_room(from, PIECE_COST + transfer.octets.len());
            let state = State::Incomplete { total: place.total, have: 0, pieces: BTreeMap::new() };
            self.transfers.insert(key, Entry { heard: now, state });
        }
        self.add(now, key, place, transfer.octets)
    }

    fn add(&mut self, now: Instant, key: (SocketAddr, u64), place: Place, octets: &[u8]) -> Taken {
        let Some(entry) = self.transfers.get_mut(&key) else { return Taken::Discarded("no room") };
        entry.heard = now;
        let State::Incomplete { total, have, pieces } = &mut entry.state else {
            return Taken::Discarded("a transfer goes on that is complete, or was given up");
        };
        if *total != place.total {
            self.octets -= cost(pieces);
            entry.state = State::Contradictory;
            return Taken::Discarded("a transfer has two lengths");
        }
        let end = place.offset + octets.len() as u64;
        let before = pieces.range(..end).next_back();
        if before.is_some_and(|(offset, piece)| offset + piece.len() as u64 > place.offset) {
            return Taken::Discarded("a piece of a transfer overlaps another");
        }
        *have += octets.len() as u64;
        if *have < *total {
            pieces.insert(place.offset, Bytes::copy_from_slice(octets));
            self.octets += PIECE_COST + octets.len();
            self.keep_within(key);
            return Taken::Kept;
        }
        self.octets -= cost(pieces);
        pieces.insert(place.offset, Bytes::copy_from_slice(octets));
        let whole: Vec<Bytes> = std::mem::take(pieces).into_values().collect();
        entry.state = State::Complete;
        match whole.first().and_then(|piece| piece.first()) {
            Some(first) if is_bundle(*first) => Taken::Whole(whole),
            _ => Taken::Discarded("a transfer is no bundle"),
        }
    }

    /// Makes room for another transfer.
    fn make_room(&mut self, from: SocketAddr, cost: usize) {
        let of_source = |key: &(SocketAddr, u64)| key.0 == from;
        if self.transfers.keys().filter(|key| of_source(key)).count() >= self.bounds.source_max {
            self.evict(of_source);
        }
        while self.transfers.len() >= self.bounds.transfers_max || self.octets + cost > self.bounds.octets_max
        {
            if !self.evict(|_| true) {
                return;
            }
        }
    }

    /// Others give way to one that is being added to; it gives way itself once it is alone.
    fn keep_within(&mut self, key: (SocketAddr, u64)) {
        while self.octets > self.bounds.octets_max {
            if !self.evict(|other| *other != key) {
                self.evict(|_| true);
                return;
            }
        }
    }

    /// Forgets the transfer that was not heard of for longest.
    fn evict(&mut self, may_go: impl Fn(&(SocketAddr, u64)) -> bool) -> bool {
        let candidates = self.transfers.iter().filter(|(key, _)| may_go(key));
        let Some(idlest) = candidates.min_by_key(|(_, entry)| entry.heard).map(|(key, _)| *key) else {
            return false;
        };
        self.forget(&idlest);
        true
    }

    fn forget(&mut self, key: &(SocketAddr, u64)) {
        if let Some(Entry { state: State::Incomplete { pieces, .. }, .. }) = self.transfers.remove(key) {
            self.octets -= cost(&pieces);
        }
    }

    /// Forgets what was not heard of for too long.
    pub fn expire(&mut self, now: Instant) {
        let idle_max = self.bounds.idle_max;
        let is_idle = |entry: &Entry| now.saturating_duration_since(entry.heard) >= idle_max;
        let gone: Vec<_> =
            self.transfers.iter().filter(|(_, entry)| is_idle(entry)).map(|(key, _)| *key).collect();
        for key in gone {
            self.forget(&key);
        }
    }

    /// When [`Reassembly::expire`] would forget something.
    pub fn deadline(&self) -> Option<Instant> {
        let heard = self.transfers.values().map(|entry| entry.heard).min()?;
        heard.checked_add(self.bounds.idle_max)
    }

    /// Octets that are kept, with what keeping them costs.
    pub fn octets(&self) -> usize {
        self.octets
    }
}

fn cost(pieces: &BTreeMap<u64, Bytes>) -> usize {
    pieces.values().map(|piece| PIECE_COST + piece.len()).sum()
}
