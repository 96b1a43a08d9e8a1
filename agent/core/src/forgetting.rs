//! Nodes that are long silent are forgotten: what they have, and that they were heard of. Called by `expiring` now and then.
//!
//! Whoever is trusted stays, however long it is silent, and so do drives, which nobody meets. Forgetting costs time only: should the node
//! come back, it is asked what it has.

use bundle_format::Eid;

use crate::agent::Agent;
use crate::contact::Contact;
use crate::store::{StoreError, View, WriteTxn};
use crate::time::{NodeTime, Now};

/// How long a node may be silent: three times as long as a card lives.
const SILENT_MS: u64 = 90 * 24 * 3_600_000;
/// Nodes that are forgotten in one step: each may have bitmaps about all bundles.
const FORGOTTEN_PER_STEP: usize = 16;

impl Agent {
    /// Forgets some nodes of which nothing was heard for long.
    pub(crate) fn forget_silent(&self, now: Now, store: &mut WriteTxn<'_>) -> Result<(), StoreError> {
        let Some(since) = now.node.as_ms().checked_sub(SILENT_MS).map(NodeTime::from_ms) else {
            return Ok(());
        };
        for node in self.silent(since, store.view())? {
            store.forget_neighbor(&node)?;
            store.forget_hearing(&node)?;
        }
        Ok(())
    }

    fn silent(&self, since: NodeTime, view: View<'_>) -> Result<Vec<Eid>, StoreError> {
        let met = view.neighbors()?.into_iter().filter(|neighbor| neighbor.key.is_some());
        let met = met.map(|neighbor| (neighbor.node, neighbor.met));
        let heard = view.hearings()?.into_iter().map(|hearing| (hearing.node, hearing.came));
        let mut silent = Vec::new();
        for (node, last) in met.chain(heard) {
            if silent.len() == FORGOTTEN_PER_STEP {
                break;
            }
            let is_here =
                self.contacts.values().filter_map(Contact::authenticated).any(|present| *present == node);
            if last < since
                && !is_here
                && self.config.trusted_key(view, &node)?.is_none()
                && !was_heard(view, &node, since)?
            {
                silent.push(node);
            }
        }
        Ok(silent)
    }
}

/// Whether a node was met, or its card came, since then.
fn was_heard(view: View<'_>, node: &Eid, since: NodeTime) -> Result<bool, StoreError> {
    Ok(view.neighbor(node)?.is_some_and(|neighbor| neighbor.met >= since)
        || view.hearing(node)?.is_some_and(|hearing| hearing.came >= since))
}
