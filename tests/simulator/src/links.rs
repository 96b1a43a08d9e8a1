//! What lies between nodes: meetings, contacts, parcels on their way, and what happens to them there.

use agent_core::input::{ContactId, Input, SendOutcome, TransferId};
use agent_core::output::{Parcel, ParcelPayload};
use bytes::{Bytes, BytesMut};

use crate::agenda::Event;
use crate::contact::{Cargo, Manners, Quality, UnderWay};
use crate::ledger::OrderNumber;
use crate::plan::{MINUTE, Meeting, Millis, NodeIndex, SECOND};
use crate::scenario::Scenario;
use crate::violation::{Rule, Violation};
use crate::world::World;

/// The largest bundle that a neighbor says it takes.
const TRANSFER_MRU: u64 = 1 << 30;

impl World {
    pub(crate) fn meeting_opens(&mut self, meeting: usize) -> Result<(), Violation> {
        let Meeting { a, b, closes, link, .. } = self.meeting(meeting);
        if self.now >= closes || self.contacts.of_meeting(meeting).is_some() {
            return Ok(());
        }
        if !(self.has_power(a) && self.has_power(b)) {
            self.try_again(meeting);
            return Ok(());
        }
        let quality =
            link.map_or_else(|| self.quality(a, b), |link| Quality::planned(link, self.faults.loss > 0));
        let (to_b, to_a) = self.contacts.open(meeting, (a, b), quality, self.now);
        self.counts.contacts += 1;
        self.may_carry_one_way((to_b, to_a), quality);
        self.note(format_args!("{a} and {b} meet, {to_b} and {to_a}"));
        self.contact_opened(a, to_b, b)?;
        self.contact_opened(b, to_a, a)
    }

    fn contact_opened(
        &mut self,
        node: NodeIndex,
        contact: ContactId,
        neighbor: NodeIndex,
    ) -> Result<(), Violation> {
        if self.foreign(node).is_some() {
            return self.foreign_contact_opened(node, contact);
        }
        let declared = Some(crate::settlement::node_id(neighbor));
        let link = format!("sim://{neighbor}");
        self.give(
            node,
            Input::ContactOpened {
                contact,
                link,
                declared,
                transfer_mru: TRANSFER_MRU,
                octets_per_second: None,
            },
        );
        Ok(())
    }

    pub(crate) fn meeting_closes(&mut self, meeting: usize) {
        if let Some(contact) = self.contacts.of_meeting(meeting) {
            self.cut(contact);
        }
    }

    /// Cuts the wire of a contact. Its sides notice soon, or only when they miss an answer.
    pub(crate) fn cut(&mut self, contact: ContactId) {
        let Some(meeting) = self.contacts.side(contact).map(|side| side.meeting) else { return };
        let ends = self.contacts.cut(contact);
        if ends.is_empty() {
            return;
        }
        for end in ends {
            let notices =
                self.now + if self.dice.happens(5_000) { 1 } else { self.dice.between(1, 20 * SECOND) };
            self.agenda.add(notices, Event::ContactLost { contact: end });
        }
        self.try_again(meeting);
    }

    fn try_again(&mut self, meeting: usize) {
        let at = self.now + self.dice.between(SECOND, 2 * MINUTE);
        if at < self.meeting(meeting).closes {
            self.agenda.add(at, Event::MeetingOpens { meeting });
        }
    }

    pub(crate) fn contact_lost(&mut self, contact: ContactId) {
        let Some(side) = self.contacts.remove(contact) else { return };
        if let Some(running) = self.running(side.node) {
            running.received.retain(|(of, _), _| *of != contact);
        }
        self.give(side.node, Input::ContactClosed { contact });
    }

    /// An agent wants a parcel sent.
    pub(crate) fn parcel_handed_over(
        &mut self,
        contact: ContactId,
        transfer: TransferId,
        parcel: Parcel,
    ) -> Result<(), Violation> {
        let now = self.now;
        let Some(side) = self.contacts.live(contact) else { return Ok(()) };
        let octets = parcel.octets();
        let cargo = crate::reception::cargo_of(&parcel);
        let node = side.node;
        let departs = side.free_from.max(now);
        side.free_from = departs + side.quality.busy_ms(octets);
        side.under_way.insert(transfer, UnderWay { parcel: Some(parcel), octets, cargo, since: now });
        let fault = side.window_fault();
        self.agenda.add(departs, Event::ParcelDeparts { contact, transfer });
        self.counts.sent(cargo, octets);
        self.note(format_args!("{node} sends {contact}.{transfer}: {cargo:?} of {octets} octets"));
        match fault {
            Some(detail) => Err(self.violation(Rule::WindowHolds, node, detail)),
            None => Ok(()),
        }
    }

    pub(crate) fn parcel_departs(
        &mut self,
        contact: ContactId,
        transfer: TransferId,
    ) -> Result<(), Violation> {
        let now = self.now;
        let Some(side) = self.contacts.live(contact) else { return Ok(()) };
        let (node, other, quality, is_mute) = (side.node, side.other, side.quality, side.mute.contains(&now));
        let Some(under_way) = side.under_way.get_mut(&transfer) else { return Ok(()) };
        let (since, cargo) = (under_way.since, under_way.cargo);
        let Some(parcel) = under_way.parcel.take() else { return Ok(()) };
        let Some(octets) = self.octets_of(node, parcel)? else {
            // It was deleted while it waited for its turn.
            self.later(SECOND, Event::AnswerArrives { contact, transfer, outcome: SendOutcome::Failed });
            return Ok(());
        };
        if self.dice.happens(self.faults.broken_contact) {
            self.broken_off(other, &octets);
            self.cut(contact);
            return Ok(());
        }
        let journey = quality.busy_ms(octets.len() as u64) + quality.delay_ms;
        if quality.manners == Manners::Lossy && (is_mute || self.dice.happens(self.faults.loss)) {
            self.counts.lost += 1;
            self.note(format_args!("{contact}.{transfer} is lost"));
            let patience = self.dice.between(SECOND, 30 * SECOND);
            self.later(
                journey + patience,
                Event::AnswerArrives { contact, transfer, outcome: SendOutcome::Failed },
            );
            return Ok(());
        }
        let journey = journey + self.delay(quality);
        if let (Cargo::Bundle, Some(order)) = (cargo, self.order_in(&octets)) {
            self.ledger.travelled(order, self.now - since + journey + 2 * MAX_JITTER);
        }
        self.on_its_way(other, transfer, (octets, quality, journey));
        Ok(())
    }

    fn on_its_way(
        &mut self,
        contact: ContactId,
        transfer: TransferId,
        (octets, quality, journey): (Bytes, Quality, Millis),
    ) {
        let lossy = quality.manners == Manners::Lossy;
        let copies = if lossy && self.dice.happens(self.faults.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            let octets = self.disturbed(&octets);
            let jitter = if lossy { self.dice.below(MAX_JITTER) } else { 0 };
            self.later(journey + jitter, Event::ParcelArrives { contact, transfer, octets });
        }
    }

    fn disturbed(&mut self, octets: &Bytes) -> Bytes {
        if !self.dice.happens(self.faults.bit_error) || octets.is_empty() {
            return octets.clone();
        }
        let mut disturbed = BytesMut::from(&octets[..]);
        for _ in 0..self.dice.between(1, 3) {
            let place = self.dice.index(disturbed.len());
            let bit = self.dice.below(8);
            if let Some(octet) = disturbed.get_mut(place) {
                *octet ^= 1 << bit;
            }
        }
        self.counts.disturbed += 1;
        disturbed.freeze()
    }

    /// A parcel's octets; `None` where the sender no longer has them.
    fn octets_of(&mut self, node: NodeIndex, parcel: Parcel) -> Result<Option<Bytes>, Violation> {
        let payload = match parcel.payload {
            ParcelPayload::Inline(octets) => octets,
            ParcelPayload::Stored { number, octets } => match self.stored_payload(node, number)? {
                Some(payload) if payload.len() as u64 == octets => payload,
                _ => return Ok(None),
            },
        };
        Ok(Some([&parcel.head[..], &payload[..], &parcel.tail[..]].concat().into()))
    }

    /// The receiver of a transfer answers for it.
    pub(crate) fn answer(&mut self, contact: ContactId, transfer: TransferId, outcome: SendOutcome) {
        let now = self.now;
        let Some(side) = self.contacts.live(contact) else { return };
        let (other, quality, is_mute) = (side.other, side.quality, side.mute.contains(&now));
        if !is_mute && !self.dice.happens(self.faults.lost_answer) {
            self.later(quality.delay_ms, Event::AnswerArrives { contact: other, transfer, outcome });
            return;
        }
        self.counts.lost += 1;
        match quality.manners {
            Manners::Orderly => self.cut(contact),
            Manners::Lossy => {
                let patience = self.dice.between(SECOND, 30 * SECOND);
                let outcome = SendOutcome::Failed;
                self.later(patience, Event::AnswerArrives { contact: other, transfer, outcome });
            }
        }
    }

    pub(crate) fn answer_arrives(&mut self, contact: ContactId, transfer: TransferId, outcome: SendOutcome) {
        let Some(side) = self.contacts.live(contact) else { return };
        let node = side.node;
        if side.under_way.remove(&transfer).is_none() {
            return;
        }
        self.note(format_args!("{node} hears of {contact}.{transfer}: {outcome:?}"));
        if self.foreign(node).is_some() {
            self.foreign_transfer_settled(node, (contact, transfer), outcome);
        } else {
            self.give(node, Input::SendSettled { contact, transfer, outcome });
        }
    }

    fn later(&mut self, millis: Millis, event: Event) {
        self.agenda.add(self.now + millis, event);
    }

    fn order_in(&self, octets: &Bytes) -> Option<OrderNumber> {
        let head = crate::reception::head_of(octets)?;
        self.ledger.order_of(&head.primary().source)
    }

    fn meeting(&self, meeting: usize) -> Meeting {
        *self.meetings.get(meeting).expect("meetings are numbered by their place")
    }

    fn quality(&self, a: NodeIndex, b: NodeIndex) -> Quality {
        if self.now >= self.scenario.faults_end {
            return Quality::HEALED;
        }
        let pair = (a.min(b), a.max(b));
        Quality::chosen(&mut pair_dice(&self.scenario, pair))
    }
}

/// How much later than others a parcel may arrive on a lossy link.
const MAX_JITTER: Millis = 2 * SECOND;

/// What is between two nodes is the same whenever they meet.
fn pair_dice(scenario: &Scenario, (a, b): (NodeIndex, NodeIndex)) -> crate::dice::Dice {
    crate::dice::Dice::new(scenario.seed.wrapping_mul(31) ^ ((a as u64) << 32 | b as u64))
}
