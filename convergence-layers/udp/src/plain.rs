//! Bundles that come without LTP: one in a datagram, or in the draft's pieces.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use crate::message::Transfer;
use crate::reassembly::{Bounds, Reassembly, Taken};

/// Bundles, and octets of them, that wait for the agent. What comes meanwhile is as lost as a datagram may be.
const READY_MAX: usize = 256;
const READY_OCTETS_MAX: usize = 4 << 20;

/// Bundles on their way to the agent.
#[derive(Debug)]
pub(crate) struct Plain {
    reassembly: Reassembly,
    ready: VecDeque<Vec<Bytes>>,
    octets: usize,
}

impl Plain {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { reassembly: Reassembly::new(bounds), ready: VecDeque::new(), octets: 0 }
    }

    /// A bundle in a datagram.
    pub(crate) fn bundle(&mut self, octets: &[u8]) {
        self.push(vec![Bytes::copy_from_slice(octets)]);
    }

    /// A bundle in pieces; why the piece is of no use, if it is not.
    pub(crate) fn piece(
        &mut self,
        now: Instant,
        from: SocketAddr,
        transfer: &Transfer<'_>,
    ) -> Option<&'static str> {
        match self.reassembly.take(now, from, transfer) {
            Taken::Whole(pieces) => self.push(pieces),
            Taken::Kept => {}
            Taken::Discarded(why) => return Some(why),
        }
        None
    }

    fn push(&mut self, pieces: Vec<Bytes>) {
        let octets: usize = pieces.iter().map(Bytes::len).sum();
        if self.ready.len() < READY_MAX && self.octets + octets <= READY_OCTETS_MAX {
            self.octets += octets;
            self.ready.push_back(pieces);
        }
    }

    /// The next bundle: its pieces in order, of at most 64 KiB each as a datagram is.
    pub(crate) fn pop(&mut self) -> Option<Vec<Bytes>> {
        let pieces = self.ready.pop_front()?;
        self.octets -= pieces.iter().map(Bytes::len).sum::<usize>();
        Some(pieces)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.reassembly.deadline()
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        self.reassembly.expire(now);
    }
}
