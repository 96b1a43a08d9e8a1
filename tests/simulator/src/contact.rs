//! Contacts as the world sees them: two sides, and a link between them that has a speed, a delay and manners.

use std::collections::BTreeMap;
use std::ops::Range;

use agent_core::input::{ContactId, TransferId};
use agent_core::output::Parcel;

use crate::dice::Dice;
use crate::plan::{Link, Millis, NodeIndex, SECOND};

/// Bundles that an agent may have under way to one neighbor.
pub(crate) const WINDOW_BUNDLES: usize = 256;
/// Octets that an agent may have under way to one neighbor before it begins another bundle.
pub(crate) const WINDOW_OCTETS: u64 = 8 << 20;
/// Contact messages that an agent may have under way to one neighbor: 8, and 64 parts of large bundles.
pub(crate) const WINDOW_MESSAGES: usize = 72;

/// What a link is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quality {
    /// From one end to the other.
    pub(crate) delay_ms: Millis,
    pub(crate) octets_per_s: u64,
    pub(crate) manners: Manners,
}

/// Whether a link keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    /// All of it, in order, or it breaks.
    Orderly,
    /// It loses, repeats and overtakes.
    Lossy,
}

impl Quality {
    pub(crate) fn chosen(dice: &mut Dice) -> Self {
        Self {
            delay_ms: if dice.happens(2_000) { dice.between(100, 3 * SECOND) } else { dice.between(1, 100) },
            octets_per_s: 1_000
                * if dice.happens(2_000) { dice.between(1, 20) } else { dice.between(100, 10_000) },
            manners: if dice.happens(4_000) { Manners::Lossy } else { Manners::Orderly },
        }
    }

    /// A link that the plan describes, in a world where links lose something or not.
    pub(crate) fn planned(link: Link, loses: bool) -> Self {
        let Link { octets_per_s, latency_ms } = link;
        let manners = if loses { Manners::Lossy } else { Manners::Orderly };
        Self { delay_ms: latency_ms, octets_per_s, manners }
    }

    /// How long the link is busy with so many octets.
    pub(crate) fn busy_ms(&self, octets: u64) -> Millis {
        octets.saturating_mul(1_000) / self.octets_per_s
    }

    /// A link with no faults and no hurry.
    pub(crate) const HEALED: Self = Self { delay_ms: 5, octets_per_s: 5_000_000, manners: Manners::Orderly };
}

/// One side of a contact.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) node: NodeIndex,
    pub(crate) neighbor: NodeIndex,
    /// How the neighbor calls the contact.
    pub(crate) other: ContactId,
    pub(crate) meeting: usize,
    pub(crate) quality: Quality,
    pub(crate) wire: Wire,
    /// In this time nothing that this side sends gets through, and nobody is told.
    pub(crate) mute: Range<Millis>,
    /// The link takes the next parcel then.
    pub(crate) free_from: Millis,
    pub(crate) under_way: BTreeMap<TransferId, UnderWay>,
}

/// Whether octets still pass. A side does not know at once that they do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Up,
    Cut,
}

/// A transfer that awaits its answer.
#[derive(Debug)]
pub(crate) struct UnderWay {
    /// Until it departs.
    pub(crate) parcel: Option<Parcel>,
    pub(crate) octets: u64,
    pub(crate) cargo: Cargo,
    pub(crate) since: Millis,
}

/// What a parcel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cargo {
    Message,
    Bundle,
}

impl Side {
    /// What is wrong with what is under way, if anything is.
    pub(crate) fn window_fault(&self) -> Option<String> {
        let of = |cargo| self.under_way.values().filter(move |transfer| transfer.cargo == cargo);
        let (messages, bundles) = (of(Cargo::Message).count(), of(Cargo::Bundle).count());
        let octets: u64 = of(Cargo::Bundle).map(|transfer| transfer.octets).sum();
        let largest = of(Cargo::Bundle).map(|transfer| transfer.octets).max().unwrap_or(0);
        let fault =
            messages > WINDOW_MESSAGES || bundles > WINDOW_BUNDLES || octets - largest >= WINDOW_OCTETS;
        fault.then(|| {
            format!("{messages} messages and {bundles} bundles of {octets} octets are under way at once")
        })
    }
}

/// All contacts of a world.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    sides: BTreeMap<ContactId, Side>,
    /// Meetings whose wire is up.
    live: BTreeMap<usize, ContactId>,
    last: ContactId,
}

impl Contacts {
    /// Opens a contact; answers how each of the two calls it.
    pub(crate) fn open(
        &mut self,
        meeting: usize,
        (a, b): (NodeIndex, NodeIndex),
        quality: Quality,
        at: Millis,
    ) -> (ContactId, ContactId) {
        let (to_b, to_a) = (self.last + 1, self.last + 2);
        self.last = to_a;
        let side = |node, neighbor, other| Side {
            node,
            neighbor,
            other,
            meeting,
            quality,
            wire: Wire::Up,
            mute: 0..0,
            free_from: at,
            under_way: BTreeMap::new(),
        };
        self.live.insert(meeting, to_b);
        self.sides.insert(to_b, side(a, b, to_a));
        self.sides.insert(to_a, side(b, a, to_b));
        (to_b, to_a)
    }

    pub(crate) fn side(&self, contact: ContactId) -> Option<&Side> {
        self.sides.get(&contact)
    }

    /// A side whose wire is up.
    pub(crate) fn live(&mut self, contact: ContactId) -> Option<&mut Side> {
        self.sides.get_mut(&contact).filter(|side| side.wire == Wire::Up)
    }

    pub(crate) fn remove(&mut self, contact: ContactId) -> Option<Side> {
        self.sides.remove(&contact)
    }

    /// Cuts the wire; answers the sides that do not know yet.
    pub(crate) fn cut(&mut self, contact: ContactId) -> Vec<ContactId> {
        let other = self.sides.get(&contact).map(|side| side.other);
        if let Some(side) = self.live(contact) {
            let meeting = side.meeting;
            self.live.remove(&meeting);
        }
        let ends = [Some(contact), other].into_iter().flatten();
        ends.filter(|end| self.live(*end).map(|side| side.wire = Wire::Cut).is_some()).collect()
    }

    /// The contact of a meeting whose wire is up.
    pub(crate) fn of_meeting(&self, meeting: usize) -> Option<ContactId> {
        self.live.get(&meeting).copied()
    }

    /// Every contact that a node has.
    pub(crate) fn of_node(&self, node: NodeIndex) -> Vec<ContactId> {
        self.sides.iter().filter(|(_, side)| side.node == node).map(|(contact, _)| *contact).collect()
    }

    pub(crate) fn all(&self) -> Vec<ContactId> {
        self.sides.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side_with(transfers: &[(Cargo, u64)]) -> Side {
        let mut contacts = Contacts::default();
        let (contact, _) = contacts.open(0, (0, 1), Quality::HEALED, 0);
        let mut side = contacts.remove(contact).unwrap();
        for (number, (cargo, octets)) in (0..).zip(transfers) {
            let transfer = UnderWay { parcel: None, octets: *octets, cargo: *cargo, since: 0 };
            side.under_way.insert(number, transfer);
        }
        side
    }

    #[test]
    fn a_full_window_is_no_fault_and_one_more_is() {
        for (cargo, most) in [(Cargo::Bundle, WINDOW_BUNDLES), (Cargo::Message, WINDOW_MESSAGES)] {
            assert_eq!(side_with(&vec![(cargo, 1); most]).window_fault(), None);
            assert!(side_with(&vec![(cargo, 1); most + 1]).window_fault().is_some());
        }
    }

    #[test]
    fn one_bundle_may_be_larger_than_the_window_and_a_second_may_not_begin_then() {
        assert_eq!(side_with(&[(Cargo::Bundle, 3 * WINDOW_OCTETS)]).window_fault(), None);
        let two = [(Cargo::Bundle, 3 * WINDOW_OCTETS), (Cargo::Bundle, WINDOW_OCTETS)];
        assert!(side_with(&two).window_fault().is_some());
    }

    #[test]
    fn cutting_a_contact_reaches_both_sides_once() {
        let mut contacts = Contacts::default();
        let (a, b) = contacts.open(0, (0, 1), Quality::HEALED, 0);
        assert_eq!(contacts.of_meeting(0), Some(a));
        assert_eq!(contacts.cut(b), [b, a]);
        assert!(contacts.cut(a).is_empty());
        assert!(contacts.live(a).is_none() && contacts.side(a).is_some());
        assert_eq!(contacts.of_meeting(0), None);
    }
}
