//! The checker of custody: as long as a bundle that an agent took from a user is of use, some node answers for it, or its
//! destination has it. Looks at all nodes at once, and therefore only while all have power; what a node without power
//! answers for it still answers for when it is looked at next.

use agent_core::store::Presence;
use bundle_format::BundleId;

use crate::ledger::{OrderNumber, OrderState};
use crate::plan::{NodeIndex, SECOND};
use crate::scenario::{Kind, Recipient};
use crate::violation::{Rule, Violation};
use crate::world::World;

impl World {
    /// Every order that is not over has a custodian, or has arrived.
    pub(crate) fn inspect_custody(&mut self) -> Result<(), Violation> {
        let nodes = self.our_nodes();
        if nodes.iter().any(|node| self.running(*node).is_none()) {
            return Ok(());
        }
        let orders: Vec<(OrderNumber, NodeIndex, Recipient)> = self
            .ledger
            .orders()
            .filter(|(number, _, state)| {
                *state == OrderState::Transmitted && self.ledger.lifetime_ends(*number) > self.now + SECOND
            })
            .filter(|(number, ..)| !self.may_be_over(*number) && !self.may_be_lost_with_disk(*number))
            .map(|(number, order, _)| (number, order.from, order.to))
            .collect();
        for (number, from, to) in orders {
            let Some(id) = self.ledger.id(number).filter(|_| self.scenario.kind(from) != Kind::Foreign)
            else {
                continue;
            };
            if to != Recipient::Node(from) && !self.is_answered_for(&nodes, (number, id, to))? {
                let detail = format!("nobody answers for order {number} from {from} to {to:?}, bundle {id}");
                return Err(self.violation(Rule::CustodyIsKept, from, detail));
            }
        }
        Ok(())
    }

    fn is_answered_for(
        &mut self,
        nodes: &[NodeIndex],
        (number, id, to): (OrderNumber, BundleId, Recipient),
    ) -> Result<bool, Violation> {
        for node in nodes {
            let is_there = to == Recipient::Node(*node);
            if is_there && self.ledger.was_taken(*node, number) {
                return Ok(true);
            }
            let answers = self.look(*node, |view| match view.find(&id)? {
                Some(Presence::Held(number)) => Ok(is_there || view.is_custodian(number)?),
                _ => Ok(false),
            })?;
            if answers == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
