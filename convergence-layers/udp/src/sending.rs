//! The agent's bundles on their way into LTP, or into datagrams of their own.

use std::collections::{BTreeSet, VecDeque};

use convergence_layer::{Event, Outgoing, RefusalReason, TransferId};
use ltp::Engine;

use crate::options::LinkOptions;

/// Bundles that wait to go as datagrams.
const OUTBOX_MAX: usize = 16;

/// Which of the agent's two lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// One bundle after another.
    Ordinary,
    /// Bundles that overtake those.
    Express,
}

/// What the agent sends.
#[derive(Debug)]
pub(crate) struct Sending {
    link: LinkOptions,
    ordinary: Option<Current>,
    express: Option<Current>,
    /// Transfers that are not settled yet.
    begun: BTreeSet<TransferId>,
    outbox: VecDeque<(TransferId, Vec<u8>)>,
}

/// The bundle that began last in a lane and is not complete.
#[derive(Debug)]
struct Current {
    transfer: TransferId,
    left: u64,
    /// What is gathered for a datagram; `None` by LTP.
    datagram: Option<Vec<u8>>,
}

impl Sending {
    pub(crate) fn new(link: LinkOptions) -> Self {
        Self { link, ordinary: None, express: None, begun: BTreeSet::new(), outbox: VecDeque::new() }
    }

    /// Whether a bundle of a lane has begun and is not complete.
    pub(crate) fn is_within(&self, lane: Lane) -> bool {
        match lane {
            Lane::Ordinary => self.ordinary.is_some(),
            Lane::Express => self.express.is_some(),
        }
    }

    pub(crate) fn takes(&self, lane: Lane, engine: Option<&Engine>) -> bool {
        let current = match lane {
            Lane::Ordinary => &self.ordinary,
            Lane::Express => &self.express,
        };
        match (current, engine) {
            (Some(Current { datagram: None, .. }), Some(engine)) => engine.room() > 0,
            (Some(_), _) => true,
            (None, Some(engine)) => engine.takes_transfer() && self.outbox.len() < OUTBOX_MAX,
            (None, None) => self.outbox.len() < OUTBOX_MAX,
        }
    }

    /// Takes what the agent sends; a refusal where there is no way for it.
    pub(crate) fn take(
        &mut self,
        outgoing: Outgoing,
        lane: Lane,
        engine: Option<&mut Engine>,
    ) -> Option<Event> {
        match outgoing {
            Outgoing::Begin { transfer, length } => return self.begin(transfer, length, lane, engine),
            Outgoing::Octets(octets) => {
                // What remains of a bundle that was refused may still come.
                let mut current = self.current(lane).take()?;
                current.left = current.left.saturating_sub(octets.len() as u64);
                match (&mut current.datagram, engine) {
                    (Some(datagram), _) => datagram.extend_from_slice(&octets),
                    (None, Some(engine)) => engine.send_octets(current.transfer, octets),
                    (None, None) => {}
                }
                if current.left > 0 {
                    *self.current(lane) = Some(current);
                } else if let Some(datagram) = current.datagram {
                    self.outbox.push_back((current.transfer, datagram));
                }
            }
            Outgoing::Abandon => {
                let current = self.current(lane).take()?;
                self.begun.remove(&current.transfer);
                if let (None, Some(engine)) = (current.datagram, engine) {
                    engine.send_abandon(current.transfer);
                }
            }
        }
        None
    }

    fn begin(
        &mut self,
        transfer: TransferId,
        length: u64,
        lane: Lane,
        engine: Option<&mut Engine>,
    ) -> Option<Event> {
        let fits = usize::try_from(length).ok().filter(|length| *length <= self.link.mtu);
        let current = match (fits, engine) {
            (_, Some(engine)) if fits.is_none() || !self.link.is_ltp_for_large => {
                engine.send_begin(transfer, length, lane == Lane::Express);
                Current { transfer, left: length, datagram: None }
            }
            (Some(fits), _) => Current { transfer, left: length, datagram: Some(Vec::with_capacity(fits)) },
            (None, _) => {
                *self.current(lane) = None;
                return Some(Event::Refused { transfer, reason: RefusalReason::NotAcceptable });
            }
        };
        self.begun.insert(transfer);
        *self.current(lane) = Some(current);
        None
    }

    fn current(&mut self, lane: Lane) -> &mut Option<Current> {
        match lane {
            Lane::Ordinary => &mut self.ordinary,
            Lane::Express => &mut self.express,
        }
    }

    /// A transfer is over.
    pub(crate) fn settled(&mut self, transfer: TransferId) {
        self.begun.remove(&transfer);
        for current in [&mut self.ordinary, &mut self.express] {
            if current.as_ref().is_some_and(|current| current.transfer == transfer) {
                *current = None;
            }
        }
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.begun.is_empty()
    }

    /// Whether a bundle waits to go as a datagram.
    pub(crate) fn has_datagram(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The next bundle that goes as a datagram.
    pub(crate) fn pop_datagram(&mut self) -> Option<(TransferId, Vec<u8>)> {
        self.outbox.pop_front()
    }
}
