//! Disks that are full for a time: a store that cannot grow beyond its map, until somebody makes room. And what the real driver does
//! then (`agent-node`'s `driver`): it asks the store before each input that needs room, and turns it away where there is none, so that
//! the room that deletions need stays.
//!
//! Nothing is forgiven but the refusal itself, and reports, for which a full node makes no room: what was accepted is kept, and
//! everything arrives once there is room again.

use std::collections::{BTreeMap, BTreeSet};

use agent_core::input::{Input, Ticket};
use agent_core::output::Output;
use agent_core::refusal::Refusal;
use agent_core::request::{Answer, Request};
use agent_core::store::{Number, PayloadPlace, WriteTxn};

use crate::dice::Dice;
use crate::node::Staging;
use crate::plan::{HOUR, Millis, NodeIndex};
use crate::scenario::{PlacedOrder, Role, Scenario};

/// The smallest store.
const SMALL_OCTETS: u64 = 1 << 20;
/// How much more is sent in such worlds than in others, and the most at once.
const BULK: usize = 10;
const OCTETS_MAX: usize = 300_000;

/// A disk that is full for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FullDisk {
    /// What the store can grow to.
    pub octets: u64,
    /// Until then.
    pub until: Millis,
}

/// In some worlds a disk or two are small, and what is sent is more than fits.
pub(crate) fn set_small(dice: &mut Dice, (roles, orders): (&mut [Role], &mut [PlacedOrder]), until: Millis) {
    if !dice.happens(3_500) {
        return;
    }
    for _ in 0..dice.between(1, 2) {
        let node = dice.index(roles.len());
        let until = dice.between(HOUR, until);
        if let Some(role) = roles.get_mut(node) {
            role.disk = Some(FullDisk { octets: SMALL_OCTETS, until });
        }
    }
    for order in orders {
        order.octets = (order.octets * BULK).min(OCTETS_MAX);
    }
}

impl Scenario {
    /// Whether a node's disk is full for a time.
    pub(crate) fn has_small_disk(&self, node: NodeIndex) -> bool {
        self.role(node).disk.is_some()
    }
}

/// Payloads that are being staged and lost their room.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    lost: BTreeSet<Number>,
}

impl Rooms {
    /// An input that there is room for, or what to tell the agent instead; what others are told comes after the commit.
    pub(crate) fn admit(
        &mut self,
        input: Input,
        staging: &BTreeMap<Ticket, Staging>,
        txn: &WriteTxn<'_>,
        told: &mut Vec<Output>,
    ) -> Option<Input> {
        if self.fits(&input, txn) {
            return Some(input);
        }
        let full = Refusal::StoreFull;
        match input {
            Input::StagingRequested { ticket } => {
                let Staging { contact, transfer, .. } = staging.get(&ticket)?;
                told.push(Output::Refuse { contact: *contact, transfer: *transfer, refusal: full });
                None
            }
            Input::ChunkArrived { number, .. } => {
                self.lost.insert(number).then_some(Input::StagingAbandoned { number })
            }
            Input::BundleReceived { contact, transfer, payload, .. } => {
                told.push(Output::Refuse { contact, transfer, refusal: full });
                self.give_up(payload)
            }
            Input::Requested { id, request } => {
                told.push(Output::Answer { id, answer: Answer::Refused(full) });
                match request {
                    Request::FinishTransmission { number, .. } => self.give_up(PayloadPlace::Staged(number)),
                    _ => None,
                }
            }
            other => Some(other),
        }
    }

    fn fits(&self, input: &Input, txn: &WriteTxn<'_>) -> bool {
        let (octets, staged) = match input {
            Input::StagingRequested { .. } => (0, None),
            Input::ChunkArrived { number, octets, .. } => (octets.len() as u64, Some(number)),
            Input::BundleReceived { bundle, payload: PayloadPlace::Staged(number), .. }
            | Input::Requested { request: Request::FinishTransmission { bundle, number }, .. } => {
                (bundle.head().bytes().len() as u64, Some(number))
            }
            Input::BundleReceived { bundle, .. } => {
                if bundle.head().primary().destination == agent_core::contact_endpoint() {
                    return true;
                }
                (bundle.octets(), None)
            }
            Input::Requested { request: Request::Import { bundle, .. }, .. } => (bundle.octets(), None),
            Input::Requested { request: Request::Transmit { payload, .. }, .. } => {
                (payload.len() as u64, None)
            }
            Input::Requested { request: Request::BeginTransmission { payload_octets, .. }, .. } => {
                (*payload_octets, None)
            }
            _ => return true,
        };
        txn.has_room_for(octets) && staged.is_none_or(|number| !self.lost.contains(number))
    }

    /// What was staged goes, unless it went when its first chunk found no room.
    fn give_up(&mut self, payload: PayloadPlace) -> Option<Input> {
        match payload {
            PayloadPlace::Staged(number) => {
                (!self.lost.remove(&number)).then_some(Input::StagingAbandoned { number })
            }
            PayloadPlace::Inline => None,
        }
    }
}
