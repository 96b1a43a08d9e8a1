//! Old backups that are put back: a node's store as it was some time ago, after a power cut, on the same machine.
//!
//! The node learns of it, as the real one does by its witness (docs/store.md), and begins a new epoch and a new incarnation. What is lost
//! with the disk nobody can demand (docs/simulator.md): what the node accepted since the backup it need not have, nobody may
//! answer for it, and what it delivered since it may deliver again. All else is demanded: what was there when the backup was made is
//! kept, what others hold arrives, and no id is used twice.

use std::collections::BTreeSet;

use agent_core::store::Presence;
use bundle_format::BundleId;

use crate::agenda::Event;
use crate::dice::Dice;
use crate::ledger::{Delivery, OrderNumber, Taking};
use crate::plan::{Millis, NodeIndex};
use crate::scenario::{Kind, Role};
use crate::violation::{Rule, Violation};
use crate::world::World;

/// A backup that is made and put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restoration {
    /// Whose.
    pub node: NodeIndex,
    /// When it is made.
    pub made: Millis,
    /// When it is put back.
    pub put_back: Millis,
}

/// In some worlds a node is put back to an old backup.
pub(crate) fn chosen(dice: &mut Dice, roles: &[Role], until: Millis) -> Option<Restoration> {
    let node = dice.index(roles.len());
    let made = dice.below(until);
    let put_back = dice.between(made, until);
    let has_store = roles.get(node).is_some_and(|role| role.kind != Kind::Foreign);
    (has_store && dice.happens(3_000)).then_some(Restoration { node, made, put_back })
}

/// What a node was known to have when its backup was made.
#[derive(Debug, Default)]
pub(crate) struct Backup {
    promises: BTreeSet<BundleId>,
    delivered: BTreeSet<Delivery>,
    /// Whether it was put back.
    is_back: bool,
}

impl World {
    /// A consistent copy: no step is under way.
    pub(crate) fn backup_made(&mut self) -> Result<(), Violation> {
        let Some(Restoration { node, .. }) = self.scenario.restoration else { return Ok(()) };
        self.note(format_args!("a backup of {node} is made"));
        let saved = self.ours(node).map(|ours| ours.save());
        if let Some(Err(error)) = saved {
            return Err(self.violation(Rule::AgentGoesOn, node, format!("no backup: {error}")));
        }
        let done = self.ledger.takings(node).iter().filter(|(_, taking)| **taking == Taking::Done);
        self.backup = Backup {
            delivered: done.map(|(delivery, _)| delivery.clone()).collect(),
            promises: self.ledger.promises(node).keys().copied().collect(),
            is_back: false,
        };
        Ok(())
    }

    /// Power is lost, and the disk with it. The backup takes its place.
    pub(crate) fn backup_put_back(&mut self) -> Result<(), Violation> {
        let Some(Restoration { node, .. }) = self.scenario.restoration else { return Ok(()) };
        self.note(format_args!("the backup of {node} is put back"));
        if self.running(node).is_some() {
            self.power_lost(node);
        }
        let sabotage = self.sabotage;
        if let Some(Err(error)) = self.ours(node).map(|ours| ours.put_back(sabotage)) {
            return Err(self.violation(Rule::AgentGoesOn, node, format!("no backup: {error}")));
        }
        let kept = std::mem::take(&mut self.backup.promises);
        self.ledger.keep_promises(node, &kept);
        self.backup.is_back = true;
        self.chores_may_be_lost(node);
        Ok(())
    }

    /// Whether a node may deliver what it delivered before.
    pub(crate) fn may_repeat(&self, node: NodeIndex, delivery: &Delivery) -> bool {
        self.was_put_back(node) && !self.backup.delivered.contains(delivery)
    }

    /// Whether a node's disk was lost.
    pub(crate) fn was_put_back(&self, node: NodeIndex) -> bool {
        self.backup.is_back && self.scenario.restoration.is_some_and(|backup| backup.node == node)
    }

    /// Whether an order was taken between a backup and its return: it may have been with that node only, or in its custody.
    pub(crate) fn may_be_lost_with_disk(&self, order: OrderNumber) -> bool {
        let Some(Restoration { node, put_back, .. }) = self.scenario.restoration else { return false };
        self.was_put_back(node) && self.ledger.born(order) <= put_back
    }

    /// Whether an order went with a disk: its node had taken it over, whoever had it before let it go, and nobody has it any more.
    pub(crate) fn went_with_disk(&mut self, order: OrderNumber) -> Result<bool, Violation> {
        let Some(Restoration { node, put_back, .. }) = self.scenario.restoration else { return Ok(false) };
        let had_it = self.ledger.arrival(node, order).is_some_and(|at| at <= put_back);
        let Some(id) = self.ledger.id(order).filter(|_| had_it && self.was_put_back(node)) else {
            return Ok(false);
        };
        for node in self.our_nodes() {
            if matches!(self.look(node, |view| view.find(&id))?, Some(Some(Presence::Held(_)))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a node whose disk was lost was the first to have an order, since its backup.
    pub(crate) fn began_on_lost_disk(&self, order: OrderNumber) -> bool {
        let Some(Restoration { node, made, put_back }) = self.scenario.restoration else { return false };
        let (from, born) = (self.ledger.order(order).from, self.ledger.born(order));
        let is_theirs = from == node || self.scenario.kind(from) == Kind::Foreign;
        // The agent may have taken seconds to make it.
        self.was_put_back(node) && is_theirs && born + 10_000 >= made && born <= put_back
    }
}

/// Puts the two moments onto the agenda.
pub(crate) fn plan(world: &mut World) {
    if let Some(Restoration { made, put_back, .. }) = world.scenario.restoration {
        world.agenda.add(made, Event::BackupMade);
        world.agenda.add(put_back, Event::BackupPutBack);
    }
}
