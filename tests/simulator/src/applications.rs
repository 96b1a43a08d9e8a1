//! What people and applications at the nodes do: send, take what arrives, change settings.

use agent_core::request::{CustodyTransfer, Order, Report, Request};
use agent_core::store::Number;
use bundle_format::{BundleId, CreationTimestamp, Eid, Metadata, Priority, PublicKey};
use bytes::Bytes;

use crate::ledger::{Delivery, Ledger, OrderNumber, Taking};
use crate::node::Asked;
use crate::plan::NodeIndex;
use crate::sabotage::Sabotage;
use crate::scenario::{Chore, PlacedOrder, Recipient, Setting};
use crate::settlement;
use crate::violation::{Rule, Violation};
use crate::world::{Progress, World};

/// Payloads longer than this are given to the agent in chunks.
pub(crate) const STAGED_FROM_OCTETS: usize = 48 << 10;

/// A bundle in the queue of an endpoint.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) endpoint: Eid,
    pub(crate) number: Number,
    pub(crate) id: BundleId,
    pub(crate) source: Eid,
    pub(crate) destination: Eid,
    pub(crate) signer: Option<PublicKey>,
    pub(crate) payload: Bytes,
}

impl World {
    pub(crate) fn order_placed(&mut self, number: OrderNumber) {
        let placed = self.ledger.order(number).clone();
        let node = placed.from;
        let payload = Bytes::from(self.ledger.payload(number));
        if self.foreign(node).is_some() {
            self.foreign_order_placed(node, number);
            return;
        }
        if self.running(node).is_none() {
            return;
        }
        self.note(format_args!(
            "{node} is given order {number}: {} octets to {:?}",
            placed.octets, placed.to
        ));
        self.ledger.asked(number, self.now);
        let order = order_of(number, &placed);
        let (request, asked) = if placed.octets >= STAGED_FROM_OCTETS {
            let payload_octets = placed.octets as u64;
            (Request::BeginTransmission { order, payload_octets }, Asked::Begin(number))
        } else {
            (Request::Transmit { order, payload }, Asked::Transmit(number))
        };
        self.ask(node, request, asked);
    }

    /// There is room for a large order: its chunks, then its signature.
    pub(crate) fn fill_staging(
        &mut self,
        node: NodeIndex,
        order: OrderNumber,
        (number, creation, age_ms): (Number, CreationTimestamp, u64),
    ) {
        let payload = Bytes::from(self.ledger.payload(order));
        let wish = order_of(order, self.ledger.order(order));
        let Some(ours) = self.ours(node) else { return };
        let bundle = crate::reception::signed_over(&ours.config, &wish, (creation, age_ms), &payload);
        let Some(running) = ours.running.as_mut() else { return };
        running.put_chunks(number, &payload);
        self.ask(
            node,
            Request::FinishTransmission { number, bundle: Box::new(bundle) },
            Asked::Finish(order),
        );
    }

    pub(crate) fn chore_due(&mut self, chore: usize) {
        let Some(Chore { node, what, .. }) = self.scenario.chores.get(chore).copied() else { return };
        if self.running(node).is_none() {
            // Whoever finds the node without power comes back later.
            self.agenda.add(self.now + 10 * 60 * 1000, crate::agenda::Event::ChoreDue { chore });
            return;
        }
        let request = match what {
            Setting::Subscribe(group) => Request::Subscribe { group: settlement::group(group) },
            Setting::Trust(other) => Request::TrustAdd {
                node: settlement::node_id(other),
                key: settlement::key(&self.scenario, other).public(),
                conflict: agent_core::request::Conflict::Refuse,
            },
        };
        self.chore_came_to(chore, Progress::Tried);
        self.ask(node, request, Asked::Chore(chore));
    }

    /// Asks the agent of a node for something.
    pub(crate) fn ask(&mut self, node: NodeIndex, request: Request, asked: Asked) {
        let at = self.now + self.reaction();
        if let Some(running) = self.running(node) {
            running.request(request, asked);
            self.wake(node, at);
        }
    }

    /// The applications of a node look into their queues: they keep what they find, then tell the agent that they did.
    pub(crate) fn applications_look(&mut self, node: NodeIndex, life: u32) -> Result<(), Violation> {
        if self.ours(node).is_none_or(|ours| ours.life != life || ours.running.is_none()) {
            return Ok(());
        }
        let waiting = self.waiting_at(node)?;
        self.confirm_absent(node, &waiting);
        for found in waiting {
            // Who delivers unsigned bundles gets disturbed ones too, and cannot know.
            if !self.is_genuine(self.ledger.order_of(&found.source), found.signer) {
                continue;
            }
            let delivery = self.examine(node, &found)?;
            if self.is_being_told(node, &delivery) {
                continue;
            }
            if self.ledger.taking(node, &delivery).is_none() {
                self.counts.delivered += 1;
                self.note(format_args!("{node} takes order {} at {}", delivery.1, delivery.0));
            }
            self.ledger.take(node, delivery.clone(), Taking::Told);
            let request = Request::Consume { endpoint: found.endpoint, number: found.number };
            self.ask(node, request, Asked::Consume(delivery));
        }
        Ok(())
    }

    /// Compares a bundle in a queue with what was sent.
    fn examine(&mut self, node: NodeIndex, found: &Waiting) -> Result<Delivery, Violation> {
        let broken = |world: &Self, rule, detail: String| Err(world.violation(rule, node, detail));
        let Some(order) = self.ledger.order_of(&found.source) else {
            return broken(
                self,
                Rule::DeliveredAsSent,
                format!("{} comes from {}, which sent nothing", found.id, found.source),
            );
        };
        let mut payload = found.payload.to_vec();
        if self.sabotage == Sabotage::OctetsChange && order % 7 == 3 {
            payload.reverse();
        }
        if let Err((rule, detail)) = self.ledger.examine(order, found.id, &payload) {
            return broken(self, rule, detail);
        }
        let placed = self.ledger.order(order);
        let source = settlement::node_id(placed.from);
        let addressed =
            found.destination == settlement::endpoint(placed.to) && found.endpoint == found.destination;
        if found.source.node_id() != Some(source) || !addressed || !self.scenario_allows(node, placed) {
            return broken(
                self,
                Rule::DeliveredAsSent,
                format!("order {order} was not for {}", found.endpoint),
            );
        }
        if !self.may_deliver(node, placed.from) {
            return broken(
                self,
                Rule::PolicyHolds,
                format!("order {order} is delivered, though its source is not trusted"),
            );
        }
        let delivery = (found.endpoint.to_string(), order);
        if self.ledger.taking(node, &delivery) == Some(Taking::Done)
            && !self.may_have_forgotten(node, order)
            && !self.may_repeat(node, &delivery)
        {
            return broken(
                self,
                Rule::DeliveredOnce,
                format!("order {order} is in the queue of {} again", found.endpoint),
            );
        }
        Ok(delivery)
    }

    fn scenario_allows(&self, node: NodeIndex, placed: &PlacedOrder) -> bool {
        match placed.to {
            Recipient::Node(to) => to == node,
            Recipient::Group(group) => self.is_member(node, group),
        }
    }

    /// What an application told the agent before a power cut, and does not find any more, the agent took off the queue.
    fn confirm_absent(&mut self, node: NodeIndex, waiting: &[Waiting]) {
        let told: Vec<Delivery> = self
            .ledger
            .takings(node)
            .iter()
            .filter(|(delivery, taking)| **taking == Taking::Told && !self.found(delivery, waiting))
            .map(|(delivery, _)| delivery.clone())
            .collect();
        for delivery in told {
            self.ledger.take(node, delivery, Taking::Done);
        }
    }

    fn found(&self, (endpoint, order): &Delivery, waiting: &[Waiting]) -> bool {
        waiting.iter().any(|found| {
            self.ledger.order_of(&found.source) == Some(*order) && found.endpoint.to_string() == *endpoint
        })
    }

    fn is_being_told(&mut self, node: NodeIndex, delivery: &Delivery) -> bool {
        let Some(running) = self.running(node) else { return false };
        running.requests.values().any(|asked| matches!(asked, Asked::Consume(told) if told == delivery))
    }
}

fn order_of(number: OrderNumber, placed: &PlacedOrder) -> Order {
    let priority = match placed.urgency {
        0 => Priority::Bulk,
        1 => Priority::Normal,
        _ => Priority::Urgent,
    };
    Order {
        destination: settlement::endpoint(placed.to),
        source_demux: Ledger::demux(number),
        lifetime_ms: placed.lifetime_ms,
        metadata: Metadata { priority, ..Metadata::default() },
        report: if placed.wants_report { Report::Delivery } else { Report::Nothing },
        custody: CustodyTransfer::Wanted,
    }
}
