//! The sending direction without a socket: bundles from the agent become octets, and it is known when each has left.
//!
//! `sending` fills it as long as it [`Outbox::has_room`], writes [`Outbox::slices`] and reports what was [`Outbox::written`].

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};
use convergence_layer::{Outgoing, TransferId};

use crate::framing::Framing;

/// Octets that wait for the socket before the agent is made to wait: enough for one write.
const WAITING_OCTETS: u64 = 256 * 1024;

/// Octets on their way to the neighbor.
#[derive(Debug)]
pub struct Outbox {
    framing: Framing,
    pieces: VecDeque<Bytes>,
    /// Octets in `pieces`.
    waiting: u64,
    /// All octets that were ever put in.
    put: u64,
    /// Transfers that have left when so many octets were written.
    complete: VecDeque<(TransferId, u64)>,
    /// The bundle under way, and how many of its octets are still to come.
    current: Option<(TransferId, u64)>,
}

/// The agent said something after which the connection is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// A bundle cannot be completed, and the framing has no way to say so.
    #[error("a bundle could not be completed")]
    Abandoned,
    /// Its octets are more than it announced, or of none that began.
    #[error("a bundle was longer than announced")]
    Length,
}

impl Outbox {
    /// An empty one.
    pub fn new(framing: Framing) -> Self {
        let (pieces, complete) = (VecDeque::new(), VecDeque::new());
        Self { framing, pieces, waiting: 0, put: 0, complete, current: None }
    }

    /// Whether more should be put in.
    pub fn has_room(&self) -> bool {
        self.waiting < WAITING_OCTETS
    }

    /// Whether all that was put in was written.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether no bundle has begun that is not complete.
    pub fn is_between(&self) -> bool {
        self.current.is_none()
    }

    /// Puts in what the agent says. A bundle that the framing cannot announce is returned: it is refused, and its octets
    /// are left out.
    pub fn take(&mut self, outgoing: Outgoing) -> Result<Option<TransferId>, Unsendable> {
        match outgoing {
            Outgoing::Begin { .. } if self.current.is_some() => Err(Unsendable::Abandoned),
            Outgoing::Begin { transfer, length } if length == 0 || length > self.framing.octets_max() => {
                Ok(Some(transfer))
            }
            Outgoing::Begin { transfer, length } => {
                self.current = Some((transfer, length));
                self.put(self.framing.head(length));
                Ok(None)
            }
            Outgoing::Octets(octets) => {
                // What follows a bundle that was refused.
                let Some((transfer, left)) = self.current else { return Ok(None) };
                let left = left.checked_sub(octets.len() as u64).ok_or(Unsendable::Length)?;
                self.put(octets);
                self.current = (left > 0).then_some((transfer, left));
                if left == 0 {
                    self.complete.push_back((transfer, self.put));
                }
                Ok(None)
            }
            Outgoing::Abandon if self.current.is_none() => Ok(None),
            Outgoing::Abandon => Err(Unsendable::Abandoned),
        }
    }

    /// Puts in a sign of life, unless a bundle is under way.
    pub fn keep_alive(&mut self) {
        if self.is_between() {
            self.put(self.framing.head(0));
        }
    }

    fn put(&mut self, octets: Bytes) {
        if !octets.is_empty() {
            self.waiting += octets.len() as u64;
            self.put += octets.len() as u64;
            self.pieces.push_back(octets);
        }
    }

    /// What to write next; how many slices were filled.
    pub fn slices<'o>(&'o self, slices: &mut [IoSlice<'o>]) -> usize {
        let mut filled = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            filled += 1;
        }
        filled
    }

    /// So many octets were written.
    pub fn written(&mut self, octets: usize) {
        self.waiting -= octets as u64;
        let mut left = octets;
        while left > 0 {
            let Some(piece) = self.pieces.front_mut() else { return };
            if piece.len() > left {
                piece.advance(left);
                return;
            }
            left -= piece.len();
            self.pieces.pop_front();
        }
    }

    /// The next transfer of which all octets were written.
    pub fn poll_left(&mut self) -> Option<TransferId> {
        let gone = self.put - self.waiting;
        let (transfer, _) = *self.complete.front().filter(|(_, end)| *end <= gone)?;
        self.complete.pop_front();
        Some(transfer)
    }
}
